"""The handshake: HELLO, work, welcome, and work that does not count.

Hand-made peers speak bytes to live modules, as those who dial and as those who are dialled.
"""

import socket
import struct
import threading

import pytest

from gossip.addresses import address_of
from gossip.voidphone import messages, neighbours
from gossip.voidphone.work import SLOT, is_work
from tests.tools.module_words import LOCAL, endpoint, refused, still_there, view, work
from tests.tools.modules import EASY_BITS, work_for
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until

# The honest handshake.


def test_one_who_dials_says_hello_works_and_is_told_the_view(modules):
    module = modules.module(p2p_ttl=3, min_degree=1)
    ends, addresses = [], free_addresses(3)
    for address in addresses:
        end = modules.dial(module)
        ends.append(end)
        end.send(bytes.fromhex("000a01fc") + endpoint(address))
        given = end.hear_bytes()
        assert len(given) == 12 and given[:4] == bytes.fromhex("000c01fa")
        challenge = work_for(int.from_bytes(given[4:], "big"), EASY_BITS)
        end.send(bytes.fromhex("001a01fb") + given[4:] + challenge.to_bytes(8, "big")
                 + endpoint(address))
        before = addresses[:len(ends) - 1]
        told = end.hear_bytes()
        assert told[:4] == struct.pack(">HH", 4 + 6 * len(before), 505)
        assert {told[at:at + 6] for at in range(4, len(told), 6)} == set(map(endpoint, before))
        for other in ends[:-1]:
            assert other.hear_bytes() == bytes.fromhex("000c01fd0003") + endpoint(address)
    assert view(module) == set(addresses)


def test_the_view_that_one_is_told_is_without_oneself(modules):
    module = modules.module()
    first = modules.neighbour(module)
    again = modules.neighbour(module, first.address)
    assert again.view == () and first.hear_end()


def test_a_module_that_dials_says_hello_works_and_becomes_a_neighbour(modules):
    acceptor, other = modules.acceptor(), modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, pow_bits=12)
    end = acceptor.accept()
    assert end.hear_bytes() == bytes.fromhex("000a01fc") + endpoint(module.address)
    end.send(bytes.fromhex("000c01fa") + b"\0\0\0\0\0\0\1\xff")
    work_done = end.hear_bytes()
    assert work_done[:12] == bytes.fromhex("001a01fb00000000000001ff")
    assert work_done[20:] == endpoint(module.address)
    assert is_work(511, int.from_bytes(work_done[12:20], "big"), 12)
    assert view(module) == set()
    end.send(bytes.fromhex("000a01f9") + endpoint(other.address))
    other.welcome(12)
    wait_until(lambda: view(module) == {acceptor.address, other.address})
    still_there(end)


def test_the_bootstrapper_dials_nobody_by_itself(modules):
    address = free_address()
    module = modules.module(p2p_address=address, bootstrapper=address)
    still_there(modules.neighbour(module))
    wait_until(lambda: len(module.links()) == 1)  # the neighbour was looked for, and left alone
    assert module.config.bootstrapper is None


def test_the_view_is_told_before_any_news(modules):
    """While a local module announces at full speed, every newcomer hears its 505 first."""
    module = modules.module(degree=10, max_connections=20)
    announcer, stop = modules.api(module), threading.Event()

    def announce():
        while not stop.is_set():
            announcer.say(*[messages.Announce(0, 7, b"x" * 50)] * 20)

    thread = threading.Thread(target=announce)
    thread.start()
    try:
        for _ in range(12):
            end, nonce = modules.challenged(module)
            end.say(work(end, nonce))
            assert end.hear().kind == "peer_response"
            assert end.hear_kind("peer_notification").data == b"x" * 50
            end.close()
    finally:
        stop.set()
        thread.join()


def test_news_that_come_as_one_enters_the_view_wait_for_the_505(modules):
    module = modules.module()
    announcer, witness = modules.api(module), modules.neighbour(module)
    admit = module.view.admit

    def admit_amid_news(*args):
        admitted = admit(*args)
        announcer.say(messages.Announce(0, 7, b"x"))
        threading.Event().wait(0.2)  # the announcer's reader has read it, and waits for its turn
        return admitted

    module.view.admit = admit_amid_news
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce))
    assert end.hear() == messages.PeerResponse((witness.address,))
    assert end.hear_kind("peer_notification").data == b"x"


