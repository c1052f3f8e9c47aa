"""Rows: what is filed once, found again, handed on and forgotten; and which reports count."""

import pytest

from grapevine.addresses import address_of
from grapevine.monitoring import grammar
from grapevine.monitoring.grammar import ABOUT, BY, Entry, Load
from grapevine.monitoring.rows import Reporters, Row, Rows, lines_of, rows_of
from grapevine.monitoring.threaded_tree import SPACE, key_of
from tests.tables.samples import peer

R, S, T = map(peer, (5001, 5002, 5003))
PERIOD = 10.0


def report(reporter, *about, period=1, at=100.0, start=7, sides=(ABOUT, BY)) -> list[Row]:
    return rows_of(reporter, start, period, at,
                   [Entry(each, 10, 1, 2, 0, 0) for each in about], sides)


def table(*rows: Row, limit: int = 1_000) -> Rows:
    held = Rows(limit)
    held.file(rows)
    return held


def count(held: Rows) -> int:
    return len(list(held.all()))


# Filed, found, forgotten.

def test_a_row_is_news_once_also_when_it_comes_again_with_another_time():
    rows, held = report(R, S, T), Rows()
    assert held.file(rows) == rows
    assert held.file([row._replace(at=101.0) for row in rows]) == []
    assert sorted(held.all()) == sorted(rows)


@pytest.mark.parametrize("change", [
    {"side": BY}, {"reporter": T}, {"start": 8}, {"period": 2}, {"entry": Entry(T, *[0] * 5)}])
def test_rows_of_other_sides_reporters_runs_periods_and_peers_are_other_rows(change):
    row = report(R, S)[0]
    assert count(table(row, row._replace(**change))) == 2


def test_a_subject_has_the_rows_of_both_sides_and_is_judged_if_it_has_reported():
    held = table(*report(R, S, T), *report(S, R))
    assert {(row.side, row.other) for row in held.of(R)} == {(BY, S), (BY, T), (ABOUT, S)}
    assert held.subjects() == [R, S] and count(held) == 6
    assert [row.side for row in held.of(T)] == [ABOUT] and held.of(peer(1)) == []


def test_who_is_forgotten_is_in_no_row():
    held = table(*report(R, S, T), *report(S, T))
    held.forget(S)
    assert {(row.subject, row.other) for row in held.all()} == {(R, T), (T, R)}
    assert held.subjects() == [R] and held.of(S) == []


# Loads.

def test_a_load_counts_the_rows_whose_keys_are_in_an_interval():
    held = table(*report(R, S, T))
    for subject, size in ((R, 2), (S, 1), (T, 1)):
        key = key_of(subject)
        assert held.load(key, key) == Load(size, (key,) * 15)
        assert held.load(0, key - 1).rows + held.load(key + 1, SPACE - 1).rows == 4 - size
    assert held.load(0, -1) == Load(0, ())


def test_its_keys_cut_the_rows_into_equal_parts():
    peers = [peer(6000 + number) for number in range(160)]
    held = table(*report(R, *peers, sides=(ABOUT,)))
    rows, cuts = held.load(0, SPACE - 1)
    keys, edges = sorted(map(key_of, peers)), [0, *cuts, SPACE]
    assert rows == 160 and [sum(low <= key < high for key in keys)
                            for low, high in zip(edges, edges[1:])] == [10] * 16


# Room.

HOST = address_of("10.0.0.1", 1), address_of("10.0.0.1", 2)


@pytest.mark.parametrize("hoarder, modest, levels", [
    ((R, R), T, [14]), (HOST, R, [14]), ((R, S), T, [7, 7])])
