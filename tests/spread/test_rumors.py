"""The rules of rumors: whom to tell, when to stop, what to do about silence."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.capacity import BY_RULE
from gossip.settings import Settings
from gossip.spread.rumors import HOT_BYTES, HOT_LIMIT, QUEUE_BYTES, SEND_CHARGE, Rumors

RUN = b"127.0.0.1:5001:7"
ONE = Settings(rumor_stop=0.25, rumor_window=100_000, rumor_patience=1.0)


def messages(*numbers):
    return [((RUN, number), b"line %d" % number) for number in numbers]


def named(*numbers):
    return wire.entries([(RUN, number) for number in numbers])


class Coin(random.Random):
    """A generator whose coin always falls the same way; whom it picks stays random."""

    def __init__(self, toss):
        super().__init__(1)
        self.toss = toss

    def random(self):
        return self.toss


def tell_all(rumors, links, now=0.0, knew=()):
    """Answer every telling at once; return who was told what, in order."""
    told = []
    while turn := rumors.turn(links, now):
        for link, lines in turn:
            told.append((link, lines))
            rumors.answered(link, named(*(int(line.split()[1]) for line in lines)),
                            knew=link in knew)
    return told


def test_a_useful_rumor_is_told_to_one_after_the_other_but_never_to_its_source():
    rumors = Rumors(ONE, Coin(0.0), tries=3)  # the coin would always say: stop
    rumors.add(messages(1, 2), "b")
    told = tell_all(rumors, ["a", "b", "c", "d"])
    assert sorted(link for link, _ in told) == ["a", "c", "d"]
    assert all(lines == [b"line 1", b"line 2"] for _, lines in told)
    assert len(rumors.hot) == 0


@pytest.mark.parametrize("toss, tellings", [(0.2, 1), (0.3, 5)])
def test_after_a_useless_telling_a_coin_decides(toss, tellings):
    rumors = Rumors(ONE, Coin(toss), tries=3)
    rumors.add(messages(1), None)
    links = ["a", "b", "c", "d", "e"]
    assert len(tell_all(rumors, links, knew=links)) == tellings
    assert len(rumors.hot) == 0


def test_who_has_told_a_rumor_itself_is_not_told_it():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(1, 2), "a")
    rumors.note_known("b", [(RUN, 1)])
    assert sorted(tell_all(rumors, ["a", "b"])) == [("b", [b"line 2"])]


def test_what_is_not_answered_is_told_again_then_its_neighbour_is_silent():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(1), None)
    (first, _), = rumors.turn(["a", "b"], 0.0)
    other = "b" if first == "a" else "a"
    assert rumors.turn(["a", "b"], 0.9) == [] and rumors.next_at() == 1.0
    assert rumors.turn(["a", "b"], 1.0) == [(first, [b"line 1"])]
    assert rumors.turn(["a", "b"], 2.0) == [(first, [b"line 1"])]
    assert rumors.turn(["a", "b"], 3.0) == [(other, [b"line 1"])]
    rumors.add(messages(2), None)
    assert rumors.turn(["a", "b"], 3.0) == [(other, [b"line 2"])]
    assert rumors.heard(first, 3.5) and not rumors.heard(first, 3.6)
    rumors.answered(other, named(2), knew=False)
    assert rumors.turn(["a", "b"], 3.7) == [(first, [b"line 2"])]


def test_a_neighbour_that_lost_one_rumor_but_answers_others_is_not_silent():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(1), None)
    for now in (0.0, 1.0, 2.0):
        assert rumors.turn(["a"], now)
    rumors.heard("a", 2.5)
    assert rumors.turn(["a"], 3.0) == [] and len(rumors.hot) == 0  # given up: it was lost
    rumors.add(messages(2), None)
    assert rumors.turn(["a"], 3.1) == [("a", [b"line 2"])]


def test_a_window_bounds_what_is_unanswered_and_the_rest_follows():
    rumors = Rumors(ONE._replace(rumor_window=2 * SEND_CHARGE), Coin(0.9), tries=3)
    for number in range(1, 6):  # each sent alone
        rumors.add(messages(number), None)
        rumors.turn(["a"], 0.0)
    assert rumors.turn(["a"], 0.0) == []
    assert rumors.flush(["a"], [b"last"]) == [("a", [b"line 3", b"line 4", b"line 5"])]
    rumors.answered("a", named(1), knew=False)
    assert rumors.turn(["a"], 0.0) == [("a", [b"line 3"])]
    rumors.answered("a", named(2, 3), knew=False)
    assert rumors.turn(["a"], 0.0) == [("a", [b"line 4", b"line 5"])]


def test_a_flush_gives_the_last_lines_to_who_was_silent():
    rumors = Rumors(ONE, Coin(0.9))
    rumors.add(messages(1), None)
    rumors.turn(["a"], 1.0)
    assert rumors.turn(["a"], 2.0) == []
    assert rumors.flush(["a"], [b"last"]) == [("a", [b"last"])]


def test_a_neighbour_that_answers_slowly_keeps_little_waiting_and_holds_up_nobody():
    rumors = Rumors(ONE._replace(rumor_window=1), Coin(0.9), tries=3)
    big = b"x" * 10_000
    told = {"slow": 0, "a": 0}
    for number in range(200):
        rumors.add([((RUN, number), big)], None)
        for link, lines in rumors.turn(["slow", "a"], number / 1000):
            told[link] += len(lines)
            if link == "a":
                rumors.answered(link, named(number), knew=False)
    assert told["slow"] == 1 and told["a"] == 200 - 1
    assert rumors._channels["slow"].queued <= QUEUE_BYTES + len(big)
    assert len(rumors.hot) <= QUEUE_BYTES // len(big) + 5


def test_many_bytes_of_rumors_are_bounded_too():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add([((RUN, number), b"x" * 60_000) for number in range(1000)], None)
    assert len(rumors.hot) == HOT_BYTES // 60_000


def test_an_answer_that_names_thousands_of_runs_is_taken_in_no_time():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(*range(1, 2000)), None)
    rumors.turn(["a"], 0.0)
    counted = []

    class Key(bytes):
        def __hash__(self):
            counted.append(1)
            return super().__hash__()

    entries = [(Key(b"1.1.1.1:1:%d" % number), [(1, 9999)]) for number in range(3000)]
    rumors.answered("a", entries, knew=True)
    assert len(counted) < 10 * len(entries) and len(rumors.hot) == 1999


def test_when_a_link_ends_others_are_told():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(1), None)
    (first, _), = rumors.turn(["a", "b"], 0.0)
    other = "b" if first == "a" else "a"
    assert rumors.turn([other], 0.0) == [(other, [b"line 1"])]
    assert rumors.turn([], 0.0) == [] and len(rumors.hot) == 0 and rumors.next_at() is None


def test_two_at_once_are_told_at_once_and_one_silent_does_not_hold_up_the_other():
    rumors = Rumors(ONE, Coin(0.9), at_once=2, tries=3)
    rumors.add(messages(1), None)
    assert sorted(link for link, _ in rumors.turn(["a", "b"], 0.0)) == ["a", "b"]
    rumors.answered("a", named(1), knew=False)
    assert rumors.turn(["a", "b"], 1.0) == [("b", [b"line 1"])]
    rumors.answered("b", named(1), knew=False)
    assert rumors.turn(["a", "b"], 9.0) == [] and len(rumors.hot) == 0


def test_a_stranger_that_answers_everything_costs_nothing():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(*range(1, 1000)), None)
    rumors.turn(["a"], 0.0)
    rumors.answered("b", [(RUN, [(1, 2**63 - 1)])], knew=True)
    assert len(rumors.hot) == 999
    rumors.answered("a", [(b"127.0.0.1:1:1", [(1, 2**63 - 1)]), (RUN, [(500, 2**63 - 1)])], False)
    assert rumors.turn(["a"], 0.0) == [] and len(rumors.hot) == 499


def test_too_many_rumors_are_bounded_and_counted():
    rumors = Rumors(ONE, Coin(0.9), tries=3)
    rumors.add(messages(*range(HOT_LIMIT + 10)), None)
    assert len(rumors.hot) == HOT_LIMIT
    assert rumors.dropped() == {"rumors told no longer: too many": 10}


def random_graph(count, rng):
    """Links between peers whose degrees are what the usual rule says, and a ring."""
    places = {peer: BY_RULE.of(address_of("127.0.0.1", 5000 + peer)) for peer in range(count)}
    links = {peer: {(peer + 1) % count, (peer - 1) % count} for peer in range(count)}
    peers = list(places)
    for peer in peers:
        for other in rng.sample(peers, count):
            if (other != peer and len(links[peer]) < places[peer]
                    and len(links[other]) < places[other]):
                links[peer].add(other)
                links[other].add(peer)
    return links


def spread(links, origin, rng):
    """Who has a rumor in the end, and how often it was sent."""
    peers = {peer: Rumors(ONE, rng, tries=3) for peer in links}
    peers[origin].add(messages(1), None)
    has, sent, active = {origin}, 0, [origin]
    while active:
        peer = active.pop(rng.randrange(len(active)))
        for other, lines in peers[peer].turn(sorted(links[peer]), 0.0):
            sent += 1
            knew = other in has
            if knew:
                peers[other].note_known(peer, [(RUN, 1)])
            else:
                has.add(other)
                peers[other].add(messages(1), peer)
                active.append(other)
            peers[peer].answered(other, named(1), knew)
            active.append(peer)
    return has, sent


def test_rumors_alone_reach_nearly_everyone_with_far_fewer_sendings_than_flooding():
    rng = random.Random(5)
    reached = sent = flooded = 0
    for _ in range(60):
        links = random_graph(40, rng)
        has, sendings = spread(links, rng.randrange(40), rng)
        reached += len(has) - 1
        sent += sendings
        flooded += sum(map(len, links.values())) - 39  # to all but the source
    assert reached / (60 * 39) > 0.97
    assert sent / reached < 6 < 10 < flooded / (60 * 39)


def test_signed_lines_take_room_in_the_window_and_stand_before_what_they_cover():
    rumors = Rumors(ONE._replace(rumor_window=5_000), random.Random(1), tries=3)
    covers = [b"signed:%d:" % number + bytes(3_000) for number in (1, 2, 3)]
    rumors.add(messages(1, 2, 3, 4), None, [covers[0], covers[1], covers[0], covers[2]])
    [(_, lines)] = rumors.turn(["a"], 0.0)
    assert lines == [covers[0], b"line 1", covers[1], b"line 2"]
    rumors.answered("a", named(1, 2), knew=False)
    [(_, lines)] = rumors.turn(["a"], 0.0)
    assert lines == [covers[0], b"line 3", covers[2], b"line 4"]
