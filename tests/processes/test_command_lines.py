"""The programs peer.py, seed.py and runner.py: how they are started, and what they answer."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.tools.programs import QUICK, ROOT, Network, free_ports, is_clean

CLOSED = ["-c", "import os, sys; os.closerange(0, 3); "
                "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"]


def test_the_runner_starts_all_seeds_and_ctrl_c_ends_them(tmp_path):
    with Network(tmp_path, seeds=3) as network:
        program = network.start("runner.py")
        for seed, address in zip(network.seeds, network.seed_addresses):
            seed.event(f"started:seed:{address}")
            program.shows(f"[seed {address.rpartition(':')[2]}] started:seed:{address}")
        program.send(signal.SIGINT)
        assert program.code() == 0 and is_clean(program.shown())
        assert all(seed.events()[-1] == "stopped:interrupted" for seed in network.seeds)


def test_a_peer_asks_for_its_port_until_it_gets_a_good_one(started):
    [port] = free_ports(1)
    program = started.start("peer.py", *QUICK)
    program.shows("Port to listen on: ")
    program.type("abc", "70000", str(port), "say hello")
    program.shows(f"started:peer:127.0.0.1:{port}")
    program.shows("generated:")
    lines = program.shown().splitlines()
    assert lines[:2] == [
        f"Port to listen on: '{typed}' is not a port (1 to 65535). Try again, for example 5001."
        for typed in ("abc", "70000")]


def test_a_peer_that_asks_and_is_told_no_port_ends_with_one_line(network):
    program = network.start("peer.py", stdin=subprocess.DEVNULL)
    assert program.code() == 2
    assert program.shown() == "Port to listen on: \npeer.py: no port was typed\n"


@pytest.mark.parametrize("program, flags", [("peer.py", []), ("peer.py", ["--json"]),
                                            ("seed.py", [])])
def test_a_port_in_use_ends_a_program_with_one_line(network, program, flags):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        started = network.start(program, port, *flags)
        assert started.code() == 1
    warning = "" if program == "peer.py" else (
        f"seed.py: 127.0.0.1:{port} is not in config.txt: peers will not find it\n")
    assert started.shown() == (
        f"{warning}{program}: cannot listen on 127.0.0.1:{port}: port {port} is in use\n")


def test_a_peer_without_standard_descriptors_says_nothing_to_the_connections_that_get_them(started):
    started.wrapper = CLOSED
    first, second = started.start_peers(2, "--gossip-count", "3", "--gossip-interval", "0.1")
    for peer in (first, second):
        peer.has("received:", 3)
    if sys.platform == "linux":
        descriptors = [f"/proc/{first.process.pid}/fd/{number}" for number in range(3)]
        assert [os.readlink(path) for path in descriptors] == [os.devnull] * 3
    first.send(signal.SIGINT)
    assert first.code() == 0
    assert first.events()[-1] == "stopped:interrupted"
    assert all(event.endswith(":duplicate") for event in second.events("refused:"))


def test_the_last_lines_are_shown_on_a_screen_that_is_read_late(network):
    peer = network.start_peer(stdout=subprocess.PIPE)
    peer.type(*[f"say {'x' * 500} {number}" for number in range(300)])  # more than a pipe takes
    peer.has("generated:", 300)
    peer.send(signal.SIGINT)
    peer.event("stopped:interrupted")
    with peer.process.stdout as screen:
        shown = screen.read().decode().splitlines()
    assert peer.code() == 0 and shown[-1].endswith(" stopped:interrupted")
    assert sum(" generated:" in line for line in shown) == 300


@pytest.mark.parametrize("program", ["peer.py", "seed.py", "runner.py"])
def test_a_program_finds_its_package_wherever_python_looks(program, tmp_path):
    for name in ("grapevine.py", "peer.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not Grapevine')\n")
    done = subprocess.run(
        [sys.executable, ROOT / program, "--help"], cwd=tmp_path, text=True, capture_output=True,
        env=os.environ | {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "ascii"}, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("usage: ") and done.stderr == ""
