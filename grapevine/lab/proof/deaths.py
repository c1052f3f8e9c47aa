"""The row about dead peers, and living peers that were called dead.

A neighbour finds a dead peer by its misses, and reports it to every seed with which it is
registered; each seed that lists the dead removes it. Nobody finds or removes one that lives.
"""

import bisect
import itertools
import math
from collections.abc import Iterator

from grapevine.events import BROKEN
from grapevine.lab.proof.disturbances import (
    NOTICE_ROUNDS, ON_ITS_WAY, PROBE_TIME, UNCLEAR, Fault, Span, always, clock, judge)
from grapevine.lab.proof.evidence import Proof, Row, quantile, row
from grapevine.lab.proof.runs import KICKED, PeerRun, Run, SeedRun, standing
from grapevine.registrations import ANSWER_TIME
from grapevine.seed import GRACE

DYING = 5.0  # seconds that a busy machine may take to kill a process
REPORT_TIME = 5.0  # seconds in which a death has to be reported
REMOVAL_TIME = 10.0  # seconds until a seed has removed the dead: another may have probed first
SILENT = 32.0  # addresses a second that a seed can find silent, when many have died at once
FINDING = 120.0  # seconds at most from a death found until a seed hears of it; also between deaths
# that a seed may have to find at once

Death = tuple[float, str, str]  # when whom a peer found dead, and seconds for which it was silent


def dead(proof: Proof) -> Row:
    """Every peer that died was reported and removed; none that lived was."""
    died = [run for run in proof.peers if run.is_dead and not run.chat]
    delays = [max(removed[0], heard[0], run.ended_at) - run.ended_at
              for run in died for seed in proof.seeds
              if (removed := seed.when("removed", run.address, run.last, run.next))
              and (heard := seed.when("dead report", run.address, run.last, run.next))]
    figures = f"{len(died)} died"
    if delays:
        figures += (f"; removed and reported after {quantile(delays, 0.5):.1f} s (median), "
                    f"{max(delays):.1f} s (max)")
    return row("dead", figures, itertools.chain.from_iterable((
        *(claim(proof, run) for run in died for claim in (_overlooked, _kept)),
        *(_unplanned(proof, run) for run in [*proof.peers, *proof.seeds]),
        *(claim(proof, run, death) for run in proof.peers if not run.chat
          for death in run.told("dead") for claim in (_found, _reported, _lived)),
        *(_unfounded(proof, at, address, run.address, seed, True) for run in proof.peers
          for at, seed, address, _ in run.told("reported")),
        *(_unfounded(proof, at, address, reporter, seed.address, False) for seed in proof.seeds
          for at, address, reporter in seed.told("dead report")
          if not any(reporter == whose for *_, whose, _ in seed.told(
              "rejected", address, at, at + ANSWER_TIME))),  # anybody may say it in its name
        *(_removals(proof, seed) for seed in proof.seeds))))


def finders(proof: Proof, run: PeerRun) -> list[tuple[float, PeerRun]]:
    """Return when which peers found a run dead."""
    return [(at, other) for at, other in proof.finders.get(run.address, ()) if at >= run.last]


def _unplanned(proof: Proof, run: Run) -> Iterator[Fault]:
    """A run that the runner kills ends then, and no other peer that it has started dies."""
    scenario = proof.records.scenario
    if run.killed is not None:
        words, silence = f"{run} was killed at {clock(run.killed)}", 2 * run.interval
        dying = DYING if run.ended is None else 0.0  # who is killed has no last word
        if run.last > run.killed + dying:
            yield judge(f"{words}, and went on", run.killed, run.last, dying, proof.trouble(run))
        elif run.ended is None and run.last + silence + DYING < run.killed:
            yield judge(f"{words}, and was silent from {clock(run.last)} on", run.last, run.killed,
                        silence + DYING, proof.trouble(run))
    elif isinstance(run, PeerRun) and run.ended is None and run.is_silent_at(
            scenario.end or proof.newest) and run.address in scenario.started:
        yield judge(f"{run} died at {clock(run.last)}, and nobody had killed it", run.last,
                    scenario.end or proof.newest, 2 * run.interval, proof.trouble(run))


