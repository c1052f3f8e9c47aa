"""The runs that a seed has verified by its probes. Pure."""

import collections

from grapevine.addresses import Address
from grapevine.signing.grammar import STARTS_LIMIT

ADDRESSES_LIMIT = 12_500  # with runs; of more, the IP that has most of them loses its oldest


class VouchedRuns:
    def __init__(self):
        # IP -> address -> (the START that the last probe proved, the last STARTs in order);
        # the address that was proved longest ago comes first
        self._of_ip: dict[str, collections.OrderedDict] = {}
        self._count = 0  # of addresses

    def proved(self, address: Address, start: int | None) -> None:
        """A probe of an address has proved a run, or None."""
        homes = self._of_ip.get(address.ip, collections.OrderedDict())
        _, starts = homes.get(address, (None, []))
        if start is not None:
            self._of_ip[address.ip] = homes
            self._count += address not in homes
            others = [each for each in starts if each != start]
            homes[address] = start, [*others[1 - STARTS_LIMIT:], start]
            homes.move_to_end(address)
            self._forget()
        elif starts:
            homes[address] = None, starts

    def _forget(self) -> None:
        if self._count > ADDRESSES_LIMIT:
            max(self._of_ip.values(), key=len).popitem(last=False)
            self._count -= 1

    def starts(self, address: Address) -> list[int]:
        """Return the STARTs that an address has proved, the latest last."""
        return self._of_ip.get(address.ip, {}).get(address, (None, []))[1]

    def latest(self, address: Address) -> int | None:
        """Return the START that the last probe of an address proved; None if it proved none."""
        return self._of_ip.get(address.ip, {}).get(address, (None, []))[0]
