"""A peer and its seeds: registering with a majority, staying registered, lists, names, and doing
without any."""

import pytest

import grapevine.peer_list
from grapevine.peer import Peer
from tests.tools.virtual import A, B, NODE, TIME, Scene, neighbour, seed_of, with_seed

SEEDS = [f"127.0.0.1:{port}" for port in (8001, 8002, 8003, 8004)]


# Registering.

def test_a_peer_asks_for_the_list_as_soon_as_it_is_registered_and_writes_a_new_one_down():
    scene = Scene(Peer, seeds=SEEDS[:1])
    end = scene.machine(SEEDS[0]).accept()
    assert end.hear() == f"register:{NODE}"
    assert end.hear(0.1) is None
    end.say("registered successfully")
    assert scene.event("registered:") == f"registered:{SEEDS[0]}"
    assert end.hear(0.1) == "peer list"
    for listed in ("127.0.0.1#6001:[::1]#6002", "", "", "127.0.0.1#6001"):
        end.say(f"peer list:{listed}")
        scene.run(0.1)
    assert scene.events("peer list:") == [
        f"peer list:{SEEDS[0]}:{listed}" for listed in ("127.0.0.1#6001:[::1]#6002", "",
                                                        "127.0.0.1#6001")]


def test_lists_are_asked_for_less_and_less_often_up_to_once_a_round():
    scene, seed = with_seed(Peer, liveness_interval=10.0)
    scene.run(30.0)
    assert 6 <= seed.said.count("peer list") <= 9
    asked = seed.said.count("peer list")
    scene.run(30.0)
    assert seed.said.count("peer list") == asked + 3


def test_a_seed_that_is_down_is_tried_again_after_half_a_second_and_at_last_every_five():
    scene = Scene(Peer, seeds=SEEDS[:1])
    scene.run(0.4)
    machine = scene.machine(SEEDS[0])
    machine.replies[f"register:{NODE}"] = "registration refused:"
    scene.run(0.2)
    assert len(machine.ends) == 1
    scene.run(20.0)
    tries = len(machine.ends)
    scene.run(50.0)
    assert len(machine.ends) - tries == 10
    assert scene.events("unregistered:") == [f"unregistered:{SEEDS[0]}:Connection refused",
                                             f"unregistered:{SEEDS[0]}:registration refused: "]
    tried = scene.events("tried:")
    assert set(tried) == {f"tried:{SEEDS[0]}:registration refused: "}
    assert len(tried) == len(machine.ends) - 1  # all but the one that is news


def test_a_seed_that_does_not_list_the_peer_is_asked_for_its_list_once_a_round():
    scene = Scene(Peer, seeds=SEEDS[:3], liveness_interval=10.0)
    seeds = [seed_of(scene, seed) for seed in SEEDS[:3]]
    scene.run(9.0)
    other, = [seed for seed in seeds if not seed.ends]
    other.replies["peer list"] = "peer list:127.0.0.1#6001"
    machine = scene.machine(A)
    scene.run(2.0)
    assert other.said == ["peer list"] and other.ends[0].ends_within(0.1)
    assert machine.accept().hear() == f"Connection with Peer:{NODE}"
    other.replies["peer list"] = ""
    assert scene.pass_until(lambda: len(other.ends) == 2, 11.0)
    assert other.ends[1].ends_within(6.0) and len(scene.events("registered:")) == 2


def test_a_list_of_peers_that_refuse_makes_few_dials(monkeypatch):
    scene, _ = with_seed(Peer, *[f"127.0.0.2:{port}" for port in range(5001, 5501)])
    dialled, dial = [], scene.world.dial

    def count_and_dial(link, limit):
        dialled.append(link.peer)
        return dial(link, limit)

    monkeypatch.setattr(scene.world, "dial", count_and_dial)
    scene.run(4.0)
    assert 20 < len(dialled) < 450


# Staying registered.

def test_a_seed_that_answers_no_repeated_registration_is_left_after_three_rounds():
    scene, seed = with_seed(Peer, liveness_interval=10.0)
    scene.event("registered:")
    del seed.replies[f"register:{NODE}"]
    scene.run(35.0)
    assert seed.ends[0].closed is None
    assert scene.event("unregistered:", 6.0) == f"unregistered:{SEEDS[0]}:no answer to register"


def test_a_probe_of_its_seed_has_a_peer_repeat_its_registration():
    scene, seed = with_seed(Peer)
    scene.run(0.2)
    for ip, asker in (("127.0.0.1", SEEDS[0]), ("127.0.0.1", A), ("127.0.0.2", SEEDS[0])):
        probe = scene.machine(f"{ip}:7001", listens=False).dial()
        probe.say(f"Liveness Request:{TIME}:{asker}")
        assert probe.hear() == f"Liveness Reply:{TIME}:{asker}:{NODE}"
        scene.run(2.0)
        assert seed.said.count(f"register:{NODE}") == 2, "the others are no seed of its own"


