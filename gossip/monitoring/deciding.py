"""Deciding: who is malicious, and how that one is kicked out. A part of a seed.

Once a period the seed judges the subjects whose rows are its own to judge (verdicts.py), and tells
all other seeds what it has found, who tell it the same. It convicts who is guilty: it tells all
seeds, and each of them takes the peer off its list, refuses it for the time of a ban, and tells its
registered peers. A peer whose neighbour never names it is told so by the seeds that list it.

The duty "monitoring" calls `turn`; link readers and verdicts of the prober call the rest. The links
to other seeds, and the rows, are the business of `keeping`; of it this part uses

    judged_here(now)     the subjects that this seed judges     rows_of(peer), rejections(peer)
    to_all(lines)        say something to all other seeds       forget(peer)
"""

import functools
import itertools
import math
import threading
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring.bans import Ban, Bans
from gossip.monitoring.verdicts import Case, Found, Guilt, evaluate

TOGETHER = 500  # of each kind in one line of verdicts, so that the line is not too long
BELIEVED = 3  # periods for which what a seed has told counts, if it tells nothing newer


class Told:
    """What each other seed has told last: one line, or several that came together."""

    def __init__(self, period: float):
        self._period = period
        self._lock = threading.Lock()  # guards _lines
        self._lines: dict[Address, tuple[float, list[wire.Verdicts]]] = {}  # when the first came

    def add(self, seed: Address, message: wire.Verdicts, now: float) -> None:
        """A seed has told this. What it told half a period ago or longer is over."""
        with self._lock:
            at, lines = self._lines.get(seed, (now, []))
            if now - at >= self._period / 2:
                at, lines = now, []
            self._lines[seed] = at, [*lines, message]

    def newest(self, now: float) -> list[wire.Verdicts]:
        """What was told last, of every seed one."""
        with self._lock:
            told = [lines for at, lines in self._lines.values()
                    if now - at < BELIEVED * self._period]
        return [functools.reduce(_joined, lines) for lines in told]


def _joined(one: wire.Verdicts, other: wire.Verdicts) -> wire.Verdicts:
    return wire.Verdicts(other.known, one.judged + other.judged, one.void + other.void,
                         one.unconfirmed + other.unconfirmed)


class Opinion(NamedTuple):
    """What a seed has found about one peer: when (seconds), its badness if it could be judged, and
    whether what it says counts for nothing."""

    at: float
    badness: float | None
    is_void: bool


