"""Liveness: requests, misses, the last probe, dead reports; and being late oneself."""

import errno

import pytest

from grapevine.asking import PROBE
from grapevine.peer import Peer
from tests.tools.virtual import A, B, NODE, TIME, End, Scene, neighbour, seed_of

SEED = "127.0.0.1:8001"


def silent_neighbour(**settings) -> End:
    """Return a neighbour that answers no Liveness Request by itself, in a network with a seed."""
    scene = Scene(Peer, seeds=[SEED], **{"liveness_interval": 10.0} | settings)
    scene.seed = seed_of(scene, SEED)
    end = neighbour(scene, A)
    end.machine.is_alive = False
    return end


def lateness(scene: Scene) -> list[float]:
    return [float(event.partition(":")[2]) for event in scene.events("late:")[1:]]


def missed(scene: Scene) -> list[str]:
    return [event.rpartition(":")[2] for event in scene.events("liveness missed:")]


def test_a_machine_that_sleeps_or_a_clock_that_is_set_makes_a_node_late():
    scene = silent_neighbour().scene
    true = scene.node.time
    scene.run(1.0)
    scene.node.time = lambda: true() + 60.0
    scene.run(10.0)
    assert lateness(scene) == [60.0]
    scene.node.time = true
    scene.run(10.0)
    assert len(lateness(scene)) == 1


# Rounds.

def test_each_round_asks_all_neighbours_and_a_reply_is_written_down():
    scene = Scene(Peer, liveness_interval=10.0)
    ends = [neighbour(scene, peer) for peer in (A, B)]
    scene.run(10.0)
    requests = [[line for line in end.machine.said if line.endswith(NODE)][-1] for end in ends]
    assert requests[0].startswith("Liveness Request:17") and requests[0] == requests[1]
    assert scene.events("liveness request:") == [f"liveness request:{peer}" for peer in (A, B)]
    assert [event.split(":")[:3] for event in scene.events("liveness reply:")] == [
        ["liveness reply", *peer.split(":")] for peer in (A, B)]
    assert scene.events("liveness reply:")[0].endswith((":2.000", ":2.001"))  # milliseconds
    scene.run(30.0)
    assert len(scene.events("liveness request:")) == 8
    assert missed(scene) == []


@pytest.mark.parametrize("reply", [f"Liveness Reply:{TIME}:{B}:{A}",
                                   f"Liveness Reply:{TIME}:{NODE}:{B}"])
def test_a_reply_to_somebody_else_or_by_somebody_else_breaks_a_rule(reply):
    end = neighbour(Scene(Peer))
    end.say(reply)
    assert end.scene.event("refused:") == (
        f"refused:{A}:Liveness Reply to somebody else, or by somebody else")


def test_each_round_a_peer_writes_when_it_will_do_so_again_and_how_many_seeds_list_it():
    scene = Scene(Peer, seeds=[SEED], liveness_interval=10.0)
    scene.run(10.0)
    seed_of(scene, SEED)
    scene.run(20.0)
    assert scene.events("alive:") == ["alive:10:0", "alive:10:1", "alive:10:1"]


# Deaths.

def test_after_three_misses_and_a_failed_last_probe_a_neighbour_is_dead_and_reported():
    end = silent_neighbour()
    scene, seed = end.scene, end.scene.seed
    seed.ends[0].say("peer list:127.0.0.1#6001")
    end.hear_until("Liveness Request", 11.0)
    probe = end.machine.accept(31.0)
    assert probe.hear().startswith("Liveness Request:")
    assert missed(scene) == ["1", "2", "3"]
    assert scene.events("dead:") == []
    scene.run(1.9)
    assert scene.events("dead:") == []
    scene.run(0.2)
    report = seed.ends[0].hear()
    assert report.startswith(f"Dead Node:{A}:17") and report.endswith(f":{NODE}")
    assert scene.event("dead:") == f"dead:{A}:32.000"
    assert scene.event("reported:") == f"reported:{SEED}:{report}"
    assert scene.event("disconnected:") == f"disconnected:{A}:dead:here"
    assert end.ends_within(0.1) and scene.node.status()["known peers"] == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOBUFS])
def test_a_last_probe_for_which_descriptors_are_short_is_no_verdict_and_is_made_again(number):
    end = silent_neighbour()
    scene = end.scene
    assert scene.pass_until(lambda: PROBE in [link.role for link in scene.node.links], 42.0)
    [probe] = [link for link in scene.node.links if link.role == PROBE]
    probe.connection.close("no room", OSError(number, "no room"))
    scene.run(0.9)
    assert scene.events("dead:") == []
    end.machine.accept(3.0).answer()
    scene.run(5.0)
    assert scene.events("dead:") == [] and scene.events("disconnected:")


