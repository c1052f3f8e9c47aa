"""Whole networks of the runner: workers with loops, and a process of its own for who is killed."""

import os
import signal

import pytest

from tests.tools.programs import Network, is_clean, wait_until

FAST = ("--gossip-count", "3", "--gossip-interval", "0.5", "--liveness-interval", "0.4",
        "--capacity", "fixed:4")


@pytest.mark.parametrize("flags", [(), ("--spread", "rumor"), ("--spread", "tree", "--sign")])
def test_a_network_gossips_one_of_its_peers_is_killed_and_the_proof_holds(tmp_path, flags):
    with Network(tmp_path, seeds=2) as network:
        program = network.start("runner.py", "--peers", "9", "--kill", "1", "--once", *flags,
                                *FAST)
        assert program.code(40.0) == 0, program.shown()
        shown = program.shown()
        for line in ("nodes: 2", "registered: 9", "linked: 9", "known: 270", "killed: 1",
                     "listed: 18", "broken: 0"):
            assert line in shown
        assert "FAILS" not in shown and shown.count(" holds ") >= 7


def test_ctrl_c_ends_a_network_and_all_peers_leave(tmp_path):
    with Network(tmp_path, seeds=1) as network:
        program = network.start("runner.py", "--peers", "4", *FAST, start_new_session=True)
        program.shows("Ctrl-C ends it.")
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.code(20.0) == 130 and is_clean(program.shown())
        files = sorted(tmp_path.rglob("peer_*.txt"))
        assert len(files) == 4
        assert all("stopped:quit" in file.read_text().splitlines()[-1] for file in files)


def test_workers_end_with_a_runner_that_is_killed(tmp_path):
    with Network(tmp_path, seeds=1) as network:
        program = network.start("runner.py", "--peers", "4", *FAST)
        program.shows("linked: 4")
        program.kill()
        [file] = tmp_path.rglob("seed_*.txt")
        wait_until(lambda: file.read_text().splitlines()[-1].endswith("stopped:quit"))


def test_a_network_of_peers_that_cannot_start_tells_why(tmp_path):
    with Network(tmp_path, seeds=1) as network:
        network.start_seeds()
        program = network.start("runner.py", "--peers", "2", "--once", *FAST)
        assert program.code(20.0) == 1
        assert "is in use" in program.shown() and is_clean(program.shown())


def test_what_a_network_is_asked_for_wrongly_is_told_in_one_line(network):
    for flags, what in ((["--peers", "0"], "whole number of 1"),
                        (["--peers", "2", "--spread", "magic"], "none of flood, rumor, tree"),
                        (["--peers", "70000"], "ports are free")):
        program = network.start("runner.py", *flags)
        assert program.code(20.0) in (1, 2) and what in program.shown()
        assert program.shown().count("\n") == 1
