"""The proofs of links: what is signed, who is believed, and what bad ones cost."""

import types

import pytest

from gossip import wire
from gossip.signing.known_runs import Homes, run_of
from gossip.signing.link_proofs import BUSY, CHECKS, CHECKS_AT_ONCE, UNPROVEN, LinkProofs
from gossip.signing.grammar import Signer
from gossip.tools import Counters
from tests.tools.fakes import peer
from tests.tools.hands import link_proof

OWN, ASKER, OTHER = peer(1), peer(2), peer(3)
SIGNER = Signer(ASKER, bytes(32))
RUN = run_of((ASKER, SIGNER.start))
AT = "1700000000.000000"


class Runs:
    """Runs that are known, or are found out when a test settles them."""

    def __init__(self):
        self.known, self.asked, self.homes = set(), [], Homes()
        self.room = True
        self.is_known = self.known.__contains__

    def find_out(self, run, brought_by):
        self.asked.append(run)
        return self.room

    def is_open(self, run):
        return run in self.asked


class Node:
    """A peer that signs, and looks for addresses when a test answers."""

    address = OWN

    def __init__(self):
        self.counters, self.clock, self.looks, self.over = Counters(), 0.0, [], []
        self.runs, self.linking = Runs(), types.SimpleNamespace(replaced=self.over.append)
        self.cheats = set()  # runs that contradicted themselves
        self.reporting = types.SimpleNamespace(
            watch=types.SimpleNamespace(is_cheat=self.cheats.__contains__))
        self.proofs = LinkProofs(self, Signer(OWN, bytes(32)), self.runs, [self] * 3)

    def now(self):
        return self.clock

    def time(self):
        return 1_700_000_000.0

    def ask(self, address, verdict, *how):
        self.looks.append(verdict)


@pytest.fixture
def node():
    return Node()


def asks(line, address=ASKER, ip="127.0.0.1"):
    proof = wire.parse(line.encode()) if line else None
    return types.SimpleNamespace(peer=address, proof=proof, run=None, remote_ip=ip, ended=False)


def true(at=AT, to=OWN, signer=SIGNER, own=ASKER):
    return link_proof(signer, own, to, at)


def bad(at="1700000009.000000"):
    """The key is right, the signature another's."""
    return true().replace(AT, at)


def test_both_ends_sign_the_same_text_in_turn(node):
    answers = LinkProofs(Node(), Signer(OWN, bytes(32)), Runs(), None)
    link = asks("", OTHER)
    said = wire.parse(node.proofs.asking(link).rstrip(b"\n"))
    assert link.run == (0, 1_700_000_000.0)
    theirs = types.SimpleNamespace(peer=OWN, proof=said, run=None, remote_ip="127.0.0.1")
    other = Node()
    other.address = OTHER
    answers = LinkProofs(other, Signer(OTHER, bytes(32)), other.runs, [other] * 3)
    assert answers.fault_of_asker(theirs) is None
    link.proof = wire.parse(answers.answering(theirs).rstrip(b"\n"))
    node.runs.prove = lambda address, start: node.runs.known.add(run_of((address, start)))
    assert node.proofs.fault_of_answer(link) is None
    assert node.runs.known == {run_of((OTHER, link.run[0]))}
    node.cheats |= node.runs.known
    other.cheats.add(run_of((OWN, theirs.run[0])))
    assert node.proofs.fault_of_answer(link) == "contradicted itself"
    assert other.proofs.fault_of_asker(theirs) == "contradicted itself"


@pytest.mark.parametrize("line", [
    "", true().rpartition(":")[0], bad(), true(to=OTHER), true(own=OTHER),
    true(signer=Signer(ASKER, bytes([1] * 32))).replace("proof:", "proof:")[:-1] + "1"])
def test_who_has_not_signed_this_link_is_refused(node, line):
    assert node.proofs.fault_of_asker(asks(line)) == UNPROVEN and not node.runs.asked


