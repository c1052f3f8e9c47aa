"""The graph of a network over time, by its peers' output files.

A link is in the graph while both of its ends call it `connected`. A peer is in the graph from its
first link until its run ends, or it begins to leave. So the files tell for every moment how many
pieces the graph had.
"""

import bisect
import collections
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from grapevine.addresses import parse_address
from grapevine.lab.proof.disturbances import parts, shared
from grapevine.lab.proof.runs import KICKED, PeerRun, standing
from grapevine.settings import LARGEST, SMALLEST, capacity_of, parse_capacity

CLOSING = 5.0  # seconds within which peers end that were stopped together
STEEPEST = 25.0  # exponents beyond this are not distinguished


class Pieces:
    """A graph of nodes and links, and its pieces (connected components)."""

    def __init__(self, links: Mapping[Hashable, Iterable] | None = None):
        """Take the graph's nodes, and what each is linked with."""
        self._links: dict[Hashable, set] = {}
        self._piece: dict[Hashable, set] = {}  # node -> the set of its piece, which its nodes share
        self._count = 0  # of pieces
        for node in links or ():
            self.add(node)
        for node in self._links:
            for other in self._links.keys() & links[node]:
                self.link(node, other)

    def __len__(self) -> int:
        return self._count

    def links(self, node: Hashable) -> set:
        """Return the nodes with which it is linked."""
        return self._links.get(node, set())

    def of(self, node: Hashable) -> set:
        """Return the nodes of its piece."""
        return self._piece.get(node, set())

    def all(self) -> list[set]:
        """Return the nodes of each piece."""
        return list({id(piece): piece for piece in self._piece.values()}.values())

    def add(self, node: Hashable) -> None:
        """Add a node, a piece by itself."""
        if node not in self._links:
            self._links[node] = set()
            self._put({node})
            self._count += 1

    def remove(self, node: Hashable) -> None:
        """Remove a node and its links."""
        if node in self._links:
            for other in list(self._links[node]):
                self.unlink(node, other)
            del self._links[node], self._piece[node]
            self._count -= 1

    def link(self, one: Hashable, other: Hashable) -> None:
        self._links[one].add(other)
        self._links[other].add(one)
        small, large = sorted((self._piece[one], self._piece[other]), key=len)
        if small is not large:
            large |= small
            self._put(small, large)
            self._count -= 1

    def unlink(self, one: Hashable, other: Hashable) -> None:
        """Remove a link. Two searches start at its ends and take turns. In a well connected graph
        they meet soon. In a graph that fell apart the search of the smaller piece ends first."""
        if other not in self._links.get(one, ()):
            return
        self._links[one].discard(other)
        self._links[other].discard(one)
        seen, todo, theirs, their_todo = {one}, [one], {other}, [other]
        while todo:
            new = self._links[todo.pop()] - seen
            if not new.isdisjoint(theirs):
                return  # a path remains
            seen |= new
            todo += new
            seen, todo, theirs, their_todo = theirs, their_todo, seen, todo
        self._piece[one] -= seen
        self._put(seen)
        self._count += 1

    def _put(self, nodes: set, piece: set | None = None) -> None:
        """Have nodes form a piece, or join one."""
        self._piece.update(dict.fromkeys(nodes, nodes if piece is None else piece))


