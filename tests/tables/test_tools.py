"""The tools that are written once: a rate limit, a backoff, a bounded table."""

import pytest

from grapevine.tools import Accounts, Backoff, Budget, Recent


def test_time_pays_off_debts_and_saves_no_more_than_the_burst():
    budget = Budget(10, burst=5)
    budget.charge(25, 0.0)
    assert budget.charge(0, 1.0) == pytest.approx(1.0)
    assert budget.charge(0, 2.0) == 0.0
    assert budget.charge(5, 100.0) == 0.0 and budget.charge(1, 100.0) > 0.0


def test_a_rate_of_zero_is_no_limit():
    budget = Budget(0, burst=1)
    assert budget.charge(10**9, 0.0) == 0.0 and budget.spend(10**9, 0.0)


def test_what_has_no_room_is_not_spent():
    budget = Budget(1, burst=3)
    assert [budget.spend(cost, 0.0) for cost in (2, 2, 1, 1)] == [True, False, True, False]


def test_a_pause_doubles_up_to_the_longest_and_begins_anew():
    backoff = Backoff(0.5, 1.5)
    for now, due in (10.0, 10.5), (20.0, 21.0), (30.0, 31.5):
        backoff.failed(now)
        assert backoff.due == due
    backoff.reset()
    assert backoff.due == 0.0
    backoff.failed(40.0)
    assert backoff.due == 40.5


def test_of_too_many_entries_the_one_that_was_put_first_is_forgotten():
    table = Recent(2)
    for key in "aba":
        table[key] = key.upper()
    assert dict(table) == {"a": "A", "b": "B"}
    assert table["b"] == "B"  # which is no putting
    table["c"] = "C"
    assert dict(table) == {"a": "A", "c": "C"} and table.pop("b", None) is None


def test_everybody_has_an_account_and_the_one_used_longest_ago_is_forgotten():
    accounts = Accounts(2, 1, burst=3)
    for who in "aba":
        accounts.of(who).charge(2, 0.0)
    assert accounts.of("a").charge(0, 0.0) == 1.0 and accounts.of("b").charge(0, 0.0) == 0.0
    accounts.of("a")
    accounts.of("c")
    assert list(accounts) == ["a", "c"]
    assert accounts.of("b").charge(2, 0.0) == 0.0, "it begins anew"
