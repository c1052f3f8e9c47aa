"""Network: the peers and their links when most peers were up, and the chart of their degrees.

In the drawing, a peer is a circle whose area is proportional to its degree; the hubs (peers with
many links) stand in the middle. The places of circles are in layout.py.
"""

import cmath
import html
import math
from collections import Counter
from typing import NamedTuple

from gossip.addresses import parse_address
from gossip.capacity import shares
from gossip.lab.pictures import layout
from gossip.lab.pictures.charts import (
    WIDTH, Axis, Points, document, dot, draw_across, draw_bar, draw_upright, linear_ticks,
    log_ticks, number, path, side_title, text)
from gossip.lab.proof import graph
from gossip.lab.proof.degrees import PowerLaw, at_least
from gossip.lab.proof.graph import Snapshot
from gossip.lab.proof.records import Records

OUTER = 440.0  # radius of the largest drawing, in SVG units
ROOM = 130.0  # a small network's drawing has this radius times the root of its number of peers
COVERED = 0.16  # share of the drawing's area that circles cover, at most
LARGEST = 40.0  # radius of a circle, at most
ALL_NAMED = 60  # with up to so many peers each has a label;
HUBS_NAMED = 12  # with more, only so many have
LABEL = 12  # size of a label's letters
SMALLEST_LABEL = 8.5  # their smallest size inside a circle
HIGH = LABEL / 2 + 1  # half of the height of a label beside a circle
LETTER = 0.62  # width of a digit, as a share of its size


class DrawnPeer(NamedTuple):
    """A peer in the drawing."""

    address: str
    degree: int
    capacity: int
    up: bool  # at the moment that is drawn
    died: bool
    malice: str | None = None  # its kind, if it attacks
    kicked: bool = False

    @property
    def style(self) -> str:
        """The classes of its circle."""
        if self.up:
            colour = "gv-bad" if self.malice else "gv-warm" if self.died else "gv-main"
            return f"{colour} {'gv-kicked' if self.kicked else 'gv-halo'}"
        return "gv-hollow gv-died" if self.died else "gv-hollow"

    @property
    def title(self) -> str:
        """The text that is shown when the mouse points at the circle."""
        return (f"{self.address}: degree {self.degree}, capacity {self.capacity}"
                + (f", attacker ({html.escape(self.malice)})" if self.malice else "")
                + (", kicked" if self.kicked else "")
                + ("" if self.up else ", not up at that moment") + (", died" if self.died else ""))


def drawn_peers(records: Records, snapshot: Snapshot) -> list[DrawnPeer]:
    """All peers, by address, at the moment of the snapshot."""
    newest = records.newest()
    runs = {run.address: run for run in records.peers}
    kicked = {kick.peer for seed in records.seeds for kick in seed.kicks}
    return [DrawnPeer(address, snapshot.degrees.get(address, 0),
                      graph.capacity_of(runs[address]).of(parse_address(address)),
                      address in snapshot.degrees, runs[address].is_dead(newest),
                      runs[address].malice, address in kicked)
            for address in sorted(runs, key=parse_address)]


def network_svg(records: Records) -> str:
    """The drawing of the network."""
    snapshot = graph.largest(records)
    peers = sorted(drawn_peers(records, snapshot), key=lambda peer: not peer.up)
    index = {peer.address: at for at, peer in enumerate(peers)}
    links = [(index[one], index[other]) for one, other in snapshot.links]
    bound = min(OUTER, ROOM * math.sqrt(len(peers)))
    sizes = [max(1, peer.degree) for peer in peers]  # areas; degree 0 is drawn like 1
    unit = min(COVERED * bound ** 2 / sum(sizes), LARGEST ** 2 / max(sizes))
    radii = [math.sqrt(unit * size) for size in sizes]
    spots = _spots(peers, links, radii, bound)
    top = 84 - min(spot.imag - radius for spot, radius in zip(spots, radii))
    spots = [spot + complex(WIDTH / 2, top) for spot in spots]
    bottom = max(spot.imag + radius for spot, radius in zip(spots, radii))
    parts = [*_legend(peers, links), *_edges(spots, links),
             *(_circle(peer, spot, radius) for peer, spot, radius in zip(peers, spots, radii)),
             *_labels(peers, spots, radii)]
    return document(bottom + 28, f"Network of {len(peers)} peers and {len(links)} links, "
                    "hubs in the middle", parts)


def _edges(spots: list[complex], links: list[tuple[int, int]]) -> list[str]:
    """The links. The more there are, the fainter and thinner each is; crossings are darker."""
    few = 12 / math.sqrt(len(links) or 1)
    opacity, width = max(0.12, min(0.6, few)), max(0.9, min(1.8, few))
    ends = [f"{number(spot.real)} {number(spot.imag)}" for spot in spots]
    return [f'<g class="gv-edge" stroke-opacity="{opacity:.2f}" stroke-width="{width:.2f}">',
            *(f'<path d="M{ends[one]}L{ends[other]}"/>' for one, other in links), "</g>"]


