"""The row about malicious peers and what finding them cost.

An attacker says in its own file what it is, which seeds and honest peers cannot read. A period is a
`report-interval`. An attacker's time is the longest in which it had three honest neighbours, from
the first gossip on that it could have forwarded: fewer judge nobody, and who attacks is kicked.

Most attackers have to be kicked in time, and no honest peer, unless half of its reporters attack.
Where peers may have few links, fewer attackers have to be found, and later. An attacker that
reports nothing is not kicked, but no honest peer keeps it as a neighbour, or has to leave another
honest peer alone that reaches a seed. Nor is an attacker kicked that reports living peers dead, but
a seed that found three of its reports untrue looks at no more, and removes no living peer.
"""

import bisect
import functools
import math
import operator
from typing import NamedTuple

from grapevine.lab.proof import deaths, graph
from grapevine.lab.proof.disturbances import (
    FAILS, NOTICE_ROUNDS, ON_ITS_WAY, UNCLEAR, YET, Fault, quiet, shared)
from grapevine.lab.proof.events import RUN
from grapevine.lab.proof.evidence import Proof, Row, quantile, row, worst
from grapevine.lab.proof.runs import KICKED, PeerRun, SeedRun, judged_in
from grapevine.monitoring.seed import UNTRUE, UNTRUE_PERIODS
from grapevine.monitoring.verdicts import REPORTERS

SPARED, SPARED_FEW_LINKS = 0.05, 0.1  # of attackers, at most
FEW_LINKS = 4  # the median capacity, at most, of peers with few links
IN_TIME = 16  # periods until a kick, at most; who keeps back half, and is judged by just three,
# takes 14, and two more if its rows move to another seed meanwhile
ON_OFF, PAUSES = "onoff", 4  # the kind that attacks in two periods of four, and periods more for it
WITHOUT_SEED = 6  # periods more if a seed began or ended meanwhile
SHUNNED = 12  # periods for which a silent attacker may keep an honest neighbour that is not late,
# from when the link has stood for twice the settling time, before which nobody can miss a message
SETTLE = 2.0  # seconds that a message is known before a neighbour must have it
SILENT = "mute"  # the kind that reports nothing, and so is not kicked; nor is FALSE_DEAD
FALSE_DEAD = "falsedead"  # the kind that reports the living dead
HALF = "drophalf"  # the kind that with three neighbours keeps back little more than it may
ANSWERS = "it answers"  # why a seed rejects an untrue report
CHEAT = "twotexts"  # the kind that two signatures convict
CHEAT_IN_TIME = 2  # periods until this kind is kicked, from its first message on
CHEAT_SECONDS = 5  # at least, because a text may take seconds to cross a network that just begins


def malicious(proof: Proof) -> Row | None:
    """Every attacker was kicked in time; nobody else was."""
    if not proof.is_watched:
        return None
    tally = tally_of(proof)
    figures = [str(tally)]
    if tally.took:
        figures.append(f"after {quantile(tally.took, 0.5):.1f} periods (median), "
                       f"{max(tally.took):.1f} (max)")
    if loads := [tuple(map(float, load)) for seed in proof.seeds for load in seed.told("load")]:
        _, _, largest, mean, _, _ = max(loads)
        hops = [hops for _, rows, _, _, _, hops in loads if rows]
        figures.append(f"{sum(hops) / max(1, len(hops)):.1f} hops, load of seeds "
                       f"{largest / (mean or 1):.2f} times the mean at most, "
                       f"{sum(moved for *_, moved, _ in loads):.0f} rows moved")
    honest = sum(message in proof.origin for run in proof.peers for message in run.received)
    figures.append(f"{honest} deliveries among honest peers")
    found = row("malicious", "; ".join(figures),
                tally.missed + tally.late + tally.lacking + tally.falsely + tally.faults)
    return found._replace(verdict=tally.verdict(), details=[*found.details, *tally.outvoted])


