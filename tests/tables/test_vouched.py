"""What a seed remembers of the runs that its probes have verified."""

from grapevine.signing import vouched
from grapevine.signing.grammar import STARTS_LIMIT
from grapevine.signing.vouched import VouchedRuns
from tests.tables.samples import A, B, peer


def test_the_first_and_the_last_runs_of_an_address_are_kept_the_latest_last():
    runs = VouchedRuns()
    assert runs.starts(A) == [] and runs.latest(A) is None
    for start in range(1, 41):
        runs.proved(A, start)
    assert runs.starts(A) == [*range(1, 17), *range(25, 41)] and runs.latest(A) == 40
    runs.proved(A, 30)
    assert runs.starts(A)[-3:] == [39, 40, 30] and runs.latest(A) == 30
    assert len(runs.starts(A)) == STARTS_LIMIT and runs.starts(B) == []


def test_a_probe_without_a_proof_leaves_what_was_proved_before():
    runs = VouchedRuns()
    for start in (7, 8, None):
        runs.proved(A, start)
    assert runs.latest(A) is None and runs.starts(A) == [7, 8]
    runs.proved(A, 7)
    assert runs.latest(A) == 7 and runs.starts(A) == [8, 7]


def test_of_too_many_addresses_the_ip_with_most_loses_the_one_proved_longest_ago(monkeypatch):
    monkeypatch.setattr(vouched, "ADDRESSES_LIMIT", 5)
    few, many = [A, peer(5000, "10.0.0.2")], [peer(port, "10.0.0.9") for port in range(1, 9)]
    runs = VouchedRuns()
    for address in [*few, *many[:3], many[0], many[3]]:
        runs.proved(address, 1)
    assert [runs.latest(address) for address in many[:4]] == [1, None, 1, 1]
    for address in many:
        runs.proved(address, 2)
    assert [runs.starts(address) for address in many] == [[]] * 5 + [[2]] * 3
    assert [runs.starts(address) for address in few] == [[1]] * 2


def test_an_ipv6_network_counts_as_one_ip(monkeypatch):
    monkeypatch.setattr(vouched, "ADDRESSES_LIMIT", 5)
    few = [A, peer(5000, "2001:db8:1::1")]
    many = [peer(5000, f"2001:db8:2::{host}") for host in range(1, 9)]
    runs = VouchedRuns()
    for address in few + many:
        runs.proved(address, 1)
    assert [runs.starts(address) for address in few] == [[1]] * 2
    assert [runs.starts(address) for address in many] == [[]] * 5 + [[1]] * 3
