"""Proof of work, the price of becoming a neighbour.

The work is to find a challenge for which SHA-256 of nonce and challenge begins with zero bits. Up
to EASY bits a node searches itself, a slice at a time; else a process for each core does, which
runs this file, and a thread of the search starts and ends those. Nobody waits for a search: its
node looks at it again and again.
"""

import hashlib
import os
import sys
import threading

EASY = 16  # zero bits that take milliseconds
SLICE = 2_000  # challenges at a time, which take about a millisecond
LOOK = 0.01  # seconds between two looks while processes search
NICE = 5  # niceness of the processes, or that of this process if it is higher
SLOT = 60.0  # seconds in which HELLO said again gets no other nonce


def is_work(nonce: int, challenge: int, bits: int) -> bool:
    digest = hashlib.sha256(nonce.to_bytes(8, "big") + challenge.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") >> 256 - bits == 0


def search(nonce: int, bits: int, challenges: range) -> int | None:
    """Return the first of some challenges that does the work; None if none does."""
    sha256, prefix = hashlib.sha256, nonce.to_bytes(8, "big")
    highest = ((1 << 256 - bits) - 1).to_bytes(32, "big")  # digest with the zero bits
    for challenge in challenges:
        if sha256(prefix + challenge.to_bytes(8, "big")).digest() <= highest:
            return challenge
    return None


class Search:
    """A search of which each look is a slice."""

    pause = 0.001  # seconds between two looks, in which others have their turn

    def __init__(self, nonce: int, bits: int):
        self.nonce, self.bits = nonce, bits
        self.challenge: int | None = None  # that does the work
        self.is_over = False
        self.failure = ""  # why it is over without a challenge
        self._next = 0

    def look(self) -> None:
        """Go on with it."""
        self.challenge = search(self.nonce, self.bits, range(self._next, self._next + SLICE))
        self._next += SLICE
        self.is_over = self.challenge is not None

    def stop(self) -> None:
        """It is not wanted any more."""


class HardSearch(Search):
    """A search by processes. Its thread `search` ends them with the search."""

    pause = LOOK

    def __init__(self, nonce: int, bits: int):
        super().__init__(nonce, bits)
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="search", daemon=True)
        try:
            self.thread.start()
        except RuntimeError:
            self._fail("no worker could be started: no thread left")

    def look(self) -> None:
        """Its processes go on by themselves."""

    def stop(self) -> None:
        self._stopped.set()

    def _fail(self, reason: str) -> None:
        self.failure, self.is_over = reason, True

    def _run(self) -> None:
        workers = []
        try:
            for number in range(os.cpu_count() or 1):
                workers.append(_start_worker(self.nonce, self.bits, number, os.cpu_count() or 1))
            self._await(workers)
        except OSError as error:
            self._fail(f"no worker could be started: {error.strerror}")
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()

    def _await(self, workers: list) -> None:
        while not self._stopped.wait(LOOK):
            ended = [worker for worker in workers if worker.poll() is not None]
            found = [line for worker in ended if (line := worker.stdout.readline())]
            if found:
                self.challenge, self.is_over = int(found[0]), True
                return
            if len(ended) == len(workers):  # they were killed from outside
                self._fail("the search for its work ended without a result")
                return


def _start_worker(*numbers: int):
    import subprocess  # who needs no processes does not load it

    return subprocess.Popen(
        [sys.executable, "-S", "-E", __file__, *map(str, numbers)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def begin_search(nonce: int, bits: int) -> Search:
    return (Search if bits <= EASY else HardSearch)(nonce, bits)


def _work(nonce: int, bits: int, first: int, step: int) -> None:
    """The life of a process that searches: it writes the challenge that it finds."""
    if hasattr(os, "nice"):
        os.nice(max(0, NICE - os.nice(0)))
    # standard input ends with the search, or with its process
    threading.Thread(target=lambda: os.read(0, 1) or os._exit(0), daemon=True).start()
    print(search(nonce, bits, range(first, 1 << 63, step)))


if __name__ == "__main__":
    _work(*map(int, sys.argv[1:]))
