"""Catching up: what is fetched, from whom, in which order; rules without a socket."""

import random

from gossip.settings import Settings
from gossip.spread.catch_up import CatchUp
from gossip.spread.message_list import MessageList
from tests.tools.texts import B, line, told


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


def test_what_is_offered_of_an_unknown_run_waits_until_it_is_known_and_costs_nothing_till_then():
    full, lacking, known, looked_at = MessageList(Settings()), MessageList(Settings()), set(), []
    full.add([line(number) for number in range(1, 4)])
    catch_up = CatchUp(lacking, 2.0, known.__contains__)
    run = b"127.0.0.1:5001:7"
    assert catch_up.offered("full", told(full), True) == [run]
    find = lacking.lacking
    lacking.lacking = lambda entries, ask_again: looked_at.extend(entries) or find(
        entries, ask_again)
    assert fetch(lacking, {"full": full}, catch_up) == [] and looked_at == []
    known.add(run)
    assert fetch(lacking, {"full": full}, catch_up) and lacking.count() == 3


def test_what_is_offered_of_a_run_that_is_denied_is_dropped_and_may_be_offered_again():
    full, lacking, known = MessageList(Settings()), MessageList(Settings()), set()
    full.add([line(1), line(1, B)])
    catch_up = CatchUp(lacking, 2.0, known.__contains__)
    runs = catch_up.offered("full", told(full), True)
    catch_up.denied(runs[0])
    known.update(runs)
    assert fetch(lacking, {"full": full}, catch_up) and lacking.count() == 1
    assert catch_up.offered("full", told(full), False) == []
    assert fetch(lacking, {"full": full}, catch_up) and lacking.count() == 2
