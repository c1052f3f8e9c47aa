"""A process that forks: the child keeps no connection of its parent's nodes open."""

import os
import signal
import socket

import pytest

from tests.tools.programs import DEADLINE, free_ports

PARENT = """
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
    parent = network.start_node(PARENT, port)
    parent.shows("listens")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as accepted:
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
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
            os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)
