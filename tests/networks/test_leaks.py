"""Starting and stopping leaves nothing behind: no thread, no socket, no warning."""

import subprocess
import sys
import textwrap
import threading

import pytest

from gossip.net.live_world import LiveWorld
from gossip.programs.starting import start_node
from gossip.terminal.command_line import CommandError
from peer import Peer
from tests.tools.files import open_file
from tests.tools.nets import FAST
from tests.tools.ports import free_address, listens
from tests.tools.programs import ROOT
from tests.tools.waiting import wait_until

HUNDRED_PEERS = textwrap.dedent("""
    import os, pathlib, sys, tempfile, threading
    sys.path.insert(0, {root!r})
    from gossip.capacity import fixed
    from gossip.net.pulse import PULSE
    from tests.tools.nets import FAST, Net, connected
    from tests.tools.waiting import wait_until

    def state():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    PULSE.begin()  # it stays to the end of the process
    before = state()
    with tempfile.TemporaryDirectory() as folder:
        net = Net(pathlib.Path(folder), FAST._replace(liveness_interval=2.0, capacity=fixed(3)))
        net.seeds(3)
        for _ in range(5):
            peers = net.peers(20)
            wait_until(lambda: connected(peers), 60)
            for peer in peers:
                net.end(peer)
        net.stop()
        assert net.failures() == [], net.failures()
    wait_until(lambda: state() == before, what=f"{{state()}} to become {{before}}")
    print("clean")
""")


@pytest.mark.slow
def test_a_hundred_peers_leave_no_thread_socket_or_warning():
    script = HUNDRED_PEERS.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", script],
                          capture_output=True, text=True, timeout=170)
    assert (done.returncode, done.stdout, done.stderr) == (0, "clean\n", "")


def test_a_peer_for_which_threads_do_not_suffice_does_not_start(tmp_path, monkeypatch):
    before = set(threading.enumerate())
    start = threading.Thread.start

    def start_or_not(thread):
        if thread.name.startswith("liveness"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    address = free_address()
    peer = Peer(address, [free_address()], FAST, open_file(tmp_path / "peer.txt"),
                LiveWorld)
    with pytest.raises(CommandError, match=f"{address}: the system has no thread left"):
        start_node(peer)
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")


def test_a_peer_that_is_stopped_before_it_listens_does_not_listen(tmp_path):
    before = set(threading.enumerate())
    address = free_address()
    peer = Peer(address, [free_address()], FAST, open_file(tmp_path / "peer.txt"), LiveWorld)
    peer.stop()
    peer.start()
    assert not listens(address.port)
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")
