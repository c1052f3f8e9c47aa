"""The client that comes with the module."""

import queue

from gossip.voidphone.messages import Client
from tests.tools.files import count
from tests.tools.module_words import TYPE, announce, heard, start, told
from tests.tools.waiting import wait_until


def test_the_client_tells_what_it_is_told_of_and_validates(modules):
    module, heard_of = start(modules), queue.SimpleQueue()

    def on_data(data):
        heard_of.put(data)
        return data != b"bad"
    client = Client(module.config.api_address[0].dial, TYPE, on_data)
    try:
        wait_until(lambda: module.status()["subscriptions"] == 1)
        announcer, peer = modules.api(module, TYPE), modules.neighbour(module)
        for data in (b"good", b"bad", b"better"):
            announce(announcer, data)
        assert [heard_of.get(timeout=20) for _ in range(3)] == [b"good", b"bad", b"better"]
        assert [heard(peer).data for _ in range(2)] == [b"good", b"better"]
        client.announce(b"its own", 1)
        assert told(announcer).data == b"its own"
    finally:
        client.close()
    wait_until(lambda: module.status()["subscriptions"] == 1)
    assert heard_of.empty() and count(module, "refused:") == 0
