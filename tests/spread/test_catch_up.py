"""Catching up: what is fetched, from whom, in which order; rules without a socket."""

import random

from gossip.settings import Settings
from gossip.spread import catch_up as catching_up
from gossip.spread.catch_up import CatchUp
from gossip.spread.message_list import MessageList
from tests.tools.fakes import FakeLink, peer
from tests.tools.texts import B, line, told

RUN = b"127.0.0.1:5001:7"
REST = 100.0  # seconds for which `gone` is believed


class Neighbour(FakeLink):
    """A neighbour that holds what its message list holds."""

    def __init__(self, port, messages=None):
        self.peer = peer(port)
        self.messages = messages


def fetch(lacking: MessageList, catch_up: CatchUp, now=0.0):
    """Carry out what catching up asks for; returns who was asked for each portion."""
    asked = []
    while (turn := catch_up.next_want(now)) is not None:
        link, want = turn
        asked.append(link)
        lines, gone = link.messages.texts(want, 300)
        lacking.add(lines)
        catch_up.gone(link, gone, now)
        catch_up.portion_taken(link, now)
    return asked


def offer(catch_up, link, now=0.0):
    return catch_up.offered(link, told(link.messages), now)


def holding(*lines, **settings):
    messages = MessageList(Settings(**settings))
    messages.add(list(lines))
    return messages


def test_what_is_missing_is_fetched_once_in_number_order_in_portions():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(number) for number in random.sample(range(1, 101), 100)])
    lacking.add([line(number) for number in (2, 3, 50)])
    catch_up = CatchUp(lacking, 2.0, REST)
    links = [Neighbour(port, full) for port in (1, 2)]
    for link in links:
        offer(catch_up, link)
    asked = fetch(lacking, catch_up)
    assert lacking.count() == 100 and 10 < len(asked) < 40
    assert asked[1:] == (links * len(asked))[:len(asked) - 1]  # they take turns
    lines, gone = full.texts([(RUN, [(1, 100)])], 200)
    assert lines == [line(number) for number in range(1, len(lines) + 1)] and not gone


def test_what_is_gone_at_a_neighbour_is_asked_for_once_but_of_every_neighbour():
    lines = [line(number) for number in range(1, 11)]
    evicted = Neighbour(1, holding(*lines, cache_size=3))
    full = Neighbour(2, holding(*lines))
    lacking = MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0, REST)
    offer(catch_up, evicted)
    assert fetch(lacking, catch_up) and lacking.count() == 3
    offer(catch_up, evicted, REST - 1)
    assert fetch(lacking, catch_up, REST - 1) == []
    offer(catch_up, full)
    assert fetch(lacking, catch_up) and lacking.count() == 10


def test_what_is_gone_is_asked_for_again_after_some_time_over_a_new_link_and_when_there_is_room():
    evicted = Neighbour(1, holding(*[line(number) for number in range(1, 11)], cache_size=3))
    lacking = MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0, REST)
    offer(catch_up, evicted)
    assert set(fetch(lacking, catch_up)) == {evicted}
    offer(catch_up, evicted, REST)
    assert fetch(lacking, catch_up, REST) == [evicted]
    catch_up.on_end(evicted)
    offer(catch_up, evicted, REST + 1)
    assert fetch(lacking, catch_up, REST + 1) == [evicted]
    catch_up.forget_gone()
    offer(catch_up, evicted, REST + 2)
    assert fetch(lacking, catch_up, REST + 2) == [evicted]


def test_who_declares_the_future_gone_speaks_for_itself():
    lacking, liar = MessageList(Settings()), Neighbour(1)
    catch_up = CatchUp(lacking, 2.0, REST)
    catch_up.offered(liar, [(RUN, [(1, 2**63 - 1)])], 0.0)
    catch_up.gone(liar, [(RUN, [(1, 2**63 - 1)])], 0.0)
    assert catch_up.next_want(0.0) is None
    catch_up.offered(liar, [(RUN, [(1, 9)])], 1.0)
    assert catch_up.next_want(1.0) is None
    honest = Neighbour(2, holding(line(1), line(2)))
    offer(catch_up, honest)
    assert fetch(lacking, catch_up) == [honest] and lacking.count() == 2


