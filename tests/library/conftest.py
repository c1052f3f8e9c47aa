import os
import threading

import pytest

import grapevine
from grapevine.signing import ed25519
from tests.library.tools import free_address
from tests.tools.programs import wait_until

IN_ORDER = {"antientropy_interval": 0}  # nothing is fetched, so one link brings all in order
ed25519.implementation()  # when OpenSSL is first called, ctypes may open a file that it keeps


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


@pytest.fixture(autouse=True)
def nothing_left():
    """No thread is left afterwards, and no descriptor."""
    def left() -> list[str]:
        # Python lists for ever a thread that a handler of signals kept from being started
        return [thread.name for thread in threading.enumerate() if thread not in threads
                and thread.is_alive() and not thread.name.startswith("asyncio")]

    threads, most = set(threading.enumerate()), descriptors()
    yield
    wait_until(lambda: left() == [], what=lambda: str(left()))
    wait_until(lambda: descriptors() <= most)


@pytest.fixture
def seeds():
    with grapevine.seeds([free_address() for _ in range(3)]) as running:
        yield running.addresses


@pytest.fixture
def pair(seeds):
    """Two peers that are neighbours."""
    with grapevine.join(seeds=seeds, **IN_ORDER) as one, \
            grapevine.join(seeds=seeds, **IN_ORDER) as other:
        wait_until(lambda: one.neighbours and other.neighbours)
        yield one, other


@pytest.fixture
def net():
    with grapevine.network(2, seeds=1, rate=0) as running:
        yield running
