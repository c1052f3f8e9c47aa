"""The row about deaths: whether the dead, and just they, were found, reported and removed."""

import math

from gossip.proof import blame
from gossip.proof.company import ON_ITS_WAY
from gossip.proof.evidence import Proof, Row, quantile
from gossip.proof.runs import PROBE_TIME, PeerRun
from gossip.proof.seed_runs import SeedRun
from gossip.settings import Settings

# seconds for which a seed may probe
SEED_PROBES = Settings().quick_look + Settings().probe_tries * PROBE_TIME

# Reasons for which a neighbour is parted with, and its rounds are not counted any more.
PARTED = {"left", "full", "given up", "told dead", "silent, but alive", "kicked", "unconfirmed"}


def dead(proof: Proof) -> Row:
    """Every peer that died was reported to its seeds and removed by them; no living peer was
    (blame.py)."""
    failures, delays = [], []
    deaths = proof.deaths()
    for run in deaths:
        faults, took = death(proof, run)
        failures += faults
        delays += took
    failures += blame.failures(proof)
    figures = f"{len(deaths)} died"
    if delays:
        figures += (f"; removed and reported after {quantile(delays, 0.5):.1f} s (median), "
                    f"{max(delays):.1f} s (max)")
    return Row("dead", not failures, figures, failures)


def death(proof: Proof, run: PeerRun) -> tuple[list[str], list[float]]:
    """The failures after a death; and for each seed that did what it should, the seconds from the
    last line of the dead peer until the seed had heard of the death and removed the peer.

    A seed that listed the peer has to remove it, unless the seed ended before it could know, or
    while it probed; if it told others of the death it knew. It has to hear of the death if a
    finder was registered with it, or if another seed heard and had the time to tell it; but not
    across a cut (reach.py).
    """
    failures, delays = [], []
    found = found_dead(proof, run)
    if not found and not any(_had_to_find(other, run) for other in proof.peers):
        return [], []  # no neighbour lived long enough to find out
    missing = run.registrations.ever() - {seed.address for seed in proof.seeds}
    failures += [f"{run.address} died, and there is no file of seed {seed} to tell more"
                 for seed in sorted(missing)]
    for seed in proof.seeds:
        listed = [at for at, peer in seed.registered if peer == run.address and at <= run.last]
        left = [at for at, peer, _ in seed.removed if peer == run.address and at < run.last]
        end = proof.company.reach.end_of(seed)
        if not listed or (left and max(left) > max(listed)) or end < run.last:
            continue
        removed = [at for at, peer, _ in seed.removed
                   if peer == run.address and at >= max(listed) and at >= run.last]
        reported = _reported(seed, run)
        heard = any(peer == run.address and at >= max(listed) for at, peer, _ in seed.reports)
        way = 0.0 if seed.full else ON_ITS_WAY  # one whose file is full goes on telling
        told = any(max(seed.first, run.last) <= at <= end + way
                   for at in proof.told.get((seed.address, run.address), ()))
        if not removed:
            known = _known(proof, seed, run)
            if told or end > max([known, *reported[:1]]) + SEED_PROBES + ON_ITS_WAY:
                failures.append(f"{run.address} died {proof.newest - run.last:.0f} s before the "
                                f"newest line, and seed {seed.address} has not removed it (yet)")
        elif reported and not _was_found(proof, seed, run):
            failures.append(f"{run.address} was reported dead to seed {seed.address}, "
                            f"but no peer found it dead")
        elif not reported and (told and not heard or _had_to_hear(proof, seed, run)):
            failures.append(f"{run.address} died {proof.newest - run.last:.0f} s before the "
                            f"newest line, and seed {seed.address} has not heard of it (yet)")
        else:
            delays.append(max(removed[0], *reported[:1], 0.0) - run.last)
    return failures, delays


def found_dead(proof: Proof, run: PeerRun) -> list[float]:
    """The times at which other peers found this one dead, after its last line."""
    return [other.dead[run.address] for other in proof.peers
            if other.dead.get(run.address, 0) >= run.last]


