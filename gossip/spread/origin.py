"""Gossip of peers in their own names: of this peer, which waits for others, and of neighbours.

Rules only. The gossip generator waits, for a limited time, while its peer is late, or a neighbour
has too much to read. The first message waits longest, because gossip that begins too early keeps a
forming network from becoming connected.

The allowance is a rate limit on what a neighbour says in its own name. Above it its link is read
more slowly, and TCP slows down the sender in turn. Relayed lines are free, because honest peers
would otherwise pay for others. Duplicates are free, because they are recognised without a hash.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.tools import Rate, Recent

FIRST = 0.05, 45.0  # seconds: lateness from which the first message waits, the longest wait
LATER = 0.25, 20.0  # the same for every other message
LOOK = 1.0  # seconds between two checks, because checking costs time, too
ROOM_LOOK = 0.25  # the same while a neighbour has too much to read
PORTION = 64 * 1024  # bytes of new messages handed on at once

LINE_BYTES = (1 << 20) / 1_000  # bytes a second, for each line a second
BURST_BYTES = (32 << 20) / 10_000  # bytes of a burst, for each line of a burst
REST_LIMIT = 1.0  # seconds at most that a link rests at a time, because liveness lines wait, too
PATIENCE = 60.0  # seconds of excess after which it counts as a flood
PAUSE = 1.0  # seconds within the allowance after which an excess is over
REMEMBERED = 1_000  # accounts kept; beyond that, the least recently used is dropped


class TooLong(ValueError):
    """A text does not fit into a gossip line."""


class Origin:
    """Makes the gossip lines of one run, that is one life of this peer."""

    def __init__(self, own: Address, start: int):
        self._own, self.start = own, start  # in Unix milliseconds
        self._number = 0  # the number of the last message made

    def check(self, text: str, now: float) -> None:
        """Raise TooLong, or ValueError for a line end, if a text is no message."""
        self._line(text, self._number + 1, now)

    def _line(self, text: str, number: int, now: float) -> bytes:
        if "\n" in text:
            raise ValueError("a message is one line, without a line end")
        line = wire.gossip(wire.format_time(now), self._own, self.start, number, text)
        excess = len(line) + 1 - wire.GOSSIP_LIMIT
        if excess > 0:
            raise TooLong(f"too long by {excess} bytes; nothing was sent")
        return line

    def lines(self, texts: list[str], now: float) -> list[bytes]:
        """Return the lines of new messages. Make none if a text is none (see `check`)."""
        lines = [self._line(text, number, now)
                 for number, text in enumerate(texts, self._number + 1)]
        self._number += len(lines)
        return lines


def portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Cut lines into portions to forward at once; only the last is below PORTION bytes."""
    portion, size = [], 0
    for line in lines:
        portion.append(line)
        size += len(line)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


class Restraint:
    """How long the next message of a peer has to wait."""

    def __init__(self, room_wait: float):
        """`room_wait`: seconds at most for which a message waits for neighbours."""
        self._room_wait = room_wait
        self._limit, self._longest = FIRST
        self._since: float | None = None  # when the next message was due

    def wait(self, now: float, lateness: float, has_room: bool) -> float:
        """Return the seconds until to ask again; 0: make the message now."""
        if self._since is None:
            self._since = now
        if not has_room and now < self._since + self._room_wait:
            return ROOM_LOOK
        left = self._since + self._longest - now
        if lateness >= self._limit and left > 0.0:
            return min(LOOK, left)
        self._limit, self._longest = LATER
        self._since = None
        return 0.0


class Excess(NamedTuple):
    """A neighbour has said more than it may: its link rests for `rest` seconds; a flood ends it."""

    rest: float
    is_flood: bool


class Cost(NamedTuple):
    """The cost of what a neighbour says: lines, and the bytes with which they are forwarded."""

    lines: int
    size: int


class Allowance:
    """The accounts of all neighbours: `rate` lines a second (0: no limit), and so many bytes."""

    def __init__(self, rate: int, burst: int):
        self._rates = [] if not rate else [  # of lines, and of bytes
            Rate(rate, burst, REMEMBERED),
            Rate(rate * LINE_BYTES, burst * BURST_BYTES, REMEMBERED)]
        # neighbour -> since when, and until when, it has said too much
        self._excesses = Recent(REMEMBERED)

    def cost(self, peer: Address, new: list[bytes]) -> Cost | None:
        """Return the cost of new lines that a neighbour says in its own name. None if free."""
        own = str(peer).encode()
        mark = b":" + own + b":"
        if not self._rates or mark not in b"\n".join(new):
            return None  # nearly always
        said = [line for line in new
                if mark in line and wire.gossip_key(line)[0].rpartition(b":")[0] == own]
        return Cost(len(said), sum(map(len, said))) if said else None

    def spend(self, peer: Address, cost: Cost, now: float) -> Excess | None:
        """Charge a neighbour; return its excess, if any. A flood closes its account."""
        wait = max([rate.take(now, amount, peer) for rate, amount in zip(self._rates, cost)])
        if not wait:
            return None
        since, until = self._excesses.pop(peer, default=(now, now))
        if now > until + PAUSE:
            since = now
        if now - since >= PATIENCE:
            for rate in self._rates:
                rate.forget(peer)
            return Excess(min(wait, REST_LIMIT), True)
        self._excesses.put(peer, (since, now + wait))
        return Excess(min(wait, REST_LIMIT), False)
