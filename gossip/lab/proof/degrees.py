"""The degrees of a network beside what its capacities predict, and the exponents that fit both.

The exponent of a power law is fitted by maximum likelihood, after A. Clauset, C. R. Shalizi,
M. E. J. Newman, "Power-law distributions in empirical data", SIAM Review 51 (2009), section 3, for
whole numbers. Their zeta function is a sum over all k from the smallest on; here the sum is finite,
because there is a largest capacity.

For p(k) = k^−a / Z(a), Z(a) = Σ j^−a over j = low..high, the log-likelihood of n values is
−a Σ ln k − n ln Z(a). Its derivative vanishes where the mean of ln k equals E_a[ln K], which
falls as a grows; and its second derivative, −n Var_a[ln K], gives the standard error.
"""

import itertools
import math
from typing import NamedTuple

from gossip.addresses import parse_address
from gossip.capacity import shares
from gossip.lab.proof import graph
from gossip.lab.proof.records import Records

STEEPEST = 25.0  # exponents beyond this are no longer told apart


class Fit(NamedTuple):
    """P(k) ~ k^−exponent, as `count` values tell; the exponent has a standard error."""

    exponent: float
    error: float
    count: int

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ± {self.error:.2f}"


def fit(values, low: int, high: int) -> Fit | None:
    """The most likely exponent for the values from low to high; None unless some are in between."""
    logs = [math.log(k) for k in values if low <= k <= high]
    if low >= high or not logs:
        return None
    mean = sum(logs) / len(logs)
    flat, steep = -STEEPEST, STEEPEST
    if not _moments(steep, low, high)[0] < mean < _moments(flat, low, high)[0]:
        return None
    while steep - flat > 1e-9:
        middle = (flat + steep) / 2
        if _moments(middle, low, high)[0] > mean:
            flat = middle
        else:
            steep = middle
    variance = _moments(flat, low, high)[1]
    return Fit(flat, 1 / math.sqrt(len(logs) * variance), len(logs))


def _moments(exponent: float, low: int, high: int) -> tuple[float, float]:
    """E[ln K] and Var[ln K] under that exponent."""
    law = shares(exponent, low, high)
    mean = sum(share * math.log(k) for k, share in law.items())
    return mean, sum(share * (math.log(k) - mean) ** 2 for k, share in law.items())


def at_least(law: dict[int, float]) -> list[tuple[int, float]]:
    """(k, P(K >= k)) in rising order of k: the complementary cumulative distribution."""
    falling = sorted(law, reverse=True)
    return list(zip(falling, itertools.accumulate(law[k] for k in falling)))[::-1]


class PowerLaw:
    """Degrees and capacities of the peers when most of them were up, and fitted exponents.

    No capacity counts as more than the number of the other peers. Exponents are fitted to the
    degrees (`fitted`) and the capacities (`predicted`); None where there is nothing to fit. With
    the usual rule the capacity k has a density proportional to 1/k (derived in capacity.py):
    `predicted` is then about 1, and larger if many peers have the smallest capacity.
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
        self.fitted = fit(self.degrees, self.low, self.high)
        self.predicted = fit(self.capacities, self.low, self.high)
