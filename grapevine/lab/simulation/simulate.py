"""The command `simulate`, which plays schedules in virtual time."""

import argparse
import concurrent.futures
import functools
import multiprocessing
import os
import pathlib
import random
import threading
import time
from typing import NamedTuple

from grapevine.addresses import Address
from grapevine.lab.attackers import (
    attacker_class, attacks_in, deal, lying_class, nobody_left)
from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.evidence import Proof, Row
from grapevine.lab.proof.malicious import Tally, tally_of
from grapevine.lab.simulation.accidents import (
    SEEDS_LIMIT, Conditions, Schedule, parse_schedule, seed_addresses)
from grapevine.lab.simulation.drawing import PEERS, draw_schedule
from grapevine.lab.simulation.judge import Fault, Judge
from grapevine.lab.simulation.lives import Lives
from grapevine.settings import WAYS, parse_capacity, parse_way
from grapevine.terminal.command_line import (
    FAILED, Parser, count, folder_to_be, load, number, seconds, show)
from grapevine.worlds.virtual import NodeFailed

WATCHED = "check of malicious"  # a question of which many schedules have one answer together
DRAWN = ("peers", "seeds", "malicious", "capacity", "spread", "sign", "monitor", "seedless",
         "gentle", "hard")  # flags that say what is drawn
MAY_BE_UNCLEAR = 0.1  # of all claims of many schedules, or else the proof proves too little
CALM = 6.0  # seconds after the unrest of a watched network, in which lost messages arrive


class Outcome(NamedTuple):
    """The result of a schedule."""

    number: int
    faults: list[Fault]
    rows: list[Row]  # of the proof
    tally: Tally | None  # who was found out, if the network is watched
    simulated: float  # seconds
    calls: int  # made in virtual time


def play(schedule: Schedule, until: float | None = None,
         outputs: pathlib.Path | None = None) -> Outcome:
    """Play a schedule to its verdict, or `until` a simulated second: then only what may never
    happen is judged. The output files go to `outputs`."""
    conditions = schedule.conditions
    watched = bool(conditions.malicious)
    lives = Lives(schedule.number, seed_addresses(conditions.seeds), conditions.settings(),
                  conditions.cables(), conditions.lag, conditions.clocks, attackers_of(schedule))
    judge = None if watched else Judge(lives)
    faults = [] if judge is None else judge.faults
    for accident in schedule.accidents:
        lives.net.at(accident.at, accident.befall, lives)
    try:
        lives.net.run(conditions.unrest + CALM * watched if until is None else until)
        if until is None and judge is not None:
            judge.rest(conditions)
    except NodeFailed as error:
        faults.append(Fault("failed", str(error)))
    if outputs is not None:
        lives.save(outputs)
    records = lives.records()
    rows = check.prove(records)
    for row in rows if until is None else ():
        if row.verdict == FAILS and watched == (row.name == "malicious"):
            faults.append(Fault(f"check of {row.name}", "; ".join(row.details[:2])))
    return Outcome(schedule.number, faults, check.with_texts(records, rows),
                   tally_of(Proof(records)) if watched else None, lives.net.now, lives.net.made)


def attackers_of(schedule: Schedule) -> dict[Address, type]:
    """Return the classes of all nodes that lie or attack."""
    conditions, seeds = schedule.conditions, seed_addresses(schedule.conditions.seeds)
    liars = dict.fromkeys(seeds[:conditions.liars], lying_class(conditions.settings()))
    peers = sorted({who for accident in schedule.accidents if accident.kind == "start"
                    for who in accident.who if who not in seeds})
    roles = deal(conditions.malicious, peers, random.Random(f"{schedule.number}:attackers"))
    return liars | {peer: attacker_class(role) for peer, role in roles.items()}


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


