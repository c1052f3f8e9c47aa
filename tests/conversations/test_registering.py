"""A seed lists peers that it has probed, and keeps them listed while they live."""

import pytest

from grapevine import seed
from grapevine.seed import Seed
from tests.tools.virtual import A, B, C, NODE, TIME, End, Machine, Scene, registered


def list_of(scene: Scene) -> list[str]:
    """Return the list that a stranger is told."""
    end = scene.machine("127.0.0.1:7999", listens=False).dial()
    end.say("peer list")
    listed = end.hear().removeprefix("peer list:")
    end.hang_up()
    return [peer.replace("#", ":") for peer in listed.split(":") if peer]


def ask(machine: Machine, address: str = "") -> End:
    """Return a connection over which a peer asks to be registered."""
    end = machine.dial()
    end.say(f"register:{address or machine.address}")
    return end


# Registering.

def test_a_peer_is_listed_once_it_has_answered_a_probe():
    scene = Scene(Seed)
    machine = scene.machine(A, is_alive=False)
    end = ask(machine)
    probe = machine.accept()
    request = probe.hear()
    assert request.startswith("Liveness Request:") and request.endswith(f":{NODE}")
    scene.run(0.1)
    assert end.lines == [] and list_of(scene) == []
    probe.answer(request)
    assert end.hear() == "registered successfully"
    assert probe.ends_within(0.1)
    assert scene.event("registered:") == f"registered:{A}"
    assert list_of(scene) == [A]


@pytest.mark.parametrize("said, reason", [
    ("localhost:6001", "'localhost:6001': 'localhost' does not appear to be an IPv4 or IPv6 "
     "address"),
    ("127.0.0.1", "'127.0.0.1' is not IP:PORT"), ("127.0.0.2:6001", "127.0.0.2 is not your IP"),
    (B, f"no Liveness Reply from {B}")])
def test_a_registration_that_cannot_be_is_refused_and_the_peer_may_ask_again(said, reason):
    scene = Scene(Seed)
    machine = scene.machine(A)
    end = ask(machine, said)
    assert end.hear() == f"registration refused:{reason}"
    assert scene.event("refused:").endswith(f":{reason}"[:100])
    end.say(f"register:{A}")
    assert end.hear(0.8) is None  # it is not read for a second
    assert end.hear(0.5) == "registered successfully"


def test_a_refused_peer_has_five_seconds_more_to_ask_again():
    end = ask(Scene(Seed).machine(A), B)
    assert end.hear().startswith("registration refused:")
    assert not end.ends_within(5.5)
    assert end.ends_within(1.0)


def test_an_impatient_peer_may_repeat_itself_while_it_is_probed():
    scene = Scene(Seed)
    machine = scene.machine(A, is_alive=False)
    end = ask(machine)
    end.say(f"register:{A}", f"register:{A}", "peer list")
    machine.accept().answer()
    assert end.hear_all() == ["peer list:", "registered successfully"]


def test_an_address_that_comes_and_goes_is_listed_some_twenty_times_and_then_once_a_second():
    scene = Scene(Seed)
    machine = scene.machine(A)
    for _ in range(22):
        end = ask(machine)
        heard = end.hear()
        end.say(f"leave:{A}")
        scene.run(0.01)
    assert heard == "registration refused:registered too often lately"
    assert len(scene.events("registered:")) == len(scene.events("removed:")) == 21
    registered(scene, B)
    scene.run(1.0)
    assert ask(machine).hear() == "registered successfully"


def test_a_peer_that_leaves_or_hangs_up_while_it_is_probed_is_not_listed():
    scene = Scene(Seed)
    for peer in (A, B):
        machine = scene.machine(peer, is_alive=False)
        end = ask(machine)
        probe = machine.accept()
        if peer == A:
            end.say(f"leave:{A}")
            assert end.ends_within(0.1)
        else:
            end.hang_up()
            scene.run(0.1)
        probe.answer()
        scene.run(0.1)
    assert scene.events("registered:") == list_of(scene) == []


def test_one_connection_registers_one_peer():
    scene = Scene(Seed)
    end = registered(scene, A)
    scene.machine(B)
    end.say(f"register:{B}")
    assert end.hear() == f"registration refused:this connection is {A}'s"
    scene.run(1.1)
    end.say(f"register:{A}")
    assert end.hear() == "registered successfully"
    assert list_of(scene) == [A]


