"""News: which module wants which type, which messages were seen, which wait for validation.

Rules only: no socket, no clock.
"""

import collections
import dataclasses
import itertools
import math
import weakref
from typing import Any, NamedTuple

from gossip.voidphone.messages import PeerNotification

UNLIMITED = 255  # on the wire: a TTL that is never counted down
WAITING_BYTES = 64 << 20  # bytes of data that may wait; above, the oldest message is dropped
WAITING = 60_000  # messages that may wait: 5,536 ids stay free, so that one is drawn quickly
KEPT_FOR = 1.0  # seconds from the arrival of news that are kept for newcomers
KEPT_BYTES = 8 << 20  # bytes that each shelf of kept news may hold; above, the oldest is evicted
OVERHEAD = 512  # bytes that kept news count for besides their data
REMEMBERED = 65_536  # messages that the memory has room for, even if cache_size is smaller


class Subscriptions:
    """The subscriptions of connections to data types."""

    def __init__(self):
        self._links: dict[int, dict[object, None]] = {}  # type -> links, in their order

    def add(self, link, data_type: int) -> bool:
        """Note a subscription; return whether it is new."""
        links = self._links.setdefault(data_type, {})
        is_new = link not in links
        links[link] = None
        return is_new

    def of(self, data_type: int, but=None) -> list:
        """Return the connections that subscribed to a type, except `but`."""
        return [link for link in self._links.get(data_type, ()) if link is not but]

    def on_end(self, link) -> None:
        for data_type, links in list(self._links.items()):
            links.pop(link, None)
            if not links:
                del self._links[data_type]

    def count(self) -> int:
        return sum(map(len, self._links.values()))


class Item(NamedTuple):
    """Id, type and SHA-256 of the data, which identify a message among peers."""

    id: int
    data_type: int
    digest: bytes

    def __str__(self) -> str:
        return f"message:{self.id}:{self.data_type}:{self.digest.hex()[:16]}"


class Memory:
    """Messages seen in the last `seconds`; above `most`, the oldest is forgotten sooner."""

    def __init__(self, seconds: float, most: int):
        self._seconds = seconds
        self._most = max(most, REMEMBERED)
        # a short key per message -> when it is forgotten, oldest first
        self._until: collections.OrderedDict[bytes, float] = collections.OrderedDict()
        self.dropped = 0  # forgotten before their time

    def add(self, item: Item, now: float) -> bool:
        """Remember a message; return whether it is new."""
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        key = b"%d.%d." % item[:2] + item.digest
        if key in self._until:
            return False
        self._until[key] = now + self._seconds
        if len(self._until) > self._most:
            self._until.popitem(last=False)
            self.dropped += 1
        return True

    def count(self) -> int:
        return len(self._until)


@dataclasses.dataclass(eq=False)
class News:
    """A message that waits for its first validation, or is kept for newcomers after that."""

    number: int  # its id on the API
    message: PeerNotification  # as it will be spread, its TTL counted down already
    key: tuple
    senders: set  # links that it came over, whose other ends have it
    notified: set  # links of the modules told of it: only they may validate it
    came: float


class Kept(NamedTuple):
    """A message that no module wants, and the link that it came over."""

    message: PeerNotification
    link: object
    came: float


class Shelf(collections.OrderedDict):
    """News by number, in the order of `put`, for `seconds`; each has a `message`, and `came`."""

    def __init__(self, seconds: float, overhead: int = 0):
        super().__init__()
        self._seconds = seconds
        self._overhead = overhead  # bytes that each counts for besides its data
        self._of_type = collections.defaultdict(dict)  # type -> number -> news
        self.bytes = 0

    def put(self, number: int, news) -> None:
        """Add news, as the newest."""
        message = news.message
        self[number] = self._of_type[message.data_type][number] = news
        self.bytes += self._overhead + len(message.data)

    def take(self, number: int):
        """Take out news and return them."""
        news = self.pop(number)
        message = news.message
        same = self._of_type[message.data_type]
        del same[number]
        if not same:
            del self._of_type[message.data_type]
        self.bytes -= self._overhead + len(message.data)
        return news

    def of_type(self, data_type: int, now: float) -> dict[int, Any]:
        """Return the news of a type that have not expired, by number."""
        return {number: news for number, news in self._of_type.get(data_type, {}).items()
                if news.came + self._seconds > now}

    def due(self) -> float:
        """Return when the oldest expires."""
        return next(iter(self.values())).came + self._seconds if self else math.inf

    def expire(self, now: float) -> list:
        """Take out and return the oldest while it has expired."""
        gone = []
        while self.due() <= now:
            gone.append(self.take(next(iter(self))))
        return gone

    def evict(self, most: float, room: int) -> list:
        """Take out and return the oldest until at most `most` news and `room` bytes are left."""
        gone = []
        while self.bytes > room or len(self) > most:
            gone.append(self.take(next(iter(self))))
        return gone