def _overlooked(proof: Proof, run: PeerRun) -> Iterator[Fault]:
    """A neighbour finds a dead peer in twice the time that this takes, if no other has."""
    need = 2 * ((run.misses + 2) * run.interval + PROBE_TIME)
    found = [at for at, _ in finders(proof, run)]
    until = min([run.next, proof.newest, *found])
    if until - run.last < need and (found or run.superseded):
        return
    for other in proof.linked.get(run.address, ()):
        links, end = other.links[run.address], min(other.end, until)
        if (end >= run.last + (other.misses - 1) * other.interval
                or not other.has_ended) and any(
                link.begin < run.ended_at - other.interval and (
                    link.end == math.inf or link.end >= run.last and (
                        link.who == BROKEN or link.reason == "dead"))
                for link in links):  # one that broke before may be given up: somebody refused
            yield judge(f"{run} died at {clock(run.last)}, and its neighbour {other} has not found "
                        "it dead", run.last, end, need,
                        proof.file_trouble(run) + proof.around(other))


def _kept(proof: Proof, run: PeerRun) -> Iterator[Fault]:
    """A seed that lists a dead peer removes it, if a neighbour has found it dead."""
    if run.superseded:
        return
    found = [(at, finder) for at, finder in finders(proof, run)
             if standing(finder.registrations, at, at) and not all(
        _is_disbelieved(proof, seed, finder, at) for seed in proof.seeds
        if seed.when("registered", run.address) and seed.when("registered", finder.address))]
    died = (bisect.bisect_left(proof.deaths, run.last + FINDING)
            - bisect.bisect_right(proof.deaths, run.last - FINDING))
    need = REMOVAL_TIME + died / SILENT
    for seed in proof.seeds if found else ():
        listed = max(seed.when("registered", run.address), default=math.inf)
        removed = seed.when("removed", run.address, listed)
        since = max(listed, min(at for at, _ in found))
        end = min([seed.end, *removed])
        if end < since or removed and end <= since + need:
            continue
        spans = proof.trouble(seed, *((finder, seed.address) for _, finder in found))
        if not seed.when("dead report", run.address, since, end):  # it finds that out by itself
            spans += [Span(at - REMOVAL_TIME, at + GRACE, f"seed {other} could not tell it of a "
                           f"death at {clock(at)}") for other in proof.seeds
                      for at in other.when("not told", seed.address, since, end)]
            heard = set().union(*(standing(one.registrations, at, at) for at, one in found))
            spans += proof.trouble(*sorted(heard))
        if listed > run.last + ON_ITS_WAY:
            spans.append(always(f"a life that was listed at {clock(listed)} has no file"))
        yield judge(f"{run} died at {clock(run.last)}, and seed {seed} has not removed it", since,
                    end, need, spans)


def _found(proof: Proof, run: PeerRun, death: Death) -> Iterator[Fault]:
    """A peer that finds another dead has counted its misses in a row."""
    at, address, _ = death
    missed = run.told("liveness missed", address, end=at)[-run.misses:]
    if not run.told("deaths") and (
            len(missed) < run.misses
            or [int(count) for _, _, count in missed] != [*range(1, run.misses + 1)]
            or any(one < at for event in ("dead", "liveness reply")
                   for one in run.when(event, address, missed[0][0], at))):
        yield proof.by_file(f"{run} found {address} dead without {run.misses} misses in a row", run)


def _reported(proof: Proof, run: PeerRun, death: Death) -> Iterator[Fault]:
    """A peer reports each death to its seeds, which hear of it, if not from others."""
    at, peer, _ = death
    words, until = f"{run} found {peer} dead, and", at + REPORT_TIME
    may_lack = run.left <= at or (  # else it lacks nothing, because one call writes both
        run.ended in (None, KICKED) and run.last <= at + ON_ITS_WAY)
    for seed in () if may_lack else sorted(standing(run.registrations, at - ON_ITS_WAY, until)):
        lives = proof.registries.get(seed, ())
        if peer not in [dead for _, _, dead, _ in run.told("reported", seed, at, until)]:
            yield proof.by_file(f"{words} has not reported it to seed {seed}", run)
        elif lives and not any(life.told("dead report", peer, at - REPORT_TIME)
                               or life.told("removed", peer, at - FINDING, at)
                               or _is_disbelieved(proof, life, run, at) for life in lives):
            yield judge(f"{words} seed {seed} has not heard of it", at,
                        min(until, max(life.last for life in lives)), REPORT_TIME - ON_ITS_WAY,
                        proof.trouble(seed, run, (run, seed)))


