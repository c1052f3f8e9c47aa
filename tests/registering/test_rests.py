"""Rests: who does not answer twice in a row is tried more and more rarely."""

import pytest

from gossip.registering import admission
from gossip.registering.admission import Rests
from tests.tools.fakes import peer


def test_the_first_rest_is_a_second_and_the_longest_half_a_minute():
    assert (admission.FIRST_REST, admission.LONGEST_REST) == (1.0, 30.0)


def test_the_second_failure_in_a_row_begins_a_rest_that_doubles_with_each_further_one():
    table, now, seen = Rests(admission.REMEMBERED), 0.0, []
    for _ in range(9):
        table.failed(peer(1), now, now + 4.0)
        now += 4.0
        seen.append(table.left(peer(1), now))
        now += seen[-1] + 1.0
        assert table.left(peer(1), now) == 0.0
    assert seen == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert table.left(peer(2), 0.0) == 0.0


def test_an_answer_ends_the_rest_and_the_row_of_failures():
    table = Rests(admission.REMEMBERED)
    for now in (1.0, 2.0):
        table.failed(peer(1), now, now)
    assert table.left(peer(1), 2.0) == 1.0
    table.pop(peer(1))
    assert table.left(peer(1), 2.0) == 0.0
    table.failed(peer(1), 3.0, 3.0)
    assert table.left(peer(1), 3.0) == 0.0


def test_those_who_shared_a_probe_are_one_failure():
    table = Rests(admission.REMEMBERED)
    for asked in (1.0, 2.0, 3.0):
        table.failed(peer(1), asked, 4.0)
    assert table.left(peer(1), 4.0) == 0.0
    table.failed(peer(1), 4.5, 5.0)
    assert table.left(peer(1), 5.0) == pytest.approx(1.0)


def test_so_many_addresses_are_remembered_and_the_one_that_failed_longest_ago_is_forgotten(
        monkeypatch):
    assert admission.REMEMBERED == 10_000
    monkeypatch.setattr(admission, "REMEMBERED", 2)
    table = Rests(admission.REMEMBERED)
    for now, port in enumerate((1, 2, 1, 2, 1, 3), 1):
        table.failed(peer(port), now, now)
    assert table.left(peer(1), 6) > 0 and table.left(peer(2), 4) == 0.0
