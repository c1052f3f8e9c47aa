"""What several rows of the proof need, and what a row is."""

import collections
import time
from typing import NamedTuple

from gossip.proof.records import Records
from gossip.proof.runs import PeerRun

PROBE_TIME = 2.0  # seconds that a last probe takes


class Row(NamedTuple):
    """One line of the proof: `holds` is None where there is nothing to hold; `details` are the
    failures, then what else is worth knowing."""

    name: str
    holds: bool | None
    figures: str
    details: list[str]


class Proof:
    """What several rows need to know of the records."""

    def __init__(self, records: Records):
        self.records = records
        self.peers = records.peers
        self.seeds = records.seeds
        self.newest = records.newest()
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.lives = collections.Counter(run.address for run in self.peers)
        self.times = sorted(run.generated[m] for m, run in self.origin.items())

    def is_dead(self, run: PeerRun) -> bool:
        return run.is_dead(self.newest)

    def has_ended(self, run: PeerRun) -> bool:
        return run.has_ended(self.newest)

    def name(self, run: PeerRun) -> str:
        """A run's address, and when it began if the peer lived more than once."""
        if self.lives[run.address] == 1:
            return run.address
        return f"{run.address} (started {time.strftime('%F %T', time.gmtime(run.first))})"

    def deaths(self) -> list[PeerRun]:
        """The last runs of the peers that are dead; nobody looks after chat servers."""
        last = {run.address: run for run in self.peers if not run.chat}
        return [run for run in last.values() if self.is_dead(run)]


def quantile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]