def test_after_an_answered_last_probe_of_a_slow_link_counting_begins_anew():
    end = silent_neighbour()
    end.hear_until("Liveness Request", 11.0)
    end.scene.run(1.0)
    end.say(f"Liveness Request:{TIME}:{A}")  # so it is not silent
    end.machine.accept(31.0).answer()
    end.scene.run(12.0)
    assert missed(end.scene) == ["1", "2", "3"] and end.closed is None
    end.scene.run(10.0)
    assert missed(end.scene) == ["1", "2", "3", "1"]


def test_a_neighbour_that_still_says_something_is_not_dead_if_only_its_last_probe_is_silent():
    end = silent_neighbour()
    scene = end.scene
    end.hear_until("Liveness Request", 11.0)
    scene.run(1.0)
    end.say(f"Liveness Request:{TIME}:{A}")
    scene.run(69.5)
    assert missed(scene) == ["1", "2", "3"] * 2 and scene.events("dead:") == []
    scene.run(2.0)  # it has said nothing since
    assert scene.event("dead:") == f"dead:{A}:32.000"


def test_a_neighbour_that_still_says_something_is_dead_if_nobody_listens_at_its_address():
    end = silent_neighbour()
    scene = end.scene
    end.hear_until("Liveness Request", 11.0)
    del scene.net.doors[end.machine.address]
    scene.run(1.0)
    end.say(f"Liveness Request:{TIME}:{A}")
    scene.run(29.5)
    assert scene.event("dead:").startswith(f"dead:{A}:30.0")


@pytest.mark.parametrize("error", [None, ConnectionRefusedError()])
def test_a_reply_during_the_last_probe_saves_a_neighbour(error):
    end = silent_neighbour()
    request = end.hear_until("Liveness Request", 11.0)
    end.machine.accept(31.0)
    end.answer(request)
    end.scene.run(1.0)
    [probe] = [link for link in end.scene.node.links if link.role == PROBE]
    probe.connection.close("ended", error)
    end.scene.run(4.0)
    assert end.scene.events("dead:") == end.scene.events("disconnected:") == []


# Deaths that a seed tells of.

def test_a_peer_believes_a_seed_about_a_neighbour_that_has_said_nothing_within_two_rounds():
    end = silent_neighbour()
    end.scene.run(20.1)
    told = f"Dead Node:{A}:{TIME}:{B}"
    end.scene.seed.ends[0].say(told)
    assert end.scene.event("told:") == f"told:{SEED}:{told}"
    assert end.scene.event("disconnected:") == f"disconnected:{A}:told dead:here"
    assert end.ends_within(0.1)
    assert end.scene.events("dead:") == end.scene.events("reported:") == []


def test_a_peer_does_not_believe_a_seed_about_a_neighbour_that_says_something_but_answers_late():
    end = silent_neighbour()
    end.scene.run(20.1)
    end.say(f"Liveness Request:{TIME}:{A}")
    end.scene.run(19.0)
    end.scene.seed.ends[0].say(f"Dead Node:{A}:{TIME}:{B}")
    assert end.scene.event("told:")
    assert not end.ends_within(0.9)


def test_of_a_neighbour_whose_link_broke_a_peer_finds_out_itself_what_a_seed_tells():
    end = silent_neighbour()
    end.machine.world.kill()
    end.scene.run(25.0)
    end.scene.seed.ends[0].say("peer list:127.0.0.1#6001", f"Dead Node:{A}:{TIME}:{B}")
    end.scene.run(0.1)
    assert end.scene.node.status()["known peers"] == 0
    assert end.scene.event("dead:", 30.0) == f"dead:{A}:29.731"
    assert missed(end.scene) == ["1", "2", "3"]


# A late node.

def test_a_late_peer_counts_no_miss():
    end = silent_neighbour()
    scene = end.scene
    end.hear_until("Liveness Request", 11.0)
    scene.freeze(25.0)
    scene.run(0.1)
    assert len(lateness(scene)) < 5 and lateness(scene)[-1] > 24.0
    assert missed(scene) == []
    scene.run(10.0)
    assert missed(scene) == ["1"]


def test_a_late_last_probe_is_repeated_and_decides():
    end = silent_neighbour()
    scene = end.scene
    end.machine.accept(42.0)
    scene.freeze(20.0)
    end.machine.accept(3.5)
    assert scene.events("dead:") == []
    assert scene.event("dead:", 4.0) == f"dead:{A}:54.004"


def test_a_neighbour_that_links_again_during_its_last_probe_is_not_dead():
    end = silent_neighbour()
    end.machine.accept(42.0)  # the probe, which nobody answers
    end.break_off()
    again = end.machine.accept()
    again.say(f"connection accepted:{A}")
    end.scene.run(5.0)
    assert end.scene.events("dead:") == [] and again.closed is None
