"""The differences between the clocks of several machines, by their output files.

What A has sent, B receives later. So B's time of a line, minus A's, is at least the lead of B's
clock over A's. The least difference of all lines from A to B bounds the lead from above, and lines
from B to A bound it from below (F. Cristian, "Probabilistic clock synchronization", Distributed
Computing 3, 1989, with the least delays seen). Lines are messages, and registrations.

An IP is a machine; all addresses on loopback are of one, which has one clock.
"""

import collections
import math
import operator
import statistics
import time

from grapevine.lab.proof.evidence import Row
from grapevine.lab.proof.records import Records, machine_of

DRIFT = 0.5  # seconds by which bounds may contradict each other, because clocks drift in hours

# IPs of the sender and the receiver of a line, and when it was sent and received by their clocks
Line = tuple[str, str, float, float]


class Clocks:
    """The clocks of the machines whose files are in a folder."""

    def __init__(self, records: Records):
        self._files = collections.Counter(
            machine_of(run.address) for run in [*records.honest().peers, *records.seeds])
        back = sorted((run.set_back, run.address) for run in [*records.peers, *records.seeds])
        # machine -> by how many seconds its clock was set back, by the lines of which node
        self._back = {machine_of(node): (seconds, node) for seconds, node in back
                      if seconds > DRIFT}
        self.ahead: dict[str, float] = {}  # machine -> seconds, unless it is right
        self.unsure: dict[str, float] = {}  # machine -> seconds by which this may be wrong
        # machine -> by how many seconds its clock was set, and when by the clock of another
        self.set: dict[str, tuple[float, float]] = {}
        if len(self._files) > 1:
            self._compare(_lines(records))

    def _compare(self, lines: list[Line]) -> None:
        """Find the clocks that were set, then the lead of each other, from machine to machine."""
        most: dict[tuple[str, str], float] = {}  # most by which the second is ahead of the first
        for one, other, sent, received in lines:
            most[one, other] = min(most.get((one, other), math.inf), received - sent)
        widths = {(one, other): high + most[other, one] for (one, other), high in most.items()
                  if (other, one) in most}
        contradictions = {pair for pair, width in widths.items() if width < -DRIFT}
        while contradictions:
            counts = collections.Counter(one for one, _ in contradictions)
            ip = max(counts, key=lambda ip: (counts[ip], -self._files[ip], ip))
            self.set[ip] = _step(ip, [line for line in lines
                                      if line[:2] in contradictions and ip in line[:2]])
            contradictions = {pair for pair in contradictions if ip not in pair}
        right = self._files.keys() - self.set.keys()
        first = min(right, key=lambda ip: (-self._files[ip], ip))
        ahead, self.unsure = {first: 0.0}, {first: 0.0}
        widths = {pair: width for pair, width in widths.items() if right.issuperset(pair)}
        while ways := [(abs(width), one, other) for (one, other), width in widths.items()
                       if one in ahead and other not in ahead]:
            width, one, other = min(ways)
            low, high = sorted((-most[other, one], most[one, other]))
            ahead[other] = ahead[one] + (0.0 if low <= 0 <= high else (low + high) / 2)
            self.unsure[other] = self.unsure[one] + width / 2
        self.ahead = {ip: seconds for ip, seconds in ahead.items() if seconds}

    def row(self) -> Row | None:
        """Return the row of the proof, or None for only one machine, whose clock was right."""
        if len(self._files) < 2 and not self._back:
            return None
        said = [f"{ip} is {abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'} "
                f"(± {max(0.001, self.unsure[ip]):.3f}), put right"
                for ip, ahead in self.ahead.items()]
        failures = [f"the clock of {ip} was set {'forward' if step > 0 else 'back'} by "
                    f"{abs(step):.1f} s at {time.strftime('%F %T', time.gmtime(at))}: its times "
                    "cannot be compared with others" for ip, (step, at) in self.set.items()]
        failures += [f"the clock of {ip} was set back by {back:.1f} s while {node} ran: the times "
                     "in its files cannot be compared" for ip, (back, node) in self._back.items()
                     if ip not in self.set]
        lonely = [f"no lines went to {ip} and back: nobody knows whether its clock is right"
                  for ip in self._files
                  if len(self._files) > 1 and ip not in self.unsure and ip not in self.set]
        hosts = "1 host" if len(self._files) == 1 else f"{len(self._files)} hosts"
        figures = [hosts, *said] if said or failures or lonely else [f"the clocks of {hosts} agree"]
        return Row("clocks", not failures, "; ".join(figures), [*failures, *lonely])


def put_right(records: Records) -> Records:
    """Return the records with all times by one clock, and their `clocks`."""
    if records.clocks is None:
        clocks = Clocks(records)
        if clocks.ahead:
            records = Records(records.folder, clocks.ahead).refresh()
        records.clocks = clocks
    return records


def _lines(records: Records) -> list[Line]:
    """Return the lines that the files of two machines tell of."""
    peers, runs = records.honest().peers, collections.defaultdict(list)
    for run in peers:
        runs[run.address].append(run)
    found = []  # as lines, but with addresses
    for run in peers:
        for message, delivery in run.received.items():
            had = [source.has_since(message) for source in runs.get(delivery.source, ())
                   if message in source.generated or message in source.received]
            if had:
                found.append((delivery.source, run.address, min(had), delivery.at))
    # a registration goes from the peer's start to the seed's first `registered:` to the peer's;
    # if one of them tells of fewer, the other's file may begin earlier
    listed = collections.defaultdict(list)  # (seed, peer) -> when
    for seed in records.seeds:
        for at, peer in seed.registered:
            listed[seed.address, peer].append(at)
    for (seed, peer), times in listed.items():
        words = [word.at for run in runs.get(peer, ())
                 for word in run.registrations.words.get(seed, ()) if word.lost is None]
        if len(words) == len(times):
            found += [(peer, seed, runs[peer][0].first, times[0]), (seed, peer, times[0], words[0])]
    lines = [(machine_of(sender), machine_of(receiver), *times)
             for sender, receiver, *times in found]
    return [line for line in lines if line[0] != line[1]]


def _step(ip: str, lines: list[Line]) -> tuple[float, float]:
    """Return the step of a clock, and when its lines first contradict. The median of many
    lines counts, because a line may be written before the clock is set, and sent after."""
    leads = sorted(((received, sent - received, True) if sender == ip
                    else (sent, received - sent, False)
                    for sender, _, sent, received in lines), key=operator.itemgetter(0))
    low, high = -math.inf, math.inf  # bounds of what this clock is ahead of the others'
    for place, (_, ahead, bounds_below) in enumerate(leads):
        low, high = (max(low, ahead), high) if bounds_below else (low, min(high, ahead))
        if low > high + DRIFT:
            break
    before, after = ([ahead for _, ahead, _ in part] for part in (leads[:place], leads[place:]))
    return statistics.median(after) - statistics.median(before), leads[place][0]
