"""The neighbours of a gossip module, and the handshake with a stranger.

A peer that dials says HELLO, does a proof of work, and is welcomed. Then it is dialled back, and
told HELLO. If it gives work in reply, it is proven to be at the address that it named; this work is
not done. A peer that did not accept our work, or hung up, is left alone, because an attacker could
have us work for nothing for ever. A peer that does our work is always accepted, but we dial only
while one of `degree` places is free, and each pending dial takes a place. README.md says which
addresses are dialled, and which neighbour a newcomer replaces. gossip_module.py accepts and dials.
"""

import collections
import functools
import math
import secrets

from gossip.addresses import Address, in_turns, sample
from gossip.node.link import Link
from gossip.node.part import Part
from gossip.settings import Settings
from gossip.tools import Backoff, Rate, Recent
from gossip.voidphone.ini import Config
from gossip.voidphone.messages import (
    Frames, Hello, PeerResponse, Push, VerificationRequest, VerificationResponse)
from gossip.voidphone.work import SLOTS, find, is_work, present_slot
from gossip.wire import WireError

# Roles of a link, as `refused:` lines show them.
MODULE = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"
DIALLED_BACK = "one that we dial back"

MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
ALONE = 100  # messages a second to a module that go out in a `send` each
HELLO_LIMIT = 10.0  # seconds to wait for HELLO, and for replies to our HELLO and our work
WORK_LIMIT = 300.0  # seconds from a peer's HELLO to the end of its work
LEFT_ALONE = 60.0  # seconds without work for a peer that did not accept our work
REST = 0.5  # seconds without work for a peer that hung up, doubled each time up to LEFT_ALONE
MOST_LEFT_ALONE = 1_000  # remembered peers that are left alone
PUSH_MEMORY = 10.0  # seconds in which only the first PUSH of an address is forwarded
PUSHES_A_SECOND = 50  # over one link; the rest is dropped, because each goes to many modules
REQUESTS_A_SECOND = 50  # for addresses, over one link, because an answer may have thousands
PUSHES = 10_000  # addresses remembered for PUSH_MEMORY
OVERLAP = 2.0  # seconds for which the worse of two links is still read: news are on their way


class PeerLink(Link):
    """A connection that carries binary messages, and the state of its handshake."""

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None):
        super().__init__(role, settings, flusher, now, connection, Frames)
        self.hello: Address | None = None  # the address in the other end's HELLO
        self.nonces: dict[int, int] = {}  # time slot -> nonce of the work that we gave it
        # Of a neighbour:
        self.asked = False  # we sent a 504 (peer request); the 505 has not come yet
        self.dialled = False  # by us
        self.proven = False  # it was found at its address
        self.teller: Address | None = None  # the neighbour that named it, if we dialled it for that
        self.pushes = Rate(PUSHES_A_SECOND)
        self.requests = Rate(REQUESTS_A_SECOND)
        self._alone = Rate(ALONE)  # of a module
        # Of the messages that arrived together:
        self.announced = collections.Counter()  # data type -> announces so far
        self.free = 0  # bytes of news that need not wait for modules that read slowly

    def trust(self, limit: int | None = None) -> None:
        """Let the other end be silent, but not within a message."""
        super().trust(limit)
        self.unfinished_limit = MESSAGE_LIMIT

    def await_reply(self) -> None:
        """Give the other end HELLO_LIMIT seconds for its next message."""
        self.deadline = self._now() + HELLO_LIMIT

    def send_all(self, chunks: list[bytes]) -> None:
        """Send messages together, but a few to a module separately. The reason is that several
        clients take what `recv` returns for a single message."""
        while self.role == MODULE and chunks and self._alone.spend(self._now()):
            self.send(chunks.pop(0))
        if chunks:
            self.send(b"".join(chunks))


