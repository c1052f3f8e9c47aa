"""Joining: how a peer registers with seeds, and asks them for lists. A part of a peer.

A peer works towards ⌊n/2⌋+1 registrations; the rules are in `registrations` (which seed is tried
next) and in Cadence (when a list is due). What is done with the lists is not handled here.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.node.part import Part
from gossip.seeds.registrations import Registrations

SEED = "a seed"  # the role of a link to one


class Joining(Part):
    """The registrations of one peer."""

    ANSWERS = {SEED: {"registered", "registration_refused"}}

    def __init__(self, node, seeds: list[Address], registration):
        """`registration(seed)` is what a peer says to be listed by that seed."""
        self._node = node
        self._registration = registration
        settings = node.settings
        self.registrations = Registrations(seeds, settings, node.rng)
        self._list_cadence = Cadence(settings.retry_first, settings.liveness_interval, node.now())

    # What is due.

    def keep_registrations(self, now: float) -> None:
        """Give up seeds that do not answer in time, and dial as many as are missing."""
        for link in self.registrations.overdue(now):
            link.close("no answer to register")
        limit = self._node.settings.register_limit + self._node.more_patience()
        for _, link in self.registrations.next_dials(self._link_to, now, limit):
            self._node.dial(link)

    def _link_to(self, seed: Address):
        return self._node.new_link(SEED, seed)

    def ask_for_list(self, now: float) -> bool:
        """When a list is due, ask the seed whose turn it is; False only when it is due and there is
        no seed to ask."""
        if not self._list_cadence.due(now):
            return True
        seed = self.registrations.in_turn()
        if seed is not None:
            seed.send(wire.ASK_PEER_LIST)
        return seed is not None

    def ask_at_once(self) -> None:
        """Ask all seeds for a list now: one seed may not know yet who is missing."""
        if self._list_cadence.at_once(self._node.now()):
            for link in self.links():
                link.send(wire.ASK_PEER_LIST)
        else:
            self.hurry()

    def hurry(self) -> None:
        """Have a list asked for soon: of a seed, or without one of a neighbour."""
        if self._list_cadence.hurry(self._node.now()):
            self._node.membership.hurry()  # it may sleep for longer

    def next_at(self) -> float:
        """When a registration or a list is due next."""
        due = [self.registrations.next_at(), self._list_cadence.next_at()]
        return min(moment for moment in due if moment is not None)

    def links(self) -> list:
        """The links to the seeds that list this peer."""
        return [link for _, link in self.registrations.links()]

    def has_seed(self) -> bool:
        """Whether a seed lists this peer."""
        return bool(self.registrations.links())

    def next_round(self) -> None:
        """Repeat `register:` on each registration; a seed that is silent is given up."""
        repeat, silent, withheld = self.registrations.next_round(self._node.is_late())
        self._node.withhold(withheld)
        for link in repeat:
            self._register(link)
        for link in silent:
            link.close("silent")

    def report(self, report: wire.DeadNode) -> None:
        """Report a death to every seed that this peer is registered with."""
        links = self.registrations.links()
        self._node.output.write(*[f"reported:{seed}:{report.line}" for seed, _ in links])
        for _, link in links:
            link.send(wire.dead_node(report))

    def probed(self, seed: Address, ip: str) -> None:
        """Somebody at this IP has probed this peer, and says that it is that seed. Maybe another
        connection wants this peer's registration: repeat `register:`, so that it stands."""
        link = self.registrations.probed(seed, self._node.now()) if seed.ip == ip else None
        if link is not None:
            self._register(link)

    # What seeds say.

    def on_up(self, link) -> None:
        """A seed is connected: ask it to list this peer."""
        if link.role == SEED:
            self._register(link)

    def _register(self, link) -> None:
        link.send(self._registration(link.peer))

    def on_registered(self, link, message: wire.Registered) -> None:
        """A seed has listed this peer: ask for its list now, and soon again."""
        if self.registrations.answered(link.peer, link):
            self._node.output.write(f"registered:{link.peer}")
            link.send(wire.ASK_PEER_LIST)
            self._list_cadence.begin(self._node.now())
            self._node.membership.hurry()

    def on_registration_refused(self, link, message: wire.RegistrationRefused) -> None:
        """A seed has not listed this peer: it is tried again later."""
        self._node.disconnect(link, f"registration refused: {message.reason}")

    def on_end(self, link) -> None:
        """The link to a seed has ended: another seed, or later the same, takes its place."""
        if link.role != SEED:
            return
        if (self.registrations.ended(link.peer, link, link.reason, self._node.now())
                and not self._node.leaving):
            self._node.output.write(f"unregistered:{link.peer}:{link.reason}")
        self._node.membership.hurry()


class Cadence:
    """Due after `first` seconds, then after pauses that double up to `rest`, e.g. 0.5, 1, 2, 4, 4;
    `begin`, `hurry` and `at_once` begin again with `first`."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._delay = self._first
        self._next_at = now + self._delay
        self._last_at_once, self._pause = float("-inf"), self._first

    def begin(self, now: float) -> None:
        """The pauses begin again. What was due already is done with."""
        if self._next_at <= now:
            self._next_at = now + self._first
        self._hasten(now)

    def _hasten(self, now: float) -> None:
        """Be due after the first pause at the latest."""
        self._delay = self._first
        self._next_at = min(self._next_at, now + self._delay)

    def at_once(self, now: float) -> bool:
        """Something is missing: return whether to ask for it now. If so, the pauses begin again. If
        that comes again and again, it is so after pauses of their own, which double, too, until
        nothing was missing for twice as long as the longest."""
        quiet = now - self._last_at_once
        if quiet < self._pause:
            return False
        self._pause = (self._first if quiet > 2 * self._rest
                       else min(self._rest, 2 * self._pause))
        self._last_at_once = now
        self._hasten(now)
        return True

    def hurry(self, now: float) -> bool:
        """Something changed: be due soon; False when the pauses are short anyway."""
        if self._delay < self._rest:
            return False
        self._hasten(now)
        return True

    def due(self, now: float) -> bool:
        """Return whether it is due; if so, the next pause begins."""
        if now < self._next_at:
            return False
        self._delay = min(self._rest, self._delay * 2)
        self._next_at = now + self._delay
        return True

    def next_at(self) -> float:
        """When it is due next."""
        return self._next_at
