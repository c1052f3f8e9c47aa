"""The flusher: one thread per node that sends what could not be sent at once.

A link whose backlog begins to fill calls `watch`; the flusher waits until its socket takes bytes
again. Flooding leaves it what is to be sent a little later, by `take_over`. The console waits here,
for some seconds at most, while neighbours are slow; the generator only asks whether they are.
"""

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time

from gossip.net.connection import Selector

LONGEST = 3_600.0  # seconds of one wait: settings allow more than the 24 days of the system


class Flusher:
    """Sends backlogs; `flush_all` is the thread. See `Flushing` in gossip/node/world.py."""

    def __init__(self, turn, report):
        """The jobs of `take_over` are called within `turn`; `report(error)` hears of a failure."""
        self._turn, self._report = turn, report
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_sender.setblocking(False)
        self._wake_receiver.setblocking(False)
        self._stopping = threading.Event()
        # guards _links and _jobs; notified when a backlog has shrunk, or by `notify`
        self._changed = threading.Condition()
        self._links = set()  # links with a backlog
        self._jobs: list[tuple] = []  # a heap of (when, number, call), from `take_over`
        self._numbers = itertools.count()  # of two jobs for the same time, the older goes first

    def watch(self, link) -> None:
        with self._changed:
            if link in self._links:
                return
            self._links.add(link)
        self._wake()

    def take_over(self, job, after: float = 0.0) -> None:
        with self._changed:
            entry = time.monotonic() + after, next(self._numbers), job
            heapq.heappush(self._jobs, entry)
            is_next = self._jobs[0] is entry
        if is_next:
            self._wake()

    def notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_until(self, predicate, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not (self._stopping.is_set() or predicate()) and time.monotonic() < end:
            with self._changed:
                self._changed.wait(0.05)  # nobody notifies when others make the predicate true

    def flush_all(self) -> None:
        """Send backlogs until stopped."""
        while not self._stopping.is_set():
            next_job = self._do_jobs()
            with self._changed:
                links = [link for link in self._links if link.waiting()]
                self._links = set(links)
            for link in self._writable(links, next_job):
                link.flush()
            self.notify()

    def _do_jobs(self) -> float | None:
        """Do the jobs that are due; return when the next is. None if there is none."""
        now, due = time.monotonic(), []
        with self._changed:
            while self._jobs and self._jobs[0][0] <= now:
                due.append(heapq.heappop(self._jobs)[2])
            next_job = self._jobs[0][0] if self._jobs else None
        for job in due:
            try:
                with self._turn:
                    job()
            except Exception as error:
                self._report(error)
        return next_job

    def _writable(self, links, next_job: float | None) -> list:
        """Wait for a writable link, the next job, or `_wake`; return the links."""
        wait = None if next_job is None else min(LONGEST, max(0.0, next_job - time.monotonic()))
        with Selector() as selector:
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            for link in links:
                # it has ended since, or an ended link had its descriptor: the next round will work
                with contextlib.suppress(ValueError, KeyError):
                    selector.register(link, selectors.EVENT_WRITE)
            ready = [key.fileobj for key, _ in selector.select(wait)]
        if self._wake_receiver in ready:
            ready.remove(self._wake_receiver)
            with contextlib.suppress(BlockingIOError):
                self._wake_receiver.recv(4096)
        return ready

    def _wake(self) -> None:
        try:
            self._wake_sender.send(b"!")
        except BlockingIOError:
            pass  # the thread is about to wake anyway
        except OSError:
            if not self._stopping.is_set():
                raise

    def stop(self) -> None:
        """End the thread; the owner joins it, then calls `close`."""
        self._stopping.set()
        self._wake()
        self.notify()

    def close(self) -> None:
        self._wake_sender.close()
        self._wake_receiver.close()
