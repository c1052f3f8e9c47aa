"""Evidence: what a row of the proof is, what several rows need to know of the records, and the
rows about the files themselves.

Of a network on several machines, the files of one may be all there is. Whoever has them only, as
the runner there, names the nodes that they are of: then what other files would tell is no failure.
"""

import collections
import functools
import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from gossip.lab.proof.company import Company
from gossip.lab.proof.records import Records, machine_of
from gossip.lab.proof.runs import FULL, KICKED, PeerRun


class Row(NamedTuple):
    """One line of the proof."""

    name: str
    holds: bool | None  # None: it only shows figures
    figures: str
    details: list[str]  # the failures, then other facts worth knowing


class Proof:
    """The records, without attackers, which are held to nothing, and what several rows ask them."""

    def __init__(self, records: Records, here: set[str] | None = None):
        """`here`: the nodes that the files are of; None means all of the network."""
        self._here = here
        self._machines = {machine_of(run.address) for run in [*records.peers, *records.seeds]}
        self.attackers = [run for run in records.peers if run.malice is not None]
        self.headless = records.headless()
        # whose files do not tell of all that they have said
        self._unproven = {run.address for run in records.peers
                          if run.malice is not None or run.ended == KICKED}
        self.records = records = records.honest()
        self.peers = records.peers
        self.seeds = records.seeds
        self.newest = records.newest()
        self.company = Company(records)
        self.taken_by = functools.cache(_taken_by)
        self.denied = {run for peer in self.peers for run in peer.denied}
        # from when on nothing is known of a node: its file is full, or lacks its beginning
        self.full = {run.address: run.last for run in self.peers if run.ended == FULL}
        self.full |= {address: 0.0 for _, address in self.headless}
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.lives = collections.Counter(run.address for run in self.peers)
        self.told = collections.defaultdict(list)  # (seed, dead peer) -> when the seed told a peer
        for run in self.peers:
            for at, seed, dead in run.told:
                self.told[seed, dead].append(at)
        self.times = sorted(run.generated[m] for m, run in self.origin.items())

    def is_unproven(self, message: str, heard: float) -> bool:
        """Whether a message may be that of an attacker, a peer that was kicked, or a full file."""
        origin = origin_of(message)
        return origin in self._unproven or self.full.get(origin, math.inf) <= heard

    def is_elsewhere(self, address: str) -> bool:
        """Whether a node has its file on another machine, which is no failure."""
        return self._here is not None and address not in self._here

    def beside(self, addresses: Iterable[str]) -> str:
        """Return which files are needed, too, because no file here is of these nodes' machines."""
        missing = sorted({*map(machine_of, addresses)} - self._machines - {""})
        return f": put the files of {' and '.join(missing)} beside these" if missing else ""

    def strangers(self) -> set[str]:
        """Return the neighbours of peers of which there is no file."""
        known = {run.address for run in [*self.peers, *self.attackers]}
        return {peer for run in self.peers for peer in run.links} - known

    def name(self, run: PeerRun) -> str:
        """The address of a run, and its start if the peer was started more than once."""
        return run.address + (start_time(run) if self.lives[run.address] > 1 else "")

    def deaths(self) -> list[PeerRun]:
        """The last run of each dead peer; chat servers are left out, as nobody reports them."""
        last = {run.address: run for run in self.peers if not run.chat}
        return [run for run in last.values() if run.is_dead(self.newest)]


def _taken_by(run: PeerRun) -> dict[str, float]:
    """Return when each run of which a run has messages was first heard."""
    taken: dict[str, float] = {}
    for message, delivery in run.received.items():
        taken.setdefault(run_of(message), delivery.at)
    return taken


def full(proof: Proof) -> Row | None:
    """The files that are full."""
    since = {run.address: run.last for run in [*proof.peers, *proof.attackers] if run.ended == FULL}
    since |= {f"seed {run.address}": run.last for run in proof.seeds if run.ended == FULL}
    return _facts("full", f"{len(since)} files reached their limit", [
        f"{name} since {time.strftime('%F %T', time.gmtime(at))}: nothing is proved about it from "
        "then on" for name, at in since.items()])


def beginnings(proof: Proof) -> Row | None:
    """No run goes on in a file whose beginning is in none."""
    failures = [f"the file before {name} is missing, in which {node} started; put it beside this "
                "one" for name, node in proof.headless]
    return _facts("beginnings", f"{len(failures)} files go on without a beginning: nothing is "
                  "proved about their nodes", failures, holds=False)


def unread(records: Records) -> Row | None:
    """The files that are named like a node's and tell of none."""
    names = records.unread()
    return _facts("unread", "files named like a node's, but without a started: line: "
                  f"{len(names)}", names)


def earlier(records: Records) -> Row | None:
    """The files of earlier versions, which do not tell enough."""
    names = [f"{run.address}: nobody knows whether it was late"
             for run in records.peers if not run.tells_lateness]
    names += [f"seed {run.address}: only what peers say tells whether it was up"
              for run in records.seeds if not run.tells_lateness]
    return _facts("earlier", f"{len(names)} runs of an earlier version: they prove less", names)


def elsewhere(proof: Proof) -> Row | None:
    """How much only the files of other machines can tell."""
    messages = {message for run in proof.peers for message in run.received}
    said = list(filter(proof.is_elsewhere, map(origin_of, messages)))
    seeds = {seed for run in proof.peers for seed in run.registrations.ever()
             if proof.is_elsewhere(seed)}
    peers = {*said, *filter(proof.is_elsewhere, proof.strangers())}
    ports = collections.defaultdict(list)  # by kind and IP
    for kind, nodes in (("seeds", seeds), ("peers", peers)):
        for node in sorted(nodes, key=lambda node: (len(node), node)):
            ip, _, port = node.rpartition(":")
            ports[f"{kind} of {ip}"].append(port)
    return _facts("elsewhere", f"only files of others tell of {len(said)} messages of {len(peers)} "
                  f"peers, and of {len(seeds)} seeds",
                  [f"{whose}: {' '.join(them)}" for whose, them in ports.items()])


def _facts(name: str, figures: str, details: list[str], holds: bool | None = None) -> Row | None:
    """Return a row, or None where there are no details."""
    return Row(name, holds, figures, details) if details else None


def origin_of(message: str) -> str:
    """The address of the peer that has said a message."""
    return message.rsplit(":", 2)[0]


def run_of(message: str) -> str:
    """The run that has said a message, as in `unconfirmed:RUN`."""
    return message.rpartition(":")[0]


def start_time(run: PeerRun) -> str:
    """Return a name that tells a run from other runs of the same peer."""
    return f" (started {time.strftime('%F %T', time.gmtime(run.first))})"


def quantile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies; a share of 0.5 gives the median."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]
