"""How much a peer keeps of what it counts about its neighbours."""

from gossip.monitoring import grammar
from gossip.monitoring import watch as limits
from tests.tools.watching import YOUNG, Link, Watched, lines


def test_of_too_many_messages_the_oldest_are_not_judged_but_who_brought_them_is_told(monkeypatch):
    monkeypatch.setattr(limits, "LOG_LIMIT", 10)
    watched = Watched(2)
    one, other = watched.links
    for at in range(5):
        watched.bring(one, lines(4, f"{at}:"), YOUNG)
    watched.settle(5.0)
    assert watched.counted() == {1: (20, 0, 20, 0, 0), 2: (8, 8, 0, 0, 0)}


def test_of_too_many_copies_those_of_messages_that_wait_stay(monkeypatch):
    monkeypatch.setattr(limits, "COPIES_LIMIT", 10)
    watched = Watched(2)
    one, other = watched.links
    watched.watch.noted(other, lines(4))
    watched.bring(one, lines(4), YOUNG)
    for at in range(100):
        watched.watch.noted(other, lines(9, f"junk {at}:"))
        assert len(watched.watch._rows[other].copies[-1][1]) <= 10 + 9 + 4
    watched.watch.noted(other, lines(12, "y"))
    watched.bring(one, lines(12, "y"), YOUNG)
    watched.settle(5.0)
    assert watched.counted()[2] == (16, 0, 0, 0, 0)


def test_what_a_neighbour_sends_that_never_answers_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(limits, "COPIES_LIMIT", 10)
    watched = Watched(1)
    link, = watched.links
    for at in range(100):
        watched.ask(link, YOUNG + at)
        watched.watch.noted(link, lines(9, f"junk {at}:"))
    row = watched.watch._rows[link]
    assert len(row.copies) <= limits.GENERATIONS_LIMIT
    assert len(row.asked.all()) <= limits.ASKED_LIMIT
    assert sum(len(copies) for _, copies in row.copies) <= 10 + 9


def test_lines_that_wait_to_be_confirmed_are_bounded_and_forget_links_that_end(monkeypatch):
    monkeypatch.setattr(limits, "WAITING_LIMIT", 10)
    watched = Watched(2)
    one, other = watched.links
    for link in (one, one, other):
        watched.watch.brought(lines(10), link)
    watched.watch.brought(lines(12), one)
    waiting = watched.watch._waiting.all()
    assert len(waiting) == 10 and all(len(links) <= 2 for links in waiting.values())
    watched.watch.on_end(other)
    assert all(list(links) == [one] for links in waiting.values())


def test_nothing_is_kept_of_links_that_have_ended_and_of_what_is_judged():
    watched = Watched(3)
    one, other, third = watched.links
    watched.bring(one, lines(4), YOUNG)
    watched.settle(5.0)
    assert not watched.watch._log
    watched.bring(one, lines(4, "y"), 7.0)
    watched.settle(10.0, one, other)
    assert watched.watch._log
    watched.watch.on_end(third)
    assert not watched.watch._log and watched.watch._size == 0
    for link in (one, other):
        watched.watch.on_end(link)
    assert not watched.watch._rows


def test_a_report_names_so_many_neighbours_at_most_the_present_ones_first(net):
    peer = net.peer(monitor=True, sign=True, report_interval=3600.0)
    present = [peer.address._replace(port=20_000 + at) for at in range(60)]
    gone = [peer.address._replace(port=30_000 + at) for at in range(60)]
    entries = [grammar.Entry(one, 1, 0, 0, 0, 0) for one in (*gone, *present)]
    peer.reporting.watch.entries = lambda: list(entries)
    peer.neighbours.addresses = lambda: present
    named = [{entry.peer for entry in peer.reporting.entries()} for _ in range(20)]
    assert all(len(some) == grammar.ENTRIES_LIMIT and some >= set(present) for some in named)
    assert len(set().union(*named)) > grammar.ENTRIES_LIMIT  # not always the same


def test_of_former_neighbours_is_told_behind_the_present_ones():
    watched = Watched(grammar.ENTRIES_LIMIT)
    for number, link in enumerate(watched.links):
        watched.watch.on_end(link)
        watched.watch.linked(Link(1_000 + number), 0.0)
    told = list(watched.counted())
    assert told[:grammar.ENTRIES_LIMIT] == [1_000 + at for at in range(grammar.ENTRIES_LIMIT)]
