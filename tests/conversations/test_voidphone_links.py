"""Which links of a gossip module stay: silent ones, two of a pair, those of made-up modules, and of
modules that do not take its work."""

from grapevine.addresses import parse_address
from grapevine.node import CROWD_LIMIT
from grapevine.voidphone import handshake
from grapevine.voidphone.handshake import HELLO_LIMIT, WORK_LIMIT
from grapevine.voidphone.messages import (
    Hello, PeerNotification, PeerResponse, Ping, VerificationRequest)
from tests.tools.voidphone import OWN, ModuleScene, push

ONE = parse_address("127.0.0.1:6101")


# Those who say nothing.

def test_who_says_nothing_valid_in_time_is_refused():
    scene = ModuleScene()
    silent, talker = scene.machine().connect(), scene.machine().connect()
    scene.run(HELLO_LIMIT - 1.0)
    talker.say(Ping())
    assert not silent.closed
    scene.run(1.5)
    assert silent.closed and talker.closed
    assert [event.split(":")[-1] for event in scene.events("refused:")] == [
        "nothing valid came in time"] * 2


def test_who_does_not_work_in_time_is_refused_also_if_it_says_hello_again():
    scene = ModuleScene()
    machine = scene.machine()
    end, _ = machine.challenged()
    scene.run(WORK_LIMIT / 2)
    end.say(Hello(machine.address))
    assert not end.ends_within(WORK_LIMIT / 2 - 1.0) and end.ends_within(1.5)


def test_one_who_gives_no_work_in_time_is_given_up_and_dialled_again():
    scene = ModuleScene(bootstrapper=str(ONE))
    machine = scene.machine(str(ONE))
    end = machine.accept()
    end.say(Ping())
    assert end.ends_within(HELLO_LIMIT + 0.5)
    end = machine.welcome(seconds=20.0)
    scene.run(0.1)
    assert scene.neighbours() == {str(ONE)}
    end.hang_up()
    assert machine.is_dialled(3.0)


def test_of_too_many_that_are_not_verified_the_oldest_goes():
    scene = ModuleScene(degree=3)
    neighbour, client = scene.neighbour(), scene.client(7)
    ends = [scene.machine(f"127.0.0.3:{6000 + number}", listens=False).connect()
            for number in range(CROWD_LIMIT + 3)]
    assert [end.closed is not None for end in ends[:5]] == [True, True, True, False, False]
    assert neighbour.is_there() and client.closed is None


# Which of two links stays.

def test_a_second_link_is_refused_if_the_higher_address_has_dialled_it():
    scene = ModuleScene(bootstrapper=str(ONE), min_degree=1)
    machine = scene.machine(str(ONE))
    ours = machine.welcome()
    theirs, nonce = machine.challenged()
    theirs.say(machine.work(nonce))
    assert scene.refusal(theirs) == f"{ONE}:duplicate"
    assert ours.is_there() and scene.neighbours() == {str(ONE)}


def test_of_two_links_in_one_direction_the_newer_stays_and_the_older_is_read_for_a_while():
    scene = ModuleScene()
    client, machine = scene.client(7), scene.machine(listens=False)
    old, new = machine.join(), machine.join()
    assert scene.event("disconnected:") == f"disconnected:{machine.address}:replaced:here"
    for number, end in enumerate((old, new)):
        end.bring(bytes([number]), number=number, data_type=7)
        assert client.told().data == bytes([number])
    assert old.ends_within(2.1) and new.is_there()
    assert scene.neighbours() == {str(machine.address)}


def test_what_a_dialled_module_says_before_it_knows_the_better_link_arrives():
    scene = ModuleScene(own=parse_address("127.0.0.1:6201"), bootstrapper=str(ONE))
    machine, client = scene.machine(str(ONE)), scene.client(7)
    dialled = machine.accept()
    dialled.give_work()
    better = machine.join()
    dialled.say(PeerResponse(()), PeerNotification(255, 1, 7, b"news"))
    assert client.told().data == b"news"
    assert dialled.ends_within(3.0) and better.is_there()
    assert scene.events("refused:")[-1] == f"refused:{ONE}:duplicate"


# Proofs of addresses.

def test_a_neighbour_that_came_by_itself_is_dialled_back_once():
    scene = ModuleScene()
    machine = scene.machine()
    end = machine.join()
    back = machine.accept()
    assert back.hear() == Hello(OWN)
    back.say(VerificationRequest(1))
    assert back.ends_within(0.1) and end.is_there()
    machine.join()
    assert not machine.is_dialled(5.0) and scene.events("refused:") == []


def test_of_those_that_came_some_are_dialled_back_at_once(monkeypatch):
    monkeypatch.setattr(handshake, "BACK_DIALS", 2)
    scene = ModuleScene()
    machines = [scene.machine() for _ in range(3)]
    for machine in machines:
        machine.join()
    assert [machine.is_dialled(0.1) for machine in machines] == [True, True, False]


# Those who did not take our work.

def test_who_did_not_take_our_work_is_left_alone_for_60_seconds():
    scene = ModuleScene(min_degree=1)
    machine, neighbour = scene.machine(str(ONE)), scene.neighbour()
    neighbour.say(push(ONE.port, 1))
    machine.give_work().hang_up()
    assert scene.event("refused:") == (
        f"refused:{ONE}:it did not take our work: has it more pow_bits?")
    for _ in range(3):
        scene.run(15.0)
        neighbour.say(push(ONE.port, 1))
    assert not machine.is_dialled(0.1)
    scene.run(15.0)
    neighbour.say(push(ONE.port, 1))
    machine.welcome()
    scene.run(0.1)
    assert str(ONE) in scene.neighbours()


def test_who_takes_our_work_and_hangs_up_gets_work_ever_more_rarely():
    scene = ModuleScene(bootstrapper=str(ONE))
    machine, moments = scene.machine(str(ONE)), []
    for _ in range(6):
        machine.welcome(seconds=100.0).hang_up()
        moments.append(scene.now)
    pauses = [after - before for before, after in zip(moments, moments[1:])]
    assert all(pause >= 0.5 * 2 ** number for number, pause in enumerate(pauses)), pauses
    end = machine.welcome(seconds=100.0)
    for _ in range(5):
        scene.run(30.0)
        end.say(Ping())
    end.hang_up()
    assert machine.is_dialled(1.5), "that is long ago"


def test_a_module_without_neighbours_dials_its_bootstrapper_with_back_off():
    scene = ModuleScene(bootstrapper=str(ONE))
    scene.run(120.0)
    assert 120 / 15 <= scene.world.asked["membership"] < 30