class View:
    """The neighbours and the known addresses."""

    def __init__(self, config: Config, rng, write, later):
        self._own, self._config, self._rng = config.p2p_address, config, rng
        self._later = later  # does a job after so many seconds
        self._write = write  # writes an event into the output file
        self._neighbours: dict[Address, PeerLink] = {}
        # address -> the neighbour that named it last, in a 505 or by PUSH; the latest comes last
        self._dialling: dict[Address, Address | None] = {}
        self._known: collections.OrderedDict[Address, Address | None] = collections.OrderedDict()
        self._pushed = Recent(PUSHES)

    def admit(self, peer: Address, link: PeerLink, dialled: bool) -> bool:
        """Make a verified peer a neighbour, and close links that it replaces. Return False if it
        has a better link. Of two links in opposite directions, the better is dialled by the smaller
        address. Of two links in the same direction, the newer is better."""
        teller = self._dialling.pop(peer, None) if dialled else None
        if (standing := self._neighbours.get(peer)) is not None:
            if standing.dialled != dialled and standing.dialled == (self._own < peer):
                return False
            self._later(functools.partial(standing.close, "replaced"), OVERLAP)
            self._write(f"disconnected:{peer}:replaced")
        link.dialled, link.teller = dialled, teller
        link.proven = dialled or standing is not None and standing.proven
        self._neighbours[peer] = link
        self._write(f"connected:{peer}")
        self._known.pop(peer, None)
        if len(self._neighbours) > self._config.max_connections:
            other = self._surplus(peer)
            self._neighbours[other].close("one too many")
            self.remove(other, self._neighbours[other], "one too many")
        else:
            self._note_degree()
        return True

    def _surplus(self, newcomer: Address) -> Address:
        """Return the neighbour that a newcomer replaces. It is unproven, or else has dialled us, if
        possible. Among several, draw from the IP with most of them."""
        links = self._neighbours
        others = [peer for peer in links if peer != newcomer]
        others = ([peer for peer in others if not links[peer].proven]
                  or [peer for peer in others if not links[peer].dialled] or others)
        crowds = collections.Counter(peer.ip for peer in others)
        most = max(crowds.values())
        return self._rng.choice([peer for peer in others if crowds[peer.ip] == most])

    def prove(self, peer: Address) -> None:
        """Note that a peer, perhaps a neighbour, has answered at its address."""
        if peer in self._neighbours:
            self._neighbours[peer].proven = True

    def remove(self, peer: Address, link: PeerLink, reason: str = "") -> bool:
        """Remove a neighbour whose link ended. Return False for an older link."""
        if self._neighbours.get(peer) is not link:
            return False
        del self._neighbours[peer]
        self._write(f"disconnected:{peer}:{reason}")
        self._note_degree()
        self._note(peer, link.teller)
        return True

    def begin_dial(self, peer: Address, needed: bool = False, up: int = 0,
                   teller: Address | None = None) -> bool:
        """Take a place for a dial, and return whether to dial. A `needed` dial has a place.
        `teller` named the peer, which may have been forgotten since."""
        teller = self._known.get(peer, teller)
        is_dialled = self._is_strange(peer) and (needed or self._free_for(teller, up) > 0)
        if is_dialled:
            self._dialling[peer] = teller
        return is_dialled

    def _is_strange(self, peer: Address) -> bool:
        return peer != self._own and peer not in self._neighbours and peer not in self._dialling

    def end_dial(self, peer: Address) -> None:
        self._dialling.pop(peer, None)

    def heard_of(self, addresses, teller: Address | None) -> list[Address]:
        """Remember the addresses of a 505 (peer response). Return some to dial."""
        strangers = list(filter(self._is_strange, dict.fromkeys(addresses)))
        for address in strangers:
            self._known[address] = teller
            self._known.move_to_end(address)
        for address in self.known()[self._config.cache_size:]:
            del self._known[address]
        return sample(strangers, self._free_for(teller), self._rng)

    def pushed(self, address: Address, now: float, teller: Address | None = None) -> bool:
        """Remember the address of a PUSH; return whether it is news, to dial and to forward."""
        if address != self._own and address not in self._neighbours:
            self._note(address, teller)
        return self._pushed.add(address, True, now, now + PUSH_MEMORY)

    def links(self) -> list[PeerLink]:
        return list(self._neighbours.values())

    def addresses(self, but: Address | None = None) -> list[Address]:
        return [peer for peer in self._neighbours if peer != but]

    def known(self) -> list[Address]:
        """Return known addresses by turns of their IPs, the latest first."""
        return in_turns(reversed(self._known))

    def lacks_neighbours(self) -> bool:
        return len(self._neighbours) < self._config.min_degree

    def forget(self, address: Address) -> None:
        self._known.pop(address, None)

    def _note_degree(self) -> None:
        self._write(f"degree:{self._own}=>{len(self._neighbours)}")

    def _free_for(self, teller: Address | None, up: int = 0) -> int:
        """Return how many places are free for addresses from `teller`. It gets half of the places
        that others leave free, rounded `up` or not, and at least one while neighbours are few."""
        tellers = [*(link.teller for link in self.links()), *self._dialling.values()]
        taken, filled = len(tellers), tellers.count(teller)
        free = max(0, self._config.degree - taken)
        if teller is None or not free:
            return free
        return max((free + filled + up) // 2 - filled, int(taken < self._config.min_degree))

    def _note(self, address: Address, teller: Address | None = None) -> None:
        self._known[address] = teller
        self._known.move_to_end(address)
        if len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)


