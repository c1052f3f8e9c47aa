"""How a peer asks seeds about runs: which connections, which questions, and what follows."""

import types

import pytest

from gossip import wire
from gossip.addresses import Name
from gossip.liveness.prober import USUAL, probers
from gossip.node.part import Part
from gossip.node.whereabouts import Whereabouts
from gossip.signing import grammar
from gossip.signing.confirming import ASKED, Confirming
from gossip.signing.known_runs import run_of
from gossip.signing.grammar import Signer
from gossip.tools import Counters
from tests.tools.fakes import peer

SEEDS = [peer(1), peer(2), peer(3)]
OWN, ORIGIN, OTHER, NEIGHBOUR = peer(4), peer(10), peer(11), peer(20)
KEYS = [(ORIGIN, start) for start in range(1, 601)]


class Link:
    """A connection to a seed, or to a neighbour, on which lines only pile up."""

    def __init__(self, address):
        self.peer = self.target = address
        self.role = ASKED
        self.sent = b""
        self.reason = None

    def send(self, data):
        self.sent += data

    def close(self, reason):
        self.reason = reason


class Node(Part):
    """A node that dials when it is told to, and remembers what it was told."""

    def __init__(self, seeds=SEEDS):
        self.address = OWN
        self.counters = Counters()
        self.whereabouts = Whereabouts(seeds, OWN, lambda *events: None)
        self.links, self.probes, self.written, self.runs_settled = [], [], [], []
        self.output = types.SimpleNamespace(write=self.written.append)
        self.parts = [self]
        self.confirming = Confirming(
            self, seeds, Signer(OWN, bytes(32)),
            probers(lambda address, verdict, limit: self.probes.append((address, verdict)),
                    lambda: 0.0, 1, 4)[USUAL].ask)

    def on_settled(self, run, genuine):
        assert genuine is self.confirming.is_known(run)
        self.runs_settled.append(run)

    def now(self):
        return 0.0

    def new_link(self, role, address):
        return Link(address)

    def dial(self, link):
        self.links.append(link)

    def meet(self, keys, neighbour=NEIGHBOUR):
        return [self.confirming.meet(run_of(key), Link(neighbour)) for key in keys]

    def answer(self, link, address, starts):
        self.confirming.on_runs(link, grammar.Runs(address, starts))

    def end(self, links):
        for link in links:
            self.confirming.on_end(link)


@pytest.fixture
def node():
    return Node()


def test_one_connection_to_each_seed_carries_all_questions(node):
    node.meet([*KEYS[:3], (OTHER, 9)])
    assert [link.peer for link in node.links] == SEEDS
    for link in node.links:
        node.confirming.on_up(link)
        assert link.sent == b"".join(grammar.runs(address, [start])
                                     for address, start in [*KEYS[:3], (OTHER, 9)])


def test_a_seed_with_two_lines_in_the_config_has_one_voice():
    node = Node([Name("a", 1), SEEDS[0], Name("b", 1)])
    node.meet(KEYS[:1])
    for link in node.links:
        if link.target in node.whereabouts.names:
            link.peer = node.whereabouts.choose(link.target, SEEDS[:1])
        node.confirming.on_up(link)
    told, *others = node.links
    assert told.sent and {link.reason for link in others} == {f"leads to {SEEDS[0]}, as a:1 does"}
    node.end(others)
    node.answer(told, ORIGIN, (KEYS[0][1],))
    assert node.runs_settled == [] and [address for address, _ in node.probes] == [ORIGIN]


def test_which_runs_a_seed_does_not_name_is_known_from_its_last_answer_about_the_address(node):
    """It answers at once about the second run, and about the others when it has dialled."""
    node.meet(KEYS[:3])
    for link in node.links[:2]:
        node.confirming.on_up(link)
        node.answer(link, ORIGIN, (2,))
    assert node.runs_settled == [run_of(KEYS[1])] and node.written == []
    for link in node.links[:2]:
        node.answer(link, ORIGIN, (2, 3))
        node.answer(link, ORIGIN, (2, 3))
        assert link.reason == "answered"
    assert node.runs_settled == [run_of(KEYS[number]) for number in (1, 2, 0)]
    assert node.written == [f"unconfirmed:{run_of(KEYS[0]).decode()}"]


def test_answers_that_nobody_asked_for_are_refused(node):
    node.meet(KEYS[:1])
    node.confirming.on_up(node.links[0])
    with pytest.raises(wire.WireError):
        node.answer(node.links[0], OTHER, (9,))
    node.answer(node.links[0], ORIGIN, ())
    with pytest.raises(wire.WireError):
        node.answer(node.links[0], ORIGIN, ())


def test_a_seed_that_was_slow_is_not_asked_what_was_settled_meanwhile(node):
    node.meet(KEYS[:1])
    slow, *others = node.links
    node.confirming.on_up(slow)
    node.meet(KEYS[1:2])
    for link in others:
        node.confirming.on_up(link)
        for _ in range(2):
            node.answer(link, ORIGIN, ())
    assert len(node.written) == 2
    node.end([slow])
    again = node.links[-1]
    assert again.peer == slow.peer
    node.confirming.on_up(again)
    assert again.sent == b"" and again.reason is not None
    node.end([again])
    assert node.links[-1] is again


def test_an_address_is_dialled_once_for_all_its_runs_and_few_are_at_once(node):
    many = [(peer(100 + number), 5) for number in range(10)]
    node.meet([*KEYS[:20], *many])
    node.end(node.links[:3])  # no seed can be reached
    assert len(node.probes) == 4 and node.probes[0][0] == ORIGIN
    node.probes[0][1](False)
    assert len(node.written) == 20 and len(node.probes) == 5
    assert node.confirming.is_denied(run_of((OTHER, 9)), NEIGHBOUR)  # another of its runs


def test_a_machine_that_can_dial_nobody_blames_nobody(node):
    node.dial = lambda link: node.confirming.on_end(link)
    node.confirming._ask_prober = lambda address, verdict, wanted: verdict(None)
    node.meet(KEYS)
    assert len(node.written) == len(KEYS) and node.runs_settled == list(map(run_of, KEYS))
    assert not node.confirming.is_denied(run_of((OTHER, 9)), NEIGHBOUR)


def test_many_runs_of_one_address_end_no_thread_of_a_machine_that_can_dial_nobody(node):
    node.meet(KEYS)
    node.dial = lambda link: node.confirming.on_end(link)
    node.end(node.links[:3])
    assert len(node.written) + len(node.probes) > 0 and node.confirming._asked == {}
