"""Blame: whether who called another dead had a reason and said so, and whether the other lived.

A peer that finds another dead has missed its answers in so many rounds in a row before, and tells
every seed that it is registered with. Nobody that lives may be called dead by a peer, or taken off
a seed's list. It is no failure if that could not be known better: there was no sign of life, as
whoever lived was frozen or cut off, or such signs were slower than the answer to a probe may be.
"""

import bisect
import math

from gossip.proof.company import ON_ITS_WAY
from gossip.proof.evidence import Proof
from gossip.proof.runs import PROBE_TIME, PeerRun
from gossip.proof.seed_runs import SeedRun
from gossip.settings import Settings

REPORT_TIME = 5.0  # seconds in which a death has to be reported
NOTICE_ROUNDS = Settings().register_misses + 1  # until a peer notices that a seed has removed it,
NOTICE_TIME = REPORT_TIME  # and so many seconds, also if it was cut off from that seed
RETURN_TIME = 60.0  # seconds in which one that was called dead may be registered again
GOES_ON = ON_ITS_WAY  # seconds that a run has to go on to tell that it lived


def failures(proof: Proof) -> list[str]:
    """What is wrong with the deaths that peers and seeds tell of."""
    found = [failure for run in proof.peers if not run.chat for at, dead in run.found_dead
             for failure in (*_without_misses(proof, run, at, dead),
                             *_not_reported(proof, run, at, dead),
                             *_called_dead(proof, run, at, dead))]
    for seed in proof.seeds:
        for at, peer, reason in seed.removed:
            found += removed(proof, seed, at, peer, reason)
        found += _told_dead(proof, seed)
    return found


def _without_misses(proof: Proof, run: PeerRun, at: float, dead: str) -> list[str]:
    """Misses are counted in a row, from one to the limit; the last ones may be counted anew, when a
    last probe has found nothing out."""
    limit = int(run.setting("liveness-misses"))
    counts = [missed.count for missed in run.missed if missed.peer == dead and missed.at <= at]
    expected = limit
    for count in reversed(counts):
        if count == expected - 1:
            expected = count
        if count != expected or expected == 1:
            break
    if counts and counts[-1] == limit and expected == 1:
        return []
    return [f"{proof.name(run)} found {dead} dead without {limit} misses in a row"]


def _not_reported(proof: Proof, run: PeerRun, at: float, dead: str) -> list[str]:
    """The seeds that it was registered with all the time, and has not told. It writes both down
    together, so of a run that ends soon it is known, too."""
    due = run.sleep.later(at, REPORT_TIME)
    if run.last == at or run.left is not None and run.left < due:
        return []
    told = {report.seed for report in run.reported
            if report.dead == dead and at <= report.at <= due}
    return [f"{proof.name(run)} found {dead} dead, and has not reported it to seed {seed}"
            for seed in run.registrations.words
            if seed not in told and run.registrations.stands_from(seed, at - ON_ITS_WAY, due)]


def _called_dead(proof: Proof, run: PeerRun, at: float, dead: str) -> list[str]:
    """A peer found another dead, with which it was in touch in the interval before its last probe
    began."""
    interval = run.setting("liveness-interval")
    probed = _probed(run, dead, at)
    return [f"{proof.name(run)} found {dead} dead, which lived"
            for other in proof.peers
            if other.address == dead and _lived(proof, other, probed - interval, at)
            and not _was_silent(other, probed, at)
            and run.address in _in_touch(proof, dead, probed - interval, probed)
            and not _returns(proof, dead, at)]


def _lived(proof: Proof, run: PeerRun, begin: float, at: float) -> bool:
    """Whether a run had begun, and goes on after a time."""
    return run.first <= begin and min(run.last, proof.company.end_of(run)) > at + GOES_ON


def _was_silent(run: PeerRun, begin: float, end: float) -> bool:
    """Whether a run wrote nothing from one moment to the other, as one that is frozen."""
    return any(silent <= begin and end <= woke for silent, woke in run.sleep.silences)


def _returns(proof: Proof, peer: str, at: float) -> bool:
    """Whether a peer that was called dead was registered again soon."""
    return any(at < again <= at + RETURN_TIME and who == peer
               for seed in proof.seeds for again, who in seed.registered)


def removed(proof: Proof, seed: SeedRun, at: float, peer: str, reason: str) -> list[str]:
    """A seed has removed a peer that lived. It was in touch with who told of its death; or with
    another that this seed kept on its list, and has never heard that it was removed itself."""
    for run in proof.peers:
        interval = run.setting("liveness-interval")
        if run.address != peer or run.chat:
            continue
        told = reason == "dead" and _lived(proof, run, at - interval, at + interval) and any(
            _could_know_better(proof, run, who, probed) and not _was_silent(run, probed, at)
            for who, probed in _probes(proof, seed, peer, at))
        if told or _has_not_noticed(proof, seed, at, run):
            return [f"seed {seed.address} removed {peer}, which lived"]
    return []


