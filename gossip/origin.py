"""The origin of gossip: numbers the messages of this run and makes their lines.

Rules only; generator and console call it.
"""

import threading

from gossip import wire
from gossip.addresses import Address


class TooLong(ValueError):
    """The text does not fit into a gossip line."""


class Origin:
    """Makes the gossip lines of one run."""

    def __init__(self, own: Address, start: int):
        self._own = own
        self.start = start  # Unix milliseconds
        self._lock = threading.Lock()  # guards _number
        self._number = 0  # of the last message made

    def check(self, text: str) -> None:
        """TooLong when a text has no room in a line, whatever number it gets."""
        longest = wire.gossip("9" * 12 + ".999999", self._own, self.start, wire.NUMBER_LIMIT, text)
        excess = len(longest) + 1 - wire.GOSSIP_LIMIT
        if excess > 0:
            raise TooLong(f"too long by {excess} bytes; nothing was sent")

    def lines(self, texts: list[str], now: float) -> list[bytes]:
        """The lines of new messages with these texts; TooLong (and none made) when one is."""
        for text in texts:
            self.check(text)
        time = wire.format_time(now)
        with self._lock:
            first = self._number + 1
            self._number += len(texts)
        return [wire.gossip(time, self._own, self.start, number, text)
                for number, text in enumerate(texts, first)]
