"""The runs that a seed has verified by its probes. Pure."""

import collections

from grapevine.addresses import Address
from grapevine.signing.grammar import STARTS_LIMIT

ADDRESSES_LIMIT = 12_500  # with runs; of more, the IP that has most of them loses its oldest


class VouchedRuns:
    def __init__(self):
        # address -> the START that the last probe proved, and the last STARTs, the latest last;
        # who was proved longest ago comes first
        self._homes: collections.OrderedDict[Address, tuple] = collections.OrderedDict()
        self._of_ip: collections.Counter[str] = collections.Counter()  # IP -> addresses

    def proved(self, address: Address, start: int | None) -> None:
        """A probe of an address has proved a run, or None."""
        starts = self.starts(address)
        if start is not None:
            self._of_ip[address.host] += address not in self._homes
            others = [each for each in starts if each != start]
            if len(others) >= STARTS_LIMIT:  # who listens there later makes nobody forget the first
                del others[STARTS_LIMIT // 2]
            self._homes[address] = start, [*others, start]
            self._homes.move_to_end(address)
            if len(self._homes) > ADDRESSES_LIMIT:
                self._forget()
        elif starts:
            self._homes[address] = None, starts

    def _forget(self) -> None:
        most = max(self._of_ip.values())
        address = next(each for each in self._homes if self._of_ip[each.host] == most)
        del self._homes[address]
        self._of_ip[address.host] -= 1
        if not self._of_ip[address.host]:
            del self._of_ip[address.host]

    def starts(self, address: Address) -> list[int]:
        """Return the STARTs that an address has proved, the latest last."""
        return self._homes.get(address, (None, []))[1]

    def latest(self, address: Address) -> int | None:
        """Return the START that the last probe of an address proved; None if it proved none."""
        return self._homes.get(address, (None, []))[0]