# Work that does not count.


@pytest.mark.parametrize("change, words", [
    (lambda end, nonce: {"nonce": nonce ^ 1, "challenge": work_for(nonce ^ 1, EASY_BITS)},
     "not this connection's"),
    (lambda end, nonce: {"challenge": next(
        one for one in range(1000) if not is_work(nonce, one, EASY_BITS))}, "work is not done"),
    (lambda end, nonce: {"address": free_address()}, "work for"),
    (lambda end, nonce: {"address": address_of("127.0.0.2", end.address.port)}, "work for"),
], ids=["nonce", "work", "port", "IP"])
def test_a_wrong_answer_ends_the_connection(modules, change, words):
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce)._replace(**change(end, nonce)))
    refused(module, end, words)
    assert view(module) == set()
    still_there(modules.neighbour(module))


@pytest.mark.parametrize("used", [True, False])
def test_the_work_of_another_connection_does_not_count(modules, used):
    """Neither a replay of what was accepted, nor a nonce that somebody else was given."""
    module = modules.module()
    first, nonce = modules.challenged(module)
    answer = work(first, nonce)
    if used:
        first.say(answer)
        assert first.hear().kind == "peer_response"
    second = modules.dial(module)
    second.say(messages.Hello(first.address))
    second.hear_kind("verification_request")
    second.say(answer)
    refused(module, second, "not this connection's")
    if used:
        still_there(first)


def test_the_same_work_twice_ends_the_connection(modules):
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce), work(end, nonce))
    refused(module, end, "verification response is not expected from a neighbour")
    wait_until(lambda: view(module) == set())


@pytest.mark.parametrize("age, good", [(0, True), (5, True), (6, False)])
def test_a_nonce_is_good_in_its_slot_and_the_five_that_follow(modules, monkeypatch, age, good):
    slots = [1000]
    monkeypatch.setattr(neighbours, "present_slot", lambda now: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    slots[0] += age
    end.say(work(end, nonce))
    if good:
        assert end.hear().kind == "peer_response"
    else:
        refused(module, end, "too old")


def test_slots_last_sixty_seconds():
    assert (SLOT, neighbours.SLOTS) == (60.0, 6)
    assert neighbours.present_slot(119.9) == 1 and neighbours.present_slot(120.0) == 2


def test_hello_said_again_is_answered_in_the_next_slot_only(modules, monkeypatch):
    slots = [1000]
    monkeypatch.setattr(neighbours, "present_slot", lambda now: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(messages.Hello(end.address), messages.Hello(end.address))
    wait_until(lambda: module.counters.get("HELLOs said again") == 2)
    slots[0] += 1
    end.say(messages.Hello(end.address))
    another = end.hear()
    assert another.kind == "verification_request" and another.nonce != nonce
    end.say(work(end, nonce))
    assert end.hear().kind == "peer_response"


def test_a_second_nonce_comes_before_the_view(modules, monkeypatch):
    """HELLO again and the work for the first nonce, in one segment."""
    slots = [1000]
    monkeypatch.setattr(neighbours, "present_slot", lambda now: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    slots[0] += 1
    end.say(messages.Hello(end.address), work(end, nonce))
    assert [end.hear().kind, end.hear().kind] == ["verification_request", "peer_response"]
    still_there(end)


def test_hello_with_another_address_ends_the_connection(modules):
    module = modules.module()
    end, _ = modules.challenged(module)
    end.say(messages.Hello(free_address()))
    refused(module, end, "HELLO with another address")


@pytest.mark.parametrize("ip, port, words", [
    ("10.1.2.3", 6001, "HELLO from 127.0.0.1 for 10.1.2.3:6001"),
    ("127.0.0.2", 6001, "HELLO from 127.0.0.1 for 127.0.0.2:6001"),
    (LOCAL, 0, "port 0"), (LOCAL, None, "our own address")])
def test_hello_with_an_impossible_address_ends_the_connection(modules, ip, port, words):
    module = modules.module()
    end = modules.dial(module)
    end.send(bytes.fromhex("000a01fc") + socket.inet_aton(ip)
             + struct.pack(">H", module.address.port if port is None else port))
    refused(module, end, words)
