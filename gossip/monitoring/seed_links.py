"""Links between seeds that have proved who they are. A part of what keeps rows (keeping.py).

For each pair of seeds there are two links, one in each direction: who dials it speaks, the other
end listens. Whether the dialler is who it says, is found out by dialling back:

    A to B, on a link that A has dialled      seed:A:NONCE
    B to A, on a link of its own              seed check:NONCE
    A to B, in answer to that                 seed checked:NONCE
    B to A, on the first link                 seed checked:NONCE

From then on A speaks, and B takes what it says. Before that nothing may be said, so there is
nothing to hold. A dials again for ever, after pauses that double from 0.25 to 2 seconds.

What is sent while there is no such link is lost; whoever must not lose it says it again when a new
link stands, by `said_first`. Link readers and two duties of a seed call this.
"""

import secrets
import threading

from gossip import wire
from gossip.addresses import Address

# Roles of a link, as this seed sees the other end.
SPEAKER = "another seed"  # it has proved that
UNCHECKED = "a seed that has not proved it"
ASKED = "a seed that is asked whether it dialled"
LISTENER = "a seed that listens"
ROLES = {SPEAKER, UNCHECKED, ASKED, LISTENER}

CHECKS_AT_ONCE = 64  # of those who say that they are the same seed
FIRST_PAUSE, LAST_PAUSE = 0.25, 2.0  # seconds between two dials


class _Way:
    """The links to and from one other seed."""

    __slots__ = ("link", "dialled", "nonce", "open", "pause", "dial_at", "heard_on",
                 "heard_before")

    def __init__(self):
        self.link = None  # that this seed has dialled, from its dial to its end
        self.dialled = 0.0  # when
        self.nonce = ""  # said on it
        self.open = False  # the other end listens
        self.pause = FIRST_PAUSE  # before the next dial
        self.dial_at = 0.0
        self.heard_on = None  # the link on which the other seed speaks, also after its end
        self.heard_before = 0.0  # when something came on the link before that