class Unwanted:
    """Messages that no module wants, kept for a moment, because a module that starts says NOTIFY
    just after the news came that it was started for."""

    def __init__(self):
        self._numbers = itertools.count()
        self._shelf = Shelf(KEPT_FOR, OVERHEAD)
        self.dropped = 0  # messages that nobody wanted in time, since the start

    def add(self, message: PeerNotification, link, now: float) -> bool:
        """Keep a message; return whether it is the only one."""
        self._shelf.put(next(self._numbers), Kept(message, link, now))
        self.dropped += len(self._shelf.evict(math.inf, KEPT_BYTES))
        return len(self._shelf) == 1

    def take(self, data_type: int, now: float) -> list[Kept]:
        """Take out the messages of a type, the oldest first."""
        self.expire(now)
        return [self._shelf.take(number) for number in self._shelf.of_type(data_type, now)]

    def expire(self, now: float) -> float:
        """Drop expired messages; return when the next one expires."""
        self.dropped += len(self._shelf.expire(now))
        return self._shelf.due()


class Pending:
    """Messages that wait for validation, by their id on the API, and those that wait no longer in
    their first second, for modules that are about to subscribe."""

    def __init__(self, rng, patience: float):
        self._rng = rng
        self._patience = patience  # seconds
        self._waiting = Shelf(patience)
        self._of_key: dict[tuple, News] = {}  # what waits
        self._kept = Shelf(KEPT_FOR, OVERHEAD)
        self.dropped = collections.Counter()  # since the start, by reason

    def add(self, message: PeerNotification, key: tuple, senders, notified,
            now: float) -> tuple[int, bool]:
        """Let a message wait, or only keep it when no module is notified. Return its id on the API,
        and whether `expire` may be due sooner."""
        number = self._rng.getrandbits(16)
        while number in self._waiting or number in self._kept:
            number = self._rng.getrandbits(16)
        news = News(number, message, key, set(senders), set(notified), now)
        alone = not self._waiting and bool(notified or not self._kept)
        if notified:
            self._of_key[key] = news
            self._waiting.put(number, news)
            self._drop(self._waiting.evict(WAITING, WAITING_BYTES),
                       "messages dropped: too many wait for validation")
        else:
            self._kept.put(number, news)
        self._kept.evict(WAITING - len(self._waiting), KEPT_BYTES)
        return number, alone

    def join(self, data_type: int, link, now: float) -> list[weakref.ref]:
        """Add a new subscriber to the news of a type; return these, oldest first, without its own.
        The references are weak, so that a newcomer that reads slowly keeps no news in memory, and
        is told nothing under an id that other news have by then."""
        here = [*self._waiting.of_type(data_type, now).values(),
                *self._kept.of_type(data_type, now).values()]
        joined = [news for news in here if link not in news.senders]
        for news in joined:
            news.notified.add(link)
        return [weakref.ref(news) for news in sorted(joined, key=lambda news: news.came)]

    def copy(self, key: tuple, sender, ttl: int) -> bool:
        """Add a copy's sender and higher TTL to a waiting message; return False if none waits."""
        news = self._of_key.get(key)
        if news is None:
            return False
        news.senders.add(sender)
        if ttl > news.message.ttl:
            news.message = news.message._replace(ttl=ttl)
        return True

    def validated(self, number: int, link, valid: bool = True) -> News | None:
        """Take out and return a message that a module validates. None if the module was not told of
        it, or another module was first."""
        news = self._waiting.get(number)
        if news is None or link not in news.notified:
            self.dropped["validations of what does not wait"] += 1
            return None
        self._forget(self._waiting.take(number))
        if valid:
            self._kept.put(number, news)
            self._kept.evict(WAITING, KEPT_BYTES)
        return news

    def expire(self, now: float) -> float:
        """Drop expired messages; return when to look again. Kept messages are looked at only once a
        second, because a look at each in its time costs more."""
        self._drop(self._waiting.expire(now), "messages without a validation in time")
        self._kept.expire(now)
        return min(self._waiting.due(), self._kept.due() + KEPT_FOR)

    def lag(self, now: float) -> float | None:
        """Return the age of the oldest message, in seconds, if modules are far behind, else None.
        Far behind means that half of the patience, the messages or the bytes is used up."""
        age = now + self._patience - self._waiting.due()
        behind = (age > self._patience / 2 or len(self._waiting) > WAITING // 2
                  or self._waiting.bytes > WAITING_BYTES // 2)
        return age if behind else None

    def on_end(self, link) -> None:
        """Forget a connection that has ended: it validates nothing, and is no sender to skip."""
        for news in self._waiting.values():
            news.notified.discard(link)
            news.senders.discard(link)

    def count(self) -> int:
        return len(self._waiting)

    def _drop(self, dropped: list[News], reason: str) -> None:
        for news in dropped:
            self._forget(news)
            self.dropped[reason] += 1

    def _forget(self, news: News) -> None:
        if self._of_key.get(news.key) is news:  # else the memory forgot them, and they came again
            del self._of_key[news.key]


def first_ttl(announced: int) -> int:
    """Return the TTL on the wire of an announced message: the hops left after the first."""
    return UNLIMITED if announced == 0 else announced - 1


def next_ttl(ttl: int) -> int:
    """Return the TTL with which to forward a received message; -1: do not forward it."""
    return UNLIMITED if ttl == UNLIMITED else ttl - 1
