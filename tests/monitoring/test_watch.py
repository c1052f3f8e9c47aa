"""What a peer counts about its neighbours: what it judges them by, and what it never does."""

import pytest

from gossip.monitoring import watch as limits
from tests.tools.watchers import Watchers
from tests.tools.watching import SETTLE, YOUNG, Link, Watched, lines


# Who owes what.


def test_every_neighbour_owes_a_message_but_the_one_that_has_brought_it():
    watched = Watched(3)
    one, other, third = watched.links
    watched.bring(one, lines(4), YOUNG)
    watched.watch.noted(other, lines(3))
    watched.settle(5.0)
    assert watched.counted() == {1: (4, 0, 4, 0, 0), 2: (4, 1, 0, 0, 0), 3: (4, 4, 0, 0, 0)}


def test_what_was_made_here_is_owed_by_all():
    watched = Watched(2)
    watched.watch.fresh(lines(4), None, YOUNG, owed=True)
    watched.watch.noted(watched.links[0], lines(4))
    watched.settle(5.0)
    assert watched.counted() == {1: (4, 0, 0, 0, 0), 2: (4, 4, 0, 0, 0)}


def test_a_copy_that_came_a_moment_before_its_message_was_known_is_a_copy():
    watched = Watched(2)
    one, other = watched.links
    watched.watch.noted(other, lines(4))
    watched.ask(other, YOUNG)
    watched.bring(one, lines(4), YOUNG + 0.01)
    watched.settle(5.0)
    assert watched.counted()[2] == (4, 0, 0, 0, 0)


def test_a_changed_copy_is_none():
    watched = Watched(2)
    watched.bring(watched.links[0], lines(4), YOUNG)
    watched.watch.noted(watched.links[1], lines(4, "y"))
    watched.settle(5.0)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_where_rumors_are_told_nobody_owes_a_copy():
    watched = Watched(2, spread="rumor")
    watched.bring(watched.links[0], lines(4), YOUNG)
    watched.settle(5.0)
    assert watched.counted() == {1: (4, 0, 0, 0, 0), 2: (4, 0, 0, 0, 0)}


# When a message is judged.


@pytest.mark.parametrize("came, judged", [(YOUNG, True), (SETTLE - 0.01, False)])
def test_a_link_judges_by_messages_that_come_when_it_has_stood_long_enough(came, judged):
    watched = Watched(2)
    watched.bring(watched.links[0], lines(4), came)
    watched.settle(6.0)
    assert watched.counted()[2] == (4 * judged, 4 * judged, 0, 0, 0)


def test_a_link_stands_from_the_first_reply_on():
    watched = Watched(2, stands=False)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    watched.answer(other, 3.0)
    watched.bring(one, lines(4, "y"), 3.0 + SETTLE)
    watched.settle(10.0)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_a_link_stands_when_nothing_is_to_be_fetched_over_it_any_more():
    watched = Watched(2, stands=False)
    one, other = watched.links
    watched.answer(other, 0.0, caught_up=False)
    watched.bring(one, lines(4), YOUNG)
    watched.settle(6.0)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)


def test_who_always_has_something_to_offer_is_judged_in_the_end():
    watched = Watched(2, stands=False)
    one, other = watched.links
    for at in range(limits.CATCHING_UP):
        watched.answer(other, at, caught_up=False)
    watched.bring(one, lines(4), limits.CATCHING_UP + SETTLE)
    watched.settle(20.0, other)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_a_message_is_judged_at_the_second_reply_to_requests_that_left_late_enough():
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    for at in (4.4, 4.5):
        watched.answer(other, at)
        assert watched.counted()[2] == (0, 0, 0, 0, 0)
    watched.answer(other, 5.5)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_answers_that_come_all_at_once_judge_nothing_that_may_still_be_on_its_way():
    """The second request has to leave when the first answer has come."""
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    first, second = (watched.ask(other, at) for at in (4.5, 5.5))
    watched.reply(other, first, 6.0)
    watched.reply(other, second, 6.1)
    third = watched.ask(other, 6.5)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)
    watched.watch.noted(other, lines(3))
    watched.reply(other, third, 7.0)
    assert watched.counted()[2] == (4, 1, 0, 0, 0)


def test_who_always_answers_late_is_judged_all_the_same():
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    times = {}
    for at in range(4, 16):
        times[at] = watched.ask(other, at)
        if at - 3 in times:
            watched.reply(other, times[at - 3], at + 0.5)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_a_frozen_neighbour_is_judged_later_and_its_late_copies_count():
    watched = Watched(2)
    one, other = watched.links
    times = []
    for at in range(3, 3 + 2 * limits.GENERATIONS_LIMIT):
        watched.bring(one, lines(4, f"{at}:"), at)
        times.append(watched.ask(other, at))
    assert watched.counted()[2] == (0, 0, 0, 0, 0)
    for at in range(3, 3 + 2 * limits.GENERATIONS_LIMIT):
        watched.watch.noted(other, lines(4, f"{at}:"))
    for time in times:
        watched.reply(other, time, 30.0)
    watched.settle(40.0)
    assert watched.counted()[2] == (8 * limits.GENERATIONS_LIMIT, 0, 0, 0, 0)


