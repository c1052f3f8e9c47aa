"""The layout: where the nodes of a graph stand."""

import random

import pytest

from gossip.lab.pictures import network
from tests.tools.pictures import power_law_links


@pytest.mark.slow
def test_a_large_layout_keeps_its_hubs_inside():
    links = power_law_links(500, 2500)
    degrees = [0] * 500
    for pair in links:
        for node in pair:
            degrees[node] += 1
    places = network.place(degrees, links)
    away = [abs(place) for place in places]
    order = sorted(range(500), key=lambda node: degrees[node])
    assert len(set(places)) == 500 and max(away) <= 1.001
    assert sum(away[node] for node in order[-50:]) < 0.6 * sum(away[node] for node in order[:50])


def test_circles_on_one_spot_are_moved_apart():
    spots = network.separate([0j] * 5, [3.0] * 5, 50, [])
    assert all(abs(a - b) > 6 for a in spots for b in spots if a is not b)


def test_circles_stand_off_a_link_that_is_not_theirs():
    one, other, third = network.separate([-50 + 0j, 50 + 0j, 1j], [5.0] * 3, 80, [(0, 1)])
    assert abs(((third - one) / (other - one)).imag) * abs(other - one) > 5


def test_crowded_circles_are_moved_apart_inside_their_bound():
    chance = random.Random(5)
    radii = [chance.uniform(2, 12) for _ in range(80)]
    spots = [complex(chance.uniform(-30, 30), chance.uniform(-30, 30)) for _ in radii]
    spots = network.separate(spots, radii, 150, [])
    for at, spot in enumerate(spots):
        assert abs(spot) + radii[at] < 151
        for other in range(at):
            assert abs(spot - spots[other]) > radii[at] + radii[other] - 0.5


def test_the_layout_starts_with_the_hubs_inside():
    places = network.spiral([1, 9, 3, 3, 5])
    assert sorted(range(5), key=lambda node: abs(places[node])) == [1, 4, 2, 3, 0]
