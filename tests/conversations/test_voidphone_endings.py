"""What ends a connection of a gossip module, and the line that says so; malformed messages."""

import random

import pytest

from grapevine.voidphone.messages import (
    Announce, Hello, Notification, PeerNotification, PeerRequest, Ping, VerificationResponse)
from grapevine.voidphone.module import API, MESSAGE_LIMIT
from tests.tables.voidphone_examples import CHALLENGE, EXACT, NONCE, mutated
from tests.tools.voidphone import TYPE, WAITING, ModuleScene, push

ALMOST = Announce(0, TYPE, b"almost").pack()[:-1]


@pytest.mark.parametrize("data", [
    "0000 01f4", "0001 01f4", "0002 01f4", "0003 01f4 0000 0539",  # size under 4
    "0004 01f4", "0007 01f4 0000 05", "0007 01f5 0000 05", "0009 01f5 0000 0539 00",
    "0004 01f5", "0007 01f7 0000 00", "000a 01f7 0000 0001 0000",  # wrong size for the type
    "0004 0000", "0008 01f3 0000 0000", "0004 0200", "0004 ffff",  # unknown type
    "0008 01f6 0000 0539", "000a 01f6 0000 0539 6869",  # the module's to say
    "0004 01f8", "0004 01f9", "000a 01fc 7f00 0001 1770", "0004 01fe",  # for modules
    "000a 01ff 0500 0007 0539"])
def test_a_client_that_breaks_the_rules_is_disconnected_once_what_came_before_is_done(data):
    scene = ModuleScene()
    bad, witness = scene.client(TYPE), scene.client(TYPE)
    bad.send(Announce(0, TYPE, b"still counts").pack() + bytes.fromhex(data)
             + Announce(0, TYPE, b"does not").pack())
    assert witness.told().data == b"still counts"
    assert scene.refusal(bad).startswith("127.0.0.1:")
    assert witness.hear(0.1) is None and scene.count("subscriptions") == 1


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("data", [b"\0", b"\0\x08\x01", ALMOST])
def test_the_end_of_the_stream_inside_a_message_is_written_down(data, is_reset):
    scene = ModuleScene()
    clients, peers = [scene.client(), scene.client()], [scene.neighbour(), scene.neighbour()]
    clients[0].send(data)
    peers[0].send(data)
    scene.run(0.1)
    for end in (*clients, *peers):
        end.break_off() if is_reset else end.hang_up()
    scene.run(0.1)
    lines = scene.events("refused:")
    assert len(lines) == 2 and all("the stream ended inside a message" in line for line in lines)
    assert f"refused:{peers[0].machine.address}:the stream ended inside a message" in lines


def test_a_message_that_has_begun_has_to_end_in_time():
    scene = ModuleScene(min_degree=1)
    idle, peer = scene.client(TYPE), scene.neighbour()
    stuck, drip = scene.client(), scene.client()
    stuck.send(b"\0\x08\x01")
    drip.send(b"\xff\xff\x01\xf4")
    for _ in range(int(MESSAGE_LIMIT) + 1):
        assert scene.now < MESSAGE_LIMIT + 0.1 or stuck.closed
        drip.send(b"x")
        peer.say(Ping())
        scene.run(1.0)
    assert stuck.closed and drip.closed and not idle.closed and not peer.closed
    assert [event.rpartition(":")[2] for event in scene.events("refused:")] == [
        "a message was not finished in time"] * 2


def test_whole_messages_give_the_next_one_its_full_time():
    scene = ModuleScene()
    end, whole = scene.client(TYPE), Announce(0, 1, b"whole").pack()
    end.send(ALMOST)
    for _ in range(5):
        scene.run(MESSAGE_LIMIT - 1.0)
        end.send(b"t" + ALMOST)
    end.send(b"t" + whole)
    scene.run(2 * MESSAGE_LIMIT)
    assert end.closed is None and len(scene.events("generated:")) == 7


# Malformed messages: random and mutated ones change nothing.

SAID_BY = {
    "client": [value for value, _ in EXACT if type(value).__name__ in
               ("Announce", "Notify", "Validation")],
    "stranger": [Hello(push(5001).address), Ping(),
                 VerificationResponse(NONCE, CHALLENGE, push(5001).address)],
    "neighbour": [PeerRequest(), Ping(), push(1, 9),
                  PeerNotification(4, 0x0405, 0x0203, b"ab"),
                  PeerNotification(255, 0x0405, 0x0203, bytes(3000))]}


@pytest.mark.parametrize("who", SAID_BY)
def test_ten_thousand_mutated_messages_change_nothing(who):
    scene = ModuleScene(patience=0.5, memory=1.0, degree=1, max_connections=50)
    honest, subscriber, rng = scene.neighbour(), scene.client(0x0203), random.Random(who)
    fuzzer = scene.machine("127.0.0.1:6501", listens=False)
    opened = {"client": lambda: fuzzer.connect(API), "stranger": fuzzer.connect,
              "neighbour": fuzzer.join}[who]
    usual, everything = ([value.pack() for value in values]
                         for values in (SAID_BY[who], [value for value, _ in EXACT]))
    said = 0
    while said < 10_000:
        batch = [rng.randbytes(rng.randint(1, 40)) if rng.random() < 0.03 else
                 mutated(rng.choice(usual if rng.random() < 0.95 else everything), rng)
                 for _ in range(rng.randint(1, 40))]
        said += len(batch)
        end = opened()
        end.send(b"".join(batch))
        scene.run(0.05)
        end.hang_up()
        honest.say(Ping())
        honest.lines.clear()
        subscriber.lines.clear()
    scene.run(20.0)
    assert len(scene.node.links) == 2 and scene.events("failed:") == []
    assert scene.neighbours() == {str(honest.machine.address)}
    assert scene.count("subscriptions") == 1
    assert scene.count(WAITING) == 0
    assert scene.count("known addresses") <= 50
    honest.lines.clear()
    fresh, announcer = scene.client(9), scene.client()
    announcer.say(Announce(0, 9, b"after all that"))
    told = fresh.hear()
    assert isinstance(told, Notification) and told.data == b"after all that"
    fresh.validate(told)
    assert honest.news().data == b"after all that" and honest.is_there()