def test_in_a_full_table_the_accounts_with_most_rows_lose_their_oldest(hoarder, modest, levels):
    """An account is a host; on loopback, which all share, a reporter. A twentieth is freed."""
    few = report(modest, S, peer(1), at=1.0)
    rows = [row for number in range(8) for row in
            report(hoarder[number % 2], peer(6000 + number), period=number, at=91.0 + number)]
    held = table(*few, *rows[::-1], limit=20)
    assert count(held) == 20 and held.evicted == 0
    assert len(held.file(report(modest, T, period=9)[:1])) == 1
    assert set(few) <= set(held.all()) and held.evicted == 2 and count(held) == 19
    left = [row for row in rows if row in set(held.all())]
    assert max(row.at for row in set(rows) - set(left)) <= min(row.at for row in left) + 1.0
    assert sorted(sum(row.reporter == one for row in left) for one in set(hoarder)) == (
        levels if hoarder is not HOST else [6, 8])


def test_rows_that_have_gone_make_room():
    for drop in (lambda held: held.forget(R), lambda held: held.expire(95.0)):
        held = table(*report(R, *map(peer, range(6000, 6004)), at=90.0), limit=8)
        drop(held)
        assert len(held.file(report(S, *map(peer, range(6000, 6004))))) == 8 == count(held)
        assert held.evicted == 0


# To other seeds.

def read(data: bytes, now: float) -> list[Row]:
    """Return the rows in the lines that another seed hears."""
    parsed = [grammar.parse(line)[1] for line in data.splitlines()]
    return [row for age, side, reporter, start, period, entries in parsed
            for row in rows_of(reporter, start, period, now - age, entries, (side,))]


def test_rows_travel_in_few_lines_and_arrive_as_they_were():
    rows = (report(R, S, T) + report(R, S, period=2, at=102.0) + report(R, S, start=8)
            + report(T, S))
    data = lines_of(rows, 103.5)
    assert data.count(b"\n") == 8
    assert sorted(read(data, 203.5)) == sorted(row._replace(at=row.at + 100) for row in rows)
    assert lines_of([], 103.5) == b""


def test_a_line_has_no_more_entries_than_may_be_in_one():
    rows = report(R, *map(peer, range(6000, 6450)), sides=(BY,))
    data = lines_of(rows, 100.0)
    assert [line.count(b"=") for line in data.splitlines()] == [68] * 6 + [42]
    assert read(data, 100.0) == rows


# Which reports count.

def ages(*reports) -> list:
    """Return the ages of reports (PERIOD, when it comes)."""
    rule = Reporters(10, PERIOD)
    return [rule.age(R, 7, period, when) for period, when in reports]


def counted(reports) -> int:
    return sum(age is not None for age in ages(*reports))


def test_a_report_each_period_counts_also_when_it_is_late_or_early():
    assert ages((1, 10.0), (2, 20.0), (3, 34.0), (4, 40.0), (5, 49.0), (6, 60.0), (7, 78.0),
                (8, 80.0)) == [0.0] * 8
    assert counted((number, 9.2 * number) for number in range(1, 301)) == 300


def test_of_ten_thousand_in_one_period_twelve_count_and_one_in_each_later_period():
    assert counted((number, 0.0005 * number) for number in range(1, 10_000)) == 12
    flood = ((number, 0.1 * number) for number in range(1, 10_000))  # a hundred periods
    assert 100 <= counted(flood) <= 124


def test_a_new_run_at_every_report_brings_no_more():
    rule = Reporters(10, PERIOD)
    assert sum(rule.age(R, start, 1, 0.0) is not None for start in range(1, 1_000)) == 12


def test_reports_that_were_kept_for_another_seed_count_once_with_their_age():
    assert ages((9, 0.0), (8, 1.0), (4, 1.0), (3, 1.0), (8, 2.0), (10, 10.0), (7, 10.0), (4, 10.0)
                ) == [0.0, 11.0, 51.0, None, None, 0.0, 30.0, None]


def test_each_reporter_is_counted_by_itself_and_few_are_remembered():
    rule = Reporters(10, PERIOD)
    assert [rule.age(peer(port), 7, 1, 0.0) for port in range(6000, 6030)] == [0.0] * 30
    assert rule.age(peer(6029), 7, 1, 0.0) is None and len(rule) == 10
