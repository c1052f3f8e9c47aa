"""The chat console with servers that listen already: what it does to a stand-in for one."""

import os
import pty
import select
import socket
import threading
import time

import pytest

from gossip.chat import server_process
from gossip.chat.console import ChatConsole
from tests.tools.chat import StandIn, errors, run_console
from tests.tools.ports import free_port
from tests.tools.programs import Program, environment
from tests.tools.waiting import wait_until


def test_bytes_pass_as_they_are_and_the_server_lives_on(server):
    text = b"a,b  c \xff\xfe \xe4\xb8\xad\x00\x1b[31m\xc2\x85 \r x "
    server.answer = lambda: b"chatLog " + server.lines[0][len(b"msg 0 "):] + b"\n"
    script = b"0 start 1 %d\r\n\r\n \n0 msg 0 %s\r\n0 get chatLog\r\nexit\r\nnonsense\n"
    code, out, err = run_console("--settle", 0, text=script % (server.port, text))
    assert (code, out, err) == (0, text + b"\n", "")
    assert server.lines == [b"msg 0 " + text, b"get chatLog"]
    socket.create_connection(("127.0.0.1", server.port)).close()


def test_wrong_commands_get_one_line_each_and_the_console_goes_on(server):
    free = free_port()
    script = f"""what\n0 get chatLog\n0 crash\n0 msg 1 a\n1 start 1 {free}\n0 start 2 {server.port}
        0 start 2 {free}\n1 start 2 {server.port}\n0 msg 1\n0 msg 1 \u00e4\x1b\n0 get chatLog"""
    code, out, err = run_console("--settle", 0, text=script.encode())
    assert (code, out) == (0, b"<empty>\n") and server.lines[0] == "msg 1 \u00e4\x1b".encode()
    lines = err.splitlines()
    for line, hint in zip(lines, ["'what': a line is", "0 is not started", "0 is not started",
                                  "0 is not started", "2 or more", "0 runs already",
                                  f"port {server.port} is server 0's", "for example"]):
        assert line.startswith("runner.py console: ") and hint in line
    assert len(lines) == 8


@pytest.mark.parametrize("arguments", [["--settle", "-1"], ["--settle", "x"], ["--udp-base", "0"],
                                       ["--wrong"], ["more"]])
def test_wrong_flags_are_one_line_and_exit_2(arguments):
    code, out, err = run_console(*arguments)
    assert (code, out) == (2, b"")
    assert len(err.splitlines()) == 1 and err.startswith("runner.py console: ")


def test_a_get_waits_for_quiet_after_the_last_message_and_the_last_start(server):
    with ChatConsole(1.0, []) as console:
        began = time.monotonic()
        console.carry_out(f"0 start 1 {server.port}")
        console.carry_out("0 get chatLog")
        assert 1.0 <= server.asked_at[0] - began < 20
        console.carry_out("0 get chatLog")
        assert server.asked_at[1] - server.asked_at[0] < 1.0  # it was quiet already
        said = time.monotonic()
        console.carry_out("0 msg 1 a")
        assert time.monotonic() - said < 1.0
        console.carry_out("0 get chatLog")
        assert 1.0 <= server.asked_at[2] - said < 20
    assert server.lines == [b"get chatLog", b"get chatLog", b"msg 1 a", b"get chatLog"]


def test_a_late_answer_is_not_taken_for_the_next(server, console, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "ANSWER_LIMIT", 1.5)
    asked_again, late = threading.Event(), threading.Event()

    def answer():
        if len(server.asked_at) == 1:
            assert asked_again.wait(30)
            late.set()
            return b"chatLog late\n"
        asked_again.set()
        assert late.wait(30)
        return b"chatLog new\n"

    server.answer = answer
    console.carry_out(f"0 start 1 {server.port}")
    for _ in range(2):
        console.carry_out("0 get chatLog")
    out, err = capfd.readouterr()
    assert out == "new\n" and server.connections() == 2
    assert err == "runner.py console: server 0 did not answer for 1.5 s\n"


@pytest.mark.parametrize("answer, hint", [
    (b"chatLog half", "did not answer for"), (b"", "did not answer for"),
    (b"HTTP/1.1 400\n", "no chatLog"), (b"chatLog\n", "no chatLog")])
