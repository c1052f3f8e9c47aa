"""The live page of a network that the runner starts: its line, its buttons, its verdict."""

import http.client
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from gossip.addresses import address_of
from gossip.programs.starting import is_local
from tests.tools.files import lines_of
from tests.tools.ports import free_addresses, free_range, listens
from tests.tools.programs import ROOT, Program, run, write_config
from tests.tools.waiting import wait_until

LINE = re.compile(r"watching (\S+) at (http://127\.0\.0\.1:([0-9]+)/\S{22}/)"
                  r"   \(Ctrl-C ends it\)\n")


def start(folder, *flags):
    """A network of three peers that is watched, the page's address, and the first peer's port."""
    config = write_config(folder, free_addresses(1))
    base = free_range(3)
    program = Program("runner.py", "--peers", 3, "--watch", "--base-port", base, "--quiet",
                      "--capacity", "fixed:2", "--gossip-interval", 0.1, "--config", config,
                      "--outputs", folder / "out", *flags)
    found = LINE.fullmatch(program.process.stdout.readline().decode())
    assert found and found[1] == str(folder / "out")
    return program, found[2], base


def order(url, **body):
    """(status, line) of an order."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request("POST", parts.path + "do", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    finally:
        connection.close()


def blocks(url):
    """The blocks of the streams. A stream ends when pages have to begin anew, as at the first line
    of a network whose page was there before it; then a page asks for another stream."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(url + "stream", timeout=60) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def test_the_page_stays_with_the_verdict_and_the_exit_code_is_that_of_the_proof(tmp_path):
    program, url, _ = start(tmp_path, "--once")
    with program:
        told = next(block["figures"]["verdict"] for block in blocks(url)
                    if block["figures"]["verdict"])
        assert told["holds"] is True and "30 messages" in told["text"]
        status, line = order(url, do="add")
        assert (status, line) == (409, "the network does not run now")
        program.process.send_signal(signal.SIGINT)
        code, out, err = program.finish()
    assert (code, err) == (0, "") and told["text"] in out


def test_a_button_kills_and_the_proof_takes_it_for_a_death(tmp_path):
    program, url, base = start(tmp_path, "--gossip-count", 0, "--liveness-interval", 0.5)
    victim, *others = (tmp_path / "out" / f"peer_127.0.0.1_{base + n}.txt" for n in range(3))
    address = f"127.0.0.1:{base}"
    with program:
        wait_until(lambda: sum(line.startswith("connected:") for line in lines_of(victim)) == 2)
        wait_until(lambda: order(url, do="kill", node=address)[0] == 200)
        wait_until(lambda: any(f"dead:{address}" in lines_of(other) for other in others))
        states = []
        for block in blocks(url):
            states += [event[3] for event in block["events"] if event[1] == "state"]
            if "dead" in states:
                break
        assert states.index("lost") < states.index("dead")
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0
    assert run("runner.py", "check", tmp_path / "out")[0] == 0


