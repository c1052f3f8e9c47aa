"""The message list, its intervals, and catching up: rules without a socket."""

import random
import threading

import pytest

from gossip import wire
from gossip.addresses import parse_address
from gossip.intervals import Intervals
from gossip.settings import Settings
from gossip.spread.catch_up import CatchUp
from gossip.spread.message_list import MessageList

A, B = parse_address("127.0.0.1:5001"), parse_address("127.0.0.1:5002")


def line(number, origin=A, start=7, text="x"):
    return wire.gossip("1.000000", origin, start, number, text)


def test_intervals_are_a_set_of_numbers():
    rng = random.Random(5)
    for _ in range(100):
        numbers, intervals = set(), Intervals()
        for _ in range(60):
            first = rng.randint(1, 80)
            last = first + rng.choice([0, 0, 0, 3, 9])
            change = rng.choice(["add", "range", "minus"])
            if change == "add":
                assert intervals.add(first) == (first not in numbers)
                numbers.add(first)
            elif change == "range":
                intervals.add_range(first, last)
                numbers |= set(range(first, last + 1))
            else:
                intervals = intervals.minus([(first, last)])
                numbers -= set(range(first, last + 1))
        spelled = [n for low, high in intervals.ranges() for n in range(low, high + 1)]
        assert spelled == sorted(numbers)
        assert all(after[0] > before[1] + 1 for before, after in
                   zip(intervals.ranges(), intervals.ranges()[1:]))
        missing = {n for low, high in intervals.missing(10, 60) for n in range(low, high + 1)}
        assert missing == set(range(10, 61)) - numbers
        common = {n for low, high in intervals.common([(10, 60)]) for n in range(low, high + 1)}
        assert common == set(range(10, 61)) & numbers


def test_new_is_told_from_old():
    messages = MessageList(Settings())
    assert messages.add([line(1), line(2), line(1)]).lines == [line(1), line(2)]
    assert messages.add([line(2), line(3)]).lines == [line(3)]
    assert messages.add([line(3, text="another text")]).lines == []


def test_two_origins_and_two_runs_have_messages_of_their_own():
    messages = MessageList(Settings())
    lines = [line(1), line(1, origin=B), line(1, start=8)]
    assert messages.add(lines).lines == lines


def test_prefixes_change_on_the_way():
    messages = MessageList(Settings())
    assert messages.add([b"signed:1:" + line(1)]).lines == [b"signed:1:" + line(1)]
    assert messages.add([line(1), b"signed:2:" + line(1)]).lines == []


def test_what_stands_before_a_fault_is_taken():
    fresh = MessageList(Settings()).add([line(1), b"gmessage:nonsense", line(2)])
    assert fresh.lines == [line(1)]
    assert isinstance(fresh.fault, wire.WireError)


@pytest.mark.parametrize("limit", [{"cache_size": 10}, {"cache_bytes": 10 * len(line(10))}])
def test_eviction_drops_texts_never_numbers(limit):
    messages = MessageList(Settings(**limit))
    for number in range(1, 101):
        messages.add([line(number)])
    assert 8 <= messages.count() <= 11
    assert messages.add([line(number) for number in range(1, 101)]).lines == []
    assert messages.vector() == [b"127.0.0.1:5001:7=1-100"]
    assert messages.dropped()["texts evicted"] == 100 - messages.count()


def test_gaps_and_runs_are_bounded():
    messages = MessageList(Settings(intervals_kept=5, runs_kept=3))
    messages.add([line(number) for number in range(2, 40, 2)])
    assert len(messages.vector()[0].split(b",")) == 5
    assert messages.dropped()["gaps closed in the numbers of a run"] == 14
    assert messages.add([line(3)]).lines == []  # its gap was closed
    messages.add([line(1, start=start) for start in (8, 9)])
    messages.add([line(41)])  # run 7 is used again: run 8 is the least recently used one
    messages.add([line(1, start=10)])
    assert [entry.partition(b"=")[0] for entry in messages.vector()] == [
        b"127.0.0.1:5001:9", b"127.0.0.1:5001:7", b"127.0.0.1:5001:10"]
    assert messages.add([line(1, start=8)]).lines == [line(1, start=8)]