class _Dated(Pieces):
    """A graph that keeps since when each node is in which piece, in order."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.stays = collections.defaultdict(list)

    def _put(self, nodes: set, piece: set | None = None) -> None:
        super()._put(nodes, piece)
        for node in nodes:
            self.stays[node].append((self.now, self.of(node)))


class Snapshot(NamedTuple):  # the peers that were up at a moment, and their links
    runs: dict[str, PeerRun]  # by address
    degrees: dict[str, int]  # address -> degree
    links: list[tuple[str, str]]  # each once, the smaller address first


def largest(peers: list[PeerRun]) -> Snapshot:
    """Return the network when most peers were up, the last time if several were as large."""
    ends = [(run, max(run.first, run.end)) for run in peers]
    begun = sorted(run.first for run, _ in ends)
    ended = sorted(end for _, end in ends)
    _, at = max(((bisect.bisect_right(begun, end) - bisect.bisect_left(ended, end), end)
                 for end in ended), default=(0, 0.0))
    runs = {run.address: run for run, end in ends if run.first <= at <= end}
    linked = {address: standing(run.links, at, at) for address, run in runs.items()}
    links = sorted((one, other) for one in linked for other in linked[one]
                   if one < other and one in linked.get(other, ()))
    degrees = {address: [0, *(int(degree) for _, degree in run.told("degree", end=at))][-1]
               for address, run in runs.items()}
    return Snapshot(runs, degrees, links)


def capacity(run: PeerRun) -> int:
    """Return how many neighbours a run may have, by its settings."""
    rule = run.settings.get("capacity", "rule").replace(" ", ":")
    try:
        parse_capacity(rule)
    except ValueError:
        rule = "rule"
    return capacity_of(parse_address(run.address), rule)


def end_of(peers: list[PeerRun]) -> float:
    """Return when the network ended: with the newest line if a peer is up, else with the first
    `stopped:` line of the last 5 seconds."""
    is_over = all(run.has_ended for run in peers)
    return min((run.last for run in peers if is_over and run.ended not in (None, KICKED)
                and run.last >= run.newest - CLOSING),
               default=max((run.newest for run in peers), default=0.0))


def replay(peers: list[PeerRun]) -> Iterator[tuple[float, float, Pieces]]:
    """Yield from when until when the graph of runs did not change, and this graph, one object."""
    end, pieces, begin = end_of(peers), Pieces(), math.inf
    for at, _, change, *nodes in _changes(peers, end):
        if begin < at:
            yield begin, at, pieces
        change(pieces, *nodes)
        begin = at
    if begin < math.inf:
        yield begin, end, pieces


Disturb = Callable[[PeerRun, PeerRun], Iterable[tuple]]


def stays(peers: list[PeerRun], disturb: Disturb | None = None
          ) -> dict[PeerRun, list[tuple[float, float, int]]]:
    """Return from when until when each run was in which piece, in order. Links are out of the graph
    in the times that `disturb` returns for their ends. A piece that another joins, or that a
    smaller one leaves, remains the same."""
    end, pieces = end_of(peers), _Dated()
    for pieces.now, _, change, *nodes in _changes(peers, end, disturb):
        change(pieces, *nodes)
    return {run: [(since, until, id(piece)) for (since, piece), (until, _) in itertools.pairwise(
        [*moves, (end, None)]) if since < until] for run, moves in pieces.stays.items()}


def _changes(peers: list[PeerRun], end: float, disturb: Disturb | None = None) -> list[tuple]:
    """Return until the end of the network, in order, when a peer or a link came or went, its place
    among changes at the same time, and what to do with which nodes."""
    changes, runs = [], collections.defaultdict(list)
    for run in peers:
        first_linked = min((link.begin for links in run.links.values() for link in links),
                           default=math.inf)  # lines may stand in any order
        if first_linked > run.end:
            continue  # it left before it had a neighbour
        runs[run.address].append(run)
        changes.append((first_linked, 1, Pieces.add, run))
        if run.end < end:  # the stop of the whole network is no change
            changes.append((run.end, 3, Pieces.remove, run))
    for one in itertools.chain(*runs.values()):
        for address, mine in one.links.items():
            for other in runs.get(address, ()) if one.address < address else ():
                for since, until in shared((mine, other.links.get(one.address, ())), 2):
                    for begin, over in parts(since, min(until, one.end, other.end),
                                             disturb(one, other) if disturb else ()):
                        changes.append((begin, 2, Pieces.link, one, other))
                        if over < end:
                            changes.append((over, 0, Pieces.unlink, one, other))
    return sorted((change for change in changes if change[0] <= end), key=itemgetter(0, 1))


def history(peers: list[PeerRun]) -> list[tuple[float, int]]:
    """Return when the number of pieces changed, and to which."""
    counts = [(at, len(pieces)) for at, _, pieces in replay(peers)]
    return [now for before, now in zip([(0, 0), *counts], counts) if now[1] != before[1]]


class Fit(NamedTuple):  # the exponent of a power law P(k) ~ k^−exponent
    exponent: float
    error: float  # the standard error
    count: int  # of values

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ± {self.error:.2f}"


def fit(values, low: int, high: int) -> Fit | None:
    """Return the most likely exponent for values from low to high; None if P(k) does not fall.

    By maximum likelihood, after A. Clauset, C. R. Shalizi, M. E. J. Newman, "Power-law
    distributions in empirical data", SIAM Review 51 (2009), section 3. For p(k) = k^−a / Z(a),
    Z(a) = Σ j^−a over j = low..high, the log-likelihood of n values is −a Σ ln k − n ln Z(a). Its
    derivative vanishes where the mean of ln k equals E_a[ln K], which falls as a grows. Its second
    derivative, −n Var_a[ln K], gives the standard error.
    """
    logs = [math.log(k) for k in values if low <= k <= high]
    if low >= high or not logs:
        return None
    mean = sum(logs) / len(logs)
    if not _moments(STEEPEST, low, high)[0] < mean < _moments(0.0, low, high)[0]:
        return None
    exponent = bisect.bisect_left(range(round(STEEPEST * 1e6)), -mean, key=lambda millionths: (
        -_moments(millionths / 1e6, low, high)[0])) / 1e6
    variance = _moments(exponent, low, high)[1]
    return Fit(exponent, 1 / math.sqrt(len(logs) * variance), len(logs))


def _moments(exponent: float, low: int, high: int) -> tuple[float, float]:
    """Return E[ln K] and Var[ln K] under an exponent."""
    law = shares(exponent, low, high)
    mean = sum(share * math.log(k) for k, share in law.items())
    return mean, sum(share * (math.log(k) - mean) ** 2 for k, share in law.items())


def shares(alpha: float, low: int, high: int) -> dict[int, float]:
    """Return P(k), proportional to k^−alpha, for k from low to high."""
    weights = {k: k ** -alpha for k in range(low, high + 1)}
    total = sum(weights.values())
    return {k: weight / total for k, weight in weights.items()}


def at_least(law: dict[int, float]) -> list[tuple[int, float]]:
    """Return all (k, P(K >= k)), the complementary cumulative distribution."""
    falling = sorted(law, reverse=True)
    return list(zip(falling, itertools.accumulate(law[k] for k in falling)))[::-1]


class PowerLaw:
    """Degrees and capacities of the peers when most of them were up. No capacity counts as more
    than the number of the other peers. There, and at the smallest one of `rule`, capacities pile
    up, so the law is sought between; if capacities are drawn from a power law, as far as these may
    reach, because up to the largest one drawn it seems less steep than it is."""

    def __init__(self, peers: list[PeerRun]):
        runs, degrees, _ = largest(peers)
        self.degrees = sorted(degrees.values())
        others = max(1, len(degrees) - 1)
        self.capacities = sorted(min(others, capacity(run)) for run in runs.values())
        rules = {run.settings.get("capacity", "rule") for run in runs.values()}
        between = [k for k in self.capacities
                   if k < others and (k > SMALLEST or "rule" not in rules)]
        if all(rule.startswith("powerlaw") for rule in rules):
            between = range(SMALLEST, min(LARGEST + 1, others))
        self.low, self.high = min(between, default=1), max(between, default=1)
        self.fitted = fit(self.degrees, self.low, self.high)
        self.predicted = fit(self.capacities, self.low, self.high)
