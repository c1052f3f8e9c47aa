"""The log: all events that pages are shown, bounded, so that a late page sees what was.

The log is a row of parts, each of events of one message, or of none, as the bytes of their JSON.
When it is larger than its limit, the deliveries of the oldest messages go first, whole messages at
a time; then the oldest of what is only told in words, and misses. Starts, links, states and deaths
stay. Parts keep their numbers, by which pages remember how far they have come.
"""

import bisect
import itertools
import json
import operator

LIMIT = 32 * 1024 * 1024  # bytes, with what the log itself needs
PART = 150  # bytes that a part takes beside its text
LEAST = {"story", "liveness missed", "liveness reply", "reported", "rejected", "stopped",
         "registered", "unregistered"}  # kinds that go when no message is left
_encode = json.JSONEncoder(separators=(",", ":")).encode
_KEPT, _LEAST = 0, -1  # in the place of a message's number: what is no delivery
_number = operator.itemgetter(0)


class Log:
    """The events since `begin`; `forgotten(number)` is called for each message that is dropped."""

    def __init__(self, forgotten=lambda number: None):
        self.size = 0
        self.end = 0  # the number of the part that comes next
        self._try_at = 0  # the size with which it is tried again to leave something out
        self._forgotten = forgotten
        self._parts: list[tuple[int, int, bytes]] = []  # (number, message, text), by number
        self._messages: dict[int, int] = {}  # message -> bytes of its parts; by age

    def add(self, events: list[list], begin: int) -> None:
        """Put in events; their times become times since `begin`."""
        for owner, group in itertools.groupby(events, key=_owner):
            text = ",".join([_text(event, begin) for event in group]).encode()
            self._parts.append((self.end, owner, text))
            self.end += 1
            self.size += PART + len(text)
            if owner > 0:
                self._messages[owner] = self._messages.get(owner, 0) + PART + len(text)
        if self.size > max(LIMIT, self._try_at):
            self._shrink(LIMIT * 9 // 10)
            self._try_at = self.size + LIMIT // 32  # it may have nothing more to leave out

    def read(self, number: int, most: int) -> tuple[list[bytes], int]:
        """(events from this part on, the number of the part after them): of as many parts as make
        about `most` bytes, one at least."""
        found: list[bytes] = []
        size = 0
        for at in range(bisect.bisect_left(self._parts, number, key=_number), len(self._parts)):
            number, _, text = self._parts[at]
            found.append(text)
            size += len(text)
            if size >= most:
                return found, number + 1
        return found, self.end

    def _shrink(self, goal: int) -> None:
        dropped = set()
        for message in list(self._messages):
            if self.size <= goal:
                break
            self.size -= self._messages.pop(message)
            self._forgotten(message)
            dropped.add(message)
        kept = []
        for part in self._parts:
            if part[1] == _LEAST and self.size > goal:
                self.size -= PART + len(part[2])
            elif part[1] not in dropped:
                kept.append(part)
        self._parts = kept


def _text(event: list, begin: int) -> str:
    at, kind, *rest = event
    if kind == "received":  # most are: the same as below, but faster
        return f'[{at - begin},"received",{rest[0]},{rest[1]},{rest[2]}]'
    return _encode([at - begin, kind, *rest])


def _owner(event: list) -> int:
    """The number of the message that an event is of; else which events go with it."""
    kind = event[1]
    if kind == "received":
        return event[4]
    if kind == "generated":
        return event[3]
    return _LEAST if kind in LEAST else _KEPT
