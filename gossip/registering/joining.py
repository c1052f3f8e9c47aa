"""Joining: the part of a peer that registers, and requests lists.

The aim is always ⌊n/2⌋+1 registrations, with seeds picked at random. A seed that refuses, is down
or says nothing rests, and another takes its place. overlay/peer_list.py takes the lists.
"""

import math

from gossip import wire
from gossip.addresses import Address, Target
from gossip.node.part import Part
from gossip.settings import Settings, majority
from gossip.tools import Backoff, Recent

SEED = "a seed"  # the role of a link to one
REASONS = 10  # reasons of refusals that are remembered of a seed
REPEAT_PAUSE = 1.0  # seconds at least between two `register:` that a seed's probes cause


class _Registration:
    def __init__(self, settings: Settings):
        self.link = None  # the connection, from its dial to its end
        self.registered = False  # the seed has confirmed it on this link
        self.due = 0.0  # by when the seed has to answer `register:`
        self.reason = ""  # of the last failure
        self.refusals = Recent(REASONS)  # reasons since it was registered
        self.rest = Backoff(settings.retry_first, settings.retry_last)
        self.unanswered = 0  # rounds in a row without an answer to `register:`
        self.repeated = -math.inf  # when a probe has had it repeated on this link last


class Joining(Part):
    """The registrations of a peer, which it requests by `registration(seed)`."""

    ANSWERS = {SEED: {"registered", "registration_refused"}}

    def __init__(self, node, seeds: list[Target], registration):
        self._node, self._registration, settings = node, registration, node.settings
        self.wanted = majority(len(seeds))  # registrations
        self._rows = {seed: _Registration(settings) for seed in seeds}  # by lines of config.txt
        self._turn = 0  # counts questions for the list: seeds are asked in turn
        self._list_cadence = Cadence(settings.retry_first, settings.liveness_interval, node.now())

    def keep_registrations(self, now: float) -> None:
        """Give up seeds that do not answer in time, which may be read late. Dial as many as are
        missing."""
        node, patience = self._node, self._node.more_patience()
        for row in self._rows.values():
            if row.link is not None and not row.registered and row.due + patience <= now:
                row.link.close("no answer to register")
        rested = [seed for seed, row in self._rows.items()
                  if row.link is None and row.rest.due <= now]
        for seed in node.rng.sample(rested, max(0, min(self._missing(), len(rested)))):
            link = self._rows[seed].link = node.new_link(SEED, seed)
            self._rows[seed].due = now + node.settings.register_limit + patience
            node.dial(link)

    def _missing(self) -> int:
        return self.wanted - sum(row.link is not None for row in self._rows.values())

    def ask_for_list(self, now: float) -> bool:
        """Ask the seed whose turn it is, if a list is due. Return False without a seed."""
        if not self._list_cadence.due(now):
            return True
        links = self.links()
        self._turn += 1
        if links:
            links[self._turn % len(links)].send(wire.ASK_PEER_LIST)
        return bool(links)

    def ask_at_once(self) -> None:
        """Ask all seeds for a list now. Some may lack a new peer."""
        if self._list_cadence.at_once(self._node.now()):
            for link in self.links():
                link.send(wire.ASK_PEER_LIST)
        else:
            self.hurry()

    def hurry(self) -> None:
        """Request a list soon, from a seed or else from a neighbour."""
        if self._list_cadence.hurry(self._node.now()):
            self._node.membership.hurry()  # it may sleep for longer

    def next_at(self) -> float:
        rows, is_missing = self._rows.values(), self._missing() > 0
        patience = self._node.more_patience()
        return min([self._list_cadence.next_at,
                    *(row.due + patience for row in rows
                      if row.link is not None and not row.registered),
                    *(row.rest.due for row in rows if row.link is None and is_missing)])

    def links(self) -> list:
        """Return the links to the seeds that list this peer."""
        return [row.link for row in self._rows.values() if row.registered]

    def asked(self) -> list:
        """Return the links to seeds that list this peer, or may be about to."""
        return [row.link for row in self._rows.values() if row.link is not None and row.link.remote]

    def has_seed(self) -> bool:
        return bool(self.links())

    def next_round(self, late: bool) -> None:
        """Repeat `register:` at each seed. Give up silent seeds, unless this peer was late."""
        for row in [row for row in self._rows.values() if row.registered]:
            if late and row.unanswered:
                self._node.withhold()
            row.unanswered += not late
            if row.unanswered > self._node.settings.register_misses:
                row.link.close("silent")
            else:
                row.link.send(self._registration(row.link.peer))

    def report(self, report: wire.DeadNode, *events: str) -> bool:
        """Report a death to the seeds, and write that down behind `events`, together, so that a
        terminal tells them in a sentence. Return False if nothing is written any more."""
        links, text, line = self.links(), report.line, wire.dead_node(*report)
        events += tuple(f"reported:{link.peer}:{text}" for link in links)
        if not self._node.output.write(*events):
            return False
        for link in links:
            link.send(line)
        return True

    def probed(self, seed: Address, ip: str) -> None:
        """Repeat `register:` at a seed that probed this peer: others may want its address."""
        now = self._node.now()
        for row in self._rows.values():
            link = row.link  # which may end meanwhile, because this is called outside of turns, too
            if (seed.ip == ip and row.registered and link is not None and link.peer == seed
                    and now - row.repeated >= REPEAT_PAUSE):
                row.repeated = now
                link.send(self._registration(seed))

    # What seeds say.

    def on_up(self, link) -> None:
        """Register with a seed, unless another line of config.txt leads there."""
        if link.role != SEED:
            return
        if self._node.leaving:
            link.close("leaving")
            return
        for other in [row.link for row in self._rows.values() if row.link not in (None, link)]:
            if other.peer == link.peer and not other.ended:
                # the name is written down, because the registration at the address does not end
                link.peer, line = sorted((link.target, other.target),
                                         key=lambda line: isinstance(line, Address))
                link.close(f"leads to {other.peer}, as {line} does")
                return
        link.send(self._registration(link.peer))

    def on_registered(self, link, message: wire.Bare) -> None:
        """Ask a seed that listed this peer for its list."""
        row = self._rows[link.target]
        is_news = not row.registered
        row.registered, row.reason, row.unanswered = True, "", 0
        row.refusals = Recent(REASONS)
        if not is_news:
            row.rest.reset()  # it has stood for a while; a seed that hangs up at once rests longer
        else:
            self._node.output.write(f"registered:{link.peer}")
            link.send(wire.ASK_PEER_LIST)
            self._list_cadence.begin(self._node.now())
            self._node.membership.hurry()

    def on_registration_refused(self, link, message: wire.RegistrationRefused) -> None:
        """Retry a seed later that has not listed this peer. Count repeated reasons."""
        row, reason = self._rows[link.target], f"registration refused: {message.reason}"
        if row.refusals.add(reason, True):
            self._node.disconnect(link, reason)
        else:
            self._node.counters.add("repeated refusals of seeds")
            row.reason = reason
            link.close(reason)

    def on_end(self, link) -> None:
        """Replace a seed whose link has ended. A repeated reason is no news."""
        if link.role != SEED:
            return
        node, row = self._node, self._rows[link.target]
        if (row.registered or link.reason != row.reason) and not node.leaving:
            node.output.write(f"unregistered:{link.peer}:{link.reason}")
        row.registered, row.link, row.reason = False, None, link.reason
        row.unanswered, row.repeated = 0, -math.inf
        row.rest.failed(node.now(), node.rng.uniform(0.5, 1.0))
        node.membership.hurry()


