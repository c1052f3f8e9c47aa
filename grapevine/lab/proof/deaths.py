"""The row about dead peers, and living peers that were called dead.

A peer that finds another dead has missed its answers several rounds in a row before, and tells
every seed with which it is registered. No peer may call a living peer dead, and no seed may take it
off its list. This is no failure if nobody could know better, because the living peer was frozen or
cut off, or because its signs of life were slower than the answer to a probe may be.
"""

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter

from grapevine.lab.proof.events import Spans, when
from grapevine.lab.proof.evidence import ON_ITS_WAY, Proof, Row, notice_time, quantile
from grapevine.lab.proof.runs import KICKED, PROBE_TIME, PeerRun, SeedRun

SEED_PROBES = 0.25 + 2 * PROBE_TIME  # seconds that a seed may probe
REPORT_TIME = 5.0  # seconds in which a death has to be reported
PROBING = SEED_PROBES + ON_ITS_WAY  # seconds from a report until the seed has removed the dead
NOTICE_TIME = REPORT_TIME  # seconds more until a peer that was cut off notices its removal
FALSE_DEAD = "falsedead"  # the kind of attacker that reports the living dead
RETURN_TIME = 60.0  # seconds in which a peer that was called dead may be registered again

# Reasons of links that a peer gives up, and after which it counts no misses of the neighbour.
PARTED = {"left", "full", "given up", "told dead", "silent, but alive", "kicked", "unconfirmed"}


def dead(proof: Proof) -> Row:
    """Check that seeds removed all dead peers and no living ones."""
    died = [run for run in proof.peers  # nobody reports chat servers
            if not run.chat and run.is_dead(proof.newest)]
    deaths = [death(proof, run) for run in died if not run.superseded]
    failures = [failure for faults, _ in deaths for failure in faults] + _blames(proof)
    delays = [delay for _, took in deaths for delay in took]
    figures, unseen = f"{len(deaths)} died", deaths.count(([], []))
    if unseen:
        figures += f", {unseen} of them where nobody had to find and remove it"
    if delays:
        figures += (f"; removed and reported after {quantile(delays, 0.5):.1f} s (median), "
                    f"{max(delays):.1f} s (max)")
    if came_back := len(died) - len(deaths):
        figures += f"; not judged: {came_back} that came back"
    return Row("dead", not failures, figures, failures)


def death(proof: Proof, run: PeerRun) -> tuple[list[str], list[float]]:
    """Return the failures after a death, and the seconds that each other seed took.

    A seed that listed the peer has to remove it, unless it ended before it could know, or while it
    probed. It has to hear of the death if a finder was registered with it, or if another seed heard
    and had the time to tell it, but not across a cut (evidence.py)."""
    if not (found_dead(proof, run) or any(_had_to_find(other, run) for other in proof.peers)
            or _was_reported(proof, run)):
        return [], []  # no neighbour lived long enough to find out
    missing = run.registrations.ever() - {seed.address for seed in proof.seeds} - proof.headless
    failures = [f"{run.address} died, and there is no file of seed {seed} to tell more"
                f"{proof.beside([seed])}" for seed in sorted(missing)
                if not proof.is_elsewhere(seed)]
    overlooked = [] if _was_heard_of(proof, run) else [
        f"{run.address} died, and its neighbour {proof.name(other)} has not found it dead"
        for other in proof.peers if not other.chat and _has_overlooked(other, run)]
    delays = []
    died = f"{run.address} died {proof.newest - run.last:.0f} s before the newest line"
    for seed in proof.seeds:
        listed = max(when(seed.registered, run.address, end=run.last), default=None)
        end = seed.end(proof.newest)
        if listed is None or end < run.last or any(
                listed < at < run.last for at in when(seed.removed, run.address)):
            continue
        removed = when(seed.removed, run.address, run.last)
        reported = when(seed.reports, run.address, run.last)
        heard = when(seed.reports, run.address, listed)
        told = any(max(seed.first, run.last) <= at <= end + ON_ITS_WAY
                   for at in proof.told.get((seed.address, run.address), ()))
        if not removed:
            if told or end > _removal_due(proof, seed, run, reported):
                failures.append(f"{died}, and seed {seed.address} has not removed it (yet)")
        elif reported and not _was_found(proof, seed, run):
            failures.append(f"{run.address} was reported dead to seed {seed.address}, but no peer "
                            f"found it dead{proof.beside(reporters(seed, run.address))}")
        elif not reported and (told and not heard or _had_to_hear(proof, seed, run)):
            failures.append(f"{died}, and seed {seed.address} has not heard of it (yet)")
        else:
            delays.append(max(removed[0], *reported[:1], 0.0) - run.last)
    return failures + overlooked, [] if overlooked else delays


