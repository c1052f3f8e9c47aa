"""Networks that the runner starts: their proof, their processes, and why one cannot start."""

import math
import socket
import subprocess
import sys

import pytest

from gossip.lab.experiments.network import Network
from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from gossip.programs import starting
from gossip.settings import Settings
from gossip.terminal.command_line import CommandError
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import run, shell, write_config


def test_a_network_runs_once_and_proves_itself(network):
    folder, code, out, err = network
    assert (code, err) == (0, ""), out
    assert "300 of 300 deliveries" in out and "1 died" in out and "FAILS" not in out
    assert check.check_folder(folder)[0]
    assert run("runner.py", "check", folder)[0] == 0
    through = [row for row in check.prove(Records(folder).refresh()) if row.name == "broadcast"]
    assert " 0 of them through" not in through[0].figures


@pytest.mark.slow
def test_each_peer_can_have_a_process_of_its_own(tmp_path):
    config = write_config(tmp_path, free_addresses(2))
    code, out, err = run(
        "runner.py", "--peers", 4, "--process-per-peer", "--base-port", free_range(4), "--once",
        "--kill", 1, "--gossip-interval", 0.1, "--liveness-interval", 0.5, "--capacity",
        "powerlaw:2.5", "--config", config, "--outputs", tmp_path)
    assert (code, err) == (0, ""), out
    assert "120 of 120 deliveries" in out and "1 died" in out


def limited(descriptors, *arguments):
    """Run a command that may have so many files open."""
    line = f"ulimit -n {descriptors}; exec {sys.executable} " + " ".join(map(str, arguments))
    with shell(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_peers_spread_over_more_processes_where_descriptors_are_short(tmp_path):
    flags = ["--config", write_config(tmp_path, free_addresses(2)), "--outputs", tmp_path]
    network = ["runner.py", "--peers", 6, "--base-port", free_range(6), "--once", "--processes", 1,
               "--gossip-interval", 0.1, "--capacity", "fixed:3", *flags]
    code, out, err = limited(70, *network)
    assert (code, err) == (0, ""), out
    assert "300 of 300 deliveries" in out
    for path in tmp_path.glob("*_*.txt"):
        path.unlink()
    code, out, err = limited(30, *network)
    assert code == 1 and "open files" in err and len(err.splitlines()) == 1
    assert list(tmp_path.glob("*_*.txt")) == []


def test_a_network_for_which_threads_do_not_suffice_is_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr(starting, "threads_allowed", lambda: 100)
    seeds, peers = free_addresses(1), free_addresses(8)
    network = Network(seeds, seeds, peers, Settings(), tmp_path / "config.txt", tmp_path)
    with pytest.raises(CommandError, match="9 nodes take about [0-9]+ threads.* room for 100"):
        network.plan(2)
    monkeypatch.setattr(starting, "threads_allowed", lambda: 1000)
    for limits in ("of this system", "of a system that tells none"):
        assert [len(group) for group in network.plan(3).peers] == [3, 3, 2], limits
        monkeypatch.setattr(starting, "_number", lambda path, otherwise=math.inf, *_: otherwise)
    assert network.plan(None).peers is None
    monkeypatch.setattr(starting, "descriptors_allowed", lambda: starting.PROCESS_DESCRIPTORS + 50)
    groups = network.plan(1).peers
    assert len(groups) > 1 and sorted(sum(groups, [])) == peers
    assert all(sum(starting.peer_links(peer, 8, 1, Settings()) + starting.NODE_DESCRIPTORS
                   for peer in group) <= 50 for group in groups)


def test_a_network_says_which_port_is_in_use_before_it_starts(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    base = free_range(3)
    with socket.create_server(("127.0.0.1", base + 2)):
        code, _, err = run("runner.py", "--peers", 3, "--base-port", base, "--config", config,
                           "--outputs", tmp_path)
    assert code == 1 and str(base + 2) in err and len(err.splitlines()) == 1
    assert list(tmp_path.glob("peer_*.txt")) == []


def test_a_network_that_cannot_start_leaves_older_files_alone(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    (tmp_path / "peer_127.0.0.1_1.txt").write_text("older\n")
    base = free_range(2)
    with socket.create_server(("127.0.0.1", base)):
        assert run("runner.py", "--peers", 2, "--base-port", base, "--config", config,
                   "--outputs", tmp_path)[0] == 1
    assert (tmp_path / "peer_127.0.0.1_1.txt").exists()
    for program in (["runner.py"], ["runner.py", "--peers", 1], ["seed.py"], ["peer.py", base]):
        code, _, err = run(*program, "--config", config, "--outputs", config)
        assert code == 1 and len(err.splitlines()) == 1, err
