"""The handshake: a peer that dials says HELLO, does a proof of work, and is welcomed.

Both sides are here, and the roles that a link has meanwhile. Accepting and dialling are in
gossip_module.py.

A peer that was welcomed is dialled back once, and told HELLO. If it gives work for that, it is
proven to be at the address that it named; this work is not done. A peer that did not accept our
work is left alone for a while, because it could have us work for nothing again and again.
"""

import collections
import secrets

from gossip.addresses import Address
from gossip.node.link import Link
from gossip.node.part import Part
from gossip.settings import Settings
from gossip.tools import Budget, Recent
from gossip.voidphone.messages import (
    Frames, Hello, PeerResponse, Push, VerificationRequest, VerificationResponse)
from gossip.voidphone.work import find, is_work
from gossip.wire import WireError

# Roles of a link: what the other end is to us. They appear in `refused:` lines.
MODULE = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"
DIALLED_BACK = "one that we dial back"

MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
ALONE = 100  # messages a second to one module that go out in a `send` each
HELLO_LIMIT = 10.0  # seconds to wait for HELLO, for the reply to ours, and to our work
WORK_LIMIT = 300.0  # seconds that a peer may take for its work, counted from its HELLO
LEFT_ALONE = 60.0  # seconds without work for a peer that did not accept our work
MOST_LEFT_ALONE = 1_000  # peers left alone that are remembered
SLOT, SLOTS = 60.0, 6  # seconds of a slot; a nonce counts in its own slot and the 5 after it


class PeerLink(Link):
    """A connection that carries binary messages, and the state of its handshake."""

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None):
        super().__init__(role, settings, flusher, now, connection, Frames)
        self.hello: Address | None = None  # the address that the other end's HELLO named
        self.nonces: dict[int, int] = {}  # of the work that we gave it, by time slot
        self.nonce = 0  # of the work that the other end gave us
        # Of a neighbour:
        self.asked = False  # we sent a 504 (peer request); the 505 has not come yet
        self.dialled = False  # by us
        self.proven = False  # it was found at its address
        self.teller: Address | None = None  # the neighbour that named it, if we dialled it for that
        self._alone = Budget(ALONE)  # of a module: messages that go out in a `send` each
        # Of the messages that arrived together:
        self.announced = collections.Counter()  # data type -> announces so far
        self.free = 0  # bytes of news that need not wait for modules that read slowly

    def trust(self) -> None:
        """Let the other end be silent, but limit the time in which it ends a message."""
        super().trust()
        self.unfinished_limit = MESSAGE_LIMIT

    def await_reply(self) -> None:
        """Give the other end HELLO_LIMIT seconds for its next message."""
        self.await_line(self._now() + HELLO_LIMIT)

    def send_all(self, chunks: list[bytes]) -> None:
        """Send messages together, but a few to a module one by one, because several clients take
        what one `recv` returns for one message."""
        alone = 0
        while self.role == MODULE and alone < len(chunks) and self._alone.spend(self._now()):
            self.send(chunks[alone])
            alone += 1
        if alone < len(chunks):
            self.send(b"".join(chunks[alone:]))


