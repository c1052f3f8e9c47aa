"""How a peer leaves: it says so, all read what it has said, and nobody keeps it for long."""

import pytest

from grapevine.peer import Peer
from tests.tools.virtual import (
    A, B, NODE, Cables, End, Scene, gossip, neighbour, seed_of, with_seed)

SEED = "127.0.0.1:8001"
LEAVE = f"leave:{NODE}"


def company(**settings) -> tuple[Scene, list[End]]:
    """Return a scene with two neighbours and a seed, and their ends."""
    scene, seed = with_seed(Peer, **settings)
    ends = [neighbour(scene, peer) for peer in (A, B)]
    return scene, [*ends, seed.ends[0]]


def test_a_leaver_says_so_to_neighbours_and_seeds_and_stops_when_all_have_hung_up():
    scene, ends = company()
    scene.node.leave()
    for end in ends:
        assert end.hear_until("leave") == LEAVE
    assert scene.event("leaving:") == f"leaving:{NODE}"
    for end in ends[1:]:
        end.hang_up()
    scene.run(1.0)
    assert scene.events("stopped:") == []
    assert scene.event("disconnected:") == f"disconnected:{B}:left:there"
    ends[0].hang_up()
    assert scene.event("stopped:", 0.1) == "stopped:quit"
    assert scene.events()[-1] == "stopped:quit"


def test_a_seed_hears_the_goodbye_too_whose_answer_has_not_come_yet():
    scene = Scene(Peer, seeds=[SEED])
    seed = scene.machine(SEED)
    scene.run(0.1)
    assert seed.ends[0].hear() == f"register:{NODE}"
    scene.node.leave()
    assert seed.ends[0].hear() == LEAVE


def test_a_neighbour_that_does_not_hang_up_costs_a_leaver_three_seconds():
    scene, ends = company(antientropy_interval=0.5)
    scene.node.leave()
    assert ends[0].hear_all(2.9)[-1] == ends[1].hear_all(0.0)[-1] == LEAVE
    assert scene.events("stopped:") == []
    assert scene.event("stopped:", 0.2) == "stopped:quit"
    assert all(end.ends_within(0.1) for end in ends)
    assert scene.events("not read:") == []


def test_a_neighbour_that_reads_on_slowly_is_waited_for_but_not_for_ever():
    scene, ends = company()
    scene.node.originate(["x" * 60_000] * 100)
    ends[0].stop_reading()
    scene.node.leave()
    for second in range(14):
        scene.run(1.0)
        assert scene.events("stopped:") == []
        ends[0].read_on()
        ends[0].stop_reading()
    assert scene.event("stopped:", 1.2) == "stopped:quit"
    assert scene.events("not read:")


def test_neighbours_of_a_leaver_that_stood_still_have_time_to_read_on():
    scene, ends = company()
    for end in ends:
        end.stop_reading()
    scene.node.originate(["x" * 60_000] * 100)
    scene.node.leave()
    scene.run(0.5)
    scene.freeze(20.0)
    scene.run(0.5)
    assert scene.events("leaving:") and not scene.events("stopped:")
    for end in ends:
        end.read_on()
        end.hear_until(LEAVE)
        end.hang_up()
    assert scene.event("stopped:", 0.1) and not scene.events("not read:")


def test_a_neighbour_that_still_says_something_has_not_read_the_goodbye_yet():
    scene, ends = company(liveness_interval=5.0)
    scene.node.leave()
    for second in range(7):
        ends[0].say("status:digest:" + "0" * 32)
        scene.run(2.0)
        assert scene.events("stopped:") == []
    assert scene.event("stopped:", 1.2) == "stopped:quit"
    assert scene.events("alive:") == [], "who leaves has no more rounds"


def test_a_leaver_stays_until_somebody_has_fetched_all_that_it_said_while_alone():
    scene, _ = with_seed(Peer, A, antientropy_interval=10.0)
    scene.node.originate([f"{number} {'x' * 1_000}" for number in range(400)])
    scene.node.leave()
    end = scene.machine(A).accept()
    end.say(f"connection accepted:{A}", "status:digest:" + "0" * 32)
    run = end.hear_until("status:seen:").removeprefix("status:seen:").partition("=")[0]
    for first in (1, 251):
        assert LEAVE not in end.hear_all(1.0)
        end.say(f"status:want:127.0.0.1:6009:1=1-9 {run}={first}-400")
    assert end.hear_all(0.1)[-2:] == ["status:sent", LEAVE]
    assert end.lines == [] and scene.now < 2.5


