"""What a peer counts about its neighbours: what each owed, and what it brought."""

import pickle

import pytest

from grapevine import wire
from grapevine.monitoring import watch as limits
from grapevine.monitoring.grammar import Entry
from grapevine.monitoring.watch import CORRUPT, FORBIDDEN, Watch
from grapevine.signing.grammar import Signed, parse_signed
from tests.tables.samples import FakeLink, peer, run_of
from tests.tools.signing import signed, signer

YOUNG = 100.0  # when a link that has begun at 0 has stood for long
CHEAT = run_of(start=8)


def said(first: int, count: int = 1, text: str = "x", run=run_of(), time: float = YOUNG) -> Signed:
    """Return a signed line of so many messages, said at a time."""
    head = wire.make_gossip(wire.format_time(time), run.decode(), first, text)
    texts = [b"%b %d" % (text.encode(), number) for number in range(count)]
    return Signed(b"signed:%d:::" % count + head, b"", b"", b"",
                  head[:wire.HEAD.match(head).start(2)], run, first, texts)


def proven(number: int) -> Signed:
    """Return a line that its origin has signed."""
    address = str(peer(9))
    return parse_signed(signed(address, signer(address), number, "x",
                               time=wire.format_time(YOUNG)).encode())


class Watched:
    """A watch with links that stand."""

    def __init__(self, count: int = 2, owes: bool = True):
        self.watch, self.links = Watch(owes), []
        for number in range(1, count + 1):
            self.link(number)

    def link(self, number: int, time: float = 0.0) -> FakeLink:
        link = FakeLink(peer(number))
        self.watch.linked(link, time)
        self.links.append(link)
        return link

    def bring(self, link, *lines: Signed, at: float = YOUNG, since: float = 0.0) -> None:
        """Lines come over a link, and are new."""
        for signed in lines:
            self.watch.copies(link, [signed.line])
            self.watch.new(link, signed, at, at, since)

    def copy(self, link, *lines: Signed) -> None:
        self.watch.copies(link, [signed.line for signed in lines])

    def settle(self, *links, at: float = YOUNG + 1) -> None:
        """Neighbours answer at once when they are asked."""
        for link in links or self.links:
            assert self.watch.may_ask(link, at)
            self.watch.replied(link, at)

    def counted(self) -> dict[int, tuple]:
        """End a period: EXPECTED, MISSING, FIRST, CORRUPT, FORBIDDEN of each, by its number."""
        return {entry.peer.port: tuple(entry)[1:] for entry in self.watch.entries()}

    def judged(self, *links, at: float = YOUNG + 1) -> dict[int, tuple]:
        """End a period in which neighbours answer at once when they are asked."""
        self.settle(*links, at=at)
        return self.counted()


# Who owes what.

def test_every_neighbour_owes_a_message_but_the_one_that_has_brought_it():
    watched = Watched(3)
    one, other, _ = watched.links
    lines = [said(1), said(2), said(3, 4)]
    watched.bring(one, *lines)
    watched.copy(other, *lines[1:])
    assert watched.judged() == {1: (6, 0, 6, 0, 0), 2: (6, 1, 0, 0, 0), 3: (6, 6, 0, 0, 0)}


def test_who_brought_a_line_while_its_run_was_unknown_owes_it_no_more_and_was_first():
    """Else liars let one hear of a run just before it asks, and bring its lines to all others. A
    line that nobody has signed says nothing of those before it."""
    watched = Watched(4)
    one, early, liar, _ = watched.links
    watched.watch.came_early(early, [proven(1)])
    watched.watch.came_early(liar, [said(9, run=proven(9).run)])
    watched.bring(one, proven(1), proven(2))
    assert watched.judged() == {1: (2, 0, 2, 0, 0), 2: (2, 1, 1, 0, 0), 3: (2, 2, 0, 0, 0),
                                4: (2, 2, 0, 0, 0)}


def test_however_many_lines_of_an_unknown_run_one_brings_it_owes_none(monkeypatch):
    """Else who links to one peer alone has it forward many to others, which do not take them yet;
    then another brings them there."""
    monkeypatch.setattr(limits, "EARLY_LIMIT", 2)
    watched = Watched(2)
    liar, early = watched.links
    lines = [proven(number) for number in range(1, 6)]
    watched.watch.came_early(early, lines)
    watched.bring(liar, *lines)
    assert watched.judged() == {1: (5, 0, 5, 0, 0), 2: (5, 0, 5, 0, 0)}


def test_unknown_runs_that_one_brings_have_another_s_not_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "EARLY_LIMIT", 2)
    watched = Watched(2)
    liar, early = watched.links
    watched.watch.came_early(early, [proven(1)])
    watched.watch.came_early(liar, [said(1, run=run_of(start=start)) for start in range(1, 10)])
    watched.bring(liar, proven(1))
    assert watched.judged() == {1: (1, 0, 1, 0, 0), 2: (1, 0, 1, 0, 0)}


