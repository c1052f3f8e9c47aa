"""The origin of gossip: numbers the messages that this peer makes, and writes their lines.

Rules only.
"""

from collections.abc import Iterator

from gossip import wire
from gossip.addresses import Address


PORTION = 64 * 1024  # bytes of new messages handed on at once


class TooLong(ValueError):
    """The text does not fit into a gossip line."""


class Origin:
    """Makes the gossip lines of one run, that is one life of this peer."""

    def __init__(self, own: Address, start: int):
        self._own = own
        self.start = start  # Unix milliseconds
        self._number = 0  # the number of the last message made

    def check(self, text: str, now: float) -> None:
        """Raise TooLong when a text does not fit into the next message."""
        self._line(text, self._number + 1, now)

    def _line(self, text: str, number: int, now: float) -> bytes:
        line = wire.gossip(wire.format_time(now), self._own, self.start, number, text)
        excess = len(line) + 1 - wire.GOSSIP_LIMIT
        if excess > 0:
            raise TooLong(f"too long by {excess} bytes; nothing was sent")
        return line

    def lines(self, texts: list[str], now: float) -> list[bytes]:
        """Make messages with these texts and return their lines; TooLong, and none made, when one
        text does not fit."""
        lines = [self._line(text, number, now)
                 for number, text in enumerate(texts, self._number + 1)]
        self._number += len(lines)
        return lines


def portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Cut lines into portions that are handed on at once, each just above PORTION bytes."""
    portion, size = [], 0
    for line in lines:
        portion.append(line)
        size += len(line)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
