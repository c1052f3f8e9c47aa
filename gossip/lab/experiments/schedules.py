"""The command `runner.py simulate`, which plays schedules in virtual time.

After the unrest of a schedule the judge lets the network rest, and looks (verdict.py). A watched
network never rests. After its unrest only what may never happen is judged, and what files prove.
"""

import argparse
import concurrent.futures
import functools
import gc
import multiprocessing
import os
import pathlib
import random
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from gossip.lab.experiments.accidents import (
    PERIOD, SEEDS_LIMIT, Conditions, Schedule, add_malicious, parse_schedule)
from gossip.lab.experiments.attackers import lying, misbehaving
from gossip.lab.experiments.drawing import WATCHED_PEERS, draw_schedule, draw_watched
from gossip.lab.experiments.verdict import Fault, Judge
from gossip.lab.experiments.virtual_network import VirtualFolder, VirtualNetwork
from gossip.lab.proof import check
from gossip.lab.proof.evidence import Proof, Row
from gossip.lab.proof.malicious import Tally, tally_of
from gossip.lab.proof.records import Records
from gossip.lab.simulation.virtual_links import Spinning
from gossip.lab.simulation.virtual_world import NodeFailed
from gossip.settings import WAYS
from gossip.signing import grammar
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, capacity, load, number, seconds, show)
from gossip.terminal.folders import clear_outputs, reserved
from gossip.terminal.input import ctrl_c_withheld
from gossip.terminal.screen import StatusLine, folded, obeys, time_left

CALM = 6.0  # seconds after the unrest of a watched network, in which lost messages arrive
SILENCE = 1.0  # the last seconds of it, in which nobody says anything
WATCHED_ROW = "check of malicious"  # of many schedules, the sum is judged
SIGNATURES_KEPT = 100_000  # the latest verified signatures
FIRST = 1  # the number of the schedule that is played by default
GARBAGE_LOOK = 100_000  # new objects between two searches for reference cycles, which are few here


class Outcome(NamedTuple):
    """The result of a schedule."""

    number: int
    faults: list[Fault]
    proof: str  # the rows of the check
    simulated: float  # seconds
    calls: int  # made by the events of its virtual time
    folder: VirtualFolder | None  # the output files
    tally: Tally | None  # of attackers, where the network was watched


def play(schedule: Schedule, classes: dict, until: float | None = None) -> Outcome:
    """Play a schedule to its verdict, or `until` a simulated second. Then only what may never
    happen is judged. `classes` has the class of a "seed" and of a "peer"."""
    conditions, is_over = schedule.conditions, False
    network = VirtualNetwork(schedule.number, classes, schedule.seeds(), conditions.settings(),
                             conditions.cables(), conditions.lag, conditions.clocks,
                             _hostile(schedule, classes))
    judge = Judge(network)
    for accident in schedule.accidents:
        network.time.at(accident.at, accident.befall, network)
    if conditions.churn:
        network.time.at(PERIOD, network.churn, conditions.churn / 100, PERIOD, conditions.unrest,
                        random.Random(f"{schedule.number}:links"))
    check_signature = grammar.check  # once for all nodes, because that takes most time
    grammar.check = functools.lru_cache(SIGNATURES_KEPT)(check_signature)
    try:
        network.time.run(until if until is not None else conditions.unrest)
        if until is None and conditions.malicious:
            network.calm_down(CALM - SILENCE, SILENCE)
        elif until is None:
            judge.rest(conditions)
        is_over = until is None
    except (Spinning, NodeFailed) as error:
        judge.ask("spins" if isinstance(error, Spinning) else "failed", [str(error)])
    finally:
        grammar.check = check_signature
    records = Records(network.folder).refresh()
    rows = check.prove(records)
    for row in rows if is_over else ():
        if row.holds is False:
            judge.ask(f"check of {row.name}", ["; ".join(row.details[:2])])
    tally = tally_of(Proof(records)) if conditions.malicious else None
    return Outcome(schedule.number, judge.faults, check.format_rows(rows), network.time.now,
                   network.time.calls, network.folder, tally)


def _hostile(schedule: Schedule, classes: dict) -> dict:
    """Return the classes of all attackers of a schedule, by address."""
    lie, seeds = schedule.conditions.liar, schedule.seeds()
    hostile = {seeds[-1]: lying(classes["seed"], lie)} if lie else {}
    peers = [accident.who[0] for accident in schedule.accidents
             if accident.kind == "start" and accident.who[0] not in seeds]
    roles = schedule.conditions.malice().deal(sorted(peers), random.Random(schedule.number))
    return hostile | {peer: misbehaving(classes["peer"], role) for peer, role in roles.items()}


