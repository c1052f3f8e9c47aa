"""Rows: what is filed once, what is found again, what is handed on."""

import pytest

from gossip import wire
from gossip.monitoring.rows import Rejection, Row, Rows, lines_of, rows_in, rows_of
from gossip.monitoring.threaded_tree import SPACE, first_key, key
from tests.tools.fakes import peer

R, S, T = map(peer, (5001, 5002, 5003))
WINDOW = 12.0


def entry(about, expected=10):
    return wire.Entry(about, expected, 1, 2, 0, 0)


def report(*about, period=1):
    return wire.Report(7, period, tuple(map(entry, about)))


def table(*rows, now=100.0):
    held = Rows(WINDOW)
    for row in rows:
        held.file(row, now)
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
    assert not held.file(row._replace(at=101.0), 101.0)
    assert held.all() == [row]


@pytest.mark.parametrize("change", [
    {"side": wire.BY}, {"reporter": T}, {"start": 8}, {"period": 2}, {"entry": entry(T)}])
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
    assert not held.file(row, 112.0)


def test_a_death_that_is_reported_in_vain_again_is_news_and_the_same_line_twice_is_none():
    first = Rejection(R, S, T, 100.0)
    held = table(first)
    assert not held.file(first._replace(at=100.1), 100.1)
    assert held.file(first._replace(at=105.0), 105.0)
    assert held.rejections(R) == [first._replace(at=105.0)]


def test_a_subject_has_the_rows_of_both_sides_and_its_rejections_apart():
    rows = rows_of(report(S, T), R, 100.0) + rows_of(report(R), S, 100.0)
    rejection = Rejection(R, S, T, 100.0)
    held = table(*rows, rejection)
    assert {(row.side, row.other) for row in held.of(R)} == {
        (wire.BY, S), (wire.BY, T), (wire.ABOUT, S)}
    assert held.rejections(R) == [rejection] and held.rejections(S) == []
    assert held.subjects() == [R, S, T] and held.count() == 7


def test_rows_of_other_keys_are_taken_out():
    rows = rows_of(report(S, T), R, 100.0)
    held = table(*rows)
    own = first_key(R), first_key(R) + (1 << 32) - 1
    taken = held.take_out(*own)
    assert {row.subject for row in taken} == {S, T}
    assert {row.subject for row in held.all()} == {R} == set(held.subjects())
    assert held.take_out(*own) == []
    assert held.take_out(0, -1) and held.count() == 0


def test_who_is_forgotten_is_in_no_row():
    held = table(*rows_of(report(S, T), R, 100.0), *rows_of(report(T), S, 100.0),
                 Rejection(T, S, R, 100.0))
    held.forget(S)
    assert {(row.subject, row.other) for row in held.all()} == {(R, T), (T, R)}


def test_quantiles_cut_the_rows_into_equal_shares():
    held = table(*(row for number in range(160)
                   for row in rows_of(report(peer(6000 + number)), R, 100.0)[:1]))
    edges = [0, *held.quantiles(), SPACE]
    keys = sorted(row.key for row in held.all())
    shares = [sum(low <= one < high for one in keys) for low, high in zip(edges, edges[1:])]
    assert shares == [10] * 16


def test_a_full_table_takes_no_more(monkeypatch):
    monkeypatch.setattr("gossip.monitoring.rows.ROWS_LIMIT", 3)
    held = table(*rows_of(report(S, T), R, 100.0))
    assert held.count() == 3


def test_rows_travel_in_few_lines_and_arrive_as_they_were():
    rows = rows_of(report(S, T), R, 100.0) + rows_of(report(S, period=2), R, 102.0)
    rejection = Rejection(R, S, T, 101.0)
    said = lines(lines_of([*rows, rejection], 103.5))
    assert len(said) == 5
    arrived = [row for message in said[1:] for row in rows_in(message, 203.5)]
    assert sorted(arrived) == sorted(row._replace(at=row.at + 100) for row in rows)
    assert said[0] == wire.RejectedDeath(2.5, R, S, T)


def test_a_line_has_no_more_entries_than_may_be_in_one():
    rows = [Row(wire.ABOUT, R, 7, 1, 100.0, entry(peer(6000 + number))) for number in range(450)]
    assert [len(message.entries) for message in lines(lines_of(rows, 100.0))] == [200, 200, 50]


def test_rows_that_are_lent_are_parts():
    assert {message.kind for message in lines(
        lines_of(rows_of(report(S), R, 100.0), 100.0, wire.part))} == {"part"}
