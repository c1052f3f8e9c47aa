"""The numbers seen of a run, and who made the gaps between them."""

import random

from gossip.intervals import Intervals
from gossip.spread.run import FREE, Numbers


def add(numbers: Numbers, number, maker=None):
    """Add a number that is new; return who is relieved."""
    if numbers.extend(number, number):
        return FREE
    joined, relieved = numbers.join(number)
    if not joined:
        numbers.begin(number, maker)
    return relieved


def test_numbers_are_a_set_whatever_the_order_in_which_they_come():
    rng = random.Random(7)
    for _ in range(100):
        order = rng.sample(range(1, 80), 50)
        numbers, made, relieved = Numbers(), 0, 0
        for number in order:
            before = len(numbers)
            left = add(numbers, number, "maker")
            made += len(numbers) > before
            relieved += left is not FREE
        assert numbers.ranges() == Intervals([(number, number) for number in order]).ranges()
        assert made - relieved == len(numbers) == len(numbers.makers())


def test_the_next_number_extends_and_others_do_not():
    numbers = Numbers()
    assert not numbers.extend(1, 1)
    numbers.begin(1, FREE)
    assert numbers.extend(2, 2) and not numbers.extend(2, 2) and not numbers.extend(4, 4)
    assert numbers.ranges() == [(1, 2)]


def test_who_made_the_upper_of_two_intervals_is_relieved_when_they_become_one():
    numbers = Numbers()
    for number, maker in ((10, FREE), (20, "one"), (12, "other"), (1, "third")):
        add(numbers, number, maker)
    assert numbers.makers() == ["third", "other", "one"]
    assert add(numbers, 11) == "other"
    for number in range(2, 9):
        assert add(numbers, number) is FREE
    assert add(numbers, 9) == "third"  # the upper one was free: what is left is free
    assert numbers.makers() == ["one"] and numbers.ranges() == [(1, 12), (20, 20)]