def _is_disbelieved(proof: Proof, seed: SeedRun, finder: PeerRun, at: float) -> bool:
    """Tell whether a seed does not hear the reports of a peer, as monitoring has it: others were
    untrue, perhaps because of a cut."""
    return proof.is_watched and bool(seed.told(
        "disbelieved", finder.address, at - finder.setting("ban"), at + REPORT_TIME))


def _lived(proof: Proof, finder: PeerRun, death: Death) -> Iterator[Fault]:
    """Nobody finds a peer dead that goes on, and has heard the finder meanwhile."""
    at, address, silent = death
    since = at - float(silent)
    missed = since + finder.interval
    for run in proof.runs.get(address, ()):
        if run.first < since - ON_ITS_WAY and run.last > at + ON_ITS_WAY and (
                since > at - (finder.misses - 1) * finder.interval
                or run.told("liveness reply", finder.address, missed, at - PROBE_TIME)):
            yield judge(f"{finder} found {address} dead, which lived", since, at, (at - missed) / 2,
                        proof.trouble(run, finder, (run, finder.address)))


def _unfounded(proof: Proof, at: float, address: str, reporter: str, seed: str, reports: bool
               ) -> Iterator[Fault]:
    """A peer that `reports` a death to a seed, as its own file says, has found it. A program also
    reports who refuses a dial, because its seeds know whether that one has left."""
    runs = proof.runs.get(reporter, [])
    may_refuse = any(run.told("deaths") for run in runs) and not any(
        run.first + PROBE_TIME < at < run.last for run in proof.runs.get(address, ()))
    if runs and reporter not in proof.unproven and not may_refuse and not any(
            run.told("dead", address, at - FINDING, at + ON_ITS_WAY) for run in runs):
        words = (f"{address} was reported dead to seed {seed} by {reporter}, which did not find it "
                 "dead")
        yield proof.by_file(words, *runs) if reports else Fault(
            UNCLEAR, f"{words}: another may have said so in its name")


def _removals(proof: Proof, seed: SeedRun) -> Iterator[Fault]:
    """A seed removes whom it lists; as `left` only who has said goodbye; and nobody that lives."""
    told_others = [(at, peer, "dead", "") for at, peer, _ in seed.told("passed on")]
    for at, peer, reason, badness in seed.told("removed") + told_others:
        runs, is_kick = proof.runs.get(peer, []), reason == "malicious" and badness
        if not (proof.is_watched and is_kick):  # of which another row tells
            yield from removed_alive(proof, seed, at, peer)
        if (at, peer) in seed.unlisted and not is_kick:
            yield proof.by_file(f"seed {seed} removed {peer}, which it did not list", seed)
        if reason == "left" and peer not in proof.unproven and any(
                seed.address in standing(run.registrations, at, at)
                and not seed.when("registered", peer, run.next - ON_ITS_WAY, at)
                for run in runs) and all(run.left > at + ON_ITS_WAY for run in runs):
            yield proof.by_file(f"seed {seed} removed {peer} as one that left, which did not",
                                seed, *runs)


def removed_alive(proof: Proof, seed: SeedRun, at: float, peer: str) -> Iterator[Fault]:
    """A living peer that a seed removes notices it, and registers again."""
    for run in proof.runs.get(peer, ()):
        if not run.first < at < min(run.last, run.left) - ON_ITS_WAY:
            continue  # before all that takes long: a node may have had thousands of lives
        notice = NOTICE_ROUNDS * run.interval + ANSWER_TIME
        notice += sum(until - begin for begin, until in run.late
                      if begin < at + notice and until > at)
        begin, end = max(at - notice, run.first), min(at + notice, proof.newest)
        if seed.address in standing(run.registrations, at + ON_ITS_WAY, at + ON_ITS_WAY) and not (
                seed.told("registered", run.address, at, at + notice)
                or any(at - ON_ITS_WAY < moment < at + notice
                       for one in run.registrations[seed.address] for moment in one[:2]
                       if moment > run.registrations[seed.address][0].begin)):
            yield judge(f"seed {seed} removed {run}, which lived", begin, end, (end - begin) / 2,
                        [*proof.trouble(seed), *proof.around(run)])
