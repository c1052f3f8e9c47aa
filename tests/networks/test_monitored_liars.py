"""Liars with raw sockets in a network that monitors: nothing happens to anyone but the liar.

Honest peers gossip meanwhile. The liars are registered peers with a key of their own, neighbours,
strangers, and who says that it is a seed.
"""

import contextlib
import itertools

import pytest

from gossip.monitoring.other_seeds import ASKED, CHECKS_AT_ONCE
from tests.tools.files import count, events, wait_event
from tests.tools.monitoring_seeds import FakeSeed, agree, rows_at, subject
from tests.tools.nets import neighbours
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until
from tests.tools.watched import Liar, all_linked, calumny, check_once

NONCE = "0123456789abcdef" * 2
CREDIT = 2  # reports that count although they come before their time


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


@pytest.fixture
def network(net):
    return all_linked(net, 3, 5)


def everybody(network):
    """68 addresses: the honest, and such as nobody has."""
    honest = [peer.address for peer in network.honest]
    return honest + [subject(number) for number in range(68 - len(honest))]


def flood(liar, seed, entries, reports, first):
    """Register, and send so many reports of 68 entries at once, of the PERIODs from `first` on."""
    end = liar.register(seed)
    with contextlib.suppress(OSError):  # it is cut off while it speaks
        for period in range(first, first + reports, 50):
            end.say(*(liar.report(period + one, entries) for one in range(50)))
    assert end.hear_end()


