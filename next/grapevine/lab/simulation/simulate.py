"""The command `simulate`, which plays schedules in virtual time."""

import argparse
import concurrent.futures
import functools
import os
import pathlib
import shlex
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from grapevine.lab.simulation.accidents import SEEDS_LIMIT, Conditions, Schedule, parse_schedule
from grapevine.lab.simulation.drawing import draw_schedule
from grapevine.lab.simulation.judge import Fault, Judge
from grapevine.lab.simulation.lives import Lives
from grapevine.worlds.virtual import NodeFailed

FAILED, USAGE = 1, 2  # exit codes


class Outcome(NamedTuple):
    """The result of a schedule."""

    number: int
    faults: list[Fault]
    simulated: float  # seconds
    calls: int  # made in virtual time
    files: dict[str, bytes]  # the output files by name


def play(schedule: Schedule, classes: dict, until: float | None = None) -> Outcome:
    """Play a schedule to its verdict, or `until` a simulated second. Then only what may never
    happen is judged. `classes` has the class of a "seed" and of a "peer"."""
    conditions = schedule.conditions
    lives = Lives(schedule.number, classes, schedule.seeds(), conditions.settings(),
                  conditions.cables(), conditions.lag, conditions.clocks)
    judge = Judge(lives)
    for accident in schedule.accidents:
        lives.net.at(accident.at, accident.befall, lives)
    try:
        lives.net.run(conditions.unrest if until is None else until)
        if until is None:
            judge.rest(conditions)
    except NodeFailed as error:
        judge.ask("failed", [str(error)])
    return Outcome(schedule.number, judge.faults, lives.net.now, lives.net.made,
                   {name: file.getvalue() for name, file in lives.files.items()})


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
        smaller = schedule._replace(conditions=schedule.conditions._replace(**{name: usual}))
        if smaller != schedule and fails(smaller):
            schedule = smaller
    return schedule


def simulate_main(arguments: list[str], classes: dict) -> int:
    """Carry out the command, and return its exit code: 0 if all held."""
    try:
        args = _parse(arguments)
        if args.schedules is not None:
            return _play_many(args, classes)
        schedule = (_draw(args, args.schedule) if args.file is None
                    else parse_schedule(args.file.read_text(encoding="utf-8")))
        if args.outputs is not None:
            args.outputs.mkdir(parents=True, exist_ok=True)
        return _play_one(args, schedule, classes)
    except (argparse.ArgumentError, OSError, ValueError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return USAGE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise ValueError(message)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="runner.py simulate", allow_abbrev=False,
                     description="Seeds and peers in virtual time, and accidents by chance.")
    count = functools.partial(_number, 1)
    parser.add_argument("--schedule", type=functools.partial(_number, 0), default=1, metavar="N",
                        help="which accidents; the same N, the same bytes in all files (1)")
    parser.add_argument("--schedules", type=count, metavar="COUNT",
                        help="play so many schedules on all cores, and show those that fail")
    parser.add_argument("--from", type=functools.partial(_number, 0), default=1, dest="first",
                        metavar="N", help="the number of the first of them (1)")
    parser.add_argument("--peers", type=count, metavar="N", help="peers (by chance 2 to 12)")
    parser.add_argument("--seeds", type=functools.partial(_number, 1, most=SEEDS_LIMIT),
                        metavar="K", help="seeds (by chance 1 to 5)")
    parser.add_argument("--seedless", action="store_true", help="all seeds die for good")
    parser.add_argument("--hard", action="store_true",
                        help="machines lose power, and all calls are late")
    parser.add_argument("--file", type=pathlib.Path, metavar="FILE",
                        help="play the schedule in this file, as --shrink has shown it")
    parser.add_argument("--until", type=float, metavar="SECONDS",
                        help="end after so many simulated seconds")
    parser.add_argument("--outputs", type=pathlib.Path, metavar="DIR",
                        help="save the output files in this folder")
    parser.add_argument("--shrink", action="store_true",
                        help="when it fails, look for the smallest schedule that does")
    args = parser.parse_args(arguments)
    of_one = [name for name in ("file", "until", "outputs", "shrink") if getattr(args, name)]
    if args.schedules is not None and of_one:
        parser.error(f"--{of_one[0]} is for one schedule, --schedules for many")
    return args


def _number(least: int, text: str, most: int = 10**9) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
    return int(text)


def _draw(args, number: int) -> Schedule:
    return draw_schedule(number, args.peers, args.seeds, args.seedless, args.hard)


def _play_one(args, schedule: Schedule, classes: dict) -> int:
    outcome = _show(schedule, classes, args.until)
    if args.outputs is not None:
        for name, data in outcome.files.items():
            (args.outputs / name).write_bytes(data)
    if args.shrink and outcome.faults:
        print("\nthe smallest schedule found that fails the same question:\n")
        _show(shrink(schedule, outcome.faults[0].question, classes), classes)
    return FAILED if outcome.faults else 0


def _show(schedule: Schedule, classes: dict, until: float | None = None) -> Outcome:
    """Play a schedule, and show its accidents and the verdict."""
    print(schedule, end="\n\n")
    begun = time.process_time()
    outcome = play(schedule, classes, until)
    print(f"verdict: {'FAILS' if outcome.faults else 'holds'}; {outcome.simulated:.0f} simulated "
          f"seconds, {outcome.calls} calls in {time.process_time() - begun:.2f} s of the processor"
          + ("" if until is None else "; what should heal was not judged"))
    for fault in outcome.faults:
        print(f"  {fault}")
    return outcome


def _play_many(args, classes: dict) -> int:
    begun, held, simulated = time.monotonic(), 0, 0.0
    for outcome in play_many(args, classes):
        simulated += outcome.simulated
        held += not outcome.faults
        if outcome.faults:
            print(f"schedule {outcome.number} FAILS: {outcome.faults[0]}\n"
                  f"  play it again: {_again(args, outcome.number)}", flush=True)
    print(f"{held} of {args.schedules} schedules held; {simulated:.0f} simulated seconds in "
          f"{time.monotonic() - begun:.1f} s")
    return 0 if held == args.schedules else FAILED


def play_many(args, classes: dict) -> Iterator[Outcome]:
    """Play schedules on all cores, and yield their results in order."""
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(functools.partial(_play_number, args, classes),
                            range(args.first, args.first + args.schedules))


def _play_number(args, classes: dict, number: int) -> Outcome:
    return play(_draw(args, number), classes)._replace(files={})  # these are large


def _again(args, number: int) -> str:
    """Return the command that plays a schedule again."""
    words = ["python", "runner.py", "simulate", "--schedule", str(number)]
    for name in ("peers", "seeds"):
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words + [f"--{name}" for name in ("seedless", "hard") if getattr(args, name)])
