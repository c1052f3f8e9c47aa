"""The way in which modules become neighbours: HELLO, a proof of work, a welcome.

A module that dials says HELLO, does a proof of work, and is welcomed with the addresses of our
neighbours. Then it is dialled back, and told HELLO: if it gives work in reply, it is proven to be
at the address that it named; this work is not done. For a module that did not accept our work, or
hung up, none is done for a while, because an attacker could have us work for nothing for ever.
"""

import collections
import math

from grapevine.addresses import Address
from grapevine.link import Link
from grapevine.node import RESOURCE_ERRNOS
from grapevine.tools import Backoff, ProtocolError, Recent
from grapevine.voidphone.messages import (
    Hello, PeerResponse, Push, VerificationRequest, VerificationResponse)
from grapevine.voidphone.relay import Relay
from grapevine.voidphone.work import Search, is_work

# Roles of a link between modules. The other end is one
STRANGER = "STRANGER"  # who has not said HELLO
CHALLENGED = "CHALLENGED"  # who has not done the work
DIALLED = "DIALLED"  # who has not answered HELLO
WORKED_FOR = "WORKED_FOR"  # whose work we do
ANSWERED = "ANSWERED"  # who has not answered our work
NEIGHBOUR = "NEIGHBOUR"  # with whom we exchange news
DIALLED_BACK = "DIALLED_BACK"  # that we dial back

HELLO_LIMIT = 10.0  # seconds to wait for HELLO, and for replies to our HELLO and our work
WORK_LIMIT = 300.0  # seconds from a module's HELLO to the end of its work
BACK_LIMIT, BACK_DIALS = 2.0, 64  # seconds to answer when it is dialled back; dials at once
REST, LEFT_ALONE = 0.5, 60.0  # seconds without work for a module that hung up, doubled each time;
# for one that did not accept our work
MOST_LEFT_ALONE = 1_000  # modules of which that is remembered
OVERLAP = 2.0  # seconds for which the worse of two links is still read: news are on their way


class Handshaker(Relay):
    """A link of it has `hello` (the address in the other end's HELLO) and `nonce` (of the work that
    we gave it). A subclass says whom to dial, and welcomes neighbours."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._rests = Recent(MOST_LEFT_ALONE)  # module that we did work for -> Backoff
        self._searches: collections.deque[tuple[Link, Search]] = collections.deque()  # in turn

    def start(self) -> None:
        super().start()
        self._working = self.schedule("work", self.work, math.inf)

    def welcome(self, link: Link, is_dialled: bool) -> None:
        """Make a verified module a neighbour."""
        raise NotImplementedError

    def dial_view(self, link: Link, addresses: tuple[Address, ...]) -> None:
        """Dial some of the addresses that a neighbour has told."""
        for address in self.view.heard_of(addresses, link.peer):
            self.dial_peer(address, teller=link.peer)

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
        if link.hello is not None:
            self.counters["HELLOs said again"] += 1
            return
        self.expect(link, WORK_LIMIT)
        link.hello, link.role, link.nonce = address, CHALLENGED, self.rng.getrandbits(64)
        link.send(VerificationRequest(link.nonce).pack())

    def on_work(self, link: Link, nonce: int, challenge: int, peer: Address) -> None:
        """Verify a module's work. Welcome it, send it the view, and tell all neighbours."""
        if peer != link.hello:
            raise ProtocolError(f"work for {peer}, not for {link.hello}")
        if nonce != link.nonce:
            raise ProtocolError("work for a nonce that is not this connection's")
        if not is_work(nonce, challenge, self.config.pow_bits):
            raise ProtocolError("the work is not done")
        link.peer, view = peer, self.view.addresses(but=peer)
        if not self.view.is_better(peer, is_dialled=False):
            self.refuse(link, "duplicate")
            return
        self.welcome(link, is_dialled=False)
        link.send(PeerResponse(view).pack())
        self.view.pushed(peer, self.now())  # so that an echo is no news
        self.tell_neighbours(Push(self.config.p2p_ttl, peer), [link])
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
        self._working.wake()

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
            self.welcome(link, is_dialled=True)
            self.dial_view(link, addresses)
        else:  # the other end calls this a neighbour, too, and may have sent news already
            self.view.end_dial(link.peer)
            self.trust(link, NEIGHBOUR, link.peer)
            self.later(OVERLAP, self.refuse, link, "duplicate")

    def dial_ended(self, link: Link, error: OSError | None) -> None:
        self.view.end_dial(link.peer)
        if error is not None and error.errno not in RESOURCE_ERRNOS:
            self.view.forget(link.peer)  # until a message names it again

    def work_ended(self, link: Link, error: OSError | None) -> None:
        """Leave a module alone that refused our work, or hung up during it."""
        self.view.end_dial(link.peer)
        if link.peer not in self.view.links:  # else it has dialled sooner
            has_refused = link.role == ANSWERED
            if has_refused:
                self.write_refusal(link.peer, "it did not take our work: has it more pow_bits?")
            self.leave_alone(link.peer, has_refused)

    def stop(self, reason: str) -> None:
        for _, search in self._searches:
            search.stop()
        super().stop(reason)
