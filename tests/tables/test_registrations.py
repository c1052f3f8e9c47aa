"""The registrations of a peer: a majority of the seeds, whatever fails."""

import random

import pytest

from grapevine.registrations import LONGEST_REST, MISSES, REPEAT, Registrations
from tests.tables.samples import FakeLink, peer


def seeds(count: int) -> list:
    return [peer(8001 + number) for number in range(count)]


def dialled(table: Registrations, now: float = 0.0) -> list:
    """Dial whom the table wants; return them."""
    chosen = table.to_dial(now)
    for seed in chosen:
        table.rows[seed].link = FakeLink(seed)
    return chosen


def registered(count: int = 1) -> Registrations:
    """Return a table of so many seeds, with a majority of which the peer is registered."""
    table = Registrations(seeds(count), random.Random(1))
    for seed in dialled(table):
        table.registered(seed)
    return table


@pytest.mark.parametrize("count, needed", [(1, 1), (2, 2), (3, 2), (4, 3), (60, 31)])
def test_a_majority_is_dialled_at_random_and_no_more(count, needed):
    drawn = {frozenset(Registrations(seeds(count), random.Random(at)).to_dial(0.0))
             for at in range(200)}
    assert all(len(chosen) == needed for chosen in drawn)
    assert set().union(*drawn) == set(seeds(count))
    table = registered(count)
    assert table.to_dial(0.0) == [] and len(table.links()) == needed


def test_a_seed_that_has_not_failed_is_dialled_rather_than_one_that_has_rested():
    for at in range(20):
        table = Registrations(seeds(5), random.Random(at))
        down, *_ = dialled(table)
        for now in 100.0, 200.0:
            table.ended(down, "it is down", now)
            [down] = dialled(table, now + LONGEST_REST)
        assert sorted(row.failure for row in table.rows.values()) == 3 * [""] + 2 * ["it is down"]


def test_a_seed_that_fails_rests_for_a_time_that_doubles():
    table, (seed,), now = Registrations(seeds(1), random.Random(1)), seeds(1), 100.0
    assert table.next_at(now) == now + LONGEST_REST, "nobody rests"
    for rest in (0.5, 1.0, 2.0, 4.0, 5.0, 5.0):
        assert dialled(table, now) == [seed]
        table.ended(seed, "down", now)
        assert table.to_dial(now + rest - 0.01) == [] and table.next_at(now) == now + rest
        now += rest
    dialled(table, now)
    table.registered(seed)
    table.ended(seed, "down", now)
    assert table.to_dial(now + 0.5) == [seed]


def test_a_failure_is_news_when_its_reason_is_another_or_a_registration_ends():
    table, (seed,) = Registrations(seeds(1), random.Random(1)), seeds(1)
    assert [table.ended(seed, reason, 0.0) for reason in ("down", "down", "refused", "down")] == [
        True, False, True, True]
    dialled(table, 99.0)
    assert table.registered(seed) and not table.registered(seed)
    assert table.ended(seed, "down", 99.0) and not table.ended(seed, "down", 99.0)


def test_only_confirmed_registrations_are_repeated():
    table = Registrations(seeds(3), random.Random(1))
    one, other = dialled(table)
    table.registered(one)
    link = table.rows[one].link
    for is_held in (True,) * 9 + (False,) * MISSES:
        link.is_held = is_held
        assert table.next_round() == ([link], []), "while a link is held, its answer may wait"
    assert table.next_round() == ([], [link])
    table.ended(one, "broke", 0.0)
    assert table.next_round() == ([], []) and table.links() == []
    assert table.rows[other].link is not None and table.rows[one].link is None


def test_register_is_repeated_once_a_second_to_the_seed_that_has_probed():
    table, here = registered(), peer(9_999)
    link, = table.links()
    assert table.probed_by(here, 5.0) is None
    table.rows[seeds(1)[0]].address = here  # its name has led there
    assert table.probed_by(here, 0.0) is link, "also in the first second of a clock"
    assert table.probed_by(here, REPEAT - 0.01) is None and table.probed_by(here, REPEAT) is link
    assert table.probed_by(peer(1), 9.0) is None
    table.ended(seeds(1)[0], "broke", 9.0)
    assert dialled(table, 99.0) and table.probed_by(here, 99.0) is None, "it is not confirmed yet"
