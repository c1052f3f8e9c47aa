"""Deciding: the part of a seed that finds and kicks malicious peers.

Once a period the seed judges its own subjects by their rows (verdicts.py), and exchanges verdicts
with all other seeds. A guilty peer is kicked: every seed takes the peer off its list, refuses it
for the time of a ban, and tells its registered peers. A peer whose neighbour rarely names it is
warned by the seeds that list it. The part `keeping` has the rows and the links to other seeds.
"""

import bisect
import math
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address, is_loopback
from gossip.monitoring import grammar
from gossip.monitoring.other_seeds import SPEAKER
from gossip.monitoring.verdicts import PAIRED_FROM, Case, Found, Guilt, evaluate
from gossip.node.part import Part
from gossip.registering.admission import REGISTERED
from gossip.signing.grammar import Contradiction
from gossip.tools import Rate, Recent

SUBJECTS = 500  # judged in one turn; the others in the next
BELIEVED = 3  # periods for which the verdicts of a seed count, unless newer ones come
REMEMBERED = 10_000  # bans, warnings, and runs that have contradicted themselves
PROOFS, PROOFS_AT_ONCE = 0.2, 100  # kicks by contradictions in one account: a second, beyond these


class Ban(NamedTuple):
    """A peer that is refused, until when, and its badness."""

    address: Address
    until: float
    badness: float

    @property
    def reason(self) -> str:
        return f"malicious:{self.badness:.3f}"

    def line(self, now: float) -> bytes:
        return grammar.kick(self.address, self.badness, self.until - now)


