"""The drawing of the network when most peers were up.

The area of a peer's circle is proportional to its degree, and hubs stand in the middle. A place is
a complex number. Nothing is random, so the same files give the same drawing. Forces after T.
Fruchterman, E. Reingold, "Graph Drawing by Force-directed Placement", Software: Practice and
Experience 21 (1991): links pull, nodes push each other, steps grow smaller. As in M. Jacomy et al.,
"ForceAtlas2", PLoS ONE 9 (2014), a node with more links pushes more, and the centre pulls.
"""

import cmath
import html
import math
from typing import NamedTuple

from grapevine.addresses import parse_address
from grapevine.lab.pictures.charts import WIDTH, document, number, text
from grapevine.lab.proof import graph
from grapevine.lab.proof.graph import Snapshot
from grapevine.lab.proof.records import Records

OUTER = 440.0  # radius of the largest drawing, in SVG units
ROOM = 130.0  # a small network's drawing has this radius times the root of its number of peers
COVERED = 0.16  # share of the drawing's area that circles cover, at most
LARGEST = 40.0  # radius of a circle, at most
ALL_NAMED = 60  # peers up to which all have labels;
HUBS_NAMED = 12  # of more peers, only these hubs have
LABEL, SMALLEST_LABEL = 12, 8.5  # size of a label's letters, and at least inside a circle
HIGH = LABEL / 2 + 1  # half of the height of a label beside a circle
LETTER = 0.62  # width of a digit, as a share of its size
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
STEPS, FEWEST_STEPS = 100, 5  # in which all nodes move
PUSHES = 15_000_000  # of one node on another, about, in all steps together
PASSES = 60  # rounds, at most, in which overlapping circles move apart
GAP = 2.5  # distance between two circles
FEW_LINKS = 60  # links up to which circles move off the links of others
LEGEND = {"gv-main": "up", "gv-warm": "died later", "gv-bad": "attacker",
          "gv-hollow gv-kicked": "kicked later", "gv-hollow": "not up at that moment",
          "gv-hollow gv-died": "died before"}

Links = list[tuple[int, int]]  # the numbers of two nodes, from 0 on
Spots = list[complex]  # where nodes stand, by their numbers


class DrawnPeer(NamedTuple):
    """A peer as the drawing and the table show it."""

    address: str
    degree: int
    capacity: int
    up: bool  # at the moment that is drawn
    died: bool
    malice: str | None  # its kind, if it attacks
    kicked: bool

    def colour(self) -> str:
        if not self.up:
            return "gv-hollow gv-died" if self.died else "gv-hollow"
        return "gv-bad" if self.malice else "gv-warm" if self.died else "gv-main"

    def circle(self, spot: complex, radius: float) -> str:
        """Return its circle, with a title for the mouse."""
        edge = "" if not self.up else " gv-kicked" if self.kicked else " gv-halo"
        title = (f"{self.address}: degree {self.degree}, capacity {self.capacity}"
                 + (f", attacker ({html.escape(self.malice)})" if self.malice else "")
                 + (", kicked" if self.kicked else "")
                 + ("" if self.up else ", not up at that moment") + (", died" if self.died else ""))
        return (f'<circle cx="{number(spot.real)}" cy="{number(spot.imag)}" r="{radius:.2f}" '
                f'class="{self.colour()}{edge}" stroke-width="1.5" '
                f'data-node="peer_{parse_address(self.address).file_part}">'
                f"<title>{title}</title></circle>")


def drawn_peers(records: Records, snapshot: Snapshot) -> list[DrawnPeer]:
    """Return all peers in the snapshot, by address."""
    newest = records.newest()
    runs = {run.address: run for run in records.peers}
    kicked = {kick.peer for seed in records.seeds for kick in seed.kicks}
    return [DrawnPeer(address, snapshot.degrees.get(address, 0), graph.capacity(runs[address]),
                      address in snapshot.degrees, runs[address].is_dead(newest),
                      runs[address].malice, address in kicked)
            for address in sorted(runs, key=parse_address)]


def network_svg(records: Records) -> str:
    """Return the drawing of the network."""
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
    few = 12 / math.sqrt(len(links) or 1)  # many links are fainter and thinner
    opacity, width = max(0.12, min(0.6, few)), max(0.9, min(1.8, few))  # crossings are darker
    ends = [f"{number(spot.real)} {number(spot.imag)}" for spot in spots]
    name = f"Network of {len(peers)} peers and {len(links)} links, hubs in the middle"
    return document(bottom + 28, name, [
        *_legend(peers, links),
        f'<g class="gv-edge" stroke-opacity="{opacity:.2f}" stroke-width="{width:.2f}">',
        *(f'<path d="M{ends[one]}L{ends[other]}"/>' for one, other in links), "</g>",
        *map(DrawnPeer.circle, peers, spots, radii), *_labels(peers, spots, radii)])


