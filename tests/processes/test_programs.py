"""The programs peer.py, seed.py and runner.py: how they are started, and what they answer; as
services, behind pipes, and started by other programs."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.tools.monitoring import ONE, THIRD, TWO, listed, tree
from tests.tools.programs import QUICK, ROOT, Network, free_ports, is_clean, wait_until
from tests.tools.virtual import NODE

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


def test_what_is_typed_arrives_byte_for_byte(started):
    one, other = started.start_peers(2)
    text = "a:b \u00e4\u4e2d\U0001f347  \x1b[31m \u2028\u202e \\x "
    shown = "a:b \u00e4\u4e2d\U0001f347  " + r"\x1b[31m \u2028\u202e \\x "
    one.process.stdin.write(b"\xef\xbb\xbf" + f"say {text}\r\n".encode() + b"say \xff\xfe\nsay "
                            + b"x" * 70_000 + b"\n  say\r\nhuh\n\n status \n")
    one.type("say last", "messages", "peers", "help", "quit")
    assert other.event("received:").endswith(f":1:{shown}")
    assert other.event("received:").endswith(":2:last")
    assert one.code() == 0
    out = one.shown()
    for said in ("not UTF-8; nothing was done", "too long by ", "say what? Type: say TEXT",
                 "unknown command 'huh'; type help", f":1:{shown}", "messages held: 1",
                 f"neighbours (1): {other.address}", "quit       leave gracefully"):
        assert said in out, said
    assert "\x1b" not in out and is_clean(out)


def test_with_outputs_minus_the_lines_of_the_file_go_to_standard_output(started):
    other = started.start_peer("--quiet")
    port = free_ports(1)[0]
    peer = started.start("peer.py", port, "--gossip-count", 0, "--outputs", "-",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    other.event(f"connected:127.0.0.1:{port}")
    peer.type(*[f"say {n} {'x' * 1000}" for n in range(300)], "status")  # more than a pipe takes
    other.has("received:", 300)
    peer.type("quit")
    out, err = peer.process.communicate(timeout=20.0)
    lines = out.decode().splitlines()
    assert all(re.match(r"[0-9-]{10} [0-9:]{8}\.[0-9]{6}:", line) for line in lines)
    assert sum(":generated:" in line for line in lines) == 300
    assert lines[0].endswith(f":started:peer:127.0.0.1:{port}")
    assert lines[-1].endswith(":stopped:quit")
    assert b"messages held: 300" in err and b"received:" not in err
    assert not list(ROOT.glob("-")) and not list(started.outputs.glob(f"*_{port}.txt"))


def test_a_seed_on_standard_output(network):
    address = network.seed_addresses[0]
    seed = network.start("seed.py", address.rpartition(":")[2], "--outputs", "-",
                         stdout=subprocess.PIPE)
    first = seed.process.stdout.readline().decode()
    seed.send(signal.SIGTERM)
    out = seed.process.stdout.read().decode()
    seed.process.stdout.close()
    assert first.endswith(f":started:seed:{address}\n") and out.endswith(":stopped:interrupted\n")
    assert seed.code() == 0 and not network.outputs.exists()


@pytest.mark.parametrize("numbers, code, last", [
    ([signal.SIGTERM], 0, "stopped:quit"), ([signal.SIGINT], 0, "stopped:interrupted"),
    ([signal.SIGTERM, signal.SIGTERM], 0, "stopped:interrupted")])
def test_with_leave_a_sigterm_says_goodbye_and_a_second_one_is_abrupt(started, numbers, code, last):
    other = started.start_peer("--quiet")
    peer = started.start_peer("--leave")
    other.event(f"connected:{peer.address}")
    peer.event(f"connected:{other.address}")  # a goodbye goes to neighbours
    if len(numbers) == 2:
        other.send(signal.SIGSTOP)  # it reads no goodbye, so that leaving takes its time
    peer.send(numbers[0])
    for number in numbers[1:]:
        peer.event("leaving:")
        peer.send(number)
    assert peer.code() == code and peer.events()[-1] == last
    other.send(signal.SIGCONT)
    assert other.event(f"disconnected:{peer.address}:").endswith(":left:there") == (
        numbers[0] == signal.SIGTERM)


@pytest.mark.parametrize("typed, last", [([], "stopped:interrupted"), (["quit"], "stopped:quit")])
def test_a_peer_may_end_with_its_input(started, typed, last):
    peer = started.start_peer("--end-with-input")
    peer.event("registered:")
    peer.type(*typed)
    peer.process.stdin.close()
    assert peer.code() == 0 and peer.events()[-1] == last
    peer.process.stdin = None


@pytest.mark.parametrize("redirection", [
    "<&-", "<&- >&- 2>&-", "</dev/null >/dev/full", "</dev/null 1</dev/null",
    "</dev/null | head -c 1 >/dev/null"])
def test_a_peer_runs_on_without_a_keyboard_or_a_screen(started, redirection):
    port = free_ports(1)[0]
    flags = f"--config {started.config} --outputs {started.outputs} --gossip-interval 0.05"
    errors = started.folder / "errors.txt"
    shell = subprocess.Popen(
        ["bash", "-c", f"exec 2>{errors}; {sys.executable} {ROOT / 'peer.py'} {port} {flags} "
                       f"{redirection}"], start_new_session=True)
    path = started.outputs / f"peer_127.0.0.1_{port}.txt"
    try:
        wait_until(lambda: path.exists() and ":message 10\n" in path.read_text())
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait()
    wait_until(lambda: path.read_text().endswith(":stopped:interrupted\n"))
    assert errors.read_text() == ""


def test_a_second_runner_says_which_seeds_run_already(started):
    again = started.start("runner.py")
    assert again.code() == 1
    assert again.shown() == "runner.py: the seeds run already; go on with: python peer.py\n"
    running = started.seed_addresses[0]
    started.config.write_text(f"{running}\n127.0.0.1:{free_ports(1)[0]}\n")
    again = started.start("runner.py")
    assert again.code() == 1 and again.shown().startswith(
        f"runner.py: 1 of 2 seeds run already ({running.rpartition(':')[2]}); start each of ")


def test_a_port_of_another_program_is_named(network):
    ip, port = network.seed_addresses[0].split(":")
    with socket.create_server((ip, int(port))) as listener:
        program = network.start("runner.py")
        listener.accept()[0].close()
        assert program.code() == 1
    assert program.shown() == f"runner.py: another program has port {port}: change config.txt\n"


def test_status_shows_who_answers(started):
    peer = started.start_peer("--quiet")
    seed = started.seed_addresses[0]
    peer.event("registered:")

    def status(*nodes) -> tuple[int, list[str]]:
        program = started.start_python(ROOT / "runner.py", "status", "--config", started.config,
                                       *nodes)
        return program.code(), program.shown().splitlines()

    code, lines = status()
    assert code == 0 and lines[0] == f"seed {seed} 1 peer"
    assert re.fullmatch(rf"peer {peer.address} [0-9.]+ ms on 1 of 1 lists", lines[1])
    dead = free_ports(1)[0]
    assert status(f"127.0.0.1:{dead}") == (1, [f"peer 127.0.0.1:{dead} down: Connection refused"])
    assert status(seed) == (0, [f"seed {seed} 1 peer"])


def test_tree_draws_the_seeds_as_the_first_tells_that_answers(network):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20.0)
        down, port = network.seed_addresses[0], listener.getsockname()[1]
        network.config.write_text(f"{down}\n127.0.0.1:{port}\n")
        program = network.start_python(ROOT / "runner.py", "tree", "--config", network.config)
        with listener.accept()[0] as sock:
            assert sock.recv(100) == b"ask tree\n"
            told = tree(5, ONE, (ONE, 0), (NODE, THIRD), (TWO, 2 * THIRD))
            sock.sendall(f"{told}\nloads:{listed(NODE)}=30 {listed(TWO)}=60\n".encode())
            assert program.code() == 0
    assert program.shown().endswith("""
.-- 127.0.0.1:8001  00000000 to 55555555  33.3%  ?     0.00  nobody          127.0.0.1:5001
127.0.0.1:5001      55555555 to aaaaaaaa  33.3%  30    1.00  -               -
'-- 127.0.0.1:8002  aaaaaaaa to ffffffff  33.3%  60    2.00  127.0.0.1:5001  nobody
""")
