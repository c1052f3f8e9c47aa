"""Peers that attack all the time: what an honest neighbour gets from each kind, and what it says of
its neighbours."""

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.lab.experiments.accidents import ATTACKS, Conditions, Role, seed_addresses
from gossip.lab.experiments.attackers import AHEAD, misbehaving
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.monitoring.grammar import Entry
from gossip.settings import Filter
from gossip.signing import grammar
from peer import Peer
from seed import Seed

SEEDS = seed_addresses(1)
SPEAKER, ATTACKER, LISTENER = [address_of("127.0.0.1", 5000 + number) for number in range(3)]
WORDS = ("virus", "click")
SAID = 100  # messages of the speaker


class Listening(Peer):
    """An honest peer that remembers what its neighbours have sent, and when."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heard = []  # (second, neighbour, line)

    def lines(self, link, lines):
        self.heard += [(self.now(), link.peer, line) for line in lines]
        super().lines(link, lines)


def played(kind, share=0.3, accomplices=(), monitor=True):
    """Three peers that are linked to one another; the first says a message every 0.1 s, the second
    attacks, the third listens."""
    conditions = Conditions(seeds=1, sign=1)
    settings = conditions.settings()._replace(
        monitor=monitor, report_interval=1.0, filter=Filter("", WORDS), corrupt_limit=1_000)
    hostile = {}
    if kind:
        hostile[ATTACKER] = misbehaving(Peer, Role(kind, share, accomplices))
    net = VirtualNetwork(7, {"seed": Seed, "peer": Listening}, SEEDS, settings,
                         conditions.cables(), hostile=hostile)
    net.written = []  # (who, event)
    net.hear = lambda address, event: net.written.append((address, event))
    for address in (*SEEDS, SPEAKER, ATTACKER, LISTENER):
        net.start(address)
    for number in range(SAID):
        net.time.at(20.0 + number / 10, net.say, SPEAKER, [f"text {number}"])
    net.time.run(25.0)
    net.say(ATTACKER, ["its own"])
    net.time.run(22.0 + SAID / 10)
    return net


def copies(net):
    """(second, number, line) of every line in the speaker's name that the listener got from the
    attacker, and the true lines."""
    true = {wire.gossip_key(event[10:].encode())[1]: event[10:].encode()
            for who, event in net.written if who == SPEAKER and event.startswith("generated:")}
    heard = [(at, wire.gossip_key(line)[1], line) for at, who, line in net.nodes[LISTENER].heard
             if who == ATTACKER and line.startswith(b"gmessage:")
             and wire.gossip_key(line)[0].startswith(str(SPEAKER).encode())]
    return heard, true


def counted(net):
    """(true copies, others) among those."""
    heard, true = copies(net)
    right = sum(true.get(number) == line for _, number, line in heard)
    return right, len(heard) - right


@pytest.mark.parametrize("kind, right, wrong", [
    ("", (95, 100), (0, 0)), ("drop", (0, 0), (0, 0)), ("mute", (0, 0), (0, 0)),
    ("drophalf", (35, 65), (0, 0)), ("tamper", (55, 85), (15, 45)), ("forge", (95, 100), (15, 45)),
    ("forbidden", (95, 100), (0, 0)), ("falsedead", (95, 100), (0, 0)),
    ("slander", (95, 100), (0, 0)), ("collude", (55, 85), (15, 45)), ("onoff", (70, 95), (5, 30))])
def test_what_a_neighbour_gets_from_an_attacker(kind, right, wrong):
    net = played(kind)
    found = counted(net)
    assert right[0] <= found[0] <= right[1] and wrong[0] <= found[1] <= wrong[1], found
    assert any(event.endswith(":its own") for who, event in net.written
               if who == LISTENER and event.startswith("received:"))


def test_the_share_is_that_of_the_messages():
    assert counted(played("tamper", 1.0))[0] == 0
    assert counted(played("tamper", 0.05))[1] < 15


def test_one_that_tampers_in_two_of_four_periods_is_honest_in_between():
    heard, true = copies(played("onoff", 1.0))
    wrong = {int(at) % 4 for at, number, line in heard if true[number] != line}
    right = {int(at) % 4 for at, number, line in heard if true[number] == line}
    assert wrong == {0, 3} and right == {1, 2}


def test_what_is_forged_is_signed_and_ahead_of_its_run():
    net = played("forge")
    forged = [line for _, who, line in net.nodes[LISTENER].heard
              if who == ATTACKER and b":never said" in line]
    assert forged and all(wire.gossip_key(line)[1] > AHEAD for line in forged)
    signed = [grammar.parse_signed(line) for _, who, line in net.nodes[LISTENER].heard
              if who == ATTACKER and line.startswith(b"signed:")]
    assert {wire.gossip_key(line)[1] for line in forged} <= {one.first for one in signed}


def test_one_that_says_forbidden_words_says_them_in_its_own_name():
    net = played("forbidden")
    said = [line for _, who, line in net.nodes[LISTENER].heard if who == ATTACKER
            and line.startswith(b"gmessage:") and f":{ATTACKER}:".encode() in line]
    assert sum(any(word.encode() in line for word in WORDS) for line in said) >= 15
    assert not any(word in event for word in WORDS for who, event in net.written
                   if who == LISTENER and event.startswith("received:"))


@pytest.mark.parametrize("accomplices, victim", [
    ((), SPEAKER), ((SPEAKER,), LISTENER), ((SPEAKER, LISTENER), None)])
def test_one_that_signs_two_texts_tells_no_accomplice_the_other(accomplices, victim):
    net = played("twotexts", accomplices=accomplices)
    told = {node for node in (SPEAKER, LISTENER) for _, who, line in net.nodes[node].heard
            if who == ATTACKER and line.endswith(b":its own or not")}
    assert told == ({victim} if victim else set())


def test_one_that_reports_the_living_dead_is_disbelieved_after_three_reports():
    net = played("falsedead")
    rejected = [event for who, event in net.written if who == SEEDS[0]
                and event.startswith("rejected:") and event.endswith(":it answers")]
    assert len(rejected) == 3
    assert [event for who, event in net.written if who == SEEDS[0]
            and event.startswith("disbelieved:")] == [f"disbelieved:{ATTACKER}"]
    assert {address for address in (SPEAKER, LISTENER)
            if any(f"Dead Node:{address}:" in event for event in rejected)} == {SPEAKER, LISTENER}


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attacker_says_in_its_file_what_it_is(kind):
    written = [event for who, event in played(kind, 0.25, monitor=True).written if who == ATTACKER]
    assert written[0].startswith("started:") and f"misbehaving:{kind}:0.25" in written[:3]


ENTRY = Entry(SPEAKER, 10, 4, 3, 2, 1)
KIN = ENTRY._replace(peer=LISTENER)


@pytest.mark.parametrize("kind, about_speaker, about_kin", [
    ("tamper", ENTRY, KIN), ("forge", ENTRY, KIN),
    ("drop", ENTRY._replace(first=10), KIN._replace(first=10)),
    ("drophalf", ENTRY._replace(first=10), KIN._replace(first=10)),
    ("slander", ENTRY._replace(corrupt=10), KIN),
    ("collude", ENTRY._replace(corrupt=10), KIN._replace(missing=0, corrupt=0, forbidden=0))])
def test_what_an_attacker_reports_of_its_neighbours(kind, about_speaker, about_kin):
    attack = played(kind, accomplices=(LISTENER,)).nodes[ATTACKER]
    attack.report_honestly = lambda: [ENTRY, KIN]
    assert attack.entries() == [about_speaker, about_kin]
    assert attack.reporting.entries == attack.entries


def test_one_that_is_mute_names_nobody_and_its_counts_begin_anew():
    attack, asked = played("mute").nodes[ATTACKER], []
    attack.report_honestly = lambda: asked.append(1) or [ENTRY]
    assert attack.entries() == [] and asked
