"""The gossip module: a node with two doors, one for other modules, one for clients of its host.

ANSWERS is the whole protocol. Here are links, liveness, the search for neighbours, and what these
say about addresses; handshake.py has how they become neighbours, relay.py what is done with news.
"""

import collections
import math

from grapevine.addresses import Address
from grapevine.events import BROKEN, HERE
from grapevine.link import Link
from grapevine.node import END, UNIDENTIFIED, UP
from grapevine.settings import Settings
from grapevine.tools import Backoff, Budget, ProtocolError
from grapevine.voidphone import messages
from grapevine.voidphone.handshake import (
    ANSWERED, CHALLENGED, DIALLED, DIALLED_BACK, HELLO_LIMIT, NEIGHBOUR, OVERLAP, STRANGER,
    WORKED_FOR, Handshaker)
from grapevine.voidphone.ini import Config
from grapevine.voidphone.messages import PeerRequest, PeerResponse, Ping, Push
from grapevine.voidphone.relay import ALONE

CLIENT = "CLIENT"  # the role of a client of this host
PEERS, API = 0, 1  # the doors
MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between two dials without a neighbour
AGAIN_LAST = 3_600.0  # seconds between two dials of the bootstrapper beside neighbours
ASK_AGAIN = 1.0  # seconds between two requests for addresses while neighbours are few
READ_A_SECOND = 50  # PUSHes, and requests for addresses, that are read of one link
SILENT_ROUNDS = 3  # liveness intervals without a message after which a neighbour is gone
SHOWN = ("degree", "min_degree", "max_connections", "cache_size", "pow_bits", "p2p_ttl",
         "liveness_interval")  # in the output file
PING = {"ping": "on_ping"}


class ModuleLink(Link):
    def __init__(self, role: str, peer: Address | None, remote: Address | None, connection=None):
        super().__init__(role, peer, remote, connection)
        self.alone = Budget(ALONE, ALONE)  # see Relay
        self.free = 0
        self.hello: Address | None = None  # see Handshaker
        self.nonce = 0
        self.is_asked = False  # for addresses, and has not answered
        self.pushes = Budget(READ_A_SECOND, READ_A_SECOND)
        self.requests = Budget(READ_A_SECOND, READ_A_SECOND)