@pytest.mark.slow
@pytest.mark.parametrize("linked", [False, True], ids=["a stranger", "a neighbour"])
def test_of_ten_thousand_reports_one_counts_in_a_period_and_they_end_their_connection(
        network, linked):
    seed = network.seeds[0]
    liar = Liar(network.net, linked)
    honest = {peer.address for peer in network.honest}
    entries = calumny(everybody(network))
    end = liar.register(seed)
    if linked:
        wait_until(lambda: liar.neighbour is not None)
    began = network.periods()
    for period in range(1, 8):  # what counts is said once a period, then seven times too much
        end.say(liar.report(period, entries))
        network.let_pass(1)
    for number in range(1, 8):
        flood(liar, seed, entries, 10_000 // 7, number * 10_000)
        network.let_pass(1)
    passed = network.periods() - began
    assert 7 <= count(seed, f"report:{liar.address}:") <= passed / 0.9 + CREDIT + 1
    assert count(seed, f"refused:{liar.address}:too many reports that do not count") >= 6
    assert network.fates(liar.address) == []
    assert all(neighbours(peer) >= honest - {peer.address} for peer in network.honest)


@pytest.mark.parametrize("wrong", [
    "69 entries", "MISSING above EXPECTED", "FIRST above EXPECTED", "itself", "one twice",
    "PERIOD 0", "a count that is no number"])
def test_a_report_that_cannot_be_true_ends_the_connection_of_a_registered_peer(network, wrong):
    liar, seed = Liar(network.net), network.seeds[0]
    honest = [peer.address for peer in network.honest]
    report = {
        "69 entries": liar.report(1, calumny([*everybody(network), subject(300)])),
        "MISSING above EXPECTED": liar.report(1, calumny(honest, "10,11,0,0,0")),
        "FIRST above EXPECTED": liar.report(1, calumny(honest, "10,0,11,0,0")),
        "itself": liar.report(1, calumny([*honest, liar.address])),
        "one twice": liar.report(1, calumny([*honest, honest[0]])),
        "PERIOD 0": liar.report(0, calumny(honest)),
        "a count that is no number": liar.report(1, calumny(honest, "10,0,0,x,0"))}[wrong]
    end = liar.register(seed)
    end.say(report)
    assert end.hear_end()
    assert count(seed, f"report:{liar.address}:") == 0
    assert not any(seed.keeping.rows_of(liar.address) for seed in network.seeds)
    network.let_pass(2)
    assert network.fates(liar.address) == []


def said_by_seeds(network, author):
    """What seeds say to one another, made to harm."""
    victim = network.honest[0].address
    rows = f"about:{network.honest[1].address}:7:1:{calumny([victim])}"
    return [f"rows:0.000:{rows}", f"part:0.000:{rows}", "load:0:", f"kick:{victim}:0.900:600.000",
            f"verdicts:0:{victim.listed}=0.900|{victim.listed}|",
            f"tree:1000:{author.address}:{author.address.listed}={0:024x}"]


def connections(network, liar):
    """How those connect to a seed who are none: a stranger, a registered peer, and one that says
    that it is another seed."""
    name = network.seeds[1].address
    return [network.net.dial, liar.register,
            lambda seed: introduced(network.net.dial(seed), name, seed)]


def introduced(end, name, seed):
    end.say(f"seed:{name}:to {seed.address}:{NONCE}")
    return end


def test_what_seeds_say_is_taken_from_seeds_alone(network):
    seed, author, liar = *network.seeds[:2], Liar(network.net)
    for connect in connections(network, liar):
        for line in said_by_seeds(network, author):
            end = connect(seed)
            with contextlib.suppress(OSError):
                end.say(line)
            assert end.hear_end()
    network.let_pass(6)  # as long as it may take until what was said has an effect
    assert network.fates(liar.address) == []
    assert agree(network.seeds) and seed.keeping.tree.version < 1000
    for seed in network.seeds:
        assert not any(row.start == 7 for row in rows_at(seed))


@pytest.mark.slow
def test_a_flood_of_those_who_say_that_they_are_a_seed_stops_nobody(network):
    seed, name = network.seeds[0], network.seeds[1].address
    began, most = network.periods(), 0
    for _ in range(20):
        ends = [introduced(network.net.dial(seed), name, seed) for _ in range(50)]
        most = max(most, sum(link.role == ASKED for link in seed.links()))
        for end in ends:
            assert end.hear_end()
    assert 0 < most <= CHECKS_AT_ONCE
    network.let_pass(4)
    assert agree(network.seeds) and network.fates() == []
    wait_until(lambda: all(any(str(peer.address) in event and event.startswith("report:")
                               and int(event.split(":")[3]) > began + 3
                               for seed in network.seeds for event in events(seed))
                           for peer in network.honest), what="reports of everybody")


def to_a_peer(network):
    """What only a seed may say to a peer, about a neighbour and about the peer itself."""
    peer, victim = network.honest[0], network.honest[1].address
    return [f"{kick}:0.900{seconds}" for kick in (f"kick:{victim}", f"kick:{peer.address}")
            for seconds in ("", ":600.000")] + [f"unconfirmed:{victim}",
                                                f"unconfirmed:{peer.address}"]


def test_a_kick_from_a_peer_ends_its_own_connection_and_changes_nothing(network):
    peer = network.honest[0]
    before = neighbours(peer)
    for line in to_a_peer(network):
        liar = network.net.fake()
        for end in (network.net.dial(peer), network.net.neighbour(peer, liar)):
            end.say(line)
            assert end.hear_end()
        wait_event(peer, f"disconnected:{liar.address}:'{line.partition(':')[0]}' is not expected")
    ends = [event for event in network.fates() if "is not expected from one who is" not in event]
    assert ends == [] and neighbours(peer) >= before
    assert not any(count(peer, start) for start in ("kicked:", "unconfirmed:"))


class KickingSeed(FakeSeed):
    """Registers nobody, and tells who registers that others are malicious."""

    def __init__(self, address, lines):
        self._lines = itertools.cycle(lines)
        self.told = set()
        super().__init__(address)

    def reply(self, line):
        if not line.startswith("register:"):
            return super().reply(line)
        said = next(self._lines)
        self.told.add(said)
        return f"{said}\n"


def test_a_kick_from_a_seed_that_does_not_list_the_peer_ends_that_connection_alone(net):
    network = all_linked(net, 1, 5)
    liar = free_address()
    net.seed_addresses = [network.seeds[0].address, liar]  # both are needed for a majority
    address = free_address()
    lines = [line.replace(str(network.honest[0].address), str(address))
             for line in to_a_peer(network)]
    seed = KickingSeed(liar, lines)
    net.ends.append(seed)
    peer = network.start_peer(address, retry_last=0.5)
    others = {other.address for other in network.honest if other is not peer}
    wait_until(lambda: neighbours(peer) >= others)
    wait_until(lambda: seed.told == set(lines))
    assert neighbours(peer) >= others
    assert not any(count(peer, start) for start in ("kicked:", "unconfirmed:", "disconnected:"))
    assert count(peer, f"refused:{liar}:only a seed that lists this peer may say that")
