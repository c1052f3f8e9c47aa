"""What a seed remembers of the runs that have proved themselves."""

from gossip.signing import proven_runs
from gossip.signing.proven_runs import ProvenRuns
from tests.tools.fakes import peer


def test_the_last_eight_runs_of_an_address_are_kept():
    runs = ProvenRuns()
    for start in [*range(1, 12), 11, 5]:
        runs.probed(peer(1), start)
    assert runs.starts(peer(1)) == list(range(4, 12))
    assert runs.latest(peer(1)) == 5
    assert runs.starts(peer(2)) == [] and runs.latest(peer(2)) is None


def test_a_probe_without_a_proof_leaves_what_was_proved_before():
    runs = ProvenRuns()
    runs.probed(peer(1), 7)
    runs.probed(peer(1), None)
    assert runs.latest(peer(1)) is None and runs.starts(peer(1)) == [7]


def test_of_too_many_runs_those_asked_about_least_recently_go(monkeypatch):
    monkeypatch.setattr(proven_runs, "RUNS_LIMIT", 4)
    runs = ProvenRuns()
    for number in range(1, 5):
        runs.probed(peer(number), number)
    runs.starts(peer(1))
    runs.probed(peer(5), 5)
    runs.probed(peer(5), 6)
    assert [runs.starts(peer(number)) for number in range(1, 6)] == [[1], [], [], [4], [5, 6]]
    assert runs.latest(peer(2)) is None
