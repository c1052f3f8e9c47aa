"""The chat console: what it does to servers, and what it says when they misbehave."""

import os
import select
import subprocess
import sys
import threading
import types

import pytest

from grapevine.chat import console as chat_console
from grapevine.chat import server_process
from grapevine.chat.console import ChatConsole
from tests.tools.chat import StandIn
from tests.tools.programs import DEADLINE, ROOT, free_ports

PROGRAM = """
import os, socket, sys, time
number, size, port = map(int, sys.argv[2:5])
pipe = int(sys.argv[sys.argv.index("--end-with-pipe") + 1])
def listen():
    global listener
    listener = socket.create_server(("127.0.0.1", port))
"""


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Let the console start a program with this body in place of peer.py."""
    def write(body: str) -> None:
        (tmp_path / "peer.py").write_text(PROGRAM + body)
        monkeypatch.setattr(server_process, "HOME", str(tmp_path))
    return write


def carry_out(*lines: str, settle: float = 0.0) -> None:
    with ChatConsole(settle, []) as console:
        console.carry_out_all(lines)


def errors(capfd) -> list[str]:
    said = capfd.readouterr().err.splitlines()
    return [line.removeprefix("runner.py console: ") for line in said]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_bytes_pass_as_they_are_and_the_server_lives_on(server):
    text = b"a,b  c \xff\xfe \xe4\xb8\xad\x00\x1b[31m\xc2\x85 \r x "
    server.answer = b"chatLog " + text + b"\n"
    script = b"\xef\xbb\xbf0 start 1 %d\r\n\r\n \n0 msg 0 %s\r\n0 get chatLog\r\nexit\r\nnonsense\n"
    done = subprocess.run([sys.executable, ROOT / "runner.py", "console", "--settle", "0"],
                          input=script % (server.port, text), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, text + b"\n", b"")
    assert server.lines == [b"msg 0 " + text, b"get chatLog"]


def test_wrong_lines_get_one_line_each_and_the_console_goes_on(server, capfd):
    carry_out("what", "0 get chatLog", "0 crash", f"0 start 2 {server.port}", "0 start 2 9",
              f"1 start 2 {server.port}", "0 msg 1", "0 msg 1 \u00e4\x1b", "0 get chatLog")
    out, err = capfd.readouterr()
    assert out == "<empty>\n" and server.lines[0] == "msg 1 \u00e4\x1b".encode()
    hints = ["'what': a line is", "server 0 is not started", "server 0 is not started",
             "server 0 runs already", f"server 0 runs already, on port {server.port}", "'0 msg 1'"]
    for line, hint in zip(err.splitlines(), hints, strict=True):
        assert line.startswith("runner.py console: ") and hint in line


def test_a_get_waits_for_quiet_after_the_last_message_and_the_last_start(server, monkeypatch):
    waits = []
    clock = types.SimpleNamespace(monotonic=lambda: sum(waits, 100.0), sleep=waits.append)
    for module in chat_console, server_process:
        monkeypatch.setattr(module, "time", clock)
    carry_out(f"0 start 1 {server.port}", "0 get chatLog", "0 get chatLog", "0 msg 1 a",
              "0 get chatLog", settle=0.5)
    assert waits == [0.5, 0.0, 0.5] and server.lines.count(b"get chatLog") == 3


@pytest.mark.parametrize("answer, why", [
    (b"chatLog half", "did not answer: timed out"), (b"", "did not answer: timed out"),
    (b"HTTP/1.1 400\n", "gave no chatLog"), (b"chatLog\n", "gave no chatLog")])
def test_no_answer_or_a_wrong_one_is_one_line(server, capfd, monkeypatch, answer, why):
    if "timed out" in why:
        monkeypatch.setattr(server_process, "ANSWER_LIMIT", 0.3)
    server.answer = answer
    with ChatConsole(0.0, []) as console:
        console.carry_out_all([f"0 start 1 {server.port}", "0 get chatLog"])
        [error] = errors(capfd)
        assert error.startswith(f"server 0 {why}")
        monkeypatch.undo()
        server.answer = b"chatLog good\n"
        console.carry_out_all(["0 get chatLog"])
    assert capfd.readouterr() == ("good\n", "")


def test_a_late_answer_is_not_taken_for_the_next(server, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "ANSWER_LIMIT", 1.0)
    asked_again, late = threading.Event(), threading.Event()

    def answer() -> bytes:
        if server.lines.count(b"get chatLog") == 1:
            assert asked_again.wait(DEADLINE)
            late.set()
            return b"chatLog late\n"
        asked_again.set()
        assert late.wait(DEADLINE)
        return b"chatLog new\n"

    server.answer = answer
    with ChatConsole(0.0, []) as console:
        console.carry_out_all([f"0 start 1 {server.port}", "0 get chatLog"])
        monkeypatch.setattr(server_process, "ANSWER_LIMIT", DEADLINE)
        console.carry_out_all(["0 get chatLog"])
    out, err = capfd.readouterr()
    assert out == "new\n" and err.endswith("server 0 did not answer: timed out\n")


def test_an_answer_may_be_huge(server, capfd):
    huge = os.urandom(4_000_000).hex()
    server.answer = f"chatLog {huge}\n".encode()
    carry_out(f"0 start 1 {server.port}", "0 get chatLog", "0 get chatLog")
    assert capfd.readouterr() == (f"{huge}\n" * 2, "")


def test_a_crash_is_waited_for_and_frees_the_id(server, capfd):
    with StandIn(b"chatLog other\n") as other:
        carry_out(f"0 start 1 {server.port}", "0 msg 1 a", "0 crash", f"0 start 3 {other.port}",
                  "0 get chatLog")
    assert server.lines == [b"msg 1 a", b"crash"] and capfd.readouterr() == ("other\n", "")


def test_a_server_that_went_away_is_one_line_and_may_be_started_again(server, capfd):
    with ChatConsole(0.0, []) as console, StandIn() as other:
        console.carry_out_all([f"0 start 1 {server.port}", "0 get chatLog"])
        server.hang_up()
        console.carry_out_all(["0 msg 1 a", f"0 start 1 {other.port}", "0 get chatLog"])
    out, err = capfd.readouterr()
    assert out == "<empty>\n" * 2 and err == ("runner.py console: server 0 has ended: it does not "
                                              "listen any more\n")


def test_a_terminal_has_a_prompt_and_a_history_and_obeys_no_message(server):
    pty = pytest.importorskip("pty")
    server.answer = "chatLog \x1b[31m\u202e\\".encode() + b"\xff\n"
    terminal, end = pty.openpty()

    def read_until(ending: bytes) -> bytes:
        data = b""
        while not data.endswith(ending):
            assert select.select([terminal], [], [], DEADLINE)[0], data
            data += os.read(terminal, 4096)
        return data

    with subprocess.Popen([sys.executable, ROOT / "runner.py", "console", "--settle", "0"],
                          stdin=end, stdout=end, stderr=subprocess.PIPE,
                          env={**os.environ, "TERM": "dumb"}) as process:
        os.close(end)
        for typed in (b"0 start 1 %d\n" % server.port, b"0 msg 1 \xff\n", b"what\n"):
            read_until(b"> ")
            os.write(terminal, typed)
        read_until(b"> ")
        os.write(terminal, b"\x10\x10\n0 get chatLog\n")  # Ctrl-P: the line before
        assert b"\x1b[31m" not in read_until(rb"\x1b[31m\u202e\\\udcff" + b"\r\n> ")
        os.write(terminal, b"\x04")
        assert process.wait(DEADLINE) == 0 and process.stderr.read().count(b"\n") == 1
    os.close(terminal)
    assert server.lines == [b"msg 1 \xff", b"msg 1 \xff", b"get chatLog"]


# Processes that the console starts.

def test_a_process_reads_what_it_was_told_and_ends_with_its_pipe(program, tmp_path, capfd):
    program("""