def found_dead(proof: Proof, run: PeerRun) -> list[tuple[PeerRun, float]]:
    """Return the peers that found a run dead, and when."""
    return [(other, other.dead[run.address]) for other in proof.peers
            if other.dead.get(run.address, -math.inf) >= run.last]


def _was_reported(proof: Proof, run: PeerRun) -> bool:
    """Tell whether an honest peer reported a death, and went on, so that its file tells of it."""
    return any(peer == run.address and run.last <= at
               and other.first <= at < other.last - ON_ITS_WAY
               for seed in proof.seeds for at, peer, who, _ in seed.reports
               for other in proof.runs.get(who, ()))


def _was_heard_of(proof: Proof, run: PeerRun) -> bool:
    """Tell whether anybody found a run dead, or some seed heard that."""
    return any(when([*seed.reports, *seed.passed_on], run.address, run.first)
               for seed in proof.seeds) or _was_found_by_any(proof, run)


def _was_found_by_any(proof: Proof, run: PeerRun) -> bool:
    return any(other.dead.get(run.address, -math.inf) >= run.first
               for other in [*proof.peers, *proof.attackers])


def _removal_due(proof: Proof, seed: SeedRun, run: PeerRun, reported: list[float]) -> float:
    """Return when a seed has to have removed a dead peer. Only the time counts for which it was not
    late, because a frozen seed hears of no death, and does not probe."""
    finders = found_dead(proof, run)
    believed = [at for other, at in finders if seed.believes(other.address, at + ON_ITS_WAY)]
    known = min(believed, default=math.inf if finders else _due(run, run.last))
    reports = [(other, report) for other in proof.peers for report in other.reported
               if report.dead == run.address and report.at >= run.last]
    # what peers reported to the seed while they could reach it, by their own word
    hears = reported or [report.at for other, report in reports if report.seed == seed.address
                         and proof.seed_times(other)[seed.address].hold(report.at)]
    if hears:
        due = max(known, min(hears))
    elif any(when(other.not_told, seed.address, run.last) for other in proof.seeds) or (
            finders and not any(times.hold(at) for other, at in finders
                                for times in proof.seed_times(other).values())):
        due = math.inf  # another seed did not reach it, or who found the death had no seed to tell
    else:  # another seed hears, probes first, and tells this one
        known = max(known, min((report.at for _, report in reports), default=known))
        due = seed.late.later(run.last, known - run.last + SEED_PROBES)
    return seed.late.later(due, PROBING)


def is_told(proof: Proof, run: PeerRun) -> bool:
    """Tell whether all seeds of a dead peer told others, or could."""
    found = min((at for _, at in found_dead(proof, run)), default=_due(run, run.last))
    newest = max([proof.newest, *(seed.last for seed in proof.seeds)])  # `alive:` lines, too
    return newest > found + PROBING or all(
        proof.told.get((seed, run.address)) for seed in run.registrations.ever())


def _was_found(proof: Proof, seed: SeedRun, run: PeerRun) -> bool:
    """Tell whether a peer found a run dead, maybe in missing lines."""
    return _was_found_by_any(proof, run) or any(
        who in proof.headless or proof.is_elsewhere(who) for who in reporters(seed, run.address))


def reporters(seed: SeedRun, dead: str, until: float = math.inf) -> set[str]:
    """Return the peers that have told a seed of a death."""
    return {who for at, peer, who, _ in seed.reports if peer == dead and at <= until}


def _due(run: PeerRun, since: float) -> float:
    """Return when a neighbour has to have found a silent run dead."""
    return since + (run.setting("liveness-misses") + 1) * run.interval + PROBE_TIME


def _had_to_find(other: PeerRun, run: PeerRun) -> bool:
    """Tell whether a neighbour had enough time to find a death."""
    # a late round counts no misses
    late = Spans((begin, until + run.interval) for begin, until in other.late).merged()
    return (other.had_link(run.address, run.last)
            and other.last >= late.later(run.last, _due(run, 0.0))
            and other.links[run.address][-1].reason not in PARTED)


def _has_overlooked(other: PeerRun, run: PeerRun) -> bool:
    """Tell whether a neighbour has not found a death in twice the time, though its link had stood
    for a round (after a younger one it may count no misses), it was never late, and no last probe
    ended without a result, after which the last miss is counted once more."""
    if not _had_to_find(other, run):
        return False
    limit, link = int(other.setting("liveness-misses")), other.links[run.address][-1]
    due = run.last + 2 * ((limit + 2) * max(run.interval, other.interval) + PROBE_TIME)
    last_misses = [missed for missed in other.missed if missed.peer == run.address
                   and missed.at > run.last and missed.count >= limit]
    return (link.end - link.begin >= other.interval and len(last_misses) < 2
            and min(other.last, other.left or other.last) >= due
            and not any(begin < until and until > run.last for begin, until in other.late))


