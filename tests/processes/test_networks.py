"""Whole networks of the runner: from flags to the proof, and how they end."""

import os
import signal
import socket

import pytest

from grapevine.terminal.folders import SCENARIO
from tests.tools.programs import ROOT, Network, free_range, is_clean, wait_until

FAST = ("--gossip-count", "3", "--gossip-interval", "0.3", "--liveness-interval", "0.4",
        "--capacity", "fixed:4")


def start(network, *flags, peers=4, **options):
    return network.start("runner.py", "--peers", peers, "--base-port", free_range(peers), *FAST,
                         *flags, **options)


def last_words(network):
    return {file.read_text().splitlines()[-1].partition(":stopped:")[2]
            for file in network.outputs.glob("*_*.txt")}


@pytest.mark.parametrize("flags", [["--spread", "tree", "--processes", 3, "--filter"],
                                   ["--process-per-peer", "--sign"]])
def test_a_network_gossips_one_of_its_peers_is_killed_and_the_proof_holds(tmp_path, flags):
    with Network(tmp_path, seeds=3) as network:
        if "--filter" in flags:
            (tmp_path / "words.txt").write_text("virus\n")
            flags = [*flags, tmp_path / "words.txt"]
        network.outputs = tmp_path / "-files"  # no flag, for the processes of nodes neither
        program = start(network, "--kill", 1, "--once", "--outputs=-files", *flags, peers=6,
                        cwd=tmp_path)
        assert program.code(60.0) == 0, program.shown()
        *_, text = program.shown().partition("gossips    holds ")
        assert "90 of 90 deliveries" in text and "dead       holds   1 died; " in text
        assert "FAILS" not in text and is_clean(program.shown())
        assert sum("filter=1" in file.read_text()
                   for file in network.outputs.glob("peer_*.txt")) == 6 * ("--filter" in flags)
        killed = [file for file in network.outputs.glob("peer_*.txt")
                  if ":stopped:" not in file.read_text()]
        assert len(killed) == 1 and ":leaving" not in killed[0].read_text()
        _, _, dead = killed[0].stem.partition("_127.0.0.1_")
        scenario = (network.outputs / SCENARIO).read_text()
        assert scenario.count(":kill:") == scenario.count(f":kill:127.0.0.1:{dead}\n") == 1
        assert any(f":dead:127.0.0.1:{dead}:" in file.read_text()
                   for file in network.outputs.glob("peer_*.txt")), "--once waited for this"


def test_a_demo_proves_itself(tmp_path):
    with Network(tmp_path, seeds=3) as network:
        program = network.start_python(
            ROOT / "runner.py", "demo", "--peers", 4, "--seeds", 2, "--base-port", free_range(4),
            "--config", network.config, "--outputs", network.outputs)
        assert program.code(60.0) == 0, program.shown()
        assert "120 of 120 deliveries" in program.shown() and "1 died" in program.shown()
        assert "runs with 2 seeds of 2" in program.shown()
        assert len(list(network.outputs.glob("seed_*.txt"))) == 2


def test_an_attacker_is_kicked_and_the_proof_says_in_time(tmp_path):
    with Network(tmp_path, seeds=2) as network:
        program = start(network, "--malicious", "twotexts:1:0.9", "--once", "--report-interval",
                        "0.25", peers=6)
        assert program.code(60.0) in (0, 1)  # it may be found late on a busy machine
        assert "malicious  " in program.shown() and " of 1 attackers" in program.shown()
        assert sum(":misbehaving:twotexts:0.9" in file.read_text()
                   for file in network.outputs.glob("peer_*.txt")) == 1
        assert any(":malicious:" in line for seed in network.seeds for line in seed.events(
            "removed:"))


@pytest.mark.parametrize("flags", [["--processes", 2], ["--process-per-peer"]])
def test_ctrl_c_ends_a_network_without_a_goodbye_and_its_runner_without_an_error(network, flags):
    program = start(network, *flags, start_new_session=True)
    program.shows("until Ctrl-C: 4 peers, 12 messages, 36 of 36 delivered")
    os.killpg(program.process.pid, signal.SIGINT)  # as a terminal does
    assert program.code() == 0 and is_clean(program.shown())
    assert last_words(network) == {"interrupted"}
    assert not any(":dead:" in file.read_text() for file in network.outputs.glob("*_*.txt"))


@pytest.mark.parametrize("flags", [["--processes", 2], ["--process-per-peer"]])
def test_all_nodes_end_with_a_runner_that_is_killed(network, flags):
    program = start(network, *flags)
    wait_until(lambda: sum(":connected:" in file.read_text()
                           for file in network.outputs.glob("peer_*.txt")) == 4)
    program.kill()
    wait_until(lambda: last_words(network) == {"interrupted"})


def test_peers_join_seeds_that_run_already(tmp_path):
    with Network(tmp_path, seeds=2) as network:
        seeds = network.start_seeds()
        program = start(network, "--outputs", tmp_path / "own", peers=2)
        program.shows("2 peers, 6 messages, 6 of 6 delivered")
        network.seeds[0].has("registered:", 2)
        assert seeds.process.poll() is None
        assert not list((tmp_path / "own").glob("seed_*"))


def test_a_network_that_cannot_start_tells_why_and_leaves_earlier_files_alone(network):
    network.outputs.mkdir()
    earlier = network.outputs / "peer_127.0.0.1_1.txt"
    earlier.write_text("earlier\n")
    first = free_range(3)
    with socket.create_server(("127.0.0.1", first + 2)):
        program = network.start("runner.py", "--peers", 3, "--base-port", first)
        assert program.code() == 1
    assert program.shown() == f"runner.py: port {first + 2} is in use\n"
    assert earlier.read_text() == "earlier\n"


def test_a_benchmark_shows_a_table_of_its_figures(network, tmp_path):
    short = ("import sys, runner; from grapevine.lab.experiments import bench; "
             "bench.QUIET, bench.REST, bench.STEADY_MESSAGES = 0.5, 0.5, 5; "
             "sys.exit(runner.main(sys.argv[1:]))")
    program = network.start_python(
        "-c", short, "bench", "--peers", 3, "--messages", 20, "--runs", 1, "--spread", "flood",
        "--liveness-interval", 1, "--config", network.config, "--base-port", free_range(3),
        "--json", tmp_path / "figures", cwd=ROOT)
    assert program.code(60.0) == 0, program.shown()
    heading, ran, way, heads, *rows = program.shown().splitlines()
    assert heading == ("3 peers, each a process, mean degree 2.0; burst of 20 messages of 64 "
                       "bytes")
    assert ran.startswith("flood, run 1 of 1: ") and ran.endswith(" deliveries/s")
    assert (way.split(), heads.split()) == (["flood"], ["median", "least", "most"])
    assert len(rows) == 11 and max(map(len, rows)) == 72
    assert all(float(row[-12:].replace(",", "")) >= 0 for row in rows)
    [copies] = [row for row in rows if row.startswith("transmissions per delivery, copies ")]
    assert 1.2 < float(copies.split()[-1]) < 2.5  # each of three peers has both others
    assert (tmp_path / "figures").read_text().startswith("{")
