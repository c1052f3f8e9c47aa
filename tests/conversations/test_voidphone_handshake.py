"""A gossip module and others that become neighbours: HELLO, work, welcome; work that does not
count; messages out of their place; modules that are dialled back, or left alone."""

import pytest

from grapevine.addresses import address_of, parse_address
from grapevine.node import CROWD_LIMIT
from grapevine.voidphone.messages import (
    Hello, PeerNotification, PeerRequest, PeerResponse, Ping, Push, Validation,
    VerificationRequest, VerificationResponse)
from grapevine.voidphone.handshake import HELLO_LIMIT, LEFT_ALONE, SLOT, WORK_LIMIT
from grapevine.voidphone.module import API
from tests.tools.voidphone import BITS, OWN, ModuleScene, push, work_for, zero_bits

ONE, TWO = parse_address("127.0.0.1:6101"), parse_address("127.0.0.1:6102")


def endpoint(address) -> bytes:
    return bytes(map(int, address.ip.split("."))) + address.port.to_bytes(2, "big")


def test_who_dials_says_hello_works_and_is_told_the_view():
    scene = ModuleScene(degree=6, min_degree=1, p2p_ttl=3)
    joined = []
    for number in range(3):
        machine = scene.machine(listens=False)
        end = machine.connect()
        end.send(bytes.fromhex("000a01fc") + endpoint(machine.address))
        given = end.hear().pack()
        assert len(given) == 12 and given[:4] == bytes.fromhex("000c01fa")
        challenge = work_for(int.from_bytes(given[4:], "big"))
        end.send(bytes.fromhex("001a01fb") + given[4:] + challenge.to_bytes(8, "big")
                 + endpoint(machine.address))
        assert end.hear() == PeerResponse(tuple(other.machine.address for other in joined))
        for other in joined:
            assert other.hear() == Push(3, machine.address)
        joined.append(end)
        assert scene.event("connected:") == f"connected:{machine.address}"
        assert scene.event("degree:") == f"degree:{OWN}=>{number + 1}"
    assert scene.events("refused:") == []


def test_a_module_that_dials_says_hello_works_and_becomes_a_neighbour():
    scene = ModuleScene(bootstrapper="127.0.0.1:6101", pow_bits=12)
    acceptor, other = scene.machine("127.0.0.1:6101"), scene.machine("127.0.0.1:6102")
    end = acceptor.accept()
    assert end.hear().pack() == bytes.fromhex("000a01fc") + endpoint(OWN)
    end.say(VerificationRequest(511))
    done = end.hear(5.0)
    assert done.pack()[:12] == bytes.fromhex("001a01fb00000000000001ff")
    assert done.address == OWN and zero_bits(511, done.challenge) >= 12
    assert scene.neighbours() == set()
    end.say(PeerResponse((TWO,)))
    other.welcome()
    scene.run(0.1)
    assert scene.neighbours() == {str(ONE), str(TWO)}


def test_the_bootstrapper_dials_nobody_by_itself():
    scene = ModuleScene(bootstrapper=None, degree=1)
    scene.run(60.0)
    assert not scene.node.links and scene.neighbour().is_there()


def test_the_view_that_one_is_told_is_without_oneself():
    scene = ModuleScene()
    machine = scene.machine()
    machine.join()
    assert machine.join().view == ()


# Work that does not count.

@pytest.mark.parametrize("change, words", [
    (lambda nonce: {"nonce": nonce ^ 1, "challenge": work_for(nonce ^ 1)}, "not this connection's"),
    (lambda nonce: {"challenge": next(one for one in range(1000) if zero_bits(nonce, one) < BITS)},
     "the work is not done"),
    (lambda nonce: {"address": TWO}, f"work for {TWO}, not for {ONE}"),
    (lambda nonce: {"address": address_of("127.0.0.2", ONE.port)}, "work for 127.0.0.2:6101, not"),
], ids=["nonce", "work", "port", "IP"])
def test_a_wrong_answer_ends_the_connection(change, words):
    scene = ModuleScene()
    machine = scene.machine(str(ONE))
    end, nonce = machine.challenged()
    end.say(machine.work(nonce, **change(nonce)))
    assert words in scene.refusal(end)
    assert scene.neighbours() == set() and scene.neighbour().is_there()


@pytest.mark.parametrize("is_used", [True, False])
def test_the_work_of_another_connection_does_not_count(is_used):
    """Neither a replay of what was accepted, nor a nonce that somebody else was given."""
    scene = ModuleScene()
    machine = scene.machine()
    first, nonce = machine.challenged()
    if is_used:
        first.say(machine.work(nonce))
        assert first.hear() == PeerResponse(())
    second, _ = machine.challenged()
    second.say(machine.work(nonce))
    assert "not this connection's" in scene.refusal(second)


