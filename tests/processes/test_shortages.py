"""Disks without room, descriptors that run out: what a peer loses, and that it goes on."""

import socket

import pytest

from tests.tools.programs import DEADLINE, ROOT, OutputFile, free_ports, wait_until

resource = pytest.importorskip("resource")
FEW = 40  # descriptors
WITH_FEW = ["-c", f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))
sys.path.insert(0, {str(ROOT)!r})
from grapevine import node
node.INTRODUCTION = 60.0  # a stranger that ends sooner has made room
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""]
PROBE = b"Liveness Request:1700000000.000000:127.0.0.1:9\n"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process")
def test_a_file_that_cannot_grow_costs_lines_which_the_file_tells_of_later(network):
    """The limit of a file's size is met as a full disk is: a write takes a part, or nothing."""
    network.start_seeds()
    peer, other = network.start_peers(2, "--quiet")
    limits = resource.prlimit(peer.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(peer.process.pid, resource.RLIMIT_FSIZE,
                     (peer.path.stat().st_size + 1_000, limits[1]))
    peer.type(*[f"say {number} {'x' * 90}" for number in range(100)], "status")
    other.has("received:", 100)
    peer.shows("lines lost: ")
    resource.prlimit(peer.process.pid, resource.RLIMIT_FSIZE, limits)
    peer.type("say there is room again")
    lost = int(peer.event("lost:").rpartition(":")[2])
    assert peer.event("generated:").endswith(":there is room again")
    assert lost >= 100 - len(peer.events("generated:")) > 80
    other.has("received:", 101)
    assert not peer.events("failed:")


def test_a_peer_with_few_descriptors_survives_a_crowd_and_serves_again_afterwards(network):
    network.start_seeds()
    friend = network.start_peer("--quiet")
    network.wrapper = WITH_FEW
    peer = network.start_peer("--quiet")
    for each, other in (peer, friend), (friend, peer):
        each.event(f"connected:{other.address}")
    host, _, port = peer.address.partition(":")
    crowd = [socket.create_connection((host, int(port)), timeout=DEADLINE) for _ in range(100)]
    for stranger in crowd[:5]:
        assert stranger.recv(1) == b""
    assert peer.events("refused:") == [f"refused:{peer.address}:Too many open files"]
    friend.type("say do you hear me?")
    assert peer.event("received:").endswith(":do you hear me?")
    for stranger in crowd:
        stranger.close()

    def answers() -> bool:
        with socket.create_connection((host, int(port)), timeout=10.0) as stranger:
            stranger.sendall(PROBE)
            return stranger.recv(100).startswith(b"Liveness Reply:")

    wait_until(answers)
    peer.event("liveness reply:")
    assert not peer.events("failed:") and not friend.events("dead:")
    assert peer.process.poll() is None


FAILS_SHORT = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
try:
    while True:
        os.dup(0)
except OSError:
    pass  # no descriptor is left
with world.lock:
    world.node.later(0.0, lambda: 1 / 0)
    world.node.later(0.1, output.write, "the timer goes on")
sys.stdin.readline()
"""


def test_an_error_while_no_descriptor_is_left_is_written_down_as_any_other(network):
    file = OutputFile(network.folder / "output.txt")
    network.start_node(FAILS_SHORT, free_ports(1)[0], file.path, "-S")
    assert file.event("failed:").startswith("failed:timer: ZeroDivisionError(")
    file.event("the timer goes on")


LACK_THREAD = """
import os, runpy, sys, threading
real, lacking = threading.Thread.start, sys.argv[1]
def start(thread):
    global lacking
    if thread.name == lacking:
        lacking = None
        raise RuntimeError("can't start new thread")
    real(thread)
threading.Thread.start = start
del sys.argv[:2]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""  # runs a program in which the first thread of a name does not start


@pytest.mark.parametrize("thread", ["listener", "writer", "timer", "membership", "liveness",
                                    "screen", "console"])
def test_a_peer_that_lacks_one_of_its_threads_does_not_start(network, thread):
    network.wrapper = ["-c", LACK_THREAD, thread]
    peer = network.start_peer("--quiet")
    assert peer.code() == 1 and peer.shown() == "peer.py: system: no thread left\n"


def test_a_connection_for_which_no_thread_is_left_ends_and_is_made_again(network):
    network.start_seeds()
    network.wrapper = ["-c", LACK_THREAD, "reader"]
    one, two = network.start_peers(2)
    for peer in (one, two):
        assert peer.events("unregistered:")[0].endswith(":no thread left")
        peer.event("registered:")
