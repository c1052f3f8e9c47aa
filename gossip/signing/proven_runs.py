"""Proven runs: a seed's memory of which runs have proved themselves at which addresses.

Rules only. Every probe that is answered with a proof adds to it.
"""

import collections

from gossip import wire
from gossip.addresses import Address

RUNS_LIMIT = 100_000  # in all; of more, all of the address that was asked about least recently go


class ProvenRuns:
    """For each address: the STARTs of its last runs, and what it proved in the last probe."""

    def __init__(self):
        # the address asked about least recently stands first; its latest run last
        self._starts: collections.OrderedDict[Address, list[int]] = collections.OrderedDict()
        self._latest: dict[Address, int] = {}  # those that proved a run in their last probe
        self._count = 0  # runs in all

    def probed(self, address: Address, start: int | None) -> None:
        """An address has answered a probe, and proved that it is this run; None: it has not."""
        if start is None:
            self._latest.pop(address, None)
            return
        self._latest[address] = start
        starts = self._starts.setdefault(address, [])
        if start in starts:
            return
        starts.append(start)
        self._count += 1
        if len(starts) > wire.STARTS_LIMIT:
            del starts[0]
            self._count -= 1
        while self._count > RUNS_LIMIT:
            oldest, gone = self._starts.popitem(last=False)
            self._latest.pop(oldest, None)
            self._count -= len(gone)

    def starts(self, address: Address) -> list[int]:
        """The runs that an address has proved, the latest last."""
        if address not in self._starts:
            return []
        self._starts.move_to_end(address)
        return list(self._starts[address])

    def has(self, address: Address, start: int) -> bool:
        """Whether an address has proved this run; nobody has asked for it."""
        return start in self._starts.get(address, ())

    def knows(self, address: Address) -> bool:
        """Whether an address has proved any run; nobody has asked for it."""
        return address in self._starts

    def latest(self, address: Address) -> int | None:
        """The run that the address proved in its last probe; None when it proved none."""
        return self._latest.get(address)
