"""Attackers with raw sockets that try to have honest peers punished by the seeds of a network."""

import pytest

from gossip.capacity import fixed
from tests.tools.files import count, events, wait_event
from tests.tools.monitoring_seeds import FakeSeed, agree, subject
from tests.tools.nets import neighbours
from tests.tools.waiting import wait_until
from tests.tools.watched import Liar, Watched, all_linked, calumny, check_once


PORTS = 12


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


class Feigning(Liar):
    """Answers seeds, and plays dead to peers from some moment on."""

    victims = frozenset()  # their addresses, from then on

    def reply(self, line):
        asker = line.split(":", 2)[-1]
        return "" if asker in self.victims else super().reply(line)


def test_six_ports_that_answer_seeds_alone_have_nobody_kicked(net):
    """Each honest peer reports six living peers dead. Seeds look at no more of its reports."""
    network = Watched(net, 2, period=1.0, capacity=fixed(14))
    network.start(4)
    liars = [Feigning(net) for _ in range(6)]
    for liar in liars:
        for seed in network.seeds:
            liar.register(seed)
        for peer in network.honest:
            net.neighbour(peer, liar)
    for liar in liars:
        liar.victims = frozenset(str(peer.address) for peer in network.honest)
    for peer in network.honest:
        for liar in liars:
            wait_event(peer, f"dead:{liar.address}")
        for seed in network.seeds:
            wait_event(seed, f"disbelieved:{peer.address}")
    network.let_pass(6)  # as long as it may take until verdicts follow
    assert network.sentences() == []
    honest = {peer.address for peer in network.honest}
    assert all(neighbours(peer) >= honest - {peer.address} for peer in network.honest)
    for seed in network.seeds:
        assert all(count(seed, f"disbelieved:{address}") == 1 for address in honest)
        wait_until(lambda: set(seed.registry.addresses()) >= honest)


class Pretender(FakeSeed):
    """Whoever listens on the port of a seed that is down."""

    def hello(self, seed):
        """The nonce that a living seed has said to it last."""
        start = f"seed:{seed.address}:"
        wait_until(lambda: any(line.startswith(start) for line in self.hellos))
        return [line for line in self.hellos if line.startswith(start)][-1].rpartition(":")[2]


@pytest.fixture
def without_a_seed(net):
    """A network of which one seed is down, and who listens on its port."""
    network = all_linked(net, 2, 4, absent=1, ban=4.0)
    pretender = Pretender(net.seed_addresses[-1])
    net.ends.append(pretender)
    return network, pretender


def test_nobody_is_a_living_seed_by_the_nonce_that_it_said_to_another(net, without_a_seed):
    network, pretender = without_a_seed
    one, other = network.seeds
    for _ in range(3):
        nonce = pretender.hello(one)
        for to in (other.address, pretender.address):
            end = net.dial(other)
            end.say(f"seed:{one.address}:to {to}:{nonce}")
            assert end.hear() is None
        pretender.hellos.clear()  # it says another on its next link
    network.let_pass(2)
    assert network.sentences() == [] and agree(network.seeds)


def test_a_ban_lasts_no_longer_than_the_setting_whoever_says_so(net, without_a_seed):
    """Whoever has the port of a seed that is down is that seed, for those who know no better."""
    network, pretender = without_a_seed
    seed, victim = network.seeds[0], network.honest[0]
    nonce = "0123456789abcdef" * 2
    pretender.said.append(nonce)
    end = net.dial(seed)
    end.say(f"seed:{pretender.address}:to {seed.address}:{nonce}")
    assert end.hear() == f"seed checked:{nonce}"
    end.say(f"kick:{victim.address}:0.900:600000.000")
    wait_event(victim, f"kicked:{seed.address}")
    ban = seed.deciding._bans.get(victim.address)
    assert ban.until <= seed.now() + 4.0
    wait_until(lambda: victim.address in seed.registry.addresses()
               and all(victim.address in neighbours(peer) for peer in network.honest[1:]))


def test_rows_about_neighbours_that_do_not_exist_are_not_kept(net):
    """Many registered ports report as many made-up neighbours as they may, and honest ones, too."""
    network = all_linked(net, 3, 4)
    honest = [peer.address for peer in network.honest]
    liars = [Liar(net) for _ in range(PORTS)]
    ends = [liar.register(network.seeds[number % 3]) for number, liar in enumerate(liars)]
    for period in range(1, 9):
        for number, (liar, end) in enumerate(zip(liars, ends)):
            made_up = [subject((number * 100 + period * 7 + one) % 5_000) for one in range(64)]
            end.say(liar.report(period, calumny([*honest, *made_up])))
        network.let_pass(1)
    existing = {*honest, *(liar.address for liar in liars)}
    for seed in network.seeds:
        rows = [row for table in seed.keeping._all_tables() for row in table.all()]
        assert rows and all(row.entry.peer in existing for row in rows)
        assert seed.counters["entries about unknown peers"] >= 64
        assert set(seed.keeping.judged_here(seed.now())) <= existing
    for _ in range(20):  # a slow machine's seeds judge later
        network.let_pass(1)
        if named(honest, "judged:", network.seeds) == {*honest}:
            break
    else:
        pytest.fail("not all honest peers are judged by what exists")
    assert network.fates(*(liar.address for liar in liars)) == []


def named(peers, kind, seeds):
    """Which of these peers are named in events of a kind in the seeds' files."""
    told = [event for seed in seeds for event in events(seed) if event.startswith(kind)]
    return {peer for peer in peers if any(peer.listed in event for event in told)}