def _spots(peers: list[DrawnPeer], links: list[tuple[int, int]], radii: list[float],
           bound: float) -> list[complex]:
    """Places around 0: peers that were up, the first, by their links; the others around them."""
    degrees = [peer.degree for peer in peers if peer.up]
    away = _rings(len(peers) - len(degrees), 2 * min(radii) + 8, bound)
    inner = min(map(abs, away), default=bound + min(radii) + 8) - min(radii) - 8
    radii = radii[:len(degrees)]
    stretch = inner - max(radii, default=0)
    places = [stretch * place for place in layout.place(degrees, links)]
    return layout.separate(places, radii, inner, links) + away


def _rings(count: int, step: float, bound: float) -> list[complex]:
    """`count` places, `step` apart, on rings from the bound inwards."""
    spots: list[complex] = []
    radius = bound - step / 2
    while len(spots) < count:
        on_ring = min(count - len(spots), max(1, int(2 * math.pi * radius / step)))
        spots += [cmath.rect(radius, 2 * math.pi * turn / on_ring) / 1j for turn in range(on_ring)]
        radius = max(step, radius - step)
    return spots


def _circle(peer: DrawnPeer, spot: complex, radius: float) -> str:
    name = f"peer_{parse_address(peer.address).file_part}"
    return (f'<circle cx="{number(spot.real)}" cy="{number(spot.imag)}" r="{radius:.2f}" '
            f'class="{peer.style}" stroke-width="1.5" data-node="{name}">'
            f"<title>{peer.title}</title></circle>")


def _legend(peers: list[DrawnPeer], links: list[tuple[int, int]]) -> list[str]:
    """A heading, and the meaning of each colour that occurs."""
    up = sum(peer.up for peer in peers)
    heading = (f"{up} peer{'s' * (up != 1)} and {len(links)} link{'s' * (len(links) != 1)} "
               f"when most peers were up")
    parts = [text(20, 30, heading, "gv-text gv-title")]
    x = 20.0
    for style, words, shown in (
            ("gv-main", "up", any(p.up and not (p.died or p.malice) for p in peers)),
            ("gv-warm", "died later", any(p.up and p.died and not p.malice for p in peers)),
            ("gv-bad", "attacker", any(p.up and p.malice for p in peers)),
            ("gv-hollow gv-kicked", "kicked later", any(p.up and p.kicked for p in peers)),
            ("gv-hollow", "not up at that moment", any(not (p.up or p.died) for p in peers)),
            ("gv-hollow gv-died", "died before", any(p.died and not p.up for p in peers))):
        if shown:
            parts += [f'<rect x="{number(x)}" y="46" width="13" height="13" rx="3" '
                      f'class="{style}"/>', text(x + 20, 57.5, words)]
            x += 50 + 7.5 * len(words)
    return parts + [text(x, 57.5, "area of a circle: number of neighbours", "gv-muted")]


def _labels(peers: list[DrawnPeer], spots: list[complex], radii: list[float]) -> list[str]:
    """Ports of all peers, or of the largest hubs. A port stands in its circle if it fits, else
    beside it; no label covers another."""
    order = sorted(range(len(peers)), key=lambda at: -peers[at].degree)
    labels, taken = [], []
    for at in order if len(peers) <= ALL_NAMED else order[:HUBS_NAMED]:
        words, x, y = peers[at].address.rpartition(":")[2], spots[at].real, spots[at].imag
        size = min(LABEL, 1.75 * radii[at] / (LETTER * len(words)))
        if peers[at].up and size >= SMALLEST_LABEL:
            labels.append(_label(x, y + 0.36 * size, words, "gv-on", size))
            continue
        others = list(zip(spots, radii))
        del others[at]
        half = LETTER * LABEL * len(words) / 2 + 1
        over, beside = radii[at] + 2 + HIGH, radii[at] + 2 + half
        for place in ((x, y + over), (x, y - over), (x + beside, y), (x - beside, y)):
            if _is_free(*place, half, others, taken):
                taken.append((*place, half))
                labels.append(_label(place[0], place[1] + HIGH - 3, words, "gv-text gv-halo",
                                     LABEL, ' paint-order="stroke" stroke-width="3"'))
                break
    return labels


def _is_free(x: float, y: float, half: float, circles: list[tuple[complex, float]],
             labels: list[tuple[float, float, float]]) -> bool:
    """Whether a label, by its middle and half its width, meets none of these circles and labels."""
    beside_labels = all(abs(x - other_x) >= half + other_half or abs(y - other_y) >= 2 * HIGH
                        for other_x, other_y, other_half in labels)
    return beside_labels and all(
        math.hypot(max(0, abs(x - spot.real) - half), max(0, abs(y - spot.imag) - HIGH)) >= radius
        for spot, radius in circles)


def _label(x: float, y: float, words: str, style: str, size: float, more: str = "") -> str:
    return text(x, y, words, f"gv-number {style}", "middle",
                f' font-size="{number(size)}" pointer-events="none"{more}')


