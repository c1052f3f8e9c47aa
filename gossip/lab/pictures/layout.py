"""Layout: where the nodes of a graph stand in a drawing, the hubs in the middle.

Pure: nodes are numbers from 0 on, and nothing is random, so the same graph gives the same places.
Forces after T. Fruchterman, E. Reingold, "Graph Drawing by Force-directed Placement", Software:
Practice and Experience 21 (1991): links pull, nodes push each other, steps grow smaller. As in
M. Jacomy et al., "ForceAtlas2", PLoS ONE 9 (2014), a node with more links pushes more, and is
drawn to the centre. The push of far nodes is summed up in the tree of J. Barnes, P. Hut, "A
hierarchical O(N log N) force-calculation algorithm", Nature 324 (1986). Left out: in graphs of
many links, a link may cross nodes that are not its ends.
"""

import cmath
import math
from typing import NamedTuple

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
STEPS = 100  # in which all nodes move; fewer if there are more than 600 nodes
OPENING = 1.0  # a cell counts as one body for nodes farther away than its width times this
DEEPEST = 24  # levels of the tree; nodes in the same cell of the last level are one body
PASSES = 60  # rounds, at most, in which overlapping circles move apart
GAP = 2.5  # distance between two circles
FEW_LINKS = 60  # with up to so many links, circles are moved off the links of others

Point = tuple[float, float]


class Cell(NamedTuple):
    """A square of the tree as one body; a leaf has no width and no parts."""

    mass: float
    x: float
    y: float
    width: float
    parts: tuple = ()


class Box(NamedTuple):
    """A rectangle that a label covers."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether they overlap."""
        return (self.left < other.right and other.left < self.right
                and self.top < other.bottom and other.top < self.bottom)

    def meets_circle(self, x: float, y: float, radius: float) -> bool:
        """Whether it overlaps a circle around (x, y)."""
        near_x = min(max(x, self.left), self.right)
        near_y = min(max(y, self.top), self.bottom)
        return math.hypot(x - near_x, y - near_y) < radius


def spiral(degrees: list[int]) -> list[Point]:
    """A start: a sunflower's spiral in the unit disc, by falling degree from the centre (H. Vogel,
    "A better way to construct the sunflower head", Mathematical Biosciences 44 (1979))."""
    places = [(0.0, 0.0)] * len(degrees)
    for turn, node in enumerate(sorted(range(len(degrees)), key=lambda n: (-degrees[n], n))):
        radius = math.sqrt((turn + 0.5) / len(degrees))
        places[node] = (radius * math.cos(turn * GOLDEN_ANGLE),
                        radius * math.sin(turn * GOLDEN_ANGLE))
    return places