def test_a_known_run_is_admitted_at_once(node):
    node.runs.known.add(RUN)
    link, verdicts = asks(true()), []
    assert node.proofs.fault_of_asker(link) is None
    node.proofs.find_out(link, verdicts.append)
    assert verdicts == [True] and not node.runs.asked and not node.looks
    assert link.run == (SIGNER.start, 1_700_000_000.0)


@pytest.mark.parametrize("genuine", [True, False])
def test_who_brings_an_unknown_run_waits_until_it_is_settled(node, genuine):
    verdicts, links = [], [asks(true()), asks(true())]
    for link in links:
        assert node.proofs.fault_of_asker(link) is None
        node.proofs.find_out(link, verdicts.append)
    assert verdicts == []
    if genuine:
        node.runs.known.add(RUN)
    node.proofs.on_settled(RUN, genuine)
    for looked in node.looks:
        looked(False)
    assert verdicts == [genuine] * 2
    node.proofs.on_settled(RUN, genuine)
    assert len(verdicts) == 2


@pytest.mark.parametrize("at_home", [True, False])
@pytest.mark.parametrize("room", [True, False], ids=["denied", "not asked about"])
def test_a_run_that_seeds_do_not_confirm_is_looked_for_at_its_address(node, room, at_home):
    """Seeds probe so many addresses a second, and deny the others."""
    node.runs.room, verdicts, link = room, [], asks(true())
    assert node.proofs.fault_of_asker(link) is None
    node.proofs.find_out(link, verdicts.append)
    if room:
        node.proofs.on_settled(RUN, False)
    assert verdicts == []
    if at_home:
        node.runs.known.add(RUN)
    node.looks.pop()(at_home)
    assert verdicts == [at_home]


@pytest.mark.parametrize("at_home", [True, False, None])
def test_where_another_run_was_met_the_address_is_looked_at(node, at_home):
    node.runs.known.add(RUN)
    node.runs.homes.met(ASKER, 9, 0.0)
    link, verdicts = asks(true()), []
    assert node.proofs.fault_of_asker(link) is None
    node.proofs.find_out(link, verdicts.append)
    assert verdicts == []
    if at_home is not None:
        node.runs.homes.met(ASKER, SIGNER.start if at_home else 9, 1.0)
    node.looks.pop()(True)
    assert verdicts == [bool(at_home)]
    # who was not at home while another was is not looked for again
    assert node.proofs.fault_of_asker(asks(true())) == (UNPROVEN if at_home is False else None)


def test_of_a_run_that_is_new_where_another_was_met_the_node_hears(node):
    node.runs.homes.met(ASKER, 9, 0.0)
    node.runs.known.add(RUN)
    node.proofs.on_settled(RUN, True)
    assert node.over == []
    node.runs.homes.met(ASKER, SIGNER.start, 1.0)
    node.looks.pop()(True)
    assert node.over == [ASKER]


def refused(node, line, times, **of):
    return [node.proofs.fault_of_asker(asks(line, **of)) for _ in range(times)].count(BUSY)


def test_bad_proofs_are_limited_and_good_ones_of_known_runs_are_free(node):
    node.runs.known.add(RUN)
    assert not refused(node, true(), 2 * CHECKS_AT_ONCE)
    assert refused(node, bad(), 2 * CHECKS_AT_ONCE) == CHECKS_AT_ONCE
    assert node.counters == {"proofs of links not checked": CHECKS_AT_ONCE}
    assert refused(node, true(), 1)
    node.clock += 1.0
    assert refused(node, bad(), 2 * CHECKS) == CHECKS


def test_the_bad_proofs_of_one_are_not_charged_to_others(node):
    node.runs.known.add(RUN)
    stranger = Signer(OTHER, bytes([1] * 32))
    unknown = {"address": OTHER, "line": true(signer=stranger, own=OTHER)}
    assert refused(node, bad(), 2 * CHECKS_AT_ONCE)
    assert not refused(node, times=1, **unknown)  # the run is another
    assert refused(node, times=2 * CHECKS_AT_ONCE, **unknown)  # and nobody confirms it
    assert not refused(node, times=1, ip="127.0.0.2", **unknown)
    node.runs.known.add(run_of((OTHER, stranger.start)))
    assert not refused(node, times=1, **unknown)
