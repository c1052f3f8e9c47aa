"""Schedules: lets accidents befall a virtual network, and tells whether it healed.

One schedule is played until its unrest is over, then through nine rounds and 80 seconds of rest;
then the judge looks (verdict.py). A network that is watched for malicious peers never rests: of it
the judge asks only what may never happen, and what its files prove, some seconds after the unrest.
"""

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gossip.addresses import Address
from gossip.lab.experiments.accidents import PERIOD, Conditions, Schedule
from gossip.lab.experiments.attackers import lying, misbehaving
from gossip.lab.experiments.verdict import Judge
from gossip.lab.experiments.virtual_network import VirtualFolder, VirtualNetwork
from gossip.lab.proof import check
from gossip.lab.proof.evidence import Proof
from gossip.lab.proof.malicious import Tally, tally_of
from gossip.lab.proof.records import Records
from gossip.lab.simulation.virtual_links import Spinning
from gossip.lab.simulation.virtual_world import NodeFailed
from gossip.settings import majority
from gossip.signing import grammar
from gossip.signing.confirming import ANSWER_LIMIT

REST_ROUNDS, REST = 9, 80.0  # liveness rounds and seconds between the unrest and the verdict
MEND_ROUNDS, MEND = 10, 6.0  # the same until a network without seeds has to be one piece again
LOOKS = 5.0  # seconds between the two looks at what should not last (see Judge.look)
SPEAKERS = 3  # peers that say something after the rest
CALM = 6.0  # seconds after the unrest of a network that is watched, in which what was lost comes
SILENCE = 1.0  # seconds of it, the last, in which nobody says anything
HOPS = 12  # links on the way of a message to the last peer, at most
WATCHED_ROW = "check of malicious"  # of many schedules, the sum is judged
SIGNATURES_KEPT = 100_000  # that were checked last


class Fault(NamedTuple):
    """Something that is wrong: which of the verdict's questions found it, and in words."""

    question: str
    text: str

    def __str__(self) -> str:
        return f"{self.question}: {self.text}"


class Outcome(NamedTuple):
    """The result of one schedule."""

    faults: list[Fault]
    proof: str  # the rows of the check
    simulated: float  # seconds
    calls: int  # made by the events of its virtual time
    folder: VirtualFolder  # the output files
    tally: Tally | None  # of attackers, where the network was watched


def play(schedule: Schedule, classes: dict, until: float | None = None) -> Outcome:
    """Play a schedule to its verdict, or until a simulated second: then the verdict is only about
    what went wrong up to there. `classes` has the class of a "seed" and of a "peer"."""
    played = _Played(schedule, classes)
    is_over = False
    try:
        with _checking_once():
            is_over = played.run(until)
    except Spinning as error:
        played.ask("spins", [str(error)])
    except NodeFailed as error:
        played.ask("failed", [str(error)])
    network = played.network
    records = Records(network.folder).refresh()
    rows = check.prove(records)
    for row in rows if is_over else ():
        if row.holds is False:
            played.ask(f"check of {row.name}", ["; ".join(row.details[:2])])
    tally = tally_of(Proof(records)) if schedule.conditions.malicious else None
    return Outcome(played.faults, check.format_rows(rows), network.time.now, network.time.calls,
                   network.folder, tally)


def _hostile(schedule: Schedule, classes: dict) -> dict[Address, type]:
    """Return the nodes of a schedule that are not honest, by address."""
    lie, seeds = schedule.conditions.liar, schedule.seeds()
    hostile = {seeds[-1]: lying(classes["seed"], lie)} if lie else {}
    peers = [accident.who[0] for accident in schedule.accidents
             if accident.kind == "start" and accident.who[0] not in seeds]
    roles = schedule.conditions.malice().deal(sorted(peers), random.Random(schedule.number))
    return hostile | {peer: misbehaving(classes["peer"], role) for peer, role in roles.items()}


@contextlib.contextmanager
def _checking_once():
    """Let one check of a signature count for all nodes of this process: checks take most time."""
    check_signature = grammar.check
    grammar.check = functools.lru_cache(SIGNATURES_KEPT)(check_signature)
    try:
        yield
    finally:
        grammar.check = check_signature