class GossipModule(Handshaker):
    """A gossip module, known by its peer-to-peer address."""

    LINK = ModuleLink
    CROWD = {UNIDENTIFIED, STRANGER, CHALLENGED}
    ANSWERS = {
        CLIENT: {"announce": "on_announce", "notify": "on_notify", "validation": "on_validation",
                 END: "client_ended"},
        STRANGER: PING | {"hello": "on_hello"},
        CHALLENGED: PING | {"hello": "on_hello", "verification_response": "on_work"},
        DIALLED: PING | {UP: "say_hello", "verification_request": "on_challenge",
                         END: "dial_ended"},
        WORKED_FOR: PING | {END: "work_ended"},
        ANSWERED: PING | {"peer_response": "on_welcome", END: "work_ended"},
        NEIGHBOUR: PING | {"peer_request": "on_peer_request", "peer_response": "on_peer_response",
                           "push": "on_push", "peer_notification": "on_peer_notification",
                           END: "neighbour_ended"},
        DIALLED_BACK: PING | {UP: "say_hello", "verification_request": "on_proof"},
    }
    parse = staticmethod(messages.parse)

    def __init__(self, config: Config, settings: Settings, output, world, *seconds: float):
        """`seconds` to wait for a validation, and to remember news, as of `Relay`."""
        super().__init__(config, settings, output, world, *seconds)
        self._retry = Backoff(RETRY_FIRST, RETRY_LAST)  # of dials for a first neighbour
        # dials of the bootstrapper beside neighbours, ever rarer, because it may have no place
        self._again = Backoff(settings.liveness_interval, AGAIN_LAST)
        self._candidates: collections.deque[Address] = collections.deque()  # to dial in turn
        values = settings._asdict() | config._asdict()
        shown = [f"{name.replace('_', '-')}={values[name]}" for name in SHOWN]
        output.write(f"started:module:{self.address}", f"settings:{':'.join(shown)}", "late:0.000")

    def start(self) -> None:
        """Listen, and begin all duties. The API comes last, so that it finds a whole module."""
        super().start()
        self.schedule("liveness", self.check_liveness, self.settings.liveness_interval)
        self.membership = self.schedule("membership", self.look_for_neighbours)
        self.world.listen(self.accepted, PEERS)
        self.world.listen(self.accept_client, API)

    # Links and messages.

    def accepted(self, connection, remote: Address) -> Link:
        """Take a stranger, which has to say HELLO in time."""
        link = super().accepted(connection, remote)
        link.role = STRANGER
        self.expect(link, HELLO_LIMIT)
        return link

    def accept_client(self, connection, remote: Address) -> Link:
        link = super().accepted(connection, remote)
        self.trust(link, CLIENT, None)
        return link

    def cut(self, link: Link, data: bytes) -> list[bytes]:
        found, link.rest = messages.cut(link.rest + data)
        if link.role in (CLIENT, NEIGHBOUR):  # they may be silent, but not within a message
            if found or not link.rest:
                link.deadline = None
            if link.rest and link.deadline is None:
                self.expect(link, MESSAGE_LIMIT)
        return found

    def overdue(self, link: Link) -> None:
        is_within = link.role in (CLIENT, NEIGHBOUR)
        self.refuse(link, "a message was not finished in time" if is_within
                    else "nothing valid came in time")

    def on_ping(self, link: Link) -> None:
        """It lives, as `link.heard_at` tells."""

    def check_liveness(self, now: float) -> float:
        """Drop silent neighbours, PING the others; return the next time."""
        for link in self.neighbours():
            if link.is_held:
                link.heard_at = now  # it is not silent, but not read
            silence = now - link.heard_at
            if silence > SILENT_ROUNDS * self.settings.liveness_interval and not self.is_late():
                link.close("silent")
            else:
                link.send(Ping().pack())
        return now + self.settings.liveness_interval

    def ended(self, link: Link, reason: str, error: OSError | None = None) -> None:
        is_cut_short = link.rest and link.closed is None
        super().ended(link, reason, error)
        if is_cut_short:
            self.write_refusal(link.peer or link.remote, "the stream ended inside a message")

    # Whom to dial.

    def look_for_neighbours(self, now: float) -> float:
        """Dial and ask for addresses if neighbours are few; return the next time."""
        links = self.neighbours()
        if links:
            self._retry.reset()
        if not self.view.lacks_neighbours():
            return self._look_after_bootstrapper(now)
        if not self._candidates:  # the bootstrapper, again before each known address
            for known in self.view.known() or [None]:
                self._candidates.extend(filter(None, [self.config.bootstrapper, known]))
        if self._candidates:
            self.dial_peer(self._candidates.popleft(), is_needed=not links)
        if not links:
            return self._put_off(self._retry, now)
        if not_asked := [link for link in links if not link.is_asked]:  # the others owe an answer
            link = self.rng.choice(not_asked)
            link.is_asked = True
            link.send(PeerRequest().pack())
        return now + ASK_AGAIN * self.rng.uniform(0.5, 1.0)

    def _look_after_bootstrapper(self, now: float) -> float:
        """Dial it while a place is free: it may have started again, and knows nobody."""
        bootstrapper = self.config.bootstrapper
        if bootstrapper is None or bootstrapper in self.view.links:
            self._again.reset()
            return math.inf
        if now >= self._again.due and self.dial_peer(bootstrapper):
            self._put_off(self._again, now)
        return max(self._again.due, now + ASK_AGAIN)

    def _put_off(self, backoff: Backoff, now: float) -> float:
        """Let half to all of the next pause pass, so that modules do not dial in step."""
        backoff.failed(now)
        backoff.due = now + (backoff.due - now) * self.rng.uniform(0.5, 1.0)
        return backoff.due

    # Neighbours.

    def welcome(self, link: Link, is_dialled: bool) -> None:
        """Make a verified module a neighbour, in place of another if there are too many."""
        peer = link.peer
        self.trust(link, NEIGHBOUR, peer)
        if (before := self.view.links.get(peer)) is not None:
            self.later(OVERLAP, before.close, "replaced")
            self.output.write(f"disconnected:{peer}:replaced:{HERE}")
        surplus = self.view.enter(peer, link, is_dialled)
        self.output.write(f"connected:{peer}")
        if surplus is None:
            self.output.write(self.degree())
        else:
            self.view.links[surplus].close("one too many")
            self.unlink(surplus, "one too many", HERE)
        self.membership.wake()

    def unlink(self, peer: Address, reason: str, who: str) -> None:
        """A module is a neighbour no more."""
        self.view.remove(peer)
        self.output.write(f"disconnected:{peer}:{reason}:{who}", self.degree())

    def degree(self) -> str:
        return f"degree:{self.address}=>{len(self.view.links)}"

    def neighbour_ended(self, link: Link, error: OSError | None) -> None:
        if self.view.links.get(link.peer) is link:
            if link.is_dialled:
                self.leave_alone(link.peer)
            self.unlink(link.peer, link.closed, BROKEN)
            self.membership.wake()

    def on_peer_request(self, link: Link) -> None:
        if link.requests.spend(1, self.now()):  # a neighbour asks again when it has an answer
            self.tell([link], PeerResponse(self.view.addresses(but=link.peer)))

    def on_peer_response(self, link: Link, addresses: tuple[Address, ...]) -> None:
        if not link.is_asked:
            raise ProtocolError("peer response without a request")
        link.is_asked = False
        self.dial_view(link, addresses)

    def on_push(self, link: Link, ttl: int, address: Address) -> None:
        """Dial a new module if possible, and forward its address, once."""
        ttl, now = min(ttl, self.config.p2p_ttl) - 1, self.now()
        if link.pushes.spend(1, now) and self.view.pushed(address, now, link.peer):
            self.dial_peer(address, up=1)
            if ttl > 0:
                self.tell_neighbours(Push(ttl, address), [link])

    # The end.

    def stop(self, reason: str) -> None:
        """End the module. Its counts come before the last event."""
        if not self.stopping:
            counts = [f"{name.replace(':', '')}={value}" for name, value in self.status().items()
                      if value and name != "address"]
            self.output.write("counts:" + ":".join(counts))
        super().stop(reason)

    def status(self) -> dict[str, object]:
        return {"address": self.address, "neighbours": len(self.view.links),
                "known addresses": len(self.view.known()), **super().status()}
