"""Layout: where the nodes of a graph stand in a drawing, the hubs in the middle.

Pure: nodes are numbers from 0 on, a place is a complex number, and nothing is random, so the same
graph gives the same places. Forces after T. Fruchterman, E. Reingold, "Graph Drawing by
Force-directed Placement", Software: Practice and Experience 21 (1991): links pull, nodes push each
other, steps grow smaller. As in M. Jacomy et al., "ForceAtlas2", PLoS ONE 9 (2014), a node with
more links pushes more, and is drawn to the centre. The push of far nodes is summed up in the tree
of J. Barnes, P. Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324 (1986).
Left out: in graphs of many links, a link may cross nodes that are not its ends.
"""

import cmath
import math
from typing import NamedTuple

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
STEPS = 100  # in which all nodes move; fewer if there are more than 600 nodes
DEEPEST = 24  # levels of the tree; nodes in the same cell of the last level are one body
CORNERS = (-1 - 1j, 1 - 1j, -1 + 1j, 1 + 1j)  # of a cell, from its middle
PASSES = 60  # rounds, at most, in which overlapping circles move apart
GAP = 2.5  # distance between two circles
FEW_LINKS = 60  # with up to so many links, circles are moved off the links of others

Bodies = list[tuple[float, complex]]  # (mass, place)


class Cell(NamedTuple):
    """A square of the tree as one body; a leaf has no width and no parts."""

    mass: float
    centre: complex
    width: float
    parts: tuple = ()


def spiral(degrees: list[int]) -> list[complex]:
    """A start: a sunflower's spiral in the unit disc, by falling degree from the centre (H. Vogel,
    "A better way to construct the sunflower head", Mathematical Biosciences 44 (1979))."""
    places = [0j] * len(degrees)
    for turn, node in enumerate(sorted(range(len(degrees)), key=lambda node: -degrees[node])):
        radius = math.sqrt((turn + 0.5) / len(degrees))
        places[node] = cmath.rect(radius, turn * GOLDEN_ANGLE)
    return places


