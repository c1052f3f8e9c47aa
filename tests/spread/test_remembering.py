"""How much a peer remembers, and who has to answer for it: nobody can use up another's numbers."""

import random

import pytest

from gossip.settings import Settings
from gossip.spread import room
from gossip.spread.message_list import MessageList
from tests.tools.fakes import peer
from tests.tools.texts import A, B, line, told

RUN = b"127.0.0.1:5001:7"
FORGER, HONEST, THIRD, FOURTH, FIFTH = map(peer, range(1, 6))
NO_GAP = "numbers beyond a gap for which there was no room"
NO_RUN = "messages of runs for which there was no room"


def seen(messages, run=RUN):
    return messages.seen().get(run, [])


def test_every_limit_has_its_usual_size():
    settings = Settings()
    assert (settings.intervals_kept, settings.intervals_of_one, settings.intervals_in_all) == (
        1_000, 50_000, 200_000)
    assert (settings.runs_kept, settings.runs_of_address, settings.runs_of_one,
            settings.runs_unvouched) == (100_000, 8, 10_000, 30_000)


# Gaps.

@pytest.mark.parametrize("order", [1, -1])
def test_far_numbers_in_a_name_leave_room_for_all_that_it_says(order):
    """Upwards or downwards: 2,400 numbers that touch no other."""
    messages = MessageList(Settings())
    far = [line(number) for number in range(10**6, 10**6 + 4800, 2)][::order]
    fresh = messages.add(far, brought_by=FORGER)
    assert fresh.lines == far[:1000] and fresh.refused == far[1000:]
    assert messages.dropped()[NO_GAP] == 1400
    lines = [line(number) for number in range(1, 101)]
    assert messages.add(lines, brought_by=HONEST).lines == lines
    assert messages.add(far[:1000] + lines).lines == []


def test_a_refused_number_is_taken_as_soon_as_it_touches_another():
    messages = MessageList(Settings(intervals_kept=2))
    messages.add([line(number) for number in (5, 10)])
    assert messages.add([line(7)]).refused == [line(7)]
    assert messages.add([line(6), line(7), line(9), line(8)]).lines == [
        line(6), line(7), line(9), line(8)]
    assert seen(messages) == [(5, 10)]


def test_a_gap_is_never_closed():
    messages = MessageList(Settings(intervals_kept=5))
    rng = random.Random(3)
    numbers = [rng.randint(1, 60) for _ in range(400)]
    taken = set()
    for number in numbers:
        fresh = messages.add([line(number)])
        assert not (fresh.lines and number in taken)
        taken |= {number} if fresh.lines else set()
        assert {n for low, high in seen(messages) for n in range(low, high + 1)} == taken


