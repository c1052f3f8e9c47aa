"""The relay, which forwards news of modules and neighbours.

News go to the modules that subscribed to their type. When a module has called news valid, they go
to the neighbours. The duty "validations" drops news that wait or are kept too long.

Senders wait for slow modules. An announcer waits while they read at all, a neighbour's reader only
for some seconds at a time, because it has to read PINGs. Modules wait for slow neighbours at most
`origin_wait` seconds, because nobody knows why these are slow.
"""

import collections
import functools
import hashlib
import math

from gossip.node.link import ORIGIN_LIMIT
from gossip.node.output_file import OutputFile
from gossip.node.part import Part
from gossip.tools import Rate
from gossip.voidphone import messages
from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.neighbours import MODULE, NEIGHBOUR, PeerLink
from gossip.voidphone.news import UNLIMITED, Item, Memory, Pending

DRAWS = 100  # random ids for repeated data; if none is free, nearly all 65,536 are in use
LOOK_EVERY = 64  # announces of a type between two checks whether receivers keep up
STILL_VALIDATING = 1.0  # seconds without a validation after which announcers no longer wait
FLUSH = 256 << 10  # bytes; an outbox with more is sent before the next validation
MODULE_WAIT = 4.0  # seconds: a neighbour's reader waits for modules that have read something within
# so long; it waits so long at a time, or half a liveness interval, if that is shorter
PIECE = 64 << 10  # bytes of news taken from a neighbour after a wait in vain
PIECES = 8  # a second, of all neighbours together
SMALL = 16 << 10  # bytes; an outbox with more is sent before looking for slow modules


class Outbox:
    """The effects of messages that arrived together. In a shared turn, any reader may send them."""

    def __init__(self, output: OutputFile):
        self._output = output
        self._chunks: dict[PeerLink, list[bytes]] = collections.defaultdict(list)
        self.events: list[str] = []  # for the output file
        self.size = 0  # bytes to be sent

    def add(self, links, data: bytes) -> None:
        for link in links:
            self._chunks[link].append(data)
            self.size += len(data)

    def send(self) -> None:
        """Write the events down, then send the bytes."""
        if self.events:
            self._output.write(*self.events)
            self.events.clear()
        for link, chunks in self._chunks.items():
            link.send_all(chunks)
        self._chunks.clear()
        self.size = 0