def test_an_ipv6_network_has_the_room_of_one_ip_and_of_lists_the_share_of_one(monkeypatch):
    """Whoever has one address of a /64 has all of its 2^64, at no cost."""
    monkeypatch.setattr(seed, "LONG_LIST", 3)
    monkeypatch.setattr(seed, "SAMPLE", 2)
    scene = Scene(Seed, "[2001:db8:1::1]:8001", registrations_per_ip=3)
    for host in (1, 2, 3):
        registered(scene, f"[2001:db8:2::{host}]:6001")
    fourth = ask(scene.machine("[2001:db8:2:0:ffff::4]:6001"))
    assert fourth.hear() == "registration refused:too many of your IP are registered"
    registered(scene, "[2001:db8:2:1::4]:6001")
    for _ in range(20):
        end = scene.machine("[2001:db8:3::1]:7999", listens=False).dial()
        end.say("peer list")
        assert "[2001:db8:2:1::4]#6001" in end.hear()
        end.machine.world.stop()


def test_peers_of_one_ip_that_register_at_the_same_time_are_no_more_than_allowed():
    scene = Scene(Seed, "10.0.0.1:8001", registrations_per_ip=2)
    ends = [ask(scene.machine(f"10.0.0.2:{port}")) for port in (6001, 6002, 6003)]
    scene.run(0.1)
    assert sorted(end.hear() for end in ends) == sorted(
        ["registered successfully"] * 2
        + ["registration refused:too many of your IP are registered"])


# Lists.

def test_a_list_has_all_peers_in_order_but_the_asker():
    scene = Scene(Seed)
    end = registered(scene, B)
    for peer in (C, A, "127.0.0.2:1001"):
        registered(scene, peer)
    end.say("peer list")
    assert end.hear() == "peer list:127.0.0.1#6001:127.0.0.1#6003:127.0.0.2#1001"
    assert scene.event("peer list:") == f"peer list:{B}:3"
    assert list_of(scene) == [A, B, C, "127.0.0.2:1001"]
    end.say("peer list")
    scene.run(0.1)
    assert len(scene.events("peer list:")) == 1  # nothing has changed


def test_of_more_than_500_peers_an_asker_is_told_its_next_eight_and_100_others():
    scene = Scene(Seed)
    ends = [registered(scene, f"127.0.0.1:{port}") for port in range(6001, 6502)]
    ends[0].say("peer list")
    told = [int(word.partition("#")[2]) for word in ends[0].hear().split(":")[1:]]
    assert told[:8] == list(range(6002, 6010))
    assert 99 <= len(told) <= 108 and told == sorted(told) and 6001 not in told
    assert len(list_of(scene)) == 100
    ends[1].say("leave:127.0.0.1:6002")
    scene.event("removed:")
    ends[0].say("peer list")
    assert len(ends[0].hear().split(":")) == 1 + 499


# Staying registered.

@pytest.mark.parametrize("is_late, after", [(False, 0.002), (True, 1.004)])
def test_a_peer_whose_connection_broke_and_that_does_not_answer_is_removed_at_once(is_late, after):
    """A seed that is late probes it again before."""
    scene = Scene(Seed, liveness_interval=10.0)
    end = registered(scene, A)
    scene.run(9.0)
    if is_late:
        scene.freeze(5.0)
    end.machine.world.kill()
    scene.run(0.9 * after)
    assert scene.events("removed:") == []
    assert scene.event("removed:", 0.5) == f"removed:{A}:gone:{after:.3f}:connection broke"
    assert list_of(scene) == []


def test_a_peer_whose_connection_broke_and_that_answers_has_a_minute_to_come_back():
    scene = Scene(Seed)
    one, other = registered(scene, A), registered(scene, B)
    one.hang_up()
    other.break_off()
    scene.run(59.0)
    assert list_of(scene) == [A, B]
    again = ask(one.machine)
    assert again.hear(0.1) == "registered successfully"
    assert scene.event("removed:", 2.0) == f"removed:{B}:gone:60.004:did not come back"
    assert not again.ends_within(60.0)
    assert list_of(scene) == [A]


def test_a_late_seed_does_not_remove_a_peer_that_may_have_come_back():
    scene = Scene(Seed)
    end = registered(scene, A)
    end.hang_up()
    scene.run(59.0)
    scene.freeze(5.0)
    scene.run(50.0)
    assert scene.events("removed:") == []
    assert scene.event("removed:", 20.0)