def _had_to_hear(proof: Proof, seed: SeedRun, run: PeerRun) -> bool:
    """Tell whether a finder or a seed had to report a death."""
    finders = [(other, at) for other, at in found_dead(proof, run)
               if seed.end(proof.newest) > at + ON_ITS_WAY
               # at both moments, because a cut may hold the report back
               and all(map(proof.seed_times(other)[seed.address].hold, (at, at + ON_ITS_WAY)))
               and ((word := other.registrations.last(seed.address, at)) is None
                    or word.lost is None)]
    if any((other.left is None or other.left > at)
           and proof.end_of(other) > at + ON_ITS_WAY  # or a cut may hold it back for good
           and other.registrations.stands_from(seed.address, at, at)
           and seed.believes(other.address, at + ON_ITS_WAY) for other, at in finders):
        return True
    tellers = [(teller, max([heard[0], *when(teller.passed_on, run.address, run.last)[:1]]))
               for teller in proof.seeds
               if (heard := when(teller.reports, run.address, run.last))
               # it had listed the dead peer, or else it believes nobody
               and when(teller.removed, run.address, run.last, heard[0] + PROBING)]
    return bool(finders) and any(
        min(one.end(proof.newest) for one in (teller, seed)) > heard + PROBING
        and not when(teller.not_told, seed.address, heard, heard + PROBING)
        and not _apart(proof, teller, seed, heard) for teller, heard in tellers)


def _apart(proof: Proof, one: SeedRun, other: SeedRun, at: float) -> bool:
    """Tell whether some peer could reach only one of two seeds."""
    times = [proof.seed_times(run) for run in proof.peers if run.first <= at <= proof.end_of(run)]
    return any(of[one.address].hold(at) != of[other.address].hold(at) for of in times)


def _blames(proof: Proof) -> list[str]:
    """Return the failures of all peers and seeds that called peers dead."""
    found = [failure for run in proof.peers if not run.chat for at, dead in run.found_dead
             for failure in _found_wrongly(proof, run, at, dead)]
    for seed in proof.seeds:
        for at, peer, reason in seed.removed:
            found += removed(proof, seed, at, peer, reason)
        told = seed.passed_on + [
            (min(times), peer) for (who, peer), times in proof.told.items()
            if who == seed.address and seed.first <= min(times) <= seed.last
            and not when(seed.passed_on, peer, end=min(times))]  # or else it was long on its way
        lived = {peer: None for at, peer in sorted(told) for run in proof.runs[peer]
                 if _has_not_noticed(proof, seed, at, run)}
        found += [f"seed {seed.address} told of the death of {peer}, which lived" for peer in lived]
    return found


def _found_wrongly(proof: Proof, run: PeerRun, at: float, dead: str) -> Iterator[str]:
    """Yield a failure unless misses were counted from one to the limit, a failure for each seed
    that the finder did not tell, and a failure if it could know better."""
    found, limit = f"{proof.name(run)} found {dead} dead", int(run.setting("liveness-misses"))
    before = max((again for again in when(run.found_dead, dead) if again < at), default=0.0)
    counts = [count for count, _ in itertools.groupby(  # a probe that found nothing out repeats one
        missed.count for missed in run.missed
        if missed.peer == dead and before <= missed.at <= at)]
    if len(counts) < limit or counts[-limit:] != [*range(1, limit + 1)]:
        yield f"{found} without {limit} misses in a row"
    due = run.late.later(at, REPORT_TIME)
    told = {report.seed for report in run.reported
            if report.dead == dead and at <= report.at <= due}
    # a run that ends soon has to tell as well, because it writes death and report together
    if run.last != at and (run.left is None or run.left >= due):
        yield from (f"{found}, and has not reported it to seed {seed}"
                    for seed in run.registrations.words if seed not in told
                    and run.registrations.stands_from(seed, at - ON_ITS_WAY, due))
    if not any(again > at for seed in proof.seeds
               for again in when(seed.registered, dead, at, at + RETURN_TIME)):
        probed = _probed([run], dead, at)
        yield from (f"{found}, which lived" for other in proof.runs[dead]
                    if _lived(proof, other, probed - run.interval, at)
                    and _could_know_better(proof, other, run.address, probed, at))