def _could_know_better(proof: Proof, accused: PeerRun, reporter: str, probed: float) -> bool:
    """Whether signs of life of the accused led to its reporter before the last probe began, and it
    did not take the reporter for dead, too: then they were cut apart again."""
    interval = accused.setting("liveness-interval")
    apart = any(whom == reporter and abs(at - probed) < 2 * interval
                for at, whom in accused.found_dead)
    return not apart and reporter in _in_touch(proof, accused.address, probed - interval, probed)


def _told_dead(proof: Proof, seed: SeedRun) -> list[str]:
    """A seed has told others of the death of a peer that knows of no removal, and lived."""
    told = seed.passed_on + [
        (min(times), peer) for (who, peer), times in proof.told.items()
        if who == seed.address and seed.first <= min(times) <= seed.last]
    lived = {peer: None for at, peer in sorted(told) for run in proof.peers
             if run.address == peer and not run.chat and _has_not_noticed(proof, seed, at, run)}
    return [f"seed {seed.address} told of the death of {peer}, which lived" for peer in lived]


def _has_not_noticed(proof: Proof, seed: SeedRun, at: float, run: PeerRun) -> bool:
    """Whether a run that a seed has removed calls itself registered there, although it cannot have
    been cut off."""
    interval = run.setting("liveness-interval")
    until = min(at + NOTICE_ROUNDS * interval + NOTICE_TIME, run.last, proof.newest)
    if (not _lived(proof, run, at - interval, at)
            or any(at < again <= until for again, who in seed.registered if who == run.address)
            or not run.registrations.stands_from(seed.address, at - ON_ITS_WAY, until)):
        return False
    touched = _in_touch(proof, run.address, at - interval, at)
    return any(other.address in touched and _stays(seed, other, at - interval, until)
               for other in proof.peers)


def _stays(seed: SeedRun, run: PeerRun, begin: float, end: float) -> bool:
    """Whether a peer was registered with a seed all the time, by the word of both."""
    return run.registrations.stands_from(seed.address, begin, end) and not any(
        begin <= at <= end and who == run.address for at, who, _ in seed.removed)


def _probes(proof: Proof, seed: SeedRun, peer: str, removed: float) -> list[tuple[str, float]]:
    """Who reported a peer that was then removed, and when the reporter's last probe began."""
    listed = max((at for at, who in seed.registered if who == peer and at <= removed), default=0.0)
    probes = []
    for heard, whom, who in seed.reports:
        if whom == peer and listed <= heard <= removed:
            reporters = [run for run in proof.peers if run.address == who]
            found = max((at for run in reporters for at, dead in run.found_dead
                         if dead == peer and at <= heard),
                        default=heard)  # a report that another seed passed on comes later
            began = max((_probed(run, peer, found) for run in reporters),
                        default=found - PROBE_TIME)
            probes.append((who, began))
    return probes


def _probed(run: PeerRun, peer: str, found: float) -> float:
    """When the last probe began after which a run found a peer dead: with the last miss, or, if
    that is longer ago, as long before its end as a probe may take. Whether a cut was mended during
    that probe, or during the seed's, does not count."""
    missed = max((missed.at for missed in run.missed
                  if missed.peer == peer and missed.at <= found), default=0.0)
    return max(missed, found - PROBE_TIME)


def _in_touch(proof: Proof, peer: str, begin: float, end: float) -> set[str]:
    """The peers in touch with a peer between two moments: liveness replies lead from one to the
    other, directly or, one after the other, through other peers. Replies that were slower than
    the answer to a probe do not count; a probe goes to and fro twice, once to connect."""
    meetings = []
    for run in proof.peers:
        replies = run.replies
        for at in range(bisect.bisect_left(replies, (begin, "")), len(replies)):
            if replies[at].at > end:
                break
            if replies[at].took < PROBE_TIME / 2:
                meetings.append((replies[at].at, run.address, replies[at].peer))
    reached, before = {peer: begin}, 0  # who has heard of the peer, and since when
    while len(reached) > before:
        before = len(reached)
        for at, one, other in sorted(meetings):
            for who, whom in ((one, other), (other, one)):
                if reached.get(who, math.inf) <= at:
                    reached.setdefault(whom, at)
    return reached.keys() - {peer}
