"""The origin of gossip: the lines of messages that this peer makes, and when it waits with them.

Rules only. The gossip generator waits, for a limited time, while its peer is late, or a neighbour
has too much to read. The first message waits longest, and for less lateness, because gossip that
begins too early keeps a forming network from becoming connected.
"""

from collections.abc import Iterator

from gossip import wire
from gossip.addresses import Address

FIRST = 0.05, 45.0  # seconds: lateness from which the first message waits, the longest wait
LATER = 0.25, 20.0  # the same for every other message
LOOK = 1.0  # seconds between two checks, because checking costs time, too
ROOM_LOOK = 0.25  # the same while a neighbour has too much to read
PORTION = 64 * 1024  # bytes of new messages handed on at once


class TooLong(ValueError):
    """A text does not fit into a gossip line."""


class Origin:
    """Makes the gossip lines of one run, that is one life of this peer."""

    def __init__(self, own: Address, start: int):
        self._own = own
        self.start = start  # Unix milliseconds
        self._number = 0  # the number of the last message made

    def check(self, text: str, now: float) -> None:
        """Raise TooLong if a text does not fit into the next message, ValueError if it is not one
        line."""
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
        """Return the lines of new messages. If a text is too long (TooLong), or is not one line
        (ValueError), make none."""
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
        """Return the seconds until to ask again; 0: make the message now. `has_room`: no neighbour
        has too much to read."""
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
