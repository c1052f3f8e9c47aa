"""Ctrl-C and SIGTERM at every moment of the start of a peer: it ends at once, without a word."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import pytest

from grapevine.terminal import starting
from tests.tools.programs import free_ports, is_clean, wait_until

STARTING = 0.3  # seconds that a start takes at most
BEGIN = """
import os, signal, sys
sys.argv = sys.argv[1:]
path = sys.argv[0]
first = "signal.signal(signal.SIGINT, signal.SIG_DFL)"
source = open(path).read().replace(first, first + "; import os; os.write(1, b'begins' + b'\\\\n')")
sys.path.insert(0, os.path.dirname(path))
exec(compile(source, path, "exec"), {"__name__": "__main__", "__file__": path})
"""  # runs a program that says when its first line has run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0.05, pytest.param(0.005, marks=pytest.mark.slow)])
def test_a_signal_at_any_moment_of_the_start_ends_a_peer_without_a_traceback(started, number, step):
    started.wrapper = ["-c", BEGIN]
    for at in range(round(STARTING / step)):
        peer = started.start_peer("--gossip-count", "100", "--gossip-interval", "0.01",
                                  stdout=subprocess.PIPE)
        with peer.process.stdout as screen:
            assert screen.readline() == b"begins\n"
            time.sleep(at * step)  # a moment of the start, whatever happens then
            peer.send(number)
            code = peer.code()
            shown, events = screen.read().decode(), peer.events()
        assert code in (-number, 0, 130) and is_clean(shown), (at * step, code, shown)
        assert events[-1:] == (["stopped:interrupted"] if code == 0 else []), (at * step, code)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("program", ["peer.py", "seed.py"])
def test_no_thread_but_the_main_thread_takes_signals(started, program):
    """Another one would not wake the main thread, so that the signal would be lost."""
    port = free_ports(1)[0]
    node = started.start(program, port)
    node.shows(f"started:{program[:4]}:127.0.0.1:{port}")
    tasks = pathlib.Path(f"/proc/{node.process.pid}/task")

    def takers() -> list[str]:
        """Return the threads that block neither of the two signals."""
        found = []
        for task in tasks.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                blocked = int((task / "status").read_text().split("SigBlk:")[1].split()[0], 16)
                if not all(blocked >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGTERM)):
                    found.append(task.name)
        return found

    wait_until(lambda: str(node.process.pid) in takers())
    assert takers() == [str(node.process.pid)]


def test_a_second_ctrl_c_does_not_disturb_the_end(started):
    peer = started.start_peer("--gossip-count", "1000", "--gossip-interval", "0.01")
    peer.has("generated:", 10)
    for _ in range(20):
        peer.send(signal.SIGINT)
    assert peer.code() == 0 and is_clean(peer.shown())
    assert peer.events()[-1] == "stopped:interrupted"


def test_a_signal_that_comes_just_before_the_main_thread_waits_is_seen_soon(monkeypatch):
    waits = []
    over = types.SimpleNamespace(is_set=lambda: bool(waits), wait=waits.append)
    world = types.SimpleNamespace(over=over, end=lambda *reason: None, has_failed=False)
    monkeypatch.setattr(starting, "take_signals", lambda: None)
    monkeypatch.setattr(os, "_exit", lambda code: None)
    starting.wait_for_end([world], types.SimpleNamespace(close=lambda: None))
    assert waits[0] is not None and waits[0] <= 1.0
