"""Overlay, places, neighbours, liveness, lists and registrations: rules without a socket."""

import random
import threading

import pytest

from gossip.addresses import address_of
from gossip.capacity import BY_RULE
from gossip.liveness.rounds import Liveness
from gossip.node.waiting_room import WaitingRoom
from gossip.overlay import ring
from gossip.overlay.link_check import LinkCheck
from gossip.overlay.neighbours import Neighbours
from gossip.overlay.peer_list import PeerUnion
from gossip.overlay.places import Places
from gossip.seeds.cadence import Cadence
from gossip.seeds.registrations import Registrations
from gossip.seeds.registry import Registry
from gossip.settings import Settings, majority
from gossip.spread.origin import Origin, TooLong


def peer(port):
    return address_of("127.0.0.1", port)


class FakeLink:
    ended = False


@pytest.mark.parametrize("identity", range(100))
def test_capacity_follows_the_rule(identity):
    rule = int(40 * 1.5 ** (-identity / 10))
    assert BY_RULE.of(peer(5000 + identity)) == max(3, min(60, rule)) >= 3


def test_any_subset_of_any_list_is_connected_by_its_ring():
    rng = random.Random(3)
    for _ in range(200):
        listed = [address_of(f"127.0.{rng.randrange(3)}.1", port)
                  for port in rng.sample(range(1, 65536), rng.randint(2, 40))]
        living = rng.sample(listed, rng.randint(1, len(listed)))
        links = {one: next((a for a in ring.successors(one, sorted(set(listed) - {one}))
                            if a in living), None)
                 for one in living}
        reached, at = {living[0]}, living[0]
        while links[at] is not None and links[at] not in reached:
            at = links[at]
            reached.add(at)
        assert reached == set(living)


def test_between_goes_round_the_ring():
    assert ring.between(peer(1), peer(2), peer(3))
    assert not ring.between(peer(1), peer(3), peer(2))
    assert ring.between(peer(8), peer(9), peer(2)) and ring.between(peer(8), peer(1), peer(2))
    assert not ring.between(peer(8), peer(5), peer(2))


def test_a_full_peer_takes_whom_nobody_linked_separates_from_it():
    own, linked = peer(50), {peer(20), peer(40), peer(60)}
    assert ring.accepts(own, peer(45), linked, 3)
    assert not ring.accepts(own, peer(30), linked, 3)
    assert ring.accepts(own, peer(30), linked, 4)


def test_surplus_spares_the_ring_and_the_young_unless_there_are_far_too_many():
    own, rng = peer(50), random.Random(1)
    ages = {peer(port): 9.0 for port in (10, 20, 40, 60, 70)}
    given_up = ring.surplus(own, ages, 3, 8, 5.0, rng)
    assert len(given_up) == 2 and not {peer(40), peer(60)} & set(given_up)
    assert ring.surplus(own, dict.fromkeys(ages, 1.0), 3, 8, 5.0, rng) == []
    many = {peer(port): 1.0 for port in range(100, 120)}
    assert len(ring.surplus(own, many, 3, 8, float("inf"), rng)) == 20 - 3 - 8


def test_places_are_drawn_with_probability_proportional_to_capacity():
    rng = random.Random(1)
    drawn = [ring.draw([peer(5000), peer(5040)], BY_RULE, rng) for _ in range(4000)]
    share = drawn.count(peer(5000)) / 4000
    assert abs(share - 40 / (40 + BY_RULE.of(peer(5040)))) < 0.03


def test_who_refused_as_full_or_cannot_be_reached_is_left_alone_for_a_while():
    settings = Settings(liveness_interval=10, full_rounds=2, full_tries=2)
    places = Places(peer(50), 3, settings, random.Random(1))
    listed = [peer(port) for port in (10, 20, 30, 60)]
    assert places.ring_dial(listed, [], [], 0.0) == peer(60)
    places.unreachable(peer(60), 0.0)
    assert places.ring_dial(listed, [], [], 1.0) == peer(10)
    assert places.ring_dial(listed, [], [], 10.1) == peer(60)
    places.refused(peer(60), True, 10.1)
    assert places.ring_dial(listed, [], [], 10.2) is None
    assert places.next_at(10.2) == pytest.approx(10.6)
    assert places.ring_dial(listed, [], [], 10.7) == peer(60)
    assert places.ring_dial(listed, [peer(60)], [], 10.7) is None
    places.leave_alone(peer(20))
    places.leave_alone(peer(10))
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) is None
    places.next_round(10.7)
    places.next_round(10.7)
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) in {peer(10), peer(20)}
    for _ in range(2):
        places.refused(peer(10), False, 10.7)
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) is None


def admit(table, address, dialler, now, link=None, silent=None):
    link = link or FakeLink()
    return link, table.admit(address, link, dialler, now, silent)


def test_of_two_links_the_one_dialled_by_the_smaller_address_stays():
    for own, other in ((peer(1), peer(2)), (peer(2), peer(1))):
        table = Neighbours(own, Settings())
        first, admission = admit(table, other, own, 0.0)
        assert admission.accepted
        _, admission = admit(table, other, other, 0.5)
        assert admission.accepted == (other < own)
        assert table.remove(other, first, "x") == (own < other)