def _lived(proof: Proof, run: PeerRun, begin: float, at: float) -> bool:
    """Tell whether a run had begun, and goes on after a time."""
    return run.first <= begin and min(run.last, proof.end_of(run)) > at + ON_ITS_WAY


def removed(proof: Proof, seed: SeedRun, at: float, peer: str, reason: str) -> list[str]:
    """Return a failure if a seed removed a living peer. The peer was in touch with the reporter of
    its death; or with another peer on the list of this seed, and never noticed its removal."""
    for run in proof.runs[peer]:
        lived = _lived(proof, run, at - run.interval, at + run.interval)
        told = reason == "dead" and lived and any(
            _could_know_better(proof, run, who, probed, at)
            for who, probed in _probes(proof, seed, peer, at))
        if told or _has_not_noticed(proof, seed, at, run):
            return [f"seed {seed.address} removed {peer}, which lived"]
    return []


def _could_know_better(proof: Proof, accused: PeerRun, reporter: str, probed: float,
                       called_dead: float) -> bool:
    """Tell whether signs of life reached the reporter before its last probe."""
    # if the accused took its reporter for dead, too, they were cut apart again
    apart = any(abs(at - probed) < 2 * accused.interval
                for at in when(accused.found_dead, reporter))
    return (not apart and not accused.late.cover(probed, called_dead)
            and reporter in _in_touch(proof, accused, probed))


def _has_not_noticed(proof: Proof, seed: SeedRun, at: float, run: PeerRun) -> bool:
    """Tell whether a removed run calls itself registered, though not cut off. It was in touch
    with another peer before its removal, and before each report of its death. A peer that was
    kicked has noticed."""
    due = run.late.later(at, notice_time(run) + NOTICE_TIME)
    until = min(due, run.last, proof.newest)
    if (not _lived(proof, run, at - run.interval, at) or run.ended == KICKED and run.last <= due
            or any(again > at for again in when(seed.registered, run.address, at, until))
            or not run.registrations.stands_from(seed.address, at - ON_ITS_WAY, until)):
        return False
    touched = _in_touch(proof, run, at)
    for _, probed in _probes(proof, seed, run.address, at, PROBING):
        touched &= _in_touch(proof, run, probed)
    return any(other.address in touched
               and other.registrations.stands_from(seed.address, at - run.interval, until)
               and not when(seed.removed, other.address, at - run.interval, until)
               for other in proof.peers)


def _probes(proof: Proof, seed: SeedRun, peer: str, removed: float,
            within: float = math.inf) -> list[tuple[str, float]]:
    """Return the reporters of a removed peer, and when their probes began. Reports count since its
    registration, and at most `within` seconds before the removal."""
    listed = max([removed - within, *when(seed.registered, peer, end=removed)])
    liars = {run.address for run in proof.attackers if run.malice == FALSE_DEAD}  # never probe
    probes = []
    for heard, whom, who, line in seed.reports:
        if whom == peer and listed <= heard <= removed:
            runs = proof.runs[who]
            # by the reporter's own clock, because what another seed passed on comes later
            made = max((report.at for run in runs for report in run.reported
                        if report.line == line), default=heard)
            found = max((at for run in runs for at in when(run.found_dead, peer, end=made)),
                        default=made)
            probes.append((who, found if who in liars else _probed(runs, peer, found)))
    return probes


def _probed(runs: list[PeerRun], peer: str, found: float) -> float:
    """Return when the last probe began, with the last miss. Signs of life count only up to then,
    because a cut may have been mended during this probe, or the seed's."""
    return max([found - PROBE_TIME,  # no probe takes longer
                *(at for run in runs for at in when(run.missed, peer, end=found))])


def _in_touch(proof: Proof, run: PeerRun, end: float) -> set[str]:
    """Return the peers that signs of life of a run reached in an interval, maybe through others.
    Slow replies do not count, because a probe goes to and fro twice in its time."""
    begin, moment = end - run.interval, itemgetter(0)
    meetings = sorted(
        (reply.at, one.address, reply.peer) for one in proof.peers
        for reply in one.replies[bisect_left(one.replies, begin, key=moment):
                                 bisect_right(one.replies, end, key=moment)]
        if reply.took < PROBE_TIME / 2)
    reached, before = {run.address: begin}, 0  # who has heard of the run, and since when
    while len(reached) > before:
        before = len(reached)
        for at, one, other in meetings:
            for who, whom in ((one, other), (other, one)):
                if reached.get(who, math.inf) <= at:
                    reached.setdefault(whom, at)
    return reached.keys() - {run.address}