class Deciding:
    """The verdicts of one seed, and the bans that it enforces."""

    def __init__(self, node, keeping):
        self._node = node
        self._keeping = keeping
        self._period = node.settings.report_interval
        self._bans = Bans()
        self._warned = Bans()  # (peer, neighbour that never names it), of which the peer was told
        self._told = Told(self._period)
        self._found: dict[Address, Opinion] = {}  # what was found last; only `turn` uses it
        self._verdicts = b""  # lines of the last turn; replaced as a whole, so no lock is needed

    # Called by the seed's duty.

    def turn(self, now: float) -> None:
        """A period is over: judge, tell, convict."""
        banned = self._bans.in_force(now)
        cases = [self._case(subject, now, banned) for subject in self._keeping.judged_here(now)
                 if subject not in banned]
        void_before = [peer for peer, opinion in self._found.items() if opinion.is_void]
        before = self._found_before({*banned, *(case.subject for case in cases)}, now)
        found = evaluate(cases, [before, *self._told.newest(now)], void_before)
        self._found.update((case.subject, Opinion(now, found.judged.get(case.subject),
                                                  case.subject in found.void)) for case in cases)
        self._verdicts = _lines(found, before)
        self._keeping.to_all(self._verdicts)
        if found.judged:
            self._node.output.write(_judged(found.judged))
        self._warn(found.unconfirmed, now)
        for subject, guilt in found.guilty.items():
            self._convict(subject, guilt, now)

    def _found_before(self, newer, now: float) -> wire.Verdicts:
        """What was found last about peers that this seed does not decide about just now: while rows
        move it goes on telling that, so that nobody who lies is believed for so long."""
        self._found = {peer: opinion for peer, opinion in self._found.items()
                       if peer not in newer and now - opinion.at < BELIEVED * self._period}
        judged = tuple((peer, opinion.badness) for peer, opinion in self._found.items()
                       if opinion.badness is not None)
        return wire.Verdicts(0, judged, tuple(peer for peer, opinion in self._found.items()
                                              if opinion.is_void), ())

    def _case(self, subject: Address, now: float, banned) -> Case:
        return Case(subject, self._keeping.rows_of(subject), self._keeping.rejections(subject), now,
                    self._period, banned)

    def _convict(self, subject: Address, guilt: Guilt, now: float) -> None:
        """This seed has found out that a peer is malicious."""
        seconds = self._node.settings.ban
        if self._kick(subject, Ban(now + seconds, guilt.badness), now, _verdict(subject, guilt)):
            self._keeping.to_all(wire.kick(subject, guilt.badness, seconds))

    # Called by readers of links to other seeds.

    def on_verdicts(self, link, message: wire.Verdicts) -> None:
        """Another seed tells what it has found."""
        now = self._node.now()
        self._told.add(link.peer, message, now)
        self._warn(message.unconfirmed, now)

    def on_kick(self, link, message: wire.Kick) -> None:
        """Another seed tells who is malicious, and for how long that one is shut out."""
        if message.seconds is None:
            raise wire.WireError("a kick between seeds names the seconds")
        now = self._node.now()
        self._kick(message.address, Ban(now + message.seconds, message.badness), now)

    def said_first(self, seed: Address) -> bytes:
        """What another seed is told on a new link: the bans in force, and what was found last."""
        return self._kicks(self._node.now()) + self._verdicts

    # Called by the seed, about registrations.

    def is_banned(self, address: Address, now: float) -> bool:
        """Whether a peer is shut out; rows about it, or by it, are not kept meanwhile."""
        return self._bans.of(address, now) is not None

    def refusal(self, address: Address, now: float) -> str | None:
        """Why an address must not be registered now; None: it may be."""
        ban = self._bans.of(address, now)
        if ban is None:
            return None
        return f"kicked as malicious, again in {math.ceil(ban.until - now)} s"

    def on_registered(self, address: Address, link) -> None:
        """A peer has been registered on this link: tell it who is shut out. If that is the peer
        itself, it was kicked while it was being registered."""
        now = self._node.now()
        ban = self._bans.of(address, now)
        if ban is not None:
            self._remove(address, ban, now)
        elif kicks := self._kicks(now):
            link.send(kicks)

    # A kick, and a warning.

    def _kick(self, address: Address, ban: Ban, now: float, *verdict: str) -> bool:
        """Shut a peer out, and tell all that are registered; answer whether that was news.
        `verdict` is written down before."""
        if not self._bans.add(address, ban, now):
            return False
        self._node.output.write(*verdict)
        if not self._remove(address, ban, now):
            self._node.output.write(f"removed:{address}:{_reason(ban)}")
        self._keeping.forget(address)
        kick = _kick_line(address, ban, now)
        for link in self._node.registry.links():
            link.send(kick)
        return True

    def _remove(self, address: Address, ban: Ban, now: float) -> bool:
        """Take a peer off the list, tell it why, and hang up; answer whether it was on the list."""
        registry = self._node.registry
        removed, link = registry.remove(address, registry.row(address), _reason(ban), now)
        self._node.output.drain(registry.changes)
        if link is not None:
            link.send(_kick_line(address, ban, now))
            link.close("kicked")
        return removed

    def _kicks(self, now: float) -> bytes:
        return b"".join(_kick_line(address, ban, now)
                        for address, ban in self._bans.in_force(now).items())

    def _warn(self, pairs, now: float) -> None:
        """Tell peers that are registered here of neighbours that never name them, once in the time
        for which they leave such a neighbour alone."""
        for peer, neighbour in pairs:
            row = self._node.registry.row(peer)
            link = None if row is None else row.link
            ban = Ban(now + self._node.settings.ban, 0.0)
            if link is not None and self._warned.add((peer, neighbour), ban, now):
                link.send(wire.unconfirmed(neighbour))


def _judged(badness: dict[Address, float]) -> str:
    """The line about all that were judged in this period."""
    return "judged:" + " ".join(f"{peer.listed}={bad:.3f}" for peer, bad in badness.items())


def _verdict(subject: Address, guilt: Guilt) -> str:
    """The line that is written down where a peer is convicted."""
    rates = " ".join(f"{reporter.listed}={rate:.3f}"
                     for reporter, rate in sorted(guilt.rates.items()))
    return f"verdict:{subject}:{guilt.badness:.3f}:{rates}"


def _reason(ban: Ban) -> str:
    return f"malicious:{ban.badness:.3f}"


def _kick_line(address: Address, ban: Ban, now: float) -> bytes:
    return wire.kick(address, ban.badness, ban.until - now)


def _lines(found: Found, before: wire.Verdicts) -> bytes:
    """What a seed tells the others; one line, unless there is much to tell."""
    parts = [_parts(what) for what in ([*found.judged.items(), *before.judged],
                                       [*found.void, *before.void], found.unconfirmed)]
    lines = itertools.zip_longest(*parts, fillvalue=[])
    return b"".join(wire.verdicts(found.known, *line) for line in lines)


def _parts(values: list) -> list[list]:
    """The values in lists that are short enough for a line; at least one."""
    return [values[at: at + TOGETHER] for at in range(0, max(1, len(values)), TOGETHER)]
