"""Progress: how often the runner looks at the files of its network."""

import types

import pytest

from gossip.lab.experiments import following
from gossip.lab.experiments.following import Progress, implied_by_malicious, until_next_look
from gossip.lab.experiments.steps import Steps
from gossip.lab.proof.runs import PeerRun
from gossip.settings import Settings


@pytest.mark.parametrize("took, pause", [(0.0, 0.25), (0.06, 0.25), (0.1, 0.4), (0.3, 1.2),
                                         (0.5, 2.0), (30.0, 2.0)])
def test_a_look_that_takes_long_is_followed_by_a_long_pause(took, pause):
    assert until_next_look(took) == pytest.approx(pause)


@pytest.mark.parametrize("peers, cores, period", [
    (5, 2, 1.0), (20, 2, 1.0), (40, 2, 2.0), (40, 1, 4.0), (40, 4, 1.0), (80, 64, 2.0)])
def test_periods_are_longer_where_many_peers_share_a_core(peers, cores, period):
    implied = implied_by_malicious(peers, cores, Settings().report_interval)
    assert implied["report_interval"] == period and implied["gossip_interval"] == 2 * period
    assert implied_by_malicious(peers, cores, 0.5)["gossip_interval"] == 1.0


QUIET = types.SimpleNamespace(plain=False, quiet=True)  # what the command line says


class Clock:
    """The seconds that looks and pauses take, and the pauses."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class SlowRecords:
    """Files of which each look takes longer."""

    peers, seeds = [], []

    def __init__(self, clock):
        self._clock = clock
        self._looks = 0

    def refresh(self):
        self._clock.now += 0.1 * self._looks
        self._looks += 1


class Network:
    peers = []

    def newly_ended(self):
        return []

    def dead_peers(self):
        return set()


def test_the_runner_looks_less_often_while_looks_take_long(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(following, "time", clock)
    follows = Progress(SlowRecords(clock), Network(), Settings(), clock, Steps(QUIET))
    assert not follows.settle(lambda: False, 10.0)
    assert clock.pauses == pytest.approx([0.25, 0.4, 0.8, 1.2, 1.6, 2.0, 2.0])


def test_a_guest_that_has_left_is_not_waited_for():
    peers = [PeerRun(f"127.0.0.1:{port}", 0.0) for port in (5000, 5001, 5002)]
    peers[1].take(1.0, "stopped", "quit")
    peers[2].take(1.0, "kicked", "127.0.0.1:8000:0.900")
    records = types.SimpleNamespace(peers=peers)
    follows = Progress(records, Network(), Settings(), Clock(), Steps(QUIET))
    assert follows.living() == [peers[0], peers[2]]
