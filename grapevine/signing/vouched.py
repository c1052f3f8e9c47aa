"""The runs that a seed has verified by its probes. Pure."""

import collections

from grapevine.addresses import Address
from grapevine.signing.grammar import STARTS_LIMIT

ADDRESSES_LIMIT = 12_500  # with runs; of more, the IP that has most of them loses its oldest
FIRST = STARTS_LIMIT // 2  # runs of an address that are never forgotten with it
NOBODY = None, [], 0.0  # what is known of an address that has proved nothing


def lasting(starts) -> set[int]:
    """Return those of an answer that the seed still names long after it: the first ones, and the
    newest, which as many others have to follow before it is forgotten."""
    return {*starts[:FIRST], *starts[-1:]}


class VouchedRuns:
    def __init__(self, pause: float):
        """`pause`: seconds between two new runs of an address beyond the first ones, because some
        peers judge by a run for a while after it was named, which others are to find here, too."""
        self._pause = pause
        # address -> the START that the last probe proved, the STARTs that are kept, and when the
        # newest came; who was proved longest ago comes first
        self._homes: collections.OrderedDict[Address, tuple] = collections.OrderedDict()
        self._of_ip: collections.Counter[str] = collections.Counter()  # IP -> addresses

    def proved(self, address: Address, start: int | None, now: float) -> None:
        """A probe of an address has proved a run, or None. A new one that comes too soon proves
        nothing."""
        _, starts, came_at = self._homes.get(address, NOBODY)
        if start is not None and start not in starts:
            if not self.wait(address, now):
                starts, came_at = [*starts, start], now
                if len(starts) > STARTS_LIMIT:  # who listens there later makes nobody forget the
                    del starts[FIRST]  # first
            else:
                start = None
        if start is not None:
            self._of_ip[address.host] += address not in self._homes
            self._homes[address] = start, starts, came_at
            self._homes.move_to_end(address)
            if len(self._homes) > ADDRESSES_LIMIT:
                self._forget()
        elif starts:
            self._homes[address] = None, starts, came_at

    def wait(self, address: Address, now: float) -> float:
        """Return for how many seconds a new run of an address still proves nothing."""
        _, starts, came_at = self._homes.get(address, NOBODY)
        return max(0.0, came_at + self._pause - now) if len(starts) >= FIRST else 0.0

    def _forget(self) -> None:
        most = max(self._of_ip.values())
        address = next(each for each in self._homes if self._of_ip[each.host] == most)
        del self._homes[address]
        self._of_ip[address.host] -= 1
        if not self._of_ip[address.host]:
            del self._of_ip[address.host]

    def starts(self, address: Address) -> list[int]:
        """Return the STARTs that an address has proved, the newest last."""
        return self._homes.get(address, NOBODY)[1]

    def latest(self, address: Address) -> int | None:
        """Return the START that the last probe of an address proved; None if it proved none."""
        return self._homes.get(address, NOBODY)[0]
