"""Who answered slowly of late, and how long a seed waits for others therefore."""

import pytest

from gossip.liveness import prober
from gossip.liveness.prober import FIRST, LAST, USUAL, probers
from gossip.settings import Settings
from tests.tools.fakes import peer

QUICK, USUALLY = 0.25, 2.0  # seconds


class Machine:
    """A clock, and addresses that answer when a test says so."""

    def __init__(self):
        self.now, self.limits, self._verdicts = 0.0, [], {}
        settings = Settings()
        self.probers = probers(self._probe, lambda: self.now, settings.probe_tries,
                               settings.probes_at_once, QUICK, None, settings.probe_limit)

    def _probe(self, address, verdict, limit=None):
        self.limits.append(limit)
        self._verdicts[address] = verdict

    def ask(self, address, lane):
        self.probers[lane].ask(address, lambda alive: None)

    def pass_by(self, address, seconds, alive):
        """The probe that is under way ends after so many seconds."""
        self.now += seconds
        self._verdicts.pop(address)(alive)


@pytest.mark.parametrize("slowest, lane, limits", [
    (1.5, FIRST, [QUICK, 6.0]), (1.5, LAST, [QUICK, 6.0]), (1.5, USUAL, [QUICK, None, None]),
    (2.5, FIRST, [QUICK, 8.0]), (0.4, FIRST, [QUICK, None, None]),
    (0.75, FIRST, [QUICK, 3.0, 3.0])])  # never less than two probes of two seconds
def test_where_one_was_slow_another_gets_longer_unless_it_was_reported(slowest, lane, limits):
    machine = Machine()
    machine.ask(peer(1), FIRST)
    machine.pass_by(peer(1), QUICK, False)
    machine.pass_by(peer(1), slowest, True)
    assert machine.limits == [QUICK, None]
    machine.limits.clear()
    machine.ask(peer(2), lane)
    for limit in limits:
        machine.pass_by(peer(2), limit or USUALLY, False)
    assert machine.limits == limits


def test_where_all_are_quick_who_is_silent_gets_two_probes():
    machine = Machine()
    for number in (1, 2):
        machine.ask(peer(number), FIRST)
    machine.pass_by(peer(1), 0.01, True)
    for limit in (QUICK, USUALLY, USUALLY):
        machine.pass_by(peer(2), limit, False)
    assert machine.limits == [QUICK, QUICK, None, None]


@pytest.mark.parametrize("seconds, limit", [(29.9, 6.0), (30.1, None)])  # since the second
def test_the_slowest_answer_counts_for_half_a_minute(seconds, limit):
    assert (prober.SLOWER, prober.SLOWEST, prober.SLOW_FOR) == (4, 8.0, 30.0)
    machine = Machine()
    for number, took in ((1, 0.4), (2, 1.5), (3, 0.1)):
        machine.ask(peer(number), FIRST)
        machine.pass_by(peer(number), QUICK, False)
        machine.pass_by(peer(number), took, True)
    machine.now += seconds - QUICK - 0.1 - QUICK  # the looks at the third and the fourth, too
    machine.ask(peer(4), FIRST)
    machine.pass_by(peer(4), QUICK, False)
    assert machine.limits[-1] == limit