def shrink(schedule: Schedule, question: str, classes: dict) -> Schedule:
    """Return the smallest schedule found that fails the same question. First remove lines, many at
    once and then singly (A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing
    input", 2002), then replace conditions by the usual ones."""
    def fails(smaller: Schedule) -> bool:
        return any(fault.question == question for fault in play(smaller, classes).faults)

    size = len(schedule.accidents) // 2
    while size:
        at, less = 0, False
        while at < len(schedule.accidents):
            smaller = schedule._replace(
                accidents=schedule.accidents[:at] + schedule.accidents[at + size:])
            if fails(smaller):
                schedule, less = smaller, True
            else:
                at += size
        size = size // 2 if size > 1 else int(less)
    for name, usual in Conditions._field_defaults.items():
        if name == "seeds" and schedule.conditions.liar:
            continue  # among fewer seeds a liar would be no minority
        smaller = schedule._replace(conditions=schedule.conditions._replace(**{name: usual}))
        if smaller != schedule and fails(smaller):
            schedule = smaller
    return schedule


def parse_simulate(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line. CommandError for flags that exclude each other."""
    parser = Parser(prog="runner.py simulate",
                    description="Seeds and peers in virtual time, and accidents by chance.")
    parser.count("--schedule", 0, None,
                 "which accidents: the same number, the same bytes in all files (1)", "NUMBER")
    parser.count("--peers", 1, None, "peers (by chance 2 to 12; with --malicious 40)")
    some_seeds = number(1, f"a whole number from 1 to {SEEDS_LIMIT}", True, SEEDS_LIMIT)
    parser.add_argument("--seeds", type=some_seeds, metavar="K",
                        help="seeds (by chance 1 to 5; with --malicious 5)")
    parser.add_argument("--until", type=seconds(0), metavar="SECONDS",
                        help="end after so many simulated seconds")
    parser.add_argument("--outputs", type=pathlib.Path, metavar="DIR",
                        help="keep the output files in this folder, instead of earlier ones")
    parser.add_argument("--shrink", action="store_true", default=None,
                        help="when it fails, look for the smallest schedule that does")
    parser.add_argument("--file", type=pathlib.Path, metavar="FILE",
                        help="play the schedule in this file, as --shrink has shown it")
    parser.count("--schedules", 1, None,
                 "play so many schedules, and show those that fail", "COUNT")
    parser.count("--from", 0, None, "the number of the first of them (1)", "NUMBER", dest="first")
    parser.switch("--sign", "peers sign their gossip")
    parser.add_argument("--spread", choices=WAYS,
                        help="how messages travel (by chance; with --malicious flood)")
    parser.switch("--gentle", "no power failure, freeze, cut or slow machine")
    add_malicious(parser)
    parser.add_argument("--capacity", type=capacity, metavar="RULE",
                        help="neighbours of a peer, with --malicious (a rule by chance)")
    args = parser.parse_args(arguments)
    _check_flags(parser, args)
    return args


def _check_flags(parser: Parser, args: argparse.Namespace) -> None:
    drawn = [] if args.malicious is not None else ["peers", "seeds"]
    of_one = [name for name in ("schedule", "file", *drawn, "until", "outputs", "shrink")
              if getattr(args, name) is not None]
    if args.schedules is not None and of_one:
        parser.error(f"--{of_one[0]} is for one schedule, --schedules for many")
    if args.schedules is None and args.first is not None:
        parser.error("--from needs --schedules")
    if args.malicious is None and args.capacity is not None:
        parser.error("--capacity needs --malicious")
    if args.malicious is not None and (args.gentle or args.sign or args.file):
        parser.error("--malicious draws schedules of its own, all signed: leave --gentle, --sign "
                     "and --file out")
    if args.malicious is not None and args.malicious.count() >= (args.peers or WATCHED_PEERS):
        parser.error("--malicious leaves nobody honest")
    if args.file and (args.sign or args.gentle or {
            args.schedule, args.peers, args.seeds, args.spread} != {None}):
        parser.error("--file names a whole schedule")


def simulate(args, classes: dict) -> int:
    """Carry out the command, and return 0 if all held."""
    gc.set_threshold(GARBAGE_LOOK)
    if args.schedules is not None:
        first = FIRST if args.first is None else args.first
        results = play_many(range(first, first + args.schedules), classes,
                            functools.partial(_draw, args))
        all_held = show_results(results, args.schedules, functools.partial(_again, args))
        return 0 if all_held else FAILED
    if args.file is None:
        schedule = _draw(args, FIRST if args.schedule is None else args.schedule)
    else:
        schedule = load(args.file, lambda file: parse_schedule(file.read_text()))
    if args.outputs is None:
        outcome = _show_one(schedule, args.until, classes)
    else:
        with reserved(args.outputs):
            clear_outputs(args.outputs)
            outcome = _show_one(schedule, args.until, classes)
            outcome.folder.save(args.outputs)
    if args.shrink and outcome.faults:
        show("\nthe smallest schedule found that fails the same question:\n")
        _show_one(shrink(schedule, outcome.faults[0].question, classes), None, classes)
    return FAILED if outcome.faults else 0


def _draw(args, number: int) -> Schedule:
    if args.malicious is None:
        schedule = draw_schedule(number, args.peers, args.seeds, args.gentle, args.sign)
    else:
        schedule = draw_watched(number, args.malicious, args.peers, args.seeds, args.capacity)
    spread = args.spread or schedule.conditions.spread
    return schedule._replace(conditions=schedule.conditions._replace(spread=spread))


def _show_one(schedule: Schedule, until: float | None, classes: dict) -> Outcome:
    """Play a schedule, and show its accidents, proof and verdict."""
    accidents = tuple(accident for accident in schedule.accidents
                      if until is None or accident.at <= until)
    show(f"{schedule._replace(accidents=accidents)}\n")
    begun = time.process_time()
    outcome = play(schedule, classes, until)
    took = time.process_time() - begun
    show(outcome.proof)
    note = "" if until is None else ("; ended before the rest: only what may never happen was "
                                     "judged, neither what should heal nor the rows above")
    show(str(Row("verdict", not outcome.faults, f"{outcome.simulated:.0f} simulated seconds, "
                 f"{outcome.calls} calls in {took:.2f} s of the processor{note}")))
    for fault in outcome.faults:
        show(f"{'':<17} {fault}")
    return outcome


def play_many(numbers: range, classes: dict, draw: Callable[[int], Schedule]) -> Iterator[Outcome]:
    """Play schedules on all cores, and yield their results."""
    pool = concurrent.futures.ProcessPoolExecutor(os.cpu_count() or 1, initializer=_begin_process)
    try:
        with ctrl_c_withheld():
            results = pool.map(functools.partial(_play_number, classes, draw), numbers)
        yield from results
    except concurrent.futures.BrokenExecutor:
        for process in multiprocessing.active_children():  # the pool may have left them waiting
            process.kill()
        raise CommandError("a process that played schedules was killed", FAILED) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    """Leave Ctrl-C to the parent process, and end when it is killed."""
    def end_with_parent() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    gc.set_threshold(GARBAGE_LOOK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows, where nothing withholds it
    threading.Thread(target=end_with_parent, daemon=True).start()


def _play_number(classes: dict, draw: Callable[[int], Schedule], number: int) -> Outcome:
    outcome = play(draw(number), classes)
    faults = [fault for fault in outcome.faults
              if outcome.tally is None or fault.question != WATCHED_ROW]
    return outcome._replace(faults=faults, proof="", folder=None)  # these are large


def _again(args, number: int) -> str:
    """Return the command that plays a schedule again."""
    words = ["python", "runner.py", "simulate", "--schedule", str(number)]
    for name in ("peers", "seeds", "malicious", "capacity", "spread"):
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words + [f"--{name}" for name in ("sign", "gentle") if getattr(args, name)])


def show_results(results: Iterable[Outcome], count: int, again: Callable[[int], str]) -> bool:
    """Show results as they come, and return whether all held. A terminal also shows the progress,
    and the command `again(number)` for each failure."""
    status = StatusLine() if obeys() else None
    begun, played = time.monotonic(), []

    def update() -> None:
        if status is not None:
            status.update(*_so_far(played, count, time.monotonic() - begun))

    try:
        update()
        for result in results:
            played.append(result)
            failure = f"schedule {result.number} FAILS: {result.faults[0]}" if result.faults else ""
            if failure and status is None:
                show(failure)
            elif failure:
                command = again(result.number)
                status.above(f"{failure}\n  play it again: {command}\n"
                             f"  make it small: {command} --shrink", 4)
            update()
    finally:
        if status is not None:
            status.clear() if len(played) == count else status.end()
    took, simulated = time.monotonic() - begun, sum(result.simulated for result in played)
    held = sum(not result.faults for result in played)
    text = (f"{held} of {len(played)} schedules held; {simulated:.0f} simulated seconds in "
            f"{took:.1f} s, {simulated / took:.0f} a second")
    tally = None
    if tallies := [result.tally for result in played if result.tally is not None]:
        tally = functools.reduce(Tally.plus, tallies)
        text += f"\n{Row('malicious', tally.holds(), str(tally))}"
    show(text if status is None else folded(text, 4))
    return held == len(played) and (tally is None or tally.holds())


def _so_far(played: list[Outcome], count: int, took: float) -> tuple[str, str]:
    """Return the progress of the schedules, and the time left."""
    failed = sum(bool(result.faults) for result in played)
    text = f"{len(played):,} of {count:,} schedules, {failed} failed"
    if not played:
        return text, ""
    simulated = sum(result.simulated for result in played)
    return (f"{text}   {simulated:,.0f} simulated s, {simulated / max(took, 1e-3):,.0f} a second",
            time_left(took / len(played) * (count - len(played))))