class SeedLinks:
    """The links of one seed to the others. `said_first(seed)` makes what is said first on each new
    one."""

    def __init__(self, node, seeds: list[Address], said_first):
        self._node = node
        self._said_first = said_first
        self._duty = None  # from `begin` on
        self._lock = threading.Lock()  # guards everything below
        self._ways = {seed: _Way() for seed in seeds}
        self._checks: dict = {}  # link to a seed that is asked -> (link that is checked, nonce)

    def begin(self) -> None:
        """Keep the links from now on."""
        self._duty = self._node.keep("seed links", self.dial_missing)

    # For the seed that speaks.

    def dial_missing(self, now: float) -> float | None:
        """A turn: dial the seeds to which there is no link, if they are due."""
        with self._lock:
            due = [seed for seed, way in self._ways.items()
                   if way.link is None and way.dial_at <= now]
        links = [self._node.new_link(LISTENER, seed) for seed in due]
        with self._lock:
            for link in links:
                way = self._ways[link.peer]
                way.link, way.dialled, way.nonce = link, now, secrets.token_hex(16)
        for link in links:
            self._node.dial(link)
        with self._lock:
            return min((way.dial_at for way in self._ways.values() if way.link is None),
                       default=None)

    def on_up(self, link) -> None:
        """A link stands; its other end is asked to check who has dialled it."""
        if link.role == ASKED:
            with self._lock:
                _, nonce = self._checks[link]
            link.send(wire.seed_check(nonce))
            return
        link.await_line(self._node.now() + self._node.settings.introduction_limit)
        with self._lock:
            nonce = self._ways[link.peer].nonce
        link.send(wire.seed_hello(self._node.address, nonce))

    def on_seed_check(self, link, message: wire.SeedCheck) -> None:
        """A seed asks whether this one has dialled it."""
        with self._lock:
            said = any(way.link is not None and not way.open and way.nonce == message.nonce
                       for way in self._ways.values())
        if not said:
            raise wire.WireError("this seed has not said that")
        link.send(wire.seed_checked(message.nonce))

    def send(self, seed: Address, lines: bytes) -> None:
        """Say something to another seed, if it listens."""
        with self._lock:
            way = self._ways[seed]
            link = way.link if way.open else None
        if link is not None and lines:
            link.send(lines)

    def to_all(self, lines: bytes) -> None:
        """Say something to every other seed that listens."""
        for seed in self._ways:
            self.send(seed, lines)

    # For the seed that listens.

    def on_seed_hello(self, link, message: wire.SeedHello) -> None:
        """Somebody says that it is another seed. Dial that one, and ask."""
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        if message.address not in self._ways or message.address.ip != link.remote_ip:
            raise wire.WireError(f"{message.address} is no seed of this network, or not its IP")
        with self._lock:
            checks = sum(check.peer == message.address for check in self._checks)
        if checks >= CHECKS_AT_ONCE:
            raise wire.WireError(f"too many say that they are {message.address}")
        link.role = UNCHECKED
        now, settings = self._node.now(), self._node.settings
        link.await_line(now + settings.introduction_limit)  # nothing may come: it is over by then
        check = self._node.new_link(ASKED, message.address)
        check.await_line(now + settings.probe_limit)
        with self._lock:
            self._checks[check] = link, message.nonce
        self._node.dial(check)

    def on_seed_checked(self, link, message: wire.SeedChecked) -> None:
        """A seed has said who it is; or, on a link that this seed has dialled, listens now."""
        if link.role == LISTENER:
            self._open(link, message.nonce)
            return
        with self._lock:
            checked, nonce = self._checks[link]
        if message.nonce != nonce:
            raise wire.WireError("another nonce than was asked for")
        link.close("checked")
        if checked.ended:
            return
        self._node.introduced(checked, SPEAKER, link.peer)
        self._heard_from(link.peer, checked)
        checked.send(wire.seed_checked(nonce))

    def _open(self, link, nonce: str) -> None:
        """The other end listens: say what comes first, and behind it what others send meanwhile."""
        with self._lock:
            way = self._ways[link.peer]
            said = way.link is link and not way.open and way.nonce == nonce
        if not said:
            raise wire.WireError("another nonce than was said, or said again")
        link.trust()
        link.hold()
        with self._lock:
            way.open, way.pause = True, FIRST_PAUSE
        link.release(self._said_first(link.peer))

    def _heard_from(self, seed: Address, link) -> None:
        """A seed speaks on a new link: the older one ends."""
        with self._lock:
            way = self._ways[seed]
            older, way.heard_on = way.heard_on, link
            if older is not None:
                way.heard_before = older.heard
        if older is not None:
            older.close("another link of this seed")

    def heard(self, seed: Address) -> float | None:
        """When something came from another seed last; None: nothing ever came."""
        with self._lock:
            way = self._ways[seed]
            return None if way.heard_on is None else max(way.heard_on.heard, way.heard_before)

    # For both.

    def drop_silent(self, since: float) -> None:
        """End the links to seeds from which nothing has come after `since`, if they are as old:
        bytes may go nowhere on them."""
        with self._lock:
            links = [way.link for way in self._ways.values()
                     if way.link is not None and way.dialled < since]
        for link in links:
            if (self.heard(link.peer) or 0.0) < since:
                link.close("silent")

    def on_end(self, link) -> None:
        """A link has ended. If this seed spoke on it, it is dialled again after a pause."""
        with self._lock:
            checked = self._checks.pop(link, (None, ""))[0]
            way = self._ways.get(link.peer)
            again = way is not None and way.link is link
            if again:
                way.link, way.open = None, False
                way.dial_at = self._node.now() + way.pause * self._node.rng.uniform(0.5, 1.0)
                way.pause = min(LAST_PAUSE, way.pause * 2)
        if checked is not None and checked.role == UNCHECKED and not checked.ended:
            self._node.disconnect(checked, f"{link.peer} has not said that it dialled")
        if again:
            self._duty.hurry()