def test_nothing_is_kept_of_what_is_gone_but_was_not_offered():
    lacking, link = MessageList(Settings()), Neighbour(1)
    catch_up = CatchUp(lacking, 2.0, REST)
    catch_up.offered(link, [(RUN, [(1, 9)])], 0.0)
    catch_up.gone(link, [(RUN, [(10, 99)]), (b"127.0.0.1:5002:7", [(1, 9)])], 0.0)
    assert catch_up.next_want(0.0) == (link, [(RUN, [(1, 9)])])
    catch_up.portion_taken(link, 0.0)
    catch_up.offered(link, [(RUN, [(1, 99)]), (b"127.0.0.1:5002:7", [(1, 9)])], 0.0)
    assert catch_up.next_want(0.0) == (
        link, [(RUN, [(10, 99)]), (b"127.0.0.1:5002:7", [(1, 9)])])


def test_who_stalls_is_asked_again_after_all_others():
    full, lacking = MessageList(Settings()), MessageList(Settings())
    full.add([line(number) for number in range(1, 101)])
    catch_up = CatchUp(lacking, 2.0, REST)
    stalls, answers = Neighbour(1, full), Neighbour(2, full)
    for link in (stalls, answers):
        offer(catch_up, link)
    assert catch_up.next_want(0.0)[0] is stalls
    now = 3.0
    for _ in range(3):
        link, want = catch_up.next_want(now)
        assert link is answers
        lacking.add(full.texts(want, 300)[0])
        catch_up.portion_taken(link, now)


def test_who_offers_without_end_and_answers_keeps_nobody_else_waiting():
    lacking = MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0, REST)
    endless, honest = Neighbour(1), Neighbour(2, holding(*[line(1, B), line(2, B)]))
    catch_up.offered(endless, [(RUN, [(1, 2**63 - 1)])], 0.0)
    offer(catch_up, honest)
    for number in range(1, 4):
        link, _ = catch_up.next_want(0.0)
        if link is honest:
            break
        lacking.add([line(number)])
        catch_up.portion_taken(link, 0.0)
    assert link is honest


def test_who_never_answers_is_not_asked_while_others_have_something_to_offer():
    full, lacking = holding(*[line(number) for number in range(1, 101)]), MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0, REST)
    silent, *others = links = [Neighbour(port, full) for port in (1, 2, 3)]
    for link in links:
        offer(catch_up, link)
    assert catch_up.next_want(0.0)[0] is silent
    asked = fetch(lacking, catch_up, 2.0)
    assert set(asked) == set(others) and lacking.count() == 100


def test_the_end_of_an_answer_to_an_earlier_question_says_nothing_about_the_last_one():
    """A neighbour that was frozen answers all that it was asked meanwhile, one after the other."""
    lacking, frozen = MessageList(Settings()), Neighbour(1)
    frozen.messages = holding(*[line(number) for number in range(1, 101)])
    catch_up = CatchUp(lacking, 2.0, REST)
    offer(catch_up, frozen)
    questions = [catch_up.next_want(now)[1] for now in (0.0, 2.0, 4.0)]
    assert questions == [[(RUN, [(1, 100)])]] * 3
    while questions:
        lacking.add(frozen.messages.texts(questions.pop(0), 300)[0])
        catch_up.portion_taken(frozen, 5.0)
        if (turn := catch_up.next_want(5.0)) is not None:
            questions.append(turn[1])
    assert lacking.count() == 100


def test_an_answer_that_brings_nothing_is_believed_when_no_other_is_due():
    lacking, link = MessageList(Settings()), Neighbour(1, holding(line(1)))
    catch_up = CatchUp(lacking, 2.0, REST)
    offer(catch_up, link)
    assert catch_up.next_want(0.0) == catch_up.next_want(2.0) == (link, [(RUN, [(1, 1)])])
    catch_up.portion_taken(link, 3.0)
    assert catch_up.next_want(4.9) is None and catch_up.silent_at == 5.0
    catch_up.portion_taken(link, 4.9)
    assert catch_up.next_want(9.0) is None and catch_up.silent_at == float("inf")


def test_nobody_keeps_others_waiting_by_bringing_one_message_again_and_again():
    full, lacking = holding(*[line(number) for number in range(1, 101)]), MessageList(Settings())
    catch_up, liar, honest = CatchUp(lacking, 2.0, REST), Neighbour(1), Neighbour(2, full)
    catch_up.offered(liar, [(b"127.0.0.1:5002:7", [(1, 10_000)])], 0.0)
    offer(catch_up, honest)
    asked = []
    for number in range(1, 9):
        link, want = catch_up.next_want(0.0)
        asked.append(link)
        lacking.add([line(number, origin=B)] if link is liar else full.texts(want, 300)[0])
        catch_up.portion_taken(link, 0.0)
    assert asked == [liar, *[liar, honest] * 3, liar]


