"""The seeds' addresses, and whether this machine has the node's IP. Rules alone.

A name is looked up by the world, anew for each dial (gossip/net/names.py).
"""

import contextlib
from collections.abc import Iterable

from gossip.addresses import Address, Name, Target, is_loopback


class Whereabouts:
    """The node's own address, and the known addresses of seeds."""

    def __init__(self, seeds: Iterable[Target], own: Address, write):
        """`write(*events)` writes down where a name leads when that has changed."""
        self._own = own
        self._write = write
        self._at = {seed: seed if isinstance(seed, Address) else None for seed in seeds}
        self.names = [seed for seed in self._at if isinstance(seed, Name)]
        self._missing: str | None = None  # the IP where it listens, while this machine lacks it

    @property
    def ips(self) -> set[str]:
        """The IPs of all seeds whose address is known."""
        return {address.ip for address in self._at.values() if address is not None}

    def choose(self, name: Name, found: list[Address]) -> Address:
        """Return the lowest address of a name that can be dialled. OSError says why none can."""
        fit = [address for address in found if self._fault(address) is None]
        if not fit:
            raise OSError(self._fault(found[0]))
        if self._at.get(name) != fit[0]:
            self._at[name] = fit[0]
            self._write(f"seed:{name}={fit[0]}", *(
                [f"ambiguous:{name}:{len(fit)} addresses, of which the lowest is the seed"]
                if len(fit) > 1 else []))
        return fit[0]

    def first_at(self, address: Address) -> Target | None:
        """Return the first line of config.txt that led to an address lately."""
        return next((seed for seed, at in self._at.items() if at == address), None)

    def update(self, found: dict[Name, list[Address] | OSError]) -> None:
        """Note where names lead now."""
        for name, addresses in found.items():
            if not isinstance(addresses, OSError):
                with contextlib.suppress(OSError):
                    self.choose(name, addresses)

    def note_missing(self, ip: str | None) -> None:
        """Write down when this machine loses or regains the node's IP."""
        if ip != self._missing:
            self._write(f"address lost:{ip}" if ip else f"address back:{self._missing}")
            self._missing = ip

    def _fault(self, address: Address) -> str | None:
        """Return why this node cannot dial an address."""
        own = self._own
        if address == own:
            return f"{own} is this node itself"
        if address.family != own.family:
            return f"{address.ip} cannot be reached from an address like {own.ip}"
        if is_loopback(address) and not is_loopback(own):
            return f"{address.ip} is another machine on every machine"
        if is_loopback(own) and not is_loopback(address):
            return f"{address.ip} cannot be reached from {own.ip}"
        return None
