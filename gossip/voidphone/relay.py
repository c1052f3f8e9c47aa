"""The relay: takes news from modules and neighbours, and hands them on.

News go to the modules of this host that subscribed to their type. When one of them has called
the news valid, they go to the neighbours. The duty "validations" drops news that nobody validates
in time, and those that nobody wants.

Whoever brings news waits for modules that read slowly: announcers for as long as these read at
all, readers of neighbours for some seconds at a time, for they have to hear PINGs. For neighbours
that read slowly modules wait two seconds at most: who knows why they do.
"""

import hashlib
import math

from gossip.tools import Budget
from gossip.voidphone import messages
from gossip.voidphone.links import MODULE, NEIGHBOUR, PeerLink
from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.news import (
    Item, Memory, Pending, Subscriptions, Unwanted, first_ttl, next_ttl)

UNWANTED = "messages of a type that no module wants"  # the name of a counter
DRAWS = 100  # random ids tried for data announced before; all in use: nearly all 65,536 are
LOOK_EVERY = 64  # announces of one type between two looks whether receivers keep up
STILL_VALIDATING = 1.0  # seconds without a validation after which announcers no longer wait
FLUSH = 256 << 10  # bytes: more than that in the outbox is sent before the next validation
MODULE_WAIT = 4.0  # seconds that the reader of a neighbour waits at a time for modules that have
# taken something within as many seconds; half a liveness interval, if that is shorter
PIECE = 64 << 10  # bytes of news that a neighbour brings all the same after a wait in vain
PIECES = 8  # a second, of all neighbours together
SMALL = 16 << 10  # bytes: more than that in the outbox is sent before it is looked who is slow


