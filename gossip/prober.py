"""The prober: finds out for a seed whether an address answers, on a bounded pool of threads.

A probe is a fresh connection with one Liveness Request on it. Whoever asks about an address
that is being probed joins; the verdict comes as a call, on the prober's thread.
"""

import threading

from gossip.addresses import Address
from gossip.pool import Pool


class Prober:
    """Probes addresses, at most `at_once` of them at a time, each `tries` times."""

    def __init__(self, node, tries: int, at_once: int):
        self._node = node  # its `probe(address)` answers True or False
        self._tries = tries
        self._pool = Pool(node, "prober", at_once)
        self._lock = threading.Lock()  # guards _askers
        self._askers: dict[Address, list] = {}  # under way or queued -> whom to tell

    def ask(self, address: Address, verdict) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers."""
        with self._lock:
            if address in self._askers:
                self._askers[address].append(verdict)
                return
            self._askers[address] = [verdict]
        self._pool.run(self._probe, address)

    def _probe(self, address: Address) -> None:
        alive = any(self._node.probe(address) for _ in range(self._tries))
        with self._lock:
            askers = self._askers.pop(address)
        if not self._node.stopping.is_set():
            for verdict in askers:
                verdict(alive)
