"""How the peers of a network end: with their runner, by Ctrl-C, and killed in a worker."""

import os
import signal
import socket
import subprocess
import sys
import threading
import types

import pytest

from gossip.lab.experiments import worker
from gossip.lab.experiments.worker import PACE, SLOWEST, Worker, begin_in_turn
from gossip.lab.proof import graph
from gossip.lab.proof.records import Records
from tests.tools.files import lines_of, one_piece
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import ROOT, Program, write_config
from tests.tools.waiting import wait_until


@pytest.mark.parametrize("mode", [["--processes", 2], ["--process-per-peer"]])
def test_peers_end_when_their_runner_is_killed(tmp_path, mode):
    config = write_config(tmp_path, free_addresses(1))
    base = free_range(3)
    with Program("runner.py", "--peers", 3, "--base-port", base, "--config", config,
                 "--outputs", tmp_path, "--quiet", *mode) as runner:
        wait_until(lambda: len(list(tmp_path.glob("peer_*.txt"))) == 3)
        wait_until(lambda: all(any(e.startswith("connected:") for e in lines_of(path))
                               for path in tmp_path.glob("peer_*.txt")))
        runner.process.kill()
        wait_until(lambda: all(lines_of(path)[-1] == "stopped:interrupted"
                               for path in tmp_path.glob("*_*.txt")))
    for address in Records(tmp_path).refresh().peers:
        wait_until(lambda: is_free(int(address.address.rpartition(":")[2])))


def is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_ctrl_c_ends_a_network_and_its_files_tell_of_no_death(tmp_path):
    config = write_config(tmp_path, free_addresses(2))
    with Program("runner.py", "--peers", 8, "--base-port", free_range(8), "--config", config,
                 "--outputs", tmp_path, start_new_session=True) as runner:
        wait_until(lambda: len(list(tmp_path.glob("peer_*.txt"))) == 8)
        wait_until(lambda: one_piece(tmp_path, 8))
        os.killpg(runner.process.pid, signal.SIGINT)  # as a terminal does: the workers, too
        code, out, err = runner.finish()
    assert (code, err) == (0, "")
    assert all(lines_of(path)[-1] == "stopped:interrupted" for path in tmp_path.glob("*_*.txt"))
    assert graph.replay(Records(tmp_path).refresh())[0][-1][1] == 1


def test_a_peer_killed_in_a_worker_dies_without_a_word(network):
    folder, *_ = network
    runs = Records(folder).refresh().peers
    killed = [run for run in runs if run.ended is None]
    assert len(killed) == 1
    events = lines_of(folder / f"peer_{killed[0].address.replace(':', '_')}.txt")
    assert not any(event.startswith(("stopped", "leaving")) for event in events)
    assert killed[0].linked  # nor does it tell that its links ended


def test_a_worker_starts_attackers_among_honest_peers(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    honest, attacker, other = free_addresses(3)
    with Program("runner.py", "worker", "peer", "--monitor", "--config", config,
                 "--outputs", tmp_path) as worker:
        worker.type(f"start {honest}\nstart {attacker} collude 0.25 {other}\n")
        path = tmp_path / f"peer_{attacker.file_part}.txt"
        wait_until(lambda: "misbehaving:collude:0.25" in lines_of(path))
        wait_until(lambda: lines_of(tmp_path / f"peer_{honest.file_part}.txt"))
    assert not any(event.startswith("misbehaving")
                   for event in lines_of(tmp_path / f"peer_{honest.file_part}.txt"))


class Clock:
    """A clock by which every sleep lasts longer than it should, as long as `late` says."""

    def __init__(self):
        self.now = 100.0
        self.late = lambda: 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds + self.late()


class Beginner:
    """A node that notes when it begins, after the start of the first."""

    stopping = False

    def __init__(self, clock, begun):
        self._clock, self._begun = clock, begun

    def go(self):
        self._begun.append(self._clock.now - 100.0)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(worker, "time", clock)
    return clock


def begun(clock, count):
    """When so many nodes begin, after the first."""
    times = []
    begin_in_turn([Beginner(clock, times) for _ in range(count)])
    return times


def test_nodes_begin_one_after_the_other_in_a_process_that_is_on_time(clock):
    assert begun(clock, 4) == pytest.approx([n * PACE for n in range(4)])


def test_the_next_node_begins_when_the_process_is_on_time(clock):
    clock.late = lambda: 0.06 if clock.now < 100.5 else 0.0
    times = begun(clock, 400)
    early = [at for at in times if at < 0.5]
    assert len(early) < 7 and times[-1] < 0.6 + 400 * PACE / 20


def test_nodes_begin_in_a_process_that_is_always_late_all_the_same(clock):
    clock.late = lambda: 1.0
    times = begun(clock, 40)
    assert all(at <= n * SLOWEST + 1.1 for n, at in enumerate(times))
    assert times[-1] > 39 * SLOWEST - 1.1


def test_a_node_that_was_killed_before_its_turn_does_not_begin(clock):
    times = []
    nodes = [Beginner(clock, times) for _ in range(3)]
    nodes[1].stopping = True
    begin_in_turn(nodes)
    assert len(times) == 2


def test_its_nodes_know_whether_all_of_them_have_begun(monkeypatch):
    """So that gossip does not hold up those that have still to join."""
    may_go, node = threading.Event(), types.SimpleNamespace(kind="peer")
    monkeypatch.setattr(worker, "begin_in_turn", lambda nodes: may_go.wait(30))
    monkeypatch.setattr(worker, "prepare_node", lambda node: None)
    one = Worker(node, lambda kind, address: node)
    interval = sys.getswitchinterval()
    one._carry_out(["start 127.0.0.1:5000"])
    sys.setswitchinterval(interval)
    assert not node.all_begun()
    may_go.set()
    wait_until(node.all_begun)


def test_a_worker_ends_and_kills_while_its_nodes_begin_one_after_the_other(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    addresses = free_addresses(20)  # their turns take a second
    with Program("runner.py", "worker", "peer", "--config", config, "--outputs", tmp_path,
                 "--gossip-count", 0) as program:
        program.type("".join(f"start {address}\n" for address in addresses)
                     + f"ready\nkill {addresses[-1]}\n")
        assert program.process.stdout.readline() == b"ready\n"
        code, _, err = program.finish()
    assert (code, err) == (0, "")
    last = [lines_of(tmp_path / f"peer_{address.file_part}.txt")[-1] for address in addresses]
    assert last[:-1] == ["stopped:interrupted"] * 19 and last[-1] != "stopped:interrupted"


def test_the_kernel_finds_waiting_threads_of_a_worker_in_a_large_table():
    code = """if True:
        import ctypes
        from gossip.lab.experiments import worker
        def slots():
            return ctypes.CDLL(None).prctl(78, *[ctypes.c_ulong(n) for n in (2, 0, 0, 0)])
        before = slots()
        worker.widen_futex_table()
        print(before, slots())"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    before, after = map(int, said.stdout.split())
    if before == -1:
        pytest.skip("this Linux has one table for all processes")
    assert after == worker.SLOTS > before
