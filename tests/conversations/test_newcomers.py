"""Whom a peer accepts: who answers a probe at the announced address, if there is a place."""

import pytest

from grapevine.addresses import parse_address
from grapevine.peer import Peer
from tests.tools.virtual import A, B, NODE, TIME, Scene, neighbour, seed_of, with_seed


def refusal(reason: str) -> str:
    return f"connection refused:{NODE}:{reason}"


def test_a_newcomer_is_accepted_once_it_has_answered_a_probe():
    scene = Scene(Peer)
    machine = scene.machine(A, is_alive=False)
    end = machine.ask_to_link()
    probe = machine.accept()
    request = probe.hear()
    assert request.startswith("Liveness Request:") and request.endswith(f":{NODE}")
    end.say(f"Liveness Request:{TIME}:{A}")
    assert end.hear_all(0.2) == [f"Liveness Reply:{TIME}:{A}:{NODE}"], "which it may say meanwhile"
    probe.answer(request)
    assert end.hear() == f"connection accepted:{NODE}"
    assert probe.ends_within(0.1)
    assert scene.events()[-2:] == [f"connected:{A}", f"degree:{NODE}=>1"]


@pytest.mark.parametrize("reply", [
    f"Liveness Reply:{TIME}:{NODE}:{A}",  # another TIME
    f"Liveness Reply:{{time}}:{B}:{A}",  # to somebody else
    f"Liveness Reply:{{time}}:{NODE}:{B}",  # by somebody else
    "connection accepted:127.0.0.1:6001", None])
def test_a_newcomer_is_refused_if_the_probe_is_not_answered_rightly(reply):
    scene = Scene(Peer)
    machine = scene.machine(A, is_alive=False)
    end = machine.ask_to_link()
    probe = machine.accept()
    if reply is not None:
        probe.say(reply.format(time=probe.hear().split(":")[1]))
    assert end.hear(2.4) == refusal("full")
    assert end.ends_within(0.1)
    assert scene.event("refused:127.0.0.1:6001:full")
    assert scene.events("connected:") == []
    machine.is_alive = True
    assert machine.ask_to_link().hear(0.1) == f"connection accepted:{NODE}", "its place is free"


def test_newcomers_at_silent_addresses_delay_nobody_who_answers():
    scene = Scene(Peer)
    for port in range(7001, 7201):
        scene.machine(f"127.0.0.1:{port}", is_alive=False).ask_to_link()
    began = scene.now
    neighbour(scene, A)
    assert scene.now - began < 1.0


def test_newcomers_that_hang_up_delay_nobody():
    scene = Scene(Peer)
    silent = [f"127.0.0.1:{port}" for port in range(7001, 8001)]
    scene.net.cut(frozenset(map(parse_address, silent)))
    for peer, end in zip(silent, scene.machine(B).dial_often(len(silent))):
        end.say(f"Connection with Peer:{peer}")
        end.hang_up()
    began = scene.now
    neighbour(scene, A)
    assert scene.now - began < 0.5


@pytest.mark.parametrize("announced, reason", [
    ("127.0.0.2:6001", "another IP"), (NODE, "self"), ("127.0.0.1:6002", "duplicate")])
def test_an_address_that_is_not_its_own_or_linked_is_refused(announced, reason):
    scene = Scene(Peer)
    first = neighbour(scene, B)
    first.machine.is_alive = False  # no probe is needed
    end = scene.machine(A).dial()
    end.say(f"Connection with Peer:{announced}")
    assert end.hear(0.1) == refusal(reason)
    assert end.ends_within(0.1)
    assert scene.event("refused:").endswith(f":{reason}")
    assert first.closed is None


# Places. The node is 127.0.0.1:5005.

def crowded(listed: str) -> Scene:
    """Return a scene in which 5003, 5007 and 5008 have all places of 127.0.0.1:5005, and a seed has
    named some peers."""
    scene = Scene(Peer, "127.0.0.1:5005", ["127.0.0.1:8001"], capacity="fixed:3")
    seed_of(scene, listed=listed)
    scene.event("peer list:")
    for port in (5003, 5007, 5008):
        neighbour(scene, f"127.0.0.1:{port}")
    return scene


def answer_to(scene: Scene, port: int) -> str:
    return scene.machine(f"127.0.0.1:{port}").ask_to_link().hear().replace(":127.0.0.1:5005", "")


@pytest.mark.parametrize("has_seed", [False, True])
def test_without_a_seed_neighbours_hear_of_a_newcomer_for_whom_there_was_no_place(has_seed):
    """It may know nobody else, and be somebody's successor."""
    scene = Scene(Peer, "127.0.0.1:5005", capacity="fixed:2", seeds=["127.0.0.1:8001"])
    if has_seed:
        seed_of(scene)
        scene.event("registered:")
    friend = neighbour(scene, "127.0.0.1:5007")
    neighbour(scene, "127.0.0.1:5008")
    assert answer_to(scene, 5006) == "connection refused:full"
    friend.say("known peers")
    assert ("127.0.0.1#5006" in friend.hear_until("known peers:")) is not has_seed


@pytest.mark.parametrize("listed, answer", [
    ((4000,), "connection accepted"), ((5003, 5007, 5008), "connection refused:full"),
    ((4000, 5003, 5007, 5008), "connection refused:full"), ((4000, 5003), "connection accepted")])
def test_for_a_newcomer_that_seeds_have_named_only_named_neighbours_count(listed, answer):
    scene = crowded(":".join(f"127.0.0.1#{port}" for port in listed))
    assert answer_to(scene, 4000) == answer


def test_when_a_newcomer_comes_that_no_seed_has_named_the_seeds_are_asked_for_lists():
    scene, seed = with_seed(Peer)
    scene.run(20.0)
    asked = seed.said.count("peer list")
    assert scene.machine(A, listens=False).ask_to_link().hear() == refusal("full")
    scene.run(0.3)
    assert seed.said.count("peer list") == asked + 1
    scene.run(0.7)
    assert seed.said.count("peer list") == asked + 2  # and again, because it may be too early
    asked = seed.said.count("peer list")
    for _ in range(40):  # so often that most have to be ignored
        assert scene.machine(A, listens=False).ask_to_link().hear() == refusal("full")
        scene.run(0.5)
    assert seed.said.count("peer list") - asked < 25
    seed.replies["peer list"] = "peer list:127.0.0.1#6002"
    scene.run(14.0)
    asked = seed.said.count("peer list")
    assert scene.events("peer list:")[-1] == "peer list:127.0.0.1:8001:127.0.0.1#6002"
    neighbour(scene, B)
    scene.run(0.3)
    assert seed.said.count("peer list") == asked
