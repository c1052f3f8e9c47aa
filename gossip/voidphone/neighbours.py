"""The neighbours of a gossip module: how a peer becomes one, and whom else to dial.

A peer that dials says HELLO, does a proof of work, and is welcomed: the handshake. gossip_module.py
accepts and dials. A peer that was welcomed is dialled back once, and told HELLO. If it gives work
for that, it is proven to be at the address that it named; this work is not done. A peer that did
not accept our work is left alone for a while, because it could have us work for nothing for ever.

Whoever dials us and does its work is accepted; we dial only while one of `degree` places is free,
and each dial under way takes a place. README.md says which addresses are dialled, and which
neighbour is given up for a newcomer.
"""

import collections
import secrets

from gossip.addresses import Address, in_turns, sample
from gossip.node.link import Link
from gossip.node.part import Part
from gossip.settings import Settings
from gossip.tools import Budget, Recent
from gossip.voidphone.ini import Config
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
PUSH_MEMORY = 10.0  # seconds in which only the first PUSH of an address is forwarded
PUSHES = 10_000  # addresses remembered for PUSH_MEMORY
SLOT, SLOTS = 60.0, 6  # seconds of a slot; a nonce counts in its own slot and the 5 after it


class PeerLink(Link):
    """A connection that carries binary messages, and the state of its handshake."""

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None):
        super().__init__(role, settings, flusher, now, connection, Frames)
        self.hello: Address | None = None  # the address that the other end's HELLO named
        self.nonces: dict[int, int] = {}  # of the work that we gave it, by time slot
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


class View:
    """Neighbours and known addresses. `dialled`, `proven` and `teller` stand in the links."""

    def __init__(self, config: Config, rng, write):
        self._own = config.p2p_address
        self._config = config
        self._rng = rng
        self._write = write  # writes an event into the output file
        self._neighbours: dict[Address, PeerLink] = {}
        # address -> the neighbour that named it last, in a 505; the latest comes last
        self._dialling: dict[Address, Address | None] = {}
        self._known: collections.OrderedDict[Address, Address | None] = collections.OrderedDict()
        self._pushed = Recent(PUSHES)

    def admit(self, peer: Address, link: PeerLink, dialled: bool) -> bool:
        """Make a verified peer a neighbour, and close links given up for it; return False if there
        is a better link to it. Of two links in opposite directions, the better is dialled by the
        smaller address; of two in one direction, it is the newer."""
        teller = self._dialling.pop(peer, None)
        if (standing := self._neighbours.get(peer)) is not None:
            if standing.dialled != dialled and standing.dialled == (self._own < peer):
                return False
            standing.close("replaced")
            self._write(f"disconnected:{peer}:replaced")
        link.dialled, link.teller = dialled, teller if dialled else None
        link.proven = dialled or standing is not None and standing.proven
        self._neighbours[peer] = link
        self._write(f"connected:{peer}")
        self._known.pop(peer, None)
        if len(self._neighbours) > self._config.max_connections:
            other = self._surplus(peer)
            surplus = self._neighbours.pop(other)
            surplus.close("one too many")
            self._write(f"disconnected:{other}:one too many")
            self._note(other, surplus.teller)
        self._note_degree()
        return True

    def _surplus(self, newcomer: Address) -> Address:
        """Return a neighbour to give up for a newcomer: an unproven one, else one that dialled us,
        else any; of these, a random one of the IP that has most of them."""
        links = self._neighbours
        others = [peer for peer in links if peer != newcomer]
        others = ([peer for peer in others if not links[peer].proven]
                  or [peer for peer in others if not links[peer].dialled] or others)
        crowds = collections.Counter(peer.ip for peer in others)
        most = max(crowds.values())
        return self._rng.choice([peer for peer in others if crowds[peer.ip] == most])

    def prove(self, peer: Address) -> None:
        """Note that a peer has answered at its address; if it is a neighbour, it is proven."""
        if peer in self._neighbours:
            self._neighbours[peer].proven = True

    def remove(self, peer: Address, link: PeerLink, reason: str = "") -> bool:
        """Remove a neighbour whose link has ended; return whether this was its present link."""
        if self._neighbours.get(peer) is not link:
            return False
        del self._neighbours[peer]
        self._write(f"disconnected:{peer}:{reason}")
        self._note_degree()
        self._note(peer, link.teller)
        return True

    def begin_dial(self, peer: Address, needed: bool = False) -> bool:
        """Take a place for a dial, a free one unless it is `needed`; return whether to dial."""
        teller = self._known.get(peer)
        is_dialled = self._is_strange(peer) and (needed or self._free_for(teller) > 0)
        if is_dialled:
            self._dialling[peer] = teller
        return is_dialled

    def _is_strange(self, peer: Address) -> bool:
        return peer != self._own and peer not in self._neighbours and peer not in self._dialling

    def end_dial(self, peer: Address) -> None:
        """Free the place of a dial that has ended."""
        self._dialling.pop(peer, None)

    def heard_of(self, addresses, teller: Address | None) -> list[Address]:
        """Remember the addresses of a neighbour's 505 (peer response); return some to dial."""
        strangers = list(filter(self._is_strange, dict.fromkeys(addresses)))
        for address in strangers:
            self._known[address] = teller
            self._known.move_to_end(address)
        for address in self.known()[self._config.cache_size:]:
            del self._known[address]
        return sample(strangers, self._free_for(teller), self._rng)

    def pushed(self, address: Address, now: float) -> bool:
        """Remember the address of a PUSH; return whether to forward it."""
        if address != self._own and address not in self._neighbours:
            self._note(address)
        return self._pushed.add(address, True, now, now + PUSH_MEMORY)

    def links(self) -> list[PeerLink]:
        return list(self._neighbours.values())

    def addresses(self) -> list[Address]:
        return list(self._neighbours)

    def known(self) -> list[Address]:
        """Return known addresses that are no neighbours: by IP, the latest of each first."""
        return in_turns(reversed(self._known))

    def lacks_neighbours(self) -> bool:
        return len(self._neighbours) < self._config.min_degree

    def forget(self, address: Address) -> None:
        """Drop an address that cannot be reached."""
        self._known.pop(address, None)

    def _note_degree(self) -> None:
        self._write(f"degree:{self._own}=>{len(self._neighbours)}")

    def _free_for(self, teller: Address | None) -> int:
        """Return how many places may go to addresses from `teller`. These are half of the places
        that others leave free, less those filled already; but one while neighbours are too few."""
        tellers = [link.teller for link in self._neighbours.values()]
        tellers += self._dialling.values()
        taken, filled = len(tellers), tellers.count(teller)
        free = max(0, self._config.degree - taken)
        if teller is None or not free:
            return free
        return max((free + filled) // 2 - filled, int(taken < self._config.min_degree))

    def _note(self, address: Address, teller: Address | None = None) -> None:
        self._known[address] = teller
        self._known.move_to_end(address)
        if len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)