def test_digests_are_equal_when_and_only_when_the_same_is_known():
    one, other = MessageList(Settings()), MessageList(Settings(cache_size=2))
    lines = [line(n, origin) for n in (1, 2, 3, 7) for origin in (A, B)]
    one.add(lines)
    for text in random.sample(lines, len(lines)):
        assert one.digest() != other.digest()
        other.add([text])
    assert one.digest() == other.digest()
    one.note_gone([(b"127.0.0.1:5001:7", [(4, 6)])])
    assert one.digest() != other.digest()
    other.add([line(n) for n in (4, 5, 6)])
    assert one.digest() == other.digest()


def test_one_thread_of_many_is_told_that_a_message_is_new():
    messages, new = MessageList(Settings()), []
    lines = [line(number) for number in range(1, 2001)]

    def add():
        for at in range(0, 2000, 20):
            new.extend(messages.add(lines[at:at + 20]).lines)

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == sorted(lines)


def told(messages: MessageList):
    """All that is known, as a neighbour hears it."""
    return [entry for told_line in wire.status_lines("seen", messages.vector())
            for entry in wire.parse(told_line[:-1]).entries]


def fetch(lacking: MessageList, sources: dict, catch_up: CatchUp, now=0.0):
    """Carry out what catching up asks for; returns the portions taken, per source."""
    asked = []
    while (turn := catch_up.next_want(now)) is not None:
        name, want = turn
        asked.append(name)
        lines, gone = sources[name].texts(want, 300)
        lacking.add(lines)
        lacking.note_gone(catch_up.gone(name, gone))
        catch_up.portion_taken(name)
    return asked


def test_what_is_missing_is_fetched_once_in_number_order_in_portions():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(number) for number in random.sample(range(1, 101), 100)])
    lacking.add([line(number) for number in (2, 3, 50)])
    catch_up = CatchUp(lacking, 2.0)
    for name in "ab":
        catch_up.offered(name, told(full), True)
    asked = fetch(lacking, {"a": full, "b": full}, catch_up)
    assert lacking.count() == 100 and set(asked) == {"a"} and len(asked) > 10
    lines, gone = full.texts([(b"127.0.0.1:5001:7", [(1, 100)])], 200)
    assert lines == [line(number) for number in range(1, len(lines) + 1)] and not gone


def test_what_is_gone_is_asked_for_once_but_of_every_new_neighbour():
    evicted, holding = MessageList(Settings(cache_size=3)), MessageList(Settings())
    for messages in (evicted, holding):
        messages.add([line(number) for number in range(1, 11)])
    lacking = MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0)
    catch_up.offered("evicted", told(evicted), True)
    assert fetch(lacking, {"evicted": evicted}, catch_up)
    assert lacking.count() == 3 and lacking.digest() == evicted.digest()
    catch_up.offered("evicted", told(evicted), False)
    assert fetch(lacking, {"evicted": evicted}, catch_up) == []
    catch_up.offered("holding", told(holding), True)
    assert fetch(lacking, {"holding": holding}, catch_up)
    assert lacking.count() == 10


def test_what_is_only_known_to_be_gone_counts_when_two_meet():
    run = b"127.0.0.1:5001:7"
    told_gone, holding = MessageList(Settings()), MessageList(Settings())
    told_gone.add([line(1)])
    told_gone.note_gone([(run, [(2, 2)])])
    holding.add([line(1), line(2)])
    assert told_gone.digest() == holding.digest() and told_gone.slices() == holding.slices()
    assert told_gone.digest(seen_only=True) != holding.digest(seen_only=True)
    differ = [at for at, (one, other) in enumerate(
        zip(told_gone.slices(True), holding.slices(True))) if one != other]
    assert len(differ) == 1
    assert holding.vector(1 << differ[0]) == [run + b"=1-2"]
    assert holding.vector(~(1 << differ[0])) == []


def test_who_has_never_seen_a_message_does_not_call_it_gone():
    run = b"127.0.0.1:5001:7"
    evicted = MessageList(Settings(cache_size=1))
    evicted.add([line(1), line(2)])
    assert evicted.texts([(run, [(1, 9)])], 10**6) == ([line(2)], [(run, [(1, 1)])])
    assert MessageList(Settings()).texts([(run, [(1, 9)])], 10**6) == ([], [])


