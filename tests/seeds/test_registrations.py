"""A peer's registrations: a majority of the seeds, whatever fails."""

import random

import pytest

from gossip.seeds.registrations import Registrations
from gossip.settings import Settings, majority
from tests.tools.fakes import FakeLink, peer

LIMIT = 20.0  # seconds that a seed may take to answer


@pytest.mark.parametrize("seeds", [1, 2, 3, 6, 60])
def test_registrations_work_towards_a_majority_whatever_fails(seeds):
    addresses = [peer(8000 + n) for n in range(seeds)]
    table = Registrations(addresses, Settings(), random.Random(2))
    dials = dict(table.next_dials(lambda seed: FakeLink(), 0.0, LIMIT))
    assert len(dials) == majority(seeds)
    assert table.next_dials(lambda seed: FakeLink(), 0.0, LIMIT) == []
    for seed, link in dials.items():
        assert table.answered(seed, link) and not table.answered(seed, link)
    assert len(table.links()) == majority(seeds) and table.next_at() is None
    lost = list(dials)[0]
    assert table.ended(lost, dials[lost], "x", 1.0) and not table.ended(lost, dials[lost], "x", 1.0)
    assert table.next_at() <= 1.5
    again = table.next_dials(lambda seed: FakeLink(), 1.5, LIMIT)
    assert len(again) == 1
    assert table.overdue(21.0) == [] and len(table.overdue(1.5 + LIMIT)) == 1


def test_back_off_doubles_up_to_its_limit():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    now, rests = 0.0, []
    for _ in range(9):
        (seed, link), = table.next_dials(lambda s: FakeLink(), now, LIMIT)
        table.ended(seed, link, "refused", now)
        rests.append(table.next_at() - now)
        now = table.next_at()
    assert 0.25 <= rests[0] <= 0.5 and 7.5 <= rests[-1] <= 15.0
    assert max(rests) <= 15.0


def test_a_failure_is_news_when_its_reason_is():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    now, news = 0.0, []
    for reason in ("refused", "refused", "timed out", "timed out", "", "timed out", "timed out"):
        (seed, link), = table.next_dials(lambda s: FakeLink(), now, LIMIT)
        if not reason:
            table.answered(seed, link)
        news.append(table.ended(seed, link, reason or "closed", now))
        now = table.next_at()
    assert news == [True, False, True, False, True, True, False]


def test_a_silent_seed_is_given_up_after_three_rounds():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    (seed, link), = table.next_dials(lambda s: FakeLink(), 0.0, LIMIT)
    table.answered(seed, link)
    assert [table.next_round(late=False) for _ in range(3)] == [([link], [], 0)] * 3
    assert table.next_round(late=False) == ([], [link], 0)
    table.answered(seed, link)
    assert table.next_round(late=False) == ([link], [], 0)


def test_a_late_round_finds_no_seed_silent_and_tells_of_it():
    table = Registrations([peer(8000)], Settings(), random.Random(2))
    (seed, link), = table.next_dials(lambda s: FakeLink(), 0.0, LIMIT)
    table.answered(seed, link)
    assert table.next_round(late=True) == ([link], [], 0)  # nothing was asked before
    assert table.next_round(late=False) == ([link], [], 0)
    assert [table.next_round(late=True) for _ in range(9)] == [([link], [], 1)] * 9
    assert [table.next_round(late=False) for _ in range(2)] == [([link], [], 0)] * 2
    assert table.next_round(late=False) == ([], [link], 0)
