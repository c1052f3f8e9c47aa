"""The drawing of the network when most peers were up.

The area of a peer's circle is proportional to its degree, and hubs stand in the middle. A place is
a complex number. Nothing is random, so the same files give the same drawing. Forces after T.
Fruchterman, E. Reingold, "Graph Drawing by Force-directed Placement", Software: Practice and
Experience 21 (1991): links pull, nodes push each other, steps grow smaller. As in M. Jacomy et al.,
"ForceAtlas2", PLoS ONE 9 (2014), a node with more links pushes more, and the centre pulls; so peers
that were not up, and have no links, stand outside.
"""

import cmath
import html
import math
from typing import NamedTuple

from grapevine.addresses import parse_address
from grapevine.lab.pictures.charts import WIDTH, document, number, text
from grapevine.lab.proof import graph
from grapevine.lab.proof.records import Records

OUTER = 440.0  # radius of the largest drawing, in SVG units
ROOM = 130.0  # a small network's drawing has this radius times the root of its number of peers
COVERED = 0.16  # share of the drawing's area that circles cover, at most
LARGEST = 40.0  # radius of a circle, at most
ALL_NAMED, HUBS_NAMED = 60, 12  # peers up to which all have labels; of more, so many hubs have
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


class DrawnPeer(NamedTuple):  # a peer as the drawing and the table show it
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


def drawn_peers(records: Records, snapshot: graph.Snapshot) -> list[DrawnPeer]:
    """Return all peers by address: the runs of a snapshot, and the last ones of others."""
    degrees = snapshot.degrees
    runs = {run.address: run for run in records.peers} | snapshot.runs
    kicked = {kick.peer for seed in records.seeds for kick in seed.kicks}
    return [DrawnPeer(address, degrees.get(address, 0), graph.capacity(run), address in degrees,
                      run.is_dead, run.malice, address in kicked)
            for address, run in sorted(runs.items(), key=lambda item: parse_address(item[0]))]


def network_svg(records: Records) -> str:
    """Return the drawing of the network."""
    snapshot = graph.largest(records.peers)
    peers = drawn_peers(records, snapshot)
    index = {peer.address: at for at, peer in enumerate(peers)}
    links = [(index[one], index[other]) for one, other in snapshot.links]
    bound = min(OUTER, ROOM * math.sqrt(len(peers)))
    sizes = [max(1, peer.degree) for peer in peers]  # areas; degree 0 is drawn like 1
    unit = min(COVERED * bound ** 2 / sum(sizes), LARGEST ** 2 / max(sizes))
    radii = [math.sqrt(unit * size) for size in sizes]
    stretch = bound - max(radii)
    spots = separate([stretch * spot for spot in place([peer.degree for peer in peers], links)],
                     radii, bound, links)
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
    """Draw ports of peers, or hubs, in their circles, or beside them where they cover nothing."""
    order = sorted(range(len(peers)), key=lambda at: -peers[at].degree)
    taken = [(spot.real, spot.imag, radius, radius) for spot, radius in zip(spots, radii)]
    labels = []
    for at in order if len(peers) <= ALL_NAMED else order[:HUBS_NAMED]:
        words, x, y = peers[at].address.rpartition(":")[2], spots[at].real, spots[at].imag
        size = min(LABEL, 1.75 * radii[at] / (LETTER * len(words)))
        if peers[at].up and size >= SMALLEST_LABEL:
            labels.append(text(x, y + 0.36 * size, words, "gv-number gv-on", "middle",
                               f' font-size="{number(size)}" pointer-events="none"'))
            continue
        half = LETTER * LABEL * len(words) / 2 + 1
        over, beside = radii[at] + 2 + HIGH, radii[at] + 2 + half
        for left, top in ((x, y + over), (x, y - over), (x + beside, y), (x - beside, y)):
            if all(abs(left - other_x) >= half + wide or abs(top - other_y) >= HIGH + high
                   for other_x, other_y, wide, high in taken):
                taken.append((left, top, half, HIGH))
                labels.append(text(left, top + HIGH - 3, words, "gv-number gv-text gv-halo",
                                   "middle", f' font-size="{LABEL}" pointer-events="none" '
                                   'paint-order="stroke" stroke-width="3"'))
                break
    return labels


def place(degrees: list[int], links: Links) -> Spots:
    """Return places for all nodes in the unit disc."""
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
    """Move each node halfway to its distance from the centre in an evenly filled disc."""
    order = sorted(range(len(places)), key=lambda node: abs(places[node]))
    farthest = abs(places[order[-1]]) or 1.0
    for rank, node in enumerate(order):
        distance = abs(places[node]) or 1.0
        even = math.sqrt((rank + 0.5) / len(order))
        places[node] *= (distance / farthest + even) / 2 / distance
    return places


def separate(places: Spots, radii: list[float], bound: float, links: Links) -> Spots:
    """Move circles apart inside a disc until few or none overlap. If links are few, also move
    circles off the links of others."""
    spots = list(places)
    for _ in range(PASSES):
        before = list(spots)
        for one, other in links if len(links) <= FEW_LINKS else ():
            _clear_link(spots, radii, one, other)
        for one, other in _near(spots, 2 * max(radii) + GAP):
            _push_apart(spots, radii, one, other)
        if spots == before:
            break
        for node, radius in enumerate(radii):
            spots[node] *= min(1.0, (bound - radius) / (abs(spots[node]) or 1.0))
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
