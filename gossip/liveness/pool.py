"""A pool: jobs that wait on sockets, each on a thread, so many at once, the rest in a queue.

Threads are started when there is work and end when there is none.
"""

import collections
import threading


class Pool:
    """Runs jobs on threads of a node, at most `at_once` of them at a time."""

    def __init__(self, node, name: str, at_once: int):
        self._node = node
        self._name = name
        self._at_once = at_once
        self._lock = threading.Lock()  # guards everything below
        self._first = collections.deque()  # jobs that go before others
        self._jobs = collections.deque()
        self._threads = 0

    def run(self, job, *args, first: bool = False) -> None:
        """Have `job(*args)` called soon; `first`: before the others that wait."""
        with self._lock:
            (self._first if first else self._jobs).append((job, args))
            if self._threads == self._at_once:
                return
            self._threads += 1
        if not self._node.start_thread(self._name, self._work):
            with self._lock:
                self._threads -= 1  # the job waits for the next thread

    def _work(self) -> None:
        """Do what is queued, then end."""
        while (next_job := self._next()) is not None:
            job, args = next_job
            job(*args)

    def _next(self):
        """The next job, or None: the thread ends."""
        with self._lock:
            jobs = self._first or self._jobs
            if jobs and not self._node.stopping.is_set():
                return jobs.popleft()
            self._threads -= 1
            return None