def _legend(peers: list[DrawnPeer], links: Links) -> list[str]:
    """Draw the heading, and the meaning of each colour that occurs."""
    up = sum(peer.up for peer in peers)
    heading = (f"{up} peer{'s' * (up != 1)} and {len(links)} link{'s' * (len(links) != 1)} "
               f"when most peers were up")
    shown = {peer.colour() for peer in peers}
    if any(peer.up and peer.kicked for peer in peers):
        shown.add("gv-hollow gv-kicked")
    parts, x = [text(20, 30, heading, "gv-text gv-title")], 20.0
    for style, words in LEGEND.items():
        if style in shown:
            parts += [f'<rect x="{number(x)}" y="46" width="13" height="13" rx="3" '
                      f'class="{style}"/>', text(x + 20, 57.5, words)]
            x += 50 + 7.5 * len(words)
    return parts + [text(x, 57.5, "area of a circle: number of neighbours", "gv-muted")]


def _labels(peers: list[DrawnPeer], spots: Spots, radii: list[float]) -> list[str]:
    """Draw ports of peers, or hubs, at their circles, without overlaps."""
    order = sorted(range(len(peers)), key=lambda at: -peers[at].degree)
    circles, labels, taken = list(zip(spots, radii)), [], []
    for at in order if len(peers) <= ALL_NAMED else order[:HUBS_NAMED]:
        words, x, y = peers[at].address.rpartition(":")[2], spots[at].real, spots[at].imag
        size = min(LABEL, 1.75 * radii[at] / (LETTER * len(words)))
        if peers[at].up and size >= SMALLEST_LABEL:
            labels.append(text(x, y + 0.36 * size, words, "gv-number gv-on", "middle",
                               f' font-size="{number(size)}" pointer-events="none"'))
            continue
        half = LETTER * LABEL * len(words) / 2 + 1
        over, beside = radii[at] + 2 + HIGH, radii[at] + 2 + half
        for place in ((x, y + over), (x, y - over), (x + beside, y), (x - beside, y)):
            if _is_free(*place, half, circles, taken):
                taken.append((*place, half))
                labels.append(text(place[0], place[1] + HIGH - 3, words,
                                   "gv-number gv-text gv-halo", "middle",
                                   f' font-size="{LABEL}" pointer-events="none" '
                                   'paint-order="stroke" stroke-width="3"'))
                break
    return labels


def _is_free(x: float, y: float, half: float, circles: list[tuple[complex, float]],
             labels: list[tuple[float, float, float]]) -> bool:
    """Tell whether a label, given its middle and half-width, overlaps nothing."""
    beside_labels = all(abs(x - other_x) >= half + other_half or abs(y - other_y) >= 2 * HIGH
                        for other_x, other_y, other_half in labels)
    return beside_labels and all(
        math.hypot(max(0, abs(x - spot.real) - half), max(0, abs(y - spot.imag) - HIGH)) >= radius
        for spot, radius in circles)


def _spots(peers: list[DrawnPeer], links: Links, radii: list[float], bound: float) -> Spots:
    """Place peers that were up by their links, and the others on rings around them."""
    degrees = [peer.degree for peer in peers if peer.up]  # they come first
    away: Spots = []
    step = 2 * min(radii) + 8  # between two rings, and on a ring
    radius = bound - step / 2
    while left := len(peers) - len(degrees) - len(away):
        on_ring = min(left, max(1, int(2 * math.pi * radius / step)))
        away += [cmath.rect(radius, 2 * math.pi * turn / on_ring) / 1j for turn in range(on_ring)]
        radius = max(step, radius - step)
    inner = min(map(abs, away), default=bound + min(radii) + 8) - min(radii) - 8
    radii = radii[:len(degrees)]
    stretch = inner - max(radii, default=0)
    return separate([stretch * spot for spot in place(degrees, links)], radii, inner, links) + away