class Handshake(Part):
    """Makes neighbours of strangers: everything between the connection and the view."""

    ANSWERS = {STRANGER: {"hello"}, CHALLENGED: {"hello", "verification_response"},
               DIALLED: {"verification_request"}, DIALLED_BACK: {"verification_request"}}

    def __init__(self, module):
        self._module = module
        self._view = module.view
        self._left_alone = Recent(MOST_LEFT_ALONE)
        self._searches: collections.deque[tuple[PeerLink, int]] = collections.deque()  # and nonces
        self.duty = None  # the duty that calls `work`, once there is one

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
            if not link.proven:
                self._dial_back(peer)

    def _dial_back(self, peer: Address) -> None:
        """Dial a neighbour that dialled us, to prove its address."""
        settings = self._module.settings
        dialled = [link.peer for link in self._module.links() if link.role == DIALLED_BACK]
        if peer not in dialled and len(dialled) < settings.probes_at_once:
            back = self._module.new_link(DIALLED_BACK, peer)
            back.await_line(self._module.now() + settings.probe_limit)
            self._module.dial(back)

    def on_verification_request(self, link: PeerLink, message: VerificationRequest) -> None:
        """Queue work from a peer that we dialled; if we only dialled back, the peer is proven."""
        self._view.prove(link.peer)
        if link.role == DIALLED_BACK:
            link.close("proven")
            return
        link.role = WORKED_FOR
        link.await_no_line()
        self._searches.append((link, message.nonce))
        self.duty.hurry()

    def work(self, now: float) -> float | None:
        """Do the next work that a peer has given; return None when there is none."""
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
        """Make a verified peer a neighbour; return False if a better link to it exists already."""
        link.trust()  # first: a neighbour may have more news waiting than a stranger
        self._module.waiting_room.leave(link)
        if not self._view.admit(peer, link, dialled):
            self._module.disconnect(link, "duplicate", peer)
            return False
        link.role, link.peer = NEIGHBOUR, peer
        self._module.membership.hurry()
        return True

    def is_left_alone(self, peer: Address) -> bool:
        """Return whether a peer did not accept our work in the last LEFT_ALONE seconds."""
        return self._left_alone.get(peer, self._module.now()) is not None

    def on_end(self, link: PeerLink) -> None:
        """Free a dial's place, and leave a peer alone that did not accept our work."""
        if link.role == ANSWERED:
            self._module.write_refusal(link.peer, "it did not take our work: has it more pow_bits?")
            if link.peer not in self._view.addresses():  # else its own dial was sooner
                self._left_alone.put(link.peer, True, self._module.now() + LEFT_ALONE)
        if link.role in (DIALLED, WORKED_FOR, ANSWERED):
            self._view.end_dial(link.peer)


def present_slot(now: float) -> int:
    return int(now // SLOT)
