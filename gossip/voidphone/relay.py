"""The relay: takes news from modules and neighbours, and hands them on.

News go to the modules of this host that subscribed to their type. When one of them has called
the news valid, they go to the neighbours. The duty "validations" drops news that nobody validates
in time, and those that nobody wants.

Whoever brings news waits for modules that read slowly: announcers for as long as these read at
all, readers of neighbours for some seconds at a time, for they have to hear PINGs. For neighbours
that read slowly modules wait two seconds at most: who knows why they do.
"""

import hashlib
import random
import threading
import time

from gossip.node.counters import Budget
from gossip.node.node import Node
from gossip.voidphone import messages
from gossip.voidphone.doorway import MODULE, NEIGHBOUR, PeerLink
from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.news import Item, Memory, Pending, Subscriptions, Waiting, first_ttl, next_ttl
from gossip.voidphone.outbox import Outbox
from gossip.voidphone.unwanted import Unwanted
from gossip.voidphone.view import View

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

    def __init__(self, node: Node, view: View, memory: Memory, pending: Pending,
                 rng: random.Random):
        self._node = node
        self._view = view  # its links lead to the neighbours
        self._rng = rng
        self.subscriptions = Subscriptions()
        self.memory = memory
        self.pending = pending
        self._unwanted = Unwanted()
        self._pieces = Budget(PIECES)
        self._module_wait = min(MODULE_WAIT, node.settings.liveness_interval / 2)
        self._validations = threading.Condition()  # notified after validations
        self._validated_at = 0.0  # monotonic time of the last validation
        self.duty = None  # takes `expire`, once it is kept

    def subscribe(self, link: PeerLink, message: messages.Notify, outbox: Outbox) -> None:
        """A module wants news of a type, also those that wait, or came a moment ago. It is told of
        these as fast as it reads them."""
        if not self.subscriptions.add(link, message.data_type):
            return
        joined = self.pending.join(message.data_type, link, time.monotonic())
        for number, here in joined:
            waiting = here()
            if waiting is None:
                continue  # it was dropped meanwhile
            news = waiting.message
            outbox.add([link], messages.Notification(number, news.data_type, news.data).pack())
            if outbox.size > FLUSH:
                outbox.send()
                with self._node.turn.left():
                    self._node.flusher.wait_for_room([link])
                if link.ended or link.waiting() > self._node.settings.origin_limit:
                    break  # it does not read; the rest would end its connection
        self._tell_kept(message.data_type, outbox)

    def _tell_kept(self, data_type: int, outbox: Outbox) -> None:
        """Take news of a type that nobody wanted as if they came now."""
        for kept in self._unwanted.take(data_type, time.monotonic()):
            self._take(kept.link, kept.message, outbox)

    def announce(self, link: PeerLink, message: messages.Announce, outbox: Outbox) -> None:
        """A module announces: tell the other modules; without any, spread the news at once."""
        self._hold_back(link, message.data_type, outbox)
        fits = len(message.data) <= messages.SPREADABLE
        if not fits:
            outbox.events.append(f"too long:{len(message.data)} bytes of type "
                                 f"{message.data_type}, which peers cannot be sent")
        news = PeerNotification(first_ttl(message.ttl), self._rng.getrandbits(16),
                                message.data_type, message.data)
        item = _item(news)
        for _ in range(DRAWS):
            if self.memory.add(item, time.monotonic()):
                break
            item = item._replace(id=self._rng.getrandbits(16))  # the same data was announced before
        else:
            self._node.counters.add("messages said so often that peers take them for old")
        news = news._replace(id=item.id)
        outbox.events.append(f"generated:{_shown(item)}")
        told = self.subscriptions.of(message.data_type, link)
        self._notify(news if fits else news._replace(ttl=-1), item, link, told, outbox)
        if fits and not told:
            outbox.add(self._view.links(), news.pack())

    def _hold_back(self, announcer: PeerLink, data_type: int, outbox: Outbox) -> None:
        """Slow a fast announcer down, so that no receiver falls so far behind that it is dropped.

        Called in the announcer's own reader. Waits while a receiver has a long backlog that
        still shrinks, and while modules validate but are far behind. Of the announces of a
        type that arrived together, it looks at every 64th.
        """
        outbox.announced[data_type] += 1
        if outbox.announced[data_type] % LOOK_EVERY != 1:
            return
        outbox.send()  # the announces before this one need not wait
        told = self.subscriptions.of(data_type, announcer)
        with self._node.turn.left():
            self._node.flusher.wait_for_room(told)
        self._wait_for_neighbours()
        while told and not self._node.stopping:
            now = time.monotonic()
            lag = self.pending.lag(now)
            if lag is None or min(lag, now - self._validated_at) > STILL_VALIDATING:
                return  # nobody is far behind, or the modules have stopped validating
            with self._node.turn.left(), self._validations:
                self._validations.wait(STILL_VALIDATING / 4)  # they may stop without a notice

    def validate(self, link: PeerLink, message: messages.Validation, outbox: Outbox) -> None:
        """A module validates a message: spread it if it is valid.

        A thousand validations at once are sent in pieces of FLUSH bytes; otherwise they would
        overflow the backlog even of a neighbour that reads.
        """
        waiting = self.pending.validated(message.id, link, message.valid)
        if waiting is not None and message.valid:
            self._spread(waiting, outbox)
        if outbox.size > FLUSH:
            outbox.send()
            self._wait_for_neighbours()
        self._validated_at = time.monotonic()
        outbox.validated = True

    def _wait_for_neighbours(self) -> None:
        links = self._view.links()
        with self._node.turn.left():
            self._node.flusher.wait_for_room(links, self._node.settings.origin_wait)

    def handled(self, outbox: Outbox) -> None:
        """A batch of messages is handled: announcers that wait may look again."""
        if outbox.validated:
            with self._validations:
                self._validations.notify_all()

    def _notify(self, news: PeerNotification, item: Item, sender, told, outbox: Outbox) -> None:
        """Tell modules; the message waits for their validation. TTL -1: it is not spread on."""
        number, alone = self.pending.add(news, item, (sender,), told, time.monotonic())
        outbox.add(told, messages.Notification(number, news.data_type, news.data).pack())
        if alone:  # the duty "validations" slept without a deadline
            self.duty.hurry()

    def _spread(self, waiting: Waiting, outbox: Outbox) -> None:
        """Send a validated message to the neighbours that have not sent it themselves."""
        if waiting.message.ttl >= 0:
            outbox.add([link for link in self._view.links() if link not in waiting.senders],
                       waiting.message.pack())

    def take(self, link: PeerLink, message: PeerNotification, outbox: Outbox) -> None:
        """A neighbour sends news: tell the modules of their type, or keep them for a moment."""
        told = self.subscriptions.of(message.data_type)
        if told:
            self._wait_for_modules(link, told, len(message.data), outbox)
            self._take(link, message, outbox)
            return
        if self._unwanted.add(message, link, time.monotonic()):
            self.duty.hurry()  # it slept without a deadline

    def _wait_for_modules(self, link: PeerLink, told, size: int, outbox: Outbox) -> None:
        """Take no more from a neighbour while a module that still reads has much waiting. After
        MODULE_WAIT seconds a piece goes on all the same, unless too many of others do."""
        outbox.free -= size
        if outbox.free >= 0:
            return
        if outbox.size > SMALL:
            outbox.send()

        def is_over() -> bool:
            return link.ended or self._node.stopping or not self._lag(told)
        while not is_over():
            outbox.send()
            with self._node.turn.left():
                self._node.flusher.wait_until(is_over, self._module_wait)
            link.heard = self._node.now()  # who is not read is not silent
            if self._pieces.spend(link.heard):
                outbox.free = PIECE - size
                return

    def _lag(self, told) -> bool:
        """Whether one of these modules has much waiting and still reads."""
        now = time.monotonic()
        return any([module.pauses_origin(now, MODULE_WAIT) for module in told])

    def _take(self, link: PeerLink, message: PeerNotification, outbox: Outbox) -> None:
        """Tell modules what a neighbour has sent, unless it is old."""
        ttl = next_ttl(message.ttl)
        ttl = -1 if ttl is None else ttl
        item = _item(message)
        if self.pending.copy(item, link, ttl) or not self.memory.add(item, time.monotonic()):
            self._node.counters.add("messages that were old")
        else:
            outbox.events.append(f"received:{link.peer}:{_shown(item)}")
            told = self.subscriptions.of(message.data_type)
            self._notify(message._replace(ttl=ttl), item, link, told, outbox)

    def expire(self, now: float) -> float | None:
        """A turn: drop messages that nobody has validated, or wanted, in time."""
        due = [self.pending.expire(now), self._unwanted.expire(now)]
        return min([moment for moment in due if moment is not None], default=None)

    def dropped(self) -> dict[str, int]:
        """What was dropped since the start, and how often."""
        return {**self.pending.dropped(), **self._unwanted.dropped()}

    def on_end(self, link: PeerLink) -> None:
        """A link has ended: it hears nothing more, and its validations do not count."""
        if link.role == MODULE:
            self.subscriptions.on_end(link)
        if link.role in (MODULE, NEIGHBOUR):
            self.pending.on_end(link)

    def wake(self) -> None:
        """The node stops: announcers wait no longer."""
        with self._validations:
            self._validations.notify_all()


def _item(message: PeerNotification) -> Item:
    return Item(message.id, message.data_type, hashlib.sha256(message.data).digest())


def _shown(item: Item) -> str:
    return f"message:{item.id}:{item.data_type}:{item.digest.hex()[:16]}"