def simulate(arguments: list[str]) -> int:
    """Carry out the command, and return its exit code: 0 if all held."""
    args = _parse(arguments)
    return (_play_many if args.schedules else _play_one)(args)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="runner.py simulate",
                    description="Seeds and peers in virtual time, and accidents by chance.")
    for name, kind, default, what in (
            ("schedule", count(0), 1, "which accidents; the same number, the same bytes (1)"),
            ("schedules", count(1), None, "play so many on all cores, and show those that fail"),
            ("from", count(0), 1, "the number of the first of them (1)"),
            ("peers", count(1), None, "peers (by chance 2 to 12; with --malicious 40)"),
            ("seeds", number(1, f"a whole number from 1 to {SEEDS_LIMIT}", int, SEEDS_LIMIT), None,
             "seeds (by chance 1 to 5; with --malicious 5)"),
            ("file", pathlib.Path, None, "play the schedule in this file, as it was shown"),
            ("until", seconds(0), None, "end after so many simulated seconds"),
            ("outputs", folder_to_be, None, "save the output files in this folder"),
            ("spread", parse_way, "flood", f"how new messages travel: {', '.join(WAYS)} (flood)"),
            ("malicious", attacks_in, "", "KIND:COUNT[:SHARE],...: peers that attack, or none, in "
                                            "a network that is watched"),
            ("capacity", parse_capacity, None, "of a watched network (by chance)")):
        parser.add_argument(f"--{name}", type=kind, default=default, help=what)
    for name, what in (("sign", "peers sign; some seeds may lie"),
                       ("monitor", "the same, and they watch others"),
                       ("seedless", "all seeds die for good"),
                       ("gentle", "no power failure, freeze, cut or slow machine"),
                       ("hard", "machines lose power, and all calls are late"),
                       ("shrink", "look for the smallest schedule that fails")):
        parser.add_argument(f"--{name}", action="store_true", help=what)
    args = parser.parse_args(arguments)
    of_one = [name for name in ("file", "until", "outputs", "shrink") if getattr(args, name)]
    if args.schedules and of_one:
        parser.error(f"--{of_one[0]} is for one schedule, --schedules for many")
    if fault := nobody_left(args.peers or PEERS, args.malicious):
        parser.error(fault)
    return args


def _draw(args, number: int) -> Schedule:
    return draw_schedule(number, **{name: vars(args)[name] for name in DRAWN})


def _play_one(args) -> int:
    schedule = (_draw(args, args.schedule) if args.file is None
                else load(args.file, parse_schedule))
    outcome = _show(schedule, args.until, args.outputs and pathlib.Path(args.outputs))
    if args.shrink and outcome.faults:
        show("\nthe smallest schedule found that fails the same question:\n")
        _show(shrink(schedule, outcome.faults[0].question))
    return FAILED if outcome.faults else 0


def _show(schedule: Schedule, until: float | None = None,
          outputs: pathlib.Path | None = None) -> Outcome:
    """Play a schedule, and show its accidents, proof and verdict."""
    show(f"{schedule}\n")
    begun = time.process_time()
    outcome = play(schedule, until, outputs)
    show(check.format_rows(outcome.rows))
    note = "" if until is None else ("; ended before the rest: only what may never happen was "
                                     "judged, neither what should heal nor the rows above")
    verdict = FAILS if outcome.faults else HOLDS
    show(str(Row("verdict", verdict, f"{outcome.simulated:.0f} simulated seconds, "
                 f"{outcome.calls} calls in {time.process_time() - begun:.2f} s of the processor"
                 f"{note}")))
    for fault in outcome.faults:
        show(f"{'':<17} {fault}")
    return outcome


def _play_many(args) -> int:
    """Play schedules on all cores, and show those that fail."""
    begun, held, simulated, tallies, verdicts = time.monotonic(), 0, 0.0, [], []
    options = "".join(f" --{name}" + f" {value}" * (value is not True) for name in DRAWN
                      if (value := vars(args)[name]) not in (None, False, "", "flood"))
    numbers = range(vars(args)["from"], vars(args)["from"] + args.schedules)
    with concurrent.futures.ProcessPoolExecutor(initializer=_end_with_parent) as pool:
        for outcome in pool.map(functools.partial(_play_number, args), numbers):
            simulated += outcome.simulated
            verdicts += [row.verdict for row in outcome.rows if row.verdict]
            faults = [fault for fault in outcome.faults if fault.question != WATCHED]
            held += not faults
            tallies += [] if outcome.tally is None else [outcome.tally]
            if outcome.faults:
                show(f"schedule {outcome.number}{' FAILS:' if faults else ','} "
                     f"{(faults or outcome.faults)[0]}\n  play it again: "
                     f"python runner.py simulate --schedule {outcome.number}{options}")
    took, unclear = time.monotonic() - begun, verdicts.count(UNCLEAR)
    show(f"{held} of {args.schedules} schedules held; {simulated:.0f} simulated seconds in "
         f"{took:.1f} s, {simulated / took:.0f} a second; "
         f"{unclear} of {len(verdicts)} claims are unclear")
    if tallies:
        total = functools.reduce(Tally.plus, tallies)
        show(str(Row("malicious", total.verdict(), str(total))))
    all_hold = held == args.schedules and (not tallies or total.verdict() != FAILS)
    return 0 if all_hold and unclear <= MAY_BE_UNCLEAR * len(verdicts) else FAILED


def _end_with_parent() -> None:
    """Have a process of the pool end when the command is killed."""
    def end() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _play_number(args, number: int) -> Outcome:
    """Play a schedule in a process of the pool, which keeps the details of rows: they are large."""
    outcome = play(_draw(args, number))
    return outcome._replace(rows=[row._replace(details=()) for row in outcome.rows])
