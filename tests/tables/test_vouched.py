"""What a seed remembers of the runs that its probes have verified."""

import pytest

from grapevine.signing import vouched
from grapevine.signing.grammar import STARTS_LIMIT
from grapevine.signing.vouched import VouchedRuns, lasting
from tests.tables.samples import A, peer


def test_beyond_the_first_runs_a_new_one_that_comes_too_soon_proves_nothing():
    """Or who has a run named could have it forgotten at once, and who judges by it would blame all
    that hear of it later."""
    runs = VouchedRuns(pause=5.0)
    for start in range(1, 18):
        runs.proved(A, start, 0.0)
    assert runs.starts(A) == [*range(1, 17)] and runs.latest(A) is None
    runs.proved(A, 16, 1.0)
    assert runs.latest(A) == 16
    runs.proved(A, 17, 5.0)
    assert runs.latest(A) == 17 and lasting(runs.starts(A)) == {*range(1, 18)}
    at = 5.0
    while 17 in runs.starts(A):
        at += 0.5
        runs.proved(A, int(100 * at), at)
        assert len(runs.starts(A)) <= STARTS_LIMIT
    assert at == 5.0 + 16 * 5.0 and lasting(runs.starts(A)) == {*range(1, 17), int(100 * at)}


def test_a_probe_without_a_proof_leaves_what_was_proved_before():
    runs = VouchedRuns(pause=5.0)
    assert runs.latest(A) is None and runs.starts(A) == []
    for start in (7, 8, None):
        runs.proved(A, start, 0.0)
    assert runs.latest(A) is None and runs.starts(A) == [7, 8]
    runs.proved(A, 7, 0.0)
    assert runs.latest(A) == 7 and runs.starts(A) == [7, 8]


@pytest.mark.parametrize("other, crowd", [
    ("10.0.0.2", ["10.0.0.9"] * 8),
    ("2001:db8:1::1", [f"2001:db8:2::{host}" for host in range(1, 9)])],
    ids=["an IP", "an IPv6 network counts as one IP"])
def test_of_too_many_addresses_the_ip_with_most_loses_the_one_proved_longest_ago(
        other, crowd, monkeypatch):
    monkeypatch.setattr(vouched, "ADDRESSES_LIMIT", 5)
    few, many = [A, peer(5000, other)], [peer(port, ip) for port, ip in enumerate(crowd, 1)]
    runs = VouchedRuns(pause=5.0)
    for address in [*few, *many[:3], many[0], many[3]]:
        runs.proved(address, 1, 0.0)
    assert [runs.latest(address) for address in many[:4]] == [1, None, 1, 1]
    for address in many:
        runs.proved(address, 2, 0.0)
    assert [runs.starts(address) for address in many] == [[]] * 5 + [[2]] * 3
    assert [runs.starts(address) for address in few] == [[1]] * 2
