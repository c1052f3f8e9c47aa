"""The row about malicious peers: who was kicked, who should have been, how soon, and what it cost.

An attacker says in its own file what it is; seeds and honest peers cannot read that. A period is a
`report-interval`. An attacker's time begins with the first gossip that it could have forwarded when
it had three neighbours: nobody is judged by fewer.

What has to be reached: so many of the attackers are kicked in time, and of the honest peers none,
or one in a hundred where nearly a third of all peers attack. Where peers may have few links, fewer
attackers have to be found, and later. One that reports nothing is not kicked: but no honest peer
keeps it as a neighbour, and no honest peer has to leave another one alone. Nor is one kicked that
reports living peers dead: but a seed that found three of its reports untrue looks at no more, and
nobody living is removed because of it.
"""

import math
from typing import NamedTuple

from gossip.addresses import parse_address
from gossip.proof import deaths, graph
from gossip.proof.company import ON_ITS_WAY
from gossip.proof.events import Kick
from gossip.proof.evidence import Proof, Row, quantile
from gossip.proof.runs import PeerRun
from gossip.proof.records import SeedRun

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
    found = _Found(proof)
    tally = found.tally()
    failures = [*found.missed(), *found.falsely_kicked(), *found.not_shunned(),
                *found.shunned_falsely(), *found.believed, *found.buried]
    return Row("malicious", tally.holds(), "; ".join(filter(None, [
        str(tally), found.periods(), _costs(proof), _deliveries(proof)])), failures)


class Tally(NamedTuple):
    """Attackers and kicks as numbers, which those of other networks can be added to."""

    attackers: int
    kicked: int  # of them
    missed: int
    late: int  # those that were kicked too late
    honest: int
    falsely: int  # honest peers that were kicked
    kept: int  # silent attackers that an honest peer keeps
    parted: int  # pairs of honest peers of whom one never named the other, as seeds have found
    believed: int  # how often a seed did not disbelieve an attacker that reports living peers dead
    buried: int  # living peers that were removed because of such a one
    lacking: int  # attackers that were not found as they had to be;
    may_lack: float  # so many may
    may_fall: float  # honest peers that may be kicked

    @classmethod
    def of(cls, proof: Proof) -> "Tally":
        """The tally of one network."""
        return _Found(proof).tally()

    def plus(self, other: "Tally") -> "Tally":
        """The tally of both."""
        return Tally(*map(sum, zip(self, other)))

    def holds(self) -> bool:
        """Whether all was reached that has to be."""
        return (self.lacking <= self.may_lack and self.falsely <= self.may_fall
                and not (self.kept or self.parted or self.believed or self.buried))

    def __str__(self) -> str:
        return (f"kicked {self.kicked} of {self.attackers} attackers, missed {self.missed}, late "
                f"{self.late}, and falsely {self.falsely} of {self.honest} honest peers")


