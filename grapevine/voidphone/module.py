"""The gossip module: a node with two doors, one for other modules, one for clients of its host.

A module that dials says HELLO, does a proof of work, and is welcomed with the addresses of our
neighbours. Then it is dialled back, and told HELLO: if it gives work in reply, it is proven to be
at the address that it named; this work is not done. For a module that did not accept our work, or
hung up, none is done for a while, because an attacker could have us work for nothing for ever.
"""

import collections
import math

from grapevine.addresses import Address
from grapevine.link import Link
from grapevine.node import END, SHORT, UNIDENTIFIED, UP
from grapevine.settings import Settings
from grapevine.tools import Backoff, Budget, ProtocolError, Recent
from grapevine.voidphone import messages
from grapevine.voidphone.ini import Config
from grapevine.voidphone.messages import (
    Hello, PeerRequest, PeerResponse, Ping, Push, VerificationRequest, VerificationResponse)
from grapevine.voidphone.news import Memory
from grapevine.voidphone.relay import ALONE, Relay
from grapevine.voidphone.view import View
from grapevine.voidphone.work import Search, is_work

# Roles of a link, as `refused:` lines show them.
CLIENT = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"
DIALLED_BACK = "one that we dial back"

PEERS, API = 0, 1  # the doors
MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
HELLO_LIMIT = 10.0  # seconds to wait for HELLO, and for replies to our HELLO and our work
WORK_LIMIT = 300.0  # seconds from a module's HELLO to the end of its work
SLOT = 60.0  # seconds in which HELLO said again is given no other nonce
BACK_LIMIT, BACK_DIALS = 2.0, 64  # seconds to answer when it is dialled back; dials at once
REST, LEFT_ALONE = 0.5, 60.0  # seconds without work for a module that hung up, doubled each time;
# for one that did not accept our work
MOST_LEFT_ALONE = 1_000  # modules of which that is remembered
OVERLAP = 2.0  # seconds for which the worse of two links is still read: news are on their way
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
        self.alone: Budget | None = None  # see Relay
        self.free = 0
        self.hello: Address | None = None  # the address in the other end's HELLO
        self.nonces: dict[float, int] = {}  # time slot -> nonce of the work that we gave it
        self.is_asked = False  # for addresses, and has not answered
        self.pushes = Budget(READ_A_SECOND, READ_A_SECOND)
        self.requests = Budget(READ_A_SECOND, READ_A_SECOND)


