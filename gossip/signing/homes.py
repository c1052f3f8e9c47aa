"""Homes: which run was met last at an address, and which runs of it are over.

Rules only. A run is one life of the peer that listens at its address. So the runs of an address
follow one another, and none comes back: once another run was met there, an earlier one is over,
although it is genuine for ever. Its messages are; a link in its name is not.
"""

import collections

from gossip import wire
from gossip.addresses import Address

LIMIT = 10_000  # addresses; of more, the one goes at which a run was met longest ago


class Homes:
    """The runs that one peer has met at addresses."""

    def __init__(self):
        # address -> STARTs, the one met last at the end; when that was
        self._met: collections.OrderedDict[Address, tuple[list[int], float]] = (
            collections.OrderedDict())

    def met(self, address: Address, start: int, now: float) -> None:
        """A run has proved itself at its address."""
        starts, _ = self._met.pop(address, ([], now))
        starts = [one for one in starts if one != start][1 - wire.STARTS_LIMIT:]
        self._keep(address, [*starts, start], now)

    def linked(self, address: Address, start: int, now: float) -> None:
        """A link of a genuine run was admitted. That counts if no run was met at its address."""
        if address not in self._met:
            self._keep(address, [start], now)

    def _keep(self, address: Address, starts: list[int], now: float) -> None:
        self._met[address] = starts, now
        if len(self._met) > LIMIT:
            self._met.popitem(last=False)

    def is_over(self, address: Address, start: int) -> bool:
        """Whether another run was met after this one."""
        return start in self._starts(address)[:-1]

    def is_last(self, address: Address, start: int) -> bool:
        """Whether no other run was met at the address, or none since this one was."""
        return self._starts(address)[-1:] in ([], [start])

    def _starts(self, address: Address) -> list[int]:
        return self._met.get(address, ([], 0.0))[0]

    def not_met(self, address: Address, start: int, since: float) -> None:
        """A run was looked for at its address since then. If another one was met, it is over."""
        starts, at = self._met.get(address, ([start], since))
        if at > since and start not in starts:
            starts.insert(0, start)
            del starts[:-wire.STARTS_LIMIT]
