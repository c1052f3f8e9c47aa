"""A seed that judges: it finds malicious peers by the rows that it keeps, and has them kicked.

Once a period it judges the peers whose key it owns (verdicts.py), some at a time, and tells the
other seeds what it has found. A peer that is charged several times, or whose run has
contradicted itself, is kicked: every seed takes it off its list, refuses it for the time of a ban,
and tells its peers. A peer is told which neighbour never names it, so that it leaves that alone.
"""

import math

from grapevine import wire
from grapevine.addresses import Address, Target
from grapevine.asking import Verdict
from grapevine.monitoring import grammar
from grapevine.monitoring.evidence import Contradiction
from grapevine.monitoring.keeping import SPEAKER, KeepingSeed
from grapevine.monitoring.rows import Row
from grapevine.monitoring.tending import SETTLED
from grapevine.monitoring.threaded_tree import key_of
from grapevine.monitoring.verdicts import PAIRED_FROM, Case, Guilt, evaluate
from grapevine.registry import Listing
from grapevine.signing import grammar as signing
from grapevine.signing.proving import ProvenLink, with_more
from grapevine.tools import Accounts, ProtocolError, Recent
from grapevine.seed import REGISTERED

SLICE = 100  # subjects that are judged at a time
CHARGES, WITHIN = 4, 12.0  # until a kick; each so many periods after the last one at most
BELIEVED = 3  # periods for which verdicts count, unless newer ones come
FINDINGS_LIMIT = 10_000  # bans, findings, and runs that have contradicted themselves
PROOFS, PROOFS_AT_ONCE = 0.2, 100  # kicks by contradictions in one account: a second, beyond these
UNTRUE, UNTRUE_PERIODS = 3, 8  # reports of deaths in so many periods, after which a peer is
# disbelieved


