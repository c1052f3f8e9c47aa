"""Tables: the figures behind the report, as comma-separated values with a line of headings.

Times are seconds since the first line of all files. Nothing that a node may say freely stands in
them: a program that calculates with a table could take it for a formula.
"""

import csv
import io
from collections.abc import Iterable

from gossip.pictures.badness import curves_of
from gossip.pictures.drawn import drawn_peers
from gossip.pictures.report import timeline
from gossip.proof import delivery, graph
from gossip.proof.records import Records
from gossip.terminal.folders import TABLES


def tables(records: Records) -> dict[str, str]:
    """The texts of all tables by the names of their files."""
    return dict(zip(TABLES, (_peers(records), _deliveries(records), _timeline(records),
                             _badness(records))))


def _table(headings: str, rows: Iterable[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings.split())
    writer.writerows(rows)
    return text.getvalue()


def _peers(records: Records) -> str:
    """Each peer at the moment when most were up, as the network is drawn."""
    return _table("peer degree capacity up died attacks kicked", (
        (peer.address, peer.degree, peer.capacity, _yes(peer.up), _yes(peer.died),
         _yes(peer.malice is not None), _yes(peer.kicked))
        for peer in drawn_peers(records, graph.largest(records))))


def _deliveries(records: Records) -> str:
    """Each delivery; the histogram leaves out those to peers that joined later."""
    start = min(run.first for run in [*records.peers, *records.seeds])
    return _table("message peer generated received milliseconds joined_later", (
        (came.message, came.peer, f"{came.made - start:.6f}", f"{came.at - start:.6f}",
         f"{(came.at - came.made) * 1e3:.3f}", _yes(came.late))
        for came in delivery.timed(records)))


def _timeline(records: Records) -> str:
    """Each moment of the timeline; a number that changes has its new value beside it."""
    return _table("lane seconds value", (
        (lane.name, f"{moment:.6f}", value) for lane in timeline(records)[0]
        for moment, value in zip(lane.moments, lane.values or [""] * len(lane.moments))))


def _badness(records: Records) -> str:
    """What seeds that monitor found each peer to be over time."""
    return _table("peer attacks seconds badness", (
        (curve.peer, _yes(curve.attacks), f"{seconds:.6f}", f"{badness:.3f}")
        for curve in curves_of(records) for seconds, badness in curve.points))


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