def degrees_svg(records: Records) -> str:
    """The chart of the degrees, with what was fitted to them and what the capacities predict."""
    law = PowerLaw(records)
    fitted, fit = [], "no fit: the degrees tell no exponent"
    if law.low >= law.high:
        fit = "no fit: all capacities are equal"
    elif law.fitted:
        fitted, fit = _fit_curve(law), f"fit: P(k) ~ k^−a with a = {law.fitted}"
    predicted = "predicted by the capacities" + (f": a = {law.predicted}" if law.predicted else "")
    peers = len(law.degrees)
    return document(470, f"Degrees of {peers} peers: cumulative distribution and histogram", [
        *_distribution(_cumulative(law.degrees), _cumulative(law.capacities), fitted, peers),
        dot(40, 51, "gv-main-line"), text(62, 56, f"measured, {peers} peer{'s' * (peers != 1)}"),
        *([path([(26, 73), (54, 73)], "gv-line gv-warm-line")] if fitted else []),
        text(62, 78, fit),
        path([(26, 95), (54, 95)], "gv-line gv-cool-line gv-dashed"), text(62, 100, predicted),
        *_degree_histogram(Counter(law.degrees))])


def _cumulative(values: list[int]) -> Points:
    """(k, share of the values that are k or more)."""
    return at_least({k: count / len(values) for k, count in Counter(values).items()})


def _fit_curve(law: PowerLaw) -> Points:
    """The fit as a share of all peers, although it covers only degrees from low to high."""
    share = law.fitted.count / len(law.degrees)
    above = sum(degree > law.high for degree in law.degrees) / len(law.degrees)
    tail = at_least(shares(law.fitted.exponent, law.low, law.high))
    return [(k, share * rest + above) for k, rest in tail]


def _distribution(measured: Points, predicted: Points, fitted: Points, peers: int) -> list[str]:
    """The left half: P(K >= k) on logarithmic axes; degree 0 has no place on them."""
    shown = [k for k, _ in [*measured, *predicted, *fitted] if k >= 1] or [1]
    low = log_ticks(min(shown) / 10, min(shown) * 1.001)[-1]
    high = log_ticks(max(shown) * 1.1, max(shown) * 11)[0]
    least = min(0.5, log_ticks(1e-9, 1 / peers)[-1])
    across = Axis(low / 1.08, high, 76, 540, True)
    upright = Axis(least / 1.15, 1.15, 400, 116, True)
    ticks = log_ticks(low, high) if high > 5 * low else list(range(int(low), int(high) + 1))
    lines = ((_stairs(predicted, across.low, upright.low), "gv-cool-line gv-dashed"),
             (fitted, "gv-warm-line"))
    return [text(20, 30, "How many peers have so many neighbours or more", "gv-text gv-title"),
            *draw_across(across, ticks, 116, 400),
            *draw_upright(upright, log_ticks(least, 1), 76, 540),
            text(308, 448, "degree k (neighbours)", "gv-muted", "middle"),
            side_title(22, 258, "share of peers with degree ≥ k"),
            *(path([(across(k), upright(max(share, upright.low))) for k, share in curve],
                   f"gv-line {style}") for curve, style in lines if curve),
            *(dot(across(k), upright(share), "gv-main-line",
                  f"degree {k:g} or more: {share:.3g} of the peers")
              for k, share in measured if k >= 1)]


def _stairs(curve: Points, start: float, bottom: float) -> Points:
    """P(K >= k) as stairs: level up to each whole k, then down."""
    stairs, before = [], start
    for k, share in curve:
        stairs += [(before, share), (k, share)]
        before = k
    return [*stairs, (before, bottom)]


def _degree_histogram(counts: Counter[int]) -> list[str]:
    """The right half: how many peers have which degree."""
    width = next(width for width in (1, 2, 5, 10, 20, 50, 100, 1000, 10**6)
                 if max(counts) < 46 * width)  # degrees that share a bar
    bars: Counter[int] = Counter()
    for degree, count in counts.items():
        bars[degree // width * width] += count
    across = Axis(-0.5, max(bars) + width + 0.5, 640, 940)
    upright = Axis(0, max(bars.values()) * 1.08, 400, 116)
    per = "" if width == 1 else f", {width} degrees a bar"
    return [text(592, 30, "How many have which degree", "gv-text gv-title"),
            *draw_upright(upright, linear_ticks(upright.high), 640, 940),
            *(draw_bar(across, upright, first - 0.5, first + width - 0.5, count,
                       f"degree {first}{per and f' to {first + width - 1}'}: {count} peers")
              for first, count in sorted(bars.items())),
            *(text(across(k), 420, f"{k:g}", "gv-muted gv-number", "middle")
              for k in linear_ticks(across.high)),
            path([(640, 400), (940, 400)], "gv-thin gv-axis"),
            text(790, 448, f"degree (neighbours{per})", "gv-muted", "middle"),
            side_title(592, 258, "peers")]
