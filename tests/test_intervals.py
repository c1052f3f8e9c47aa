"""Intervals are a set of numbers."""

import random

from gossip.intervals import Intervals


def test_intervals_are_a_set_of_numbers():
    rng = random.Random(5)
    for _ in range(100):
        numbers, intervals = set(), Intervals()
        for _ in range(60):
            first = rng.randint(1, 80)
            last = first + rng.choice([0, 0, 0, 3, 9])
            change = rng.choice(["add", "range", "minus"])
            if change == "add":
                assert intervals.add(first) == (first not in numbers)
                numbers.add(first)
            elif change == "range":
                intervals.add_range(first, last)
                numbers |= set(range(first, last + 1))
            else:
                intervals = intervals.minus([(first, last)])
                numbers -= set(range(first, last + 1))
        spelled = [n for low, high in intervals.ranges() for n in range(low, high + 1)]
        assert spelled == sorted(numbers)
        assert all(after[0] > before[1] + 1 for before, after in
                   zip(intervals.ranges(), intervals.ranges()[1:]))
        missing = {n for low, high in intervals.missing(10, 60) for n in range(low, high + 1)}
        assert missing == set(range(10, 61)) - numbers
        common = {n for low, high in intervals.common([(10, 60)]) for n in range(low, high + 1)}
        assert common == set(range(10, 61)) & numbers
