"""The queue of probes: so many at a time, in stages, one for each address."""

import collections

from grapevine.asking import Verdict
from grapevine.link import Link
from grapevine.prober import ASK_AGAIN, Prober
from tests.tables.samples import peer

STAGES = [(0.25, 3), (2.0, 2), (2.0, 1)]
LIMIT = 10


class Node:
    """A node that probes when the test says so."""

    def __init__(self):
        self.time = 100.0
        self.probes: dict = {}  # address -> (on_verdict, seconds), of probes under way
        self.calls: list = []  # (when, call, arguments)
        self.verdicts = collections.defaultdict(list)  # address -> what was found out
        self.prober = Prober(self, STAGES, LIMIT)

    def now(self) -> float:
        return self.time

    def probe(self, address, on_verdict, seconds) -> None:
        assert address not in self.probes
        self.probes[address] = on_verdict, seconds

    def later(self, seconds, call, *arguments) -> None:
        self.calls.append((self.time + seconds, call, arguments))

    def ask(self, *addresses, link=None) -> None:
        for address in addresses:
            self.prober.ask(
                address, lambda verdict, to=self.verdicts[address]: to.append(bool(verdict)), link)

    def end(self, address, verdict, after: float = 0.0) -> None:
        """End a probe that has taken so long."""
        self.time += after
        self.probes.pop(address)[0](verdict)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        due = [call for call in self.calls if call[0] <= self.time]
        self.calls = [call for call in self.calls if call[0] > self.time]
        for _, call, arguments in due:
            call(*arguments)


A, B, C, D, E = (peer(port) for port in range(1, 6))


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


def test_so_many_are_probed_at_a_time_in_the_order_in_which_they_were_asked():
    node = Node()
    node.ask(A, B, C, D, E)
    assert list(node.probes) == [A, B, C] and node.probes[A][1] == 0.25
    node.end(B, Verdict.ALIVE)
    assert node.verdicts[B] == [True] and list(node.probes) == [A, C, D]
    assert B not in node.prober and E in node.prober
    node.end(A, Verdict.ALIVE)
    assert list(node.probes) == [C, D, E]


def test_two_questions_share_a_probe_and_a_later_one_has_its_own():
    node = Node()
    node.ask(A, A)
    assert len(node.probes) == 1
    node.end(A, Verdict.ALIVE)
    assert node.verdicts[A] == [True, True]
    node.ask(A)
    node.end(A, Verdict.ALIVE)
    assert node.verdicts[A] == [True] * 3


def test_who_says_nothing_comes_to_the_next_stage_and_delays_nobody():
    node = Node()
    node.ask(A, B, C, D, E)
    for silent in (A, B, C):
        node.end(silent, Verdict.SILENT, 0.25)
    assert list(node.probes) == [D, A, E, B], "two of them are probed in the second stage"
    assert node.probes[A][1] == 2.0 and not node.verdicts[A]
    node.end(D, Verdict.SILENT, 0.25)
    node.end(A, Verdict.SILENT, 2.0)
    assert list(node.probes) == [E, B, C, A], "the first is in the last stage, and D waits"
    node.end(A, Verdict.SILENT, 2.0)
    assert node.verdicts[A] == [False] and A not in node.prober
    node.end(C, Verdict.ALIVE)
    assert node.verdicts[C] == [True]


def test_who_refuses_the_connection_is_dead_at_once():
    node = Node()
    node.ask(A, B)
    node.end(A, Verdict.REFUSED)
    node.end(B, Verdict.SILENT)
    assert node.verdicts[A] == [False] and not node.verdicts[B]


def test_while_nothing_can_be_found_out_it_is_asked_again_in_the_same_stage():
    node = Node()
    node.ask(A, B, C, D)
    node.end(A, Verdict.SILENT, 0.25)
    for _ in range(3):
        node.end(A, Verdict.UNKNOWN, 2.0)
        assert A not in node.probes and A in node.prober and D in node.probes
        node.pass_time(ASK_AGAIN)
        assert node.probes[A][1] == 2.0 and not node.verdicts[A]
    node.end(A, Verdict.ALIVE)
    assert node.verdicts[A] == [True]


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
