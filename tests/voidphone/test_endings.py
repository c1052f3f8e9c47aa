"""What ends a connection of the API, and the line that says so."""

import socket
import struct

import pytest

from gossip.voidphone import neighbours
from gossip.voidphone.messages import Announce, Notify
from tests.tools.files import count, events, wait_event
from tests.tools.module_words import TYPE, announce, link_of, start, told
from tests.tools.waiting import wait_until


@pytest.mark.parametrize("data", [
    "0000 01f4", "0001 01f4", "0002 01f4", "0003 01f4 0000 0539",  # size under 4
    "0004 01f4", "0007 01f4 0000 05", "0007 01f5 0000 05", "0009 01f5 0000 0539 00",
    "0004 01f5", "0007 01f7 0000 00", "000a 01f7 0000 0001 0000",  # wrong size for the type
    "0004 0000", "0008 01f3 0000 0000", "0004 0200", "0004 ffff",  # unknown type
    "0008 01f6 0000 0539", "000a 01f6 0000 0539 6869",  # ours to say
    "0004 01f8", "0004 01f9", "000a 01fc 7f00 0001 1770", "0004 01fe",  # for peers
    "000a 01ff 0500 0007 0539"])
def test_who_breaks_the_rules_is_disconnected_with_a_line(modules, data):
    module = start(modules)
    subscriber, witness = modules.api(module, TYPE), modules.api(module, TYPE)
    announce(witness, b"before")
    assert told(subscriber).data == b"before"
    bad, port = bytes.fromhex(data), subscriber.sock.getsockname()[1]
    subscriber.send(Announce(0, TYPE, b"still counts").pack() + bad + Notify(TYPE).pack())
    assert subscriber.hear_end() and told(witness).data == b"still counts"
    wait_event(module, f"refused:127.0.0.1:{port}:")
    wait_until(lambda: module.status()["subscriptions"] == 1)


@pytest.mark.parametrize("header", ["0003", "0009 01f5", "0009 01f7", "ffff 270f"])
def test_a_header_that_is_wrong_is_enough(modules, header):
    module = start(modules)
    end = modules.api(module)
    end.send(bytes.fromhex(header))
    assert end.hear_end()
    wait_event(module, "refused:127.0.0.1:")


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("data", [b"\0", b"\0\x08\x01", Announce(0, TYPE, b"almost").pack()[:-1]])
def test_the_end_of_the_stream_inside_a_message_is_written_down(modules, data, reset):
    module = start(modules)
    subscriber = modules.api(module, TYPE)
    ends = [modules.api(module), modules.api(module, TYPE)]
    ends[0].say(Announce(0, TYPE, b"whole"))
    assert told(subscriber).data == told(ends[1]).data == b"whole"
    ends[0].send(data)
    wait_until(lambda: link_of(module, ends[0]).framing.unfinished())
    port = ends[0].sock.getsockname()[1]
    for end in ends:
        if reset:
            end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
    wait_until(lambda: len(module.links()) == 1)
    line = wait_event(module, "refused:")
    assert line.startswith(f"refused:127.0.0.1:{port}:") and "inside a message" in line
    assert count(module, "refused:") == 1


def test_a_module_that_we_disconnect_has_not_ended_inside_a_message(modules):
    module = start(modules)
    end = modules.api(module, TYPE)
    end.send(b"\0")
    link = link_of(module, end)
    wait_until(link.framing.unfinished)
    module.disconnect(link, "for a test")
    assert end.hear_end()
    wait_until(lambda: len(module.links()) == 0)
    assert count(module, "refused:") == 1


def test_a_message_that_has_begun_has_to_end(modules, monkeypatch):
    monkeypatch.setattr(neighbours, "MESSAGE_LIMIT", 0.3)
    module = start(modules)
    idle, stuck, drip = modules.api(module, TYPE), modules.api(module), modules.api(module)
    stuck.say(Announce(0, TYPE, b"whole"))
    assert told(idle).data == b"whole"
    stuck.send(b"\0\x08\x01")
    assert stuck.hear_end()
    drip.send(b"\xff\xff\x01\xf4")

    def ended():
        try:
            drip.send(b"x")
        except OSError:
            return True
        return False
    wait_until(ended)
    wait_until(lambda: sum("not finished in time" in event for event in events(module)) == 2)
    announce(modules.api(module), b"who waits may")
    assert told(idle).data == b"who waits may"