class _Found:
    """The attackers of a proof, and the kicks."""

    def __init__(self, proof: Proof):
        self._proof = proof
        self._end = graph.end_of(proof.records)
        self._kicks: dict[str, Kick] = {}  # peer -> the first kick
        for kick in sorted(kick for seed in proof.seeds for kick in seed.kicks):
            self._kicks.setdefault(kick.peer, kick)
        self._attackers = {run.address: run for run in proof.attackers}  # the last run of each
        self._took = {}  # attacker that was kicked -> periods until then
        self._late, self._missed = {}, {}  # attackers -> periods until the kick, or the end
        for address, run in self._attackers.items():
            self._look_at(address, run)
        liars = [run for run in proof.attackers if run.malice == FALSE_DEAD]
        self.believed = [f"seed {seed.address} did not disbelieve {run.address} ({FALSE_DEAD})"
                         for seed in proof.seeds for run in liars if _had_to_doubt(seed, run)]
        self.buried = _buried(proof, {run.address for run in liars})

    def _look_at(self, address: str, run: PeerRun) -> None:
        kick = self._kicks.get(address)
        end = min(self._end, graph.up_until(run, self._proof.newest)) - run.sleep.asleep
        took = self._periods(run, end if kick is None else kick.at)
        if kick is not None:
            self._took[address] = took
        if run.malice not in (SILENT, FALSE_DEAD) and took > self._limit(run):
            (self._missed if kick is None else self._late)[address] = took

    def _periods(self, run: PeerRun, until: float) -> float:
        """Periods from the beginning of an attacker's time."""
        linked = _linked_at(run)
        times = sorted(run.generated.values()) if run.malice == CHEAT else self._proof.times
        said = next((at for at in times if at >= linked), until)
        return max(0.0, until - said) / run.setting("report-interval")

    def _limit(self, run: PeerRun) -> float:
        """Periods after which an attacker is kicked too late."""
        if run.malice == CHEAT:
            return CHEAT_IN_TIME
        lately = self._end - 2 * run.setting("report-interval")
        unrest = any(seed.first > run.first or not seed.stopped and seed.last < lately
                     for seed in self._proof.seeds)
        return IN_TIME + WITHOUT_SEED * unrest

    def tally(self) -> "Tally":
        """The same as numbers."""
        honest = sorted({parse_address(run.address) for run in self._proof.peers})
        links = sorted(graph.capacity_of(run).of(parse_address(run.address))
                       for run in self._proof.peers) or [0]
        few = links[len(links) // 2] <= FEW_LINKS
        many = len(self._attackers) >= MANY * (len(honest) + len(self._attackers))
        to_find = sum(run.malice not in (SILENT, FALSE_DEAD) for run in self._attackers.values())
        return Tally(len(self._attackers), len(self._took), len(self._missed), len(self._late),
                     len(honest), len(self._false()), len(self._kept()), len(self._parted()),
                     len(self.believed), len(self.buried),
                     len(self._missed) + (0 if few else len(self._late)),
                     to_find * (1 - (KICKED_FEW_LINKS if few else KICKED_SHARE)),
                     len(honest) * (HONEST_SHARE if many else 0))

    def _false(self) -> list[Kick]:
        return [kick for peer, kick in self._kicks.items() if peer not in self._attackers]

    def missed(self) -> list[str]:
        """Attackers that were kicked too late, or not at all."""
        return [f"{address} ({self._attackers[address].malice}) was "
                + (f"kicked only after {took:.0f} periods" if address in self._late
                   else f"not kicked in {took:.0f} periods")
                for address, took in [*self._missed.items(), *self._late.items()]]

    def falsely_kicked(self) -> list[str]:
        """Honest peers that were kicked."""
        return [f"{kick.peer} was kicked with a badness of {kick.badness:.3f}, and is honest"
                for kick in self._false()]

    def not_shunned(self) -> list[str]:
        """Silent attackers that honest peers keep."""
        return [f"{one} has kept {other} ({SILENT}), which names no neighbour"
                for one, other in self._kept()]

    def _kept(self) -> list[tuple[str, str]]:
        """(honest peer, silent attacker): neighbours for too long when the network ended."""
        kept = []
        for run in self._proof.peers:
            for address, attacker in self._attackers.items():
                too_long = (self._end - 2 * run.setting("settle")
                            - SHUNNED * run.setting("report-interval"))
                if (attacker.malice == SILENT and run.last >= self._end and run.links.get(address)
                        and run.links[address][-1].begin < too_long
                        and run.links[address][-1].end > self._end):
                    kept.append((run.address, address))
        return kept

    def shunned_falsely(self) -> list[str]:
        """Honest peers that honest peers had to leave alone."""
        return [f"{one} had to leave {other} alone, which is honest, too"
                for one, other in self._parted()]

    def _parted(self) -> list[tuple[str, str]]:
        return [(run.address, other) for run in self._proof.peers
                for other in sorted(run.left_alone) if other not in self._attackers]

    def periods(self) -> str:
        """How long kicks took."""
        took = list(self._took.values())
        return took and (f"after {quantile(took, 0.5):.1f} periods (median), "
                         f"{max(took):.1f} (max)")


def _had_to_doubt(seed: SeedRun, run: PeerRun) -> bool:
    """Whether a seed found three reports of an attacker untrue, and has not disbelieved it."""
    times = [at for at, who in seed.untrue if who == run.address]
    window = UNTRUE_PERIODS * run.setting("report-interval")
    doubts = [third for first, third in zip(times, times[UNTRUE - 1:]) if third < first + window]
    return bool(doubts) and seed.believes(run.address, doubts[0] + ON_ITS_WAY)


def _buried(proof: Proof, liars: set[str]) -> list[str]:
    """Living peers that seeds have removed, by the word of none but these attackers."""
    found = []
    for seed in proof.seeds:
        for at, peer, reason in seed.removed:
            reporters = {who for heard, whom, who in seed.reports if whom == peer and heard <= at}
            if reason == "dead" and reporters and reporters <= liars:
                found += deaths.removed(proof, seed, at, peer, reason)
    return found


def _linked_at(run: PeerRun) -> float:
    """When a run had REPORTERS neighbours first; infinity when it never had."""
    linked: set[str] = set()
    for at, peer, up in run.changes:
        (linked.add if up else linked.discard)(peer)
        if len(linked) >= REPORTERS:
            return at
    return math.inf


def _costs(proof: Proof) -> str:
    """The work of the seeds: hops of rows, how even their loads are, and rows that moved."""
    loads = [load for seed in proof.seeds for load in seed.loads]
    if not loads:
        return ""
    last, hops = max(loads), [load.hops for load in loads if load.rows]
    return (f"{sum(hops) / max(1, len(hops)):.1f} hops, load of seeds "
            f"{last.largest / (last.mean or 1):.2f} times the mean at most, "
            f"{sum(load.moved for load in loads)} rows moved")


def _deliveries(proof: Proof) -> str:
    honest = sum(message in proof.origin for run in proof.peers for message in run.received)
    return f"{honest} deliveries among honest peers"