def test_who_stalls_is_asked_again_after_all_others():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(number) for number in range(1, 101)])
    catch_up = CatchUp(lacking, 2.0)
    for name in ("stalls", "answers"):
        catch_up.offered(name, told(full), True)
    assert catch_up.next_want(0.0)[0] == "stalls"
    now = 3.0
    for _ in range(3):
        link, want = catch_up.next_want(now)
        assert link == "answers"
        lacking.add(full.texts(want, 300)[0])
        catch_up.portion_taken(link)


def test_forged_messages_of_ones_own_run_are_not_asked_for():
    other, own = MessageList(Settings()), MessageList(Settings(), b"127.0.0.1:5001:7")
    other.add([line(number) for number in range(1, 50)] + [line(1, origin=B)])
    catch_up = CatchUp(own, 2.0)
    catch_up.offered("other", told(other), True)
    assert catch_up.next_want(0.0)[1] == [(b"127.0.0.1:5002:7", [(1, 1)])]


def test_older_runs_are_fetched_first():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(number, start=start) for start in (30, 100, 9) for number in (1, 2)])
    catch_up = CatchUp(lacking, 2.0)
    catch_up.offered("full", told(full), False)
    _, want = catch_up.next_want(0.0)
    assert [run.rpartition(b":")[2] for run, _ in want] == [b"9", b"30", b"100"]


def test_a_silent_neighbour_loses_its_turn_and_an_empty_promise_its_offer():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(1)])
    catch_up = CatchUp(lacking, 2.0)
    catch_up.offered("silent", told(full), True)
    catch_up.offered("other", told(full), True)
    assert catch_up.next_want(0.0)[0] == "silent"
    assert catch_up.next_want(1.9) is None
    assert catch_up.next_want(2.1)[0] == "other"
    catch_up.portion_taken("other")  # nothing came
    assert catch_up.next_want(2.2)[0] == "silent"
    catch_up.on_end("silent")
    assert catch_up.next_want(9.0) is None


def test_what_others_make_in_ones_own_name_is_dropped():
    messages = MessageList(Settings(), b"127.0.0.1:5001:7")
    assert messages.add([line(1, text="forged"), line(1, origin=B)]).lines == [line(1, origin=B)]
    assert messages.add([line(1)], made_here=True).lines == [line(1)]


def test_who_declares_the_future_gone_is_believed_until_it_comes():
    messages = MessageList(Settings())
    run = b"127.0.0.1:5001:7"
    messages.note_gone([(run, [(1, 2**63 - 1)])])
    assert messages.lacking([(run, [(1, 9)])], ask_again=False) == []
    assert messages.lacking([(run, [(1, 9)])], ask_again=True) == [(run, [(1, 9)])]
    assert messages.add([line(5)]).lines == [line(5)]
    assert messages.lacking([(run, [(1, 9)])], ask_again=False) == [(run, [(1, 4), (6, 9)])]


def test_an_offer_that_comes_while_another_is_looked_at_is_kept():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(1), line(1, start=8)])
    catch_up = CatchUp(lacking, 2.0)
    first, second = [run for run, _ in told(full)]
    catch_up.offered("link", [(first, [(1, 1)])], True)
    look, lacking.lacking = lacking.lacking, None

    def look_while_another_comes(entries, ask_again):
        lacking.lacking = look
        catch_up.offered("link", [(second, [(1, 1)])], True)
        return look(entries, ask_again)

    lacking.lacking = look_while_another_comes
    assert catch_up.next_want(0.0) == ("link", [(first, [(1, 1)])])
    lacking.add([line(1)])
    catch_up.portion_taken("link")
    assert catch_up.next_want(0.0) == ("link", [(second, [(1, 1)])])


def test_a_vector_is_always_one_that_others_accept():
    """Whatever was heard: many ranges, a run of which nothing is known."""
    messages = MessageList(Settings(), b"127.0.0.1:5001:7")
    for run in range(12):
        messages.add([line(number, start=100 + run) for number in range(1, 2000, 2)])
    messages.note_gone([(b"127.0.0.1:9:9", [])])
    assert messages.add([line(1)]).lines == []  # in our own name, before we said anything
    entries = told(messages)
    assert len(entries) == 12 and sum(len(ranges) for _, ranges in entries) == 12_000
    assert max(map(len, wire.status_lines("seen", messages.vector()))) < wire.LINE_LIMIT
