"""Networks that monitor and that nobody attacks, whatever befalls them: nobody is kicked. And one
with a peer that keeps silent about its neighbours: nobody keeps it."""

import os
import random
import signal

import pytest

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.lab.experiments.accidents import (
    Accident, Conditions, Role, Schedule, seed_addresses)
from gossip.lab.proof.malicious import SHUNNED
from gossip.overlay.neighbours import NEIGHBOUR
from gossip.settings import ON_COMMAND_LINE, Settings
from gossip.terminal.command_line import flags_of
from tests.tools.files import events, lines_of
from tests.tools.nets import neighbours
from tests.tools.ports import free_address
from tests.tools.programs import Program, write_config
from tests.tools.simulated import outcome_of
from tests.tools.waiting import wait_until
from tests.tools.watched import SENTENCES, Watched, check_once

PERIOD = 1.0


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


def break_links(peers, rng):
    """One in twenty of the links between these peers breaks, and one at least."""
    links = [link for peer in peers for link in peer.links()
             if link.role == NEIGHBOUR and peer.address < link.peer]
    for link in rng.sample(links, max(1, len(links) // 20)):
        link.close("broken by the test")


@pytest.mark.slow
def test_no_honest_peer_is_kicked_while_links_break_and_peers_stand_still_die_and_join(
        net, tmp_path):
    rng = random.Random(1)
    network = Watched(net, 3, period=PERIOD, gossip_interval=PERIOD / 2, liveness_interval=5.0)
    network.start(12)
    address, config = free_address(), write_config(tmp_path, net.seed_addresses)
    flags = ["--config", config, "--outputs", tmp_path, "--quiet", *flags_of("peer", Settings(
        **{name: getattr(net.settings, name) for name in ON_COMMAND_LINE}))]
    with Program("peer.py", address.port, *flags) as program:
        wait_until(lambda: any(address in neighbours(peer) for peer in network.honest))
        for period in range(26):
            break_links(network.honest, rng)
            if period == 6:
                os.kill(program.process.pid, signal.SIGSTOP)
            if period == 16:
                os.kill(program.process.pid, signal.SIGCONT)
            if period in (8, 12):
                net.kill([network.honest.pop(rng.randrange(len(network.honest)))])
            if period in (9, 13):
                network.start_peer()
            network.let_pass(1)
    assert network.sentences() == []
    assert not any(event.startswith(SENTENCES) for event in
                   lines_of(tmp_path / f"peer_{address.file_part}.txt"))
    judged = [event for seed in network.seeds for event in events(seed)
              if event.startswith("judged:")]
    assert len(judged) > 20 and any(address.listed in event for event in judged)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 12))
def test_no_honest_peer_is_kicked_in_virtual_time_whatever_befalls_it(number):
    outcome = outcome_of(restless(number))
    assert outcome.faults == [] and not outcome.tally.falsely
    assert outcome.tally.honest == 16
    written = b"".join(file.open("rb").read() for file in outcome.folder.glob("*.txt")).decode()
    assert written.count(":judged:") > 20
    assert not [line for line in written.splitlines() if line[27:].startswith(SENTENCES)]


def restless(number):
    """A schedule in which all that may befall honest peers happens at once."""
    rng = random.Random(number)
    seeds = seed_addresses(3)
    peers = [address_of("127.0.0.1", 5000 + one) for one in range(16)]
    rng.shuffle(peers)
    accidents = [Accident(0.0, "start", (seed,)) for seed in seeds]
    accidents += [Accident(rng.uniform(0.0, 3.0), "start", (peer,)) for peer in peers[:12]]
    accidents += [Accident(rng.uniform(8.0, 14.0), "start", (peer,)) for peer in peers[12:]]
    accidents += [Accident(rng.uniform(6.0, 12.0), "freeze", (peer,), 10.0) for peer in peers[:2]]
    accidents += [Accident(rng.uniform(8.0, 16.0), "kill", (peer,)) for peer in peers[2:5]]
    accidents.append(Accident(rng.uniform(6.0, 12.0), "kill", (rng.choice(seeds),), 6.0))
    conditions = Conditions(seeds=3, capacity=fixed(rng.choice([3, 6])), gossip_count=1_000_000,
                            gossip_interval=0.5, liveness_interval=5.0, sign=1, unrest=26.0,
                            malicious="none", churn=5)
    return Schedule(number, conditions,
                    tuple(sorted(accidents, key=lambda accident: accident.at)))


@pytest.mark.slow
def test_a_peer_that_reports_nothing_keeps_no_honest_neighbour(net):
    network = Watched(net, 3, capacity=fixed(7))
    network.start(6, [Role("mute", 0.3)])
    mute, = network.attackers
    wait_until(lambda: len(neighbours(mute)) >= 5, what="everybody to be its neighbour")
    network.let_pass(SHUNNED + 2)  # so many from when its links have stood for twice `settle`
    assert not any(mute.address in neighbours(peer) for peer in network.honest)
    assert network.sentences() == []
    for peer in network.honest:
        assert f"unconfirmed:{mute.address}" in events(peer)