class Tally(NamedTuple):  # findings about attackers, in numbers and in words
    attackers: int
    honest: int  # peers
    took: list[float]  # periods until attackers were kicked
    early: int  # attackers that had too little time to be kicked or missed
    missed: list[Fault]  # attackers
    late: list[Fault]  # attackers that were kicked too late
    falsely: list[Fault]  # honest peers that were kicked
    outvoted: list[str]  # honest peers that were kicked because half of their reporters attack
    faults: list[Fault]  # all else that may never happen
    lacking: list[Fault]  # attackers that were not found as they had to be
    may_lack: float  # how many may be lacking

    def plus(self, other: "Tally") -> "Tally":
        """Return the sum of two tallies, such as of two networks."""
        return Tally(*map(operator.add, self, other))

    def verdict(self) -> str:
        """Tell whether attackers were found and honest peers spared."""
        lacking = sorted(self.lacking, key=lambda fault: fault.verdict != FAILS)
        return worst(fault.verdict for fault in (
            *lacking[int(self.may_lack):], *self.falsely, *self.faults))

    def __str__(self) -> str:
        early = f"too early to say of {self.early}, " if self.early else ""
        outvoted = f", {len(self.outvoted)} more by liars" if self.outvoted else ""
        return (f"kicked {len(self.took)} of {self.attackers} attackers, {early}missed "
                f"{len(self.missed)}, late {len(self.late)}, and falsely {len(self.falsely)} of "
                f"{self.honest} honest peers{outvoted}")


def tally_of(proof: Proof) -> Tally:
    """Return the findings about all attackers and honest peers."""
    end = graph.end_of(proof.peers)
    attackers = {run.address: run for run in proof.attackers}  # the last run of each
    kicks = {kick.peer: kick for kick in sorted(
        (kick for seed in proof.seeds for kick in seed.kicks), reverse=True)}  # the first of each
    few = quantile(list(map(graph.capacity, proof.peers)) or [0], 0.5) <= FEW_LINKS
    spared = {SILENT, FALSE_DEAD, *([HALF] if few else [])}
    took, early, awaited, missed, late = [], 0, [], [], []
    for address, run in attackers.items():
        kick, who = kicks.get(address), f"{address} ({run.malice})"
        periods = _periods(proof, run, min(end, run.end) if kick is None else kick.at)
        took += [] if kick is None else [periods]
        is_due = periods > _limit(proof, run, end)
        if run.malice in spared or kick and not is_due:
            continue
        if kick:
            late.append(_judge(
                proof, f"{who} was kicked only after {periods:.1f} periods", address))
        elif is_due:
            missed.append(_judge(proof, f"{who} was not kicked in {periods:.0f} periods", address))
        else:
            early += 1
            if periods and run.end >= end:  # its time has begun
                awaited.append(Fault(UNCLEAR, f"{who} was not kicked {YET}"))
    falsely, outvoted = [], []
    for kick in sorted(kick for peer, kick in kicks.items() if peer not in attackers):
        fault = f"{kick.peer} was kicked with a badness of {kick.badness:.3f}, and is honest"
        reporters = [peer for seed in proof.seeds for told in seed.told("verdict", kick.peer)[-1:]
                     for peer, _ in judged_in(told[-1])]
        if 0 < len(reporters) <= 2 * sum(one in proof.attacking for one in reporters):
            outvoted.append(f"{fault}, but half of its reporters attack")
        else:
            falsely.append(_judge(proof, fault, kick.peer))
    honest = len({run.address for run in proof.peers})
    to_find = sum(run.malice not in spared for run in attackers.values())
    return Tally(len(attackers), honest, took, early, missed, late, falsely, outvoted,
                 _faults(proof, list(attackers.values()), end),
                 missed + awaited + late * (not few),
                 to_find * (SPARED_FEW_LINKS if few else SPARED))


def _judge(proof: Proof, words: str, *nodes: str) -> Fault:
    """Judge a claim that is not met, about what the files of these nodes, and of all seeds, say. A
    node without a file may be a seed, or an attacker."""
    runs = [run for run in proof.all_runs if run.address in nodes or isinstance(run, SeedRun)]
    missing = {*nodes, *proof.strangers} - {run.address for run in runs}
    return proof.by_file(words, *runs, missing=sorted(missing))


def _periods(proof: Proof, run: PeerRun, until: float) -> float:
    """Return the periods of an attacker's time, while neither it nor a seed was late, nor nodes cut
    off from others."""
    honest = (links for peer, links in run.links.items() if peer not in proof.attacking)
    times = [*sorted(said.at for one in ([run] if run.malice == CHEAT else proof.peers)
                     for said in one.generated.values()), math.inf]
    spans = [*proof.cuts, *run.late, *(span for seed in proof.seeds for span in seed.late)]
    seconds = [quiet(times[bisect.bisect_left(times, begin)], min(end, until), spans)
               for begin, end in shared(honest, REPORTERS)]
    return max(seconds, default=0.0) / (run.setting("report-interval") or 1)


