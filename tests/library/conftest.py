import pytest

import grapevine
from tests.library.tools import NothingLeft, free_address
from tests.tools.programs import wait_until

IN_ORDER = {"antientropy_interval": 0}  # nothing is fetched, so one link brings all in order


@pytest.fixture(autouse=True)
def nothing_left():
    with NothingLeft():
        yield


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
