"""The differences between the clocks of several machines, by their output files.

What A has sent, B receives later. So B's time of a line, minus A's, is at least the lead of B's
clock over A's. The least difference of all lines from A to B bounds the lead from above, and lines
from B to A bound it from below (F. Cristian, "Probabilistic clock synchronization", Distributed
Computing 3, 1989, with the least delays seen). Lines are messages, and registrations.

An IP is a machine; all addresses on loopback are of one, which has one clock. A clock whose bounds
contradict each other was set meanwhile, and its times disturb every claim about its nodes.
"""

import collections
import math
from collections.abc import Iterator

from grapevine.lab.proof.disturbances import HOLDS, UNCLEAR
from grapevine.lab.proof.evidence import Row, by_node
from grapevine.lab.proof.records import Records, machine_of

DRIFT = 0.5  # seconds by which bounds may contradict each other, because clocks drift in hours


class Clocks:
    """The clocks of the machines whose files are in a folder."""

    def __init__(self, records: Records):
        # a seed that has registered nobody tells of nobody
        runs = [*records.honest, *(seed for seed in records.seeds if seed.told("registered"))]
        self._files = collections.Counter(machine_of(run.address) for run in runs)
        self.ahead: dict[str, float] = {}  # machine -> seconds, unless it is right
        self._unsure: dict[str, float] = {}  # machine -> seconds by which this may be wrong
        self._wrong = {machine_of(run.address): f"the clock of {machine_of(run.address)} was set "
                       f"back by {run.set_back:.1f} s while {run.address} ran"
                       for run in runs if run.set_back > DRIFT}
        if len(self._files) > 1:
            self._compare(records)

    def _compare(self, records: Records) -> None:
        """Find the clocks that were set, then the lead of each other, from machine to machine."""
        most: dict[tuple[str, str], float] = {}  # most by which the second is ahead of the first
        for sender, receiver, sent, received in _lines(records):
            one, other = machine_of(sender), machine_of(receiver)
            if one != other:
                most[one, other] = min(most.get((one, other), math.inf), received - sent)
        widths = {(one, other): high + most[other, one] for (one, other), high in most.items()
                  if (other, one) in most}
        contradictions = {pair for pair, width in widths.items() if width < -DRIFT}
        while contradictions:
            counts = collections.Counter(one for one, _ in contradictions)
            for ip in sorted(ip for ip in counts if counts[ip] == max(counts.values())):
                by = max(-widths[pair] for pair in contradictions if ip in pair)
                self._wrong[ip] = f"the clock of {ip} was set meanwhile, by {by:.1f} s or more"
            contradictions = {pair for pair in contradictions
                              if self._wrong.keys().isdisjoint(pair)}
        right = self._files.keys() - self._wrong.keys()
        if not right:
            return
        first = min(right, key=lambda ip: (-self._files[ip], ip))
        ahead, self._unsure = {first: 0.0}, {first: 0.0}
        while ways := [(abs(width), one, other) for (one, other), width in widths.items()
                       if one in ahead and other in right and other not in ahead]:
            width, one, other = min(ways)
            low, high = sorted((-most[other, one], most[one, other]))
            ahead[other] = ahead[one] + (0.0 if low <= 0 <= high else (low + high) / 2)
            self._unsure[other] = self._unsure[one] + width / 2
        for ip in right - ahead.keys():
            self._wrong[ip] = (f"no lines went to {ip} and back: nobody knows whether its clock is "
                               "right")
        self.ahead = {ip: seconds for ip, seconds in ahead.items() if seconds}

    def disturbs(self, node: str) -> str:
        """Return why the times of a node say nothing, or nothing."""
        return self._wrong.get(machine_of(node), "")

    def row(self) -> Row | None:
        """Return the row of the proof, or None for only one machine, whose clock was right."""
        if len(self._files) < 2 and not self._wrong:
            return None
        said = [f"{ip} is {abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'} "
                f"(± {max(0.001, self._unsure[ip]):.3f}), put right"
                for ip, ahead in self.ahead.items()]
        hosts = "1 host" if len(self._files) == 1 else f"{len(self._files)} hosts"
        figures = [hosts, *said] if said or self._wrong else [f"the clocks of {hosts} agree"]
        return Row("clocks", UNCLEAR if self._wrong else HOLDS, "; ".join(figures),
                   list(self._wrong.values()))


def put_right(records: Records) -> Records:
    """Return the records with all times by one clock, and their `clocks`."""
    if records.clocks is None:
        clocks = Clocks(records)
        if clocks.ahead:
            records = Records(records.folder, clocks.ahead).refresh()
        records.clocks = clocks
    return records


def _lines(records: Records) -> Iterator[tuple[str, str, float, float]]:
    """Yield the sender and the receiver of each line of which the files of both tell, and when it
    was sent and received, by their clocks."""
    runs = by_node(records.honest)
    for run in records.honest:
        for message, delivery in run.received.items():
            had = min((source.has_since(message) for source in runs.get(delivery.source, ())),
                      default=math.inf)
            if had < math.inf:
                yield delivery.source, run.address, had, delivery.at
    # a registration goes from the peer's start to the seed's first `registered:` to the peer's;
    # if one of them tells of fewer, the other's file may begin earlier
    for seed, lives in by_node(records.seeds).items():
        for peer in runs:
            times = [at for life in lives for at in life.when("registered", peer)]
            begins = [one.begin for run in runs[peer]
                      for one in run.registrations.get(seed, ()) if one.stood]
            if times and len(begins) == len(times):
                yield peer, seed, runs[peer][0].first, times[0]
                yield seed, peer, times[0], begins[0]