def test_a_nonce_is_good_until_the_time_for_the_work_is_over():
    scene = ModuleScene()
    machine = scene.machine()
    end, nonce = machine.challenged()
    scene.run(WORK_LIMIT - 1.0)
    end.say(machine.work(nonce))
    assert end.hear() == PeerResponse(())


def test_hello_said_again_is_answered_in_the_next_slot_only():
    scene = ModuleScene()
    machine = scene.machine()
    end, nonce = machine.challenged()
    end.say(Hello(machine.address), Hello(machine.address))
    assert end.hear(0.1) is None and scene.count("HELLOs said again") == 2
    scene.run(SLOT)
    end.say(Hello(machine.address), machine.work(nonce))
    another, view = end.hear(), end.hear()
    assert isinstance(another, VerificationRequest) and another.nonce != nonce
    assert view == PeerResponse(())


@pytest.mark.parametrize("address, words", [
    (address_of("10.1.2.3", 6001), "HELLO from 127.0.0.1 for 10.1.2.3:6001"),
    (address_of("127.0.0.2", 6001), "HELLO from 127.0.0.1 for 127.0.0.2:6001"),
    (OWN, "HELLO with our own address")])
def test_hello_with_an_impossible_address_ends_the_connection(address, words):
    scene = ModuleScene()
    end = scene.machine().connect()
    end.say(Hello(address))
    assert scene.refusal(end).endswith(words)


def test_hello_with_another_address_ends_the_connection():
    scene = ModuleScene()
    end, _ = scene.machine().challenged()
    end.say(Hello(ONE))
    assert scene.refusal(end).endswith(f"HELLO with another address, {ONE}")


# Messages out of their place.

BEFORE = [PeerRequest(), PeerResponse(()), VerificationRequest(1), push(6001),
          PeerNotification(255, 1, 7, b"news")]
ROLES = {"stranger": "one who has not said HELLO", "challenged": "one who has not done the work",
         "dialled": "one who has not answered HELLO", "worked for": "one whose work we do",
         "answered": "one who has not answered our work", "neighbour": "a neighbour",
         "dialled back": "one that we dial back", "client": "a module"}
EXPECTED = {("dialled", VerificationRequest), ("dialled back", VerificationRequest),
            ("answered", PeerResponse), ("neighbour", PeerRequest), ("neighbour", Push),
            ("neighbour", PeerNotification)}
EVERYTHING = [*BEFORE, VerificationResponse(1, 1, ONE), Hello(ONE), Ping(), Validation(1, 1)]


def end_of_role(role: str):
    """Return a scene and an end of this role."""
    if role in ("stranger", "challenged", "neighbour", "client", "dialled back"):
        scene = ModuleScene(min_degree=1)
        machine = scene.machine()
        end = {"stranger": lambda: machine.connect(), "challenged": lambda: machine.challenged()[0],
               "neighbour": machine.join, "client": lambda: machine.connect(API),
               "dialled back": lambda: machine.join() and machine.accept()}[role]()
        return scene, end
    scene = ModuleScene(bootstrapper=str(ONE), pow_bits=10 if role == "answered" else 64)
    end = scene.machine(str(ONE)).accept()
    if role != "dialled":
        end.say(VerificationRequest(1))
    if role == "answered":
        end.hear_kind(VerificationResponse, 5.0)
    scene.run(0.01)
    return scene, end


