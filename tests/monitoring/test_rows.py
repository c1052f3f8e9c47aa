"""Rows: what is filed once, what is found again, what is handed on."""

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.monitoring import grammar
from gossip.monitoring.rows import Row, Rows, lines_of, rows_in, rows_of
from gossip.monitoring.threaded_tree import SPACE, first_key, key
from gossip.tools import Counters
from tests.tools.fakes import peer

R, S, T = map(peer, (5001, 5002, 5003))
WINDOW = 12.0


def entry(about, expected=10):
    return grammar.Entry(about, expected, 1, 2, 0, 0)


def report(*about, period=1):
    return grammar.Report(7, period, tuple(map(entry, about)))


def table(*rows, now=100.0, limit=1_000):
    held = Rows(WINDOW, Counters(), limit)
    for row in rows:
        held.file([row], now)
    return held


def lines(data):
    return [wire.parse(line) for line in data.splitlines()]


def test_what_a_peer_says_of_another_is_filed_under_both():
    about, by = rows_of(report(S), R, 100.0)
    assert (about.subject, about.other, about.key) == (S, R, key(S, R))
    assert (by.subject, by.other, by.key) == (R, S, key(R, S))


def test_a_row_is_filed_once_also_when_it_comes_again_with_another_time():
    row = rows_of(report(S), R, 100.0)[0]
    held = table(row)
    assert not held.file([row._replace(at=101.0)], 101.0)
    assert held.all() == [row]


@pytest.mark.parametrize("change", [
    {"side": grammar.BY}, {"reporter": T}, {"start": 8}, {"period": 2}, {"entry": entry(T)}])
def test_rows_of_other_sides_reporters_runs_periods_and_peers_are_other_rows(change):
    row = rows_of(report(S), R, 100.0)[0]
    assert table(row, row._replace(**change)).count() == 2


def test_a_row_that_is_older_than_the_window_is_not_held_and_goes_when_it_gets_so():
    row = rows_of(report(S), R, 100.0)[0]
    held = table(row)
    held.expire(111.9)
    assert held.count() == 1
    held.expire(112.0)
    assert held.count() == 0 and held.subjects() == [] and held.quantiles() == []
    assert not held.file([row], 112.0)


def test_a_subject_has_the_rows_of_both_sides():
    held = table(*rows_of(report(S, T), R, 100.0), *rows_of(report(R), S, 100.0))
    assert {(row.side, row.other) for row in held.of(R)} == {
        (grammar.BY, S), (grammar.BY, T), (grammar.ABOUT, S)}
    assert held.subjects() == [R, S] and held.count() == 6  # T says nothing
    assert held.of(T) == []


def test_rows_of_other_keys_are_taken_out():
    rows = rows_of(report(S, T), R, 100.0)
    held = table(*rows)
    own = first_key(R), first_key(R) + (1 << 32) - 1
    taken = held.take_out(*own)
    assert {row.subject for row in taken} == {S, T}
    assert {row.subject for row in held.all()} == {R} == set(held.subjects())
    assert len(held.of(R)) == 2
    assert held.take_out(*own) == []
    assert held.take_out(0, -1) and held.count() == 0


def test_who_is_forgotten_is_in_no_row():
    held = table(*rows_of(report(S, T), R, 100.0), *rows_of(report(T), S, 100.0))
    held.forget(S)
    assert {(row.subject, row.other) for row in held.all()} == {(R, T), (T, R)}


def test_quantiles_cut_the_rows_into_equal_shares():
    held = table(*(row for number in range(160)
                   for row in rows_of(report(peer(6000 + number)), R, 100.0)[:1]))
    edges = [0, *held.quantiles(), SPACE]
    keys = sorted(row.key for row in held.all())
    shares = [sum(low <= one < high for one in keys) for low, high in zip(edges, edges[1:])]
    assert shares == [10] * 16


LOCAL = R, S
ONE_HOST = address_of("10.0.0.1", 1), address_of("10.0.0.1", 2)


@pytest.mark.parametrize("hoarder, other", [(LOCAL, T), (ONE_HOST, R)])
def test_when_a_table_is_full_the_owner_with_most_rows_loses_the_older_half(hoarder, other):
    """An owner is a host; on loopback, which all share, it is a peer."""
    modest = rows_of(report(T, R, period=1), other, 90.0)
    rows = [row for number in range(8)
            for row in rows_of(report(peer(6000 + number), period=number + 2),
                               hoarder[number % 2], 91.0 + number)]
    held = table(*modest, *rows, limit=20)
    assert held.count() == 20
    held.file(rows_of(report(T, period=99), other, 99.5)[:1], 100.0)
    kept = {row.identity for row in held.all()}
    assert {row.identity for row in modest} < kept
    lost = [row for row in rows if row.identity not in kept]
    mine = [row for row in rows if hoarder is ONE_HOST or row.reporter == lost[0].reporter]
    assert lost == mine[:len(mine) // 2]
    assert held._counters == {"rows evicted": len(lost)}
    assert held.count() == 21 - len(lost) == len(held.all())


def test_an_owner_that_fills_a_table_loses_its_own_rows_alone():
    held = table(*rows_of(report(S), R, 90.0), limit=10)
    for number in range(500):
        held.file(rows_of(report(T, period=number + 1), S, 90.0 + number / 100)[:1], 95.0)
    assert held.count() <= 10 and len(held.of(R)) == 1
    assert max(row.period for row in held.all()) == 500


def test_nothing_is_kept_of_owners_whose_rows_have_expired():
    held = table(*(row for port in range(6000, 6050)
                   for row in rows_of(report(T), peer(port), 90.0)))
    assert len(held._of_owner) == 50
    held.expire(1_000.0)
    assert held.count() == 0 and not held._of_owner


def test_rows_travel_in_few_lines_and_arrive_as_they_were():
    rows = rows_of(report(S, T), R, 100.0) + rows_of(report(S, period=2), R, 102.0)
    said = lines(lines_of(rows, 103.5))
    assert len(said) == 4
    arrived = [row for message in said for row in rows_in(message, 203.5)]
    assert sorted(arrived) == sorted(row._replace(at=row.at + 100) for row in rows)


def test_a_line_has_no_more_entries_than_may_be_in_one():
    rows = [Row(grammar.ABOUT, R, 7, 1, 100.0, entry(peer(6000 + number))) for number in range(450)]
    assert [len(message.entries) for message in lines(lines_of(rows, 100.0))] == [68] * 6 + [42]


def test_rows_that_are_lent_are_parts():
    assert {message.kind for message in lines(
        lines_of(rows_of(report(S), R, 100.0), 100.0, grammar.part))} == {"part"}