def test_no_answer_or_a_wrong_one_is_one_line(server, console, capfd, monkeypatch, answer, hint):
    monkeypatch.setattr(server_process, "ANSWER_LIMIT", 0.5)
    server.answer = answer
    console.carry_out(f"0 start 1 {server.port}")
    console.carry_out("0 get chatLog")
    assert hint in errors(capfd)[0]
    monkeypatch.setattr(server_process, "ANSWER_LIMIT", 60.0)
    server.answer = b"chatLog good\n"
    console.carry_out("0 get chatLog")
    assert capfd.readouterr() == ("good\n", "")


def test_an_answer_may_be_huge(server):
    huge = os.urandom(8_000_000).hex().encode()
    server.answer = b"chatLog " + huge + b"\n"
    began = time.monotonic()
    script = b"0 start 1 %d\n0 get chatLog\n0 get chatLog\n" % server.port
    code, out, err = run_console("--settle", 0, text=script)
    assert (code, err) == (0, "") and out == (huge + b"\n") * 2
    assert time.monotonic() - began < 60


def test_an_output_that_cannot_be_written_does_not_end_the_console(server):
    with open("/dev/full", "wb") as full, Program("runner.py", "console", "--settle", 0,
                                                  stdout=full) as program:
        script = b"0 start 1 %d\n0 get chatLog\n0 msg 1 on\n" % server.port
        _, err = program.process.communicate(script, 60)
        assert (program.process.returncode, err) == (0, b"")
    assert server.lines == [b"get chatLog", b"msg 1 on"]


def test_a_crash_is_waited_for_and_frees_the_id(server, console, capfd):
    other = StandIn(b"chatLog other\n")
    for line in (f"0 start 1 {server.port}", "0 msg 1 a", "0 crash"):
        console.carry_out(line)
    assert server.lines == [b"msg 1 a", b"crash"]
    console.carry_out(f"0 start 3 {other.port}")
    console.carry_out("0 get chatLog")
    assert capfd.readouterr() == ("other\n", "")
    other.close()


def test_a_crash_that_does_not_come_is_given_up(server, console, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "CRASH_LIMIT", 0.2)
    server.crashes = False
    console.carry_out(f"0 start 1 {server.port}")
    console.carry_out("0 crash")
    console.carry_out("0 msg 1 a")
    did_not, free = errors(capfd)
    assert "did not crash within 0.2 s" in did_not and "0 is not started" in free


def test_a_server_that_went_away_is_one_line_and_may_be_started_again(server, console, capfd):
    console.carry_out(f"0 start 1 {server.port}")
    wait_until(server.connections)
    server.hang_up()
    console.carry_out("0 msg 1 a")
    assert "server 0 has ended" in errors(capfd)[0]
    other = StandIn()
    console.carry_out(f"0 start 1 {other.port}")
    console.carry_out("0 get chatLog")
    assert capfd.readouterr() == ("<empty>\n", "")
    other.close()


def read_until(terminal, end):
    """Read from a terminal until what was read ends like that; return it."""
    data = b""
    while not data.endswith(end):
        assert select.select([terminal], [], [], 30)[0], data
        data += os.read(terminal, 4096)
    return data


def test_a_terminal_has_a_prompt_and_a_history_and_obeys_no_message(server):
    server.answer = "chatLog \x1b[31m\u202e\\".encode() + b"\xff\n"
    terminal, end = pty.openpty()
    with Program("runner.py", "console", "--settle", 0, stdin=end, stdout=end,
                 env=environment(TERM="dumb")) as program:
        os.close(end)
        for typed in (b"0 start 1 %d\n" % server.port, b"0 msg 1 \xff\n", b"what\n"):
            read_until(terminal, b"> ")
            os.write(terminal, typed)
        read_until(terminal, b"> ")
        os.write(terminal, b"\x10\x10\n0 get chatLog\n")  # Ctrl-P: the line before
        shown = read_until(terminal, rb"\x1b[31m\u202e\\\udcff" + b"\r\n> ")
        assert b"\x1b[31m" not in shown
        os.write(terminal, b"\x04")
        assert program.process.wait(30) == 0
        assert server.lines == [b"msg 1 \xff", b"msg 1 \xff", b"get chatLog"]
        assert program.process.stderr.read().count(b"\n") == 1
    os.close(terminal)