# Names.

def test_a_seed_may_have_a_name_which_is_looked_up_for_each_dial():
    scene = Scene(Peer, seeds=["seed-a:8001"])
    assert scene.event("unregistered:").startswith("unregistered:seed-a:8001:seed-a")
    scene.name("seed-a:8001", "127.0.0.1:8001")  # which led nowhere
    seed = seed_of(scene, "127.0.0.1:8001")
    assert scene.event("seed:") == "seed:seed-a:8001=127.0.0.1:8001"
    assert scene.event("registered:") == "registered:127.0.0.1:8001"
    scene.name("seed-a:8001", "127.0.0.1:8002")
    other = seed_of(scene, "127.0.0.1:8002")
    seed.ends[0].hang_up()
    assert scene.event("unregistered:").startswith("unregistered:127.0.0.1:8001:")
    assert scene.event("seed:") == "seed:seed-a:8001=127.0.0.1:8002"
    assert scene.event("registered:") == "registered:127.0.0.1:8002"
    other.ends[0].hang_up()
    assert scene.event("registered:") == "registered:127.0.0.1:8002"
    assert len(scene.events("seed:")) == 2, "only where it leads elsewhere"


def test_a_seed_that_invents_peers_without_end_leaves_room_for_those_that_others_name(monkeypatch):
    monkeypatch.setattr(grapevine.peer_list, "NAMED_LIMIT", 50)
    scene = Scene(Peer, seeds=SEEDS[:2], capacity="fixed:2")
    liar, other = [seed_of(scene, seed) for seed in SEEDS[:2]]
    scene.run(1.0)
    for at in range(20):
        listed = [f"127.{at + 1}.{n // 250}.{n % 250 + 1}#5000" for n in range(20)]
        liar.ends[0].say(f"peer list:{':'.join(listed)}")
        scene.run(1.0)
    assert scene.node.status()["known peers"] == 50
    assert scene.node.status()["peers of one seed, too many"] == 350
    other.ends[0].say(f"peer list:{A.replace(':', '#')}")
    scene.run(0.1)
    assert scene.node.status()["known peers"] == 51
    scene.run(140.0)
    assert scene.node.status()["known peers"] <= 1, "nobody names them any more"


def test_whom_no_list_has_named_for_ten_rounds_is_not_known_any_more():
    scene, seed = with_seed(Peer, liveness_interval=1.0)
    neighbour(scene, A)
    for listed, seconds, known in ("127.0.0.1#6001", 3.0, 1), ("", 8.0, 1), ("", 4.0, 0):
        seed.replies["peer list"] = f"peer list:{listed}"
        scene.run(seconds)
        assert scene.node.status()["known peers"] == known


def test_a_seed_that_tells_of_deaths_without_end_is_read_more_slowly():
    scene, seed = with_seed(Peer, rate=1_000, burst=10_000)
    scene.run(1.0)
    for at in range(50):
        seed.ends[0].say(*[f"Dead Node:127.0.9.9:{port}:{TIME}:{A}" for port in range(1, 101)])
        scene.run(0.01)
    scene.run(5.0)
    assert 800 < len(scene.events("told:")) < 1_500


# Without seeds.

def test_a_peer_without_a_seed_asks_a_neighbour_for_peers_and_dials_them():
    scene = Scene(Peer)
    end = neighbour(scene, A)
    machine = scene.machine(B)
    end.machine.replies["known peers"] = "known peers:127.0.0.1#6002:10.0.0.1#6001:127.0.0.1#5001"
    scene.run(3.0)
    assert end.machine.said.count("known peers") >= 2
    dialled = machine.accept()
    assert dialled.hear() == f"Connection with Peer:{NODE}"
    assert scene.node.status()["known peers"] == 1  # one that loopback leads to, and not itself
    dialled.hang_up()
    scene.run(0.1)
    assert scene.node.status()["known peers"] == 0, "whom no seed names is forgotten at once"


def test_a_neighbour_that_invents_peers_hides_honest_ones_only_until_another_one_is_asked():
    """Whoever dials those is kept waiting."""
    scene = Scene(Peer, capacity="fixed:8", liveness_interval=1.0)
    liar, machine = neighbour(scene, A), scene.machine(B)
    invented = [f"127.1.{number // 250}.{number % 250}:5001" for number in range(1_000)]
    for address in invented:
        scene.machine(address).replies[f"Connection with Peer:{NODE}"] = ""
    lie = f"known peers:{':'.join(invented).replace(':5001', '#5001')}"
    liar.machine.replies["known peers"] = lie
    liar.say(lie)
    honest = neighbour(scene, "127.0.0.1:6003")
    honest.machine.replies["known peers"] = "known peers:127.0.0.1#6002"
    for _ in range(40):
        liar.say(lie)
        scene.run(1.0)
    assert f"Connection with Peer:{NODE}" in machine.said


