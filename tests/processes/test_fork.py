"""A process that forks: the child keeps no connection of its parent's nodes open."""

import os
import signal
import socket

import pytest

from tests.tools.programs import ROOT, free_ports

PARENT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from grapevine.addresses import address_of
from grapevine.output import Output
from grapevine.peer import Peer
from grapevine.settings import Settings
from grapevine.worlds.threads import ThreadWorld
address = address_of("127.0.0.1", int(sys.argv[2]))
world = ThreadWorld(address)
output = Output(open(os.devnull, "ab", buffering=0))
world.begin(Peer(address, Settings(), output, world, [address_of("127.0.0.1", 9)]))
print("listens", flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    sys.stdin.readline()  # it lives as long as the test wants
    os._exit(0)
print("child", child, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_connections_of_a_killed_process_end_though_a_child_of_it_lives_on(network):
    [port] = free_ports(1)
    parent = network.start_python("-c", PARENT, ROOT, port)
    parent.shows("listens")
    with socket.create_connection(("127.0.0.1", port), timeout=3.0) as accepted:
        accepted.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
        assert accepted.recv(100).startswith(b"Liveness Reply:")
        parent.type("fork")
        parent.shows("child ")
        child = int(parent.shown().split()[-1])
        try:
            accepted.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
            assert accepted.recv(100).startswith(b"Liveness Reply:")  # the parent goes on
            parent.kill()
            assert accepted.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=3.0)
            os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)
