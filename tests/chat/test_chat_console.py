"""The chat proxy: its lines; what it does to a stand-in for a server; and whole sessions."""

import os
import pty
import select
import signal
import socket
import threading
import time

import pytest

from gossip.chat import console as chat_console
from gossip.chat.console import ChatConsole, Command, parse_command
from tools.ports import free_port, free_udp_range, listens
from tools.programs import Program, environment
from tools.waiting import wait_until


class StandIn:
    """Listens as a chat server does; what it answers is in the hands of the test."""

    def __init__(self, answer=b"chatLog <empty>\n"):
        self.answer = answer  # bytes, or what makes them when it is asked
        self.crashes = True
        self.lines: list[bytes] = []  # what it was told, without the ends
        self.asked_at: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listener.getsockname()[1]
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock):
        try:
            with sock, sock.makefile("rb") as lines:
                for line in lines:
                    self.lines.append(line[:-1])
                    if line == b"get chatLog\n":
                        self.asked_at.append(time.monotonic())
                        answer = self.answer() if callable(self.answer) else self.answer
                        sock.sendall(answer)
                    elif line == b"crash\n" and self.crashes:
                        self.hang_up()
        except OSError:
            pass  # the console is gone

    def connections(self):
        return len(self._socks)

    def hang_up(self):
        for sock in (self._listener, *self._socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
        self._listener.close()

    def close(self):
        self.hang_up()
        for thread in list(self._threads):
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def server():
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def console(tmp_path):
    with ChatConsole(0.0, ["--outputs", str(tmp_path)]) as console:
        yield console


def run(*arguments, text=b"", timeout=90):
    """Run the console with these lines; return (exit code, output, errors)."""
    with Program("runner.py", "console", *arguments) as program:
        out, err = program.process.communicate(text, timeout)
        return program.process.returncode, out, err.decode()


def errors(capfd):
    return capfd.readouterr().err.splitlines()


# Lines.


@pytest.mark.parametrize("line, command", [
    ("0 start 4 10000", Command("start", 0, size=4, port=10000)),
    (" 3\tstart  4 \t65535 ", Command("start", 3, size=4, port=65535)),
    ("0 msg 0 Text with spaces", Command("msg", 0, line="msg 0 Text with spaces")),
    ("12 msg 007  two blanks, one trailing ",
     Command("msg", 12, line="msg 007  two blanks, one trailing ")),
    ("0 msg 1 a\x0bb\u2028c\udcff", Command("msg", 0, line="msg 1 a\x0bb\u2028c\udcff")),
    ("3 get chatLog", Command("get", 3, line="get chatLog")),
    ("3 get  chatLog ", Command("get", 3, line="get chatLog")),
    ("1 crash", Command("crash", 1, line="crash")),
    ("exit", Command("exit")), (" exit ", Command("exit")),
])
def test_lines_are_understood(line, command):
    assert parse_command(line) == command


@pytest.mark.parametrize("line, hint", [
    ("start 0 4 10000", "ID start N PORT"), ("hello", "ID start N PORT"),
    ("0", "or exit"), ("0 quit", "or exit"), ("exit now", "or exit"), ("-1 crash", "or exit"),
    ("\u0661 crash", "or exit"), ("0 crashed", "or exit"), ("123456 crash", "or exit"),
    ("0 start", "0 start 4 10000"), ("0 start 4", "0 start 4 10000"),
    ("0 start 4 10000 x", "0 start 4 10000"), ("0 start x 10000", "0 start 4 10000"),
    ("4 start 4 10000", "5 or more"), ("0 start 0 10000", "1 or more"),
    ("0 start 4 0", "not a port"), ("0 start 4 65536", "not a port"), ("0 start 4 x", "not a port"),
    ("0 msg", "for example"), ("0 msg Text", "for example"), ("0 msg 1", "for example"),
    ("0 msg 1 ", "for example"), ("0 msg -1 a", "for example"), ("0 msg \u0661 a", "for example"),
    ("2 get", "2 get chatLog"), ("2 get chatlog", "2 get chatLog"),
    ("2 get chatLog now", "2 get chatLog"), ("2 crash now", "it is: 2 crash"),
    ("0 msg 1 " + "x" * 131_065, "131,072"),
])
def test_a_wrong_line_gets_a_sentence_that_helps(line, hint):
    with pytest.raises(ValueError, match=".") as caught:
        parse_command(line)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


def test_the_longest_line_is_counted_in_bytes():
    assert parse_command("0 msg 1 " + "x" * 131_064).line.endswith("x")
    with pytest.raises(ValueError):
        parse_command("0 msg 1 " + "\u00e4" * 70_000)


# The console and servers that listen already.


def test_bytes_pass_as_they_are_and_the_server_lives_on(server):
    text = b"a,b  c \xff\xfe \xe4\xb8\xad\x00\x1b[31m\xc2\x85 \r x "
    server.answer = lambda: b"chatLog " + server.lines[0][len(b"msg 0 "):] + b"\n"
    script = b"0 start 1 %d\r\n\r\n \n0 msg 0 %s\r\n0 get chatLog\r\nexit\r\nnonsense\n"
    code, out, err = run("--settle", 0, text=script % (server.port, text))
    assert (code, out, err) == (0, text + b"\n", "")
    assert server.lines == [b"msg 0 " + text, b"get chatLog"]
    socket.create_connection(("127.0.0.1", server.port)).close()


def test_wrong_commands_get_one_line_each_and_the_console_goes_on(server):
    free = free_port()
    script = f"""what\n0 get chatLog\n0 crash\n0 msg 1 a\n1 start 1 {free}\n0 start 2 {server.port}
        0 start 2 {free}\n1 start 2 {server.port}\n0 msg 1\n0 msg 1 \u00e4\x1b\n0 get chatLog"""
    code, out, err = run("--settle", 0, text=script.encode())
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
    code, out, err = run(*arguments)
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
    monkeypatch.setattr(chat_console, "ANSWER_LIMIT", 1.5)
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


def test_what_was_said_last_arrives_before_the_servers_end(flags, tmp_path):
    ports = [free_port(), free_port()]
    code, out, err = run(*flags, text=session(
        *starts(ports), *(f"0 msg {number} text {number}" for number in range(5000)), "exit"))
    assert (code, out, err) == (0, b"", "")
    for number, word in enumerate(("generated:", "received:")):
        path = tmp_path / "out" / f"peer_127.0.0.1_{flags[-1] + number}.txt"
        assert path.read_text().count(word) == 5000


@pytest.mark.parametrize("answer, hint", [
    (b"chatLog half", "did not answer for"), (b"", "did not answer for"),
    (b"HTTP/1.1 400\n", "no chatLog"), (b"chatLog\n", "no chatLog")])
def test_no_answer_or_a_wrong_one_is_one_line(server, console, capfd, monkeypatch, answer, hint):
    monkeypatch.setattr(chat_console, "ANSWER_LIMIT", 0.5)
    server.answer = answer
    console.carry_out(f"0 start 1 {server.port}")
    console.carry_out("0 get chatLog")
    assert hint in errors(capfd)[0]
    server.answer = b"chatLog good\n"
    console.carry_out("0 get chatLog")
    assert capfd.readouterr() == ("good\n", "")


def test_an_answer_may_be_huge(server):
    huge = os.urandom(8_000_000).hex().encode()
    server.answer = b"chatLog " + huge + b"\n"
    began = time.monotonic()
    script = b"0 start 1 %d\n0 get chatLog\n0 get chatLog\n" % server.port
    code, out, err = run("--settle", 0, text=script)
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
    monkeypatch.setattr(chat_console, "CRASH_LIMIT", 0.2)
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
    server.answer = b"chatLog \x1b[31m\xff\n"
    terminal, end = pty.openpty()
    with Program("runner.py", "console", "--settle", 0, stdin=end, stdout=end,
                 env=environment(TERM="dumb")) as program:
        os.close(end)
        for typed in (b"0 start 1 %d\n" % server.port, b"0 msg 1 \xff\n", b"what\n"):
            read_until(terminal, b"> ")
            os.write(terminal, typed)
        read_until(terminal, b"> ")
        os.write(terminal, b"\x10\x10\n0 get chatLog\n")  # Ctrl-P: the line before
        shown = read_until(terminal, b"\\x1b[31m\xff\r\n> ")
        assert b"\x1b[31m" not in shown
        os.write(terminal, b"\x04")
        assert program.process.wait(30) == 0
        assert server.lines == [b"msg 1 \xff", b"msg 1 \xff", b"get chatLog"]
        assert program.process.stderr.read().count(b"\n") == 1
    os.close(terminal)


# The console and processes: a stand-in for peer.py does what its test says.

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
        monkeypatch.setattr(chat_console, "ROOT", tmp_path)
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
        console.run(iter([f"0 start 1 {free_port()}", "0 get chatLog", "exit", "0 crash"]))
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
        console.run(iter([f"0 start 1 {free_port()}", "0 msg 1 a", "0 msg 2 b"]))
    assert (tmp_path / "peer.py.told").read_bytes() == b"msg 1 a\nmsg 2 b\n"


@pytest.mark.parametrize("body", [
    "listen(); serve(); time.sleep(60)",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); listen(); serve(); "
    "time.sleep(60)"])
