"""Capacity: the rule that everyone can compute for everyone."""

import pytest

from gossip.capacity import BY_RULE
from tools.fakes import peer


@pytest.mark.parametrize("identity", range(100))
def test_capacity_follows_the_rule(identity):
    rule = int(40 * 1.5 ** (-identity / 10))
    assert BY_RULE.of(peer(5000 + identity)) == max(3, min(60, rule)) >= 3
