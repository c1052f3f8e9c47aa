"""Badness: a chart of how bad the seeds found each peer over time, and when they kicked it.

A seed that monitors says once a period how bad the peers are that it judges. Where no file tells
of that, there is no chart.
"""

import html
from typing import NamedTuple

from gossip.pictures import charts
from gossip.pictures.charts import Axis, path, text
from gossip.proof.records import Records

BAD = 0.10  # above this a peer is charged
LEFT, RIGHT, TOP, BOTTOM = 90, 930, 70, 330


class Curve(NamedTuple):
    """One peer: (seconds, badness), whether it attacks, and where it was kicked."""

    peer: str
    points: charts.Points
    attacks: bool
    kicked: tuple[float, float] | None


def curves_of(records: Records) -> list[Curve]:
    """The curves of all peers that were judged or kicked, attackers last."""
    start = min((run.first for run in [*records.peers, *records.seeds]), default=0.0)
    points: dict[str, charts.Points] = {}
    kicks: dict[str, tuple[float, float]] = {}
    for seed in records.seeds:
        for at, badness in seed.judged:
            for peer, value in badness.items():
                points.setdefault(peer, []).append((at - start, value))
    for kick in sorted(kick for seed in records.seeds for kick in seed.kicks):
        kicks.setdefault(kick.peer, (kick.at - start, kick.badness))
    attackers = {run.address for run in records.peers if run.malice is not None}
    curves = [Curve(peer, sorted(points.get(peer, [])), peer in attackers, kicks.get(peer))
              for peer in sorted(points.keys() | kicks.keys())]
    return sorted(curves, key=lambda curve: curve.attacks)


def badness_chart(curves: list[Curve], length: float) -> str:
    """The chart, over the seconds from 0 to length."""
    across, upright = Axis(0, max(length, 1.0), LEFT, RIGHT), Axis(0, 1, BOTTOM, TOP)
    parts = [text(20, 30, "How bad the seeds found each peer", "gv-text gv-title"),
             *charts.draw_across(across, charts.linear_ticks(across.high, 10), TOP, BOTTOM,
                                 "{:g}".format),
             *charts.draw_upright(upright, [0, 0.25, 0.5, 0.75, 1], LEFT, RIGHT, "{:g}".format),
             path([(LEFT, upright(BAD)), (RIGHT, upright(BAD))], "gv-thin gv-axis gv-dashed"),
             text(RIGHT, upright(BAD) - 5, f"charged above {BAD:g}", "gv-muted", "end"),
             *_legend(curves)]
    for curve in curves:
        parts += _curve(curve, across, upright)
    return charts.document(BOTTOM + 56, f"Badness of {len(curves)} peers over time", [
        *parts, text(510, BOTTOM + 46, "seconds since the first line", "gv-muted", "middle")])


def _curve(curve: Curve, across: Axis, upright: Axis) -> list[str]:
    """A line, and a dot where the peer was kicked."""
    style, name = ("gv-bad-line", "attacker") if curve.attacks else ("gv-main-line", "honest")
    title = f"<title>{html.escape(curve.peer)}, {name}</title>"
    parts = []
    if curve.points:
        line = path([(across(at), upright(value)) for at, value in curve.points],
                    f"gv-line {style}")
        parts.append(f"<g>{title}{line}</g>")
    if curve.kicked is not None:
        x, y = map(charts.number, (across(curve.kicked[0]), upright(curve.kicked[1])))
        parts.append(f'<g>{title}<path class="gv-dots {style}" d="M{x} {y}h0"/></g>')
    return parts


def _legend(curves: list[Curve]) -> list[str]:
    attackers = sum(curve.attacks for curve in curves)
    kicked = sum(curve.kicked is not None for curve in curves)
    return [path([(90, 51), (118, 51)], "gv-line gv-bad-line"),
            text(126, 56, f"{attackers} attackers"),
            path([(250, 51), (278, 51)], "gv-line gv-main-line"),
            text(286, 56, f"{len(curves) - attackers} honest"),
            '<path class="gv-dots gv-axis" d="M404 51h0"/>', text(418, 56, f"{kicked} kicked")]