class Relay(Part):
    """The decisions whether, when and where a message is forwarded."""

    ANSWERS = {MODULE: {"announce", "notify", "validation"}, NEIGHBOUR: {"peer_notification"}}

    def __init__(self, module, patience: float, memory: float):
        self._module = module
        self._outbox = module.outbox
        self._types: dict[PeerLink, set[int]] = {}  # module -> its subscriptions
        self.memory = Memory(memory, module.config.cache_size)
        self.pending = Pending(module.rng, patience)
        self._pieces = Rate(PIECES)
        self._module_wait = min(MODULE_WAIT, module.settings.liveness_interval / 2)
        self._validated_at: dict[int, float] = {}  # data type -> time of the last validation
        self.duty = None  # later the duty that calls `pending.expire`

    def subscribers(self, data_type: int, but: PeerLink | None = None) -> list[PeerLink]:
        return [link for link, types in self._types.items()
                if data_type in types and link is not but]

    # What modules say.

    def on_notify(self, link: PeerLink, message: messages.Notify) -> None:
        """Subscribe a module. Tell it recent news as fast as it reads."""
        types = self._types.setdefault(link, set())
        if message.data_type in types:
            return
        types.add(message.data_type)
        for here in self.pending.join(message.data_type, link, self._module.now()):
            if (waiting := here()) is not None:  # else it was dropped meanwhile
                self._tell([link], waiting.number, waiting.message)
            if self._outbox.size > FLUSH:
                self._wait_for([link])
                if link.ended or link.waiting() > ORIGIN_LIMIT:
                    break  # because the rest would end its connection
        for news in self.pending.take_unwanted(message.data_type, self._module.now()):
            sender, = news.senders
            self._take(sender, news.message)  # as if it came now
            if self._outbox.size > FLUSH:
                self._wait_for([link])

    def on_announce(self, link: PeerLink, message: messages.Announce) -> None:
        """Tell other modules of an announcement. If none subscribed, forward it."""
        link.announced[message.data_type] += 1
        if link.announced[message.data_type] % LOOK_EVERY == 1:
            self._hold_back(self.subscribers(message.data_type, link), message.data_type)
        fits = len(message.data) <= messages.SPREADABLE
        if not fits:
            self._outbox.events.append(f"too long:{len(message.data)} bytes of type "
                                       f"{message.data_type}, which peers cannot be sent")
        digest = hashlib.sha256(message.data).digest()
        for _ in range(DRAWS):  # the same data may have been announced before
            item = Item(self._module.rng.getrandbits(16), message.data_type, digest)
            if self.memory.add(item, self._module.now()):
                break
        else:
            self._module.counters.add("messages said so often that peers take them for old")
        self._outbox.events.append(f"generated:{item}")
        ttl = (message.ttl or UNLIMITED + 1) - 1 if fits else -1  # after this hop
        news = PeerNotification(ttl, *item[:2], message.data)
        told = self.subscribers(message.data_type, link)
        self._notify(news, item, link, told)
        if fits and not told:
            self._outbox.add(self._module.view.links(), news.pack())

    def _hold_back(self, told: list[PeerLink], data_type: int) -> None:
        """Have an announcer wait for slow receivers that still read, or validate."""
        self._wait_for(told)
        self._wait_for(self._module.view.links(), self._module.settings.origin_wait)
        keep_up = functools.partial(self._keep_up, data_type)
        if told and not keep_up():
            with self._module.turn.left():
                self._module.flusher.wait_until(keep_up, math.inf)

    def _keep_up(self, data_type: int) -> bool:
        """Tell whether modules keep up with validations of a type, or have stopped."""
        with self._module.turn:
            now, last = self._module.now(), self._validated_at.get(data_type, -math.inf)
            lag = self.pending.lag(data_type, now)
            return (lag is None or min(lag, now - last) > STILL_VALIDATING
                    or self._module.stopping)

    def on_validation(self, link: PeerLink, message: messages.Validation) -> None:
        """Forward a message that a module calls valid. Many go out in pieces of FLUSH bytes, so
        that they do not overflow the backlog of a neighbour that reads."""
        is_valid = bool(message.flags & messages.VALID)
        waiting = self.pending.validated(message.id, link, is_valid)
        if waiting is not None:
            self._validated_at[waiting.message.data_type] = self._module.now()
        if waiting is not None and is_valid and waiting.message.ttl >= 0:
            others = [other for other in self._module.view.links() if other not in waiting.senders]
            self._outbox.add(others, waiting.message.pack())
        if self._outbox.size > FLUSH:
            self._wait_for(self._module.view.links(), self._module.settings.origin_wait)

    def _wait_for(self, links, seconds: float = math.inf) -> None:
        """Send the outbox, then await, out of turn, links with long backlogs."""
        self._outbox.send()
        module = self._module
        with module.turn.left():
            module.flusher.wait_until(lambda: not any(
                [link.pauses_origin(module.now()) for link in links]), seconds)

    # What neighbours say.

    def on_peer_notification(self, link: PeerLink, message: PeerNotification) -> None:
        """Tell the subscribers. Without any, keep the news for a moment."""
        if told := self.subscribers(message.data_type):
            self._wait_for_modules(link, told, len(message.data))
            self._take(link, message)
        elif self.pending.add_unwanted(message, link, self._module.now()):
            self.duty.hurry()  # because it slept without a deadline

    def _wait_for_modules(self, link: PeerLink, told, size: int) -> None:
        """Pause a neighbour for modules that read slowly. After each wait a piece may pass."""
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
            link.heard = self._module.now()  # because it is not silent, but not read
            if self._pieces.spend(link.heard):
                link.free = PIECE - size
                return

    def _take(self, link: PeerLink, message: PeerNotification) -> None:
        """Tell modules of a neighbour's message, unless it is a duplicate."""
        ttl = message.ttl - (message.ttl != UNLIMITED)  # -1 if it goes no further
        item = Item(message.id, message.data_type, hashlib.sha256(message.data).digest())
        if self.pending.copy(item, link, ttl) or not self.memory.add(item, self._module.now()):
            self._module.counters.add("messages that were old")
            return
        self._outbox.events.append(f"received:{link.peer}:{item}")
        self._notify(message._replace(ttl=ttl), item, link, self.subscribers(message.data_type))

    def _notify(self, news: PeerNotification, item: Item, sender, told) -> None:
        """Tell modules, and await their validation. TTL -1 means not to forward it."""
        number, alone = self.pending.add(news, item, (sender,), told, self._module.now())
        self._tell(told, number, news)
        if alone:  # the duty "validations" slept without a deadline
            self.duty.hurry()

    def _tell(self, links, number: int, news: PeerNotification) -> None:
        self._outbox.add(links, messages.Notification(number, news.data_type, news.data).pack())

    # What the module asks for.

    def status(self) -> dict[str, int]:
        return {"subscriptions": sum(map(len, self._types.values())),
                "messages that wait for validation": self.pending.count(),
                "messages forgotten too early": self.memory.dropped, **self.pending.dropped}

    def on_end(self, link: PeerLink) -> None:
        if link.role in (MODULE, NEIGHBOUR):
            self._types.pop(link, None)
            self.pending.on_end(link)