def test_a_peer_that_is_silent_for_three_rounds_is_probed_and_removed_if_it_does_not_answer():
    scene = Scene(Seed, liveness_interval=10.0)
    living, dead = registered(scene, A), registered(scene, B)
    dead.machine.is_alive = False
    scene.run(29.0)
    assert len(living.machine.ends) == 1 and scene.events("removed:") == []
    assert scene.event("removed:", 20.0) == f"removed:{B}:gone:44.238:silent"
    assert dead.ends_within(0.1)
    assert living.hear() == "registered successfully"  # so that a dead connection breaks
    assert scene.events("alive:")[:2] == ["alive:10", "alive:10"]
    scene.run(40.0)
    assert list_of(scene) == [A]
    assert len(living.machine.ends) == 1 + 2  # it is probed every three rounds


def test_a_peer_that_says_something_while_it_is_probed_for_its_silence_is_not_removed():
    scene = Scene(Seed, liveness_interval=10.0)
    end = registered(scene, A)
    end.machine.is_alive = False
    probe = end.machine.accept(41.0)
    assert probe.hear().startswith("Liveness Request:")
    end.say(f"register:{A}")
    assert end.hear() == "registered successfully"
    scene.run(34.0)
    assert scene.events("removed:") == []
    assert scene.event("removed:", 11.0).endswith(":silent")


def test_a_peer_that_leaves_is_removed_and_nobody_leaves_for_another():
    scene = Scene(Seed)
    one, other = registered(scene, A), registered(scene, B)
    one.say(f"leave:{B}")
    stranger = scene.machine("127.0.0.1:7001").dial()
    stranger.say(f"leave:{A}")
    scene.run(0.1)
    assert list_of(scene) == [A, B]
    one.say(f"leave:{A}", f"Dead Node:{B}:{TIME}:{A}")
    assert one.ends_within(0.1) and scene.events("dead report:") == [] and other.closed is None
    assert scene.event("removed:") == f"removed:{A}:left"
    assert list_of(scene) == [B]


# Two connections for one address.

def test_a_registration_stands_if_register_comes_on_it_within_a_second_of_the_probe():
    scene = Scene(Seed)
    older = registered(scene, A)
    newer = ask(older.machine)
    scene.run(0.5)
    assert newer.lines == []
    older.say(f"register:{A}")
    assert older.hear() == "registered successfully"
    assert newer.hear() == "registration refused:registered on another connection, which stands"
    assert not older.ends_within(1.0)


def registration_that_spoke(scene, ago):
    older = registered(scene, A)
    scene.run(5.0)
    older.say(f"register:{A}")
    scene.run(ago)
    return older


def test_a_registration_stands_if_register_came_just_before_the_probe():
    older = registration_that_spoke(Scene(Seed), 0.5)
    assert ask(older.machine).hear() == (
        "registration refused:registered on another connection, which stands")


def test_a_registration_that_does_not_show_that_it_stands_is_replaced_after_a_second():
    scene = Scene(Seed)
    older = registration_that_spoke(scene, 5.0)
    newer = ask(older.machine)
    assert newer.hear(0.9) is None
    assert newer.hear(0.2) == "registered successfully"
    assert older.ends_within(0.1)
    scene.run(70.0)
    assert newer.closed is None and list_of(scene) == [A]


def test_a_registration_that_was_replaced_meanwhile_gives_its_successor_a_second_too():
    scene = Scene(Seed)
    machine = registered(scene, A).machine
    newer = ask(machine)
    scene.run(0.1)
    third = ask(machine)
    assert newer.hear(1.0) == "registered successfully"
    assert third.hear(1.0) is None and newer.closed is None
    assert third.hear(0.2) == "registered successfully" and newer.ends_within(0.1)


def test_a_late_seed_lets_a_registration_stand_whose_word_it_has_not_read_yet():
    scene = Scene(Seed)
    older = registered(scene, A)
    for _ in range(5):  # what has waited comes in any order
        newer = ask(older.machine)
        scene.run(0.1)
        scene.world.freeze()
        older.say(f"register:{A}")
        scene.run(2.0)
        scene.world.thaw()
        assert newer.hear(2.0) == (
            "registration refused:registered on another connection, which stands")
        newer.hang_up()
        scene.run(5.0)
    assert older.closed is None
