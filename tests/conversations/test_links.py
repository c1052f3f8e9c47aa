"""Links that a peer dials, gives up, loses; one link for each pair."""

import pytest

from grapevine.peer import Peer
from tests.tools.virtual import (
    A, B, NODE, TIME, End, Machine, Scene, gossip, listed, neighbour, with_seed)


def listing(*peers: str, **settings) -> Scene:
    """Return a scene in which a seed names these peers."""
    scene, seed = with_seed(Peer, *peers, **settings)
    scene.seed = seed
    return scene


def dialled(machine: Machine, seconds: float = 1.0) -> End:
    """Return the end of the node's next dial."""
    end = machine.accept(seconds)
    assert end.hear() == f"Connection with Peer:{machine.scene.address}"
    return end


def linked(machine: Machine) -> End:
    """Return the end of the node's next dial, which was accepted."""
    end = dialled(machine)
    end.say(f"connection accepted:{machine.address}")
    machine.scene.event(f"connected:{machine.address}")
    return end


def accepting(scene: Scene, peer: str) -> Machine:
    """Return a machine that accepts the node's dials by itself."""
    machine = scene.machine(peer)
    machine.replies[f"Connection with Peer:{scene.address}"] = f"connection accepted:{peer}"
    return machine


def is_standing(end: End) -> bool:
    """Tell whether the node takes an end's gossip."""
    scene, number = end.scene, len(end.scene.events("received:")) + 1
    end.say(gossip(str(end.machine.address), number))
    return scene.pass_until(lambda: len(scene.events("received:")) == number, 0.1)


# Dialling.

def test_a_dialled_peer_that_talks_and_talks_instead_of_an_answer_is_cut_off():
    scene = listing(A)
    end = dialled(scene.machine(A))
    end.say(*[f"Liveness Request:{TIME}:{A}"] * 300)
    assert end.ends_within(0.1) and scene.event("refused:127.0.0.1:6001:more than 100 lines")


@pytest.mark.parametrize("name, event", [(NODE, f"connected:{A}"),
                                         (B, f"refused:{A}:{B} answered instead")])
def test_who_accepts_may_name_itself_or_the_one_that_it_accepts(name, event):
    scene = listing(A)
    dialled(scene.machine(A)).say(f"connection accepted:{name}")
    assert scene.event(event)


@pytest.mark.parametrize("reason", ["full", "duplicate", "flood"])
def test_a_peer_that_refuses_is_left_alone_for_ten_rounds_but_for_the_ring(reason):
    scene = listing("127.0.0.1:4001", "127.0.0.1:4002", A, liveness_interval=10.0)
    successor, other = scene.machine(A), scene.machine("127.0.0.1:4001")
    for machine in (successor, other):
        machine.replies[f"Connection with Peer:{NODE}"] = (
            f"connection refused:{machine.address}:{reason}")
    scene.run(95.0)
    assert len(other.ends) == 1
    assert len(successor.ends) > 8
    assert all(end.closed for end in successor.ends + other.ends)


@pytest.mark.parametrize("reason, lists", [("full", 1), ("duplicate", 0)])
def test_a_peer_that_is_refused_as_full_asks_for_lists_soon(reason, lists):
    scene = listing(A)
    end = scene.machine(A).accept()
    scene.run(4.0)
    scene.seed.said.clear()
    end.say(f"connection refused:{A}:{reason}")
    scene.run(0.4)
    assert scene.seed.said.count("peer list") == lists


def test_neighbours_that_no_seed_has_named_take_no_place_of_those_that_it_names():
    scene = listing(capacity="fixed:3")  # one is drawn, two are for the ring
    for port in (7001, 7002, 7003):
        neighbour(scene, f"127.0.0.1:{port}")
    accepting(scene, A)
    drawn = scene.machine("127.0.0.1:4001")
    scene.seed.ends[0].say(f"peer list:{listed('127.0.0.1:4001', '127.0.0.1:4002', A)}")
    assert dialled(drawn, 5.0)


def test_a_second_dial_is_not_made_while_one_waits():
    scene = Scene(Peer, liveness_interval=1.4)
    end = neighbour(scene)
    end.break_off()
    dialled(end.machine)
    scene.run(4.0)
    assert len(end.machine.ends) == 2  # one for the probe, one for the dial


# One link for each pair.

def test_of_two_dials_that_meet_the_one_of_the_lower_address_stays():
    scene = listing(A)
    machine = scene.machine(A)
    own = dialled(machine)
    theirs = machine.ask_to_link()
    assert theirs.hear() == f"connection refused:{NODE}:duplicate"
    own.say(f"connection accepted:{A}")
    assert scene.event("connected:") and is_standing(own)


def test_a_peer_with_the_higher_address_takes_the_dial_of_the_lower_one():
    lower = "127.0.0.1:4001"
    scene = listing(lower, "127.0.0.1:4002", A)
    accepting(scene, A)
    machine = scene.machine(lower)
    own = dialled(machine)
    theirs = machine.ask_to_link()
    assert theirs.hear() == f"connection accepted:{NODE}"
    own.say(f"connection refused:{lower}:duplicate:here")
    assert own.ends_within(0.1)
    assert is_standing(theirs)
    assert scene.events("disconnected:") == []
    theirs.say(f"leave:{lower}")
    assert dialled(machine, 20.0)  # it was not full