def place(degrees: list[int], links: list[tuple[int, int]]) -> list[Point]:
    """Places of all nodes in the unit disc."""
    places = spiral(degrees)
    if len(places) < 2:
        return [(0.0, 0.0) for _ in places]
    mean = max(1.0, sum(degrees) / len(degrees))
    masses = [0.5 + 0.5 * degree / mean for degree in degrees]
    steps = max(20, min(STEPS, STEPS * 600 // len(places)))
    for step in range(steps):
        reach = 0.15 * (1 - step / steps) ** 1.5 + 0.002
        places = [_moved(spot, force, reach)
                  for spot, force in zip(places, _forces(places, masses, links, mean))]
    return _fill_disc(places)


def _forces(places: list[Point], masses: list[float], links: list[tuple[int, int]],
            mean: float) -> list[list[float]]:
    """The sum of push, pull of the links and pull of the centre, for every node."""
    area = 1.0 / len(places)  # of one node
    tree = tree_of([(mass, x, y) for mass, (x, y) in zip(masses, places)])
    forces = []
    for mass, (x, y) in zip(masses, places):
        push_x, push_y = push(tree, x, y)
        forces.append([mass * (area * push_x - 0.4 * x), mass * (area * push_y - 0.4 * y)])
    for one, other in links:
        dx, dy = places[other][0] - places[one][0], places[other][1] - places[one][1]
        pull = 2.0 * math.hypot(dx, dy) / mean
        forces[one][0] += pull * dx
        forces[one][1] += pull * dy
        forces[other][0] -= pull * dx
        forces[other][1] -= pull * dy
    return forces


def _moved(spot: Point, force: list[float], reach: float) -> Point:
    """One step along a force, no longer than `reach`."""
    length = math.hypot(*force)
    scale = min(0.3, reach / length) if length else 0.0
    return spot[0] + force[0] * scale, spot[1] + force[1] * scale


def tree_of(bodies: list[tuple[float, float, float]]) -> Cell:
    """The Barnes-Hut tree of (mass, x, y) bodies."""
    xs, ys = [body[1] for body in bodies], [body[2] for body in bodies]
    width = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    return _cell(bodies, min(xs) + width / 2, min(ys) + width / 2, width, DEEPEST)


def _cell(bodies: list, x: float, y: float, width: float, depth: int) -> Cell:
    """The cell of these bodies around (x, y)."""
    mass = sum(body[0] for body in bodies)
    centre_x = sum(body[0] * body[1] for body in bodies) / mass
    centre_y = sum(body[0] * body[2] for body in bodies) / mass
    if len(bodies) == 1 or not depth:
        return Cell(mass, centre_x, centre_y, 0.0)
    quarters: tuple[list, ...] = ([], [], [], [])
    for body in bodies:
        quarters[(body[1] > x) + 2 * (body[2] > y)].append(body)
    half = width / 2
    parts = tuple(_cell(part, x + (half if at % 2 else -half) / 2,
                        y + (half if at > 1 else -half) / 2, half, depth - 1)
                  for at, part in enumerate(quarters) if part)
    return Cell(mass, centre_x, centre_y, width, parts)


def push(tree: Cell, x: float, y: float) -> Point:
    """The push of all bodies of the tree on a node at (x, y): mass / distance each."""
    push_x = push_y = 0.0
    todo = [tree]
    while todo:
        mass, centre_x, centre_y, width, parts = todo.pop()
        dx, dy = x - centre_x, y - centre_y
        square = dx * dx + dy * dy
        if parts and (width * OPENING) ** 2 > square:
            todo += parts
        else:
            share = mass / (square + 1e-6)  # not infinite at the body itself, where dx = dy = 0
            push_x += dx * share
            push_y += dy * share
    return push_x, push_y


def _fill_disc(places: list[Point]) -> list[Point]:
    """Stretch the places so that they fill the unit disc more evenly: each node moves halfway to
    the distance from the centre that it would have in a disc filled evenly."""
    centred = _centred(places)
    order = sorted(range(len(places)), key=lambda n: (math.hypot(*centred[n]), n))
    farthest = math.hypot(*centred[order[-1]]) or 1.0
    result = list(centred)
    for rank, node in enumerate(order):
        distance = math.hypot(*centred[node])
        even = math.sqrt((rank + 0.5) / (len(order) - 0.5))
        scale = (distance / farthest + even) / 2 / (distance or 1.0)
        result[node] = (centred[node][0] * scale, centred[node][1] * scale)
    return result


def _centred(places: list[Point]) -> list[Point]:
    """Move the centre of the smallest circle around all places to (0, 0), and turn the places so
    that they are wider than high. The centre is found by ever shorter steps towards the farthest
    place (M. Badoiu, K. L. Clarkson, "Smaller core-sets for balls", SODA 2003)."""
    x, y = places[0]
    for step in range(2, 300):
        far = max(places, key=lambda spot: (spot[0] - x) ** 2 + (spot[1] - y) ** 2)
        x, y = x + (far[0] - x) / step, y + (far[1] - y) / step
    moved = [complex(spot[0] - x, spot[1] - y) for spot in places]
    spread = sum(spot ** 2 for spot in moved)
    turn = cmath.rect(1, -cmath.phase(spread) / 2)
    return [((spot * turn).real, (spot * turn).imag) for spot in moved]


def separate(places: list[Point], radii: list[float], bound: float,
             links: list[tuple[int, int]]) -> list[Point]:
    """Move circles apart until none overlap, or nearly so, inside a disc of radius `bound`. If
    links are few, circles also move off the links of others that pass under them."""
    spots = [list(spot) for spot in places]
    for _ in range(PASSES):
        moved = False
        if len(links) <= FEW_LINKS:
            moved |= _clear_links(spots, radii, links)
        for one, other in _near(spots, 2 * max(radii, default=0) + GAP):
            moved |= _push_apart(spots[one], spots[other], radii[one], radii[other], one + other)
        for spot, radius in zip(spots, radii):
            distance = math.hypot(*spot)
            if distance + radius > bound:
                spot[:] = [value * (bound - radius) / distance for value in spot]
        if not moved:
            break
    return [(x, y) for x, y in spots]


def _clear_links(spots: list[list[float]], radii: list[float],
                 links: list[tuple[int, int]]) -> bool:
    """Move all circles off the links of others; returns whether any moved."""
    moved = False
    for one, other in links:
        for node, radius in enumerate(radii):
            if node not in (one, other):
                moved |= _step_aside(spots[node], spots[one], spots[other], radius)
    return moved


def _step_aside(spot: list[float], start: list[float], end: list[float], radius: float) -> bool:
    """Move a circle half of the way off the line between two others; returns whether it lay
    on that line."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = math.hypot(along_x, along_y)
    if not length:
        return False
    along_x, along_y = along_x / length, along_y / length
    dx, dy = spot[0] - start[0], spot[1] - start[1]
    beside = dx * along_y - dy * along_x
    lacking = radius + 3 * GAP - abs(beside)
    if lacking <= 0 or not 0 < dx * along_x + dy * along_y < length:
        return False
    way = math.copysign(lacking / 2, beside)
    spot[0] += along_y * way
    spot[1] -= along_x * way
    return True


def _near(spots: list[list[float]], reach: float) -> list[tuple[int, int]]:
    """All pairs that may be nearer than `reach`: pairs in the same square of a grid of that width,
    or in adjacent squares."""
    grid: dict[tuple[int, int], list[int]] = {}
    for node, (x, y) in enumerate(spots):
        grid.setdefault((int(x // reach), int(y // reach)), []).append(node)
    return [(node, other) for (column, row), nodes in grid.items() for node in nodes
            for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            for other in grid.get((column + dx, row + dy), ()) if node < other]


def _push_apart(one: list[float], other: list[float], radius: float, other_radius: float,
          turn: int) -> bool:
    """Move two circles apart, the smaller one farther; returns whether they were too close."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    distance = math.hypot(dx, dy)
    lacking = radius + other_radius + GAP - distance
    if lacking <= 0:
        return False
    if distance < 1e-9:  # any direction will do, as long as it is always the same
        dx, dy, distance = math.cos(turn), math.sin(turn), 1.0
    share = other_radius ** 2 / (radius ** 2 + other_radius ** 2)
    for spot, part in ((one, -share), (other, 1 - share)):
        spot[0] += dx / distance * lacking * part
        spot[1] += dy / distance * lacking * part
    return True