class Deciding(Part):
    """The verdicts of one seed, and the bans that it enforces."""

    ANSWERS = {REGISTERED: {"contradiction"}, SPEAKER: {"verdicts", "kick", "contradiction"}}

    def __init__(self, node, keeping):
        self._node, self._keeping = node, keeping
        self._period = node.settings.report_interval
        self._cheats = Recent(REMEMBERED)  # run that has contradicted itself -> True
        # kicks by contradictions: in the account of the run's IP, because its owner can make ever
        # more runs; on loopback in that of who tells
        self._proofs = Rate(PROOFS, PROOFS_AT_ONCE)
        self._bans = Recent(REMEMBERED)  # address -> Ban
        self._warned = Recent(REMEMBERED)  # (peer, neighbour that rarely names it) -> True
        # seed -> (when its verdicts began to come, all of that period)
        self._told: dict[Address, tuple[float, grammar.Verdicts]] = {}
        self._found = Recent(REMEMBERED)  # address -> (badness, if judged; whether it is void)
        self._last: tuple = ()  # the subject that was judged last
        # (peer, neighbour that rarely names it), as found when the peer was judged last
        self._doubted: set[tuple[Address, Address]] = set()
        self._verdicts = b""  # lines of the last turn

    def turn(self, now: float) -> None:
        """Judge, tell the other seeds, and convict, once a period."""
        banned = self._bans.all(now)
        told = [message for at, message in self._told.values()
                if now - at < BELIEVED * self._period]
        due, waiting = self._in_turn(now)
        cases = [Case(subject, self._keeping.rows_of(subject), now, self._period, banned)
                 for subject in due if subject not in banned]
        void_before = [peer for peer, (_, is_void) in self._found.all(now).items() if is_void]
        before = self._found_before({*banned, *(case.subject for case in cases)}, now)
        found = evaluate(cases, [before, *told], void_before)
        if now - self._keeping.tending.behind < PAIRED_FROM * self._period:
            found.unconfirmed.clear()  # rows that name a peer may still be on their way
        pairs = {pair for pair in found.unconfirmed if not self._keeping.late.get(pair[0], now)
                 and not self._keeping.is_silent(pair[1], now)}
        # only what was found twice, because rows that were late come one after the other
        found.unconfirmed[:] = sorted(pairs & self._doubted)
        self._doubted = {pair for pair in self._doubted if pair[0] in waiting} | pairs
        for peer in [case.subject for case in cases]:
            self._found.put(peer, (found.judged.get(peer), peer in found.void),
                            now + BELIEVED * self._period)
        self._verdicts = _lines(found, before)
        self._keeping.links.to_all(self._verdicts)
        if found.judged:
            self._node.output.write("judged:" + " ".join(
                f"{peer.listed}={badness:.3f}" for peer, badness in found.judged.items()))
        self._warn(found.unconfirmed, now)
        for subject, guilt in found.guilty.items():
            self._convict(subject, guilt, now)

    def _in_turn(self, now: float) -> tuple[list[Address], set[Address]]:
        """Return the subjects to judge now, after those of the last turn, and the others."""
        subjects = self._keeping.judged_here(now)
        after = bisect.bisect_right(subjects, self._last)
        ordered = [*subjects[after:], *subjects[:after]]
        due = ordered[:SUBJECTS]
        self._last = due[-1] if due else self._last
        return due, set(ordered[SUBJECTS:])

    def _found_before(self, newer, now: float) -> grammar.Verdicts:
        """Return the last verdicts on peers that are not judged now, because it is not their turn
        or their rows have moved."""
        for peer in newer:
            self._found.pop(peer)
        found = self._found.all(now).items()
        judged = tuple((peer, badness) for peer, (badness, _) in found if badness is not None)
        void = tuple(peer for peer, (_, is_void) in found if is_void)
        return grammar.Verdicts(0, judged, void, ())

    def _convict(self, subject: Address, guilt: Guilt, now: float) -> None:
        """Kick a peer that this seed found guilty, and tell all seeds."""
        seconds = self._node.settings.ban
        rates = " ".join(f"{reporter.listed}={rate:.3f}"
                         for reporter, rate in sorted(guilt.rates.items()))
        if self._kick(Ban(subject, now + seconds, guilt.badness), now,
                      f"verdict:{subject}:{guilt.badness:.3f}:{rates}"):
            self._keeping.links.to_all(grammar.kick(subject, guilt.badness, seconds))

    # What other seeds say, and peers of contradictions.

    def on_contradiction(self, link, message: Contradiction) -> None:
        """Kick a peer if its latest run has contradicted itself. Contradictions of its other runs
        are taken from seeds alone, so that such a run cannot be registered here later."""
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        now, address = self._node.now(), wire.check_run(message.run)
        is_latest = message.run == self._node.vouching.latest_run(address)
        if not is_latest and link.role != SPEAKER:
            self._node.counters.add("contradictions of runs that are not at their address")
            return
        if self._cheats.get(message.run):
            return
        message.verify()  # once for each run, because a bad signature ends the link
        self._cheats.put(message.run, True)
        account = link.peer if is_loopback(address) else address.ip
        if not is_latest:
            return
        if link.role == SPEAKER or self._proofs.spend(now, key=account):
            self._keeping.links.to_all(message.line + b"\n")
            for registered in self._node.registry.links():
                registered.send(message.line + b"\n")
            line, until = message.line.decode(), now + self._node.settings.ban
            if not self._kick(Ban(address, until, 1.0), now, line):
                self._node.output.write(line)  # it was banned already, but this is new
        else:
            self._node.counters.add("contradictions too many")

    def on_verdicts(self, link, message: grammar.Verdicts) -> None:
        """Take the verdicts of another seed, from one line or several."""
        now = self._node.now()
        at, before = self._told.get(link.peer, (-math.inf, message))
        if now - at >= self._period / 2:
            self._told[link.peer] = now, message
        else:
            joined = [some + more for some, more in zip(before[1:], message[1:])]
            self._told[link.peer] = at, grammar.Verdicts(message.known, *joined)
        self._warn(message.unconfirmed, now)

    def on_kick(self, link, message: grammar.Kick) -> None:
        if message.seconds is None:
            raise wire.WireError("a kick between seeds names the seconds")
        now = self._node.now()
        until = now + min(message.seconds, self._node.settings.ban)
        self._kick(Ban(message.address, until, message.badness), now)

    def said_first(self) -> bytes:
        return self._kicks(self._node.now()) + self._verdicts

    # Called by the seed, about registrations.

    def is_banned(self, address: Address, now: float) -> bool:
        """Return whether a peer is shut out, so its rows are dropped."""
        return self._bans.get(address, now) is not None

    def refusal(self, address: Address, now: float) -> str | None:
        """Return why an address must not be registered now, or None."""
        ban = self._bans.get(address, now)
        return None if ban is None else (
            f"kicked as malicious, again in {math.ceil(ban.until - now)} s")

    def fault_of(self, address: Address) -> str | None:
        """Return why an address's latest run is never registered, or None."""
        is_cheat = self._cheats.get(self._node.vouching.latest_run(address))
        return f"the run of {address} has contradicted itself" if is_cheat else None

    def on_registered(self, address: Address, link) -> None:
        """Tell a peer that was just registered which peers are shut out."""
        now = self._node.now()
        ban = self._bans.get(address, now)
        if ban is not None:  # it was kicked while it was being registered
            self._remove(ban, now)
        elif kicks := self._kicks(now):
            link.send(kicks)

    # A kick, and a warning.

    def _kick(self, ban: Ban, now: float, *verdict: str) -> bool:
        """Ban a peer and tell all peers. Return whether that is news."""
        if not self._bans.add(ban.address, ban, now, ban.until):
            return False
        self._node.output.write(*verdict)
        if not self._remove(ban, now):
            self._node.output.write(f"removed:{ban.address}:{ban.reason}")
        self._keeping.forget(ban.address)
        for link in self._node.registry.links():
            link.send(ban.line(now))
        return True

    def _remove(self, ban: Ban, now: float) -> bool:
        registry = self._node.registry
        return registry.remove(registry.row(ban.address), ban.reason, now, ban.line(now))

    def _kicks(self, now: float) -> bytes:
        return b"".join(ban.line(now) for ban in self._bans.all(now).values())

    def _warn(self, pairs, now: float) -> None:
        """Tell peers which neighbours rarely name them, once per ban."""
        for peer, neighbour in pairs:
            row, until = self._node.registry.row(peer), now + self._node.settings.ban
            if (row is not None and row.link is not None
                    and self._warned.add((peer, neighbour), True, now, until)):
                row.link.send(grammar.unconfirmed(neighbour))


def _lines(found: Found, before: grammar.Verdicts) -> bytes:
    """Return verdicts for the other seeds, in as few lines as possible."""
    kinds = ([*found.judged.items(), *before.judged], [*found.void, *before.void],
             found.unconfirmed)
    size = grammar.JUDGED_LIMIT
    return b"".join(grammar.verdicts(found.known, *(values[at: at + size] for values in kinds))
                    for at in range(0, max(1, *map(len, kinds)), size))