def _limit(proof: Proof, run: PeerRun, end: float) -> float:
    """Return the periods after which an attacker is kicked too late."""
    period = run.setting("report-interval") or 1
    if run.malice == CHEAT:
        return max(CHEAT_IN_TIME, CHEAT_SECONDS / period)
    lately = end - 2 * period
    unrest = any(seed.first > run.first or seed.ended is None and seed.last < lately
                 for seed in proof.seeds)
    return IN_TIME + WITHOUT_SEED * unrest + PAUSES * (run.malice == ON_OFF)


def _faults(proof: Proof, attackers: list[PeerRun], end: float) -> list[Fault]:
    """Return what no attack excuses."""
    judge = functools.partial(_judge, proof)
    liars = [run for run in proof.attackers if run.malice == FALSE_DEAD]
    alone = {run.address for run in liars}
    kicked = {kick.peer for seed in proof.seeds for kick in seed.kicks}
    return [
        *(judge(f"{run.address} was told that it is kicked, and no seed has kicked it", run.address)
          for run in [*proof.peers, *attackers]
          if run.ended == KICKED and run.address not in kicked),
        *(judge(f"{run.address} has kept {attacker.address} ({SILENT}), which names no neighbour",
                run.address, attacker.address)
          for run in proof.peers for attacker in attackers
          if attacker.malice == SILENT and _has_kept(proof, run, attacker, end)),
        *(_shunned(proof, run, at, other) for run in proof.peers
          for at, other in run.told("unconfirmed")
          if not (RUN.fullmatch(other) or other in proof.attacking)),
        *(judge(f"seed {seed.address} did not disbelieve {run.address} ({FALSE_DEAD})")
          for seed in proof.seeds for run in liars if _had_to_doubt(seed, run)),
        # living peers that a seed has removed by the word of liars alone
        *(fault for seed in proof.seeds for at, peer, reason, _ in seed.told("removed")
          if reason == "dead" and set() < {
              who for *_, who in seed.told("dead report", peer, end=at)} <= alone
          for fault in deaths.removed_alive(proof, seed, at, peer))]


def _shunned(proof: Proof, run: PeerRun, at: float, other: str) -> Fault:
    """A peer has to leave an honest one alone only if that reaches no seed, maybe because it has
    ended, so that its reports come to none."""
    words = f"{run.address} had to leave {other} alone, which is honest, too"
    period, lives = run.setting("report-interval"), proof.runs.get(other, ())
    begin = max([at - SHUNNED * period, *(life.first for life in lives[:1])])
    alone = quiet(begin, at, [
        (one.begin, min(one.end, life.ended_at if life.has_ended else math.inf)
         - NOTICE_ROUNDS * life.interval) for life in lives
        for times in life.registrations.values() for one in times if one.stood])
    if lives and 2 * alone > SHUNNED * period:
        return Fault(UNCLEAR, f"{words}: it reached no seed for {alone:.1f} s")
    return _judge(proof, words, run.address, other)


def _has_kept(proof: Proof, run: PeerRun, attacker: PeerRun, end: float) -> bool:
    """Tell whether a run kept an attacker for too long. The time begins anew when a seed found that
    rows may be late, because after that it warns nobody for long."""
    period, standing = run.setting("report-interval"), 2 * SETTLE
    anew = max((at for seed in proof.seeds for at in seed.when("behind")), default=-math.inf)
    kept = (quiet(max(link.begin + standing, anew), end, run.late)
            for link in run.links.get(attacker.address, ()) if end < link.end)
    return run.last >= end and any(seconds > SHUNNED * period for seconds in kept)


def _had_to_doubt(seed: SeedRun, run: PeerRun) -> bool:
    """Tell whether a seed still believes an attacker after three untrue reports. What another seed
    has told it, which found the peer dead, is no report of the attacker."""
    registered = run.registrations.get(seed.address, ())
    times = [at for at, _, *whose in seed.told("rejected") if whose == [run.address, ANSWERS]
             and any(one.begin <= at <= one.end for one in registered)]
    window = (UNTRUE_PERIODS - 1) * run.setting("report-interval")  # one less than seeds count
    disbelieved, *_ = *seed.when("disbelieved", run.address), math.inf
    return any(third < first + window and third + ON_ITS_WAY < disbelieved
               for first, third in zip(times, times[UNTRUE - 1:]))