def test_without_peers_nothing_is_watched_and_without_watch_nothing_is_served(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    flags = ["--config", config, "--outputs", tmp_path]
    code, out, err = run("runner.py", "--watch", *flags)
    assert (code, out) == (2, "") and "--watch needs --peers N" in err
    code, out, err = run("runner.py", "--peers", 2, "--base-port", free_range(2), "--once",
                         "--gossip-interval", 0.1, *flags)
    assert (code, err) == (0, "") and "watching" not in out


def test_a_port_of_the_page_that_is_taken_starts_no_network(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "peer_127.0.0.1_1.txt").write_text("older\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("runner.py", "--peers", 2, "--watch", "--watch-port", port,
                             "--base-port", free_range(2), "--config", config, "--outputs",
                             tmp_path / "out")
    assert (code, out) == (1, "") and str(port) in err and err.count("\n") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["peer_127.0.0.1_1.txt"]


def test_no_node_takes_the_port_of_the_page(tmp_path):
    seeds, base = free_addresses(1), free_range(2)
    config = write_config(tmp_path, seeds)
    for port in seeds[0].port, base + 1:
        code, out, err = run("runner.py", "--peers", 2, "--watch", "--watch-port", port,
                             "--base-port", base, "--config", config, "--outputs", tmp_path)
        assert (code, out, err) == (
            1, "", f"runner.py: port {port} is a node's; choose another --watch-port\n")


def test_all_end_with_the_runner_however_it_ends_who_is_frozen_too(tmp_path):
    program, url, base = start(tmp_path, "--gossip-count", 0)
    files = [tmp_path / "out" / f"peer_127.0.0.1_{base + n}.txt" for n in range(3)]
    with program:
        wait_until(lambda: all(any(line.startswith("connected:") for line in lines_of(file))
                               for file in files))
        assert order(url, do="freeze", node=f"127.0.0.1:{base}")[0] == 200
        program.process.kill()
        for file in files:
            wait_until(lambda: lines_of(file)[-1].startswith("stopped:"), what=str(file))


def settings_of(path):
    """The settings that a peer says it has, by name."""
    line = next(line for line in lines_of(path) if line.startswith("settings:"))
    return dict(word.partition("=")[::2] for word in line.split(":")[1:])


@pytest.mark.parametrize("named, count, capacity", [
    ([], "1000000000", "fixed 4"),
    (["--gossip-count", 3, "--capacity", "fixed:2"], "3", "fixed 2"),
    (["--once", "--gossip-interval", 0.05], "10", "fixed 4")])
def test_a_network_that_is_watched_gossips_on_unless_the_flags_say_otherwise(
        tmp_path, named, count, capacity):
    config, base = write_config(tmp_path, free_addresses(1)), free_range(2)
    file = tmp_path / "out" / f"peer_127.0.0.1_{base}.txt"
    with Program("runner.py", "--peers", 2, "--watch", "--base-port", base, "--quiet", "--config",
                 config, "--outputs", tmp_path / "out", *named) as program:
        wait_until(lambda: file.exists() and any(
            line.startswith("settings:") for line in lines_of(file)))
        found = settings_of(file)
        program.process.send_signal(signal.SIGINT)
        program.finish()
    assert (found["gossip-count"], found["capacity"]) == (count, capacity)


def test_peers_are_killed_also_where_gossip_goes_on(tmp_path):
    config, base = write_config(tmp_path, free_addresses(1)), free_range(3)
    files = [tmp_path / "out" / f"peer_127.0.0.1_{base + n}.txt" for n in range(3)]
    with Program("runner.py", "--peers", 3, "--watch", "--kill", 1, "--base-port", base, "--quiet",
                 "--config", config, "--outputs", tmp_path / "out", "--gossip-interval", 0.1,
                 "--liveness-interval", 0.5) as program:
        wait_until(lambda: any(line.startswith("dead:") for file in files if file.exists()
                               for line in lines_of(file)))
        said = max(len(words(file)) for file in files)
        wait_until(lambda: max(len(words(file)) for file in files) > said + 10)
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0


def words(path):
    """What a peer has said."""
    return [line for line in lines_of(path) if line.startswith("generated:")]


def test_a_page_that_others_see_has_no_buttons(tmp_path):
    program, url, base = start(tmp_path, "--watch-host", "127.0.0.1")
    with program:
        with urllib.request.urlopen(url, timeout=60) as page:
            assert b'data-orders=""' in page.read()
        assert order(url, do="kill", node=f"127.0.0.1:{base}")[0] in (404, 405)
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0
    for flag, value in ("--watch-host", "127.0.0.1"), ("--watch-port", 8080):
        code, out, err = run("runner.py", "--peers", 2, flag, value)
        assert (code, out, err) == (2, "", f"runner.py: {flag} needs --watch\n")


@pytest.mark.parametrize("ip, host", [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_the_page_is_served_at_the_address_that_was_named_and_not_on_loopback(tmp_path, ip, host):
    if not is_local(address_of(ip, 1)):
        pytest.skip(f"{ip} is no address of this machine")
    with Program("runner.py", "watch", tmp_path, "--host", ip) as program:
        url = program.process.stdout.readline().decode().split()[3]
        parts = urllib.parse.urlsplit(url)
        assert parts.netloc == f"{host}:{parts.port}"
        with urllib.request.urlopen(url, timeout=60) as page:
            assert page.status == 200
        other = urllib.request.Request(url, headers={"Host": f"localhost:{parts.port}"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other, timeout=60)
        assert not listens(parts.port)
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0


def test_on_a_terminal_the_address_of_the_page_is_a_line_of_its_own(tmp_path):
    (tmp_path / "out").mkdir()
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen, Program(
            ROOT / "runner.py", "watch", "out", cwd=tmp_path, stdout=theirs) as program:
        os.close(theirs)
        shown = b""
        while shown.count(b"\n") < 2:
            shown += screen.read(1000)
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
    first, second = shown.decode().splitlines()
    assert first == "watching out   (Ctrl-C ends it)"
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/\S{22}/", second)