def _known(proof: Proof, seed: SeedRun, run: PeerRun) -> float:
    """When a death was found by a peer whose report a seed looks at, or had to be found."""
    found = [(other.address, other.dead[run.address]) for other in proof.peers
             if other.dead.get(run.address, 0) >= run.last]
    if not found:
        return _due(run, run.last)
    return min((at for who, at in found if seed.believes(who, at + ON_ITS_WAY)), default=math.inf)


def is_told(proof: Proof, run: PeerRun) -> bool:
    """Whether every seed that a dead peer was registered with has told others of the death, or has
    had the time to: from then on whatever is missing in the files is a failure."""
    found = found_dead(proof, run)
    due = (min(found) if found else _due(run, run.last)) + SEED_PROBES + ON_ITS_WAY
    return proof.newest > due or all(proof.told.get((seed, run.address))
                                     for seed in run.registrations.ever())


def _was_found(proof: Proof, seed: SeedRun, run: PeerRun) -> bool:
    """Whether a peer found this one dead; or one that a seed names, whose file was full."""
    return any(run.address in other.dead for other in [*proof.peers, *proof.attackers]) or any(
        peer == run.address and who in proof.full for _, peer, who in seed.reports)


def _due(run: PeerRun, since: float) -> float:
    """When a neighbour has to have found a peer dead that has been silent since a time."""
    rounds = run.setting("liveness-misses") + 1
    return since + rounds * run.setting("liveness-interval") + PROBE_TIME


def _had_to_find(other: PeerRun, run: PeerRun) -> bool:
    """Whether a peer was the dead one's neighbour, and awake for long enough to find it dead."""
    if not other.had_link(run.address, run.last):
        return False
    return (other.links[run.address][-1].reason not in PARTED
            and other.last >= _due(run, max(run.last, other.sleep.woke or 0.0)))


def _reported(seed: SeedRun, run: PeerRun) -> list[float]:
    return [at for at, peer, _ in seed.reports if peer == run.address and at >= run.last]


def _believed(seed: SeedRun, run: PeerRun, heard: float) -> bool:
    """Whether a seed that heard of a death had listed the dead; else it believes nobody."""
    return any(peer == run.address and run.last <= at <= heard + SEED_PROBES + ON_ITS_WAY
               for at, peer, _ in seed.removed)


def _had_to_hear(proof: Proof, seed: SeedRun, run: PeerRun) -> bool:
    """Whether a report of a death had to come to a seed, from a peer that found it or from another
    seed."""
    reach = proof.company.reach
    finders = [(other, other.dead[run.address]) for other in proof.peers
               if other.dead.get(run.address, 0) >= run.last]
    finders = [(other, at) for other, at in finders if reach.end_of(seed) > at + ON_ITS_WAY
               and any(begin <= at < end for begin, end in reach.of(other)[seed.address])
               and not other.registrations.is_lost(seed.address, at)]
    if any(other.is_registered(seed.address, at)
           and seed.believes(other.address, at + ON_ITS_WAY) for other, at in finders):
        return True
    tellers = [(teller, heard[0]) for teller in proof.seeds
               if (heard := _reported(teller, run)) and _believed(teller, run, heard[0])]
    return bool(finders) and any(
        min(map(reach.end_of, (teller, seed))) > heard + SEED_PROBES + ON_ITS_WAY
        and not _apart(proof, teller, seed, heard) for teller, heard in tellers)


def _apart(proof: Proof, one: SeedRun, other: SeedRun, at: float) -> bool:
    """Whether a peer could reach only one of two seeds: then they may have been cut apart."""
    reached = ([any(begin <= at < end for begin, end in proof.company.reach.of(run)[seed.address])
                for seed in (one, other)]
               for run in proof.peers if run.first <= at <= proof.company.end_of(run))
    return any(one != other for one, other in reached)
