"""How a seed answers who asks about runs: one probe for all of them, and how many in a second."""

import types

import pytest

from gossip import wire
from gossip.signing import grammar
from gossip.signing import vouching
from gossip.signing.grammar import Signer
from gossip.signing.vouching import Vouching
from gossip.tools import Counters
from tests.tools.fakes import peer

ORIGIN = peer(10)
SIGNER = Signer(ORIGIN, bytes(32))


class Asker:
    """A link on which somebody asks, and what it was told."""

    def __init__(self):
        self.told = []
        self.ended = False

    def send(self, data):
        self.told.append(wire.parse(data[:-1]).starts)


class Seed:
    """A seed that probes when it is told to."""

    def __init__(self):
        self.address = peer(1)
        self.counters = Counters()
        self.time = 0.0
        self.probes = []  # (address, verdict, wanted)
        self.vouching = Vouching(self, lambda *asked, wanted: self.probes.append((*asked, wanted)))

    def now(self):
        return self.time

    def ask(self, address, start, asker=None):
        asker = asker or Asker()
        self.vouching.on_runs(asker, grammar.Runs(address, (start,)))
        return asker

    def find_out(self, proof=None):
        """The oldest probe is over."""
        address, verdict, _ = self.probes.pop(0)
        self.vouching.on_probed(types.SimpleNamespace(
            address=address, alive=True, proof=proof, reply=types.SimpleNamespace(line="text")))
        verdict(True)


@pytest.fixture
def seed():
    return Seed()


def proof():
    return wire.parse(SIGNER.proof("text")[:-1])


def test_all_who_ask_about_an_address_at_once_share_one_probe_and_all_hear_what_it_found(seed):
    askers = [seed.ask(ORIGIN, SIGNER.start) for _ in range(500)]
    other = seed.ask(peer(11), 5)
    assert len(seed.probes) == 2 and seed.counters == {}
    seed.find_out(proof())
    assert all(asker.told == [(SIGNER.start,)] for asker in askers) and other.told == []


def test_an_address_is_probed_a_few_times_a_second_for_who_asks_and_others_all_the_same(seed):
    """Else a stranger would use up the proofs that it makes."""
    for start in range(1, 11):
        seed.ask(ORIGIN, start)
        if seed.probes:
            seed.find_out()
    assert seed.counters == {"questions about runs without a probe": 7}
    seed.ask(peer(11), 5)
    assert len(seed.probes) == 1
    seed.time = 1.0
    seed.ask(ORIGIN, 1)
    assert len(seed.probes) == 2


def test_so_many_addresses_are_probed_in_a_second_and_so_many_questions_wait(monkeypatch):
    monkeypatch.setattr(vouching, "PROBES", 2)
    monkeypatch.setattr(vouching, "ASKERS_LIMIT", 2)
    seed = Seed()
    askers = [seed.ask(peer(number), 5) for number in (10, 11, 12, 10, 10)]
    assert [asker.told for asker in askers] == [[], [], [()], [], [()]]
    assert len(seed.probes) == 2


def test_questions_about_a_thousand_others_do_not_have_one_probed_more_often(seed):
    begun, probed = seed.time, 0
    while seed.time < begun + 1.0:
        for number in range(100, 1_200):
            seed.ask(peer(number), 5)
            seed.time += 0.00002
            while seed.probes:
                seed.find_out()
        for start in range(3):
            seed.time += 0.005
            seed.ask(ORIGIN, start)
            probed += len(seed.probes)
            while seed.probes:
                seed.find_out()
    assert 0 < probed <= 2 * vouching.PROBES_OF_ONE


def test_nobody_is_probed_for_askers_that_have_gone(seed):
    askers = [seed.ask(ORIGIN, 5) for _ in range(2)]
    wanted = seed.probes[0][2]
    askers[0].ended = True
    assert wanted()
    askers[1].ended = True
    assert not wanted()
