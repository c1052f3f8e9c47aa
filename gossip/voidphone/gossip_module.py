"""The gossip module, a node that serves the programs of its host.

It has two listeners, the API for modules and the peer-to-peer port for peers. This file joins the
handshake and the relay, and answers messages that name other peers.
"""

import collections
import errno
import random

from gossip.addresses import Address
from gossip.node.link import OVERFLOW
from gossip.node.node import Node
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from gossip.tools import Backoff
from gossip.voidphone import messages
from gossip.voidphone.ini import Config
from gossip.voidphone.neighbours import (
    ANSWERED, DIALLED, MODULE, NEIGHBOUR, REST, STRANGER, Handshake, PeerLink, View)
from gossip.voidphone.relay import Outbox, Relay
from gossip.wire import WireError

RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between two dials without a neighbour
AGAIN_LAST = 3_600.0  # seconds between two dials of the bootstrapper beside neighbours
ASK_AGAIN = 1.0  # seconds between two requests for addresses while neighbours are few
SILENT_ROUNDS = 3  # liveness intervals without a message after which a neighbour is gone
SHOWN = ("degree", "min_degree", "max_connections", "cache_size", "pow_bits", "p2p_ttl",
         "liveness_interval", "file_limit")  # in the output file


class GossipModule(Node):
    """A gossip module, known by its peer-to-peer address."""

    kind = "module"
    link_class = PeerLink
    ANSWERS = {ANSWERED: {"peer_response"}, NEIGHBOUR: {"peer_request", "peer_response", "push"}}

    def __init__(self, config: Config, settings: Settings, output: OutputFile,
                 world, patience: float = 5.0, memory: float = 60.0):
        """Wait `patience` seconds for a validation, remember news `memory` seconds."""
        super().__init__(config.p2p_address, settings, output, world)
        self.config = config
        self.rng = random.Random()
        self.outbox = Outbox(output)
        self.view = View(config, self.rng, output.write, self.flusher.take_over)
        self._retry = Backoff(RETRY_FIRST, RETRY_LAST)  # of dials for a first neighbour
        # dials of the bootstrapper beside neighbours, ever rarer, because it may have no place
        self._again = Backoff(settings.liveness_interval, AGAIN_LAST)
        self._candidates = collections.deque()  # addresses to dial in turn
        self.handshake = Handshake(self)
        self.relay = Relay(self, patience, memory)
        self.made_of(self.handshake, self.relay)

    def settings_shown(self) -> str:
        values = self.settings._asdict() | self.config._asdict()
        return ":".join(f"{name.replace('_', '-')}={values[name]}" for name in SHOWN)

    def listen(self) -> None:
        """Open both listeners, the API at its first possible address. OSError if that fails. The
        API comes last, so that a program that gets a connection finds a whole module."""
        super().listen()
        for address in self.config.api_address:
            try:
                self.world.listen(address, accept=self.accept_module, name="API listener")
                break
            except OSError as error:
                if error.errno == errno.EADDRINUSE or address == self.config.api_address[-1]:
                    raise

    def start_threads(self) -> None:
        self.world.begin()  # both listeners and the link flusher
        self.relay.duty = self.keep("validations", self.relay.pending.expire)
        self.keep("liveness", self.check_liveness, after=self.settings.liveness_interval)
        self.membership = self.keep("membership", self.look_for_neighbours)
        self.handshake.duty = self.keep("work", self.handshake.work)

    def check_liveness(self, now: float) -> float:
        """Drop silent neighbours, PING the others, and return the next time."""
        interval = self.settings.liveness_interval
        for link in self.view.links():
            is_silent = now - link.heard > SILENT_ROUNDS * interval
            if is_silent and not self.is_late():
                link.close("silent")
            else:
                self.withhold(int(is_silent))
                link.send(messages.Ping().pack(), urgent=True)
        return now + interval

    def look_for_neighbours(self, now: float) -> float | None:
        """Dial and ask for addresses if neighbours are few. Return the next time."""
        links = self.view.links()
        if links:
            self._retry.reset()
        if not self.view.lacks_neighbours():
            if self.config.bootstrapper in (None, *self.view.addresses()):
                self._again.reset()
                return None
            if len(links) >= self.config.degree:
                return None
            if self.handshake.is_left_alone(self.config.bootstrapper):
                return now + REST
            if now >= self._again.due:  # it may have started again, and knows nobody
                self._dial(self.config.bootstrapper)
                self._again.failed(now, self.rng.uniform(0.5, 1.0))
            return self._again.due
        if not self._candidates:  # the bootstrapper, again before each known address
            for known in self.view.known() or [None]:
                self._candidates.extend(filter(None, [self.config.bootstrapper, known]))
        if self._candidates:
            self._dial(self._candidates.popleft(), needed=not links)
        if not links:
            self._retry.failed(now, self.rng.uniform(0.5, 1.0))
            return self._retry.due
        if not_asked := [link for link in links if not link.asked]:  # the others owe an answer
            link = self.rng.choice(not_asked)
            link.asked = True
            link.send(messages.PeerRequest().pack())
        return now + ASK_AGAIN * self.rng.uniform(0.5, 1.0)

    def lines(self, link: PeerLink, frames: list[bytes]) -> None:
        """Handle messages that arrived together, and send their effects together."""
        link.announced.clear()
        link.free = 0
        try:
            super().lines(link, frames)
        finally:
            self.outbox.send()

    def on_line(self, link: PeerLink, frame: bytes) -> None:
        message = messages.parse(frame)
        kind = message.kind
        if part := self._answers.get((link.role, kind)):
            getattr(part, "on_" + kind)(link, message)
        elif kind != "ping" or link.role == MODULE:  # `link.heard` tells when a PING came
            raise WireError(f"{kind.replace('_', ' ')} is not expected from {link.role}")

    def on_peer_request(self, link: PeerLink, message: messages.PeerRequest) -> None:
        if not link.requests.spend(self.now()):
            return  # a neighbour asks once, and again when it has an answer
        others = tuple(self.view.addresses(but=link.peer))
        self.outbox.add([link], messages.PeerResponse(others).pack())

    def on_push(self, link: PeerLink, message: messages.Push) -> None:
        """Dial a new peer if possible, and forward its address, once."""
        ttl, now = min(message.ttl, self.config.p2p_ttl) - 1, self.now()
        if link.pushes.spend(now) and self.view.pushed(message.address, now, link.peer):
            self._dial(message.address, up=1)
            if ttl > 0:
                self.tell_others(link, messages.Push(ttl, message.address))

    def tell_others(self, link: PeerLink, message) -> None:
        """Send a message to all neighbours except over this link."""
        self.outbox.add([other for other in self.view.links() if other is not link], message.pack())

    def on_peer_response(self, link: PeerLink, message: messages.PeerResponse) -> None:
        """End the handshake, or take an answer. Dial some of the addresses."""
        if link.role != NEIGHBOUR:
            if not self.handshake.welcome(link, link.peer, dialled=True):
                return
        elif not link.asked:
            raise WireError("peer response without a request")
        link.asked = False
        for address in self.view.heard_of(message.addresses, link.peer):
            self._dial(address, teller=link.peer)

    def accept_module(self, connection, remote: tuple[str, int]) -> PeerLink:
        """Accept a program of this host at the API."""
        link = self.new_link(MODULE, connection=connection)
        link.connected(*remote)
        link.trust()
        return link

    def accept(self, connection, remote: tuple[str, int]) -> PeerLink:
        """Accept a stranger, which must say HELLO in time."""
        link = self.new_link(STRANGER, connection=connection)
        link.connected(*remote)
        link.await_reply()
        with self.turn:
            if oldest := self.waiting_room.enter(link):
                self.disconnect(oldest, "gave way: too many are not verified")
        return link

    def _dial(self, peer: Address, **place) -> None:
        """Dial a peer if it may have a place (`begin_dial` has the arguments)."""
        if not self.handshake.is_left_alone(peer) and self.view.begin_dial(peer, **place):
            link = self.new_link(DIALLED, peer)
            link.await_reply()
            self.dial(link)

    def fault(self, link: PeerLink, error: Exception) -> None:
        """Forget an unreachable peer until a message names it again."""
        if isinstance(error, OSError) and not self.world.lacks(error):
            self.view.forget(link.peer)
        super().fault(link, error)

    def on_end(self, link: PeerLink) -> None:
        if link.role == MODULE and link.reason == OVERFLOW:
            self.write_refusal(link.remote, OVERFLOW)
        if link.role == NEIGHBOUR and self.view.remove(link.peer, link, link.reason):
            if link.dialled:
                self.handshake.leave_alone(link.peer)
            self.membership.hurry()
        if link.cut_short:
            self.write_refusal(link.peer or link.remote, "the stream ended inside a message")

    def stop(self, reason: str = "interrupted") -> None:
        """End the module. Its counts come before the last event."""
        with self.turn:
            self.output.write("counts:" + ":".join(
                f"{name.replace(':', '')}={value}" for name, value in self.status().items()
                if value and name != "address"))
            super().stop(reason)

    def status(self) -> dict[str, object]:
        with self.turn:
            return {"address": self.address, "neighbours": len(self.view.addresses()),
                    "known addresses": len(self.view.known()), **self.relay.status(),
                    **self.counters, **self.output.dropped()}