def test_below_all_others_there_is_room_and_it_cannot_be_used_up():
    messages = MessageList(Settings(intervals_kept=3))
    messages.add([line(number) for number in (10**6, 10**6 + 2, 10**6 + 4)])
    lowest = 10**6
    while lowest > 1:
        fresh = messages.add([line(number) for number in (lowest - 2, lowest // 2)])
        assert fresh.lines == [line(lowest // 2)] or lowest < 5
        lowest //= 2
    assert len(seen(messages)) <= 3 + 63
    assert seen(messages)[0][0] == 1


def test_one_neighbour_makes_so_many_gaps_and_others_may_make_more():
    messages = MessageList(Settings(intervals_of_one=3, intervals_in_all=8))

    def say(neighbour, number):
        return bool(messages.add([line(number)], brought_by=neighbour).lines)

    assert [say(FORGER, number) for number in range(10, 22, 2)] == [True] * 4 + [False] * 2
    assert [say(HONEST, number) for number in range(30, 40, 2)] == [True] * 3 + [False] * 2
    assert [say(THIRD, number) for number in range(40, 50, 2)] == [True] * 2 + [False] * 3
    assert say(THIRD, 11) and say(THIRD, 17)  # what needs no interval: 10-12, and 16-17
    assert say(THIRD, 50) and not say(FORGER, 60)  # 11 has made room for one in all
    assert messages.dropped()[NO_GAP] == 8


def test_who_made_a_gap_is_relieved_when_it_is_closed():
    messages = MessageList(Settings(intervals_of_one=1))
    messages.add([line(5), line(10)], brought_by=FORGER)
    assert messages.add([line(20)], brought_by=FORGER).refused == [line(20)]
    messages.add([line(number) for number in range(6, 10)], brought_by=HONEST)
    assert messages.add([line(20)], brought_by=FORGER).lines == [line(20)]
    assert messages.add([line(30)], brought_by=HONEST).lines == [line(30)]


def test_the_first_number_of_a_run_and_number_one_always_have_room():
    messages = MessageList(Settings(intervals_of_one=0, intervals_in_all=0))
    assert messages.add([line(5), line(9), line(1), line(2)], brought_by=HONEST).lines == [
        line(5), line(1), line(2)]


def test_a_gap_is_not_asked_for_of_who_may_make_no_more_of_them():
    messages = MessageList(Settings(intervals_of_one=1))
    messages.add([line(5), line(10)], brought_by=FORGER)
    offer = [(RUN, [(4, 6), (12, 12), (20, 30)])]
    assert messages.lacking(offer, FORGER) == [(RUN, [(4, 4), (6, 6)])]
    assert messages.lacking(offer, HONEST) == [(RUN, [(4, 4), (6, 6), (12, 12), (20, 30)])]
    assert messages.unseen(offer) == messages.lacking(offer, HONEST)


# Runs.

def named(port, start):
    return line(1, peer(port), start)


def test_one_neighbour_brings_so_many_runs_and_others_may_bring_more():
    messages = MessageList(Settings(runs_of_one=3, runs_unvouched=8))
    for neighbour, ports, taken in ((FORGER, range(100, 106), 3), (HONEST, range(200, 206), 3),
                                    (THIRD, range(300, 306), 2)):
        lines = [named(port, 1) for port in ports]
        fresh = messages.add(lines, brought_by=neighbour)
        assert fresh.lines == lines[:taken] and fresh.refused == lines[taken:]
    assert messages.dropped()[NO_RUN] == 3 + 3 + 4
    assert messages.runs() == 8


def test_invented_runs_wipe_no_history_and_make_no_replay_new():
    messages = MessageList(Settings(runs_of_one=50, runs_unvouched=50, cache_size=20))
    history = [line(number) for number in range(1, 11)]
    messages.add(history, brought_by=HONEST)
    messages.add([named(100 + number, 1) for number in range(200)], brought_by=FORGER)
    messages.add([line(1, start=8 + number) for number in range(200)], brought_by=FORGER)
    assert messages.runs() == 50 and messages.count() == 20
    assert messages.add(history, brought_by=FORGER).lines == []


def test_a_run_that_was_refused_is_taken_once_a_seed_names_its_origin():
    messages = MessageList(Settings(runs_of_one=2, runs_unvouched=2))
    messages.add([named(100, 1), named(101, 1)], brought_by=FORGER)
    offer = [(b"127.0.0.1:102:1", [(1, 1)])]
    assert messages.add([named(102, 1)], brought_by=HONEST).refused
    assert messages.lacking(offer, HONEST) == []
    assert messages.vouch([peer(102)])
    assert messages.lacking(offer, HONEST) == offer
    assert messages.add([named(102, 1)], brought_by=HONEST).lines == [named(102, 1)]


def test_vouching_is_news_only_for_who_has_refused_runs_of_addresses_not_named_before():
    messages = MessageList(Settings(runs_of_one=1))
    assert not messages.vouch([peer(100)])
    messages.add([named(101, 1), named(102, 1)], brought_by=FORGER)
    assert not messages.vouch([peer(100)])
    assert messages.vouch([peer(100), peer(103)])
    assert not messages.vouch([peer(104)])


@pytest.mark.parametrize("order", [1, -1])
def test_which_run_is_forgotten_does_not_depend_on_the_order_in_which_seeds_name_origins(order):
    """A list is a set, and its order another one in every process: virtual time has to repeat."""
    messages = MessageList(Settings(runs_kept=1))
    messages.add([named(100, 1), named(101, 1)], brought_by=FORGER)
    messages.vouch([peer(100), peer(101)][::order])
    assert list(messages.seen()) == [b"127.0.0.1:101:1"]


def test_runs_that_a_seed_vouches_for_later_leave_the_account_of_who_brought_them():
    messages = MessageList(Settings(runs_of_one=2))
    messages.add([named(100, 1), named(101, 1)], brought_by=HONEST)
    messages.vouch([peer(100)])
    assert messages.add([named(102, 1), named(103, 1)], brought_by=HONEST).lines == [named(102, 1)]


def test_of_an_address_that_is_named_late_so_many_runs_leave_the_account():
    messages = MessageList(Settings(runs_of_address=2, runs_of_one=3))
    messages.add([line(1, start=start) for start in (1, 2, 3)], brought_by=FORGER)
    messages.vouch([A])
    strangers = [named(port, 1) for port in (101, 102, 103)]
    assert messages.add(strangers, brought_by=FORGER).lines == strangers[:2]


def test_seeds_vouch_for_so_many_runs_of_an_address_and_others_are_in_an_account():
    messages = MessageList(Settings(runs_of_address=2, runs_of_one=3))
    messages.vouch([A])
    assert len(messages.add([line(1, start=start) for start in range(1, 9)],
                            brought_by=FORGER).lines) == 2 + 3
    messages = MessageList(Settings(runs_of_address=2, runs_of_one=3))
    messages.add([line(1, start=start) for start in range(1, 9)], brought_by=FORGER)
    messages.vouch([A])
    assert len(messages.add([line(1, start=start) for start in range(1, 9)],
                            brought_by=FORGER).lines) == 2


def test_of_too_many_runs_that_seeds_vouch_for_the_one_used_longest_ago_is_forgotten():
    messages = MessageList(Settings(runs_kept=2, intervals_of_one=1, cache_size=10))
    messages.vouch([peer(port) for port in (100, 101, 102)])
    messages.add([line(1), named(101, 1), line(5, peer(101), 1)], brought_by=HONEST)
    messages.add([named(100, 1), line(2, peer(101), 1), named(102, 1)], brought_by=HONEST)
    assert set(messages.seen()) == {RUN, b"127.0.0.1:101:1", b"127.0.0.1:102:1"}
    assert messages.dropped()["runs forgotten"] == 1
    messages.add([named(100, 1)], brought_by=HONEST)  # new again, and 101 is forgotten, its gap too
    assert set(messages.seen()) == {RUN, b"127.0.0.1:100:1", b"127.0.0.1:102:1"}
    assert messages.add([line(9)], brought_by=HONEST).lines == [line(9)]
    other = MessageList(Settings())
    other.add([line(1), line(9), named(100, 1), named(102, 1)])
    assert messages.digest() == other.digest()


def test_runs_that_seeds_vouch_for_later_are_no_more_than_others():
    messages = MessageList(Settings(runs_kept=2))
    messages.add([named(port, 1) for port in range(100, 105)], brought_by=FORGER)
    messages.vouch([peer(port) for port in range(100, 105)])
    assert set(messages.seen()) == {b"127.0.0.1:103:1", b"127.0.0.1:104:1"}
    assert messages.dropped()["runs forgotten"] == 3


def test_a_run_that_is_forgotten_leaves_its_place_to_another_run_of_its_address():
    messages = MessageList(Settings(runs_kept=1, runs_of_address=1, runs_of_one=0))
    messages.vouch([A, B])
    assert messages.add([line(1)]).lines and messages.add([line(1, start=8)]).refused
    assert messages.add([line(1, B), line(1, start=8)]).refused == []


def test_the_own_run_needs_no_room():
    messages = MessageList(Settings(runs_of_one=0, runs_unvouched=0, runs_kept=1), RUN)
    assert messages.add([line(1)], made_here=True).lines == [line(1)]
    messages.vouch([A, B])
    messages.add([line(1, B)], brought_by=HONEST)
    assert messages.add([line(2)], made_here=True).lines == [line(2)]
    assert messages.runs() == 2


def test_of_too_many_addresses_that_seeds_have_named_the_first_go(monkeypatch):
    monkeypatch.setattr(room, "NAMED_LIMIT", 2)
    messages = MessageList(Settings(runs_of_one=0))
    messages.vouch([peer(100)])
    messages.vouch([peer(101), peer(102)])
    lines = [named(port, 1) for port in (100, 101, 102)]
    assert messages.add(lines, brought_by=HONEST).lines == lines[1:]


def test_a_message_list_tells_and_offers_all_that_it_has_seen():
    messages = MessageList(Settings(cache_size=1))
    messages.add([line(1), line(2), line(5)])
    assert told(messages) == [(RUN, [(1, 2), (5, 5)])]