def place(degrees: list[int], links: list[tuple[int, int]]) -> list[complex]:
    """Places of all nodes in the unit disc."""
    if len(degrees) < 2:
        return [0j] * len(degrees)
    places = spiral(degrees)
    mean = max(1.0, sum(degrees) / len(degrees))
    masses = [0.5 + 0.5 * degree / mean for degree in degrees]
    steps = max(20, min(STEPS, STEPS * 600 // len(places)))
    for step in range(steps):
        reach = 0.15 * (1 - step / steps) ** 1.5 + 0.002  # of a node in this step
        for node, force in enumerate(_forces(places, masses, links, mean)):
            places[node] += force * min(0.3, reach / (abs(force) or 1.0))
    return _fill_disc(_centred(places))


def _forces(places: list[complex], masses: list[float], links: list[tuple[int, int]],
            mean: float) -> list[complex]:
    """The sum of push, pull of the links and pull of the centre, for every node."""
    area = 1.0 / len(places)  # of one node
    tree = tree_of(list(zip(masses, places)))
    forces = [mass * (area * push(tree, spot) - 0.4 * spot) for mass, spot in zip(masses, places)]
    for one, other in links:
        way = places[other] - places[one]
        pull = 2.0 * abs(way) / mean * way
        forces[one] += pull
        forces[other] -= pull
    return forces


def tree_of(bodies: Bodies) -> Cell:
    """The Barnes-Hut tree of these bodies."""
    xs, ys = [spot.real for _, spot in bodies], [spot.imag for _, spot in bodies]
    width = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    middle = complex(min(xs) + width / 2, min(ys) + width / 2)
    return _cell(bodies, middle, width, DEEPEST)


def _cell(bodies: Bodies, middle: complex, width: float, depth: int) -> Cell:
    mass = sum(mass for mass, _ in bodies)
    centre = sum(mass * spot for mass, spot in bodies) / mass
    if len(bodies) == 1 or not depth:
        return Cell(mass, centre, 0.0)
    quarters: tuple[Bodies, ...] = ([], [], [], [])
    for body in bodies:
        quarters[(body[1].real > middle.real) + 2 * (body[1].imag > middle.imag)].append(body)
    return Cell(mass, centre, width, tuple(
        _cell(part, middle + width / 4 * corner, width / 2, depth - 1)
        for part, corner in zip(quarters, CORNERS) if part))


def push(tree: Cell, spot: complex) -> complex:
    """The push of all bodies of the tree on a node at this spot: mass / distance each."""
    total, todo = 0j, [tree]
    while todo:
        mass, centre, width, parts = todo.pop()
        away = spot - centre
        square = away.real * away.real + away.imag * away.imag
        if parts and width * width > square:
            todo += parts  # too near to count as one body
        else:
            total += away * (mass / (square + 1e-6))  # not infinite at the body itself
    return total


def _centred(places: list[complex]) -> list[complex]:
    """Move the centre of the smallest circle around all places to 0, and turn the places so that
    they are wider than high. The centre is found by ever shorter steps towards the farthest place
    (M. Badoiu, K. L. Clarkson, "Smaller core-sets for balls", SODA 2003)."""
    centre = places[0]
    for step in range(2, 300):
        centre += (max(places, key=lambda spot: abs(spot - centre)) - centre) / step
    moved = [spot - centre for spot in places]
    turn = cmath.rect(1, -cmath.phase(sum(spot ** 2 for spot in moved)) / 2)
    return [spot * turn for spot in moved]


def _fill_disc(places: list[complex]) -> list[complex]:
    """Stretch the places so that they fill the unit disc more evenly: each node moves halfway to
    the distance from the centre that it would have in a disc filled evenly."""
    order = sorted(range(len(places)), key=lambda node: abs(places[node]))
    farthest = abs(places[order[-1]]) or 1.0
    for rank, node in enumerate(order):
        distance = abs(places[node])
        even = math.sqrt((rank + 0.5) / (len(order) - 0.5))
        places[node] *= (distance / farthest + even) / 2 / (distance or 1.0)
    return places


def separate(places: list[complex], radii: list[float], bound: float,
             links: list[tuple[int, int]]) -> list[complex]:
    """Move circles apart until none overlap, or nearly so, inside a disc of radius `bound`. If
    links are few, circles also move off the links of others that pass under them."""
    spots = list(places)
    for _ in range(PASSES):
        before = list(spots)
        if len(links) <= FEW_LINKS:
            _clear_links(spots, radii, links)
        for one, other in _near(spots, 2 * max(radii, default=0) + GAP):
            _push_apart(spots, radii, one, other)
        has_moved = spots != before
        for node, radius in enumerate(radii):
            if abs(spots[node]) + radius > bound:
                spots[node] *= (bound - radius) / abs(spots[node])
        if not has_moved:
            break
    return spots


def _clear_links(spots: list[complex], radii: list[float], links: list[tuple[int, int]]) -> None:
    """Move all circles half of the way off the links of others."""
    for one, other in links:
        length = abs(spots[other] - spots[one])
        if not length:
            continue
        way = (spots[other] - spots[one]) / length
        for node, radius in enumerate(radii):
            seen = (spots[node] - spots[one]) / way  # with the link to the right
            lacking = radius + 3 * GAP - abs(seen.imag)
            if lacking > 0 and 0 < seen.real < length and node not in (one, other):
                spots[node] += math.copysign(lacking / 2, seen.imag) * 1j * way


def _near(spots: list[complex], reach: float) -> list[tuple[int, int]]:
    """All pairs that may be nearer than `reach`: in one square of a grid, or in adjacent ones."""
    grid: dict[tuple[int, int], list[int]] = {}
    for node, spot in enumerate(spots):
        grid.setdefault((int(spot.real // reach), int(spot.imag // reach)), []).append(node)
    return [(node, other) for (column, row), nodes in grid.items() for node in nodes
            for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            for other in grid.get((column + dx, row + dy), ()) if node < other]


def _push_apart(spots: list[complex], radii: list[float], one: int, other: int) -> None:
    """Move two circles apart if they are too close, the smaller one farther."""
    way = spots[other] - spots[one]
    lacking = radii[one] + radii[other] + GAP - abs(way)
    if lacking <= 0:
        return
    # On one spot, any direction will do, as long as it is always the same.
    way = lacking * (way / abs(way) if abs(way) >= 1e-9 else cmath.rect(1, one + other))
    share = radii[other] ** 2 / (radii[one] ** 2 + radii[other] ** 2)
    spots[one] -= way * share
    spots[other] += way * (1 - share)
