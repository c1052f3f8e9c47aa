"""Exponents that are fitted to degrees."""

import math
import random

import pytest

from gossip.capacity import shares
from gossip.lab.proof.graph import fit


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_a_fit_finds_the_exponent_that_values_were_drawn_with(alpha):
    law = shares(alpha, 3, 60)
    rng = random.Random(1)
    pulls = []
    for _ in range(100):
        found = fit(rng.choices(list(law), law.values(), k=400), 3, 60)
        pulls.append((found.exponent - alpha) / found.error)
    mean = sum(pulls) / len(pulls)
    spread = math.sqrt(sum((pull - mean) ** 2 for pull in pulls) / len(pulls))
    assert abs(mean) < 0.3 and 0.8 < spread < 1.2  # the error is a standard error


def test_no_exponent_where_values_tell_none():
    assert fit([], 3, 60) is None
    assert fit([4, 4, 4], 4, 4) is None
    assert fit([1, 2, 99], 3, 60) is None
    assert fit([3, 3, 3], 3, 60) is None  # steeper than any
