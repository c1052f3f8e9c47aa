"""The row about malicious peers: who was kicked, who should have been, how soon, and what it cost.

An attacker says in its own file what it is; seeds and honest peers cannot read that. A period is a
`report-interval`. An attacker's time begins with the first gossip that it could have forwarded when
it had three neighbours: nobody is judged by fewer.

Most attackers have to be kicked in time, and no honest peer, or one in a hundred where nearly a
third of all peers attack. Where peers may have few links, fewer attackers have to be found, and
later. One that reports nothing is not kicked, but no honest peer keeps it as a neighbour, nor has
to leave another honest one alone. Nor is one kicked that reports living peers dead, but a seed that
found three of its reports untrue looks at no more, and nobody living is removed because of it.
"""

import math
from typing import NamedTuple

from gossip.addresses import parse_address
from gossip.lab.proof import deaths, graph
from gossip.lab.proof.events import Kick, Spans, when
from gossip.lab.proof.evidence import ON_ITS_WAY, Proof, Row, quantile
from gossip.lab.proof.runs import PeerRun, SeedRun

KICKED_SHARE, KICKED_FEW_LINKS = 0.95, 0.9  # of attackers, at least
FEW_LINKS = 4  # at most so many are few, for most peers
MANY, HONEST_SHARE = 0.29, 0.01  # attackers among all peers; honest peers kicked then, at most
IN_TIME = 14  # periods until a kick, at most;
WITHOUT_SEED = 6  # so many more if a seed began or ended meanwhile
SHUNNED = 12  # periods for which a silent attacker may keep an honest neighbour, from when the link
# has stood for twice the settling time, before which nobody can miss a message
REPORTERS = 3  # neighbours that a peer has to have before anybody can judge it
SILENT, FALSE_DEAD = "mute", "falsedead"  # kinds that are not kicked: one reports nothing, the
# other living peers dead
UNTRUE, UNTRUE_PERIODS = 3, 7  # untrue reports after which a seed has to disbelieve a peer, and
# periods in which they came, one less than seeds count
CHEAT = "twotexts"  # the kind that two signatures convict:
CHEAT_IN_TIME = 2  # periods until then, from its first message on


def malicious(proof: Proof) -> Row | None:
    """Every attacker was kicked, and nobody else; None where nobody monitors."""
    if not any(run.settings.get("monitor") == "yes" for run in [*proof.peers, *proof.attackers]):
        return None
    found = Found(proof)
    tally = found.tally()
    figures = [str(tally)]
    if found.took:
        figures.append(f"after {quantile(found.took, 0.5):.1f} periods (median), "
                       f"{max(found.took):.1f} (max)")
    honest = sum(message in proof.origin for run in proof.peers for message in run.received)
    figures += [*_costs(proof), f"{honest} deliveries among honest peers"]
    return Row("malicious", tally.holds(), "; ".join(figures),
               [*found.missed, *found.late, *found.falsely, *found.faults])


class Tally(NamedTuple):
    """Attackers and kicks as numbers, which those of other networks can be added to."""

    attackers: int
    kicked: int  # of them
    missed: int
    late: int  # those that were kicked too late
    honest: int
    falsely: int  # honest peers that were kicked
    early: int  # attackers that had too little time to be kicked or missed
    faults: int  # all else that may never happen, see Found
    lacking: int  # attackers that were not found as they had to be;
    may_lack: float  # so many may
    may_fall: float  # honest peers that may be kicked

    def plus(self, other: "Tally") -> "Tally":
        """The tally of both."""
        return Tally(*map(sum, zip(self, other)))

    def holds(self) -> bool:
        """Whether all was reached that has to be."""
        return self.lacking <= self.may_lack and self.falsely <= self.may_fall and not self.faults

    def __str__(self) -> str:
        early = f"too early to say of {self.early}, " if self.early else ""
        return (f"kicked {self.kicked} of {self.attackers} attackers, {early}missed {self.missed}, "
                f"late {self.late}, and falsely {self.falsely} of {self.honest} honest peers")


