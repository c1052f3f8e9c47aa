"""Host names, looked up in threads for which nobody has to wait.

A lookup may hang for half a minute, and nothing can end it. So each has a thread of its own, and a
node that needs its result waits for a second at most. A result that comes later is kept for the
next who asks, because with some resolvers every lookup takes that long. Otherwise names are looked
up anew each time, because they may lead elsewhere by now.
"""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterable

from gossip.addresses import Address, Name, Target, address_of, can_be_dialled

LIMIT = 1.0  # seconds for which a dial waits for a lookup
KEPT = 30.0  # seconds for which a result is kept that came too late
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class _Lookup:
    """A lookup that is under way, or whose result nobody has taken."""

    def __init__(self):
        self.found: list[str] | OSError = []  # the IPs, or why there are none
        self.over: float | None = None  # when it ended


class Names:
    """The lookups of one node."""

    def __init__(self):
        self._changed = threading.Condition()  # guards the rest; notified when a lookup ends
        self._lookups: dict[str, _Lookup] = {}  # by host name
        self._stopped = False

    def find_all(self, targets: Iterable[Target],
                 limit: float = LIMIT) -> dict[Target, list[Address] | OSError]:
        """Return the addresses of each target, the lowest first, or why there are none."""
        lookups = {target: None if isinstance(target, Address) else self._begin(target.host)
                   for target in targets}
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or all(
                lookup is None or lookup.over is not None for lookup in lookups.values()), limit)
            return {target: [target] if lookup is None else self._taken(target, lookup)
                    for target, lookup in lookups.items()}

    def stop(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _begin(self, host: str) -> _Lookup:
        """Return a pending or unused lookup of a name, or another."""
        with self._changed:
            lookup = self._lookups.get(host)
            if lookup and (lookup.over is None or time.monotonic() < lookup.over + KEPT):
                return lookup
            lookup = self._lookups[host] = _Lookup()
        try:
            threading.Thread(target=self._look_up, args=(host, lookup), name=f"lookup of {host}",
                             daemon=True).start()
        except RuntimeError:
            self._end(lookup, OSError(errno.EAGAIN, "this machine has no thread left"))
        return lookup

    def _look_up(self, host: str, lookup: _Lookup) -> None:
        try:
            rows = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)
            self._end(lookup, [str(row[4][0]) for row in rows])
        except OSError as error:
            self._end(lookup, OSError(
                "no such name" if error.errno in _NO_SUCH_NAME
                else f"name not found: {error.strerror or error}"))

    def _end(self, lookup: _Lookup, found: list[str] | OSError) -> None:
        with self._changed:
            lookup.found, lookup.over = found, time.monotonic()
            self._changed.notify_all()

    def _taken(self, name: Name, lookup: _Lookup) -> list[Address] | OSError:
        """Return the result of a lookup, which is kept no longer."""
        if lookup.over is None:
            return OSError("no answer about its name yet")
        if self._lookups.get(name.host) is lookup:
            del self._lookups[name.host]
        if isinstance(lookup.found, OSError):
            return lookup.found
        addresses = set()
        for ip in lookup.found:
            with contextlib.suppress(ValueError):  # it means something on this machine alone
                addresses.add(address_of(ip, name.port))
        # a filter of names answers 0.0.0.0: every machine
        return sorted(filter(can_be_dialled, addresses)) or OSError("no such name")
