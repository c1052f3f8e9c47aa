"""A fuzz on the wire: random and mutated messages change nothing."""

import collections
import gc
import os
import random
import socket
import threading

import pytest

from gossip.addresses import address_of
from gossip.voidphone import messages
from gossip.voidphone.messages import (
    Announce, Hello, PeerNotification, PeerRequest, Ping, Push, Validation,
    VerificationResponse)
from gossip.voidphone.neighbours import Handshake
from tests.tools.module_examples import CHALLENGE, EXACT, NONCE, mutated
from tests.tools.ports import free_address
from tests.tools.processes import descriptors
from tests.tools.waiting import wait_until

FUZZ_TYPE = 0x0203  # of the data in EXACT


def resident() -> int:
    """Bytes of memory of this process."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pour(end, data: bytes) -> None:
    """Say that much and no more, and wait until the module has done with it."""
    end.sock.settimeout(60)
    try:
        end.sock.sendall(data)
        end.sock.shutdown(socket.SHUT_WR)
        while end.sock.recv(65_536):
            pass
    except OSError as error:
        assert not isinstance(error, TimeoutError)  # else the module has had enough of it
    end.close()


def state(module) -> tuple:
    """What must be as it was when all is over."""
    return (threading.active_count(), descriptors(), len(module.links()),
            module.status()["subscriptions"], module.relay.pending.count(),
            module.waiting_room.count(), module.view.addresses())


SAID_BY = {
    "a module": [value for value, _ in EXACT if value.kind in ("announce", "notify", "validation")],
    "a stranger": [Hello(address_of("127.0.0.1", 5001)), Ping(), VerificationResponse(
        NONCE, CHALLENGE, address_of("127.0.0.1", 5001))],
    "a neighbour": [PeerRequest(), Ping(), Push(9, address_of("127.0.0.1", 1)),
                    PeerNotification(4, 0x0405, FUZZ_TYPE, b"ab"),
                    PeerNotification(255, 0x0405, FUZZ_TYPE, bytes(3000))]}


@pytest.fixture
def parsed(monkeypatch):
    """Counts the messages that come to the parser of a module."""
    count, real, own = collections.Counter(), messages.parse, threading.current_thread()

    def counting(data):
        if threading.current_thread() is not own:
            count["messages"] += 1
        return real(data)

    monkeypatch.setattr(messages, "parse", counting)
    return count


@pytest.mark.parametrize("kind, total", [
    *((kind, 1500) for kind in ("a module", "a stranger", "a neighbour")),
    *(pytest.param(kind, 7000, marks=pytest.mark.slow)
      for kind in ("a module", "a stranger", "a neighbour"))])
def test_random_and_mutated_messages_change_nothing(modules, parsed, monkeypatch, kind, total):
    monkeypatch.setattr(Handshake, "_dial_back", lambda self, peer: None)  # links that come and go
    module = modules.module(patience=0.5, memory=1.0, degree=1, max_connections=50)
    honest, subscriber = modules.neighbour(module), modules.api(module, FUZZ_TYPE)
    rng, fuzzer = random.Random(kind), free_address()
    usual, all_packed = [[value.pack() for value in values] for values in (
        SAID_BY[kind], [value for value, _ in EXACT])]
    opened = {"a module": lambda: modules.api(module), "a stranger": lambda: modules.dial(module),
              "a neighbour": lambda: modules.neighbour(module, fuzzer)}[kind]
    before, reached, memory = state(module), 0, None
    while reached < total:
        batch = [rng.randbytes(rng.randint(1, 40)) if rng.random() < 0.03 else
                 mutated(rng.choice(usual if rng.random() < 0.95 else all_packed), rng)
                 for _ in range(rng.randint(1, 40))]
        end, parsed_before = opened(), parsed["messages"]
        pour(end, b"".join(batch))
        reached += parsed["messages"] - parsed_before  # some ended the connection, unread ones
        honest.drain()                                 # behind them do not count
        subscriber.drain()
        if memory is None and reached > total // 3:
            memory = resident()
    wait_until(lambda: state(module) == before, what=f"{state(module)} to become {before}")
    assert resident() < memory + (16 << 20)
    assert len(module.view.known()) <= module.config.cache_size
    fresh, announcer = modules.api(module, 9), modules.api(module)
    announcer.say(Announce(0, 9, b"after all that"))
    notification = fresh.hear()
    assert notification.data == b"after all that"
    fresh.say(Validation(notification.id, True))
    wait_until(lambda: honest.hear_kind("peer_notification").data == b"after all that")
