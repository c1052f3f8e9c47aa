"""A stand-in for a chat server, and a console that talks to it."""

import pytest

from gossip.chat.console import ChatConsole
from tests.tools.chat import StandIn


@pytest.fixture
def server():
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def console(tmp_path):
    with ChatConsole(0.0, ["--outputs", str(tmp_path)]) as console:
        yield console
