"""The relay: news from announcers and neighbours, on to modules, and with their word to neighbours.

Link readers call it; the thread "validations" drops what waits too long.
"""

import hashlib
import random
import threading
import time

from gossip.node.node import Node
from gossip.voidphone import messages
from gossip.voidphone.doorway import MODULE, NEIGHBOUR, PeerLink
from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.news import Item, Memory, Pending, Subscriptions, Waiting, first_ttl, next_ttl
from gossip.voidphone.outbox import Outbox
from gossip.voidphone.view import View

DRAWS = 100  # of an id; when all are old, nearly all 65,536 of that message are in use
LOOK_EVERY = 64  # announces of a type between two looks whether there is room for more
STILL_VALIDATING = 1.0  # seconds since the last validation after which announcers do not wait
FLUSH = 256 << 10  # bytes that validations cause, sent before more are looked at


class Relay:
    """Where announced and received messages meet subscriptions, memory and validations."""

    def __init__(self, node: Node, view: View, memory: Memory, pending: Pending,
                 rng: random.Random):
        self._node = node
        self._view = view  # whose links news are sent on
        self._rng = rng
        self.subscriptions = Subscriptions()
        self.memory = memory
        self.pending = pending
        self._arriving = threading.Lock()  # a copy finds what is remembered waiting, too
        self._validations = threading.Condition()  # notified when modules have validated
        self._validated_at = 0.0  # when one did last
        self._waits = threading.Event()  # something waits for validation, or is to end

    def subscribe(self, link: PeerLink, message: messages.Notify) -> None:
        self.subscriptions.add(link, message.data_type)

    def announce(self, link: PeerLink, message: messages.Announce, outbox: Outbox) -> None:
        """Tell local modules; spread it, at once or when one of them has validated it."""
        self._hold_back(link, message.data_type, outbox)
        told = self.subscriptions.of(message.data_type, link)
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
            item = item._replace(id=self._rng.getrandbits(16))  # the same data, said again
        else:
            self._node.counters.add("messages said so often that peers take them for old")
        news = news._replace(id=item.id)
        outbox.events.append(f"generated:{_shown(item)}")
        if told:
            self._notify(news if fits else news._replace(ttl=-1), item, (), told, outbox)
        elif fits:
            outbox.add(self._view.links(), news.pack())

    def _hold_back(self, announcer: PeerLink, data_type: int, outbox: Outbox) -> None:
        """Wait in the announcer's own thread, so that it is slowed down and nobody is dropped,
        while one who is to be told has much waiting and still moves, or modules validate and
        are far behind. Looks at some of those of a type that arrived together."""
        outbox.announced[data_type] += 1
        if outbox.announced[data_type] % LOOK_EVERY != 1:
            return
        outbox.send()  # what came before does not wait
        told = self.subscriptions.of(data_type, announcer)
        self._node.flusher.wait_for_room([*told, *self._view.links()])
        while told and not self._node.stopping.is_set():
            now = time.monotonic()
            lag = self.pending.lag(now)
            if lag is None or min(lag, now - self._validated_at) > STILL_VALIDATING:
                return  # nobody is far behind, or they have had their time and say nothing
            with self._validations:
                self._validations.wait(STILL_VALIDATING / 4)  # they may cease without a notice

    def validate(self, link: PeerLink, message: messages.Validation, outbox: Outbox) -> None:
        """Spread what is valid. Much that was validated at once leaves bit by bit, lest it fill
        the backlog of a neighbour that reads."""
        waiting = self.pending.validated(message.id, link)
        if waiting is not None and message.valid:
            self._spread(waiting, outbox)
        if outbox.size > FLUSH:
            outbox.send()
            self._node.flusher.wait_for_room(self._view.links())
        self._validated_at = time.monotonic()
        outbox.validated = True

    def handled(self, outbox: Outbox) -> None:
        """What arrived together is handled: announcers that wait may look again."""
        if outbox.validated:
            with self._validations:
                self._validations.notify_all()

    def _notify(self, news: PeerNotification, item: Item, senders, told, outbox: Outbox) -> None:
        """Tell modules, and wait for the first word of one. (A TTL of -1 spreads no further.)"""
        number, alone = self.pending.add(news, item, senders, told, time.monotonic())
        outbox.add(told, messages.Notification(number, news.data_type, news.data).pack())
        if alone:  # the thread that drops what waits too long had nothing to wait for
            self._waits.set()

    def _spread(self, waiting: Waiting, outbox: Outbox) -> None:
        """Send on what was validated, to all that have not sent it."""
        if waiting.message.ttl >= 0:
            outbox.add([link for link in self._view.links() if link not in waiting.senders],
                       waiting.message.pack())

    def take(self, link: PeerLink, message: PeerNotification, outbox: Outbox) -> None:
        """News: told to the modules that want it; without one it goes no further."""
        told = self.subscriptions.of(message.data_type)
        if not told:
            self._node.counters.add("messages of a type that no module wants")
            return
        ttl = next_ttl(message.ttl)
        ttl = -1 if ttl is None else ttl
        item = _item(message)
        with self._arriving:
            if self.pending.copy(item, link, ttl) or not self.memory.add(item, time.monotonic()):
                self._node.counters.add("messages that were old")
            else:
                outbox.events.append(f"received:{link.peer}:{_shown(item)}")
                self._notify(message._replace(ttl=ttl), item, (link,), told, outbox)

    def keep_validations(self) -> None:
        """Drop messages that nobody has validated in time."""
        while not self._node.stopping.is_set():
            due = self.pending.expire(time.monotonic())
            self._waits.wait(None if due is None else max(0.0, due - time.monotonic()))
            self._waits.clear()

    def on_end(self, link: PeerLink) -> None:
        """A link has ended: nobody is told over it, and it has no say any more."""
        if link.role == MODULE:
            self.subscriptions.on_end(link)
        if link.role in (MODULE, NEIGHBOUR):
            self.pending.on_end(link)

    def wake(self) -> None:
        """The node stops: end what waits."""
        self._waits.set()
        with self._validations:
            self._validations.notify_all()


def _item(message: PeerNotification) -> Item:
    return Item(message.id, message.data_type, hashlib.sha256(message.data).digest())


def _shown(item: Item) -> str:
    return f"message:{item.id}:{item.data_type}:{item.digest.hex()[:16]}"
