"""Proof of work, the price of becoming a neighbour.

The work is to find a challenge for which SHA-256 of nonce and challenge begins with zero bits. Up
to EASY bits a node searches itself, a slice at each look; else a process for each core does, which
runs this file, and a thread `search` starts and ends those. So a node never waits for a search.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Iterable

EASY = 16  # zero bits that take milliseconds
SLICE = 2_000  # challenges at a time, which take about a millisecond
EASY_LOOK, HARD_LOOK = 0.001, 0.01  # seconds between two looks
NICE = 5  # niceness of the processes, or that of this process if it is higher


def is_work(nonce: int, challenge: int, bits: int) -> bool:
    return find(nonce, bits, [challenge]) is not None


def find(nonce: int, bits: int, challenges: Iterable[int]) -> int | None:
    """Return the first of some challenges that does the work; None if none does."""
    sha256, prefix = hashlib.sha256, nonce.to_bytes(8, "big")
    highest = ((1 << 256 - bits) - 1).to_bytes(32, "big")  # digest with the zero bits
    for challenge in challenges:
        if sha256(prefix + challenge.to_bytes(8, "big")).digest() <= highest:
            return challenge
    return None


class Search:
    """The search for the work of a nonce. It is over when there is a challenge or a failure."""

    def __init__(self, nonce: int, bits: int):
        self.nonce, self._bits = nonce, bits
        self.challenge: int | None = None  # that does the work
        self.failure = ""  # why there will be none
        self.pause = EASY_LOOK if bits <= EASY else HARD_LOOK
        self.thread: threading.Thread | None = None  # if it is hard, and has begun
        self._next = 0
        self._stopped = threading.Event()

    def is_over(self) -> bool:
        """Begin it, or go on with it; tell whether it is over."""
        if self._bits <= EASY:
            self.challenge = find(self.nonce, self._bits, range(self._next, self._next + SLICE))
            self._next += SLICE
        elif self.thread is None:
            self.thread = threading.Thread(target=self._run, name="search", daemon=True)
            try:
                self.thread.start()
            except RuntimeError:
                self.failure = "no worker could be started: no thread left"
        return self.challenge is not None or bool(self.failure)

    def stop(self) -> None:
        """It is not wanted any more."""
        self._stopped.set()

    def _run(self) -> None:
        import subprocess  # who needs no processes does not load it

        cores, workers = os.cpu_count() or 1, []
        try:
            for number in range(cores):
                arguments = map(str, (self.nonce, self._bits, number, cores))
                workers.append(subprocess.Popen(
                    [sys.executable, "-S", "-E", __file__, *arguments], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            self._await(workers)
        except OSError as error:
            self.failure = f"no worker could be started: {error.strerror}"
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()

    def _await(self, workers: list) -> None:
        while not self._stopped.wait(HARD_LOOK):
            ended = [worker for worker in workers if worker.poll() is not None]
            if found := [line for worker in ended if (line := worker.stdout.readline())]:
                self.challenge = int(found[0])
                return
            if len(ended) == len(workers):  # they were killed from outside
                self.failure = "the search for its work ended without a result"
                return


if __name__ == "__main__":  # a process that searches, and writes the challenge that it finds
    if hasattr(os, "nice"):
        os.nice(max(0, NICE - os.nice(0)))
    # standard input ends with the search, or with its process
    threading.Thread(target=lambda: os.read(0, 1) or os._exit(0), daemon=True).start()
    own_nonce, own_bits, first, step = map(int, sys.argv[1:])
    print(find(own_nonce, own_bits, range(first, 1 << 63, step)))