listen()
sock = listener.accept()[0]
time.sleep(0.2)
lines = sock.makefile("rb").read()
os.read(pipe, 1)
open(sys.argv[0] + ".told", "wb").write(lines)
""")
    carry_out(f"0 start 1 {free_ports(1)[0]}", "0 msg 1 a", "0 msg 2 b", " exit\t", "0 crash")
    assert (tmp_path / "peer.py.told").read_bytes() == b"msg 1 a\nmsg 2 b\n"
    assert errors(capfd) == []


@pytest.mark.parametrize("how", ["exit", "crash"])
def test_a_process_that_does_not_end_is_killed(program, tmp_path, capfd, monkeypatch, how):
    monkeypatch.setattr(chat_console, "END_LIMIT", 0.2)
    monkeypatch.setattr(server_process, "ANSWER_LIMIT", 0.3)
    program("""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[0] + ".pid", "w").write(str(os.getpid()))
listen()
time.sleep(60)
""")
    carry_out(f"0 start 1 {free_ports(1)[0]}", "0 " * (how != "exit") + how)
    [error] = errors(capfd)
    assert is_gone(int((tmp_path / "peer.py.pid").read_text()))
    assert ("server 0 failed: its exit code is -9" if how == "exit"
            else "server 0 did not answer: timed out") == error


def test_a_process_that_dies_unnoticed_is_told_of_at_the_end(program, capfd):
    program("listen(); listener.accept(); sys.exit('peer.py: no room')")
    carry_out(f"0 start 1 {free_ports(1)[0]}")
    assert errors(capfd) == ["server 0 failed: peer.py: no room"]


def test_why_a_process_did_not_start_is_said_and_it_may_be_started_again(program, capfd):
    program("sys.exit('' if size == 1 else 'peer.py: no room')")
    carry_out(*[f"{number} start {number + 1} {port}" for number, port in
                enumerate(free_ports(2))], "0 msg 1 a")
    assert errors(capfd) == [
        "server 0 did not start: its exit code is 1", "server 1 did not start: peer.py: no room",
        "server 0 is not started; start it: 0 start N PORT"]


def test_a_process_that_never_listens_is_given_up(program, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "START_LIMIT", 0.2)
    program("time.sleep(60)")
    [port] = free_ports(1)
    carry_out(f"0 start 1 {port}")
    assert errors(capfd) == [f"server 0 did not start: it does not listen on port {port} after "
                             "0.2 s"]