class Found:
    """The findings about the attackers of a proof, and the faults, in words."""

    def __init__(self, proof: Proof):
        self._proof = proof
        self._end = graph.end_of(proof.records)
        self._attackers = {run.address: run for run in proof.attackers}  # the last run of each
        kicks = {kick.peer: kick for kick in sorted(
            (kick for seed in proof.seeds for kick in seed.kicks), reverse=True)}  # the first ones
        self.took: list[float] = []  # periods until attackers were kicked
        self.early = 0  # attackers that were not kicked, and had not the time to be
        self.missed: list[str] = []
        self.late: list[str] = []
        for address, run in self._attackers.items():
            self._look_at(run, kicks.get(address))
        self.falsely = [
            f"{kick.peer} was kicked with a badness of {kick.badness:.3f}, and is honest"
            for kick in sorted(kicks.values()) if kick.peer not in self._attackers]
        liars = [run for run in proof.attackers if run.malice == FALSE_DEAD]
        self.faults = [
            *(f"{run.address} has kept {attacker.address} ({SILENT}), which names no neighbour"
              for run in proof.peers for attacker in self._attackers.values()
              if attacker.malice == SILENT and self._has_kept(run, attacker)),
            *(f"{run.address} had to leave {other} alone, which is honest, too"
              for run in proof.peers for other in sorted(run.left_alone - self._attackers.keys())),
            *(f"seed {seed.address} did not disbelieve {run.address} ({FALSE_DEAD})"
              for seed in proof.seeds for run in liars if _had_to_doubt(seed, run)),
            *_buried(proof, {run.address for run in liars})]

    def _look_at(self, run: PeerRun, kick: Kick | None) -> None:
        end = min(self._end, self._proof.end_of(run))
        took = self._periods(run, end if kick is None else kick.at)
        if kick is not None:
            self.took.append(took)
        if run.malice in (SILENT, FALSE_DEAD):
            return
        who = f"{run.address} ({run.malice}) was"
        if took <= self._limit(run):
            self.early += kick is None
        elif kick is None:
            self.missed.append(f"{who} not kicked in {took:.0f} periods")
        else:
            self.late.append(f"{who} kicked only after {took:.0f} periods")

    def _periods(self, run: PeerRun, until: float) -> float:
        """Periods from the beginning of an attacker's time; it does nothing while it is late."""
        linked = _linked_at(run)
        times = sorted(run.generated.values()) if run.malice == CHEAT else self._proof.times
        said = next((at for at in times if at >= linked), until)
        return Spans([(said, until)]).minus(run.late).total() / run.setting("report-interval")

    def _limit(self, run: PeerRun) -> float:
        """Periods after which an attacker is kicked too late."""
        if run.malice == CHEAT:
            return CHEAT_IN_TIME
        lately = self._end - 2 * run.setting("report-interval")
        unrest = any(seed.first > run.first or seed.ended is None and seed.last < lately
                     for seed in self._proof.seeds)
        return IN_TIME + WITHOUT_SEED * unrest

    def _has_kept(self, run: PeerRun, attacker: PeerRun) -> bool:
        """Whether they were neighbours for too long when the network ended."""
        too_long = self._end - 2 * run.setting("settle") - SHUNNED * run.setting("report-interval")
        return run.last >= self._end and any(link.begin < too_long and self._end < link.end
                                             for link in run.links.get(attacker.address, ()))

    def tally(self) -> Tally:
        """The same as numbers."""
        honest = {run.address for run in self._proof.peers}
        few = quantile([graph.capacity_of(run).of(parse_address(run.address))
                        for run in self._proof.peers] or [0], 0.5) <= FEW_LINKS
        many = len(self._attackers) >= MANY * (len(honest) + len(self._attackers))
        to_find = sum(run.malice not in (SILENT, FALSE_DEAD) for run in self._attackers.values())
        return Tally(len(self._attackers), len(self.took), len(self.missed), len(self.late),
                     len(honest), len(self.falsely), self.early, len(self.faults),
                     len(self.missed) + (0 if few else len(self.late)),
                     to_find * (1 - (KICKED_FEW_LINKS if few else KICKED_SHARE)),
                     len(honest) * (HONEST_SHARE if many else 0))


def _had_to_doubt(seed: SeedRun, run: PeerRun) -> bool:
    """Whether a seed found three reports of an attacker untrue, and has not disbelieved it."""
    times = when(seed.untrue, run.address)
    window = UNTRUE_PERIODS * run.setting("report-interval")
    doubt = next((third for first, third in zip(times, times[UNTRUE - 1:])
                  if third < first + window), math.inf)
    return doubt < math.inf and seed.believes(run.address, doubt + ON_ITS_WAY)


def _buried(proof: Proof, liars: set[str]) -> list[str]:
    """The living peers that seeds have removed by the word of these attackers alone."""
    return [fault for seed in proof.seeds for at, peer, reason in seed.removed
            if reason == "dead" and set() < deaths.reporters(seed, peer, at) <= liars
            for fault in deaths.removed(proof, seed, at, peer, reason)]


def _linked_at(run: PeerRun) -> float:
    """When a run had REPORTERS neighbours first; infinity when it never had."""
    begins = sorted(link.begin for links in run.links.values() for link in links)
    return next((at for at in begins if len(run.linked_at(at)) >= REPORTERS), math.inf)


def _costs(proof: Proof) -> list[str]:
    """The work of the seeds: hops of rows, how even their loads are, and rows that moved."""
    loads = [load for seed in proof.seeds for load in seed.loads]
    if not loads:
        return []
    last, hops = max(loads), [load.hops for load in loads if load.rows]
    return [f"{sum(hops) / max(1, len(hops)):.1f} hops, load of seeds "
            f"{last.largest / (last.mean or 1):.2f} times the mean at most, "
            f"{sum(load.moved for load in loads)} rows moved"]