class Relay:
    """Decides for each message: is it new, which modules hear it, when is it spread."""

    def __init__(self, module, patience: float, memory: float):
        """`module` is the GossipModule; `patience`: seconds that news wait for a validation;
        `memory`: seconds for which they are remembered."""
        self._module = module
        self._outbox = module.outbox
        self._rng = module.rng
        self.subscriptions = Subscriptions()
        self.memory = Memory(memory, module.config.cache_size)
        self.pending = Pending(module.rng, patience)
        self._unwanted = Unwanted()
        self._pieces = Budget(PIECES)
        self._module_wait = min(MODULE_WAIT, module.settings.liveness_interval / 2)
        self._validated_at = 0.0  # when a validation came last
        self.duty = None  # takes `expire`, once it is kept

    # What modules say.

    def on_notify(self, link: PeerLink, message: messages.Notify) -> None:
        """A module wants news of a type, also those that wait, or came a moment ago. It is told of
        these as fast as it reads them."""
        if not self.subscriptions.add(link, message.data_type):
            return
        for here in self.pending.join(message.data_type, link, self._module.now()):
            if (waiting := here()) is None:
                continue  # it was dropped meanwhile
            self._tell([link], waiting.number, waiting.message)
            if self._outbox.size > FLUSH:
                self._wait_for([link])
                if link.ended or link.waiting() > self._module.settings.origin_limit:
                    break  # it does not read; the rest would end its connection
        for kept in self._unwanted.take(message.data_type, self._module.now()):
            self._take(kept.link, kept.message)  # as if it came now

    def on_announce(self, link: PeerLink, message: messages.Announce) -> None:
        """A module announces: tell the other modules; without any, spread the news at once."""
        self._hold_back(link, message.data_type)
        fits = len(message.data) <= messages.SPREADABLE
        if not fits:
            self._outbox.events.append(f"too long:{len(message.data)} bytes of type "
                                       f"{message.data_type}, which peers cannot be sent")
        news = PeerNotification(first_ttl(message.ttl), self._rng.getrandbits(16),
                                message.data_type, message.data)
        item = _item(news)
        for _ in range(DRAWS):
            if self.memory.add(item, self._module.now()):
                break
            item = item._replace(id=self._rng.getrandbits(16))  # the same data was announced before
        else:
            self._module.counters.add("messages said so often that peers take them for old")
        news = news._replace(id=item.id)
        self._outbox.events.append(f"generated:{_shown(item)}")
        told = self.subscriptions.of(message.data_type, link)
        self._notify(news if fits else news._replace(ttl=-1), item, link, told)
        if fits and not told:
            self._outbox.add(self._module.view.links(), news.pack())

    def _hold_back(self, announcer: PeerLink, data_type: int) -> None:
        """Slow a fast announcer down, so that no receiver falls so far behind that it is dropped.

        Called in the announcer's own reader. Waits while a receiver has a long backlog that
        still shrinks, and while modules validate but are far behind. Of the announces of a
        type that arrived together, it looks at every 64th.
        """
        announcer.announced[data_type] += 1
        if announcer.announced[data_type] % LOOK_EVERY != 1:
            return
        told = self.subscriptions.of(data_type, announcer)
        self._wait_for(told)  # the announces before this one need not wait
        self._wait_for_neighbours()
        if told and not self._keep_up():
            with self._module.turn.left():
                self._module.flusher.wait_until(self._keep_up, math.inf)

    def _keep_up(self) -> bool:
        """Whether nobody is far behind with validations, or modules have stopped validating."""
        with self._module.turn:
            now = self._module.now()
            lag = self.pending.lag(now)
            return (lag is None or min(lag, now - self._validated_at) > STILL_VALIDATING
                    or self._module.stopping)

    def on_validation(self, link: PeerLink, message: messages.Validation) -> None:
        """A module validates a message: spread it if it is valid.

        A thousand validations at once are sent in pieces of FLUSH bytes; otherwise they would
        overflow the backlog even of a neighbour that reads.
        """
        waiting = self.pending.validated(message.id, link, message.valid)
        if waiting is not None and message.valid and waiting.message.ttl >= 0:
            others = [other for other in self._module.view.links()
                      if other not in waiting.senders]
            self._outbox.add(others, waiting.message.pack())
        if self._outbox.size > FLUSH:
            self._wait_for_neighbours()
        self._validated_at = self._module.now()

    def _wait_for_neighbours(self) -> None:
        self._wait_for(self._module.view.links(), self._module.settings.origin_wait)

    def _wait_for(self, links, seconds: float = math.inf) -> None:
        """Send what there is, then wait for links with a long backlog, out of turn."""
        self._outbox.send()
        with self._module.turn.left():
            self._module.flusher.wait_for_room(links, seconds)

    # What neighbours say.

    def on_peer_notification(self, link: PeerLink, message: PeerNotification) -> None:
        """A neighbour sends news: tell the modules of their type, or keep them for a moment."""
        told = self.subscriptions.of(message.data_type)
        if told:
            self._wait_for_modules(link, told, len(message.data))
            self._take(link, message)
        elif self._unwanted.add(message, link, self._module.now()):
            self.duty.hurry()  # it slept without a deadline

    def _wait_for_modules(self, link: PeerLink, told, size: int) -> None:
        """Take no more from a neighbour while a module that still reads has much waiting. After
        MODULE_WAIT seconds a piece goes on all the same, unless too many of others do."""
        link.free -= size
        if link.free >= 0:
            return
        if self._outbox.size > SMALL:
            self._outbox.send()

        def is_over() -> bool:
            now = self._module.now()
            return link.ended or self._module.stopping or not any(
                [module.pauses_origin(now, MODULE_WAIT) for module in told])
        while not is_over():
            self._outbox.send()
            with self._module.turn.left():
                self._module.flusher.wait_until(is_over, self._module_wait)
            link.heard = self._module.now()  # who is not read is not silent
            if self._pieces.spend(link.heard):
                link.free = PIECE - size
                return

    def _take(self, link: PeerLink, message: PeerNotification) -> None:
        """Tell modules what a neighbour has sent, unless it is old."""
        ttl = next_ttl(message.ttl)
        item = _item(message)
        if (self.pending.copy(item, link, ttl)
                or not self.memory.add(item, self._module.now())):
            self._module.counters.add("messages that were old")
            return
        self._outbox.events.append(f"received:{link.peer}:{_shown(item)}")
        told = self.subscriptions.of(message.data_type)
        self._notify(message._replace(ttl=ttl), item, link, told)

    def _notify(self, news: PeerNotification, item: Item, sender, told) -> None:
        """Tell modules; the message waits for their validation. TTL -1: it is not spread on."""
        number, alone = self.pending.add(news, item, (sender,), told, self._module.now())
        self._tell(told, number, news)
        if alone:  # the duty "validations" slept without a deadline
            self.duty.hurry()

    def _tell(self, links, number: int, news: PeerNotification) -> None:
        self._outbox.add(
            links, messages.Notification(number, news.data_type, news.data).pack())

    # What the module asks for.

    def expire(self, now: float) -> float | None:
        """A turn: drop messages that nobody has validated, or wanted, in time."""
        due = min(self.pending.expire(now), self._unwanted.expire(now))
        return due if due < math.inf else None

    def status(self) -> dict[str, int]:
        """Return the counts of everything held, and dropped since the start."""
        unwanted = {UNWANTED: self._unwanted.dropped} if self._unwanted.dropped else {}
        return {"subscriptions": self.subscriptions.count(),
                "messages that wait for validation": self.pending.count(),
                "messages forgotten too early": self.memory.dropped,
                **self.pending.dropped, **unwanted}

    def on_end(self, link: PeerLink) -> None:
        """A link has ended: it hears nothing more, and its validations do not count."""
        self.subscriptions.on_end(link)
        if link.role in (MODULE, NEIGHBOUR):
            self.pending.on_end(link)


def _item(message: PeerNotification) -> Item:
    return Item(message.id, message.data_type, hashlib.sha256(message.data).digest())


def _shown(item: Item) -> str:
    return f"message:{item.id}:{item.data_type}:{item.digest.hex()[:16]}"