class JudgingSeed(KeepingSeed):
    ANSWERS = with_more(KeepingSeed.ANSWERS, {
        REGISTERED: {"contradiction": "on_contradiction"},
        SPEAKER: {"verdicts": "on_verdicts", "charged": "on_charged", "kick": "on_kick",
                  "contradiction": "on_contradiction"}})

    def __init__(self, address: Address, settings, output, world, seeds: list[Target]):
        super().__init__(address, settings, output, world, seeds)
        self._bans = Recent(FINDINGS_LIMIT)  # address -> (until when, badness)
        self._cheats = Recent(FINDINGS_LIMIT)  # run that has contradicted itself -> True
        self._proofs = Accounts(FINDINGS_LIMIT, PROOFS, PROOFS_AT_ONCE)
        self._found = Recent(FINDINGS_LIMIT)  # subject -> (when, outcome or None, if it is void)
        self._known: dict[Address, tuple[float, int]] = {}  # seed -> (when, messages there were)
        self._own: dict[Address, float] = {}  # peer that is judged here -> since when
        self._doubted: set[tuple] = set()  # pairs of these and who never named them, as found last
        self._charges = Recent(FINDINGS_LIMIT)  # subject -> (how many so far, when the last was)
        self._untrue = Recent(FINDINGS_LIMIT)  # peer -> when its last reports of deaths were untrue

    # Judging.

    def monitor(self, now: float) -> float:
        due = super().monitor(now)
        self._own = {peer: self._own.get(peer, now) for peer in self.rows.subjects()
                     if self.tending.tree.owner(key_of(peer)) == self.address}
        self._doubted = {pair for pair in self._doubted if pair[0] in self._own}
        if self.tending.is_awake(now):
            settled = [peer for peer, since in self._own.items()
                       if since <= now - SETTLED * self.period]
            slices = math.ceil(len(settled) / SLICE)
            for at in range(slices):
                self.later(at * self.period / slices, self.judge, settled[at::slices])
        return due

    def judge(self, subjects: list[Address]) -> None:
        """Judge some subjects, tell the other seeds, warn and kick."""
        if self.is_late():
            return
        now = self.now()
        cases = [Case(subject, self.rows.of(subject), now, self.period, self._charged(subject)[1])
                 for subject in subjects if subject in self._own]
        since = now - BELIEVED * self.period
        known = [count for at, count in self._known.values() if at >= since]
        fresh = {peer: found for peer, found in self._found.items() if found[0] >= since}
        found = evaluate(
            cases, known, {peer: badness for peer, (_, badness, _) in fresh.items()
                           if badness is not None},
            {peer for peer, (_, _, is_void) in fresh.items() if is_void})
        self._note(now, found.judged, found.void, [case.subject for case in cases])
        pairs = self._certain(cases, now)
        self.to_all(grammar.say_verdicts(
            found.known, list(found.judged.items()), found.void, pairs))
        if found.judged:
            self.output.write(f"judged:{grammar.RATES.write(found.judged.items())}")
        self.warn(pairs)
        for peer, guilt in found.charged.items():
            self._charge(peer, guilt, now)

    def _note(self, now: float, judged: dict[Address, float], void, subjects) -> None:
        for peer in subjects:
            self._found[peer] = now, judged.get(peer), peer in void

    def _certain(self, cases: list[Case], now: float) -> list[tuple[Address, Address]]:
        """Return the pairs that were found twice in a row, while no row can have been late."""
        is_quiet = now - self.tending.quiet_since >= PAIRED_FROM * self.period
        found = {pair for case in cases for pair in case.unconfirmed} if is_quiet else set()
        certain, judged = sorted(found & self._doubted), {case.subject for case in cases}
        self._doubted = {pair for pair in self._doubted if pair[0] not in judged} | found
        return certain

    def _charged(self, peer: Address) -> tuple[int, float]:
        """Return how often a peer was charged lately, and when last."""
        count, at = self._charges.get(peer, (0, -math.inf))
        return (count, at) if self.now() - at <= WITHIN * self.period else (0, -math.inf)

    def _charge(self, peer: Address, guilt: Guilt, now: float) -> None:
        """Count a charge, and tell the other seeds, which may judge it next; convict who has
        enough."""
        count = min(self._charged(peer)[0] + 1, CHARGES)  # a liar may have told of too many to say
        self._charges[peer] = count, now
        self.to_all(grammar.say("charged", peer, count, 0.0))
        if count >= CHARGES:
            rates = grammar.RATES.write(sorted(guilt.rates.items()))
            self.kick(peer, guilt.badness, self.settings.ban,
                      f"verdict:{peer}:{guilt.badness:.3f}:{rates}")
            self.to_all(self._kick_line(peer))

    def on_verdicts(self, link: ProvenLink, known: int, found: tuple) -> None:
        """Take what another seed has found about its subjects."""
        now, (judged, void, pairs) = self.now(), found
        self._known[link.peer] = now, known
        self._note(now, dict(judged), void, [*dict(judged), *void])
        self.warn(pairs)

    def on_charged(self, link: ProvenLink, peer: Address, count: int, ago: float) -> None:
        """Take what another seed tells of charges; one that has just begun knows fewer."""
        if not self.is_banned(peer):
            before, at = self._charged(peer)
            self._charges[peer] = max(count, before), max(self.now() - ago, at)

    def warn(self, pairs) -> None:
        """Tell peers which neighbours never name them."""
        for peer, neighbour in pairs:
            row = self.registry.rows.get(peer)
            if row is not None and row.link is not None:
                row.link.send(grammar.say("unconfirmed", neighbour))

    # Kicks.

    def is_banned(self, peer: Address) -> bool:
        return self._bans.get(peer, (0.0, 0.0))[0] > self.now()

    def file(self, rows: list[Row]) -> None:
        super().file([row for row in rows if not (
            self.is_banned(row.reporter) or self.is_banned(row.entry.peer))])

    def on_kick(self, link: ProvenLink, peer: Address, badness: float, seconds: float) -> None:
        self.kick(peer, badness, min(seconds, self.settings.ban))

    def kick(self, peer: Address, badness: float, seconds: float, *evidence: str) -> None:
        """Shut a peer out, and tell all peers, unless it is shut out already. Other seeds are told
        by who decides it: a short kick that all pass on would come back after its end for ever."""
        if self.is_banned(peer):
            return
        self._bans[peer] = self.now() + seconds, badness
        if evidence:
            self.output.write(*evidence)
        self._tell_peers(self._kick_line(peer))
        row, reason = self.registry.rows.get(peer), f"malicious:{badness:.3f}"
        if row is None:
            self.output.write(f"removed:{peer}:{reason}")
        self.remove(peer, row, reason)
        self.rows.forget(peer)
        self._charges.pop(peer, None)

    def _tell_peers(self, line: bytes) -> None:
        for link in self.registry.links():
            link.send(line)

    def _kick_line(self, peer: Address) -> bytes:
        until, badness = self._bans[peer]
        return grammar.say("kick", peer, badness, until - self.now())

    def _kicks(self) -> bytes:
        return b"".join([self._kick_line(peer) for peer in self._bans if self.is_banned(peer)])

    def said_first(self, seed: Address) -> bytes:
        charged = [grammar.say("charged", peer, count, self.now() - at)
                   for peer, (count, at) in self._charges.items() if self._charged(peer)[0]]
        return super().said_first(seed) + self._kicks() + b"".join(charged)

    def fault_of(self, link: ProvenLink) -> str:
        if self.is_banned(link.peer):
            left = math.ceil(self._bans[link.peer][0] - self.now())
            return f"kicked as malicious, again in {left} s"
        start = self.vouched.latest(link.peer)
        if start and signing.run_of(link.peer, start) in self._cheats:
            return f"the run of {link.peer} has contradicted itself"
        return super().fault_of(link)

    def list_peer(self, link: ProvenLink) -> None:
        super().list_peer(link)
        if kicks := self._kicks():
            link.send(kicks)

    # Contradictions.

    def on_contradiction(self, link: ProvenLink, evidence: Contradiction) -> None:
        """Kick a peer if the run that it has proved last has contradicted itself. Of other runs,
        seeds alone are heard, so that such a run cannot be registered here later."""
        address, start = signing.read_run(evidence.run)
        is_latest = start == self.vouched.latest(address)
        if evidence.run in self._cheats or not is_latest and link.role != SPEAKER:
            return
        if not evidence.is_true():
            raise ProtocolError("a contradiction that nobody has signed")
        account = link.peer if address.is_loopback else address.host
        if link.role != SPEAKER and not self._proofs.of(account).spend(1, self.now()):
            return  # another peer may tell of it, or this one later
        self._cheats[evidence.run] = True
        if is_latest:
            line = grammar.say("contradiction", evidence)
            self._tell_peers(line)
            self.output.write(line.decode().rstrip())
            self.kick(address, 1.0, self.settings.ban)
            self.to_all(line + self._kick_line(address))

    # Reports of deaths that are not true.

    def on_dead_node(self, link: ProvenLink, dead: Address, time: str, reporter: Address) -> None:
        if not self._is_disbelieved(link.peer):
            super().on_dead_node(link, dead, time, reporter)

    def _is_disbelieved(self, peer: Address) -> bool:
        untrue = self._untrue.get(peer, ())
        return (len(untrue) == UNTRUE and self.now() < untrue[-1] + self.settings.ban
                and untrue[-1] - untrue[0] <= UNTRUE_PERIODS * self.period)

    def judge_report(self, dead: Address, row: Listing | None, line: bytes, is_own: bool,
                     alive: Verdict) -> None:
        super().judge_report(dead, row, line, is_own, alive)
        reporter = wire.parse(line.rstrip())[1][2]
        if alive and is_own and not self._is_disbelieved(reporter):
            self._untrue[reporter] = [*self._untrue.get(reporter, ()), self.now()][-UNTRUE:]
            if self._is_disbelieved(reporter):
                self.output.write(f"disbelieved:{reporter}")