class _Played:
    """A schedule while it is played."""

    def __init__(self, schedule: Schedule, classes: dict):
        self._conditions = conditions = schedule.conditions
        self.network = VirtualNetwork(schedule.number, classes, schedule.seeds(),
                                      conditions.settings(), conditions.cables(),
                                      conditions.lag, conditions.clocks,
                                      _hostile(schedule, classes))
        self._judge = Judge(self.network)
        self.faults: list[Fault] = []
        self._time = self.network.time
        self._rng = random.Random(f"{schedule.number}:links")
        for accident in schedule.accidents:
            self._time.at(accident.at, accident.befall, self.network)
        if conditions.churn:
            self._time.at(PERIOD, self._churn)

    def ask(self, question: str, wrong: list[str]) -> None:
        """Note what a question has found wrong."""
        self.faults += [Fault(question, words) for words in wrong]

    def _churn(self) -> None:
        """In every period, so many percent of the links between peers break, at both ends."""
        self.network.break_links(self._conditions.churn / 100, self._rng)
        if self._time.now + PERIOD < self._conditions.unrest:
            self._time.at(self._time.now + PERIOD, self._churn)

    def run(self, until: float | None) -> bool:
        """Play it, let it rest, and ask every question, or play it until a simulated second;
        return whether it is over."""
        if until is None and not self._conditions.malicious:
            self._rest()
            return True
        if until is not None:
            self._time.run(until)
        else:
            self._time.run(self._conditions.unrest + CALM - SILENCE)
            for peer in self.network.peers():
                peer.spreading.fall_silent()  # what is said at the very end reaches nobody
            self._time.run(self._time.now + SILENCE)
        self.ask("while it happened", self._judge.faults)
        return until is None

    def _rest(self) -> None:
        judge, time = self._judge, self._time
        round_ = self._conditions.liveness_interval
        end = self._conditions.unrest
        time.run(end)
        judge.begin_rest()
        if not self.network.living_seeds():
            time.run(end + MEND_ROUNDS * round_ + MEND)
            self.ask("pieces", judge.pieces())
        time.run(end + REST_ROUNDS * round_ + REST)
        first = judge.look()
        time.run(time.now + LOOKS)
        second = judge.look()
        self.ask("while it happened", judge.faults)
        self.ask("left over", [words for what, words in second.items() if what in first])
        for question in (judge.pieces, judge.links, judge.registrations, judge.lists,
                         judge.quiet, judge.messages):
            self.ask(question.__name__, question())
        self._speak()

    def _speak(self) -> None:
        """Check that messages said after the rest arrive everywhere, by flood within the longest
        ways. On each of these ways a peer may wait in vain for what seeds say of a run that has
        said nothing before."""
        conditions, time = self._conditions, self._time
        expected = []  # (peer, messages that it has to have then)
        for peers in self._judge.in_pieces():
            speakers = peers[:SPEAKERS]
            expected += [(peer, peer.messages.count() + len(speakers)) for peer in peers]
            for peer in speakers:
                self.network.say(peer.address, ["after the rest"])
        way = 2 * conditions.latency + conditions.jitter + 2 * conditions.lag
        if conditions.sign and len(self.network.honest_seeds()) < majority(conditions.seeds):
            way += ANSWER_LIMIT + self.network.settings.probe_limit  # runs have to prove themselves
        wait = 1.0 + HOPS * way
        if conditions.spread == "rumor":  # a rumor may die; comparing brings it
            wait += 4 * conditions.antientropy_interval
        time.run(time.now + wait)
        self.ask("after the rest", [
            f"{peer.address} has {peer.messages.count()} messages, not {count}"
            for peer, count in expected if peer.messages.count() != count])


# Many.

class Result(NamedTuple):
    """The result of one of many schedules."""

    number: int
    fault: str  # the first one; empty when it held
    simulated: float  # seconds
    tally: Tally | None  # where the network was watched


def play_many(numbers: range, classes: dict, draw: Callable[[int], Schedule]) -> Iterator[Result]:
    """Play the schedules that `draw` has for these numbers on all cores, and yield the results."""
    pool = concurrent.futures.ProcessPoolExecutor(os.cpu_count() or 1, initializer=_begin_process)
    try:
        yield from pool.map(functools.partial(_play_number, classes, draw), numbers)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    """Leave Ctrl-C to the process that has started this one; end when that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _play_number(classes: dict, draw: Callable[[int], Schedule], number: int) -> Result:
    outcome = play(draw(number), classes)
    faults = [fault for fault in outcome.faults
              if outcome.tally is None or fault.question != WATCHED_ROW]
    return Result(number, str(faults[0]) if faults else "", outcome.simulated, outcome.tally)


# Smaller.

def shrink(schedule: Schedule, question: str, classes: dict) -> Schedule:
    """Return the smallest schedule found that fails the same question: first lines are taken out,
    many at once and then one by one (A. Zeller, R. Hildebrandt, "Simplifying and isolating
    failure-inducing input", 2002), then conditions become the usual ones."""
    def fails(smaller: Schedule) -> bool:
        return any(fault.question == question for fault in play(smaller, classes).faults)

    size = len(schedule.accidents) // 2
    while size:
        schedule, less = _without_some(schedule, size, fails)
        size = size // 2 if size > 1 else int(less)
    for name, usual in Conditions._field_defaults.items():
        if name == "seeds" and schedule.conditions.liar:
            continue  # among fewer seeds a liar would be no minority
        smaller = schedule._replace(conditions=schedule.conditions._replace(**{name: usual}))
        if smaller != schedule and fails(smaller):
            schedule = smaller
    return schedule


def _without_some(schedule: Schedule, size: int, fails) -> tuple[Schedule, bool]:
    """Take out every run of so many lines that is not needed; return whether there was one."""
    at, less = 0, False
    while at < len(schedule.accidents):
        accidents = schedule.accidents[:at] + schedule.accidents[at + size:]
        smaller = schedule._replace(accidents=accidents)
        if fails(smaller):
            schedule, less = smaller, True
        else:
            at += size
    return schedule, less