def place(degrees: list[int], links: Links) -> Spots:
    """Return places for all nodes in the unit disc."""
    if len(degrees) < 2:
        return [0j] * len(degrees)
    places = spiral(degrees)
    mean = max(1.0, sum(degrees) / len(degrees))
    masses = [0.5 + 0.5 * degree / mean for degree in degrees]
    steps = max(FEWEST_STEPS, min(STEPS, PUSHES // len(places) ** 2))
    stride = math.sqrt(STEPS / steps)  # fewer steps are longer
    for step in range(steps):
        reach = 0.15 * stride * (1 - step / steps) ** 1.5 + 0.002  # of a node in this step
        for node, force in enumerate(_forces(places, masses, links, mean)):
            places[node] += force * min(0.3 * stride, reach / (abs(force) or 1.0))
    return _fill_disc(places)


def spiral(degrees: list[int]) -> Spots:
    """Return a sunflower's spiral in the unit disc, hubs in the middle."""
    places = [0j] * len(degrees)
    for turn, node in enumerate(sorted(range(len(degrees)), key=lambda node: -degrees[node])):
        places[node] = cmath.rect(math.sqrt((turn + 0.5) / len(degrees)), turn * GOLDEN_ANGLE)
    return places


def _forces(places: Spots, masses: list[float], links: Links, mean: float) -> Spots:
    """Return the sum of all forces on every node. The push between two nodes is the product of
    their masses divided by their distance."""
    area = 1.0 / len(places)  # of one node
    bodies = list(zip(masses, places))
    forces = []
    for mass, spot in bodies:
        push = sum([other / way for other, away in bodies if (way := spot - away)]).conjugate()
        forces.append(mass * (area * push - 0.4 * spot))
    for one, other in links:
        way = places[other] - places[one]
        pull = 2.0 * abs(way) / mean * way
        forces[one] += pull
        forces[other] -= pull
    return forces


def _fill_disc(places: Spots) -> Spots:
    """Turn the places to be wider than high, and stretch them. Each node moves halfway to its
    distance from the centre in an evenly filled disc."""
    order = sorted(range(len(places)), key=lambda node: abs(places[node]))
    farthest = abs(places[order[-1]]) or 1.0
    turn = cmath.rect(1, -cmath.phase(sum(spot ** 2 for spot in places)) / 2)
    for rank, node in enumerate(order):
        distance = abs(places[node])
        even = math.sqrt((rank + 0.5) / (len(order) - 0.5))
        places[node] *= turn * (distance / farthest + even) / 2 / (distance or 1.0)
    return places


def separate(places: Spots, radii: list[float], bound: float, links: Links) -> Spots:
    """Move circles apart inside a disc until few or none overlap. If links are few, also move
    circles off the links of others."""
    spots = list(places)
    for _ in range(PASSES):
        before = list(spots)
        for one, other in links if len(links) <= FEW_LINKS else ():
            _clear_link(spots, radii, one, other)
        for one, other in _near(spots, 2 * max(radii, default=0) + GAP):
            _push_apart(spots, radii, one, other)
        has_moved = spots != before
        for node, radius in enumerate(radii):
            if abs(spots[node]) + radius > bound:
                spots[node] *= (bound - radius) / abs(spots[node])
        if not has_moved:
            break
    return spots


def _clear_link(spots: Spots, radii: list[float], one: int, other: int) -> None:
    """Move all other circles half of the way off a link."""
    length = abs(spots[other] - spots[one])
    for node, radius in enumerate(radii if length else ()):
        way = (spots[other] - spots[one]) / length
        seen = (spots[node] - spots[one]) / way  # with the link to the right
        lacking = radius + 3 * GAP - abs(seen.imag)
        if lacking > 0 and 0 < seen.real < length and node not in (one, other):
            spots[node] += math.copysign(lacking / 2, seen.imag) * 1j * way


def _near(spots: Spots, reach: float) -> Links:
    """Return all pairs within reach, and some more, by a grid."""
    grid: dict[tuple[int, int], list[int]] = {}
    for node, spot in enumerate(spots):
        grid.setdefault((int(spot.real // reach), int(spot.imag // reach)), []).append(node)
    return [(node, other) for (column, row), nodes in grid.items() for node in nodes
            for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            for other in grid.get((column + dx, row + dy), ()) if node < other]


def _push_apart(spots: Spots, radii: list[float], one: int, other: int) -> None:
    """Move two circles apart if they are too close, the smaller farther."""
    way = spots[other] - spots[one]
    lacking = radii[one] + radii[other] + GAP - abs(way)
    if lacking <= 0:
        return
    # on the same spot any direction will do, as long as it is always the same
    way = lacking * (way / abs(way) if abs(way) >= 1e-9 else cmath.rect(1, one + other))
    share = radii[other] ** 2 / (radii[one] ** 2 + radii[other] ** 2)
    spots[one] -= way * share
    spots[other] += way * (1 - share)
