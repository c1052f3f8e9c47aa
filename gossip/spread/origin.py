"""The making of gossip: how long this peer waits, what neighbours may say.

Rules only. The gossip generator waits, for a limited time, while its peer is late, or a neighbour
has too much to read. The first message waits longest, because gossip that begins too early keeps a
forming network from becoming connected.

The allowance limits the rate of what a neighbour says in its own name. Above it the link is read
more slowly, and TCP slows down the sender. Forwarded lines are free, because honest peers would
otherwise pay for others, and so are duplicates, because most need no hash.
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
    """The error for a text that is too long for a gossip line."""


class Origin:
    """The maker of the gossip lines of this peer's run."""

    def __init__(self, own: Address, start: int):
        self._own, self.start = own, start  # in Unix milliseconds
        self._number = 0  # the number of the last message made

    def check(self, text: str, now: float) -> None:
        """Raise TooLong, or ValueError for a line end."""
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
        """Return the lines of new messages. Make none if `check` refuses a text."""
        lines = [self._line(text, at, now) for at, text in enumerate(texts, self._number + 1)]
        self._number += len(lines)
        return lines


def portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Cut lines into portions; only the last is below PORTION bytes."""
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
    """The time for which a peer's next message has to wait."""

    def __init__(self, room_wait: float):
        self._room_wait = room_wait  # seconds at most for which a message waits for neighbours
        self._limit, self._longest = FIRST
        self._since: float | None = None  # when the next message was due

    def wait(self, now: float, lateness: float, has_room: bool) -> float:
        """Return the seconds to wait, or 0 to make the message now."""
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


class Cost(NamedTuple):
    lines: int
    size: int  # bytes with which they are forwarded


class Allowance:
    """The accounts of all neighbours."""

    def __init__(self, rate: int, burst: int):
        """Allow `rate` lines a second, of LINE_BYTES each; 0 is no limit."""
        self._rates = [] if not rate else [  # of lines, and of bytes
            Rate(rate, burst, REMEMBERED),
            Rate(rate * LINE_BYTES, burst * BURST_BYTES, REMEMBERED)]
        # neighbour -> since when, and until when, it has said too much
        self._excesses = Recent(REMEMBERED)

    def cost(self, peer: Address, new: list[bytes]) -> Cost | None:
        """Return the cost of lines in a neighbour's own name; None if free."""
        if not self._rates:
            return None
        own = str(peer).encode()
        mark = b":" + own + b":"
        said = [line for line in new
                if mark in line and wire.gossip_key(line)[0].rpartition(b":")[0] == own]
        return Cost(len(said), sum(map(len, said))) if said else None

    def spend(self, peer: Address, cost: Cost, now: float) -> tuple[float, bool]:
        """Charge a neighbour. Return for how many seconds its link is not to be read, and whether
        it floods, which closes its account: it is to be refused."""
        wait = max([rate.take(now, amount, peer) for rate, amount in zip(self._rates, cost)])
        if not wait:
            return 0.0, False
        since, until = self._excesses.pop(peer, default=(now, now))
        if now > until + PAUSE:
            since = now
        floods = now - since >= PATIENCE
        if floods:
            for rate in self._rates:
                rate.forget(peer)
        else:
            self._excesses.put(peer, (since, now + wait))
        return min(wait, REST_LIMIT), floods
