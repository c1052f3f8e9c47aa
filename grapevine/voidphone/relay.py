"""A node that forwards news of clients and neighbours; a subclass makes links to these.

News go to the clients that subscribed to their type. When one has called them valid, they go to the
neighbours. Nobody waits: a link that brings more than others take is held, so that TCP slows its
other end down. An announcer is held while clients read at all; a neighbour for two seconds at a
time, because its PINGs have to be read; clients for slow neighbours two seconds at most, because
nobody knows why these are slow.
"""

import collections
import functools
import hashlib
import math
from collections.abc import Collection, Iterable

from grapevine.link import OVERFLOW, Link
from grapevine.node import Node
from grapevine.settings import Settings
from grapevine.tools import Budget
from grapevine.voidphone.ini import Config
from grapevine.voidphone.messages import SPREADABLE, VALID, PeerNotification
from grapevine.voidphone.news import OVERHEAD, UNLIMITED, Item, Memory, News, Pending
from grapevine.voidphone.view import View

ALONE = 100  # messages a second over a link that go out in a `send` each, because several clients
# take what `recv` returns for a single message
DRAWS = 100  # random ids for repeated data; if none is free, nearly all 65,536 are in use
CROWDED = 1 << 20  # bytes that wait for a link above which others wait for it
WAIT = 2.0  # seconds that clients wait for neighbours at a time, or neighbours for clients; and all
# of them for one that reads nothing. A neighbour that is held longer seems to read nothing itself
PIECE = 64 << 10  # bytes of news between two looks whether others keep up
PIECES = 8  # a second that are taken from all neighbours together after waits in vain
PORTION, PORTION_PAUSE = 256 << 10, 0.005  # bytes that a newcomer is told at once; seconds between
STILL_VALIDATING = 1.0  # seconds without a validation after which announcers wait no longer
TOO_OFTEN = "messages said so often that peers take them for old"  # counters
OLD = "messages that were old"