class GossipModule(Relay):
    """A gossip module, known by its peer-to-peer address."""

    kind = "module"
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

    def __init__(self, config: Config, settings: Settings, output, world,
                 patience: float = 5.0, memory: float = 60.0):
        """Wait `patience` seconds for a validation, remember news `memory` seconds."""
        super().__init__(config.p2p_address, settings, output, world, patience,
                         Memory(memory, config.cache_size))
        self.config, self.view = config, View(config, self.rng)
        self._retry = Backoff(RETRY_FIRST, RETRY_LAST)  # of dials for a first neighbour
        # dials of the bootstrapper beside neighbours, ever rarer, because it may have no place
        self._again = Backoff(settings.liveness_interval, AGAIN_LAST)
        self._candidates: collections.deque[Address] = collections.deque()  # to dial in turn
        self._rests = Recent(MOST_LEFT_ALONE)  # module that we did work for -> Backoff
        self._searches: collections.deque[tuple[Link, Search]] = collections.deque()  # in turn
        values = settings._asdict() | config._asdict()
        shown = [f"{name.replace('_', '-')}={values[name]}" for name in SHOWN]
        output.write(f"started:module:{self.address}", f"settings:{':'.join(shown)}", "late:0.000")

    def start(self) -> None:
        """Listen, and begin all duties. The API comes last, so that it finds a whole module."""
        super().start()
        self.keep("liveness", self.check_liveness, self.settings.liveness_interval)
        self.membership = self.keep("membership", self.look_for_neighbours)
        self._working = self.keep("work", self.work, math.inf)
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
        link.alone = Budget(ALONE, ALONE)
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

    def handle_one(self, link: Link, frame: bytes) -> None:
        kind, values = self.parse(frame)
        method = self.ANSWERS[link.role].get(kind)
        if method is None:
            raise ProtocolError(f"{kind.replace('_', ' ')} is not expected from {link.role}")
        getattr(self, method)(link, *values)

    def on_ping(self, link: Link) -> None:
        """It lives, as `link.heard` tells."""

    def check_liveness(self, now: float) -> float:
        """Drop silent neighbours, PING the others; return the next time."""
        for link in self.neighbours():
            if link.is_held:
                link.heard = now  # it is not silent, but not read
            silence = now - link.heard
            if silence > SILENT_ROUNDS * self.settings.liveness_interval and not self.is_late():
                link.close("silent")
            else:
                link.send(Ping().pack())
        return now + self.settings.liveness_interval

    def neighbours(self) -> list[Link]:
        return list(self.view.links.values())

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

    def dial_peer(self, peer: Address, **place) -> bool:
        """Dial a module if it may have a place (`View.begin_dial` has the arguments), and is not
        left alone; return whether that is so."""
        rest = self._rests.get(peer)
        is_left_alone = rest is not None and self.now() < rest.due
        if is_left_alone or not self.view.begin_dial(peer, **place):
            return False
        self.dial(DIALLED, peer, HELLO_LIMIT)
        return True

    def leave_alone(self, peer: Address, has_refused: bool = False) -> None:
        """Do no work for a module for a while: if it has not refused it, each time for longer."""
        now, rest = self.now(), self._rests.get(peer)
        if rest is None or now > rest.due + LEFT_ALONE:
            rest = Backoff(REST, LEFT_ALONE)
        rest.failed(now)
        rest.due = now + LEFT_ALONE if has_refused else rest.due
        self._rests[peer] = rest

    # The handshake of a module that dials us.

    def on_hello(self, link: Link, address: Address) -> None:
        """Give work to a module that says HELLO with its listening address."""
        if address.ip != link.remote.ip:
            raise ProtocolError(f"HELLO from {link.remote.ip} for {address}")
        if address == self.address:
            raise ProtocolError("HELLO with our own address")
        if link.hello not in (None, address):
            raise ProtocolError(f"HELLO with another address, {address}")
        slot = self.now() // SLOT
        if slot in link.nonces:
            self.counters["HELLOs said again"] += 1
            return
        if link.hello is None:
            self.expect(link, WORK_LIMIT)
        link.hello, link.role = address, CHALLENGED
        link.nonces[slot] = self.rng.getrandbits(64)
        link.send(VerificationRequest(link.nonces[slot]).pack())

    def on_work(self, link: Link, nonce: int, challenge: int, peer: Address) -> None:
        """Verify a module's work. Welcome it, send it the view, and tell all neighbours."""
        if peer != link.hello:
            raise ProtocolError(f"work for {peer}, not for {link.hello}")
        if nonce not in link.nonces.values():
            raise ProtocolError("work for a nonce that is not this connection's, or too old")
        if not is_work(nonce, challenge, self.config.pow_bits):
            raise ProtocolError("the work is not done")
        link.peer, view = peer, self.view.addresses(but=peer)
        if not self.view.is_better(peer, is_dialled=False):
            self.refuse(link, "duplicate")
            return
        self.welcome(link, peer, is_dialled=False)
        link.send(PeerResponse(view).pack())
        self.view.pushed(peer, self.now())  # so that an echo is no news
        self.tell_others(link, Push(self.config.p2p_ttl, peer))
        dialled = [other.peer for other in self.links if other.role == DIALLED_BACK]
        if not link.is_proven and peer not in dialled and len(dialled) < BACK_DIALS:
            self.dial(DIALLED_BACK, peer, BACK_LIMIT)

    def on_proof(self, link: Link, nonce: int) -> None:
        """A neighbour that is dialled back gives work."""
        self.view.prove(link.peer)
        link.close("proven")

    # The handshake of a module that we dial.

    def say_hello(self, link: Link) -> None:
        link.send(Hello(self.address).pack())

    def on_challenge(self, link: Link, nonce: int) -> None:
        """A dialled module gives work, which is done in turn."""
        self.view.prove(link.peer)
        link.role, link.deadline = WORKED_FOR, None  # the next word is this module's
        self._searches.append((link, Search(nonce, self.config.pow_bits)))
        self._working.hurry()

    def work(self, now: float) -> float:
        """Go on with the work for one module after the other; return when to look again."""
        if not self._searches:
            return math.inf
        link, search = self._searches[0]
        if link.closed is None and not search.is_over():
            return now + search.pause
        search.stop()
        self._searches.popleft()
        if link.closed is None and search.challenge is None:
            self.refuse(link, search.failure)
        elif link.closed is None:
            link.role = ANSWERED
            self.expect(link, HELLO_LIMIT)
            link.send(VerificationResponse(search.nonce, search.challenge, self.address).pack())
        return now

    def on_welcome(self, link: Link, addresses: tuple[Address, ...]) -> None:
        """Our work is accepted. Dial some of the addresses."""
        if self.view.is_better(link.peer, is_dialled=True):
            self.welcome(link, link.peer, is_dialled=True)
            self._dial_some(link, addresses)
        else:  # the other end calls this a neighbour, too, and may have sent news already
            self.view.end_dial(link.peer)
            self.trust(link, NEIGHBOUR, link.peer)
            self.later(OVERLAP, self.refuse, link, "duplicate")

    def dial_ended(self, link: Link, error: OSError | None) -> None:
        self.view.end_dial(link.peer)
        if error is not None and error.errno not in SHORT:
            self.view.forget(link.peer)  # until a message names it again

    def work_ended(self, link: Link, error: OSError | None) -> None:
        """Leave a module alone that refused our work, or hung up during it."""
        self.view.end_dial(link.peer)
        if link.peer not in self.view.links:  # else it has dialled sooner
            has_refused = link.role == ANSWERED
            if has_refused:
                self.write_refusal(link.peer, "it did not take our work: has it more pow_bits?")
            self.leave_alone(link.peer, has_refused)

    # Neighbours.

    def welcome(self, link: Link, peer: Address, is_dialled: bool) -> None:
        """Make a verified module a neighbour, in place of another if there are too many."""
        self.trust(link, NEIGHBOUR, peer)
        if (before := self.view.links.get(peer)) is not None:
            self.later(OVERLAP, before.close, "replaced")
            self.output.write(f"disconnected:{peer}:replaced")
        surplus = self.view.enter(peer, link, is_dialled)
        self.output.write(f"connected:{peer}")
        if surplus is None:
            self.output.write(self.degree())
        else:
            self.view.links[surplus].close("one too many")
            self.unlink(surplus, "one too many")
        self.membership.hurry()

    def unlink(self, peer: Address, reason: str) -> None:
        """A module is a neighbour no more."""
        self.view.remove(peer)
        self.output.write(f"disconnected:{peer}:{reason}", self.degree())

    def degree(self) -> str:
        return f"degree:{self.address}=>{len(self.view.links)}"

    def neighbour_ended(self, link: Link, error: OSError | None) -> None:
        if self.view.links.get(link.peer) is link:
            if link.is_dialled:
                self.leave_alone(link.peer)
            self.unlink(link.peer, link.closed)
            self.membership.hurry()

    def tell_others(self, link: Link, message) -> None:
        """Send a message to all neighbours except over this link."""
        others = [other for other in self.neighbours() if other is not link]
        self.outbox.add(others, message.pack())

    def on_peer_request(self, link: Link) -> None:
        if link.requests.spend(1, self.now()):  # a neighbour asks again when it has an answer
            self.outbox.add([link], PeerResponse(self.view.addresses(but=link.peer)).pack())

    def on_peer_response(self, link: Link, addresses: tuple[Address, ...]) -> None:
        if not link.is_asked:
            raise ProtocolError("peer response without a request")
        link.is_asked = False
        self._dial_some(link, addresses)

    def _dial_some(self, link: Link, addresses: tuple[Address, ...]) -> None:
        for address in self.view.heard_of(addresses, link.peer):
            self.dial_peer(address, teller=link.peer)

    def on_push(self, link: Link, ttl: int, address: Address) -> None:
        """Dial a new module if possible, and forward its address, once."""
        ttl, now = min(ttl, self.config.p2p_ttl) - 1, self.now()
        if link.pushes.spend(1, now) and self.view.pushed(address, now, link.peer):
            self.dial_peer(address, up=1)
            if ttl > 0:
                self.tell_others(link, Push(ttl, address))

    # The end.

    def stop(self, reason: str) -> None:
        """End the module. Its counts come before the last event."""
        if not self.stopping:
            counts = [f"{name.replace(':', '')}={value}" for name, value in self.status().items()
                      if value and name != "address"]
            self.output.write("counts:" + ":".join(counts))
            for _, search in self._searches:
                search.stop()
        super().stop(reason)

    def status(self) -> dict[str, object]:
        return {"address": self.address, "neighbours": len(self.view.links),
                "known addresses": len(self.view.known()), **super().status()}
