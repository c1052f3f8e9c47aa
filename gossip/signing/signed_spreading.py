"""Signed spreading: how a message reaches everyone in a network that signs. A part of a peer.

As gossip/spread/spreading.py, but a message follows the signed line that covers it, and its run has
to be genuine. Until that is known, the lines of the run wait.
"""

import collections
import operator

from gossip import wire
from gossip.addresses import Address
from gossip.signing.grammar import Signer
from gossip.signing.signed_messages import SignedFresh, SignedMessages
from gossip.spread.origin import REMEMBERED, REST_LIMIT, Allowance, Cost
from gossip.spread.run import sha256
from gossip.spread.spreading import Spreading
from gossip.tools import Rate

CORRUPT_SHOWN = 500  # characters of a corrupt line in the output file
CHECKS, CHECKS_AT_ONCE = 20, 200  # signatures that let no message in: a second, burst
SIGNED_COST = 5  # lines that a signed line costs, because verifying takes each peer time; a
# generator that makes 100 messages a second, and signs each, stays within the usual rate
# Limits on all waiting lines. A link may use as much as stays free, so a link alone gets half, and
# several never fill all.
LIMITS = {"lines": 1_000, "bytes": 1 << 20, "runs": 100}


class SignedAllowance(Allowance):
    """Rate limits on a neighbour's own messages, and on signatures that it brings. A check is given
    back when it lets a message in."""

    def __init__(self, rate: int, burst: int):
        super().__init__(rate, burst)
        self._checks = Rate(CHECKS, CHECKS_AT_ONCE, REMEMBERED)

    def cost(self, peer: Address, new: list[bytes], lines: list[bytes] = (),
             covers: list[bytes] = ()) -> Cost | None:
        """Return the cost of what a neighbour said in its own name: in `new` gossip lines, in
        signed `lines`, or in `covers` to forward, which may be far longer."""
        head = wire.SIGNED + str(peer).encode() + b":"
        signed = [line for line in lines if line.startswith(head)]
        said = super().cost(peer, new)
        if not self._rates or not (said or signed):
            return None  # nearly always
        said = said or Cost(0, 0)
        sent_on = [cover for cover in dict.fromkeys(covers) if cover.startswith(head)]
        return Cost(said.lines + SIGNED_COST * len(signed), said.size + sum(map(len, sent_on)))

    def check(self, peer: Address, checks: dict[Address, int], now: float) -> float:
        """Charge neighbours for checks (credit them below 0). Return for how long `peer` rests."""
        for payer, count in checks.items():
            self._checks.take(now, count, payer)
        return min(self._checks.take(now, 0, peer), REST_LIMIT)


