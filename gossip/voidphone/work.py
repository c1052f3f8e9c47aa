"""Proof of work: find a challenge such that SHA-256 of nonce and challenge begins with zero bits.

A peer pays it to become a neighbour. A search for up to EASY bits is done in the calling thread.
A harder one is done by worker processes, one per core, with lowered priority. They share the
challenges among them, and end with their search, or with their parent. They run this file.
"""

import hashlib
import os
import subprocess
import sys
import threading

EASY = 16  # zero bits: a search for so many takes milliseconds
NICE = 5  # niceness of workers, or more if this process has more
ROUND = 20_000  # challenges tried between two looks whether the search is still wanted


def is_work(nonce: int, challenge: int, bits: int) -> bool:
    """Whether the hash of nonce and challenge begins with so many zero bits."""
    return hashlib.sha256(nonce.to_bytes(8, "big") + challenge.to_bytes(8, "big")).digest() \
        < bound(bits)


def bound(bits: int) -> bytes:
    """The smallest bytes above all digests that begin with so many zero bits."""
    return ((1 << 256 - bits) - 1).to_bytes(32, "big") + b"\0"


def search(nonce: int, bits: int, first: int, step: int, wanted) -> int | None:
    """The first of first, first + step, ... that does the work; None if no longer wanted."""
    sha256, prefix, below = hashlib.sha256, nonce.to_bytes(8, "big"), bound(bits)
    while wanted():
        for challenge in range(first, first + step * ROUND, step):
            if sha256(prefix + challenge.to_bytes(8, "big")).digest() < below:
                return challenge
        first += step * ROUND
    return None


class Search:
    """One search; `find` is for one thread, `cancel` for every other."""

    def __init__(self, nonce: int, bits: int):
        self._nonce = nonce
        self._bits = bits
        self._lock = threading.Lock()  # guards the next two
        self._cancelled = False
        self._workers: list[subprocess.Popen] = []

    def find(self) -> int | None:
        """Return the challenge, or None if cancelled; OSError if no worker can be started."""
        if self._bits <= EASY:
            return search(self._nonce, self._bits, 0, 1, lambda: not self._cancelled)
        try:
            results, sender = os.pipe()
            with os.fdopen(results, "rb") as lines:
                try:
                    self._start_workers(sender)
                finally:
                    os.close(sender)
                if self._cancelled:
                    return None
                line = lines.readline()
            return int(line) if line else None
        finally:
            self.cancel()
            for worker in self._workers:
                worker.wait()

    def _start_workers(self, sender: int) -> None:
        cores = os.cpu_count() or 1
        for core in range(cores):
            worker = subprocess.Popen(
                [sys.executable, "-S", "-E", __file__, str(self._nonce), str(self._bits),
                 str(core), str(cores)], stdin=subprocess.PIPE, stdout=sender,
                stderr=subprocess.DEVNULL)
            with self._lock:
                self._workers.append(worker)
                if self._cancelled:
                    return

    def cancel(self) -> None:
        """End the search and its workers."""
        with self._lock:
            self._cancelled = True
            workers = list(self._workers)
        for worker in workers:
            worker.stdin.close()
            worker.kill()


def work(arguments: list[str]) -> None:
    """A worker process: write the challenge found; end when the parent has ended."""
    nonce, bits, first, step = map(int, arguments)
    if hasattr(os, "nice"):
        os.nice(max(0, NICE - os.nice(0)))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    challenge = search(nonce, bits, first, step, lambda: True)
    os.write(1, f"{challenge}\n".encode())


def _end_with_parent() -> None:
    """Wait for the end of standard input: the parent has closed it, or has ended."""
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    work(sys.argv[1:])