def test_what_a_neighbour_sent_before_it_froze_still_counts_when_it_wakes():
    """Replies to the oldest requests are not awaited any longer, so that it is judged by much at
    once."""
    watched = Watched(2)
    one, other = watched.links
    for at in range(3, 12):  # it answers nothing from 6 on, but has sent what there was until 8
        watched.bring(one, lines(4, f"{at}:"), at + 0.5)
        if at < 9:
            watched.watch.noted(other, lines(4, f"{at}:"))
        if at < 6:
            watched.answer(other, at + 0.9)
        else:
            watched.ask(other, at + 0.9)
    for at in range(9, 12):
        watched.watch.noted(other, lines(4, f"{at}:"))
    watched.settle(20.0)
    assert watched.counted()[2] == (4 * 9, 0, 0, 0, 0)


@pytest.mark.parametrize("late, judged", [(1.5, (8, 8, 0, 0, 0)), (1.6, (0, 0, 0, 0, 0))])
def test_who_stood_still_judges_nobody_by_what_it_knew_before(late, judged):
    watched = Watched(2, report_interval=1.0)
    one, other = watched.links
    watched.bring(one, lines(4), 3.0)
    watched.settle(6.0, other)  # judged by these four, which is not told yet
    watched.bring(one, lines(4, "y"), 7.0)
    watched.watch.turn(10.0)
    asked = [watched.ask(other, 10.0), watched.ask(other, 10.0)]
    watched.reply(other, asked[0], 10.0 + late)
    watched.watch.turn(10.0 + late)
    watched.settle(10.0 + late, other)
    assert watched.counted()[2] == judged
    watched.bring(one, lines(4, "z"), 12.0)
    for at in (13.0, 14.0, 15.0):
        watched.watch.turn(at)
    watched.settle(15.0, other)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)


def test_where_rumors_are_told_nothing_is_lost_when_a_peer_stood_still():
    watched = Watched(2, spread="rumor", report_interval=1.0)
    watched.watch.turn(3.0)
    watched.bring(watched.links[0], lines(4), 3.0)
    assert not watched.watch.turn(4.0) and watched.watch.turn(9.0)
    assert watched.counted()[1] == (4, 0, 0, 0, 0)


def test_who_stood_still_tells_what_came_first_all_the_same():
    watched = Watched(2, report_interval=1.0)
    watched.watch.turn(3.0)
    for link in watched.links:
        watched.bring(link, lines(4, str(link.peer)), 3.0)
    watched.settle(6.0)
    watched.watch.on_end(watched.links[0])
    watched.watch.turn(9.0)
    assert watched.counted() == {2: (4, 0, 4, 0, 0)}


def test_a_reply_to_nothing_or_a_second_one_judges_nothing():
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    time = watched.ask(other, 6.0)
    for _ in range(3):
        watched.reply(other, time, 6.0)
        watched.reply(other, "another", 6.0)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)


def test_a_message_is_judged_once():
    watched = Watched(2)
    watched.bring(watched.links[0], lines(4), YOUNG)
    watched.settle(5.0)
    watched.settle(7.0)
    assert watched.counted() == {1: (4, 0, 4, 0, 0), 2: (4, 4, 0, 0, 0)}


# What is not judged about others.


def test_what_was_fetched_is_not_judged_about_others():
    watched = Watched(2)
    watched.bring(watched.links[0], lines(4), YOUNG, owed=False)
    watched.settle(5.0)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)


def test_lines_of_a_run_that_had_to_be_confirmed_came_first_from_all_who_brought_them():
    watched = Watched(3)
    one, other, _ = watched.links
    for link in (one, other, one):
        watched.watch.noted(link, lines(4))
        watched.watch.brought(lines(4), link)
    watched.watch.confirmed(lines(3), YOUNG)
    watched.settle(5.0)
    assert watched.counted() == {1: (3, 0, 3, 0, 0), 2: (3, 0, 3, 0, 0), 3: (0, 0, 0, 0, 0)}


def test_what_comes_first_over_a_link_that_has_just_begun_does_not_count():
    watched = Watched(2)
    watched.bring(watched.links[0], lines(4), SETTLE - 0.01)
    watched.settle(6.0)
    assert watched.counted()[1] == (0, 0, 0, 0, 0)


# Links that end, and the period.


