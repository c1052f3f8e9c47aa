"""Liveness rounds: misses, suspects, and rounds that blame nobody."""

import types

import pytest

from gossip.addresses import parse_address
from gossip.capacity import fixed
from gossip.overlay import ring
from gossip.overlay.neighbours import Neighbours
from gossip.settings import Settings
from tests.tools.fakes import FakeLink, peer

PLACES, LOST = 1_000, 2  # of the peer that counts; how many it counts without a link


@pytest.fixture(autouse=True)
def few_are_counted_without_a_link(monkeypatch):
    monkeypatch.setattr(ring, "SPARE", LOST - PLACES)


class Rounds(Neighbours):
    """A table of neighbours, of which a test says what becomes of their links."""

    def __init__(self, limit):
        settings = Settings(liveness_misses=limit, capacity=fixed(PLACES))
        self._written = []
        super().__init__(peer(5000), settings, lambda *events: self._written.extend(events))

    def next_round(self, time, now, late):
        """The round, and as `missed` which misses were written."""
        self._written.clear()
        turn = super().next_round(time, now, late)
        words = [event.rsplit(":", 1) for event in self._written
                 if event.startswith("liveness missed:")]
        missed = [(parse_address(head.partition(":")[2]), int(count)) for head, count in words]
        return types.SimpleNamespace(**turn._asdict(), missed=missed)

    def linked(self, one, link, now):
        """A link was made, and its peer has not answered at its address yet."""
        standing, link.peer = self.link(one), one
        assert self.admit(one, link, one, now, set(), silent=standing, answered=False).accepted

    def proved(self, one, link):
        self.probed(one, link, True)

    def broke(self, one, link):
        self.remove(one, link, "broke", missed=True)

    def withdraw(self, one, link):
        """An unproven link ended for good."""
        self.remove(one, link, "over")

    def reply_from(self, one, time, now):
        return self.replied(one, time, now)


def asked(turn):
    return [link.peer for link in turn.ask]


def test_three_misses_in_a_row_make_a_suspect_and_one_reply_does_not():
    rounds, link = Rounds(3), FakeLink()
    rounds.linked(peer(1), link, 0.0)
    for number in range(10):
        turn = rounds.next_round(str(number), number, late=False)
        assert turn.suspects == []
        if number % 3 == 2:
            assert rounds.reply_from(peer(1), str(number), number + 0.5) == 0.5
    assert rounds.reply_from(peer(1), "unknown", 10) is None
    assert rounds.next_round("10", 10, late=False).missed == [(peer(1), 1)]
    assert rounds.next_round("11", 11, late=False).missed == [(peer(1), 2)]
    turn = rounds.next_round("12", 12, late=False)
    assert turn.missed == [(peer(1), 3)] and turn.suspects == [peer(1)] and turn.ask == []
    assert rounds.next_round("13", 13, late=False).suspects == []
    assert rounds.row(peer(1)).suspect


def test_a_suspect_that_could_not_be_probed_is_one_again_in_the_next_round():
    rounds, link = Rounds(2), FakeLink()
    rounds.linked(peer(1), link, 0.0)
    for number in range(3):
        turn = rounds.next_round(str(number), number, late=False)
    assert turn.suspects == [peer(1)]
    rounds.row(peer(1)).postpone()
    assert not rounds.row(peer(1)).suspect
    turn = rounds.next_round("3", 3, late=False)
    assert turn.missed == [(peer(1), 2)] and turn.suspects == [peer(1)]


def test_a_broken_link_misses_every_round_until_it_is_linked_again():
    rounds, link = Rounds(3), FakeLink()
    rounds.linked(peer(1), link, 0.0)
    rounds.broke(peer(1), FakeLink())
    assert asked(rounds.next_round("1", 1, late=False)) == [peer(1)]
    rounds.broke(peer(1), link)
    turn = rounds.next_round("2", 2, late=False)
    assert turn.missed == [(peer(1), 1)] and turn.lost == [peer(1)] and turn.ask == []
    rounds.linked(peer(1), link, 2.0)
    assert rounds.next_round("3", 3, late=False).missed == []
    assert not rounds.forget(peer(1)) and rounds.addresses() == [peer(1)]


def test_the_later_admission_counts_and_the_lost_are_bounded():
    rounds, links = Rounds(3), [FakeLink() for _ in range(4)]
    rounds.linked(peer(1), links[0], 0.0)
    rounds.linked(peer(1), links[1], 0.0)
    assert not rounds.remove(peer(1), links[0], "x") and rounds.remove(peer(1), links[1], "x")
    for number, link in enumerate(links, 1):
        rounds.linked(peer(number), link, 0.0)
    for number in (3, 1, 2):
        rounds.broke(peer(number), links[number - 1])
    turn = rounds.next_round("1", 1, late=False)
    assert asked(turn) == [peer(4)] and turn.lost == [peer(1), peer(3)]  # the last is forgotten


