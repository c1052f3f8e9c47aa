"""News that were seen, that wait for a validation, or that are kept for newcomers. Values."""

import collections
import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.voidphone.messages import Notification, PeerNotification

UNLIMITED = 255  # a TTL between modules that is never counted down
WAITING_BYTES = 64 << 20  # bytes of data that may wait; above, the oldest news is dropped
WAITING = 60_000  # news that may wait, so that 5,536 ids are free, and drawn quickly
KEPT_FOR = 1.0  # seconds from their arrival for which news are kept for newcomers
KEPT_BYTES = 8 << 20  # bytes on each shelf of kept news; above, the oldest is dropped
OVERHEAD = 512  # bytes that each kept news counts for besides its data
LEAST_REMEMBERED = 65_536  # messages that are remembered even if cache_size is smaller
CROWDED_OUT = "messages dropped: too many wait for validation"  # counters
TOO_LATE = "messages without a validation in time"
UNWANTED = "messages of a type that no module wants"
NOT_WAITING = "validations of what does not wait"


class Item(NamedTuple):
    """The id, type and SHA-256 that identify a message among modules."""

    id: int
    data_type: int
    digest: bytes

    def __str__(self) -> str:
        return f"message:{self.id}:{self.data_type}:{self.digest.hex()[:16]}"


class Memory(collections.OrderedDict):
    """The messages seen lately, and when each expires. Of too many, the oldest is forgotten."""

    def __init__(self, seconds: float, most: int):
        super().__init__()
        self._seconds, self._most = seconds, max(most, LEAST_REMEMBERED)
        self.forgotten = 0  # before their time

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
            self.forgotten += 1
        return True


class News:
    """A message that waits for a validation, or is kept for newcomers."""

    def __init__(self, number: int, message: PeerNotification, item: Item | None, sender,
                 notified: Iterable, came: float):
        self.number = number  # its id on the API
        self.message = message  # as it will be forwarded
        self.item = item  # None if it is unwanted
        self.senders = {sender}  # the links that it came over
        self.notified = set(notified)  # the links of clients that were told, and may validate it
        self.came = came

    def notification(self) -> Notification:
        return Notification(self.number, self.message.data_type, self.message.data)


class Shelf(collections.OrderedDict):
    """The news of some seconds by number, the oldest first."""

    def __init__(self, seconds: float, most_bytes: int, overhead: int = 0):
        super().__init__()
        self._seconds, self._most_bytes = seconds, most_bytes
        self._overhead = overhead  # bytes that each counts for besides its data
        self.types: dict[int, dict[int, News]] = {}  # type -> number -> news; none is empty
        self.bytes: collections.Counter = collections.Counter()  # by type, and of all as None

    def put(self, news: News) -> None:
        data_type = news.message.data_type
        self[news.number] = self.types.setdefault(data_type, {})[news.number] = news
        for each in (data_type, None):
            self.bytes[each] += self._overhead + len(news.message.data)

    def take(self, number: int) -> News:
        news = self.pop(number)
        data_type = news.message.data_type
        for each in (data_type, None):
            self.bytes[each] -= self._overhead + len(news.message.data)
        del self.types[data_type][number]
        if not self.types[data_type]:
            del self.types[data_type], self.bytes[data_type]
        return news

    def of_type(self, data_type: int, now: float) -> list[News]:
        return [news for news in self.types.get(data_type, {}).values()
                if news.came + self._seconds > now]

    def due(self) -> float:
        """Return when the oldest expires, or infinity."""
        return next(iter(self.values())).came + self._seconds if self else math.inf

    def shrink(self, most: float = math.inf, now: float = -math.inf) -> list[News]:
        """Take out the oldest while there are more news, or too many bytes, or it has expired."""
        taken = []
        while len(self) > most or self.bytes[None] > self._most_bytes or self.due() <= now:
            taken.append(self.take(next(iter(self))))
        return taken


