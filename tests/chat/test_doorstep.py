"""The doorstep: which sockets a command line asks for."""

import pytest

from gossip.chat.doorstep import open_early
from tests.tools.ports import free_port, free_udp_range, listens


@pytest.mark.parametrize("arguments", [
    [], ["--chat"], ["--chat", "0", "1"], ["--chat", "1", "1", "5000"], ["--chat", "x", "1", "2"],
    ["--chat", "0", "1", "0"], ["--chat", "0", "1", "5000", "--udp-base", "x"]])
def test_the_doorstep_opens_nothing_for_a_strange_command_line(arguments):
    assert open_early(arguments) is None


def test_the_doorstep_opens_both_doors_or_none():
    udp, tcp = free_udp_range(1), free_port()
    arguments = ["peer.py", "--chat", "0", "1", str(tcp), f"--udp-base={udp}"]
    doors = open_early(arguments)
    assert [door.getsockname()[1] for door in doors] == [udp, tcp] and listens(tcp)
    assert open_early(arguments) is None
    doors[0].close()
    assert open_early(arguments) is None  # TCP is taken: UDP is given back
    doors[1].close()
    for door in open_early(arguments):
        door.close()