def test_what_a_neighbour_says_of_peers_counts_once_each_time_it_is_asked():
    scene = Scene(Peer)
    end, named = neighbour(scene, A), scene.machine(B)
    assert scene.pass_until(lambda: "known peers" in end.machine.said, 1.0)
    scene.run(0.01)
    end.say("known peers:127.0.0.1#6002")
    scene.run(0.1)
    assert end.machine.said.count("known peers") == 1 and named.ends == []


def test_what_a_neighbour_says_of_peers_does_not_count_while_a_seed_answers():
    scene = Scene(Peer, seeds=SEEDS[:1])
    end, named = neighbour(scene, A), scene.machine(B)
    end.machine.replies.clear()  # it is asked, and answers late
    assert end.hear(2.0) == "known peers"
    seed_of(scene, SEEDS[0])
    assert scene.event("registered:", 6.0)
    end.say("known peers:127.0.0.1#6002")
    scene.run(20.0)
    assert named.ends == end.lines == [], "nor is anybody asked"
    assert scene.node.status()["known peers"] == 0


def test_a_neighbour_that_asks_is_told_neighbours_and_listed_peers_without_itself():
    scene, _ = with_seed(Peer, "127.0.0.1:7002", "127.0.0.1:7001")
    one = neighbour(scene, A)
    neighbour(scene, B)
    one.say("known peers")
    assert one.hear() == "known peers:127.0.0.1#6002:127.0.0.1#7001:127.0.0.1#7002"


def test_of_many_known_peers_a_neighbour_is_told_200_and_its_next_eight_on_the_ring():
    scene = Scene(Peer, "127.0.0.1:1001", seeds=SEEDS[:1], capacity="fixed:2")
    ports = range(10_000, 10_600)
    seed_of(scene, SEEDS[0], ":".join(f"127.0.0.1#{port}" for port in ports))
    end = neighbour(scene, "127.0.0.1:10299")
    end.say("known peers")
    told = [int(word.rpartition("#")[2]) for word in end.hear().split(":")[1:]]
    assert set(range(10_300, 10_308)) <= set(told)
    assert 200 <= len(told) <= 208 and told == sorted(told) and 10_299 not in told


@pytest.mark.parametrize("ending", ["silent, but alive", "refused"])
def test_former_neighbours_are_dialled_while_there_is_no_seed(ending):
    scene = Scene(Peer, liveness_interval=2.0)
    end = neighbour(scene)
    if ending == "refused":
        end.break_off()
        end.machine.accept().say(f"connection refused:{A}:full")
    else:
        end.machine.is_alive = False
        end.machine.replies.clear()
        end.machine.accept(10.0).answer()
        end.machine.is_alive = True
        assert scene.event("disconnected:") == f"disconnected:{A}:silent, but alive:here"
        assert scene.events("dead:") == []
    assert end.machine.accept(4.1).hear() == f"Connection with Peer:{NODE}"


def test_a_former_neighbour_that_has_linked_again_and_leaves_is_none_any_more():
    scene = Scene(Peer, liveness_interval=2.0)
    end = neighbour(scene)
    end.break_off()
    end.machine.accept().say(f"connection refused:{A}:full")
    again = end.machine.ask_to_link()
    assert again.hear() == f"connection accepted:{NODE}"
    again.say(f"leave:{A}")
    end.machine.said.clear()
    scene.run(20.0)
    assert f"Connection with Peer:{NODE}" not in end.machine.said


def test_a_peer_with_many_ports_makes_nobody_forget_the_other_side_of_a_cut():
    """Whom this one called dead may have been cut off only, and calls this one dead. An attacker
    links, breaks off, and refuses to be dialled, from one port after the other."""
    scene = Scene(Peer, liveness_interval=1.0)
    end = neighbour(scene)
    side = frozenset([end.machine.address])
    scene.net.cut(side)
    assert scene.event("dead:", 10.0).startswith(f"dead:{A}:")
    for port in range(7_000, 7_110):
        machine = scene.machine(f"127.0.0.2:{port}")
        refusal = f"connection refused:{machine.address}:full"
        machine.replies[f"Connection with Peer:{NODE}"] = refusal
        newcomer = machine.ask_to_link()
        assert newcomer.hear() == f"connection accepted:{NODE}"
        newcomer.break_off()
        scene.run(0.05)
    scene.net.mend(side)
    end.machine.replies[f"Connection with Peer:{NODE}"] = f"connection accepted:{A}"
    scene.run(20.0)
    assert scene.events("connected:").count(f"connected:{A}") == 2