def test_who_is_late_or_new_takes_no_more_turns_than_those_who_were_quick():
    full, lacking = holding(*[line(number) for number in range(1, 101)]), MessageList(Settings())
    catch_up, liar, honest = CatchUp(lacking, 2.0, REST), Neighbour(1), Neighbour(2, full)
    catch_up.offered(liar, [(b"127.0.0.1:5002:7", [(1, 10_000)])], 0.0)
    offer(catch_up, honest)
    assert catch_up.next_want(0.0)[0] is liar
    lacking.add([line(1, origin=B)])
    catch_up.portion_taken(liar, 1.9)
    now, asked = 1.9, []
    while lacking.count() < 101 and now < 99:  # and with every turn somebody comes who is silent
        catch_up.offered(Neighbour(3), [(b"127.0.0.1:5003:7", [(1, 10_000)])], now)
        link, want = catch_up.next_want(now)
        asked.append(link is honest)
        if link is honest:
            lacking.add(full.texts(want, 300)[0])
            catch_up.portion_taken(link, now)
        else:
            now += 2.0
    assert lacking.count() == 101 and sum(asked) >= len(asked) // 2


def test_forged_messages_of_ones_own_run_are_not_asked_for():
    other = holding(*[line(number) for number in range(1, 50)], line(1, origin=B))
    catch_up = CatchUp(MessageList(Settings(), RUN), 2.0, REST)
    offer(catch_up, Neighbour(1, other))
    assert catch_up.next_want(0.0)[1] == [(b"127.0.0.1:5002:7", [(1, 1)])]


def test_older_runs_are_fetched_first():
    full = holding(*[line(number, start=start) for start in (30, 100, 9) for number in (1, 2)])
    catch_up = CatchUp(MessageList(Settings()), 2.0, REST)
    offer(catch_up, Neighbour(1, full))
    _, want = catch_up.next_want(0.0)
    assert [run.rpartition(b":")[2] for run, _ in want] == [b"9", b"30", b"100"]


def test_a_silent_neighbour_loses_its_turn_and_an_empty_promise_its_offer():
    catch_up = CatchUp(MessageList(Settings()), 2.0, REST)
    silent, other = Neighbour(1, holding(line(1))), Neighbour(2, holding(line(1)))
    for link in (silent, other):
        offer(catch_up, link)
    assert catch_up.next_want(0.0)[0] is silent
    assert catch_up.next_want(1.9) is None
    assert catch_up.next_want(2.1)[0] is other
    catch_up.portion_taken(other, 2.1)  # nothing came
    assert catch_up.next_want(2.2)[0] is silent
    catch_up.on_end(silent)
    offer(catch_up, other, 9.0)
    assert catch_up.next_want(9.0) is None


def test_an_offer_that_comes_while_another_is_looked_at_is_kept():
    lacking = MessageList(Settings())
    catch_up = CatchUp(lacking, 2.0, REST)
    link = Neighbour(1, holding(line(1), line(1, start=8)))
    first, second = [run for run, _ in told(link.messages)]
    catch_up.offered(link, [(first, [(1, 1)])], 0.0)
    look = lacking.lacking

    def look_while_another_comes(entries, neighbour):
        lacking.lacking = look
        catch_up.offered(link, [(second, [(1, 1)])], 0.0)
        return look(entries, neighbour)

    lacking.lacking = look_while_another_comes
    assert catch_up.next_want(0.0) == (link, [(first, [(1, 1)])])
    lacking.add([line(1)])
    catch_up.portion_taken(link, 0.0)
    assert catch_up.next_want(0.0) == (link, [(second, [(1, 1)])])


def test_what_is_offered_of_an_unknown_run_waits_until_it_is_known_and_costs_nothing_till_then():
    lacking, known, looked_at = MessageList(Settings()), set(), []
    full = Neighbour(1, holding(*[line(number) for number in range(1, 4)]))
    catch_up = CatchUp(lacking, 2.0, REST, known.__contains__)
    assert offer(catch_up, full)[0] == [RUN]
    find = lacking.unseen
    lacking.unseen = lambda entries: looked_at.extend(entries) or find(entries)
    assert fetch(lacking, catch_up) == [] and looked_at == []
    known.add(RUN)
    assert fetch(lacking, catch_up) and lacking.count() == 3