class Handshake(Part):
    """Makes neighbours of strangers: everything between the connection and the view."""

    ANSWERS = {STRANGER: {"hello"}, CHALLENGED: {"hello", "verification_response"},
               DIALLED: {"verification_request"}, DIALLED_BACK: {"verification_request"}}

    def __init__(self, module):
        self._module = module
        self._view = module.view
        self._dialled_back: set[Address] = set()  # neighbours being dialled back
        self._left_alone = Recent(MOST_LEFT_ALONE)
        self._searches: collections.deque[PeerLink] = collections.deque()
        self.duty = None  # the duty that calls `work`, once there is one

    def on_up(self, link: PeerLink) -> None:
        link.send(Hello(self._module.address).pack())

    # The side that is dialled.

    def on_hello(self, link: PeerLink, message: Hello) -> None:
        """Give work to a peer that says HELLO with its listening address."""
        address = message.address
        if address.ip != link.remote_ip:
            raise WireError(f"HELLO from {link.remote_ip} for {address}")
        if address == self._module.address:
            raise WireError("HELLO with our own address")
        if link.hello not in (None, address):
            raise WireError(f"HELLO with another address, {address}")
        slot = present_slot(self._module.now())
        if slot in link.nonces:
            self._module.counters.add("HELLOs said again")
            return
        if link.hello is None:
            link.await_line(self._module.now() + WORK_LIMIT)
        link.hello, link.role = address, CHALLENGED
        link.nonces[slot] = secrets.randbits(64)
        link.send(VerificationRequest(link.nonces[slot]).pack())

    def on_verification_response(self, link: PeerLink, message: VerificationResponse) -> None:
        """Check a peer's work; welcome the peer, send it the view, and tell its new neighbours."""
        slot, peer = present_slot(self._module.now()), message.address
        if peer != link.hello:
            raise WireError(f"work for {peer}, not for {link.hello}")
        if message.nonce not in [link.nonces.get(slot - age) for age in range(SLOTS)]:
            raise WireError("work for a nonce that is not this connection's, or too old")
        if not is_work(message.nonce, message.challenge, self._module.config.pow_bits):
            raise WireError("the work is not done")
        view = [other for other in self._view.addresses() if other != peer]
        if self.welcome(link, peer, dialled=False):
            link.send(PeerResponse(tuple(view)).pack())
            self._view.pushed(peer, self._module.now())  # its echo is not new
            self._module.tell_others(link, Push(self._module.config.p2p_ttl, peer))
            self._dial_back(peer)

    def _dial_back(self, peer: Address) -> None:
        """Dial a neighbour that dialled us, to prove its address."""
        settings = self._module.settings
        if (self._view.lacks_proof(peer) and peer not in self._dialled_back
                and len(self._dialled_back) < settings.probes_at_once):
            self._dialled_back.add(peer)
            back = self._module.new_link(DIALLED_BACK, peer)
            back.await_line(self._module.now() + settings.probe_limit)
            self._module.dial(back)

    # The side that dials.

    def on_verification_request(self, link: PeerLink, message: VerificationRequest) -> None:
        """Queue work from a peer that we dialled; if we only dialled back, the peer is proven."""
        self._view.prove(link.peer)
        if link.role == DIALLED_BACK:
            link.close("proven")
            return
        link.role, link.nonce = WORKED_FOR, message.nonce
        link.await_no_line()
        self._searches.append(link)
        self.duty.hurry()

    def work(self, now: float) -> float | None:
        """Do the next work that a peer has given; return None when there is none."""
        if not self._searches:
            return None
        link = self._searches.popleft()
        if link.ended:
            return now
        try:
            with self._module.turn.left():
                challenge = find(link.nonce, self._module.config.pow_bits, lambda: not link.ended)
        except OSError as error:
            self._module.disconnect(link, f"no worker could be started: {error.strerror}")
            return now
        if challenge is not None and not link.ended:
            link.role = ANSWERED
            link.await_reply()
            link.send(VerificationResponse(link.nonce, challenge, self._module.address).pack())
        elif not link.ended:  # the workers were killed from outside
            self._module.disconnect(link, "the search for its work ended without a result")
        return now

    # Both sides.

    def welcome(self, link: PeerLink, peer: Address, dialled: bool) -> bool:
        """Make a verified peer a neighbour; return False if a better link to it exists already."""
        link.trust()  # first: a neighbour may have more news waiting than a stranger
        parted = self._view.admit(peer, link, dialled)
        self._module.waiting_room.leave(link)
        if parted is None:
            self._module.disconnect(link, "duplicate", peer)
            return False
        link.role, link.peer = NEIGHBOUR, peer
        for old, reason in parted:
            old.close(reason)
        self._module.membership.hurry()
        return True

    def is_left_alone(self, peer: Address) -> bool:
        """Return whether a peer did not accept our work in the last LEFT_ALONE seconds."""
        return self._left_alone.get(peer, self._module.now()) is not None

    def on_end(self, link: PeerLink) -> None:
        """Free the place of a dial, and leave a peer alone that did not accept our work."""
        if link.role == DIALLED_BACK:
            self._dialled_back.discard(link.peer)
        if link.role == ANSWERED:
            self._module.write_refusal(link.peer, "it did not take our work: has it more pow_bits?")
            if link.peer not in self._view.addresses():  # else its own dial was sooner
                self._left_alone.put(link.peer, True, self._module.now() + LEFT_ALONE)
        if link.role in (DIALLED, WORKED_FOR, ANSWERED):
            self._view.end_dial(link.peer)


def present_slot(now: float) -> int:
    return int(now // SLOT)
