"""Waiting for something to become true, with a deadline."""

import time


def wait_until(predicate, timeout: float = 60.0, what: str = "something", pause: float = 0.01):
    """Wait until the predicate holds and return its value; fail when it does not in time."""
    end = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(pause)
    return value
