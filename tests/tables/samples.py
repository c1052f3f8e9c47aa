"""Addresses, gossip lines and tables that the tests of tables have in common."""

from grapevine import wire
from grapevine.addresses import Address, address_of
from grapevine.messages import Messages
from grapevine.settings import word_finder

OWN_RUN = b"127.0.0.1:1:1"  # of each message list here


def peer(port: int, ip: str = "127.0.0.1") -> Address:
    return address_of(ip, port)


def ports(*numbers: int) -> list[Address]:
    return [peer(number) for number in numbers]


A, B, C = peer(5001), peer(5002), peer(5003)


def run_of(origin: Address = A, start: int = 7) -> bytes:
    return f"{origin}:{start}".encode()


def line(number: int, origin: Address = A, start: int = 7, text: str = "x") -> bytes:
    return wire.make_gossip("1.000000", run_of(origin, start).decode(), number, text)


def message_list(*lines: bytes, named=(), cache_size: int = 100_000, words=()) -> Messages:
    """Return a list with these lines, for which a seed has named some origins."""
    messages = Messages(OWN_RUN, cache_size, named.__contains__, word_finder(words))
    messages.add(list(lines))
    return messages


def seen(messages: Messages) -> dict[bytes, list]:
    """Return what was seen of each run, as a neighbour hears it."""
    told = [wire.parse(said)[1][0].entries
            for said in messages.vector(wire.ALL_SLICES).splitlines()]
    return {run: ranges for entries in told for run, ranges in entries}


def held(messages: Messages, lines: list[bytes]) -> int:
    """Return how many of these lines are held."""
    return len(lines) - len(messages.drop_known(lines))


class FakeLink:
    """A link that tables only keep."""

    def __init__(self, peer: Address | None = None, heard_at: float = 0.0):
        self.peer, self.heard_at = peer, heard_at
        self.is_held = False