def test_a_stranger_that_has_linked_in_the_name_of_a_peer_gives_way_to_that_peer():
    scene = Scene(Peer)
    machine = scene.machine(A)
    strangers = machine.ask_to_link()
    assert strangers.hear() == f"connection accepted:{NODE}"
    assert machine.ask_to_link().hear() == f"connection refused:{NODE}:duplicate"
    own = dialled(machine)
    assert is_standing(strangers)
    own.say(f"connection accepted:{A}")
    assert scene.event("disconnected:") == f"disconnected:{A}:duplicate:here"
    assert strangers.ends_within(0.1) and is_standing(own)
    assert machine.ask_to_link().hear() == f"connection refused:{NODE}:duplicate"
    scene.run(0.1)
    assert is_standing(own) and len(machine.ends) == 2  # one for the probe, one for the dial


def test_a_peer_that_knows_its_link_keeps_it_whoever_connects_in_its_name():
    """It is dialled once in five seconds: two peers, to each of which a stranger has linked in the
    name of the other, would dial each other for ever, as fast as they can."""
    scene = Scene(Peer)
    end = neighbour(scene)
    machine = end.machine
    machine.replies[f"Connection with Peer:{NODE}"] = f"connection refused:{A}:duplicate"
    for _ in range(5):
        assert machine.ask_to_link().hear() == f"connection refused:{NODE}:duplicate"
        scene.run(0.5)
    assert len(machine.ends) == 2 and is_standing(end)


# Ends of links.

def test_a_neighbour_whose_link_broke_is_dialled_at_once_but_only_once_a_round():
    scene = Scene(Peer)
    end = neighbour(scene)
    end.break_off()
    assert scene.event("disconnected:") == f"disconnected:{A}:Connection reset by peer:broken"
    again = dialled(end.machine)
    again.say(f"connection accepted:{A}")
    assert scene.event("connected:")
    again.break_off()
    scene.run(0.1)
    assert len(end.machine.ends) == 2  # one for the probe, one for the dial
    end.machine.accept(13.0)


def test_a_neighbour_that_refuses_after_its_link_broke_misses_no_round():
    scene = Scene(Peer, liveness_interval=1.0)
    end = neighbour(scene)
    end.break_off()
    dialled(end.machine).say(f"connection refused:{A}:full")
    scene.run(8.0)
    assert scene.events("liveness missed:") == scene.events("dead:") == []


def test_a_neighbour_that_leaves_is_forgotten():
    scene = Scene(Peer)
    end = neighbour(scene)
    end.say(f"leave:{B}")
    assert not end.ends_within(0.1)
    end.say(f"leave:{A}")
    assert end.ends_within(0.1)
    assert scene.event("disconnected:") == f"disconnected:{A}:left:there"
    scene.run(40.0)
    assert scene.events("liveness missed:") == [] and len(end.machine.ends) == 1


def test_a_neighbour_that_leaves_is_not_dialled_because_an_earlier_list_has_named_it():
    scene = listing()
    end = neighbour(scene)
    scene.seed.ends[0].say("peer list:127.0.0.1#6001")
    scene.run(0.1)
    end.say(f"leave:{A}")
    scene.run(1.0)
    assert f"Connection with Peer:{NODE}" not in end.machine.said


def test_nothing_counts_that_comes_together_with_a_goodbye_and_behind_it():
    scene = Scene(Peer)
    neighbour(scene).say(gossip(A, 1), f"leave:{A}", gossip(A, 2), "register:" + A)
    scene.run(0.1)
    assert scene.events("received:") == [f"received:{A}:{gossip(A, 1)}"]
    assert scene.events("refused:") == []


@pytest.mark.parametrize("line, reason", [("connection refused:127.0.0.1:4001:full", "full:there"),
                                          ("hello", "unknown line b'hello':here")])
def test_a_neighbour_that_gives_the_link_up_or_breaks_a_rule_is_left_alone(line, reason):
    scene = listing("127.0.0.1:4001", "127.0.0.1:4002", A, liveness_interval=10.0)
    accepting(scene, A)
    machine = scene.machine("127.0.0.1:4001")
    linked(machine).say(line)
    assert scene.event("disconnected:") == f"disconnected:127.0.0.1:4001:{reason}"
    scene.run(95.0)
    assert scene.events("liveness missed:") == [] and len(machine.ends) == 1


def test_a_peer_that_links_is_not_left_alone_any_more_because_it_refused_before():
    scene = listing("127.0.0.1:4001", "127.0.0.1:4002", A, liveness_interval=10.0)
    accepting(scene, A)
    machine = scene.machine("127.0.0.1:4001")
    dialled(machine).say("connection refused:127.0.0.1:4001:full")
    scene.run(1.0)
    end = machine.ask_to_link()
    assert end.hear() == f"connection accepted:{NODE}"
    end.say("leave:127.0.0.1:4001")
    scene.run(20.0)
    assert dialled(machine)


def test_links_above_capacity_are_given_up_the_unnamed_first_then_the_youngest():
    peers = [f"127.0.0.1:{port}" for port in (4991, 6002, 4992, 4993, 4994)]
    scene = listing(*peers[:3], peers[4], capacity="fixed:2", liveness_interval=10.0)
    scene.run(0.1)  # nobody is there when it dials
    ends = []
    for peer in peers:
        ends.append(neighbour(scene, peer))
        scene.run(0.1)
    scene.event("disconnected:", 10.0)
    assert scene.events("disconnected:") == ["disconnected:127.0.0.1:4993:given up:here"]
    scene.run(10.1)
    assert scene.events("disconnected:")[1:] == ["disconnected:127.0.0.1:4992:given up:here",
                                                 "disconnected:127.0.0.1:4991:given up:here"]
    assert [end.lines[-1:] == [f"connection refused:{NODE}:full"] for end in ends] == [
        True, False, True, True, False]
