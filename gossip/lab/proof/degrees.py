"""The degrees of a network, as its output files tell them, beside what its capacities predict."""

from gossip.addresses import parse_address
from gossip.lab.proof import graph, powerlaw
from gossip.lab.proof.records import Records


class PowerLaw:
    """Degrees and capacities of the peers when most of them were up, and fitted exponents.

    `capacities` holds for each peer its capacity, or the number of the other peers if that is
    less: no degree can be larger. An exponent is fitted to the degrees (`fitted`) and to the
    capacities (`predicted`), for values from the smallest capacity to the largest. It is None
    where there is nothing to fit. With the usual rule the capacity k has a density proportional
    to 1/k (derived in capacity.py): `predicted` is then about 1, and larger if many peers have
    the smallest capacity.
    """

    def __init__(self, records: Records):
        snapshot = graph.largest(records)
        self.degrees = sorted(snapshot.degrees.values())
        runs = {run.address: run for run in records.peers}
        others = max(1, len(snapshot.degrees) - 1)
        self.capacities = sorted(
            min(others, graph.capacity_of(runs[address]).of(parse_address(address)))
            for address in snapshot.degrees)
        self.low, self.high = min(self.capacities, default=0), max(self.capacities, default=0)
        self.fitted = powerlaw.fit(self.degrees, self.low, self.high)
        self.predicted = powerlaw.fit(self.capacities, self.low, self.high)