def test_a_neighbours_own_messages_do_not_count_for_it_and_others_owe_them():
    """Else who says much itself could keep back what others say."""
    watched = Watched(2)
    watched.bring(watched.links[0],
                  said(1, 4, run=run_of(peer(1))), said(1, 3, run=run_of(peer(2))))
    assert watched.judged() == {1: (3, 0, 3, 0, 0), 2: (7, 7, 0, 0, 0)}


def test_where_rumors_spread_nobody_owes_a_copy_and_is_judged_by_those_that_it_brings():
    """Else the bad copies of a neighbour that brings few would be a small share."""
    watched = Watched(3, owes=False)
    one, other, _ = watched.links
    watched.bring(one, said(1, 4), said(5))
    watched.copy(other, said(1, 4))
    assert watched.judged() == {1: (5, 0, 5, 0, 0), 2: (4, 0, 0, 0, 0), 3: (0, 0, 0, 0, 0)}


def test_a_copy_counts_by_its_line_and_a_changed_one_does_not():
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, said(1, 4))
    watched.watch.copies(other, [b"peer list", said(1, 4, "y").line, said(1, 3).line])
    assert watched.judged()[2] == (4, 4, 0, 0, 0)


@pytest.mark.parametrize("words, at, is_judged", [
    ({}, YOUNG, True), ({"since": 100.0}, YOUNG, True), ({"since": 100.1}, YOUNG, False),
    ({}, YOUNG + 10.0, True),
    ({}, YOUNG + 10.1, False), ({}, YOUNG - 10.0, True), ({}, YOUNG - 10.1, False),
    ({"since": YOUNG - 5.0}, YOUNG - 5.0, True), ({"since": YOUNG - 4.9}, YOUNG - 5.0, False)])
def test_nobody_owes_what_was_said_long_ago_or_ahead_or_before_its_run_counted(
        words, at, is_judged):
    watched = Watched(2)
    watched.bring(watched.links[0], said(1, 4), at=at, **words)
    assert watched.judged() == {1: (4, 0, 4, 0, 0), 2: (4 * is_judged, 4 * is_judged, 0, 0, 0)}


@pytest.mark.parametrize("began, is_judged", [(98.0, True), (98.1, False), (99.9, False)])
def test_a_link_owes_what_was_said_when_it_stood_for_two_seconds(began, is_judged):
    watched = Watched(1)
    watched.link(2, began)
    watched.bring(watched.links[0], said(1, 4), at=YOUNG + 5)
    assert watched.judged()[2] == (4 * is_judged, 4 * is_judged, 0, 0, 0)


def test_a_link_owes_nothing_that_came_before_it_began():
    watched = Watched(1)
    watched.bring(watched.links[0], said(1, 4))
    assert watched.judged(watched.link(2))[2] == (0, 0, 0, 0, 0)


def test_a_run_that_contradicts_itself_judges_nobody_even_by_what_came_before():
    watched = Watched(2)
    watched.bring(watched.links[0], said(1, 4), said(1, 3, run=CHEAT))
    watched.watch.contradicted(CHEAT)
    assert watched.judged()[2] == (7, 4, 0, 0, 0)


# When a neighbour is judged.

def test_a_reply_judges_what_came_before_its_request_once():
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, said(1, 4))
    assert watched.watch.may_ask(other, 101.0)
    watched.bring(one, said(5, 3))
    watched.settle(one)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)
    watched.watch.replied(other, 101.0)
    watched.watch.replied(other, 101.0)
    assert watched.counted()[2] == (4, 4, 0, 0, 0)
    watched.copy(other, said(5, 3))
    assert watched.judged()[2] == (3, 0, 0, 0, 0)
    assert watched.judged()[2] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("time, is_judged", [
    (100.9, False), (101.0, True), (101.1, True), (0.0, False)])
def test_a_reply_to_an_earlier_request_judges_nothing(time, is_judged):
    """One to a later request, as those of liveness are, comes behind the reply to this."""
    watched = Watched(2)
    watched.bring(watched.links[0], said(1, 4))
    assert watched.watch.may_ask(watched.links[1], 101.0)
    watched.watch.replied(watched.links[1], time)
    assert watched.counted()[2] == (4 * is_judged, 4 * is_judged, 0, 0, 0)


def test_while_a_request_is_unanswered_nobody_is_asked_again_and_late_copies_count():
    watched = Watched(2)
    one, other = watched.links
    for at in range(5):
        watched.bring(one, said(1 + at, time=YOUNG + at), at=YOUNG + at)
        assert watched.watch.may_ask(other, YOUNG + at) == (at == 0)
        assert watched.counted()[2] == (0, 0, 0, 0, 0)
    watched.copy(other, *[said(1 + at, time=YOUNG + at) for at in range(4)])
    watched.watch.replied(other, YOUNG)
    assert watched.counted()[2] == (1, 0, 0, 0, 0)
    assert watched.judged(other, at=110.0)[2] == (4, 1, 0, 0, 0)


