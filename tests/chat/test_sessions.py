"""Whole sessions: a console, the servers that it starts, and what they have at the end."""

import select
import signal
import socket

import pytest

from tests.tools.chat import run_console
from tests.tools.ports import free_port, free_udp_range, listens
from tests.tools.programs import Program
from tests.tools.waiting import wait_until


@pytest.fixture
def flags(tmp_path):
    return ["--settle", 1.5, "--outputs", tmp_path / "out", "--udp-base", free_udp_range(4)]


def session(*lines):
    return "".join(line + "\n" for line in lines).encode()


def starts(ports):
    return [f"{number} start {len(ports)} {port}" for number, port in enumerate(ports)]


def gets(count):
    return [f"{number} get chatLog" for number in range(count)]


def test_four_servers_have_the_same_four_texts(flags, tmp_path):
    ports = [free_port() for _ in range(4)]
    key = tmp_path / "key"
    key.write_bytes(b"a secret of thirty-two bytes....")
    texts = ["First, with a comma", "second  text", "\u00e4\u4e2d\U0001f347", " x "]
    messages = [f"{number} msg {number} {text}" for number, text in enumerate(texts)]
    code, out, err = run_console(*flags, "--chat-key", key, text=session(
        *gets(0), *starts(ports), *gets(1), *messages, *gets(4), "exit"))
    assert (code, err) == (0, "")
    empty, *logs, end = out.decode().split("\n")
    assert (empty, end) == ("<empty>", "") and len(logs) == 4
    for log in logs:
        for text in texts:
            assert f",{text}," in f",{log},"
        assert len(log) == len(",".join(texts))
    names = {path.name for path in (tmp_path / "out").glob("*.txt")}
    assert {name.rpartition("_")[2] for name in names} == {
        f"{flags[-1] + number}.txt" for number in range(4)}


def test_a_server_that_crashed_and_came_back_elsewhere_has_everything(flags):
    ports = [free_port() for _ in range(4)]
    code, out, err = run_console(*flags, text=session(
        *starts(ports[:3]), "0 msg 0 a", "1 msg 1 b", "1 crash", "0 msg 2 c", "2 msg 3 d",
        f"1 start 3 {ports[3]}", "1 msg 4 e", *gets(3)))
    assert (code, err) == (0, "")
    logs = [sorted(line.split(",")) for line in out.decode().splitlines()]
    assert logs == [["a", "b", "c", "d", "e"]] * 3


@pytest.mark.parametrize("number, code", [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_servers_end_when_their_console_is_killed(flags, number, code):
    ports = [free_port(), free_port()]
    with Program("runner.py", "console", *flags) as program:
        program.type("".join(line + "\n" for line in [*starts(ports), *gets(2)]))
        assert select.select([program.process.stdout], [], [], 60)[0]
        assert program.process.stdout.readline() == b"<empty>\n"
        assert all(map(listens, ports))
        program.process.send_signal(number)
        assert program.process.wait(30) == code
        wait_until(lambda: not any(map(listens, ports)))


def test_a_server_that_was_started_by_hand_lives_on(flags):
    port = free_port()
    with Program("peer.py", "--chat", 0, 1, port, *flags[2:], "--quiet") as by_hand:
        wait_until(lambda: listens(port))
        for expected in ("a", "a,a"):
            answer = run_console(*flags, text=session(f"0 start 1 {port}", "0 msg 1 a",
                                                      "0 get chatLog"))
            assert answer == (0, f"{expected}\n".encode(), "")
        assert by_hand.process.poll() is None


def test_why_a_server_cannot_start_is_one_line(flags):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", flags[-1]))
        code, out, err = run_console(*flags, text=session(f"0 start 1 {free_port()}"))
    assert (code, out) == (0, b"") and len(err.splitlines()) == 1
    assert "server 0 " in err and f"port {flags[-1]} is in use" in err


def test_what_was_said_last_arrives_before_the_servers_end(flags, tmp_path):
    ports = [free_port(), free_port()]
    code, out, err = run_console(*flags, text=session(
        *starts(ports), *(f"0 msg {number} text {number}" for number in range(5000)), "exit"))
    assert (code, out, err) == (0, b"", "")
    for number, word in enumerate(("generated:", "received:")):
        path = tmp_path / "out" / f"peer_127.0.0.1_{flags[-1] + number}.txt"
        assert path.read_text().count(word) == 5000
