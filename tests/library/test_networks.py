"""Networks for tests: `grapevine.network`, and seeds in this process."""

import json

import pytest

import grapevine
from tests.library.tools import free_address
from tests.tools.programs import wait_until


def test_eight_peers_hear_one_another_also_after_two_are_killed():
    with grapevine.network(8) as net:
        net[0].say("x")
        assert {peer.next(timeout=30).text for peer in net[1:]} == {"x"}
        for number in (2, 5):
            net.kill(number)
        living = [peer for number, peer in enumerate(net) if number not in (2, 5)]
        dead = {net[2].address, net[5].address}
        wait_until(lambda: not any(dead & set(peer.neighbours) for peer in living))
        living[-1].say("y")
        assert {peer.next(timeout=30).text for peer in living[:-1]} == {"y"}
        wait_until(lambda: all(status["registered"] <= 6 for status in net.seeds.status()))
        assert len(net) == 8


@pytest.mark.parametrize("settings", [{"sign": True}, {"monitor": True}, {"spread": "tree"},
                                      {"spread": "rumor"}])
def test_a_network_with_settings_forms_and_delivers(settings):
    with grapevine.network(4, seeds=1, **settings) as net:
        said = net[1].say_bytes(b"\0\1\2")
        assert [net[number].next(30).data for number in (0, 2, 3)] == [b"\0\1\2"] * 3
        assert said.data == b"\0\1\2"
        assert all(peer.caught_up(30) for peer in net)


@pytest.mark.parametrize("named, why", [
    ({"seeds": 0}, "seeds is how many to start, not 0"),
    ({"peers": "3"}, "peers is how many to start, not '3'"), ({"host": 5}, "'5' does not appear")])
def test_a_network_with_a_wrong_argument_is_refused(named, why):
    with pytest.raises(ValueError, match=why):
        grapevine.network(**named)


def test_a_newcomer_has_not_caught_up_while_it_asks_whose_runs_these_are():
    with grapevine.network(3, seeds=3, sign=True) as net:
        for peer in net:
            peer.say("x")
        assert all(peer.caught_up(30) and peer.next(30) and peer.next(30) for peer in net)
        for _ in range(5):
            with grapevine.join(seeds=net.seeds, sign=True) as late:
                assert late.caught_up(30) and late.status()["messages held"] == 3


def test_a_seed_whose_port_is_in_use_leaves_none_running():
    first, second = sorted(free_address() for _ in range(2))
    with grapevine.seeds([second]):
        with pytest.raises(grapevine.PortInUse):
            grapevine.seeds([first, second])
        with grapevine.seeds([first]) as again:
            status, = json.loads(json.dumps(again.status()))
            assert again.addresses == [status["address"]] == [first] and status["registered"] == 0
