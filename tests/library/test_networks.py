"""Networks for tests: `gossip.network`, and seeds in this process."""

import json
import threading
import time

import pytest

import gossip
from tests.tools.ports import free_port
from tests.tools.waiting import wait_until


def test_eight_peers_hear_one_another_also_after_two_are_killed():
    before = set(threading.enumerate())
    with gossip.network(8) as net:
        net[0].say("x")
        assert {peer.next(timeout=30).text for peer in net if peer is not net[0]} == {"x"}
        for number in (2, 5):
            net.kill(number)
        living = [peer for number, peer in enumerate(net) if number not in (2, 5)]
        dead = {net[2].address, net[5].address}
        wait_until(lambda: not any(dead & set(peer.neighbours) for peer in living))
        living[-1].say("y")
        assert {peer.next(timeout=30).text for peer in living[:-1]} == {"y"}
        wait_until(lambda: all(status["registered"] <= 6 for status in net.seeds.status()))
        assert len(net) == 8
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_killed_peer_is_found_dead_by_its_neighbours():
    with gossip.network(2, liveness_misses=1) as net:
        dead = []
        with gossip.join(seeds=net.seeds, liveness_interval=0.2,
                         on_death=dead.append) as peer:
            wait_until(lambda: net[0].address in peer.neighbours)
            net.kill(0)
            wait_until(lambda: dead == [net[0].address])


def test_a_signed_network_forms_and_delivers():
    with gossip.network(4, seeds=1, sign=True) as net:
        said = net[1].say_bytes(b"\0\1\2")
        assert [net[number].next(30).data for number in (0, 2, 3)] == [b"\0\1\2"] * 3
        assert said.data == b"\0\1\2"


def test_a_seed_whose_port_is_in_use_leaves_none_running():
    first, second = sorted(f"127.0.0.1:{free_port()}" for _ in range(2))
    with gossip.seeds([second]):
        with pytest.raises(gossip.PortInUse):
            gossip.seeds([first, second])
        with gossip.seeds([first]) as again:
            status, = json.loads(json.dumps(again.status()))
            assert again.addresses == [status["address"]] == [first] and status["registered"] == 0


def test_an_empty_timeout_is_a_look():
    with gossip.network(2) as net:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            net[0].next(timeout=0)
        assert time.monotonic() - began < 30
