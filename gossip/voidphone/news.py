"""News: which module wants which type, which messages were seen, which wait for validation.

Rules only: no socket, no clock.
"""

import collections
import math
import weakref
from typing import NamedTuple

from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.unwanted import KEPT_BYTES, KEPT_FOR, size_of

UNLIMITED = 255  # on the wire: a TTL that is never counted down
WAITING_BYTES = 64 << 20  # bytes of data that may wait; above, the oldest message is dropped
WAITING = 60_000  # messages that may wait: 5,536 ids stay free, so that one is drawn quickly
REMEMBERED = 65_536  # messages that the memory has room for, even if cache_size is smaller


class Subscriptions:
    """Which connections have subscribed to which data types."""

    def __init__(self):
        self._links: dict[int, dict[object, None]] = {}  # type -> links, in their order
        self._types: dict[object, set[int]] = {}  # link -> types

    def add(self, link, data_type: int) -> bool:
        """Note a subscription; answer whether it is new."""
        links = self._links.setdefault(data_type, {})
        if link in links:
            return False
        links[link] = None
        self._types.setdefault(link, set()).add(data_type)
        return True

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
    """A message that waits for its first validation, or is kept for newcomers after that."""

    __slots__ = ("message", "key", "senders", "notified", "deadline", "__weakref__")

    def __init__(self, message: PeerNotification, key: tuple, senders: set, notified: set,
                 deadline: float):
        self.message = message  # as it will be spread, its TTL counted down already
        self.key = key
        self.senders = senders  # links that it came over: who is there has it
        self.notified = notified  # links of the modules told of it: only they may validate it
        self.deadline = deadline  # until when it waits, or is kept


class Pending:
    """Messages that wait for validation; on the API each has an id of its own. Those that wait no
    longer are kept to the end of their first second, for modules that are about to subscribe."""

    def __init__(self, rng, patience: float):
        self._rng = rng
        self.patience = patience  # seconds
        self._waiting: collections.OrderedDict[int, Waiting] = collections.OrderedDict()
        self._ids: dict[tuple, int] = {}  # message that waits -> its id here
        self._bytes = 0  # that wait
        self._kept: collections.OrderedDict[int, Waiting] = collections.OrderedDict()
        self._kept_bytes = 0
        self._of_type: dict[int, dict[int, Waiting]] = {}  # type -> what waits, and what is kept
        self._dropped = collections.Counter()

    def add(self, message: PeerNotification, key: tuple, senders, notified,
            now: float) -> tuple[int, bool]:
        """Let a message wait, or only keep it when no module is notified; return the id that
        modules are told, and whether it is the first for which `expire` has to be called."""
        while notified and (len(self._waiting) >= WAITING or (
                self._waiting and self._bytes + len(message.data) > WAITING_BYTES)):
            self._drop_oldest("messages dropped: too many wait for validation")
        while self._kept and len(self._waiting) + len(self._kept) >= WAITING:
            self._drop_kept()
        number = self._rng.getrandbits(16)
        while number in self._waiting or number in self._kept:
            number = self._rng.getrandbits(16)
        waiting = Waiting(message, key, set(senders), set(notified), now + self.patience)
        alone = not (self._waiting if waiting.notified else self._of_type)
        self._of_type.setdefault(message.data_type, {})[number] = waiting
        if waiting.notified:
            self._waiting[number] = waiting
            self._ids[key] = number
            self._bytes += len(message.data)
        else:
            self._keep(number, waiting)
        return number, alone

    def join(self, data_type: int, link, now: float) -> list[tuple[int, weakref.ref]]:
        """A module has subscribed: it is notified of what waits or is kept of that type, the oldest
        first, but not of what came from itself. Return the ids, and weak references to what is
        here under them: a newcomer that reads slowly keeps none of it in memory, and is told
        nothing under an id that has another meaning by then."""
        joined = [(number, waiting) for number, waiting in
                  self._of_type.get(data_type, {}).items()
                  if waiting.deadline > now and link not in waiting.senders]
        for _, waiting in joined:
            waiting.notified.add(link)
        return [(number, weakref.ref(waiting)) for number, waiting in joined]

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

    def validated(self, number: int, link, valid: bool = True) -> Waiting | None:
        """A module calls a message valid, or not: take and return it. None if the module was not
        told of it, or another module was first."""
        waiting = self._waiting.get(number)
        if waiting is None or link not in waiting.notified:
            self._dropped["validations of what does not wait"] += 1
            return None
        self._take(number)
        (self._keep if valid else self._forget)(number, waiting)
        return waiting

    def expire(self, now: float) -> float | None:
        """Drop messages past their deadline; return when to look again, or None. What is kept is
        dropped about once a second, because a look at each in its time costs more."""
        while (due := _first_deadline(self._waiting)) <= now:
            self._drop_oldest("messages without a validation in time")
        while (kept_until := _first_deadline(self._kept)) <= now:
            self._drop_kept()
        return min(due, kept_until + KEPT_FOR) if self._of_type else None

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

    def _drop_oldest(self, reason: str) -> None:
        number = next(iter(self._waiting))
        self._forget(number, self._take(number))
        self._dropped[reason] += 1

    def _keep(self, number: int, waiting: Waiting) -> None:
        """A message waits no longer."""
        waiting.deadline += KEPT_FOR - self.patience
        self._kept[number] = waiting
        self._kept_bytes += size_of(waiting.message)
        while self._kept_bytes > KEPT_BYTES:
            self._drop_kept()

    def _drop_kept(self) -> None:
        number, waiting = self._kept.popitem(last=False)
        self._kept_bytes -= size_of(waiting.message)
        self._forget(number, waiting)

    def _forget(self, number: int, waiting: Waiting) -> None:
        numbers = self._of_type[waiting.message.data_type]
        del numbers[number]
        if not numbers:
            del self._of_type[waiting.message.data_type]


def _first_deadline(table: collections.OrderedDict[int, Waiting]) -> float:
    return next(iter(table.values())).deadline if table else math.inf


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