def test_of_two_links_by_one_dialler_the_first_stays():
    table = Neighbours(peer(2), Settings())
    admit(table, peer(1), peer(1), 0.0)
    assert admit(table, peer(1), peer(1), 0.5)[1].reason == "duplicate"


def test_an_older_link_is_asked_first_and_replaced_when_silent_or_ended():
    table = Neighbours(peer(1), Settings())
    standing, _ = admit(table, peer(2), peer(2), 0.0)
    newcomer, admission = admit(table, peer(2), peer(2), 2.0)
    assert admission.ask is standing and not admission.accepted
    _, admission = admit(table, peer(2), peer(2), 3.0, newcomer, silent=standing)
    assert admission.accepted and admission.replaced is standing
    newcomer.ended = True
    assert admit(table, peer(2), peer(2), 3.1)[1].accepted
    assert list(table.changes) == [
        "connected:127.0.0.1:2", "degree:127.0.0.1:1=>1",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2"]


def test_while_the_smaller_dials_it_refuses_the_others_dial():
    table = Neighbours(peer(1), Settings())
    assert table.begin_dial(peer(2), False) and not table.begin_dial(peer(2), False)
    assert admit(table, peer(2), peer(2), 0.0)[1].reason == "duplicate"
    table.end_dial(peer(2))
    assert admit(table, peer(2), peer(2), 0.0)[1].accepted


def test_only_the_link_that_stands_is_removed():
    table = Neighbours(peer(1), Settings())
    link, _ = admit(table, peer(2), peer(2), 0.0)
    assert table.links() == (link,) and table.link(peer(2)) is link
    assert not table.remove(peer(2), FakeLink(), "x") and table.remove(peer(2), link, "x")
    assert table.links() == () and table.link(peer(2)) is None


def test_three_misses_in_a_row_make_a_suspect_and_one_reply_does_not():
    liveness, link = Liveness(3, 2), FakeLink()
    liveness.linked(peer(1), link, 1, 0.0)
    for number in range(10):
        turn = liveness.next_round(str(number), number, late=False)
        assert turn.suspects == []
        if number % 3 == 2:
            assert liveness.reply_from(peer(1), str(number), number + 0.5) == 0.5
    assert liveness.reply_from(peer(1), "unknown", 10) is None
    assert liveness.next_round("10", 10, late=False).missed == [(peer(1), 1)]
    assert liveness.next_round("11", 11, late=False).missed == [(peer(1), 2)]
    turn = liveness.next_round("12", 12, late=False)
    assert turn.missed == [(peer(1), 3)] and turn.suspects == [peer(1)] and turn.ask == []
    assert liveness.next_round("13", 13, late=False).suspects == []
    assert liveness.verdict(peer(1)) == (True, link)
    assert liveness.verdict(peer(1)) == (False, None)


def test_a_broken_link_misses_every_round_until_it_is_linked_again():
    liveness, link = Liveness(3, 2), FakeLink()
    liveness.linked(peer(1), link, 1, 0.0)
    liveness.lost(peer(1), FakeLink())
    assert liveness.next_round("1", 1, late=False).ask == [peer(1)]
    liveness.lost(peer(1), link)
    turn = liveness.next_round("2", 2, late=False)
    assert turn.missed == [(peer(1), 1)] and turn.lost == [peer(1)] and turn.ask == []
    liveness.linked(peer(1), link, 2, 2.0)
    assert liveness.next_round("3", 3, late=False).missed == []
    assert not liveness.forget(peer(1)) and liveness.forget(peer(1), link)


def test_the_later_admission_counts_and_the_lost_are_bounded():
    liveness, links = Liveness(3, 2), [FakeLink() for _ in range(4)]
    liveness.linked(peer(1), links[1], 2, 0.0)
    liveness.linked(peer(1), links[0], 1, 0.0)
    assert not liveness.forget(peer(1), links[0]) and liveness.forget(peer(1), links[1])
    for number, link in enumerate(links, 1):
        liveness.linked(peer(number), link, number, 0.0)
    for number in (3, 1, 2):
        liveness.lost(peer(number), links[number - 1])
    turn = liveness.next_round("1", 1, late=False)
    assert turn.ask == [peer(4)] and len(turn.lost) == 2


def test_a_late_round_blames_nobody():
    liveness = Liveness(3, 2)
    liveness.linked(peer(1), FakeLink(), 1, 0.0)
    for number in range(20):
        turn = liveness.next_round(str(number), number, late=True)
        assert turn.missed == [] and turn.suspects == [] and turn.ask == [peer(1)]


def test_the_union_grows_by_lists_and_shrinks_by_deaths():
    known = PeerUnion(peer(1))
    assert known.add(peer(80), frozenset([peer(1), peer(2), peer(3)]))
    assert not known.add(peer(80), frozenset([peer(2), peer(3)]))
    assert known.add(peer(81), frozenset([peer(4)]))
    assert known.add(peer(80), frozenset([peer(2)]))
    assert set(known.addresses()) == {peer(2), peer(3), peer(4)}
    known.unreachable(peer(4))
    known.unreachable(peer(3))
    assert set(known.addresses()) == {peer(2), peer(4)}
    known.discard(peer(4))
    known.seed_lost(peer(80))
    known.unreachable(peer(2))
    assert set(known.addresses()) == set()


@pytest.mark.parametrize("seeds", [1, 2, 3, 6, 60])
def test_registrations_work_towards_a_majority_whatever_fails(seeds):
    addresses = [peer(8000 + n) for n in range(seeds)]
    table = Registrations(addresses, Settings(), random.Random(2))
    dials = dict(table.next_dials(lambda seed: FakeLink(), 0.0))
    assert len(dials) == majority(seeds) and table.next_dials(lambda s: FakeLink(), 0.0) == []
    for seed, link in dials.items():
        assert table.answered(seed, link) and not table.answered(seed, link)
    assert len(table.links()) == majority(seeds) and table.next_at() is None
    lost = list(dials)[0]
    assert table.ended(lost, dials[lost], 1.0) and not table.ended(lost, dials[lost], 1.0)
    assert 0 <= table.next_at() <= 1.5
    again = table.next_dials(lambda seed: FakeLink(), 1.5)
    assert len(again) == 1
    assert len(table.overdue(12.0)) == 1


def test_back_off_doubles_up_to_its_limit():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    now, rests = 0.0, []
    for _ in range(9):
        (seed, link), = table.next_dials(lambda s: FakeLink(), now)
        table.ended(seed, link, now)
        rests.append(table.next_at() - now)
        now = table.next_at()
    assert 0.25 <= rests[0] <= 0.5 and 7.5 <= rests[-1] <= 15.0
    assert max(rests) <= 15.0


def test_a_silent_seed_is_given_up_after_three_rounds():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    (seed, link), = table.next_dials(lambda s: FakeLink(), 0.0)
    table.answered(seed, link)
    assert [table.next_round() for _ in range(3)] == [([link], [])] * 3
    assert table.next_round() == ([], [link])
    table.answered(seed, link)
    assert table.next_round() == ([link], [])


def test_the_registry_removes_a_registration_not_its_successor():
    registry, first, second = Registry(Settings()), FakeLink(), FakeLink()
    assert registry.register(peer(1), first) is None
    row = registry.row(peer(1))
    assert registry.register(peer(1), second) is first
    assert registry.remove(peer(1), row, "dead", 0.0) == (False, None)
    assert registry.lost(peer(1), first) is None
    row = registry.lost(peer(1), second)
    assert registry.next_at() is None and registry.outstayed(1e9) == []
    registry.spare(peer(1), row, 60.0)
    assert registry.next_at() == 60.0 and registry.outstayed(60.0) == [(peer(1), row)]
    assert registry.remove(peer(1), row, "gone", 60.0) == (True, None)
    assert registry.addresses() == []


def test_a_report_is_passed_on_once_per_removal_and_told_once_a_minute():
    registry = Registry(Settings())
    for _ in range(2):
        registry.register(peer(1), FakeLink())
        assert not registry.pass_on(peer(1))
        registry.remove(peer(1), registry.row(peer(1)), "gone", 0.0)
        assert registry.lately_removed(peer(1), 10.0)
        assert registry.pass_on(peer(1)) and not registry.pass_on(peer(1))
    assert registry.tell(peer(2), 0.0) and not registry.tell(peer(2), 59.0)
    assert registry.tell(peer(2), 60.0) and not registry.lately_removed(peer(2), 0.0)


def test_every_asker_of_a_link_check_waits_for_a_reply():
    check, link, answers = LinkCheck(threading.Event()), FakeLink(), []
    threads = [threading.Thread(target=lambda: answers.append(
        check.answers(link, lambda: None, 0.2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [False, False]
    assert check.answers(link, lambda: check.replied(link), 5.0)


def test_a_cadence_hurries_and_settles():
    cadence, times, now = Cadence(0.5, 4.0, 0.0), [], 0.0
    for _ in range(5):
        now = cadence.next_at()
        assert cadence.due(now) and not cadence.due(now)
        times.append(now)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5]
    cadence.hurry(12.0)
    assert cadence.next_at() == 12.5
    cadence.hurry(12.1)
    assert cadence.next_at() == 12.5


def test_the_oldest_gives_way_in_a_full_waiting_room():
    room = WaitingRoom(2)
    assert room.enter("a") is None and room.enter("b") is None
    room.leave("a")
    assert room.enter("c") is None and room.enter("d") == "b"
    assert room.pop_oldest() == "c" and room.pop_oldest() == "d" and room.pop_oldest() is None


def test_the_origin_numbers_its_messages_and_refuses_what_is_too_long():
    origin = Origin(peer(1), 9)
    assert origin.lines(["a", "b"], 1.5) == [
        b"gmessage:1.500000:127.0.0.1:1:9:1:a", b"gmessage:1.500000:127.0.0.1:1:9:2:b"]
    with pytest.raises(TooLong):
        origin.lines(["\u00e4" * 32_768], 1.5)
    assert origin.lines(["c"], 1.5)[0].endswith(b":3:c")
