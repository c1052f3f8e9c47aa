"""`runner.py simulate`: plays schedules of accidents in virtual time, and shows their verdicts."""

import argparse
import functools
import gc
import os
import pathlib
import shlex
import time
from collections.abc import Callable

from gossip.lab.experiments.accidents import (
    SEEDS_LIMIT, Schedule, add_malicious, parse_schedule)
from gossip.lab.experiments.drawing import WATCHED_PEERS, draw_schedule, draw_watched
from gossip.lab.experiments.schedules import Outcome, Result, play, play_many, shrink
from gossip.lab.proof.malicious import Tally
from gossip.settings import WAYS
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, capacity, number, show, whole_number)
from gossip.terminal.folders import clear_outputs
from gossip.terminal.screen import StatusLine, folded, time_left

FIRST = 1  # the number of the schedule that is played when none is asked for
GARBAGE_LOOK = 100_000  # new objects after which Python looks for reference cycles: whole networks
# are millions of objects to look at, and leave few cycles


def parse_simulate(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; CommandError for flags that do not go together."""
    parser = Parser(prog="runner.py simulate",
                    description="Seeds and peers in virtual time, and accidents by chance.")
    parser.add_argument("--schedule", type=whole_number(0), metavar="NUMBER",
                        help="which accidents: the same number, the same bytes in all files (1)")
    parser.add_argument("--peers", type=whole_number(1), metavar="N",
                        help="peers (by chance 2 to 12)")
    parser.add_argument("--seeds", type=whole_number(1), metavar="K",
                        help="seeds (by chance 1 to 5)")
    parser.add_argument("--until", type=number(0, "a number of seconds of 0 or more"),
                        metavar="SECONDS", help="end after so many simulated seconds")
    parser.add_argument("--outputs", type=pathlib.Path, metavar="DIR",
                        help="keep the output files in this folder, instead of earlier ones")
    parser.add_argument("--shrink", action="store_true", default=None,
                        help="when it fails, look for the smallest schedule that does")
    parser.add_argument("--file", type=pathlib.Path, metavar="FILE",
                        help="play the schedule in this file, as --shrink has shown it")
    parser.add_argument("--schedules", type=whole_number(1), metavar="COUNT",
                        help="play so many schedules, and show those that fail")
    parser.add_argument("--from", type=whole_number(0), metavar="NUMBER", dest="first",
                        help="the number of the first of them (1)")
    parser.add_argument("--sign", action="store_true", help="peers sign their gossip")
    parser.add_argument("--spread", choices=WAYS,
                        help="how messages travel (by chance; with --malicious flood)")
    parser.add_argument("--gentle", action="store_true",
                        help="no power failure, freeze, cut or slow machine")
    add_malicious(parser)
    parser.add_argument("--capacity", type=capacity, metavar="RULE",
                        help="neighbours of a peer, with --malicious (by chance 3 to 39)")
    args = parser.parse_args(arguments)
    _check_flags(parser, args)
    return args


def _check_flags(parser: Parser, args: argparse.Namespace) -> None:
    drawn = [] if args.malicious is not None else ["peers", "seeds"]
    of_one = [name for name in ("schedule", "file", *drawn, "until", "outputs", "shrink")
              if getattr(args, name) is not None]
    if args.schedules is not None and of_one:
        parser.error(f"--{of_one[0]} is for one schedule, --schedules for many")
    if args.malicious is None:
        if args.capacity is not None:
            parser.error("--capacity needs --malicious")
    elif args.gentle or args.sign or args.file:
        parser.error("--malicious draws schedules of its own, all signed: leave --gentle, --sign "
                     "and --file out")
    elif args.malicious.count() >= (args.peers or WATCHED_PEERS):
        parser.error("--malicious leaves nobody honest")
    if args.schedules is None and args.first is not None:
        parser.error("--from needs --schedules")
    if args.file is not None and (args.schedule, args.peers, args.seeds,
                                  args.spread) != (None, None, None, None):
        parser.error("--file names a whole schedule")
    if args.seeds is not None and args.seeds > SEEDS_LIMIT:
        parser.error(f"--seeds: {SEEDS_LIMIT} at most")


def simulate(args, classes: dict) -> int:
    """Carry out the command with the classes of a "seed" and a "peer"; 0 if all held."""
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
    """Return the schedule that is asked for; CommandError when it cannot be read."""
    if args.file is None:
        return _draw(args, FIRST if args.schedule is None else args.schedule)
    try:
        return parse_schedule(args.file.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{args.file}: {getattr(error, 'strerror', None) or error}") from None


def _draw(args, number: int) -> Schedule:
    if args.malicious is None:
        schedule = draw_schedule(number, args.peers, args.seeds, args.gentle, args.sign)
    else:
        schedule = draw_watched(number, args.malicious, args.peers, args.seeds, args.capacity)
    if args.spread is None:
        return schedule
    return schedule._replace(conditions=schedule.conditions._replace(spread=args.spread))


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
    first = FIRST if args.first is None else args.first
    numbers = range(first, first + args.schedules)
    many = Many(args.schedules, functools.partial(_again, args))
    try:
        for result in play_many(numbers, classes, functools.partial(_draw, args)):
            many.add(result)
    finally:
        many.close()
    return 0 if many.judge() else FAILED


def _again(args, number: int) -> str:
    """Return the command that plays one of many schedules."""
    words = ["python", "runner.py", "simulate", "--schedule", str(number)]
    for name in ("peers", "seeds", "malicious", "capacity", "spread"):
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words + [f"--{name}" for name in ("sign", "gentle") if getattr(args, name)])


class Many:
    """Shows the results of so many schedules. A terminal also shows how far they are, and at the
    end again those that failed; `again(number)` is the command that plays one."""

    def __init__(self, count: int, again: Callable[[int], str]):
        self._count = count
        self._again = again
        self._begun = time.monotonic()
        self._status = StatusLine() if os.isatty(1) else None
        self._results: list[Result] = []
        self._failed: list[Result] = []
        self._simulated = 0.0  # seconds
        self._show_status()

    def add(self, result: Result) -> None:
        """Show the result of one more schedule."""
        self._results.append(result)
        self._simulated += result.simulated
        if result.fault:
            self._failed.append(result)
            if self._status is None:
                show(_failure(result))
            else:
                self._status.above(self._with_commands(result), 4)
        self._show_status()

    def _with_commands(self, result: Result) -> str:
        again = self._again(result.number)
        return f"{_failure(result)}\n  play it again: {again}\n  make it small: {again} --shrink"

    def _show_status(self) -> None:
        if self._status is None:
            return
        left, played = "", len(self._results)
        text = f"{played:,} of {self._count:,} schedules, {len(self._failed)} failed"
        if played:
            took = time.monotonic() - self._begun
            pace = self._simulated / max(took, 1e-3)
            text += f"   {self._simulated:,.0f} simulated s, {pace:,.0f} a second"
            left = time_left(took / played * (self._count - played))
        self._status.update(text, left)

    def close(self) -> None:
        """End the line that says how far they are; it goes away when all have been played."""
        if self._status is not None:
            all_played = len(self._results) == self._count
            self._status.clear() if all_played else self._status.end()

    def judge(self) -> bool:
        """Show how many held, and again those that failed; return whether all held."""
        took, played = time.monotonic() - self._begun, len(self._results)
        lines = [f"{played - len(self._failed)} of {played} schedules held; "
                 f"{self._simulated:.0f} simulated seconds in {took:.1f} s, "
                 f"{self._simulated / took:.0f} a second"]
        holds = not self._failed
        if tallies := [result.tally for result in self._results if result.tally is not None]:
            tally = functools.reduce(Tally.plus, tallies)
            holds = holds and tally.holds()
            lines.append(f"{'malicious':<10} {'holds' if tally.holds() else 'FAILS':<6} {tally}")
        if self._status is not None:
            lines += map(self._with_commands, self._failed)
        text = "\n".join(lines)
        show(text if self._status is None else folded(text, 4))
        return holds


def _failure(result: Result) -> str:
    return f"schedule {result.number} FAILS: {result.fault}"