def test_a_death_among_many_that_come_and_go_afterwards_is_counted_to_its_end():
    rounds, dead = Rounds(3), FakeLink()
    rounds.linked(peer(1), dead, 0.0)
    rounds.broke(peer(1), dead)
    for number in range(2, 50):
        stranger = FakeLink()
        rounds.linked(peer(number), stranger, 0.0)
        rounds.broke(peer(number), stranger)
    for number in range(3):
        turn = rounds.next_round(str(number), number, late=False)
    assert (peer(1), 3) in turn.missed and peer(1) in turn.suspects


def test_a_link_that_is_withdrawn_leaves_the_counting_as_it_was():
    rounds, link = Rounds(3), FakeLink()
    rounds.linked(peer(1), FakeLink(), 0.0)
    rounds.withdraw(peer(1), link)  # that was another link
    assert asked(rounds.next_round("1", 1, late=False)) == [peer(1)]
    rounds.linked(peer(2), link, 0.0)
    rounds.proved(peer(2), FakeLink())  # that was another link, too
    rounds.withdraw(peer(2), link)
    assert rounds.lost() + rounds.addresses() == [peer(1)]


def test_a_visitor_under_the_name_of_a_lost_one_does_not_delay_its_death():
    rounds, link = Rounds(3), FakeLink()
    rounds.linked(peer(1), link, 0.0)
    rounds.broke(peer(1), link)
    misses = []
    for number in range(2, 5):
        misses += rounds.next_round(str(number), number, late=False).missed
        for _ in range(2):
            visitor = FakeLink()
            rounds.linked(peer(1), visitor, number)
            rounds.withdraw(peer(1), visitor)
    assert misses == [(peer(1), 1), (peer(1), 2), (peer(1), 3)]


def test_a_visitor_that_replaced_the_silent_link_of_a_neighbour_does_not_end_its_counting():
    rounds, link, visitor = Rounds(3), FakeLink(), FakeLink()
    rounds.linked(peer(1), link, 0.0)
    rounds.proved(peer(1), link)
    rounds.linked(peer(1), visitor, 1.0)
    rounds.withdraw(peer(1), visitor)
    assert rounds.next_round("1", 2, late=False).missed == [(peer(1), 1)]


def test_visitors_of_whom_one_is_silent_for_a_round_make_up_for_no_miss():
    rounds, links = Rounds(4), [FakeLink() for _ in range(3)]
    rounds.linked(peer(1), links[0], 0.0)
    rounds.broke(peer(1), links[0])
    for number in (1, 2):
        rounds.next_round(str(number), number, late=False)
    rounds.linked(peer(1), links[1], 2.0)
    assert rounds.next_round("3", 3, late=False).missed == []
    assert rounds.next_round("4", 4, late=False).missed == [(peer(1), 1)]
    rounds.linked(peer(1), links[2], 4.0)
    rounds.withdraw(peer(1), links[2])
    assert rounds.next_round("5", 5, late=False).missed == [(peer(1), 3)]


def test_who_was_lost_and_has_answered_since_owes_nothing():
    rounds, links = Rounds(3), [FakeLink() for _ in range(3)]
    rounds.linked(peer(1), links[0], 0.0)
    rounds.broke(peer(1), links[0])
    for number in (1, 2):
        rounds.next_round(str(number), number, late=False)
    rounds.linked(peer(1), links[1], 2.0)
    rounds.proved(peer(1), links[1])
    rounds.linked(peer(1), links[2], 3.0)
    rounds.withdraw(peer(1), links[2])
    assert rounds.next_round("3", 3, late=False).missed == [(peer(1), 1)]


def test_who_was_spared_after_a_visit_owes_nothing():
    rounds, links = Rounds(2), [FakeLink() for _ in range(2)]
    rounds.linked(peer(1), links[0], 0.0)
    rounds.broke(peer(1), links[0])
    rounds.next_round("1", 1, late=False)
    rounds.linked(peer(1), links[1], 1.0)
    for number in (2, 3, 4):
        turn = rounds.next_round(str(number), number, late=False)
    links[1].heard = 3.5
    assert turn.suspects == [peer(1)] and rounds.row(peer(1)).spare()
    rounds.proved(peer(1), links[1])
    rounds.broke(peer(1), links[1])
    assert rounds.next_round("5", 5, late=False).missed == [(peer(1), 1)]


def test_of_neighbours_whom_visitors_have_replaced_no_more_are_missed_than_of_the_lost():
    rounds, visitors = Rounds(3), {}
    for number in range(1, 6):
        link, visitors[number] = FakeLink(), FakeLink()
        rounds.linked(peer(number), link, 0.0)
        rounds.proved(peer(number), link)
    for number, visitor in visitors.items():
        rounds.linked(peer(number), visitor, 1.0)
        rounds.withdraw(peer(number), visitor)
    assert rounds.next_round("1", 2, late=False).lost == [peer(1), peer(2)]


def test_a_late_round_blames_nobody():
    rounds = Rounds(3)
    rounds.linked(peer(1), FakeLink(), 0.0)
    for number in range(20):
        turn = rounds.next_round(str(number), number, late=True)
        assert turn.missed == [] and turn.suspects == [] and asked(turn) == [peer(1)]
