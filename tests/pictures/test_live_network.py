"""The live page of a network that the runner starts: its line, its buttons, its verdict."""

import http.client
import json
import re
import signal
import socket
import urllib.parse
import urllib.request

from tests.tools.files import lines_of
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import Program, run, write_config
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
    """The blocks of the stream."""
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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("runner.py", "--peers", 2, "--watch", "--watch-port", port,
                             "--base-port", free_range(2), "--config", config, "--outputs",
                             tmp_path / "out")
    assert (code, out) == (1, "") and str(port) in err and err.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


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
