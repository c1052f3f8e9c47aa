"""The gossip module: a node that modules of this host talk to, and peers of other hosts.

Two listeners: the API, where a connection is a module, and the peer-to-peer port, where whoever
dials says HELLO, does the work that it is given, and becomes a neighbour. Read top to bottom:
roles, threads, what modules say, what peers say, the handshake, how links begin and end.
"""

import collections
import errno
import hashlib
import hmac
import os
import queue
import random
import threading
import time

from gossip.addresses import Address
from gossip.net.link import OVERFLOW
from gossip.net.listener import Listener
from gossip.node.node import Node
from gossip.node.output_file import OutputFile, escape
from gossip.settings import Settings
from gossip.voidphone import messages
from gossip.voidphone.doorway import (
    ANSWERED, CHALLENGED, DIALLED, MODULE, NEIGHBOUR, OUTSIDE_VIEW, STRANGER, WORKED_FOR, Doorway,
    PeerLink)
from gossip.voidphone.ini import Config
from gossip.voidphone.messages import PeerNotification
from gossip.voidphone.news import Item, Memory, Pending, Subscriptions, Waiting, first_ttl, next_ttl
from gossip.voidphone.outbox import Outbox
from gossip.voidphone.view import View
from gossip.voidphone.work import Search, is_work
from gossip.wire import WireError

HELLO_LIMIT = 10.0  # seconds for a stranger's HELLO, and for the answer to ours
WORK_LIMIT = 300.0  # seconds for the work, from HELLO on
SLOT, SLOTS = 60.0, 6  # seconds for which a nonce is given out, and slots for which it is good
DRAWS = 100  # of an id; when all are old, nearly all 65,536 of that message are in use
RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between two tries for a first neighbour
LOOK_EVERY = 64  # announces of a type between two looks whether there is room for more
STILL_VALIDATING = 1.0  # seconds since the last validation after which announcers do not wait
FLUSH = 256 << 10  # bytes that validations cause, sent before more are looked at
ASK_AGAIN = 1.0  # seconds between two questions for addresses while there are few neighbours
SILENT_ROUNDS = 3  # liveness intervals without a word after which a neighbour is gone


