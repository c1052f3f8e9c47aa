"""The prober: who is probed before whom, when not all can be probed at once."""

from gossip.liveness import prober
from gossip.liveness.prober import FIRST, LAST, Prober
from tests.tools.fakes import peer


class Probes:
    """Probes that end when a test says so, one at a time."""

    def __init__(self):
        self.begun = []  # addresses, in order
        self._verdict = None

    def __call__(self, address, verdict):
        self.begun.append(address)
        self._verdict = verdict

    def end(self, alive=True):
        self._verdict(alive)


def asked(verdicts, address):
    return lambda alive: verdicts.append((address, alive))


def test_whoever_waits_in_one_lane_goes_before_everybody_in_the_next():
    probes, verdicts = Probes(), []
    one_at_a_time = Prober(probes, 1, 1)
    for port, lane in ((1, LAST), (2, LAST), (3, prober.USUAL), (4, FIRST), (5, LAST), (6, FIRST)):
        one_at_a_time.ask(peer(port), asked(verdicts, port), lane=lane)
    for _ in range(6):
        probes.end()
    assert probes.begun == [peer(port) for port in (1, 4, 6, 3, 2, 5)]
    assert verdicts == [(port, True) for port in (1, 4, 6, 3, 2, 5)]


def test_one_that_is_asked_about_again_moves_to_the_earlier_lane_and_is_probed_once():
    probes, verdicts = Probes(), []
    one_at_a_time = Prober(probes, 1, 1)
    for port, lane in ((1, LAST), (2, LAST), (3, LAST), (3, FIRST), (3, LAST), (1, FIRST)):
        one_at_a_time.ask(peer(port), asked(verdicts, port), lane=lane)
    for _ in range(3):
        probes.end(False)
    assert probes.begun == [peer(port) for port in (1, 3, 2)]
    assert verdicts == [(port, False) for port in (1, 1, 3, 3, 3, 2)]


def test_the_last_lane_leaves_room_for_the_others(monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 3)
    monkeypatch.setattr(prober, "LAST_LIMIT", 2)
    probes, verdicts = Probes(), []
    one_at_a_time = Prober(probes, 1, 1)
    for port, lane in ((1, LAST), (2, LAST), (3, LAST), (4, FIRST), (5, FIRST), (6, LAST)):
        one_at_a_time.ask(peer(port), asked(verdicts, port), lane=lane)
    assert verdicts == [(3, None), (5, None), (6, None)]
    probes.end()
    assert probes.begun == [peer(1), peer(4)]
