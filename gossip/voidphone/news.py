"""News that were seen, wait for validation, or are kept for newcomers. Pure rules."""

import collections
import dataclasses
import itertools
import math
import weakref
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gossip.voidphone.messages import PeerNotification

UNLIMITED = 255  # a TTL on the wire that is never counted down
WAITING_BYTES = 64 << 20  # bytes of data that may wait; above, the oldest message is dropped
WAITING = 60_000  # messages that may wait, so that 5,536 ids are free, and drawn quickly
KEPT_FOR = 1.0  # seconds from their arrival for which news are kept for newcomers
KEPT_BYTES = 8 << 20  # bytes on each shelf of kept news; above, the oldest is evicted
OVERHEAD = 512  # bytes that each kept message counts for besides its data
REMEMBERED = 65_536  # messages that are remembered even if cache_size is smaller
UNWANTED = "messages of a type that no module wants"  # the name of a counter


class Item(NamedTuple):
    """The id, type and SHA-256 that identify a message among peers."""

    id: int
    data_type: int
    digest: bytes

    def __str__(self) -> str:
        return f"message:{self.id}:{self.data_type}:{self.digest.hex()[:16]}"


class Memory(collections.OrderedDict):
    """The messages seen lately, and when each expires. Above `most`, the oldest is evicted."""

    def __init__(self, seconds: float, most: int):
        super().__init__()
        self._seconds = seconds
        self._most = max(most, REMEMBERED)
        self.dropped = 0  # evictions

    def add(self, item: Item, now: float) -> bool:
        """Remember a message, and return whether it is new."""
        while self and next(iter(self.values())) <= now:
            self.popitem(last=False)
        key = b"%d.%d." % item[:2] + item.digest  # takes less memory than an item
        if key in self:
            return False
        self[key] = now + self._seconds
        if len(self) > self._most:
            self.popitem(last=False)
            self.dropped += 1
        return True


@dataclasses.dataclass(eq=False)
class News:
    """A message that waits for validation, or is kept for newcomers."""

    number: int  # its id on the API
    message: PeerNotification  # as it will be forwarded
    key: Item | None
    senders: set  # the links that it came over
    notified: set  # the links of the modules that may validate it, because they were told
    came: float


class Shelf(collections.OrderedDict):
    """The news of some seconds by number, in the order of `put`."""

    def __init__(self, seconds: float, overhead: int = 0):
        super().__init__()
        self._seconds = seconds
        self._overhead = overhead  # bytes that each counts for besides its data
        self._of_type = collections.defaultdict(dict)  # type -> number -> news
        self._bytes_of_type = collections.Counter()  # also 0 or missing
        self.bytes = 0

    def put(self, news: News) -> None:
        self[news.number] = self._of_type[news.message.data_type][news.number] = news
        self._change_size(news.message, 1)

    def take(self, number: int) -> News:
        news = self.pop(number)
        message = news.message
        del self._of_type[message.data_type][number]
        if not self._of_type[message.data_type]:
            del self._of_type[message.data_type]
        self._change_size(message, -1)
        return news

    def _change_size(self, message: PeerNotification, sign: int) -> None:
        size = sign * (self._overhead + len(message.data))
        self.bytes += size
        self._bytes_of_type[message.data_type] += size

    def of_type(self, data_type: int, now: float) -> list[News]:
        return [news for news in self._of_type.get(data_type, {}).values()
                if news.came + self._seconds > now]

    def share(self, data_type: int) -> tuple[News | None, int, int]:
        """Return the oldest news of a type, and how many and how many bytes these news are."""
        of_type = self._of_type.get(data_type, {})
        return next(iter(of_type.values()), None), len(of_type), self._bytes_of_type[data_type]

    def due(self) -> float:
        return next(iter(self.values())).came + self._seconds if self else math.inf

    def expire(self, now: float) -> Iterator[News]:
        """Take out the oldest while it has expired."""
        while self.due() <= now:
            yield self.take(next(iter(self)))

    def evict(self, room: int, most: float = math.inf) -> Iterator[News]:
        """Take out the oldest while there are more bytes or news."""
        while self.bytes > room or len(self) > most:
            yield self.take(next(iter(self)))


