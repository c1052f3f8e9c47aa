"""What all tests share: the --slow flag, networks inside this process and of processes, a watch
on threads."""

import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from gossip.net.pulse import PULSE  # noqa: E402
from tests.tools.chat import Line  # noqa: E402
from tests.tools.files import lines_of  # noqa: E402
from tests.tools.modules import Modules  # noqa: E402
from tests.tools.nets import Net  # noqa: E402
from tests.tools.ports import free_addresses, free_range  # noqa: E402
from tests.tools.programs import Program, run, write_config  # noqa: E402
from tests.tools.waiting import wait_until  # noqa: E402


PULSE.begin()  # it stays to the end of the process: no node leaves it behind


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


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, free_addresses(2))


@pytest.fixture
def flags(tmp_path, config):
    return ["--config", config, "--outputs", tmp_path / "out"]


@pytest.fixture
def seeds(flags):
    with Program("seed.py", *flags, "--quiet") as program:
        wait_until(lambda: len(list((flags[3]).glob("seed_*.txt"))) == 2)
        yield program


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The files of a small network that was run once, and what the runner printed."""
    folder = tmp_path_factory.mktemp("network")
    config = write_config(folder, free_addresses(3))
    code, out, err = run(
        "runner.py", "--peers", 6, "--base-port", free_range(6), "--kill", 1, "--once",
        "--capacity", "fixed:3", "--gossip-interval", 0.1, "--liveness-interval", 0.5,
        "--config", config, "--outputs", folder)
    return folder, code, out, err


@pytest.fixture
def line(tmp_path, request):
    """A line of chat servers in this process; afterwards no thread is left or has failed."""
    before = set(threading.enumerate())
    line = Line(tmp_path, getattr(request, "param", 3))
    yield line
    line.close()
    failed = [event for path in tmp_path.glob("peer_*.txt") for event in lines_of(path)
              if event.startswith("failed:")]
    assert failed == []
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")