def test_what_is_offered_of_a_run_that_is_denied_is_dropped_and_may_be_offered_again():
    lacking, known = MessageList(Settings()), set()
    full = Neighbour(1, holding(line(1), line(1, B)))
    catch_up = CatchUp(lacking, 2.0, REST, known.__contains__)
    runs = offer(catch_up, full)[0]
    catch_up.denied(runs[0])
    known.update(runs)
    assert fetch(lacking, catch_up) and lacking.count() == 1
    assert offer(catch_up, full)[0] == []
    assert fetch(lacking, catch_up) and lacking.count() == 2


# What there is no room for.

def test_what_would_be_refused_is_not_asked_for():
    lacking = MessageList(Settings(intervals_kept=3))
    lacking.add([line(number) for number in (10, 20, 30)])
    catch_up = CatchUp(lacking, 2.0, REST)
    full = Neighbour(1, holding(*[line(number) for number in (10, 11, 12, 40, 41, 50)]))
    offer(catch_up, full)
    assert catch_up.next_want(0.0) == (full, [(RUN, [(11, 12)])])
    lacking.add([line(11), line(12)])
    catch_up.portion_taken(full, 0.0)
    assert catch_up.next_want(0.0) is None and catch_up.offering() == []


def test_a_gap_that_only_ends_at_what_was_seen_is_filled_from_its_end():
    lacking = MessageList(Settings(intervals_kept=2))
    lacking.add([line(1), line(50)])
    catch_up = CatchUp(lacking, 2.0, REST)
    full = Neighbour(1, holding(*[line(number) for number in range(40, 51)]))
    offer(catch_up, full)
    assert len(fetch(lacking, catch_up)) == 10
    assert told(lacking) == [(RUN, [(1, 1), (40, 50)])]


def test_what_all_have_told_is_limited_at_the_cost_of_who_has_told_most(monkeypatch):
    monkeypatch.setattr(catching_up, "TOLD_LIMIT", 10)
    catch_up = CatchUp(MessageList(Settings()), 2.0, REST)
    much, little = Neighbour(1), Neighbour(2)
    catch_up.offered(much, [(RUN, [(number, number) for number in range(1, 17, 2)])], 0.0)
    catch_up.offered(little, [(RUN, [(1, 1), (3, 3), (5, 5)])], 0.0)
    assert catch_up.offering() == [little]
    assert catch_up.ignored == 1


def test_of_too_much_that_is_called_gone_all_may_be_asked_for_again(monkeypatch):
    monkeypatch.setattr(catching_up, "GONE_LIMIT", 5)
    catch_up = CatchUp(MessageList(Settings()), 2.0, REST)
    liar = Neighbour(1)
    for count in (5, 6):
        ranges = [(number, number) for number in range(1, 2 * count, 2)]
        catch_up.offered(liar, [(RUN, [(1, 99)])], 0.0)
        catch_up.gone(liar, [(RUN, ranges)], 0.0)
        catch_up.offered(liar, [(RUN, [(1, 1)])], 0.0)
        assert catch_up.next_want(0.0) == (liar, [(RUN, [(1, 1)])]) if count == 6 else (
            catch_up.next_want(0.0) is None)


def test_so_many_lines_of_gone_count_each_time_that_a_neighbour_is_asked():
    assert catching_up.GONE_LINES == 10
    lacking, link = MessageList(Settings()), Neighbour(1)
    catch_up = CatchUp(lacking, 2.0, REST)
    catch_up.offered(link, [(RUN, [(1, 100)])], 0.0)
    assert catch_up.next_want(0.0) == (link, [(RUN, [(1, 100)])])
    for number in range(1, 31):
        catch_up.gone(link, [(RUN, [(number, number)])], 0.0)
    lacking.add([line(100)])
    catch_up.portion_taken(link, 0.0)
    assert catch_up.next_want(0.0) == (link, [(RUN, [(11, 99)])])
    catch_up.gone(link, [(RUN, [(11, 11)])], 0.0)
    lacking.add([line(99)])
    catch_up.portion_taken(link, 0.0)
    assert catch_up.next_want(0.0) == (link, [(RUN, [(12, 98)])])
