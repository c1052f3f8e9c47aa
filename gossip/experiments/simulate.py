"""`runner.py simulate`: plays schedules of accidents in virtual time, and shows their verdicts."""

import functools
import gc
import os
import time

from gossip.experiments.accidents import Schedule, draw_schedule, parse_schedule
from gossip.experiments.network import clear_outputs
from gossip.experiments.schedules import Outcome, Result, play, play_many, shrink
from gossip.experiments.watched import draw_watched
from gossip.proof.malicious import Tally
from gossip.terminal.command_line import FAILED, CommandError, show

FIRST = 1  # the number of the schedule that is played when none is asked for
GARBAGE_LOOK = 100_000  # new objects after which Python looks for reference cycles: whole networks
# are millions of objects to look at, and leave few cycles


def simulate(args, classes: dict) -> int:
    """Carry out the command; 0 when all that was played held. `classes` has the class of a "seed"
    and of a "peer"."""
    gc.set_threshold(GARBAGE_LOOK)
    if args.schedules is not None:
        return _simulate_many(args, classes)
    schedule = _schedule(args)
    if args.outputs is not None:
        clear_outputs(args.outputs)
    outcome = _show_one(schedule, args.until, classes)
    if args.outputs is not None:
        outcome.folder.save(args.outputs)
    if args.shrink and outcome.faults:
        show("\nthe smallest schedule found that fails the same question:\n")
        _show_one(shrink(schedule, outcome.faults[0].question, classes), None, classes)
    return FAILED if outcome.faults else 0


def _schedule(args) -> Schedule:
    """The schedule that is asked for; CommandError when it cannot be read."""
    if args.file is None:
        number = FIRST if args.schedule is None else args.schedule
        return _draw(args)(number)
    try:
        return parse_schedule(args.file.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{args.file}: {getattr(error, 'strerror', None) or error}") from None


def _draw(args):
    """What draws the schedule of a number, as the command line says."""
    if args.malicious is None:
        return functools.partial(draw_schedule, peers=args.peers, seeds=args.seeds,
                                 gentle=args.gentle, sign=args.sign)
    return functools.partial(draw_watched, malice=args.malicious, peers=args.peers,
                             seeds=args.seeds, capacity=args.capacity)


def _show_one(schedule: Schedule, until: float | None, classes: dict) -> Outcome:
    """Play a schedule; show its accidents, the proof and the verdict."""
    accidents = tuple(accident for accident in schedule.accidents
                      if until is None or accident.at <= until)
    show(f"{schedule._replace(accidents=accidents)}\n")
    begun = time.process_time()
    outcome = play(schedule, classes, until)
    took = time.process_time() - begun
    show(outcome.proof)
    verdict = "FAILS" if outcome.faults else "holds"
    note = "" if until is None else ("; ended before the rest: only what may never happen was "
                                     "judged, neither what should heal nor the rows above")
    show(f"{'verdict':<10} {verdict:<6} {outcome.simulated:.0f} simulated seconds, {outcome.calls} "
         f"calls in {took:.2f} s of the processor{note}")
    for fault in outcome.faults:
        show(f"{'':<17} {fault}")
    return outcome


def _simulate_many(args, classes: dict) -> int:
    """Play many schedules; show those that fail, and how many held."""
    begun = time.monotonic()
    first = FIRST if args.first is None else args.first
    results: list[Result] = []
    for result in play_many(range(first, first + args.schedules), classes, _draw(args),
                            os.cpu_count() or 1):
        results.append(result)
        if result.fault:
            show(f"schedule {result.number} FAILS: {result.fault}")
    took = time.monotonic() - begun
    failed = sum(bool(result.fault) for result in results)
    simulated = sum(result.simulated for result in results)
    show(f"{len(results) - failed} of {len(results)} schedules held; {simulated:.0f} simulated "
         f"seconds in {took:.1f} s, {simulated / took:.0f} a second")
    tallies = [result.tally for result in results if result.tally is not None]
    if tallies:
        total = functools.reduce(Tally.plus, tallies)
        show(f"{'malicious':<10} {'holds' if total.holds() else 'FAILS':<6} {total}")
    return FAILED if failed or tallies and not total.holds() else 0