class Pending:
    """The news that wait for validation, or are kept for new subscribers. The latter are validated,
    or nobody else here wants them. A second is enough, because a module often says NOTIFY just
    after the news came that it was started for."""

    def __init__(self, rng, patience: float):
        self._rng, self._patience = rng, patience
        self._waiting = Shelf(patience)
        self._of_key: dict[Item, News] = {}  # what waits
        self._kept = Shelf(KEPT_FOR, OVERHEAD)
        self._unwanted = Shelf(KEPT_FOR, OVERHEAD)  # as they came: their numbers are no ids
        self._numbers = itertools.count()
        self.dropped = collections.Counter()  # since the start, by reason

    def add(self, message: PeerNotification, key: Item, senders, notified,
            now: float) -> tuple[int, bool]:
        """Let a message wait, or keep it if no module is notified. Return its id on the API, and
        whether `expire` may be due sooner."""
        number = self._rng.getrandbits(16)
        while number in self._waiting or number in self._kept:
            number = self._rng.getrandbits(16)
        news = News(number, message, key, set(senders), set(notified), now)
        alone = not self._waiting and bool(notified or not self._kept)
        if notified:
            self._of_key[key] = news
            self._waiting.put(news)
            self._drop(self._waiting.evict(WAITING_BYTES, WAITING),
                       "messages dropped: too many wait for validation")
        else:
            self._kept.put(news)
        self._drop(self._kept.evict(KEPT_BYTES, WAITING - len(self._waiting)))
        return number, alone

    def join(self, data_type: int, link, now: float) -> list[weakref.ref]:
        """Add a subscriber to others' news, and return these, oldest first. The references are
        weak, so that a slow newcomer keeps no news in memory, and is told nothing under an id that
        other news have by then."""
        here = self._waiting.of_type(data_type, now) + self._kept.of_type(data_type, now)
        joined = [news for news in here if link not in news.senders]
        for news in joined:
            news.notified.add(link)
        return [weakref.ref(news) for news in sorted(joined, key=lambda news: news.came)]

    def add_unwanted(self, message: PeerNotification, link, now: float) -> bool:
        """Keep a message that nobody wants. Return whether `expire` may be due sooner."""
        self._unwanted.put(News(next(self._numbers), message, None, {link}, set(), now))
        self._drop(self._unwanted.evict(KEPT_BYTES), UNWANTED)
        return len(self._unwanted) == 1

    def take_unwanted(self, data_type: int, now: float) -> list[News]:
        """Take out the unwanted messages of a type, the oldest first."""
        return [self._unwanted.take(news.number) for news in self._unwanted.of_type(data_type, now)]

    def copy(self, key: Item, sender, ttl: int) -> bool:
        """Merge a copy into the waiting message. Return False if none waits."""
        news = self._of_key.get(key)
        if news is None:
            return False
        news.senders.add(sender)
        if ttl > news.message.ttl:
            news.message = news.message._replace(ttl=ttl)
        return True

    def validated(self, number: int, link, valid: bool = True) -> News | None:
        """Take out a message that a module validates. None if it was not told, or was not first."""
        news = self._waiting.get(number)
        if news is None or link not in news.notified:
            self.dropped["validations of what does not wait"] += 1
            return None
        self._drop([self._waiting.take(number)])
        if valid:
            self._kept.put(news)
            self._drop(self._kept.evict(KEPT_BYTES))
        return news

    def expire(self, now: float) -> float | None:
        """Drop expired messages, and return the next time, if any. Kept messages are only checked
        once a second, because a check of each in its time costs more."""
        self._drop(self._waiting.expire(now), "messages without a validation in time")
        self._drop(self._unwanted.expire(now), UNWANTED)
        self._drop(self._kept.expire(now))
        due = min(self._waiting.due(), self._unwanted.due(), self._kept.due() + KEPT_FOR)
        return due if due < math.inf else None

    def lag(self, data_type: int, now: float) -> float | None:
        """Return the age in seconds of the oldest message of a type, if modules are far behind with
        it. They are if it uses up half of the patience, the messages or the bytes."""
        oldest, count, size = self._waiting.share(data_type)
        age = now - oldest.came if oldest else 0.0
        behind = age > self._patience / 2 or count > WAITING // 2 or size > WAITING_BYTES // 2
        return age if behind else None

    def on_end(self, link) -> None:
        """Forget an ended connection as validator and as sender."""
        for news in self._waiting.values():
            news.notified.discard(link)
            news.senders.discard(link)

    def count(self) -> int:
        return len(self._waiting)

    def _drop(self, dropped: Iterable[News], reason: str = "") -> None:
        """Forget news that were taken out, and count them under the reason."""
        for news in dropped:
            if self._of_key.get(news.key) is news:  # else it was forgotten, and came again
                del self._of_key[news.key]
            if reason:
                self.dropped[reason] += 1
