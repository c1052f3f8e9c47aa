"""What a module is told goes out message by message, as long as that is little."""

from gossip.voidphone.messages import Announce
from gossip.voidphone.neighbours import ALONE
from tests.tools.module_words import TYPE, link_of, start, told


def sends_to(module, end):
    """What is handed to the kernel for a connection, each time."""
    link, sends = link_of(module, end), []
    connection = link.connection

    class Watched:
        """The connection, but each `send` is noted."""

        def send(self, data, flags):
            sends.append(bytes(data))
            return connection.send(data, flags)

        def __getattr__(self, name):
            return getattr(connection, name)
    link.connection = Watched()
    return sends


def announce_at_once(modules, module, count, size=10):
    modules.api(module).send(b"".join(
        Announce(0, TYPE, bytes(size) + b"%d" % number).pack() for number in range(count)))


def test_each_502_goes_out_by_itself(modules):
    module = start(modules)
    clients = [modules.api(module, TYPE) for _ in range(2)]
    sends = [sends_to(module, client) for client in clients]
    announce_at_once(modules, module, 40)
    for client, sent in zip(clients, sends):
        messages = [told(client) for _ in range(40)]
        assert sent == [message.pack() for message in messages]


def test_of_more_than_100_a_second_the_rest_goes_out_together(modules):
    module = start(modules)
    client = modules.api(module, TYPE)
    sends = sends_to(module, client)
    link_of(module, client)._now = lambda: 5.0
    announce_at_once(modules, module, 1000)
    messages = [told(client) for _ in range(1000)]
    assert ALONE == 100 and b"".join(sends) == b"".join(one.pack() for one in messages)
    assert sends[:100] == [one.pack() for one in messages[:100]] and len(sends) < 200