class SignedSpreading(Spreading):
    """The messages of a peer that signs and verifies."""

    BEGINNINGS = wire.GOSSIP, wire.SIGNED
    ALLOWANCE = SignedAllowance

    def __init__(self, node, links, signer: Signer, runs, on_offence, watch=None,
                 on_contradiction=None):
        """`runs`, a Confirming, has `on_settled` called after `meet`. `on_offence` is told of
        `corrupt` lines, too; `on_contradiction`, of two good signed lines that contradict."""
        self._signer = signer
        self._confirming = runs
        self._on_contradiction = on_contradiction
        self._waiting = WaitingLines()
        self._early_checks = Rate(CHECKS, CHECKS_AT_ONCE, REMEMBERED)  # before they are needed
        super().__init__(
            node, links, on_offence=on_offence, watch=watch, start=signer.start, runs=runs,
            messages=SignedMessages(
                node.settings, runs.own_run, signer.is_good, runs.is_known, runs.is_denied,
                lambda neighbour: self._early_checks.spend(node.now(), 1, neighbour)))
        self._write_sparingly = node.write_sparingly
        self._is_expected = operator.methodcaller("startswith", self.BEGINNINGS)

    def behind_covers(self, lines: list[bytes]) -> list[bytes]:
        """Return lines that were made here, behind their covers."""
        if not lines:
            return []
        first = wire.gossip_key(lines[0])[1]
        return [*self._signer.cover(first, [sha256(line).digest() for line in lines]), *lines]

    def take_block(self, link, lines: list[bytes]) -> bool:
        """Take lines, however many, that are all gossip or signed. Return whether they are."""
        if not all(map(self._is_expected, lines)):
            return False
        self._take(link, lines)
        return True

    def take(self, link, lines: list[bytes]) -> None:
        """Take gossip and signed lines from a neighbour; WireError for the first invalid line."""
        rumors = [wire.gossip_part(line) for line in lines if line.startswith(wire.RUMOR)]
        self._take(link, [line if line.startswith(self.BEGINNINGS) else wire.gossip_part(line)
                          for line in lines], rumors)  # nobody has signed a prefix

    def _take(self, link, lines: list[bytes], rumors: list[bytes] = ()) -> None:
        """Take lines without prefixes. If one is corrupt, answer no rumor, because `knew` would be
        said of it, too."""
        fresh = self._remember(lines, link)
        unknown = [line for _, line, _ in fresh.unknown]
        if fresh.corrupt:
            self._write_corrupt(link, fresh.corrupt)
        elif rumors and fresh.fault is None:
            self._answer(link, rumors, [*fresh.lines, *unknown])
        if self._watch is not None:
            self._tell_watch(link, fresh)
        if fresh.lines:
            self._hand_on(link, fresh)
        if unknown:
            self._keep_waiting(link, fresh.unknown)
        if any(fresh.checks.values()):  # only what let no message in is left, also if requested
            now = self._now()
            if rest := self._allowance.check(link.peer, fresh.checks, now):
                link.rest_until = max(link.rest_until, now + rest)
        if f":{link.peer}:".encode() in b"\n".join(lines):  # else nothing is in its own name
            new = [*fresh.lines, *unknown, *fresh.refused, *map(str.encode, fresh.forbidden)]
            self._charge(link, new, lines, fresh.covers)
        if fresh.fault is not None:
            raise fresh.fault

    def _remember(self, lines: list[bytes], link, waited: bool = False) -> SignedFresh:
        """Remember new lines, which a link brings now, or which have waited; report contradictions
        before the watch counts."""
        fresh = self.messages.add(lines, brought_by=link.peer, link=None if waited else link)
        if self._on_contradiction is not None:
            for one, other in fresh.contradictions:
                self._on_contradiction(one, other)
        if fresh.forbidden:
            self._write_forbidden(link, fresh.forbidden)
        return fresh

    def _keep_waiting(self, link, unknown: list[tuple[bytes, bytes, bytes]]) -> None:
        """Keep lines of unknown runs until it is known which are genuine."""
        if self._watch is not None:
            self._watch.brought([line for _, line, _ in unknown], link)
        runs = dict.fromkeys(run for run, _, _ in unknown)
        asked = {run: self._confirming.meet(run, link) for run in runs}
        for run, line, cover in unknown:
            if asked[run]:
                self._waiting.add(run, line, cover, link)

    def on_settled(self, run: bytes, genuine: bool) -> None:
        """Take the waiting lines of a genuine run, drop those of others."""
        waiting = self._waiting.take(run)
        if not genuine:
            self.anti_entropy.catch_up.denied(run)
            return
        for link, lines in waiting:
            fresh = self._remember(lines, link, waited=True)
            if self._watch is not None:
                self._watch.confirmed([*fresh.lines, *fresh.refused], self._now())
            if fresh.lines:
                self._hand_on(link, fresh)
            self._allowance.check(link.peer, fresh.checks, self._now())
        self.anti_entropy.fetch()

    def _write_corrupt(self, link, lines: list[bytes]) -> None:
        for line in lines:
            shown = line.decode(errors="replace")[:CORRUPT_SHOWN]
            self._write_sparingly(f"corrupt:{link.peer}:{shown}", "corrupt lines not written")
        if self._watch is not None:
            self._watch.broken(link, "corrupt", len(lines))
        self._on_offence(link, "corrupt", len(lines))

    def dropped(self) -> dict[str, int]:
        """Return the counts of everything dropped since the start."""
        return {**super().dropped(), "lines of unknown runs": self._waiting.dropped}


class WaitingLines:
    """Lines by run, in the order in which they came. A line beyond LIMITS is dropped and counted,
    because anti-entropy brings it again."""

    def __init__(self):
        # run -> line -> (its cover, the link that brought it, how much it uses of LIMITS)
        self._runs: dict[bytes, dict[bytes, tuple[bytes, object, collections.Counter]]] = {}
        self._used: dict[object, collections.Counter] = {}  # link -> what it uses of LIMITS
        self._total = collections.Counter()  # what all links use
        self.dropped = 0

    def add(self, run: bytes, line: bytes, cover: bytes, link) -> None:
        """Keep a line and its cover, if there is room. A cover counts once for lines in a row."""
        lines = self._runs.get(run, {})
        if line in lines:
            return
        has_cover = bool(lines) and next(reversed(lines.values()))[0] == cover
        needs = collections.Counter(lines=1, bytes=len(line) + (0 if has_cover else len(cover)))
        if not lines:
            needs["runs"] = 1  # charged to the link that brought the run first
        used = self._used.get(link, collections.Counter())
        if any(used[what] + need > LIMITS[what] - self._total[what]
               for what, need in needs.items()):
            self.dropped += 1
            return
        self._runs.setdefault(run, lines)[line] = cover, link, needs
        self._used[link] = used + needs
        self._total += needs

    def take(self, run: bytes) -> list[tuple[object, list[bytes]]]:
        """Take out a run's lines: for each link (link, lines behind covers)."""
        by_link: dict[object, list[tuple[bytes, bytes]]] = {}
        for line, (cover, link, needs) in self._runs.pop(run, {}).items():
            by_link.setdefault(link, []).append((line, cover))
            self._used[link] -= needs
            self._total -= needs
        self._used = {link: used for link, used in self._used.items() if used}
        return [(link, wire.covered(*map(list, zip(*pairs)))) for link, pairs in by_link.items()]
