"""Proof of work, the price of becoming a neighbour.

The work is to find a challenge for which SHA-256 of nonce and challenge begins with zero bits. For
up to EASY bits the calling thread searches, else a worker process for each core, with low priority.
A worker runs this file on its share of the challenges, and ends with the search or its parent.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time

EASY = 16  # zero bits that take milliseconds
NICE = 5  # niceness of workers, or that of this process if higher
ROUND = 20_000  # challenges between two checks whether the search is still wanted
LOOK = 0.01  # seconds between two checks while workers search
SLOT, SLOTS = 60.0, 6  # seconds of a slot; slots in which a nonce is valid


def present_slot(now: float) -> int:
    return int(now // SLOT)


def is_work(nonce: int, challenge: int, bits: int) -> bool:
    digest = hashlib.sha256(nonce.to_bytes(8, "big") + challenge.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") >> 256 - bits == 0


def search(nonce: int, bits: int, first: int, step: int, wanted) -> int | None:
    """Return which of first, first + step, ... does the work. None if no longer `wanted()`."""
    sha256, prefix = hashlib.sha256, nonce.to_bytes(8, "big")
    highest = ((1 << 256 - bits) - 1).to_bytes(32, "big")  # digest with the zero bits
    while wanted():
        for challenge in range(first, first + step * ROUND, step):
            if sha256(prefix + challenge.to_bytes(8, "big")).digest() <= highest:
                return challenge
        first += step * ROUND
    return None


def find(nonce: int, bits: int, wanted) -> int | None:
    """Return the challenge that does the work, or None. OSError if a worker cannot be started."""
    if bits <= EASY:
        return search(nonce, bits, 0, 1, wanted)
    cores, workers = os.cpu_count() or 1, []
    with contextlib.ExitStack() as ends:
        for core in range(cores):
            worker = ends.enter_context(subprocess.Popen(
                [sys.executable, "-S", "-E", __file__, str(nonce), str(bits), str(core),
                 str(cores)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL))
            ends.callback(worker.kill)
            workers.append(worker)
        while wanted():
            ended = [worker for worker in workers if worker.poll() is not None]
            found = [line for worker in ended if (line := worker.stdout.read())]
            if found or len(ended) == cores:
                return int(found[0]) if found else None  # None if the workers were killed
            time.sleep(LOOK)
    return None


if __name__ == "__main__":  # a worker, which writes the challenge that it finds
    if hasattr(os, "nice"):
        os.nice(max(0, NICE - os.nice(0)))
    # standard input ends with the search, or with the parent
    threading.Thread(target=lambda: os.read(0, 1) or os._exit(0), daemon=True).start()
    print(search(*map(int, sys.argv[1:]), lambda: True))