@pytest.mark.parametrize("judged", [True, False])
def test_a_link_that_has_ended_is_told_once_more_if_it_was_judged(judged):
    """Who was a neighbour for a moment is not named, whatever it brought."""
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, lines(4), YOUNG)
    if judged:
        watched.settle(6.0)
    watched.watch.broken(other, "corrupt", 3)
    watched.watch.on_end(one)
    watched.watch.on_end(other)
    assert watched.counted() == ({2: (4, 4, 0, 3, 0)} if judged else {})
    assert watched.counted() == {}


def test_what_was_counted_before_a_link_ended_is_told_once_with_what_its_successor_counts():
    watched = Watched(1)
    watched.watch.broken(watched.links[0], "corrupt", 3)
    watched.watch.on_end(watched.links[0])
    again = Link(1)
    watched.watch.linked(again, 10.0)
    watched.watch.broken(again, "corrupt", 2)
    assert watched.counted() == {1: (0, 0, 0, 5, 0)}
    assert watched.counted() == {1: (0, 0, 0, 0, 0)}


def test_a_link_does_not_judge_by_what_came_before_it_began():
    watched = Watched(1)
    watched.bring(watched.links[0], lines(4), YOUNG)
    late = Link(2)
    watched.watch.linked(late, 3.0)
    watched.settle(6.0, late)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)


def test_every_present_neighbour_is_named_and_counts_begin_anew():
    watched = Watched(2)
    one, _ = watched.links
    watched.watch.broken(one, "corrupt", 2)
    watched.watch.broken(one, "corrupt", 1)
    watched.watch.broken(one, "forbidden", 4)
    assert watched.counted() == {1: (0, 0, 0, 3, 4), 2: (0, 0, 0, 0, 0)}
    assert watched.counted() == {1: (0, 0, 0, 0, 0), 2: (0, 0, 0, 0, 0)}


def test_what_comes_over_a_link_that_is_unknown_or_has_ended_counts_nowhere():
    watched = Watched(1)
    stranger = Link(2)
    watched.watch.noted(stranger, lines(4))
    watched.watch.brought(lines(4, "z"), stranger)
    watched.watch.confirmed(lines(4, "z"), YOUNG)
    watched.watch.broken(stranger, "corrupt", 1)
    watched.watch.broken(stranger, "forbidden", 1)
    watched.watch.on_end(stranger)
    watched.answer(stranger, 3.0)
    assert watched.counted() == {1: (0, 0, 0, 0, 0)}


# Honest peers among themselves.


def run(network, periods):
    """Let periods pass; return how bad each peer has looked at the worst: in four windows that end
    one period after the other, as long as it could be judged in all."""
    worst = {}
    for _ in range(periods):
        network.run(1)
        for who in network.peers:
            badness = network.badness(who)
            if badness is not None:
                worst[who] = max(worst.get(who, 0.0), badness)
    return worst


@pytest.mark.parametrize("number", [0, *[pytest.param(more, marks=pytest.mark.slow)
                                        for more in range(1, 6)]])
@pytest.mark.parametrize("confirmed", [True, False])
def test_no_honest_peer_looks_bad_while_links_break_peers_join_and_some_are_frozen(
        number, confirmed):
    network = Watchers(number, confirmed=confirmed)
    run(network, 8)
    for _ in range(3):
        network.join()
    for who in network.rng.sample(network.peers, 3):
        network.freeze(who, 10)
    worst = run(network, 22)
    assert len(worst) >= 16  # who came late, or was frozen, may not have been judged
    assert max(worst.values()) <= 0.10


def test_who_hands_nothing_on_looks_bad():
    network = Watchers(1, droppers=1)
    worst = run(network, 20)
    assert worst.pop(network.peers[0]) > 0.5
    assert max(worst.values()) <= 0.10


# Runs by which nobody is judged.


def test_a_message_of_a_run_that_few_seeds_name_is_an_excuse_and_no_more():
    watched = Watched(2, counts=lambda run: run.endswith(b":1"))
    one, other = watched.links
    watched.bring(one, lines(4) + lines(3, run=b"127.0.0.1:5000:2"), YOUNG)
    watched.settle(5.0)
    assert watched.counted() == {1: (7, 0, 7, 0, 0), 2: (4, 4, 0, 0, 0)}


def test_a_run_that_contradicts_itself_judges_nobody_even_by_what_came_before():
    watched = Watched(2)
    one, other = watched.links
    cheat = b"127.0.0.1:5000:2"
    watched.bring(one, lines(4) + lines(3, run=cheat), YOUNG)
    assert watched.watch.contradicted(cheat)
    watched.bring(one, lines(2, "y", run=cheat), YOUNG + 0.1)
    watched.settle(5.0)
    assert watched.counted() == {1: (9, 0, 9, 0, 0), 2: (4, 4, 0, 0, 0)}