def test_a_process_that_does_not_end_is_killed(program, capfd, monkeypatch, body):
    monkeypatch.setattr(chat_console, "END_LIMIT", 0.2)
    monkeypatch.setattr(chat_console, "KILL_LIMIT", 0.2)
    program(body)
    with ChatConsole(0.0, []) as console:
        console.run(iter([f"0 start 1 {free_port()}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert is_gone(int(out)) and "server 0 failed: its exit code is -" in err


def test_a_process_that_dies_unnoticed_is_told_of_at_the_end(program, capfd):
    program("listen(); listener.accept(); sys.exit('peer.py: no room')")
    with ChatConsole(0.0, []) as console:
        console.run(iter([f"0 start 1 {free_port()}"]))
    assert errors(capfd) == ["runner.py console: server 0 failed: peer.py: no room"]


def test_a_process_that_does_not_crash_is_killed(program, console, capfd, monkeypatch):
    monkeypatch.setattr(chat_console, "CRASH_LIMIT", 0.2)
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
    console.run(iter([f"1 start 2 {free_port()}", "1 msg 1 a", f"0 start 1 {free_port()}",
                      "0 msg 1 a", "0 msg 1 a"]))
    assert [line.removeprefix("runner.py console: ") for line in errors(capfd)] == [
        "server 1 did not start: peer.py: no room", "server 1 did not start: peer.py: no room",
        "server 0 did not start: its exit code is 1", "server 0 did not start: its exit code is 1",
        "server 0 is not started; start it: 0 start N PORT"]


def test_a_process_that_never_listens_is_given_up(program, console, capfd, monkeypatch):
    monkeypatch.setattr(chat_console, "START_LIMIT", 0.2)
    program("time.sleep(60)")
    port = free_port()
    console.run(iter([f"0 start 1 {port}"]))
    assert errors(capfd) == [f"runner.py console: server 0 did not start: it does not listen on "
                             f"port {port} after 0.2 s"]
    monkeypatch.setattr(chat_console, "START_LIMIT", 20)
    program("listen(); serve()")
    console.run(iter([f"0 start 1 {port}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert int(out) and err == ""


def test_a_process_that_ended_by_itself_is_one_line_and_may_be_started_again(
        program, console, capfd):
    program("listen(); serve()")
    port = free_port()
    console.run(iter([f"0 start 1 {port}", "0 get chatLog"]))  # and then no more lines: it ends
    wait_until(lambda: not console._servers[0].lives())
    capfd.readouterr()
    console.run(iter(["0 msg 1 a", f"0 start 1 {port}", "0 get chatLog"]))
    out, err = capfd.readouterr()
    assert int(out) and len(err.splitlines()) == 1 and "server 0 has ended" in err


def test_only_lines_for_the_same_server_wait_for_a_start(program, console, server, capfd, tmp_path):
    program("while not os.path.exists(sys.argv[0] + '.go'): time.sleep(0.01)\nlisten(); serve()")
    console.carry_out(f"0 start 3 {server.port}")
    for number in (1, 2):
        console.carry_out(f"{number} start 3 {free_port()}")
    console.carry_out("0 msg 1 a")
    wait_until(lambda: server.lines == [b"msg 1 a"])
    timer = threading.Timer(0.2, (tmp_path / "peer.py.go").touch)
    timer.start()
    console.carry_out("0 get chatLog")  # after the starts before it, whosever they are
    assert not timer.is_alive()
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


# Whole sessions.


@pytest.fixture
def flags(tmp_path):
    return ["--settle", 0.3, "--outputs", tmp_path / "out", "--udp-base", free_udp_range(4)]


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
    code, out, err = run(*flags, "--chat-key", key, text=session(
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
    code, out, err = run(*flags, text=session(
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
            assert run(*flags, text=session(f"0 start 1 {port}", "0 msg 1 a", "0 get chatLog")) \
                == (0, f"{expected}\n".encode(), "")
        assert by_hand.process.poll() is None


def test_why_a_server_cannot_start_is_one_line(flags):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", flags[-1]))
        code, out, err = run(*flags, text=session(f"0 start 1 {free_port()}"))
    assert (code, out) == (0, b"") and len(err.splitlines()) == 1
    assert "server 0 " in err and f"port {flags[-1]} is in use" in err
