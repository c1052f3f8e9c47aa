"""The proof's view of a network: its honest runs, their names, and the rows that judge them."""

import collections
import functools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grapevine.lab.proof.disturbances import (
    FAILS, HOLDS, UNCLEAR, Disturbances, Fault, judge, no_file, quiet, shared)
from grapevine.lab.proof.records import Records, machine_of
from grapevine.lab.proof.runs import KICKED, Run


class Row(NamedTuple):  # a line of the proof
    name: str
    verdict: str  # or nothing, if it only shows figures
    figures: str
    details: Sequence[str] = ()  # the failures, then what is unclear

    def __str__(self) -> str:
        return f"{self.name:<10} {self.verdict:<7} {self.figures}"


def row(name: str, figures: str, faults: Iterable[Fault]) -> Row:
    """Return a row with the verdict of its faults, the worst of which count."""
    faults = list(dict.fromkeys(faults))
    details = [fault.words for verdict in (FAILS, UNCLEAR) for fault in faults
               if fault.verdict == verdict]
    return Row(name, worst(fault.verdict for fault in faults), figures, details)


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst verdict."""
    return max(verdicts, key=("", HOLDS, UNCLEAR, FAILS).index, default=HOLDS) or HOLDS


class Proof:
    """The honest runs of a network, and what rows ask about them."""

    def __init__(self, records: Records, here: set[str] | None = None):
        self._here = here  # the nodes of which there are files; None means all nodes
        self.records, self.newest = records, records.newest
        self.peers, self.seeds = records.honest, records.seeds
        self.attackers = [run for run in records.peers if run.malice is not None]
        self.all_runs = [*self.peers, *self.attackers, *self.seeds]
        self.is_watched = any(run.settings.get("monitor") == "yes" for run in records.peers)
        self.attacking = {run.address for run in self.attackers}  # addresses
        # the nodes whose files do not tell of all that they have said
        self.unproven = {run.address for run in records.peers
                         if run.malice is not None or run.ended == KICKED}
        self.lives = by_node([*self.peers, *self.seeds])
        self.runs, self.registries = by_node(self.peers), by_node(self.seeds)
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.disturbances = Disturbances(records, self.lives)

    def is_elsewhere(self, address: str) -> bool:
        """Tell whether a node has its file on another machine."""
        return self._here is not None and address not in self._here

    def by_file(self, words: str, *runs: Run, missing: Iterable[str] = ()) -> Fault:
        """Judge a claim that is not met, about what the files of these runs, and of nodes that have
        none, say."""
        spans = [span for run in runs for span in self.disturbances.file(run)]
        return judge(words, 0.0, 1.0, 1.0, spans + list(map(no_file, missing)))

    @functools.cached_property
    def strangers(self) -> set[str]:
        """The nodes that others name, and that have no file."""
        peers = {address for run in self.peers for address in run.links}
        peers |= {origin_of(message) for run in self.peers for message in run.received
                  if message not in self.origin}
        seeds = {seed for run in self.peers for seed, times in run.registrations.items()
                 if any(one.stood for one in times)}
        return peers - self.runs.keys() - self.attacking | seeds - self.registries.keys()

    def seeds_up(self, begin: float, end: float, count: int) -> float:
        """Return for how many seconds of a window so many seeds were up."""
        lives = [[(seed.first, seed.end)] for seed in self.seeds]
        return end - begin - quiet(begin, end, shared(lives, count))

    def missing_from(self, address: str) -> str:
        """Return words that ask for the files of another machine, if none of it is here."""
        machines = {machine_of(run.address) for run in [*self.peers, *self.seeds]}
        machine = machine_of(address)
        return f": put the files of {machine} beside these" if machine not in machines else ""


def by_node(runs: list) -> dict[str, list]:
    """Return the runs of each node."""
    lives = collections.defaultdict(list)
    for run in runs:
        lives[run.address].append(run)
    return lives


def origin_of(message: str) -> str:
    """Return the address of the peer that has said a message."""
    return message.rsplit(":", 2)[0]


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies; between two in proportion."""
    values, at = sorted(values), share * (len(values) - 1)
    return values[int(at)] + at % 1 * (values[math.ceil(at)] - values[int(at)])
