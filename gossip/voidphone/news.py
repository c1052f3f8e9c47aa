"""News: which module wants which type, which messages were seen, which wait for validation.

Rules only: no socket, no clock.
"""

import collections
from typing import NamedTuple

from gossip.voidphone.messages import PeerNotification

UNLIMITED = 255  # on the wire: a TTL that is never counted down
WAITING_BYTES = 64 << 20  # bytes of data that may wait; above, the oldest message is dropped
WAITING = 60_000  # messages that may wait: 5,536 ids stay free, so that one is drawn quickly
REMEMBERED = 65_536  # messages that the memory has room for, even if cache_size is smaller


class Subscriptions:
    """Which connections have subscribed to which data types."""

    def __init__(self):
        self._links: dict[int, dict[object, None]] = {}  # type -> links, in their order
        self._types: dict[object, set[int]] = {}  # link -> types

    def add(self, link, data_type: int) -> None:
        self._links.setdefault(data_type, {})[link] = None
        self._types.setdefault(link, set()).add(data_type)

    def of(self, data_type: int, but=None) -> list:
        """The connections that subscribed to a type, without the one named."""
        return [link for link in self._links.get(data_type, ()) if link is not but]

    def on_end(self, link) -> None:
        """A connection has ended: its subscriptions end, too."""
        for data_type in self._types.pop(link, ()):
            links = self._links[data_type]
            del links[link]
            if not links:
                del self._links[data_type]

    def count(self) -> int:
        return sum(map(len, self._links.values()))


class Memory:
    """Messages seen in the last `seconds`, by id, type and SHA-256 of the data."""

    def __init__(self, seconds: float, most: int):
        self._seconds = seconds
        self._most = max(most, REMEMBERED)
        self._seen: set[bytes] = set()  # one key per message, short on purpose
        self._order: collections.deque[bytes] = collections.deque()  # the same, oldest first
        self._until: collections.deque[float] = collections.deque()  # when they are forgotten
        self._dropped = 0

    def add(self, item: "Item", now: float) -> bool:
        """Remember a message; answer whether it is new."""
        key = b"%d.%d." % item[:2] + item.digest
        while self._until and self._until[0] <= now:
            self._forget_oldest()
        if key in self._seen:
            return False
        self._seen.add(key)
        self._order.append(key)
        self._until.append(now + self._seconds)
        if len(self._seen) > self._most:
            self._forget_oldest()
            self._dropped += 1
        return True

    def _forget_oldest(self) -> None:
        self._until.popleft()
        self._seen.remove(self._order.popleft())

    def count(self) -> int:
        return len(self._seen)

    def dropped(self) -> int:
        return self._dropped


class Waiting:
    """A message that waits for its first validation."""

    __slots__ = ("message", "key", "senders", "notified", "deadline")

    def __init__(self, message: PeerNotification, key: tuple, senders: set, notified: set,
                 deadline: float):
        self.message = message  # as it will be spread, its TTL counted down already
        self.key = key
        self.senders = senders  # links that it came over: these neighbours have it
        self.notified = notified  # links of the modules told of it: only they may validate it
        self.deadline = deadline


class Pending:
    """Messages that wait for validation; on the API each has an id of its own."""

    def __init__(self, rng, patience: float):
        self._rng = rng
        self.patience = patience  # seconds
        self._waiting: collections.OrderedDict[int, Waiting] = collections.OrderedDict()
        self._ids: dict[tuple, int] = {}  # message -> its id here
        self._bytes = 0
        self._dropped = collections.Counter()

    def add(self, message: PeerNotification, key: tuple, senders, notified,
            now: float) -> tuple[int, bool]:
        """Let a message wait; return the id that modules are told, and whether no other waits."""
        while len(self._waiting) >= WAITING or (
                self._waiting and self._bytes + len(message.data) > WAITING_BYTES):
            self._take(next(iter(self._waiting)))
            self._dropped["messages dropped: too many wait for validation"] += 1
        number = self._rng.getrandbits(16)
        while number in self._waiting:
            number = self._rng.getrandbits(16)
        self._waiting[number] = Waiting(message, key, set(senders), set(notified),
                                        now + self.patience)
        self._ids[key] = number
        self._bytes += len(message.data)
        return number, len(self._waiting) == 1

    def copy(self, key: tuple, sender, ttl: int) -> bool:
        """A neighbour has sent a message; answer whether the same message waits already. If so,
        the higher of both TTLs counts."""
        waiting = self._waiting.get(self._ids.get(key, -1))
        if waiting is None:
            return False
        waiting.senders.add(sender)
        if ttl > waiting.message.ttl:
            waiting.message = waiting.message._replace(ttl=ttl)
        return True

    def validated(self, number: int, link) -> Waiting | None:
        """A module validates a message: take and return it. None if the module was not told of it,
        or another module was first."""
        waiting = self._waiting.get(number)
        if waiting is None or link not in waiting.notified:
            self._dropped["validations of what does not wait"] += 1
            return None
        return self._take(number)

    def expire(self, now: float) -> float | None:
        """Drop messages past their deadline; return the next deadline, or None."""
        while self._waiting:
            number, waiting = next(iter(self._waiting.items()))
            if waiting.deadline > now:
                return waiting.deadline
            self._take(number)
            self._dropped["messages without a validation in time"] += 1
        return None

    def lag(self, now: float) -> float | None:
        """The age of the oldest message in seconds, if modules are far behind; else None. Far
        behind: half of the patience is used up, or half of the room (messages or bytes)."""
        if not self._waiting:
            return None
        age = now + self.patience - next(iter(self._waiting.values())).deadline
        behind = (age > self.patience / 2 or len(self._waiting) > WAITING // 2
                  or self._bytes > WAITING_BYTES // 2)
        return age if behind else None

    def on_end(self, link) -> None:
        """A connection has ended: its validation does not count, and it is no sender to skip."""
        for waiting in self._waiting.values():
            waiting.notified.discard(link)
            waiting.senders.discard(link)

    def count(self) -> int:
        return len(self._waiting)

    def dropped(self) -> dict[str, int]:
        """How many messages were dropped since the start, by reason."""
        return dict(self._dropped)

    def _take(self, number: int) -> Waiting:
        waiting = self._waiting.pop(number)
        if self._ids.get(waiting.key) == number:  # else the memory forgot it, and it came again
            del self._ids[waiting.key]
        self._bytes -= len(waiting.message.data)
        return waiting


def first_ttl(announced: int) -> int:
    """The TTL on the wire of an announced message: the hops left after the first one."""
    return UNLIMITED if announced == 0 else announced - 1


def next_ttl(ttl: int) -> int | None:
    """The TTL with which a received message is sent on; None if it goes no further."""
    if ttl == UNLIMITED:
        return UNLIMITED
    return ttl - 1 if ttl > 0 else None


class Item(NamedTuple):
    """Id, type and SHA-256 of the data: they identify a message among peers."""

    id: int
    data_type: int
    digest: bytes
