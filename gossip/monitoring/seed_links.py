"""Links between seeds that have proved their addresses, for keeping.py.

For each pair of seeds there are two links, one in each direction: the dialler speaks, the other
end listens. Whether the dialler is the seed that it claims to be is found out by dialling back:

    A to B, on a link that A has dialled      seed:A:to B:NONCE
    B to A, on a link of its own              seed check:B:NONCE
    A to B, in answer to that                 seed checked:NONCE
    B to A, on the first link                 seed checked:NONCE

Only then may A say anything else. A confirms to B only a NONCE that it said to B, because a program
on the port of a seed that is down is told nonces, too, and could repeat them to another seed. Lines
are lost while there is no such link; `said_first` repeats on each new link what must not be lost.
"""

import secrets

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.tools import Backoff

# Roles of a link, as this seed sees the other end.
SPEAKER = "another seed"  # it has proved that
UNCHECKED = "a seed that has not proved it"
ASKED = "a seed that is asked whether it dialled"
LISTENER = "a seed that listens"

CHECKS_AT_ONCE = 64  # of links that claim to be the same seed
FIRST_PAUSE, LAST_PAUSE = 0.25, 2.0  # seconds between two dials
NEVER = float("-inf")


class _Way:
    """The links to and from one other seed."""

    def __init__(self):
        self.link = None  # that this seed has dialled, from its dial to its end
        self.dialled = 0.0  # when
        self.nonce = ""  # said on it
        self.open = False  # the other end listens
        self.retry = Backoff(FIRST_PAUSE, LAST_PAUSE)
        self.heard_on = None  # the link on which the other seed speaks, also after its end

    def has_said(self, nonce: str) -> bool:
        """Return whether the other end is still to confirm this nonce."""
        return self.link is not None and not self.open and self.nonce == nonce

    def heard(self) -> float:
        """Return when something came from the other seed last."""
        return NEVER if self.heard_on is None else self.heard_on.heard


class SeedLinks(Part):
    """The links of one seed to the others."""

    ANSWERS = {
        WAITING: {"seed_hello", "seed_check"}, ASKED: {"seed_checked"}, LISTENER: {"seed_checked"},
    }

    def __init__(self, node, seeds: list[Address], said_first):
        """`said_first(seed)` makes what is said first on each new link."""
        self._node = node
        self._said_first = said_first
        self._duty = None  # from `begin` on
        self._ways = {seed: _Way() for seed in seeds}
        self._checks: dict = {}  # link to a seed that is asked -> (link that is checked, nonce)

    def begin(self) -> None:
        """Keep the links from now on."""
        self._duty = self._node.keep("seed links", self.dial_missing)

    # For the seed that speaks.

    def dial_missing(self, now: float) -> float | None:
        """Dial seeds without a link whose pause is over."""
        for seed, way in self._ways.items():
            if way.link is None and way.retry.due <= now:
                way.link = self._node.new_link(LISTENER, seed)
                way.dialled, way.nonce = now, secrets.token_hex(16)
                self._node.dial(way.link)
        return min((way.retry.due for way in self._ways.values() if way.link is None), default=None)

    def on_up(self, link) -> None:
        """Introduce this seed on a dialled link, or ask the other end."""
        if link.role == ASKED:
            link.send(grammar.seed_check(self._node.address, self._checks[link][1]))
        elif link.role == LISTENER:
            link.await_line(self._node.now() + self._node.settings.introduction_limit)
            nonce = self._ways[link.peer].nonce
            link.send(grammar.seed_hello(self._node.address, link.peer, nonce))

    def on_seed_check(self, link, message: grammar.SeedCheck) -> None:
        """Confirm to a seed that this seed has dialled it."""
        way = self._ways.get(message.address)
        if way is None or not way.has_said(message.nonce):
            raise wire.WireError(f"this seed has not said that to {message.address}")
        link.send(grammar.seed_checked(message.nonce))

    def send(self, seed: Address, lines: bytes) -> None:
        """Say something to another seed, if it listens."""
        way = self._ways[seed]
        if way.open and lines:
            way.link.send(lines)

    def to_all(self, lines: bytes) -> None:
        """Say something to every other seed that listens."""
        for seed in self._ways:
            self.send(seed, lines)

    # For the seed that listens.

    def on_seed_hello(self, link, message: grammar.SeedHello) -> None:
        """Dial the seed that a link claims to come from, and ask."""
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        if message.address not in self._ways or message.address.ip != link.remote_ip:
            raise wire.WireError(f"{message.address} is no seed of this network, or not its IP")
        if message.to != self._node.address:
            raise wire.WireError(f"meant for {message.to}")
        now, settings = self._node.now(), self._node.settings
        if sum(check.peer == message.address for check in self._checks) >= CHECKS_AT_ONCE:
            raise wire.WireError(f"too many say that they are {message.address}")
        check = self._node.new_link(ASKED, message.address)
        self._checks[check] = link, message.nonce
        link.role = UNCHECKED
        link.await_line(now + settings.introduction_limit)  # nothing may come before the check ends
        check.await_line(now + settings.probe_limit)
        self._node.dial(check)

    def on_seed_checked(self, link, message: grammar.SeedChecked) -> None:
        """Accept a seed as a speaker, or begin to speak to it."""
        if link.role == LISTENER:
            self._open(link, message.nonce)
            return
        checked, nonce = self._checks[link]
        if message.nonce != nonce:
            raise wire.WireError("another nonce than was asked for")
        link.close("checked")
        if checked.ended:
            return
        self._node.introduced(checked, SPEAKER, link.peer)
        way = self._ways[link.peer]
        older, way.heard_on = way.heard_on, checked
        if older is not None:
            older.close("another link of this seed")
        checked.send(grammar.seed_checked(nonce))

    def _open(self, link, nonce: str) -> None:
        """Begin to speak to a seed that listens, with `said_first`."""
        way = self._ways[link.peer]
        if way.link is not link or not way.has_said(nonce):
            raise wire.WireError("another nonce than was said, or said again")
        link.trust()
        link.hold()
        way.open = True
        way.retry.reset()
        link.release(self._said_first(link.peer))

    # For both.

    def heard(self, seed: Address) -> float:
        """Return when something came from another seed last."""
        return self._ways[seed].heard()

    def drop_silent(self, since: float) -> None:
        """End old links to silent seeds, because bytes may go nowhere."""
        for way in self._ways.values():
            if way.link is not None and max(way.dialled, way.heard()) < since:
                way.link.close("silent")

    def on_end(self, link) -> None:
        """Retry after a pause, if this seed had dialled the link."""
        checked, _ = self._checks.pop(link, (None, ""))
        if checked is not None and checked.role == UNCHECKED and not checked.ended:
            self._node.disconnect(checked, f"{link.peer} has not said that it dialled")
        way = self._ways.get(link.peer)
        if way is not None and way.link is link:
            way.link, way.open = None, False
            way.retry.failed(self._node.now(), self._node.rng.uniform(0.5, 1.0))
            self._duty.hurry()
