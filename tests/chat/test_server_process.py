"""The console and processes: a stand-in for peer.py does what its test says."""

import os
import threading
import time

import pytest

from gossip.chat import console as chat_console, server_process
from gossip.chat.console import ChatConsole
from tests.tools.chat import errors
from tests.tools.ports import free_port
from tests.tools.waiting import wait_until


STAND_IN = """
import os, socket, sys, time
number, size, port = map(int, sys.argv[2:5])
pipe = int(sys.argv[sys.argv.index("--end-with-pipe") + 1])
def listen():
    global listener
    listener = socket.create_server(("127.0.0.1", port))
def serve():
    sock = listener.accept()[0]
    for line in sock.makefile("rb"):
        if line == b"crash\\n":
            os._exit(0)
        if line == b"get chatLog\\n":
            sock.sendall(b"chatLog %d\\n" % os.getpid())
    sock.close()
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Let the console start a program with this body."""
    def write(body):
        (tmp_path / "peer.py").write_text(STAND_IN + body)
        monkeypatch.setattr(server_process, "ROOT", tmp_path)
    return write


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_process_ends_with_its_pipe(program, tmp_path, capfd):
    program("listen(); serve(); os.read(pipe, 1); open(sys.argv[0] + '.ended', 'w')")
    with ChatConsole(0.0, ["--udp-base", "7"]) as console:
        console.carry_out_all(
            iter([f"0 start 1 {free_port()}", "0 get chatLog", " exit\t", "0 crash"]))
        assert not (tmp_path / "peer.py.ended").exists()
    assert (tmp_path / "peer.py.ended").exists()
    out, err = capfd.readouterr()
    assert err == "" and is_gone(int(out))


def test_a_process_reads_what_it_was_told_before_its_pipe_ends(program, tmp_path):
    program("""
listen()
sock = listener.accept()[0]
time.sleep(0.3)
import select
lines = sock.makefile("rb").read()
if not select.select([pipe], [], [], 0)[0]:
    open(sys.argv[0] + ".told", "wb").write(lines)
""")
    with ChatConsole(0.0, []) as console:
        console.carry_out_all(iter([f"0 start 1 {free_port()}", "0 msg 1 a", "0 msg 2 b"]))
    assert (tmp_path / "peer.py.told").read_bytes() == b"msg 1 a\nmsg 2 b\n"


@pytest.mark.parametrize("body", [
    "listen(); serve(); time.sleep(60)",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); listen(); serve(); "
    "time.sleep(60)"])
def test_a_process_that_does_not_end_is_killed(program, capfd, monkeypatch, body):
    monkeypatch.setattr(chat_console, "END_LIMIT", 0.2)
    program(body)
    with ChatConsole(0.0, []) as console:
        console.carry_out_all(iter([f"0 start 1 {free_port()}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert is_gone(int(out)) and "server 0 failed: its exit code is -" in err


def test_a_process_that_dies_unnoticed_is_told_of_at_the_end(program, capfd):
    program("listen(); listener.accept(); sys.exit('peer.py: no room')")
    with ChatConsole(0.0, []) as console:
        console.carry_out_all(iter([f"0 start 1 {free_port()}"]))
    assert errors(capfd) == ["runner.py console: server 0 failed: peer.py: no room"]


def test_a_process_that_does_not_crash_is_killed(program, console, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "CRASH_LIMIT", 0.2)
    monkeypatch.setattr(chat_console, "END_LIMIT", 60)
    program("os._exit = lambda code: time.sleep(60)\nlisten(); serve()")
    console.carry_out(f"0 start 1 {free_port()}")
    console.carry_out("0 get chatLog")
    began = time.monotonic()
    console.carry_out("0 crash")
    assert time.monotonic() - began < 30
    out, err = capfd.readouterr()
    assert is_gone(int(out)) and "was killed" in err and len(err.splitlines()) == 1


def test_why_a_process_did_not_start_is_said(program, console, capfd):
    program("sys.exit('' if size == 1 else 'peer.py: no room')")
    console.carry_out_all(iter([f"1 start 2 {free_port()}", "1 msg 1 a",
                                f"0 start 1 {free_port()}", "0 msg 1 a", "0 msg 1 a"]))
    assert [line.removeprefix("runner.py console: ") for line in errors(capfd)] == [
        "server 1 did not start: peer.py: no room", "server 1 did not start: peer.py: no room",
        "server 0 did not start: its exit code is 1", "server 0 did not start: its exit code is 1",
        "server 0 is not started; start it: 0 start N PORT"]


def test_a_process_that_never_listens_is_given_up(program, console, capfd, monkeypatch):
    monkeypatch.setattr(server_process, "START_LIMIT", 0.2)
    program("time.sleep(60)")
    port = free_port()
    console.carry_out_all(iter([f"0 start 1 {port}"]))
    assert errors(capfd) == [f"runner.py console: server 0 did not start: it does not listen on "
                             f"port {port} after 0.2 s"]
    monkeypatch.setattr(server_process, "START_LIMIT", 20)
    program("listen(); serve()")
    console.carry_out_all(iter([f"0 start 1 {port}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert int(out) and err == ""


def test_a_process_that_ended_by_itself_is_one_line_and_may_be_started_again(
        program, console, capfd):
    program("listen(); serve()")
    port = free_port()
    console.carry_out_all(iter([f"0 start 1 {port}", "0 get chatLog"]))
    # no more lines: the server ends
    wait_until(lambda: not console._servers[0].lives())
    capfd.readouterr()
    console.carry_out_all(iter(["0 msg 1 a", f"0 start 1 {port}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert int(out) and len(err.splitlines()) == 1 and "server 0 has ended" in err


def test_only_lines_for_the_same_server_wait_for_a_start(program, console, server, capfd, tmp_path):
    program("while not os.path.exists(sys.argv[0] + '.go'): time.sleep(0.01)\nlisten(); serve()")
    console.carry_out(f"0 start 3 {server.port}")
    for number in (1, 2):
        console.carry_out(f"{number} start 3 {free_port()}")
    console.carry_out("0 msg 1 a")
    wait_until(lambda: server.lines == [b"msg 1 a"])
    go = tmp_path / "peer.py.go"
    threading.Timer(0.2, go.touch).start()
    console.carry_out("0 get chatLog")  # after the starts before it, whosever they are
    assert go.exists()
    console.carry_out("2 get chatLog")
    out, err = capfd.readouterr()
    assert out.startswith("<empty>\n") and len(out.split()) == 2 and err == ""


def test_no_thread_is_left_when_a_pending_start_is_interrupted(program, monkeypatch):
    program("time.sleep(60)")
    before = set(threading.enumerate())
    began = time.monotonic()
    monkeypatch.setattr(chat_console, "END_LIMIT", 0.1)
    with pytest.raises(KeyboardInterrupt), ChatConsole(0.0, []) as console:
        console.carry_out(f"0 start 1 {free_port()}")
        raise KeyboardInterrupt
    assert set(threading.enumerate()) <= before and time.monotonic() - began < 30
