"""What all tests share: the --slow flag, networks inside this process, a watch on threads."""

import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from tools.modules import Modules  # noqa: E402
from tools.nets import Net  # noqa: E402
from tools.waiting import wait_until  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long tests, too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long; runs with --slow"))


@pytest.fixture
def net(tmp_path):
    """A network in this process; afterwards no thread is left and no thread has failed."""
    before = set(threading.enumerate())
    network = Net(tmp_path)
    yield network
    network.stop()
    assert network.failures() == []
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")


@pytest.fixture
def modules(tmp_path):
    """Modules in this process; afterwards no thread is left and no thread has failed."""
    before = set(threading.enumerate())
    started = Modules(tmp_path)
    yield started
    started.stop()
    assert started.failures() == []
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")