def test_a_link_that_is_unknown_or_has_ended_counts_nowhere():
    watched, stranger = Watched(1), FakeLink(peer(2))
    watched.watch.count(stranger, CORRUPT, 3)
    watched.watch.replied(stranger, 1.0)
    watched.watch.ended(stranger)
    assert not watched.watch.may_ask(stranger, 1.0)
    watched.bring(stranger, said(1, 4))
    assert watched.judged() == {1: (4, 4, 0, 0, 0)}


# A period.

def test_counts_of_a_period_begin_anew_and_every_neighbour_is_named():
    watched = Watched(2)
    one, other = watched.links
    for what, count in ((CORRUPT, 2), (CORRUPT, 1), (FORBIDDEN, 4)):
        watched.watch.count(one, what, count)
    assert watched.counted() == {1: (0, 0, 0, 3, 4), 2: (0, 0, 0, 0, 0)}
    assert watched.counted() == {1: (0, 0, 0, 0, 0), 2: (0, 0, 0, 0, 0)}
    watched.bring(one, said(1, 2))
    assert watched.watch.entries() == [Entry(one.peer, 2, 0, 2, 0, 0), Entry(other.peer, *[0] * 5)]


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_former_neighbour_is_named_once_more_if_it_was_judged(is_judged):
    """Who was one for a moment is not named, whatever it brought."""
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, said(1, 4))
    if is_judged:
        watched.settle()
    watched.watch.count(other, CORRUPT, 3)
    for link in one, other:
        watched.watch.ended(link)
    watched.watch.count(other, CORRUPT, 9)
    assert watched.counted() == ({2: (4, 4, 0, 3, 0)} if is_judged else {})
    assert watched.counted() == {}


def test_a_link_that_follows_another_to_the_same_peer_adds_to_its_counts():
    watched = Watched(1)
    watched.watch.count(watched.links[0], CORRUPT, 3)
    watched.watch.ended(watched.links[0])
    watched.watch.count(watched.link(1), CORRUPT, 2)
    assert watched.counted() == {1: (0, 0, 0, 5, 0)} != watched.counted()


def test_present_neighbours_are_named_before_former_ones():
    watched = Watched(6)
    watched.bring(watched.links[5], said(1))
    watched.settle()
    for link in watched.links[:3]:
        watched.watch.ended(link)
    watched.link(9)
    assert list(watched.counted()) == [4, 5, 6, 9, 1, 2, 3]


# Memory.

def test_of_too_many_messages_the_oldest_are_not_judged_but_who_brought_them_is_told(monkeypatch):
    monkeypatch.setattr(limits, "LOG_LIMIT", 8)
    watched = Watched(2)
    watched.bring(watched.links[0], *[said(1 + 4 * at, 4) for at in range(5)])
    watched.copy(watched.links[1], said(1, 4), said(17, 4))
    assert watched.judged() == {1: (20, 0, 20, 0, 0), 2: (8, 4, 0, 0, 0)}


def test_what_the_log_forgets_while_a_neighbour_is_asked_judges_it_by_no_later_message(monkeypatch):
    monkeypatch.setattr(limits, "LOG_LIMIT", 10)
    watched = Watched(2)
    one, other = watched.links
    watched.bring(one, said(1, 4), said(5, 4))
    assert watched.watch.may_ask(other, 101.0)
    watched.bring(one, said(9, 4), said(13, 4), said(17, 4))
    watched.watch.replied(other, 101.0)
    assert watched.counted()[2] == (0, 0, 0, 0, 0)
    assert watched.judged(at=102.0)[2] == (8, 8, 0, 0, 0)


def size(watch: Watch) -> int:
    """Return how many bytes it takes to write down all that a watch keeps."""
    return len(pickle.dumps(watch))


def test_a_watch_keeps_nothing_of_what_is_judged_or_forgotten_and_of_links_that_have_ended():
    watched = Watched(3)
    at_first = size(watched.watch)
    for period in range(20):
        number = 1 + 100 * period
        watched.bring(watched.links[0], *map(said, range(number, number + 99)))
        watched.settle(at=YOUNG + period)
        watched.counted()
    assert size(watched.watch) < at_first + 20
    for link in [*watched.links, *(watched.link(number) for number in range(10, 300))]:
        watched.watch.ended(link)
    watched.counted()
    assert size(watched.watch) < at_first
    watched.bring(watched.link(1), *map(said, range(50_000, 50_099)))
    watched.watch.ended(watched.links[-1])
    watched.counted()
    assert size(watched.watch) < at_first, "nobody is to be judged by these"
