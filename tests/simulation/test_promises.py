"""What a whole network promises, in virtual time: rest, degrees that follow capacities, ways of
spreading side by side, signed gossip without a seed, and that nobody who lives is called dead."""

import pytest

from grapevine.addresses import address_of
from grapevine.lab.proof.graph import PowerLaw
from grapevine.lab.proof.records import Records
from grapevine.lab.simulation.accidents import seed_addresses
from grapevine.lab.simulation.drawing import peer_addresses
from grapevine.lab.simulation.lives import Lives
from grapevine.settings import WAYS, Settings
from grapevine.worlds.virtual import Cables
from tests.tools.folders import files_of, write_files

QUICK = Settings(gossip_count=0, liveness_interval=2.0, antientropy_interval=2.0,
                 capacity="fixed:4")


def test_degrees_follow_the_power_law_that_capacities_are_drawn_from(tmp_path):
    starts = " ".join(map(str, peer_addresses(100)))
    files = files_of("schedule 1 capacity=powerlaw:2.5 liveness-interval=5 antientropy-interval=0 "
                     f"unrest=60\n0.000 start 127.0.0.1:4000\n1.000 start {starts}", until=60.0)
    law = PowerLaw(Records(write_files(files, tmp_path)).refresh().peers)
    assert len(law.degrees) == 100
    assert abs(law.fitted.exponent - law.predicted.exponent) < 2 * law.predicted.error


@pytest.mark.parametrize("capacity", ["fixed:10", "fixed:4", "rule"])
def test_a_network_on_several_ips_comes_to_rest(capacity):
    """Later on links come and go no more, and nobody says more than liveness and digests need."""
    lives = Lives(1, seed_addresses(1), QUICK._replace(capacity=capacity), Cables())
    peers = [address_of(f"127.0.0.{2 + number % 3}", 5000 + number) for number in range(15)]
    links = []
    lives.hear = lambda address, event: (
        links.append(event) if event.startswith(("connected:", "disconnected:")) else None)
    for address in [*lives.seeds, *peers]:
        lives.start(address)
    lives.net.run(60.0)
    links.clear()
    lives.net.run(120.0)
    assert links == [] and len(lives.pieces()) == 1
    if capacity == "fixed:10":
        neighbours = {peer: node.neighbours.linked() for peer, node in lives.peers().items()}
        on_own_ip = sum(other.ip == peer.ip for peer in peers for other in neighbours[peer])
        assert min(map(len, neighbours.values())) >= 6
        assert on_own_ip < sum(map(len, neighbours.values())) / 2


@pytest.mark.parametrize("antientropy", [0.0, 2.0])
def test_peers_that_spread_in_different_ways_are_one_network(antientropy):
    lives = Lives(1, seed_addresses(1), QUICK, Cables())
    lives.start(lives.seeds[0])
    for number, address in enumerate(peer_addresses(12)):
        lives.settings = QUICK._replace(spread=WAYS[number % len(WAYS)], rumor_stop=1e-9,
                                        antientropy_interval=antientropy)
        lives.start(address)
    lives.net.run(20.0)
    for address in peer_addresses(12):
        lives.say_all(address, 10)
    lives.net.run(50.0)
    assert [peer.messages.count() for peer in lives.peers().values()] == [120] * 12


def test_peers_that_sign_hear_one_another_when_all_seeds_are_dead():
    lives = Lives(1, seed_addresses(3), QUICK._replace(sign=True), Cables())
    for address in [*lives.seeds, *peer_addresses(6)]:
        lives.start(address)
    lives.net.run(20.0)
    for seed in lives.seeds:
        lives.kill(seed)
    lives.net.run(30.0)
    lives.say(peer_addresses(6)[0], "without seeds")
    lives.net.run(60.0)
    assert [peer.messages.count() for peer in lives.peers().values()] == [1] * 6


@pytest.mark.parametrize("lag", [1.0, 4.0])
def test_where_everything_is_late_nobody_who_lives_is_called_dead_and_nothing_is_lost(lag):
    starts = " ".join(map(str, peer_addresses(6)))
    files = files_of(f"""schedule 1 seeds=3 capacity=fixed:3 gossip-count=5 lag={lag}
0.000 start 127.0.0.1:4000 127.0.0.1:4001 127.0.0.1:4002
1.000 start {starts}
60.000 kill 127.0.0.1:5005""", until=150.0)
    events = [event for lines in files.values() for _, event in lines]
    blamed = {event.split(":")[2] for event in events if event.startswith(("dead:", "removed:"))}
    assert blamed <= {"5005"} and ("5005" in blamed or lag > 1)
    assert sum(event.startswith("received:") for event in events) == 6 * 5 * 5
    assert sum(event.startswith("late:") for event in events) > 100
