"""A gossip module and others that become neighbours: HELLO, work, welcome; work that does not
count; messages out of their place."""

import pytest

from grapevine.addresses import address_of, parse_address
from grapevine.voidphone.messages import (
    Hello, Notify, PeerNotification, PeerRequest, PeerResponse, Ping, Push, Validation,
    VerificationRequest, VerificationResponse)
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
    one, *others = [other.machine for other in joined]
    assert one.join().view == tuple(other.address for other in others), "without itself"


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


def test_work_for_two_modules_is_done_for_one_after_the_other():
    scene = ModuleScene(min_degree=1)
    neighbour, machines = scene.neighbour(), [scene.machine() for _ in range(2)]
    neighbour.say(*[push(machine.address.port, 1) for machine in machines])
    ends = [machine.accept() for machine in machines]
    for nonce, end in enumerate(ends):
        end.hear_kind(Hello)
        end.say(VerificationRequest(nonce))
    assert [end.hear_kind(VerificationResponse).nonce for end in ends] == [0, 1]


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


def test_the_work_of_another_connection_does_not_count():
    scene = ModuleScene()
    machine = scene.machine()
    first, nonce = machine.challenged()
    first.say(machine.work(nonce))
    assert first.hear() == PeerResponse(())
    second, _ = machine.challenged()
    second.say(machine.work(nonce))
    assert "not this connection's" in scene.refusal(second)


def test_hello_said_again_is_not_answered():
    scene = ModuleScene()
    machine = scene.machine()
    end, nonce = machine.challenged()
    end.say(Hello(machine.address), Hello(machine.address), machine.work(nonce))
    assert end.hear() == PeerResponse(()) and scene.count("HELLOs said again") == 2


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

EVERYTHING = [PeerRequest(), PeerResponse(()), VerificationRequest(1), push(6001),
              PeerNotification(255, 1, 7, b"news"), VerificationResponse(1, 1, ONE), Hello(ONE),
              Ping(), Notify(1), Validation(1, 1)]
MAY_SAY = {  # role -> kinds of messages
    "STRANGER": {Hello, Ping}, "CHALLENGED": {Hello, VerificationResponse, Ping},
    "DIALLED": {VerificationRequest, Ping}, "WORKED_FOR": {Ping},
    "ANSWERED": {PeerResponse, Ping},
    "NEIGHBOUR": {PeerRequest, PeerResponse, Push, PeerNotification, Ping},
    "DIALLED_BACK": {VerificationRequest, Ping}, "CLIENT": {Notify, Validation}}


def end_of_role(role: str):
    """Return a scene and an end of this role."""
    if role in ("STRANGER", "CHALLENGED", "NEIGHBOUR", "CLIENT", "DIALLED_BACK"):
        scene = ModuleScene(min_degree=1)
        machine = scene.machine()
        end = {"STRANGER": lambda: machine.connect(), "CHALLENGED": lambda: machine.challenged()[0],
               "NEIGHBOUR": machine.join, "CLIENT": lambda: machine.connect(API),
               "DIALLED_BACK": lambda: machine.join() and machine.accept()}[role]()
        return scene, end
    scene = ModuleScene(bootstrapper=str(ONE), pow_bits=10 if role == "ANSWERED" else 64)
    end = scene.machine(str(ONE)).accept()
    if role != "DIALLED":
        end.say(VerificationRequest(1))
    if role == "ANSWERED":
        end.hear_kind(VerificationResponse, 5.0)
    scene.run(0.01)
    return scene, end


@pytest.mark.parametrize("role, message", [
    (role, message) for role, kinds in MAY_SAY.items() for message in EVERYTHING
    if type(message) not in kinds
], ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_what_a_role_may_not_say_ends_the_connection(role, message):
    scene, end = end_of_role(role)
    try:
        end.say(message)
        words = scene.refusal(end)
        assert "unexpected '" in words and words.endswith(f"' while {role}"), words
    finally:
        scene.node.stop("over")  # and the search for work, if there is one


@pytest.mark.parametrize("role", [role for role in MAY_SAY if role != "CLIENT"])
def test_every_module_may_ping(role):
    scene, end = end_of_role(role)
    end.say(Ping(), Ping())
    assert not end.ends_within(0.1) and scene.events("refused:") == []
    scene.node.stop("over")