class Cadence:
    """Pauses that begin with `first` seconds and double up to `rest`, e.g. 0.5, 1, 2, 4, 4.
    `begin`, `hurry` and `at_once` begin again with `first`."""

    def __init__(self, first: float, rest: float, now: float):
        self._first, self._rest = min(first, rest), rest
        self._urgent = Backoff(first, rest)  # between calls of `at_once` that are followed
        self.begin(now)

    def begin(self, now: float) -> None:
        self._delay, self.next_at = self._first, now + self._first

    def at_once(self, now: float) -> bool:
        """Return whether to ask now; if so, the pauses begin again. Repeated calls back off as
        well, until none was followed for twice the longest pause."""
        if now < self._urgent.due:
            return False
        if now > self._urgent.due + self._rest:
            self._urgent.reset()
        self._urgent.failed(now)
        self.begin(now)
        return True

    def hurry(self, now: float) -> bool:
        """Be due soon. Return False if the pauses are short anyway."""
        if self._delay < self._rest:
            return False
        self._delay, self.next_at = self._first, min(self.next_at, now + self._first)
        return True

    def due(self, now: float) -> bool:
        """Return whether a list is due; if so, the next pause begins."""
        if now < self.next_at:
            return False
        self._delay = min(self._rest, self._delay * 2)
        self.next_at = now + self._delay
        return True
