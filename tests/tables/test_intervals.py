"""Intervals are a set of numbers, whatever is added in whatever order."""

import random

from grapevine.intervals import Intervals


def ranges_of(numbers: set[int]) -> list[tuple[int, int]]:
    """Return the fewest ranges that have these numbers, in order."""
    firsts = sorted(number for number in numbers if number - 1 not in numbers)
    lasts = sorted(number for number in numbers if number + 1 not in numbers)
    return list(zip(firsts, lasts))


def drawn(rng: random.Random) -> tuple[set[int], Intervals]:
    """Return the same set twice: as a set, and as intervals."""
    numbers, intervals = set(), Intervals()
    for _ in range(rng.randint(1, 40)):
        first = rng.randint(1, 80)
        last = first + rng.choice([0, 0, 0, 3, 9])
        intervals.add(first, last)
        numbers |= set(range(first, last + 1))
    return numbers, intervals


def test_intervals_are_a_set_told_in_the_fewest_ranges_in_order():
    rng = random.Random(5)
    for _ in range(200):
        numbers, intervals = drawn(rng)
        assert intervals.ranges() == ranges_of(numbers) and intervals.lowest() == min(numbers)
        assert len(intervals) == len(intervals.ranges())
        for number in range(100):
            assert (number in intervals) == (number in numbers)
            touches = number - 1 in numbers or number + 1 in numbers
            assert intervals.touches(number) == touches
        first = rng.randint(1, 60)
        asked = set(range(first, first + 30))
        assert intervals.common(first, first + 29) == ranges_of(asked & numbers)
        assert intervals.missing(first, first + 29) == ranges_of(asked - numbers)


def test_only_what_begins_right_behind_the_highest_number_continues():
    intervals = Intervals()
    assert not intervals.continue_with(1, 3)
    intervals.add(1, 3)
    assert not intervals.continue_with(3, 4) and not intervals.continue_with(5, 6)
    assert intervals.continue_with(4, 9) and intervals.ranges() == [(1, 9)]


def test_an_empty_range_has_nothing_in_common_and_nothing_missing():
    intervals = Intervals([(3, 5)])
    assert intervals.common(5, 4) == [] == intervals.missing(5, 4)


def test_numbers_may_be_as_large_as_the_wire_allows():
    intervals = Intervals([(1, 2**63 - 1)])
    assert 2**62 in intervals and intervals.missing(1, 2**63 - 1) == []