def test_what_was_said_to_one_that_leaves_waits_for_somebody_else():
    scene = Scene(Peer)
    end = neighbour(scene, A)
    scene.node.originate(["bye"])
    scene.node.leave()
    end.say(f"leave:{A}")
    scene.run(0.5)
    assert not scene.node.is_leaving
    other = neighbour(scene, B)
    other.say(f"status:want:{scene.node.run}=1")
    assert other.hear_until("gmessage").endswith(":1:bye") and other.hear_until("leave") == LEAVE


def test_what_was_said_while_alone_is_not_lost_when_the_leaver_stands_still():
    scene = Scene(Peer)
    scene.node.originate(["last words"])
    scene.node.leave()
    scene.freeze(20.0)
    end = neighbour(scene, A)
    end.say(f"status:want:{scene.node.run}=1")
    assert end.hear_until("gmessage").endswith(":1:last words") and end.hear_until(LEAVE)


@pytest.mark.parametrize("neighbours, seconds", [(0, 35.0), (2, 50.0)])
def test_who_is_late_all_the_time_leaves_nevertheless(neighbours, seconds):
    scene = Scene(Peer)
    for port in range(6001, 6001 + neighbours):
        neighbour(scene, f"127.0.0.1:{port}").stop_reading()
    scene.node.originate(["x" * 60_000] * 100)
    scene.node.leave()
    until = scene.now + seconds
    while not scene.events("stopped:"):
        assert scene.now < until
        scene.freeze(0.7)
        scene.run(0.1)


def test_who_says_something_all_the_time_leaves_nevertheless():
    scene = Scene(Peer, gossip_count=10_000, gossip_interval=0.01)
    end = neighbour(scene, A)
    scene.run(1.0)
    scene.node.leave()
    assert LEAVE not in end.hear_all(2.0)
    assert end.hear_until("leave", 1.1) == LEAVE


def test_a_leaver_takes_and_makes_no_new_links_and_messages():
    scene, ends = company(gossip_count=10, gossip_interval=0.5)
    machine = scene.machine("127.0.0.1:6003", is_alive=False)
    waiting = machine.ask_to_link()
    machine.accept()
    scene.node.leave()
    assert waiting.ends_within(0.1)
    late = machine.ask_to_link()
    assert late.ends_within(0.1) and late.hear() is None
    ends[0].say(gossip(A, 1))
    ends[1].break_off()
    scene.run(2.0)
    assert scene.events("received:") == [f"received:{A}:{gossip(A, 1)}"]
    assert scene.events("generated:") == []
    assert len(ends[1].machine.ends) == 1  # its probe; it is not dialled again


@pytest.mark.parametrize("seconds, dialled", [(0.1, SEED), (2.0, A)])
def test_a_leaver_says_nothing_to_whom_its_dial_has_not_reached_yet(seconds, dialled):
    scene = Scene(Peer, seeds=[SEED], cables=Cables(latency=(0.3, 0.3)))
    machines = {SEED: seed_of(scene, SEED, "127.0.0.1#6001"), A: scene.machine(A)}
    scene.run(seconds)
    assert scene.node.links and machines[dialled].said == []
    scene.node.leave()
    scene.run(3.0)
    assert machines[dialled].said == []


def test_a_peer_that_is_being_dialled_and_has_accepted_hears_a_leavers_goodbye():
    scene, seed = with_seed(Peer, A)
    end = scene.machine(A).accept()
    scene.node.leave()
    seed.ends[0].hang_up()
    scene.run(2.0)
    end.say(f"connection accepted:{A}", gossip(A, 1))  # which breaks no rule
    assert end.hear_until("leave", 0.1) == LEAVE and end.ends_within(0.1)
    assert scene.event("stopped:", 0.1) == "stopped:quit"
    for kind in "connected:", "refused:", "received:":
        assert scene.events(kind) == []


@pytest.mark.parametrize("reason", ["killed", "failed"])
def test_a_node_that_stops_writes_its_last_word_and_ends_all_links_without_a_goodbye(reason):
    scene, ends = company()
    scene.node.stop(reason)
    scene.node.stop("again")
    assert all(end.ends_within(0.1) for end in ends)
    scene.node.output.write("something later")
    assert scene.events()[-1] == f"stopped:{reason}", "nothing follows the last word"
    assert LEAVE not in ends[0].machine.said
