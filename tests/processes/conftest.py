import pytest

from tests.processes.nodes import Nodes
from tests.tools.programs import Network


@pytest.fixture
def network(tmp_path):
    """A seed and peers as programs."""
    with Network(tmp_path) as network:
        yield network


@pytest.fixture
def started(network):
    """The same, with its seed running."""
    network.start_seeds()
    return network


@pytest.fixture
def nodes(tmp_path):
    """Nodes in the process of the tests."""
    with Nodes(tmp_path) as nodes:
        yield nodes
