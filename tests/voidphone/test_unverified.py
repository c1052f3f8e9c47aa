"""Peers that are not verified: at most so many, for so long, and at no cost."""

import socket
import struct

import pytest

from gossip.addresses import address_of
from gossip.voidphone import gossip_module, messages, neighbours
from tests.tools.fakes import run_late
from tests.tools.files import count
from tests.tools.module_words import LOCAL, NEWS, refused, still_there, view, work
from tests.tools.modules import ByteEnd
from tests.tools.ports import free_address
from tests.tools.processes import figures, module_process
from tests.tools.waiting import wait_until


def test_a_thousand_half_open_handshakes_keep_nobody_out(modules):
    module = modules.module(degree=10)
    half_open = []
    try:
        for number in range(1000):
            end = ByteEnd(module.address.dial, LOCAL)
            half_open.append(end)
            if number % 2:
                end.say(messages.Hello(address_of(LOCAL, 1000 + number)))
            if number % 250 == 249:
                still_there(modules.neighbour(module))
        wait_until(lambda: len(module.links()) <= 256 + 4)
        assert module.waiting_room.count() <= 256
        for ip in (LOCAL, "127.0.0.2"):
            still_there(modules.neighbour(module, free_address(ip)))
        wait_until(lambda: len(view(module)) == 6)
    finally:
        for end in half_open:
            end.close()
    wait_until(lambda: len(module.links()) == 6 and module.waiting_room.count() == 0)


def test_the_oldest_of_the_ip_that_has_most_gives_way(modules):
    module = modules.module()
    few = [modules.dial(module, "127.0.0.3") for _ in range(56)]
    many = [modules.dial(module, "127.0.0.2") for _ in range(200)]
    wait_until(lambda: module.waiting_room.count() == 256)
    for victim in many[:3]:
        modules.dial(module, "127.0.0.4")
        assert victim.hear_end()
    assert count(module, "refused:") == 3
    for end, ip in ((few[0], "127.0.0.3"), (many[3], "127.0.0.2")):
        end.say(messages.Hello(free_address(ip)))
        assert end.hear().kind == "verification_request"


def test_neighbours_and_modules_are_not_counted_among_the_unverified(modules):
    module = modules.module()
    neighbour, client = modules.neighbour(module), modules.api(module, 7)
    wait_until(lambda: module.waiting_room.count() == 0)
    for _ in range(300):
        modules.dial(module)
    wait_until(lambda: count(module, "refused:") == 44)
    still_there(neighbour)
    neighbour.say(NEWS)
    assert client.hear().data == b"news"


def verify(modules, address, own=None) -> ByteEnd:
    """A hand-made neighbour of a module in another process."""
    end = ByteEnd(address.dial, LOCAL)
    modules.ends.append(end)
    end.address = own or free_address()
    end.say(messages.Hello(end.address))
    end.say(work(end, end.hear_kind("verification_request").nonce))
    end.hear_kind("peer_response")
    return end


def settled(process, before) -> dict[str, int] | None:
    """The figures, if there are no more threads and descriptors than before."""
    now = figures(process)
    return now if all(now[name] <= before[name] for name in ("threads", "descriptors")) else None


def give_up(address, total: int) -> None:
    """Begin handshakes and give them up: by an end or a reset, after HELLO or without."""
    for number in range(total):
        ip = f"127.0.0.{2 + number % 50}"
        end = ByteEnd(address.dial, ip)
        if number % 2:
            end.say(messages.Hello(address_of(ip, 7000)))
        if number % 4 >= 2:
            end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 50 == 1:
            assert end.hear().kind == "verification_request"
        end.close()


@pytest.mark.parametrize("total", [2000, pytest.param(12_000, marks=pytest.mark.slow)])
def test_handshakes_given_up_cost_nothing(modules, total):
    """Those before the measuring fill caches and the allocator's pools."""
    with module_process(modules.folder) as (process, address, client):
        honest = verify(modules, address)
        client.say(messages.Notify(7))
        wait_until(lambda: honest.say(NEWS) or not client.hears_nothing(0.05))
        quiet = figures(process)
        give_up(address, 2000)
        before = wait_until(lambda: settled(process, quiet))
        for _ in range(10):
            give_up(address, total // 10)
            newer = verify(modules, address, honest.address)
            assert honest.hear_end()
            honest = newer
        still_there(honest)
        after = wait_until(lambda: settled(process, before))
        print(f"{total} handshakes given up:", before, after)
        assert after["memory"] < before["memory"] + 2048


def test_who_does_not_say_hello_in_time_is_disconnected(modules, monkeypatch):
    monkeypatch.setattr(neighbours, "HELLO_LIMIT", 0.3)
    module = modules.module()
    silent, talker = modules.dial(module), modules.dial(module)
    talker.say(messages.Ping())
    assert silent.hear_end() and talker.hear_end()
    wait_until(lambda: count(module, "refused:") == 2 and module.waiting_room.count() == 0)


def test_who_does_not_work_in_time_is_disconnected(modules, monkeypatch):
    """Another HELLO, in another slot, does not give more time."""
    monkeypatch.setattr(neighbours, "WORK_LIMIT", 1.0)
    slots = [1000]
    monkeypatch.setattr(neighbours, "present_slot", lambda now: slots[0])
    module = modules.module()
    run_late(module, 0.0)  # a late module gives more time
    end, _ = modules.challenged(module)
    with pytest.raises((AssertionError, ConnectionError)):
        for _ in range(50):
            slots[0] += 1
            end.say(messages.Hello(end.address), messages.Ping())
            end.hear_kind("verification_request")
            end.hears_nothing(0.1)
    refused(module, end, "in time")


def test_limits_are_those_of_the_specification():
    assert (neighbours.HELLO_LIMIT, neighbours.WORK_LIMIT) == (10.0, 300.0)
    assert neighbours.MESSAGE_LIMIT == 20.0
    assert gossip_module.RETRY_LAST == 15.0


def test_one_who_gives_no_work_in_time_is_given_up(modules, monkeypatch):
    monkeypatch.setattr(neighbours, "HELLO_LIMIT", 0.3)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.say(messages.Ping())
    assert end.hear().kind == "hello" and end.hear_end()
    again = acceptor.accept()  # the place is free for another try
    assert again.hear().kind == "hello" and count(module, "refused:")