class GossipModule(Node):
    """One module, known by the address where other peers find it."""

    kind = "module"
    link_class = PeerLink
    ALLOWED = {
        MODULE: {"announce", "notify", "validation"},
        STRANGER: {"hello", "ping"},
        CHALLENGED: {"hello", "ping", "verification_response"},
        DIALLED: {"ping", "verification_request"},
        WORKED_FOR: {"ping"},
        ANSWERED: {"ping", "peer_response"},
        NEIGHBOUR: {"ping", "peer_request", "peer_response", "push", "peer_notification"},
    }

    def __init__(self, config: Config, settings: Settings, output: OutputFile,
                 patience: float = 5.0, memory: float = 60.0, rng: random.Random | None = None):
        super().__init__(config.p2p_address, settings, output)
        self.config = config
        self.rng = rng or random.Random()
        self.subscriptions = Subscriptions()
        self.memory = Memory(memory, config.cache_size)
        self.pending = Pending(self.rng, patience)
        self.view = View(config.p2p_address, config.degree, config.min_degree,
                         config.max_connections, config.cache_size, self.rng)
        self.doorway = Doorway(OUTSIDE_VIEW)
        self.api_listener: Listener | None = None
        self._secret = os.urandom(16)  # nonces are made of it
        self._searches: queue.SimpleQueue[PeerLink | None] = queue.SimpleQueue()
        self._search_lock = threading.Lock()  # guards the next two
        self._search: Search | None = None
        self._searched_for: PeerLink | None = None
        self._arriving = threading.Lock()  # a copy finds what is remembered waiting, too
        self._validations = threading.Condition()  # notified when modules have validated
        self._validated_at = 0.0  # when one did last
        self._waits = threading.Event()  # something waits for validation, or is to end
        self._view_changed = threading.Event()

    def settings_shown(self) -> str:
        config = self.config
        return (f"degree={config.degree}:min-degree={config.min_degree}:"
                f"max-connections={config.max_connections}:cache-size={config.cache_size}:"
                f"pow-bits={config.pow_bits}:p2p-ttl={config.p2p_ttl}:"
                f"liveness-interval={self.settings.liveness_interval}")

    def listen(self) -> Listener:
        """Both listeners; OSError when one address is not to be had."""
        *others, last = self.config.api_address
        for address in others:
            try:
                self.api_listener = Listener(address, self.stopping)
                break
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise
        if self.api_listener is None:
            self.api_listener = Listener(last, self.stopping)
        return super().listen()

    def start_threads(self) -> None:
        self.start_thread("listener", self.listener.run, self.accept, self.make_room)
        self.start_thread("API listener", self.api_listener.run, self.accept_module,
                          self.make_room)
        self.start_thread("link flusher", self.flusher.run)
        self.start_thread("validations", self._keep_validations)
        self.start_thread("liveness", self._keep_liveness)
        self.start_thread("membership", self._keep_membership)
        self.start_thread("work", self._keep_working)

    def wake(self) -> None:
        if self.api_listener is not None:
            self.api_listener.close()
        self._waits.set()
        with self._validations:
            self._validations.notify_all()
        self._view_changed.set()
        self._searches.put(None)
        with self._search_lock:
            if self._search is not None:
                self._search.cancel()

    # Threads.

    def _keep_validations(self) -> None:
        """Drop messages that nobody has validated in time."""
        while not self.stopping.is_set():
            due = self.pending.expire(time.monotonic())
            self._waits.wait(None if due is None else max(0.0, due - time.monotonic()))
            self._waits.clear()

    def _keep_liveness(self) -> None:
        """Every interval: PING to each neighbour; those that were silent for long leave."""
        interval = self.settings.liveness_interval
        while not self.stopping.wait(interval):
            now = time.monotonic()
            for peer in self.view.addresses():
                link = self.view.link(peer)
                if link is None:
                    continue
                if now - link.heard > SILENT_ROUNDS * interval:
                    self._part(peer, link, "silent")
                else:
                    link.send(messages.Ping().pack(), urgent=True)

    def _keep_membership(self) -> None:
        """Find a first neighbour; ask for more while there are few."""
        wait, candidates = RETRY_FIRST, collections.deque()
        while not self.stopping.is_set():
            self._view_changed.clear()
            links = self.view.links()
            if not links:
                self._dial_next(candidates, needed=True)
                pause, wait = wait * self.rng.uniform(0.5, 1.0), min(2 * wait, RETRY_LAST)
            elif self.view.lacks_neighbours():
                self._ask(links)
                self._dial_next(candidates, needed=False)
                pause, wait = ASK_AGAIN * self.rng.uniform(0.5, 1.0), RETRY_FIRST
            else:
                pause, wait = None, RETRY_FIRST
            self._view_changed.wait(pause)

    def _ask(self, links: list[PeerLink]) -> None:
        """Ask a neighbour whom it knows, one that does not owe us an answer already."""
        links = [link for link in links if not link.asked]
        if links:
            link = self.rng.choice(links)
            link.asked = True
            link.send(messages.PeerRequest().pack())

    def _dial_next(self, candidates: collections.deque, needed: bool) -> None:
        """Try the bootstrapper and the known addresses in turn."""
        if not candidates:
            if self.config.bootstrapper is not None:
                candidates.append(self.config.bootstrapper)
            candidates.extend(self.view.known())
        if candidates:
            self._dial(candidates.popleft(), needed)

    def _keep_working(self) -> None:
        """Do the work that peers give us, one after the other."""
        while (link := self._searches.get()) is not None:
            if link.ended:
                continue
            with self._search_lock:
                self._search = Search(link.nonce, self.config.pow_bits)
                self._searched_for = link
                search = self._search
            if self.stopping.is_set() or link.ended:
                search.cancel()
            try:
                challenge = search.run()
            except OSError as error:
                self.disconnect(link, f"no worker could be started: {error.strerror}")
                continue
            finally:
                with self._search_lock:
                    self._search = self._searched_for = None
            if challenge is None:
                if not link.ended:  # not by us: somebody has ended the workers
                    self.disconnect(link, "the search for its work ended without a result")
                continue
            link.role = ANSWERED
            link.await_line(time.monotonic() + HELLO_LIMIT)
            link.send(messages.VerificationResponse(link.nonce, challenge, self.address).pack())

    # What modules say.

    def accept_module(self, sock, remote: tuple[str, int]) -> None:
        """Called by the API's listener."""
        link = self.new_link(MODULE, sock=sock)
        link.trust()
        if not self.start_thread("link reader", self._serve_accepted, link, remote):
            self._release(link)

    def on_lines(self, link: PeerLink, frames: list[bytes]) -> None:
        """Handle the messages that arrived together; what they cause is sent together."""
        outbox = Outbox(self.output)
        try:
            for frame in frames:
                message = messages.parse(frame)
                if message.kind not in self.ALLOWED[link.role]:
                    raise WireError(f"{message.kind.replace('_', ' ')} is not expected from "
                                    f"{link.role}")
                getattr(self, "on_" + message.kind)(link, message, outbox)
                if link.ended:
                    return
        finally:
            outbox.send()
            if outbox.validated:
                with self._validations:
                    self._validations.notify_all()

    def on_notify(self, link: PeerLink, message: messages.Notify, outbox) -> None:
        self.subscriptions.add(link, message.data_type)

    def on_announce(self, link: PeerLink, message: messages.Announce, outbox) -> None:
        """Tell local modules; spread it, at once or when one of them has validated it."""
        self._hold_back(link, message.data_type, outbox)
        told = self.subscriptions.of(message.data_type, link)
        fits = len(message.data) <= messages.SPREADABLE
        if not fits:
            outbox.events.append(f"too long:{len(message.data)} bytes of type "
                                 f"{message.data_type}, which peers cannot be sent")
        news = PeerNotification(first_ttl(message.ttl), self.rng.getrandbits(16),
                                message.data_type, message.data)
        item = _item(news)
        for _ in range(DRAWS):
            if self.memory.add(item, time.monotonic()):
                break
            item = item._replace(id=self.rng.getrandbits(16))  # the same data, said again
        else:
            self.counters.add("messages said so often that peers take them for old")
        news = news._replace(id=item.id)
        outbox.events.append(f"generated:{_shown(item)}")
        if told:
            self._notify(news if fits else news._replace(ttl=-1), item, (), told, outbox)
        elif fits:
            outbox.add(self.view.links(), news.pack())

    def _hold_back(self, announcer: PeerLink, data_type: int, outbox) -> None:
        """Wait in the announcer's own thread, so that it is slowed down and nobody is dropped,
        while one who is to be told has much waiting and still moves, or modules validate and
        are far behind. Looks at some of those of a type that arrived together."""
        outbox.announced[data_type] += 1
        if outbox.announced[data_type] % LOOK_EVERY != 1:
            return
        outbox.send()  # what came before does not wait
        told = self.subscriptions.of(data_type, announcer)
        self.flusher.wait_for_room([*told, *self.view.links()])
        while told and not self.stopping.is_set():
            now = time.monotonic()
            lag = self.pending.lag(now)
            if lag is None or min(lag, now - self._validated_at) > STILL_VALIDATING:
                return  # nobody is far behind, or they have had their time and say nothing
            with self._validations:
                self._validations.wait(STILL_VALIDATING / 4)  # they may cease without a notice

    def on_validation(self, link: PeerLink, message: messages.Validation, outbox) -> None:
        """Spread what is valid. Much that was validated at once leaves bit by bit, lest it fill
        the backlog of a neighbour that reads."""
        waiting = self.pending.validated(message.id, link)
        if waiting is not None and message.valid:
            self._spread(waiting, outbox)
        if outbox.size > FLUSH:
            outbox.send()
            self.flusher.wait_for_room(self.view.links())
        self._validated_at = time.monotonic()
        outbox.validated = True

    def _notify(self, news: PeerNotification, item: Item, senders, told, outbox) -> None:
        """Tell modules, and wait for the first word of one. (A TTL of -1 spreads no further.)"""
        number, alone = self.pending.add(news, item, senders, told, time.monotonic())
        outbox.add(told, messages.Notification(number, news.data_type, news.data).pack())
        if alone:  # the thread that drops what waits too long had nothing to wait for
            self._waits.set()

    def _spread(self, waiting: Waiting, outbox) -> None:
        """Send on what was validated, to all that have not sent it."""
        if waiting.message.ttl >= 0:
            outbox.add([link for link in self.view.links() if link not in waiting.senders],
                       waiting.message.pack())

    # What neighbours say.

    def on_peer_notification(self, link: PeerLink, message: PeerNotification, outbox) -> None:
        """News: told to the modules that want it; without one it goes no further."""
        told = self.subscriptions.of(message.data_type)
        if not told:
            self.counters.add("messages of a type that no module wants")
            return
        ttl = next_ttl(message.ttl)
        ttl = -1 if ttl is None else ttl
        item = _item(message)
        with self._arriving:
            if self.pending.copy(item, link, ttl) or not self.memory.add(item, time.monotonic()):
                self.counters.add("messages that were old")
            else:
                outbox.events.append(f"received:{link.peer}:{_shown(item)}")
                self._notify(message._replace(ttl=ttl), item, (link,), told, outbox)

    def on_ping(self, link: PeerLink, message, outbox) -> None:
        """It lives: `link.heard` says so."""

    def on_peer_request(self, link: PeerLink, message, outbox) -> None:
        others = [address for address in self.view.addresses() if address != link.peer]
        outbox.add([link], messages.PeerResponse(tuple(others)).pack())

    def on_push(self, link: PeerLink, message: messages.Push, outbox) -> None:
        """Somebody is new: dial if a place is free, and pass it on."""
        address = message.address
        ttl = min(message.ttl, self.config.p2p_ttl) - 1
        first = self.view.pushed(address, time.monotonic())
        self._dial(address)
        if first and ttl > 0:
            outbox.add([other for other in self.view.links() if other is not link],
                       messages.Push(ttl, address).pack())

    def on_peer_response(self, link: PeerLink, message: messages.PeerResponse, outbox) -> None:
        """The first one on a link that we dialled makes a neighbour; later ones were asked for."""
        if link.role != NEIGHBOUR:
            if not self._welcome(link, link.peer, dialled=True):
                return
        elif link.asked:
            link.asked = False
        else:
            raise WireError("peer response without a request")
        for address in self.view.heard_of(message.addresses):
            self._dial(address)

    # The handshake.

    def accept(self, sock, remote: tuple[str, int]) -> None:
        """Called by the listener: a stranger."""
        link = self.new_link(STRANGER, sock=sock)
        link.await_line(time.monotonic() + HELLO_LIMIT)
        oldest = self.doorway.enter(link, remote[0])
        if oldest is not None:
            self.disconnect(oldest, "gave way: too many are not verified")
        if not self.start_thread("link reader", self._serve_accepted, link, remote):
            self._release(link)

    def make_room(self, reason: str) -> None:
        """Called by the listeners when descriptors are short."""
        self.counters.add("times that descriptors were short")
        oldest = self.doorway.give_way()
        if oldest is not None:
            self.disconnect(oldest, f"gave way: {reason}")

    def _release(self, link: PeerLink) -> None:
        super()._release(link)
        self.doorway.leave(link)

    def on_hello(self, link: PeerLink, message: messages.Hello, outbox) -> None:
        """A stranger says where it listens: give it work."""
        address = message.address
        if address.ip != link.remote_ip:
            raise WireError(f"HELLO from {link.remote_ip} for {address}")
        if address == self.address:
            raise WireError("HELLO with our own address")
        if link.hello not in (None, address):
            raise WireError(f"HELLO with another address, {address}")
        slot = present_slot()
        if link.slot == slot:
            self.counters.add("HELLOs said again")
            return
        if link.hello is None:
            link.await_line(time.monotonic() + WORK_LIMIT)
        link.hello, link.slot = address, slot
        link.role = CHALLENGED
        link.send(messages.VerificationRequest(self._nonce(link, slot)).pack())

    def _nonce(self, link: PeerLink, slot: int) -> int:
        """Derived, not kept: of the secret, the connection, and the time."""
        text = f"{link.serial}:{slot}".encode()
        return int.from_bytes(hmac.digest(self._secret, text, "sha256")[:8], "big")

    def on_verification_response(self, link: PeerLink, message, outbox) -> None:
        """The work is done, or not."""
        slot = present_slot()
        if message.address != link.hello:
            raise WireError(f"work for {message.address}, not for {link.hello}")
        if message.nonce not in (self._nonce(link, slot - age) for age in range(SLOTS)):
            raise WireError("work for a nonce that is not this connection's, or too old")
        if not is_work(message.nonce, message.challenge, self.config.pow_bits):
            raise WireError("the work is not done")
        view = [peer for peer in self.view.addresses() if peer != message.address]
        others = self.view.links()
        link.hold()  # news flow once it is in the view, but the answer comes first
        if self._welcome(link, message.address, dialled=False):
            link.release(messages.PeerResponse(tuple(view)).pack())
            self.view.pushed(message.address, time.monotonic())  # it may come back: no news then
            outbox.add([other for other in others if other is not link],
                       messages.Push(self.config.p2p_ttl, message.address).pack())

    def on_verification_request(self, link: PeerLink, message, outbox) -> None:
        """Whom we dialled gives us work: once per HELLO."""
        link.role = WORKED_FOR
        link.nonce = message.nonce
        link.await_line(float("inf"))
        self._searches.put(link)

    # How links begin and end.

    def _dial(self, peer: Address, needed: bool = False) -> None:
        """Begin a handshake with somebody, if a place is free."""
        if not self.view.begin_dial(peer, needed):
            return
        link = self.new_link(DIALLED, peer)
        if not self.start_thread("link reader", self._dial_peer, link):
            self._release(link)
            self.view.end_dial(peer)

    def _dial_peer(self, link: PeerLink) -> None:
        """The thread that connects to a peer, says HELLO, and reads the link."""
        link.await_line(time.monotonic() + HELLO_LIMIT)
        try:
            link.connect(self.address, link.peer, self.settings.probe_limit)
        except OSError as error:
            self.view.forget(link.peer)
            link.close(error.strerror or str(error))
            self._release(link)
            self.on_end(link)
            return
        link.send(messages.Hello(self.address).pack())
        self.serve(link)

    def _welcome(self, link: PeerLink, peer: Address, dialled: bool) -> bool:
        """A verified peer becomes a neighbour, unless a better link leads there."""
        link.trust()  # before others send to it: their news may be more than a stranger may have
        admitted = self.view.admit(peer, link, dialled)
        self.doorway.leave(link)
        if not admitted.accepted:
            self.disconnect(link, "duplicate", peer)
            return False
        link.role, link.peer = NEIGHBOUR, peer
        self.output.drain(self.view.changes)
        for _, old, reason in admitted.parted:
            old.close(reason)
        self._view_changed.set()
        return True

    def _part(self, peer: Address, link: PeerLink, reason: str) -> None:
        """A neighbour leaves the view."""
        if self.view.remove(peer, link, escape(reason)):
            self.output.drain(self.view.changes)
            self._view_changed.set()
        link.close(reason)

    def on_end(self, link: PeerLink) -> None:
        """The reader of a link is about to end."""
        with self._search_lock:
            if self._searched_for is link and self._search is not None:
                self._search.cancel()
        if link.role == MODULE:
            self.subscriptions.forget(link)
            if link.reason == OVERFLOW:
                self.write_refusal(link.remote, OVERFLOW)
        if link.role in (MODULE, NEIGHBOUR):
            self.pending.forget(link)
        if link.role == NEIGHBOUR:
            self._part(link.peer, link, link.reason)
        elif link.role in (DIALLED, WORKED_FOR, ANSWERED):
            if link.role == ANSWERED and not self.stopping.is_set():
                self.write_refusal(link.peer, "it did not take our work: has it more pow_bits?")
            self.view.end_dial(link.peer)
        if link.cut_short:
            self.write_refusal(link.peer or link.remote, "the stream ended inside a message")

    def stop(self, reason: str = "interrupted") -> None:
        """End; what was dropped is written down before the last word."""
        self.output.write("counts:" + ":".join(
            f"{name.replace(':', '')}={value}" for name, value in self.status().items()
            if value and name != "address"))
        super().stop(reason)

    def status(self) -> dict[str, object]:
        """Counts of what there is and of everything that was dropped."""
        return {"address": self.address, "neighbours": len(self.view.addresses()),
                "known addresses": len(self.view.known()),
                "subscriptions": self.subscriptions.count(),
                "messages that wait for validation": self.pending.count(),
                "messages forgotten too early": self.memory.dropped(),
                **self.pending.dropped(), **self.counters.all()}


def present_slot() -> int:
    """The number of the time slot for which nonces are given out now."""
    return int(time.monotonic() // SLOT)


def _item(message: PeerNotification) -> Item:
    return Item(message.id, message.data_type, hashlib.sha256(message.data).digest())


def _shown(item: Item) -> str:
    return f"message:{item.id}:{item.data_type}:{item.digest.hex()[:16]}"