@pytest.mark.parametrize("role, message", [
    (role, message) for role in ROLES for message in EVERYTHING
    if (role, type(message)) not in EXPECTED
    and not (isinstance(message, PeerResponse) and role == "neighbour")  # a test of its own
    and not (isinstance(message, Hello) and role in ("stranger", "challenged"))
    and not (isinstance(message, VerificationResponse) and role == "challenged")
    and not (isinstance(message, Validation) and role == "client")
    and not (isinstance(message, Ping) and role != "client")
], ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_what_a_role_may_not_say_ends_the_connection(role, message):
    scene, end = end_of_role(role)
    try:
        end.say(message)
        words = scene.refusal(end)
        assert words.endswith(f" is not expected from {ROLES[role]}"), words
    finally:
        scene.node.stop("over")  # and the search for work, if there is one


@pytest.mark.parametrize("role", [role for role in ROLES if role != "client"])
def test_every_module_may_ping(role):
    scene, end = end_of_role(role)
    end.say(Ping(), Ping())
    assert not end.ends_within(0.1) and scene.events("refused:") == []
    scene.node.stop("over")


def test_a_peer_response_counts_once_for_each_question():
    scene = ModuleScene(min_degree=2)
    end = scene.neighbour()
    assert isinstance(end.hear(), PeerRequest)
    end.say(PeerResponse(()), PeerResponse(()))
    assert scene.refusal(end).endswith("peer response without a request")


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
    for _ in range(4):
        scene.run(SLOT)
        end.say(Hello(machine.address))
        assert isinstance(end.hear(), VerificationRequest)
    assert not end.ends_within(WORK_LIMIT - 4 * SLOT - 1.0) and end.ends_within(1.5)


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

@pytest.mark.parametrize("is_ours_first", [True, False])
@pytest.mark.parametrize("own, other", [(5001, 6101), (6201, 6101)])
def test_of_two_links_of_a_pair_the_one_dialled_by_the_lower_address_stays(
        own, other, is_ours_first):
    scene = ModuleScene(own=address_of("127.0.0.1", own), bootstrapper=str(ONE), min_degree=1)
    machine = scene.machine(str(ONE))
    if is_ours_first:
        ours = machine.accept()
        ours.hear_kind(Hello)
        ours.say(VerificationRequest(1))
        ours.hear_kind(VerificationResponse, 5.0)
        ours.say(PeerResponse(()))
        scene.run(0.1)
        theirs, nonce = machine.challenged()
        theirs.say(machine.work(nonce))
    else:
        ours = machine.accept()
        theirs, nonce = machine.challenged()
        theirs.say(machine.work(nonce))
        theirs.hear_kind(PeerResponse)
        ours.hear_kind(Hello)
        ours.say(VerificationRequest(1))
        ours.hear_kind(VerificationResponse, 5.0)
        ours.say(PeerResponse(()))
    scene.run(5.0)
    stays, goes = (ours, theirs) if own < other else (theirs, ours)
    assert goes.closed and stays.is_there()
    assert scene.neighbours() == {str(ONE)}


def test_of_two_links_in_one_direction_the_newer_stays_and_the_older_is_read_for_a_while():
    scene = ModuleScene()
    client, machine = scene.client(7), scene.machine(listens=False)
    old, new = machine.join(), machine.join()
    assert scene.event("disconnected:") == f"disconnected:{machine.address}:replaced"
    for number, end in enumerate((old, new)):
        end.bring(bytes([number]), number=number, data_type=7)
        assert client.told().data == bytes([number])
    assert old.ends_within(2.1) and new.is_there()
    assert scene.neighbours() == {str(machine.address)}


def test_what_a_dialled_module_says_before_it_knows_the_better_link_arrives():
    scene = ModuleScene(own=parse_address("127.0.0.1:6201"), bootstrapper=str(ONE))
    machine, client = scene.machine(str(ONE)), scene.client(7)
    dialled = machine.accept()
    dialled.hear_kind(Hello)
    dialled.say(VerificationRequest(1))
    dialled.hear_kind(VerificationResponse, 5.0)
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


def test_fifty_made_up_modules_that_listen_nowhere_push_out_one_neighbour_at_most():
    scene = ModuleScene(degree=4, max_connections=8)
    honest = [scene.machine() for _ in range(8)]
    for machine in honest:
        machine.proves = True
        machine.join()
    scene.run(0.1)
    for _ in range(50):
        scene.neighbour()
    scene.run(3.0)
    left = scene.neighbours() & {str(machine.address) for machine in honest}
    assert len(left) == 7 and len(scene.neighbours()) == 8


def test_fifty_made_up_modules_that_listen_push_out_none_that_this_one_dialled():
    scene = ModuleScene(degree=6, min_degree=3, max_connections=8, bootstrapper="127.0.0.1:6101")
    ours = [scene.machine(f"127.0.0.1:{6101 + number}") for number in range(3)]
    ours[0].welcome(*[machine.address for machine in ours[1:]])
    for machine in ours[1:]:
        machine.welcome()
    for _ in range(50):
        fake = scene.machine("")
        fake.proves = True
        fake.join()
        scene.run(0.01)
    assert {str(machine.address) for machine in ours} < scene.neighbours()
    assert len(scene.neighbours()) == 8


# Those who did not take our work.

def test_who_did_not_take_our_work_is_left_alone_for_60_seconds():
    scene = ModuleScene(min_degree=1)
    machine, neighbour = scene.machine(str(ONE)), scene.neighbour()
    neighbour.say(push(ONE.port, 1))
    machine.give_work().hang_up()
    assert scene.event("refused:") == (
        f"refused:{ONE}:it did not take our work: has it more pow_bits?")
    for _ in range(3):
        scene.run(LEFT_ALONE / 4)
        neighbour.say(push(ONE.port, 1))
    assert not machine.is_dialled(0.1)
    scene.run(LEFT_ALONE / 4)
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


def test_a_module_without_neighbours_dials_its_bootstrapper_with_back_off():
    scene = ModuleScene(bootstrapper=str(ONE))
    scene.run(120.0)
    dials = scene.world.asked["membership"]
    assert 120 / 15 <= dials < 30
    machine = scene.machine(str(ONE))
    end = machine.welcome(seconds=20.0)
    scene.run(0.1)
    assert scene.neighbours() == {str(ONE)}
    end.hang_up()
    assert machine.is_dialled(3.0)
