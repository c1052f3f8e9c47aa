"""The graph of a network and its history, as the output files of its peers tell them.

A link is in the graph while both of its ends call it `connected`. A peer is in the graph from its
first link until its run ends, or it begins to leave. So the files tell for every moment how many
pieces the graph had.
"""

import bisect
from typing import NamedTuple

from gossip.capacity import Capacity, parse_capacity
from gossip.lab.proof.pieces import Pieces
from gossip.lab.proof.records import Records
from gossip.lab.proof.runs import FULL, KICKED, PeerRun

CLOSING = 5.0  # seconds: peers that all end within this time were stopped together


class Snapshot(NamedTuple):
    """The network at one moment: the degree of every peer that was up, and the links."""

    at: float
    degrees: dict[str, int]  # address -> degree
    links: list[tuple[str, str]]  # each once, the smaller address first


class Span(NamedTuple):
    """A time (in Unix seconds) in which the graph had several pieces, at most `most` at once."""

    begin: float
    end: float
    most: int


def up_until(run: PeerRun, newest: float) -> float:
    """When a run left, ended or died; the time of the newest line for a run that is up."""
    if run.left is not None:
        return run.left
    return run.last if run.has_ended(newest) else newest


def largest(records: Records) -> Snapshot:
    """The network at the last moment at which most peers were up, so before any were killed."""
    newest = records.newest()
    ends = [(run, up_until(run, newest)) for run in records.peers]
    if not ends:
        return Snapshot(newest, {}, [])
    begun = sorted(run.first for run, _ in ends)
    ended = sorted(end for _, end in ends)
    at = max((bisect.bisect_right(begun, end) - bisect.bisect_left(ended, end), end)
             for _, end in ends)[1]
    runs = {run.address: run for run, end in ends if run.first <= at <= end}
    linked = {address: run.linked_at(at) for address, run in runs.items()}
    links = sorted((one, other) for one in linked for other in linked[one]
                   if one < other and one in linked.get(other, ()))
    return Snapshot(at, {address: run.degree_at(at) for address, run in runs.items()}, links)


def capacity_of(run: PeerRun) -> Capacity:
    """The capacity rule in the settings of a run; the usual rule if the file has no valid one."""
    try:
        return parse_capacity(run.settings.get("capacity", "rule"), " ")
    except ValueError:
        return Capacity()


def end_of(records: Records) -> float:
    """When the network ended: the time of the newest line while a peer is up; after that, the
    first `stopped:` line of the last 5 seconds, as all peers were stopped together. Nobody knows
    the graph from when on a peer's file is full."""
    newest = records.newest()
    full = [run.last for run in records.peers if run.ended == FULL]
    if any(not run.has_ended(newest) for run in records.peers):
        return min([*full, newest])
    return min([*full, *(run.last for run in records.peers
                         if run.ended not in (None, KICKED) and run.last >= newest - CLOSING)],
               default=newest)


def history(records: Records) -> list[tuple[float, int]]:
    """(time, number of pieces from then on), one for every change of that number."""
    return replay(records)[0]


def replay(records: Records) -> tuple[list[tuple[float, int]], Pieces]:
    """The history, and the graph when the network ended."""
    end, newest = end_of(records), records.newest()
    events = []
    for run in records.peers:
        if run.chat:
            continue  # chat servers form a line: any that is missing cuts it
        gone = up_until(run, newest)
        if run.first_linked is None or run.first_linked > gone:
            continue  # a first link that was under way when it left
        events.append((run.first_linked, run.address, None, True))
        events += [(at, run.address, peer, up) for at, peer, up in run.changes if at <= gone]
        if gone < end:  # the stop of the whole network is no change
            events.append((gone, run.address, None, False))
    events = sorted((event for event in events if event[0] <= end), key=lambda event: event[0])
    pieces, counts = Pieces(), []
    said: dict[str, set[str]] = {}  # peer -> the neighbours that it says it has
    for at, peer, other, up in events:
        _apply(pieces, said, peer, other, up)
        if counts and counts[-1][0] == at:
            counts.pop()
        if not counts or counts[-1][1] != len(pieces):
            counts.append((at, len(pieces)))
    return counts, pieces


def _apply(pieces: Pieces, said: dict[str, set[str]], peer: str, other: str | None,
           up: bool) -> None:
    """Take one event: the peer came or went (`other` is None), or its link to `other` did."""
    mine = said.setdefault(peer, set())
    if other is None and up:
        pieces.add(peer)
    elif other is None:
        mine.clear()
        pieces.remove(peer)
    elif up:
        mine.add(other)
        if peer in said.get(other, ()) and peer in pieces and other in pieces:
            pieces.link(peer, other)
    else:
        mine.discard(other)
        pieces.unlink(peer, other)


def spans_apart(counts: list[tuple[float, int]], end: float) -> list[Span]:
    """The times in which the graph had several pieces, from a history that ends at `end`."""
    spans, begin, most = [], None, 0
    for at, count in [*counts, (end, 1)]:
        if count > 1:
            begin, most = at if begin is None else begin, max(most, count)
        elif begin is not None:
            spans.append(Span(begin, at, most))
            begin, most = None, 0
    return spans
