"""The command `simulate`, which plays schedules in virtual time."""

import argparse
import concurrent.futures
import functools
import os
import pathlib
import sys
import time
from typing import NamedTuple

from grapevine.lab.attackers import parse_attacks
from grapevine.lab.simulation.accidents import (
    SEEDS_LIMIT, Conditions, Schedule, parse_schedule, seed_addresses)
from grapevine.lab.simulation.drawing import draw_schedule
from grapevine.lab.simulation.judge import Fault, Judge
from grapevine.lab.simulation.liars import lying_class
from grapevine.lab.simulation.lives import Lives
from grapevine.lab.simulation.watched import watched_main
from grapevine.settings import WAYS, parse_capacity
from grapevine.worlds.virtual import NodeFailed

FAILED, USAGE = 1, 2  # exit codes


class Outcome(NamedTuple):
    """The result of a schedule."""

    number: int
    faults: list[Fault]
    simulated: float  # seconds
    calls: int  # made in virtual time
    files: dict[str, bytes]  # the output files by name


def play(schedule: Schedule, until: float | None = None) -> Outcome:
    """Play a schedule to its verdict, or `until` a simulated second. Then only what may never
    happen is judged."""
    conditions, seeds = schedule.conditions, seed_addresses(schedule.conditions.seeds)
    liars = dict.fromkeys(seeds[:conditions.liars], lying_class(conditions.settings()))
    lives = Lives(schedule.number, seeds, conditions.settings(), conditions.cables(),
                  conditions.lag, conditions.clocks, liars)
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


def shrink(schedule: Schedule, question: str) -> Schedule:
    """Return the smallest schedule found that fails the same question. First remove lines, many at
    once and then singly (A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing
    input", 2002), then replace conditions by the usual ones."""
    def fails(smaller: Schedule) -> bool:
        return any(fault.question == question for fault in play(smaller).faults)

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


def simulate_main(arguments: list[str]) -> int:
    """Carry out the command, and return its exit code: 0 if all held."""
    try:
        args = _parse(arguments)
        if args.malicious:
            return watched_main(args)
        return (_play_many if args.schedules else _play_one)(args)
    except (OSError, ValueError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return USAGE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise ValueError(message)


def _parse(arguments: list[str]) -> argparse.Namespace:
    def number(least: int, most: int = 10**9):
        def parse(text: str) -> int:
            if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
                raise argparse.ArgumentTypeError(
                    f"{text!r} is not a whole number from {least} to {most}")
            return int(text)
        return parse

    def attacks(text: str) -> str:
        parse_attacks(text)
        return text

    parser = _Parser(prog="runner.py simulate", allow_abbrev=False,
                     description="Seeds and peers in virtual time, and accidents by chance.")
    for name, kind, default, what in (
            ("schedule", number(0), 1, "which accidents; the same number, the same bytes (1)"),
            ("schedules", number(1), None, "play so many on all cores, and show those that fail"),
            ("from", number(0), 1, "the number of the first of them (1)"),
            ("peers", number(1), None, "peers (by chance 2 to 12)"),
            ("seeds", number(1, SEEDS_LIMIT), None, "seeds (by chance 1 to 5)"),
            ("file", pathlib.Path, None, "play the schedule in this file, as it was shown"),
            ("until", float, None, "end after so many simulated seconds"),
            ("outputs", pathlib.Path, None, "save the output files in this folder")):
        parser.add_argument(f"--{name}", type=kind, default=default, help=what)
    parser.add_argument("--spread", choices=WAYS, default="flood",
                        help="how new messages travel (flood)")
    parser.add_argument("--malicious", type=attacks, metavar="KIND:COUNT[:SHARE],…",
                        help="peers that attack, or none, in a network that is watched")
    parser.add_argument("--capacity", type=parse_capacity, help="of a watched network (by chance)")
    for name, what in (("sign", "peers sign; some seeds may lie"),
                       ("monitor", "the same, and they watch others"),
                       ("seedless", "all seeds die for good"),
                       ("hard", "machines lose power, and all calls are late"),
                       ("shrink", "look for the smallest schedule that fails")):
        parser.add_argument(f"--{name}", action="store_true", help=what)
    args = parser.parse_args(arguments)
    of_one = [name for name in ("file", "until", "outputs", "shrink") if getattr(args, name)]
    if args.schedules and of_one:
        parser.error(f"--{of_one[0]} is for one schedule, --schedules for many")
    return args


def _draw(args, number: int) -> Schedule:
    return draw_schedule(number, args.peers, args.seeds, args.seedless, args.hard, args.sign,
                         args.spread, args.monitor)


def _play_one(args) -> int:
    schedule = (_draw(args, args.schedule) if args.file is None
                else parse_schedule(args.file.read_text(encoding="utf-8")))
    outcome = _show(schedule, args.until)
    if args.outputs is not None:
        args.outputs.mkdir(parents=True, exist_ok=True)
        for name, data in outcome.files.items():
            (args.outputs / name).write_bytes(data)
    if args.shrink and outcome.faults:
        print("\nthe smallest schedule found that fails the same question:\n")
        _show(shrink(schedule, outcome.faults[0].question))
    return FAILED if outcome.faults else 0


def _show(schedule: Schedule, until: float | None = None) -> Outcome:
    """Play a schedule, and show its accidents and the verdict."""
    print(schedule, end="\n\n")
    begun = time.process_time()
    outcome = play(schedule, until)
    print(f"verdict: {'FAILS' if outcome.faults else 'holds'}; {outcome.simulated:.0f} simulated "
          f"seconds, {outcome.calls} calls in {time.process_time() - begun:.2f} s of the processor"
          + ("" if until is None else "; what should heal was not judged"))
    for fault in outcome.faults:
        print(f"  {fault}")
    return outcome


def _play_many(args) -> int:
    """Play schedules on all cores, and show those that fail."""
    begun, held, simulated = time.monotonic(), 0, 0.0
    options = [f" --{name} {value}" for name in ("peers", "seeds") if (value := vars(args)[name])]
    options += [f" --spread {args.spread}"] if args.spread != "flood" else []
    options += [f" --{name}" for name in ("sign", "monitor", "seedless", "hard")
                if vars(args)[name]]
    numbers = range(vars(args)["from"], vars(args)["from"] + args.schedules)
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(functools.partial(_play_number, args), numbers):
            simulated += outcome.simulated
            held += not outcome.faults
            if outcome.faults:
                print(f"schedule {outcome.number} FAILS: {outcome.faults[0]}\n  play it again: "
                      f"python runner.py simulate --schedule {outcome.number}{''.join(options)}",
                      flush=True)
    print(f"{held} of {args.schedules} schedules held; {simulated:.0f} simulated seconds in "
          f"{time.monotonic() - begun:.1f} s")
    return 0 if held == args.schedules else FAILED


def _play_number(args, number: int) -> Outcome:
    return play(_draw(args, number))._replace(files={})  # these are large
