"""Unwanted news: messages of a type that no module wants, kept for a second.

A module that starts says NOTIFY a moment after the news came that it was started for; it is told of
them, too. Rules only: no socket, no clock.
"""

import collections
import itertools
from typing import NamedTuple

from gossip.voidphone.messages import PeerNotification

KEPT_FOR = 1.0  # seconds
KEPT_BYTES = 8 << 20  # bytes of all messages kept; above, the oldest goes
OVERHEAD = 512  # bytes that a message counts for besides its data
UNWANTED = "messages of a type that no module wants"  # the name of a counter


class Kept(NamedTuple):
    """A message, the link that it came over, and until when it is kept."""

    message: PeerNotification
    link: object
    until: float


class Unwanted:
    """Messages that wait for somebody who wants their type."""

    def __init__(self):
        self._numbers = itertools.count()
        self._kept: collections.OrderedDict[int, Kept] = collections.OrderedDict()  # as they came
        self._of_type: dict[int, collections.deque[int]] = {}  # type -> their numbers
        self._bytes = 0
        self._dropped = 0

    def add(self, message: PeerNotification, link, now: float) -> bool:
        """Keep a message; answer whether it is the only one."""
        number = next(self._numbers)
        self._kept[number] = Kept(message, link, now + KEPT_FOR)
        self._of_type.setdefault(message.data_type, collections.deque()).append(number)
        self._bytes += size_of(message)
        while self._bytes > KEPT_BYTES:
            self._drop_oldest()
        return len(self._kept) == 1

    def take(self, data_type: int, now: float) -> list[Kept]:
        """Take out the messages of a type, the oldest first."""
        self.expire(now)
        taken = [self._kept.pop(number) for number in self._of_type.pop(data_type, ())]
        self._bytes -= sum([size_of(kept.message) for kept in taken])
        return taken

    def expire(self, now: float) -> float | None:
        """Drop what was kept for its time; return when the next one is due, or None."""
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.until > now:
                return oldest.until
            self._drop_oldest()
        return None

    def _drop_oldest(self) -> None:
        _, kept = self._kept.popitem(last=False)
        numbers = self._of_type[kept.message.data_type]
        numbers.popleft()  # within its type it is the oldest, too
        if not numbers:
            del self._of_type[kept.message.data_type]
        self._bytes -= size_of(kept.message)
        self._dropped += 1

    def dropped(self) -> dict[str, int]:
        """How many messages nobody wanted in time, since the start."""
        return {UNWANTED: self._dropped} if self._dropped else {}


def size_of(message: PeerNotification) -> int:
    return OVERHEAD + len(message.data)