class Pending:
    """The news that wait for a validation, and those that are kept for clients about to subscribe:
    the valid ones, those that no other client here wanted, and those that came for nobody. A second
    is enough, because a client often says NOTIFY just after the news came that it was started for.
    """

    def __init__(self, rng, patience: float):
        self._rng, self._patience = rng, patience
        self.waiting = Shelf(patience, WAITING_BYTES)
        self._of_item: dict[Item, News] = {}  # what waits
        self._kept = Shelf(KEPT_FOR, KEPT_BYTES, OVERHEAD)
        self._unwanted = Shelf(KEPT_FOR, KEPT_BYTES, OVERHEAD)  # as they came: numbers are no ids
        self._numbers = itertools.count()
        self.dropped: collections.Counter = collections.Counter()  # since the start, by reason

    def add(self, message: PeerNotification, item: Item, sender, notified, now: float) -> News:
        """Let a message wait, or keep it if no client is notified."""
        number = self._rng.getrandbits(16)
        while number in self.waiting or number in self._kept:
            number = self._rng.getrandbits(16)
        news = News(number, message, item, sender, notified, now)
        if notified:
            self._of_item[item] = news
            self.waiting.put(news)
            self._drop(self.waiting.shrink(WAITING), CROWDED_OUT)
        else:
            self._kept.put(news)
        self._kept.shrink(WAITING - len(self.waiting))
        return news

    def join(self, data_type: int, link, now: float) -> list[tuple[int, Item]]:
        """Make a subscriber one of those notified of others' news; return for `find` which these
        are, the oldest first."""
        here = self.waiting.of_type(data_type, now) + self._kept.of_type(data_type, now)
        joined = [news for news in here if link not in news.senders]
        for news in joined:
            news.notified.add(link)
        return [(news.number, news.item) for news in sorted(joined, key=lambda news: news.came)]

    def find(self, number: int, item: Item, link) -> News | None:
        """Return news that a subscriber has joined, if they are still here."""
        news = self.waiting.get(number) or self._kept.get(number)
        is_it = news is not None and news.item == item and link in news.notified
        return news if is_it else None

    def add_unwanted(self, message: PeerNotification, sender, now: float) -> None:
        """Keep a message that nobody wants."""
        self._unwanted.put(News(next(self._numbers), message, None, sender, (), now))
        self._drop(self._unwanted.shrink(), UNWANTED)

    def take_unwanted(self, data_type: int, now: float) -> list[tuple]:
        """Take out the unwanted messages of a type, the oldest first, as (sender, message)."""
        return [(*self._unwanted.take(news.number).senders, news.message)
                for news in self._unwanted.of_type(data_type, now)]

    def copy(self, item: Item, sender, ttl: int) -> bool:
        """Merge a copy into the waiting message. Return False if none waits."""
        news = self._of_item.get(item)
        if news is None:
            return False
        news.senders.add(sender)
        if ttl > news.message.ttl:
            news.message = news.message._replace(ttl=ttl)
        return True

    def validated(self, number: int, link, is_valid: bool) -> News | None:
        """Take out a message that a client validates. None if it was not told, or was not first."""
        news = self.waiting.get(number)
        if news is None or link not in news.notified:
            self.dropped[NOT_WAITING] += 1
            return None
        self._drop([self.waiting.take(number)])
        if is_valid:
            self._kept.put(news)
            self._kept.shrink()
        return news

    def expire(self, now: float) -> float:
        """Drop what has expired; return when to look again."""
        self._drop(self.waiting.shrink(now=now), TOO_LATE)
        self._drop(self._unwanted.shrink(now=now), UNWANTED)
        self._kept.shrink(now=now)
        return self.due()

    def due(self) -> float:
        """Return when something is due. Of what is kept, only a second after the first has expired,
        because a look for each in its time costs more."""
        return min(self.waiting.due(), self._unwanted.due(), self._kept.due() + KEPT_FOR)

    def lag(self, data_type: int, now: float) -> float | None:
        """Return the age in seconds of the oldest message of a type, if clients are far behind with
        it. They are if it uses up half of the patience, the messages or the bytes."""
        news = self.waiting.types.get(data_type)
        age = now - next(iter(news.values())).came if news else 0.0
        is_behind = news and (age > self._patience / 2 or len(news) > WAITING // 2
                              or self.waiting.bytes[data_type] > WAITING_BYTES // 2)
        return age if is_behind else None

    def _drop(self, dropped: list[News], reason: str = "") -> None:
        """Forget news that waited or came for nobody, and count them under the reason."""
        for news in dropped:
            if self._of_item.get(news.item) is news:  # else it was forgotten, and came again
                del self._of_item[news.item]
        if reason and dropped:
            self.dropped[reason] += len(dropped)
