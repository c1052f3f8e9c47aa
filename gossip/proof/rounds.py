"""The row about liveness rounds: whether every peer asked its neighbours for signs of life.

A round is due once an interval while a peer has a neighbour. Of a neighbour that has missed so many
rounds that it is a suspect nobody asks anything until it answers. What a peer was silent for does
not count: then it was frozen, or late.
"""

import collections

from gossip.proof.evidence import Proof, Row
from gossip.proof.runs import PeerRun

SHORTEST = 1.0  # seconds: rounds that are due more often may come so rarely on a busy machine
SHARE = 0.5  # of the rounds due, at least


def liveness(proof: Proof) -> Row:
    """How many liveness requests, replies and misses there were; it fails if a run with neighbours
    asked them in fewer than half of the rounds due."""
    failures = []
    for run in proof.peers:
        due = 0 if run.chat else rounds_due(run, proof.company.end_of(run))
        if len(run.rounds) < SHARE * due:
            failures.append(f"{proof.name(run)} asked its neighbours in {len(run.rounds)} rounds "
                            f"of {due}")
    requests = sum(run.requests for run in proof.peers)
    replies = sum(len(run.replies) for run in proof.peers)
    misses = sum(len(run.missed) for run in proof.peers)
    return Row("liveness", not failures,
               f"{requests} requests, {replies} replies, {misses} misses", failures)


def rounds_due(run: PeerRun, end: float) -> int:
    """In how many rounds a run had somebody to ask until its end."""
    interval = max(SHORTEST, run.setting("liveness-interval"))
    due, begin, until = 0, 0.0, 0.0
    for one, other in sorted(_times_to_ask(run, min(end, run.last))):
        if one > until:
            due += _awake(run, begin, until) // interval
            begin = one
        until = max(until, other)
    return int(due + _awake(run, begin, until) // interval)


def _awake(run: PeerRun, begin: float, end: float) -> float:
    """Seconds of a time in which a run was not silent."""
    return end - begin - sum(max(0.0, min(end, woke) - max(begin, slept))
                             for slept, woke in run.sleep.silences)


def _times_to_ask(run: PeerRun, end: float) -> list[tuple[float, float]]:
    """(begin, end) of the times in which a neighbour was linked, and no suspect."""
    limit = run.setting("liveness-misses")
    signs = collections.defaultdict(list)  # neighbour -> when it was a suspect, or answered
    for missed in run.missed:
        if missed.count >= limit:
            signs[missed.peer].append((missed.at, False))
    for reply in run.replies:
        if reply.peer in signs:
            signs[reply.peer].append((reply.at, True))
    times = []
    for peer, links in run.links.items():
        for link in links:
            times += _without_suspicion(link.begin, min(link.end, end), sorted(signs[peer]))
    return times


def _without_suspicion(begin: float, end: float,
                       signs: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """What is left of the time of a link without those in which the neighbour was a suspect."""
    times, since = [], begin
    for at, answered in signs:
        if begin <= at <= end and answered and since is None:
            since = at
        elif begin <= at <= end and not answered and since is not None:
            times.append((since, at))
            since = None
    return times if since is None or since >= end else [*times, (since, end)]
