"""Whom a gossip module dials, asks, keeps and tells of others, and whom it calls silent."""

import errno

import pytest

from grapevine.addresses import address_of, parse_address
from grapevine.voidphone.ini import MOST_NEIGHBOURS
from grapevine.voidphone.messages import PeerRequest, PeerResponse, Ping, Push
from tests.tools.voidphone import OWN, ModuleScene, push

ONE, TWO = parse_address("127.0.0.1:6101"), parse_address("127.0.0.1:6102")


def test_a_push_is_passed_on_once_with_a_shorter_life():
    scene = ModuleScene(degree=3, min_degree=1, p2p_ttl=5)
    one, two, three = (scene.neighbour() for _ in range(3))
    for end in (one, two):
        end.hear_all(0.1)
    one.say(Push(3, two.machine.address))  # an echo of a newcomer's
    assert three.hear_all(0.1) == []
    one.say(push(6900, 900), push(6901, 1), push(6901, 0), push(6900, 3), push(6902, 2))
    for end in (two, three):
        assert end.hear_kind(Push).pack() == bytes.fromhex("000c01fd0004 7f000001 1af4")
        assert end.hear_kind(Push) == push(6902, 1)
        assert end.hear_all(0.1) == []
    two.say(push(6900, 3))
    scene.run(10.0)
    one.hear_all(0.1)
    two.say(push(6900, 2))
    assert one.hear_kind(Push) == three.hear_kind(Push) == push(6900, 1)


def test_pushed_addresses_of_a_neighbour_are_dialled_while_half_of_the_places_is_free():
    scene = ModuleScene(degree=6, min_degree=1)
    neighbour, machines = scene.neighbour(), [scene.machine() for _ in range(8)]
    scene.run(2.0)
    neighbour.say(Push(1, OWN), Push(1, neighbour.machine.address),
                  *(Push(1, machine.address) for machine in machines[:7]))
    ends = [machine.accept() for machine in machines[:3]]
    scene.run(0.1)
    assert not any(machine.is_dialled(0.1) for machine in machines[3:])
    ends[0].hang_up()  # its place is free again
    scene.run(0.1)
    neighbour.say(*(Push(1, machine.address) for machine in machines))
    assert machines[7].is_dialled()
    assert not any(machine.is_dialled(0.1) for machine in machines[3:7])


def test_of_many_pushes_and_questions_over_one_link_the_rest_is_dropped():
    scene = ModuleScene(degree=2, cache_size=6_000)
    one, two = scene.neighbour(), scene.neighbour()
    two.hear_all(0.1)
    one.say(*(push(1 + port, 5, "127.0.0.9") for port in range(5_000)))
    assert [value.address.port for value in two.hear_all(0.5)] == [*range(1, 51)]
    two.say(*[PeerRequest()] * 5_000)
    assert two.hear_all(0.5) == [PeerResponse((one.machine.address,))] * 50
    scene.run(1.0)
    assert two.is_there()


def test_who_has_few_neighbours_asks_one_for_more_but_nobody_twice_without_an_answer():
    scene = ModuleScene(degree=6, min_degree=3)
    first = scene.neighbour()
    assert first.hear().pack() == bytes.fromhex("000401f8")
    second = scene.neighbour()
    for _ in range(10):
        second.hear_kind(PeerRequest, 1.1)
        second.say(PeerResponse(()))
    assert "PeerRequest" not in first.hear_kinds(0.1)
    third = scene.machine()
    second.hear_kind(PeerRequest, 1.1)
    second.say(PeerResponse((third.address,)))
    third.welcome()
    scene.run(0.1)
    assert len(scene.neighbours()) == 3


def test_who_loses_everyone_tries_whom_it_knows():
    scene = ModuleScene(degree=2, min_degree=1, bootstrapper=str(ONE))
    first, known = scene.machine(str(ONE)), scene.machine(str(TWO))
    end = first.welcome(TWO)
    assert end.is_there() and not known.is_dialled(2.0)
    first.world.stop()
    known.welcome(seconds=30.0)
    scene.run(0.1)
    assert scene.neighbours() == {str(TWO)}


def test_the_bootstrapper_is_dialled_between_all_addresses_that_are_known():
    scene = ModuleScene(degree=2, min_degree=1, bootstrapper=str(ONE))
    first = scene.machine(str(ONE))
    first.welcome(*[address_of("127.0.0.1", 6200 + at) for at in range(20)]).hang_up()
    moments = []
    for _ in range(4):
        first.accept(70.0).hang_up()
        moments.append(scene.now)
    assert moments[-1] < 100.0, "before all of the twenty"