class Relay(Node):
    """A link of it has `alone` (a budget of messages that go out in a `send` each), and `free`
    (bytes that may come before a look whether it has to wait for others)."""

    def __init__(self, config: Config, settings: Settings, output, world,
                 patience: float = 5.0, memory: float = 60.0):
        """Wait `patience` seconds for a validation, remember news `memory` seconds."""
        super().__init__(config.p2p_address, settings, output, world)
        self.config, self.view = config, View(config, self.rng)
        self.memory, self.pending = Memory(memory, config.cache_size), Pending(self.rng, patience)
        self._events: list[str] = []  # what messages that came together cause: for the file,
        self._to_say: dict[Link, list[bytes]] = collections.defaultdict(list)  # and for others
        self._types: dict[Link, set[int]] = {}  # client -> its subscriptions
        self._pieces = Budget(PIECES, PIECES)
        self._validated_at: dict[int, float] = {}  # type -> when a client validated last

    def start(self) -> None:
        self._expiry = self.schedule("validations", self.pending.expire, math.inf)

    def neighbours(self) -> list[Link]:
        return list(self.view.links.values())

    def subscribers(self, data_type: int, but: Link | None = None) -> list[Link]:
        return [link for link, types in self._types.items()
                if data_type in types and link is not but]

    def handle(self, link: Link, frames: list[bytes]) -> None:
        """Handle messages that came together, and send their effects together."""
        try:
            super().handle(link, frames)
        finally:
            self._carry_out()
            self._expiry.by(self.pending.due())

    def tell(self, links: Iterable[Link], message) -> None:
        """Send a message with all else that is to be said now."""
        data = message.pack()
        for link in links:
            self._to_say[link].append(data)

    def tell_neighbours(self, message, but: Collection[Link] = ()) -> None:
        self.tell([link for link in self.neighbours() if link not in but], message)

    def _carry_out(self) -> None:
        """Write the events down, then send what is to be said."""
        self.output.write(*self._events)
        self._events.clear()
        to_say, self._to_say = self._to_say, collections.defaultdict(list)
        for link, parts in to_say.items():
            while parts and link.alone.spend(1, self.now()):
                link.send(parts.pop(0))
            if parts:
                link.send(b"".join(parts))

    # What clients say.

    def on_notify(self, link: Link, data_type: int) -> None:
        """Subscribe a client, and tell it recent news as fast as it reads."""
        types = self._types.setdefault(link, set())
        if data_type in types:
            return
        types.add(data_type)
        for sender, message in self.pending.take_unwanted(data_type, self.now()):
            self._enter(sender, message, [link])  # as if it came now
        if recent := self.pending.join(data_type, link, self.now()):
            self._tell_recent(link, collections.deque(recent))

    def _tell_recent(self, link: Link, recent: collections.deque) -> None:
        """Tell a newcomer of news, a portion at a time. It misses those that are gone meanwhile,
        so that this ends soon for one that reads nothing, too."""
        size = 0
        while recent and size < PORTION:
            news = self.pending.find(*recent[0], link)
            if news is not None:
                if len(link.waiting) > CROWDED:
                    break
                self.tell([link], news.notification())
                size += len(news.message.data) + OVERHEAD
            recent.popleft()
        self._carry_out()
        if recent and link.takes():
            self.later(PORTION_PAUSE, self._tell_recent, link, recent)

    def on_announce(self, link: Link, ttl: int, data_type: int, data: bytes) -> None:
        """Tell other clients of an announcement. If none subscribed, forward it."""
        fits = len(data) <= SPREADABLE
        if not fits:
            self._events.append(
                f"too long:{len(data)} bytes of type {data_type}, which peers cannot be sent")
        item, told = self._new_item(data_type, data), self.subscribers(data_type, link)
        self._events.append(f"generated:{item}")
        ttl = (ttl or UNLIMITED + 1) - 1 if fits else -1  # after this hop
        message = PeerNotification(ttl, item.id, data_type, data)
        news = self.pending.add(message, item, link, told, self.now())
        self.tell(told, news.notification())
        if fits and not told:
            self.tell_neighbours(message)
        self._pace(link, message, told)

    def _new_item(self, data_type: int, data: bytes) -> Item:
        """Return a random id for data, under which these were not announced before."""
        digest = hashlib.sha256(data).digest()
        for _ in range(DRAWS):
            item = Item(self.rng.getrandbits(16), data_type, digest)
            if self.memory.add(item, self.now()):
                return item
        self.counters[TOO_OFTEN] += 1
        return item

    def on_validation(self, link: Link, number: int, flags: int) -> None:
        """Forward a message that a client calls valid."""
        is_valid = bool(flags & VALID)
        news = self.pending.validated(number, link, is_valid)
        if news is None:
            return
        message = news.message
        self._validated_at[message.data_type] = self.now()
        if is_valid and message.ttl >= 0:
            self.tell_neighbours(message, news.senders)
            self._pace(link, message, [])

    def client_ended(self, link: Link, error: OSError | None) -> None:
        self._types.pop(link, None)
        if link.closed == OVERFLOW:
            self.write_refusal(link.remote, OVERFLOW)

    # What neighbours say.

    def on_peer_notification(self, link: Link, *values) -> None:
        """Tell the subscribers. Without any, keep the news for a moment."""
        message = PeerNotification(*values)
        told = self.subscribers(message.data_type)
        if not told:
            self.pending.add_unwanted(message, link, self.now())
            return
        if (news := self._enter(link, message, told)) is not None:
            self.tell(told, news.notification())
        self._pace(link, message, told)

    def _enter(self, link: Link, message: PeerNotification, told: list[Link]) -> News | None:
        """Note a neighbour's news, which wait for a validation; None if they are old."""
        ttl = message.ttl - (message.ttl != UNLIMITED)  # -1 if it goes no further
        item = Item(message.id, message.data_type, hashlib.sha256(message.data).digest())
        if self.pending.copy(item, link, ttl) or not self.memory.add(item, self.now()):
            self.counters[OLD] += 1
            return None
        self._events.append(f"received:{link.peer}:{item}")
        return self.pending.add(message._replace(ttl=ttl), item, link, told, self.now())

    # Who waits for whom.

    def _pace(self, link: Link, message: PeerNotification, told: list[Link]) -> None:
        """Look after each PIECE of what a link brings whether it has to wait for others."""
        link.free -= len(message.data) + OVERHEAD
        if link.free < 0:
            link.free = PIECE
            self._carry_out()
            self.hold(link, functools.partial(
                self._may_go_on, link, told, message.data_type, self.now()))

    def _may_go_on(self, link: Link, told: list[Link], data_type: int, since: float) -> bool:
        """Tell whether those that were told what a link has brought keep up. After a wait in vain,
        a client waits for no neighbours, and a neighbour may bring a little."""
        waited, is_client = self.now() - since, link.peer is None
        are_clients_behind = self._are_crowded(told)
        if not is_client:
            return not are_clients_behind or (
                waited >= WAIT and self._pieces.spend(1, self.now()))
        if are_clients_behind or told and not self._keep_up(link, told, data_type):
            return False
        return waited >= WAIT or not self._are_crowded(self.neighbours())

    def _are_crowded(self, links: list[Link]) -> bool:
        """Tell whether much waits for one of these that has read some lately."""
        now = self.now()
        return any([link.is_crowded(now, CROWDED, WAIT) for link in links])

    def _keep_up(self, link: Link, told: list[Link], data_type: int) -> bool:
        """Tell whether clients keep up with validations of a type, or have stopped. An announcer
        that validates it, too, waits for nobody that is held: each would wait for validations of
        the other, which nobody reads."""
        if data_type in self._types.get(link, ()) and any(one.is_held for one in told):
            return True
        now = self.now()
        lag = self.pending.lag(data_type, now)
        last = self._validated_at.get(data_type, -math.inf)
        return lag is None or min(lag, now - last) > STILL_VALIDATING

    def status(self) -> dict[str, object]:
        return {"subscriptions": sum(map(len, self._types.values())),
                "messages that wait for validation": len(self.pending.waiting),
                "messages forgotten too early": self.memory.forgotten, **self.pending.dropped,
                **self.counters, "lines lost": self.output.lost}
