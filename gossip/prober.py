"""The prober: a seed's bounded pool of threads that find out whether an address answers.

A probe is a fresh connection with one Liveness Request on it. Whoever asks about an address
that is being probed joins; the verdict comes as a call, on the prober's thread.
"""

import collections
import threading

from gossip.addresses import Address


class Prober:
    """Probes addresses, at most `at_once` of them at a time, each `tries` times."""

    def __init__(self, node, tries: int, at_once: int):
        self._node = node  # its `probe(address)` answers True or False; it owns the threads
        self._tries = tries
        self._at_once = at_once
        self._lock = threading.Lock()  # guards everything below
        self._askers: dict[Address, list] = {}  # under way or queued -> whom to tell
        self._queue = collections.deque()  # addresses that wait for a thread
        self._threads = 0

    def ask(self, address: Address, verdict) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers."""
        with self._lock:
            if address in self._askers:
                self._askers[address].append(verdict)
                return
            self._askers[address] = [verdict]
            self._queue.append(address)
            if self._threads == self._at_once:
                return
            self._threads += 1
        if not self._node.start_thread("prober", self._run):
            with self._lock:
                self._threads -= 1  # the address waits for the next thread

    def _next(self) -> Address | None:
        """The next address for this thread, or None: the thread ends."""
        with self._lock:
            if self._queue and not self._node.stopping.is_set():
                return self._queue.popleft()
            self._threads -= 1
            return None

    def _run(self) -> None:
        """Probe what is queued, then end."""
        while (address := self._next()) is not None:
            alive = any(self._node.probe(address) for _ in range(self._tries))
            with self._lock:
                askers = self._askers.pop(address)
            if not self._node.stopping.is_set():
                for verdict in askers:
                    verdict(alive)
