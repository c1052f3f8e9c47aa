"""The queue of probes: so many at a time, in stages, one for each address."""

import collections
import functools

from grapevine.asking import Verdict
from grapevine.link import Link
from grapevine.prober import ASK_AGAIN, Prober
from tests.tables.samples import peer

STAGES = [(0.25, 3), (2.0, 2), (2.0, 1)]
LIMIT = 10


class Node:
    """A node whose probes end when the test says so."""

    def __init__(self):
        self.probes: dict = {}  # address -> (on_verdict, seconds), of probes under way
        self.delayed: list = []  # calls to be made later
        self.verdicts = collections.defaultdict(list)  # address -> what was found out
        self.prober = Prober(self, STAGES, LIMIT)

    def probe(self, address, on_verdict, seconds) -> None:
        assert address not in self.probes
        self.probes[address] = on_verdict, seconds

    def later(self, seconds, call, *arguments) -> None:
        assert seconds == ASK_AGAIN
        self.delayed.append(functools.partial(call, *arguments))

    def ask(self, *addresses, link=None) -> None:
        for address in addresses:
            self.prober.ask(
                address, lambda verdict, to=self.verdicts[address]: to.append(bool(verdict)), link)

    def end(self, address, verdict) -> None:
        self.probes.pop(address)[0](verdict)


A, B, C, D, E, F = (peer(port) for port in range(1, 7))


def test_an_address_is_not_probed_if_all_that_have_asked_for_it_hung_up():
    node, links = Node(), [Link("", None, None) for _ in range(3)]
    node.ask(A, B, C)
    for address, link in (D, links[0]), (E, links[1]), (E, links[2]):
        node.ask(address, link=link)
    links[0].closed = links[1].closed = "hung up"
    node.end(A, Verdict.ALIVE)
    assert list(node.probes) == [B, C, E] and node.verdicts[D] == [False]
    assert D not in node.prober
    links[2].closed = "hung up"
    node.end(E, Verdict.ALIVE)
    assert node.verdicts[E] == [True, True]


def test_who_hung_up_takes_no_turn_of_its_ip():
    """Addresses of links that had hung up filled a queue if another IP had some waiting: one of
    them left for each of that IP."""
    node, link, other = Node(), Link("", None, None), peer(1, "10.0.0.2")
    node.ask(A, B, C)
    node.ask(D, E, link=link)
    node.ask(other, F)
    link.closed = "hung up"
    node.end(A, Verdict.ALIVE)
    assert node.verdicts[D] == node.verdicts[E] == [False]
    assert list(node.probes) == [B, C, F] and not node.verdicts[other]


def test_who_says_nothing_comes_to_the_next_stage_and_delays_nobody():
    node = Node()
    node.ask(A, B, C, D, E)
    for silent in (A, B, C):
        node.end(silent, Verdict.SILENT)
    assert list(node.probes) == [D, A, E, B], "two of them are probed in the second stage"
    assert node.probes[A][1] == 2.0 and not node.verdicts[A]
    node.end(D, Verdict.SILENT)
    node.end(A, Verdict.SILENT)
    assert list(node.probes) == [E, B, C, A], "the first is in the last stage, and D waits"
    node.end(A, Verdict.SILENT)
    assert node.verdicts[A] == [False] and A not in node.prober
    node.end(C, Verdict.ALIVE)
    assert node.verdicts[C] == [True]


def test_who_answers_slowly_waits_for_one_address_of_each_other_ip_alone():
    """Sixty registrations a second of silent ports kept a peer behind a slow link off a seed."""
    node, slow = Node(), peer(1, "10.0.0.2")
    node.ask(A, B, C, D, E, F, slow)
    for silent in (A, B, C):
        node.end(silent, Verdict.SILENT)
    assert list(node.probes) == [D, A, slow, B, E], "it is probed before E and F"
    for silent in (D, slow, A, B):
        node.end(silent, Verdict.SILENT)
    assert list(node.probes) == [E, F, C, A, slow], "in the second stage before D"


def test_while_nothing_can_be_found_out_it_is_asked_again_in_the_same_stage():
    node = Node()
    node.ask(A, B, C, D)
    node.end(A, Verdict.SILENT)
    for _ in range(3):
        node.end(A, Verdict.UNKNOWN)
        assert A not in node.probes and A in node.prober and D in node.probes
        node.delayed.pop()()
        assert node.probes[A][1] == 2.0 and not node.verdicts[A]
    node.end(A, Verdict.ALIVE)
    assert node.verdicts[A] == [True]


def test_who_is_to_be_asked_again_keeps_its_place_or_all_would_be_asked_in_one_second():
    """Seeds of which 2,000 registrations broke at once were late for ever, and removed nobody."""
    node = Node()
    node.ask(A, B, C, D, E)
    for unknown in (A, B, C):
        node.end(unknown, Verdict.UNKNOWN)
    node.ask(F)
    assert not node.probes
    for call in node.delayed:
        call()
    assert list(node.probes) == [D, E, F], "those that wait come first"


def test_beyond_the_limit_of_a_queue_an_address_counts_as_silent():
    node = Node()
    many = [peer(port) for port in range(1, LIMIT + STAGES[0][1] + 2)]
    node.ask(*many)
    assert len(node.probes) == STAGES[0][1]
    assert node.verdicts[many[-1]] == [False] and many[-1] not in node.prober
    assert node.verdicts[many[-2]] == [] and many[-2] in node.prober
    node.end(next(iter(node.probes)), Verdict.ALIVE)
    node.ask(many[-1])
    assert node.verdicts[many[-1]] == [False] and many[-1] in node.prober, "there is room again"
    for unknown in list(node.probes):
        node.end(unknown, Verdict.UNKNOWN)
    for call in node.delayed:
        call()
    assert sum(map(len, node.verdicts.values())) == 2, "who is to be asked again has room, too"
    assert len(node.probes) == STAGES[0][1]