class Handshake(Part):
    """The way of a stranger from the connection into the view."""

    ANSWERS = {STRANGER: {"hello"}, CHALLENGED: {"hello", "verification_response"},
               DIALLED: {"verification_request"}, DIALLED_BACK: {"verification_request"}}

    def __init__(self, module):
        self._module = module
        self._view = module.view
        self._rests = Recent(MOST_LEFT_ALONE)  # peer that we did work for -> Backoff
        self._searches: collections.deque[tuple[PeerLink, int]] = collections.deque()  # with nonces
        self.duty = None  # later the duty that calls `work`

    def on_up(self, link: PeerLink) -> None:
        link.send(Hello(self._module.address).pack())

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
            link.deadline = self._module.now() + WORK_LIMIT
        link.hello, link.role = address, CHALLENGED
        link.nonces[slot] = secrets.randbits(64)
        link.send(VerificationRequest(link.nonces[slot]).pack())

    def on_verification_response(self, link: PeerLink, message: VerificationResponse) -> None:
        """Verify a peer's work. Welcome it, send it the view, and tell all neighbours."""
        slot, peer = present_slot(self._module.now()), message.address
        if peer != link.hello:
            raise WireError(f"work for {peer}, not for {link.hello}")
        if message.nonce not in [link.nonces.get(slot - age) for age in range(SLOTS)]:
            raise WireError("work for a nonce that is not this connection's, or too old")
        if not is_work(message.nonce, message.challenge, self._module.config.pow_bits):
            raise WireError("the work is not done")
        view = self._view.addresses(but=peer)
        if self.welcome(link, peer, dialled=False):
            link.send(PeerResponse(tuple(view)).pack())
            self._view.pushed(peer, self._module.now())  # so that an echo is not new
            self._module.tell_others(link, Push(self._module.config.p2p_ttl, peer))
            if not link.proven:
                self._dial_back(peer)

    def _dial_back(self, peer: Address) -> None:
        """Dial a neighbour that dialled us, to prove its address."""
        settings = self._module.settings
        dialled = [link.peer for link in self._module.links() if link.role == DIALLED_BACK]
        if peer not in dialled and len(dialled) < settings.probes_at_once:
            back = self._module.new_link(DIALLED_BACK, peer)
            back.deadline = self._module.now() + settings.probe_limit
            self._module.dial(back)

    def on_verification_request(self, link: PeerLink, message: VerificationRequest) -> None:
        """Queue the work of a dialled peer. Dialled back, it is only proven."""
        self._view.prove(link.peer)
        if link.role == DIALLED_BACK:
            link.close("proven")
            return
        link.role = WORKED_FOR
        link.deadline = math.inf  # the next word is this module's
        self._searches.append((link, message.nonce))
        self.duty.hurry()

    def work(self, now: float) -> float | None:
        """Do the next work for a peer. Return None if there is none."""
        if not self._searches:
            return None
        link, nonce = self._searches.popleft()
        if link.ended:
            return now
        try:
            with self._module.turn.left():
                challenge = find(nonce, self._module.config.pow_bits, lambda: not link.ended)
        except OSError as error:
            self._module.disconnect(link, f"no worker could be started: {error.strerror}")
            return now
        if challenge is not None and not link.ended:
            link.role = ANSWERED
            link.await_reply()
            link.send(VerificationResponse(nonce, challenge, self._module.address).pack())
        elif not link.ended:  # the workers were killed from outside
            self._module.disconnect(link, "the search for its work ended without a result")
        return now

    def welcome(self, link: PeerLink, peer: Address, dialled: bool) -> bool:
        """Make a verified peer a neighbour. Return False if it has a better link."""
        link.trust()  # first, because more may wait for a neighbour than for a stranger
        self._module.waiting_room.leave(link)
        admitted = self._view.admit(peer, link, dialled)
        if admitted or dialled:
            link.role, link.peer = NEIGHBOUR, peer
        if admitted:
            self._module.membership.hurry()
        elif dialled:  # the other end calls this a neighbour, too, and may have sent news already
            self._module.flusher.take_over(functools.partial(
                self._module.disconnect, link, "duplicate", peer), OVERLAP)
        else:
            self._module.disconnect(link, "duplicate", peer)
        return admitted

    def is_left_alone(self, peer: Address) -> bool:
        """Tell whether a peer recently did not accept our work, or hung up."""
        now = self._module.now()
        return now < self._rests.get(peer, now, Backoff(REST, LEFT_ALONE)).due

    def leave_alone(self, peer: Address, refused: bool = False) -> None:
        """Do no work for a peer for a while: if it has not refused it, each time for longer."""
        now = self._module.now()
        rest = self._rests.get(peer, now, Backoff(REST, LEFT_ALONE))
        rest.failed(now)
        if refused:
            rest.due = now + LEFT_ALONE
        self._rests.put(peer, rest, now + 2 * LEFT_ALONE)

    def on_end(self, link: PeerLink) -> None:
        """Free a dial's place. Leave a peer alone that refused our work, or hung up during it."""
        if link.role in (WORKED_FOR, ANSWERED) and link.peer not in self._view.addresses():
            was_refused = link.role == ANSWERED  # else it hung up; a neighbour has dialled sooner
            if was_refused:
                self._module.write_refusal(
                    link.peer, "it did not take our work: has it more pow_bits?")
            self.leave_alone(link.peer, was_refused)
        if link.role in (DIALLED, WORKED_FOR, ANSWERED):
            self._view.end_dial(link.peer)
