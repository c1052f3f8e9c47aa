"""The tools that are written once."""

import pytest

from gossip.tools import Backoff, Rate, Recent, Worst


def test_a_burst_passes_at_once_and_what_is_beyond_it_waits():
    rate = Rate(10, burst=5)
    assert [rate.take(0.0) for _ in range(5)] == [0.0] * 5
    assert rate.take(0.0) == pytest.approx(0.1)
    assert rate.take(0.0, 9) == pytest.approx(1.0)


def test_what_was_taken_is_worked_off_in_time():
    rate = Rate(10, burst=5)
    rate.take(0.0, 25)
    assert rate.take(1.0, 0) == pytest.approx(1.0)
    assert rate.take(2.0, 0) == 0.0
    assert rate.take(100.0, 5) == 0.0, "no more is saved up than the burst"
    assert rate.take(100.0) > 0.0


def test_each_key_has_a_bucket_of_its_own():
    rate = Rate(1, burst=1)
    assert rate.take(0.0, 10, "a") == pytest.approx(9.0)
    assert rate.take(0.0, 1, "b") == 0.0


def test_what_is_given_back_makes_room_but_no_more_than_was_taken():
    rate = Rate(1, burst=1)
    assert rate.take(0.0, 10) == pytest.approx(9.0)
    assert rate.take(0.0, -9) == 0.0
    assert rate.take(0.0, -100) == 0.0
    assert rate.take(0.0, 2) == pytest.approx(1.0)


def test_of_too_many_keys_the_one_used_longest_ago_is_forgotten():
    rate = Rate(1, burst=0, keys=2)
    rate.take(0.0, 5, "a")
    rate.take(0.0, 5, "b")
    rate.take(0.0, 0, "a")
    rate.take(0.0, 5, "c")
    assert rate.take(0.0, 0, "a") == pytest.approx(5.0)
    assert rate.take(0.0, 0, "b") == 0.0


def test_a_forgotten_key_begins_anew():
    rate = Rate(1, burst=0)
    rate.take(0.0, 5, "a")
    rate.forget("a")
    assert rate.take(0.0, 0, "a") == 0.0


def test_each_failure_doubles_the_pause_up_to_the_last_and_a_reset_ends_it():
    backoff, now = Backoff(0.5, 3), 100.0
    assert backoff.due <= now
    for pause in (0.5, 1.0, 2.0, 3.0, 3.0):
        backoff.failed(now)
        assert backoff.due == now + pause
        now += pause
    backoff.reset()
    assert backoff.due <= now
    backoff.failed(now)
    assert backoff.due == now + 0.5


def test_an_entry_is_remembered_until_it_expires():
    table = Recent(10)
    table.put("a", 1, until=10.0)
    table.put("b", 2)
    assert table.get("a", 9.9) == 1 and table.get("c", 9.9) is None
    assert table.get("a", 10.0, "gone") == "gone" and table.get("b", 1e9) == 2
    assert table.all(9.9) == {"a": 1, "b": 2} and table.all(10.0) == {"b": 2}
    table.put("a", 3, until=20.0)
    assert table.get("a", 19.9) == 3


def test_what_is_taken_out_is_forgotten_and_nothing_when_it_has_expired():
    table = Recent(10)
    table.put("a", 1, until=10.0)
    assert table.pop("a", 9.9) == 1 and table.pop("a", 9.9, 7) == 7
    table.put("a", 1, until=10.0)
    assert table.pop("a", 10.0) is None


def test_of_too_many_entries_the_one_put_longest_ago_is_evicted():
    table = Recent(2)
    for key in "aba":
        table.put(key, key)
    assert list(table.all()) == ["b", "a"]
    table.put("c", "c")
    assert list(table.all()) == ["a", "c"]


def test_what_is_added_does_not_change_until_it_has_expired():
    table = Recent(10)
    assert table.add("a", 1, 0.0, 10.0) and not table.add("a", 2, 9.9, 20.0)
    assert table.get("a", 9.9) == 1
    assert table.add("a", 2, 10.0, 20.0) and table.get("a", 19.9) == 2
    assert not table.add("b", 1, 10.0, 10.0), "it had expired when it came"


def test_the_worst_of_the_last_seconds_and_of_all():
    worst = Worst(30.0)
    assert worst.lately(0.0) == worst.ever == 0.0
    for now, bad in ((0.0, 0.4), (1.0, 1.5), (2.0, 0.1)):
        worst.note(now, bad)
    assert worst.lately(30.9) == 1.5 and worst.lately(31.0) == 0.1 and worst.lately(32.0) == 0.0
    assert worst.ever == 1.5
