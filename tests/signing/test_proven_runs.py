"""What a seed remembers of the runs that have proved themselves."""

from gossip.addresses import address_of
from gossip.signing import vouching
from gossip.signing.vouching import Vouching
from tests.tools.fakes import peer


class Node:
    time = 0.0

    def now(self):
        return self.time


def test_the_last_eight_runs_of_an_address_are_kept():
    node = Node()
    runs = Vouching(node, None)
    for start in [*range(1, 12), 11, 5]:
        node.time += vouching.KEPT / 8
        runs.proved(peer(1), start)
    assert runs.starts(peer(1)) == list(range(4, 12))
    assert runs.run_of(peer(1)) == 5
    assert runs.starts(peer(2)) == [] and runs.run_of(peer(2)) is None


def test_an_address_that_changes_its_keys_fast_has_no_run_forgotten_of_which_peers_may_hear():
    """Or else a peer that asks later than others denies a run, and is blamed for what it lacks."""
    node = Node()
    runs = Vouching(node, None)
    for start in range(1, 20):
        runs.proved(peer(1), start)
    assert runs.starts(peer(1)) == list(range(1, 9)) and runs.run_of(peer(1)) is None
    node.time = vouching.KEPT
    runs.proved(peer(1), 20)
    assert runs.starts(peer(1)) == [*range(2, 9), 20] and runs.run_of(peer(1)) == 20


def test_a_probe_without_a_proof_leaves_what_was_proved_before():
    runs = Vouching(Node(), None)
    runs.proved(peer(1), 7)
    runs.proved(peer(1), None)
    assert runs.run_of(peer(1)) is None and runs.starts(peer(1)) == [7]


def test_of_too_many_runs_those_asked_about_least_recently_go(monkeypatch):
    monkeypatch.setattr(vouching, "RUNS_LIMIT", 4)
    runs = Vouching(Node(), None)
    for number in range(1, 5):
        runs.proved(peer(number), number)
    runs.starts(peer(1))
    runs.proved(peer(5), 5)
    runs.proved(peer(5), 6)
    assert [runs.starts(peer(number)) for number in range(1, 6)] == [[1], [], [], [4], [5, 6]]
    assert runs.run_of(peer(2)) is None


def test_of_too_many_runs_those_of_the_ip_with_most_addresses_go(monkeypatch):
    monkeypatch.setattr(vouching, "RUNS_LIMIT", 4)
    runs = Vouching(Node(), None)
    for number in (1, 2):
        runs.proved(address_of(f"10.0.0.{number}", 5000), number)
    for port in range(1, 9):
        runs.proved(address_of("10.0.0.9", port), port)
    assert [runs.starts(address_of(f"10.0.0.{number}", 5000)) for number in (1, 2)] == [[1], [2]]
    assert [runs.starts(address_of("10.0.0.9", port)) for port in (6, 7, 8)] == [[], [7], [8]]