def test_a_bootstrapper_beside_neighbours_is_dialled_ever_more_rarely():
    scene = ModuleScene(degree=4, min_degree=1, liveness=1.0, bootstrapper=str(ONE))
    neighbour, moments = scene.neighbour(), []
    machine = scene.machine(str(ONE))

    def is_dialled() -> bool:
        neighbour.say(Ping())
        return machine.is_dialled(0.5)

    while len(moments) < 6:
        if is_dialled():
            machine.accept().hang_up()
            moments.append(scene.now)
        assert scene.now < 200.0
    pauses = [after - before for before, after in zip(moments, moments[1:])]
    assert pauses[-1] > 7.0 > pauses[0] and len(scene.neighbours()) == 1
    scene.neighbour().hang_up()
    assert not is_dialled(), "not sooner because others come and go"
    machine.proves = True
    machine.join().hang_up()  # it was here: if it is lost, it is dialled soon
    assert machine.is_dialled(2.0)


def test_who_had_joined_by_itself_and_is_gone_may_be_dialled_at_once():
    scene = ModuleScene(min_degree=1)
    machine, other = scene.machine(), scene.neighbour()
    machine.proves = True
    for _ in range(6):
        machine.join().hang_up()
        scene.run(0.05)
    scene.run(10.0)
    other.say(Push(1, machine.address))
    assert machine.is_dialled(0.1)


def test_whoever_is_pushed_out_at_once_is_welcomed_before():
    """Else it takes its work for refused, and leaves this module alone."""
    scene = ModuleScene(degree=2, max_connections=2)
    proven = scene.machine()
    proven.proves = True
    proven.join()
    machine = scene.machine(listens=False)
    first, nonce = machine.challenged()
    second_machine = scene.machine(listens=False)
    second, other_nonce = second_machine.challenged()
    first.say(machine.work(nonce))
    second.say(second_machine.work(other_nonce))
    assert first.hear() == PeerResponse((proven.address,)) and first.ends_within(0.1)
    assert f"disconnected:{machine.address}:one too many:here" in scene.events()


def test_the_largest_view_fits_into_a_message():
    addresses = tuple(address_of("127.0.0.1", port) for port in range(1, MOST_NEIGHBOURS + 1))
    assert len(PeerResponse(addresses).pack()) < 65_536


@pytest.mark.parametrize("ip", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_who_names_an_address_that_nobody_can_dial_is_disconnected(ip):
    scene = ModuleScene()
    end = scene.neighbour()
    end.send(bytes.fromhex("000c01fd0003") + bytes(map(int, ip.split("."))) + b"\0\7")
    assert scene.refusal(end).endswith(f"{ip}:7 is no address that others can dial")


@pytest.mark.parametrize("number, known", [(errno.ECONNREFUSED, 0), (errno.EMFILE, 1)])
def test_an_address_that_refuses_is_forgotten_and_not_one_for_which_descriptors_are_short(
        number, known):
    scene = ModuleScene(min_degree=1)
    scene.neighbour().say(push(ONE.port, 1))
    scene.machine(str(ONE))
    assert scene.pass_until(lambda: "DIALLED" in [link.role for link in scene.node.links], 1.0)
    [dial] = [link for link in scene.node.links if link.role == "DIALLED"]
    dial.connection.reset(number)
    scene.run(0.01)
    assert scene.count("known addresses") == known


# Liveness.

def test_a_neighbour_that_is_silent_for_three_intervals_is_dropped():
    scene = ModuleScene(liveness=10.0, min_degree=1)
    silent, lively = scene.neighbour(), scene.neighbour()
    silent.hear_all(0.1)
    heard = []
    for _ in range(45):
        lively.say(Ping())
        heard += silent.hear_all(1.0)
    assert [value.pack() for value in heard] == [bytes.fromhex("000401fe")] * 3
    assert silent.closed
    assert scene.event("disconnected:") == f"disconnected:{silent.machine.address}:silent:broken"
    assert scene.neighbours() == {str(lively.machine.address)}


def test_a_module_that_ran_late_calls_nobody_silent():
    scene = ModuleScene(liveness=10.0, min_degree=1)
    end = scene.neighbour()
    for pause in (5.0, 100.0):
        scene.world.freeze()
        scene.run(pause)
        end.say(Ping())
        scene.run(0.1)
        scene.world.thaw()
        scene.run(0.1)
    assert end.is_there() and scene.events("late:")[-1] != "late:0.000"


def test_the_last_lines_are_the_counts_and_the_reason():
    scene = ModuleScene()
    scene.neighbour(), scene.client(1, 2)
    scene.node.stop("quit")
    scene.node.stop("again")
    assert scene.events()[-2:] == ["counts:neighbours=1:subscriptions=2", "stopped:quit"]
    assert scene.events()[:3] == [
        f"started:module:{OWN}",
        "settings:degree=4:min-degree=2:max-connections=8:cache-size=50:pow-bits=4:p2p-ttl=5"
        ":liveness-interval=60.0", "late:0.000"]
