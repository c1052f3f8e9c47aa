"""The layout: where the nodes of a graph stand."""

import math
import random

import pytest

from gossip.lab.pictures import layout
from tests.tools.pictures import power_law_links


def test_the_tree_pushes_like_all_bodies_one_by_one():
    chance = random.Random(4)
    bodies = [(chance.uniform(0.5, 3), chance.random(), chance.random()) for _ in range(200)]
    tree = layout.tree_of(bodies)
    assert tree.mass == pytest.approx(sum(body[0] for body in bodies))
    for _, x, y in bodies[::10]:
        shares = [((x - u), (y - v), mass / ((x - u) ** 2 + (y - v) ** 2 + 1e-6))
                  for mass, u, v in bodies]
        exact = [sum(s[axis] * s[2] for s in shares) for axis in (0, 1)]
        assert math.dist(layout.push(tree, x, y), exact) < 0.15 * math.hypot(*exact) + 20


def test_a_large_layout_keeps_its_hubs_inside():
    links = power_law_links(500, 2500)
    degrees = [0] * 500
    for pair in links:
        for node in pair:
            degrees[node] += 1
    places = layout.place(degrees, links)
    away = [math.hypot(*place) for place in places]
    order = sorted(range(500), key=lambda node: degrees[node])
    assert len(set(places)) == 500 and max(away) <= 1.001
    assert sum(away[node] for node in order[-50:]) < 0.6 * sum(away[node] for node in order[:50])


def test_bodies_on_one_spot_do_not_make_an_endless_tree():
    assert layout.tree_of([(1, 0.5, 0.5)] * 50 + [(1, 0.1, 0.1)]).mass == 51
    spots = layout.separate([(0.0, 0.0)] * 5, [3.0] * 5, 50, [])
    assert all(math.dist(a, b) > 6 for a in spots for b in spots if a is not b)


def test_circles_stand_off_a_link_that_is_not_theirs():
    places = layout.separate([(-50.0, 0.0), (50.0, 0.0), (0.0, 1.0)], [5.0] * 3, 80, [(0, 1)])
    slope = math.atan2(places[1][1] - places[0][1], places[1][0] - places[0][0])
    dx, dy = places[2][0] - places[0][0], places[2][1] - places[0][1]
    assert abs(dy * math.cos(slope) - dx * math.sin(slope)) > 5


def test_crowded_circles_are_moved_apart_inside_their_bound():
    chance = random.Random(5)
    radii = [chance.uniform(2, 12) for _ in range(80)]
    spots = [(chance.uniform(-30, 30), chance.uniform(-30, 30)) for _ in radii]
    spots = layout.separate(spots, radii, 150, [])
    for at, spot in enumerate(spots):
        assert math.hypot(*spot) + radii[at] < 151
        for other in range(at):
            assert math.dist(spot, spots[other]) > radii[at] + radii[other] - 0.5


def test_the_layout_starts_with_the_hubs_inside():
    places = layout.spiral([1, 9, 3, 3, 5])
    order = sorted(range(5), key=lambda node: math.hypot(*places[node]))
    assert order == [1, 4, 2, 3, 0]
