"""What signed gossip costs the neighbour that sends it, and how many signatures it may bring."""

import pytest

from gossip.signing.signed_spreading import CHECKS, CHECKS_AT_ONCE, SIGNED_COST, SignedAllowance
from gossip.spread.origin import REST_LIMIT
from tests.spread.test_allowance import line
from tests.tools.fakes import peer


def test_signed_lines_cost_more():
    signed = [b"signed:127.0.0.1:1:7:1:x", b"signed:127.0.0.1:12:7:1:x", line(peer(1))]
    assert SignedAllowance(100, 100).cost(peer(1), [], signed, []) == (SIGNED_COST, 0)


def test_long_signed_lines_that_are_sent_on_again_with_every_line_cost_by_their_bytes():
    run = f"{peer(1)}:7"
    line = f"gmessage:1.000000:{run}:1:x".encode()
    cover = f"signed:{run}:1:".encode() + b"x" * 11_000
    both = len(line) + len(cover)
    assert SignedAllowance(100, 100).cost(peer(1), [line], [], [cover]) == (1, both)
    assert SignedAllowance(100, 100).cost(peer(1), [line] * 3, [], [cover] * 3) == (
        3, both + 2 * len(line))
    assert SignedAllowance(100, 100).cost(peer(2), [line], [], [cover]) is None


def test_checks_beyond_so_many_make_a_link_rest_and_those_given_back_do_not():
    allowance = SignedAllowance(0, 0)
    one, other = peer(1), peer(2)
    assert allowance.check(one, {one: CHECKS_AT_ONCE}, 0.0) == 0
    assert allowance.check(one, {one: CHECKS // 2}, 0.0) == pytest.approx(0.5)
    assert allowance.check(other, {other: 1, one: -CHECKS}, 0.0) == 0
    assert allowance.check(one, {one: CHECKS // 2}, 0.0) == 0
    assert allowance.check(one, {one: 10 * CHECKS}, 0.0) == REST_LIMIT
    assert allowance.check(one, {}, 100.0) == 0
