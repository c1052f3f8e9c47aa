"""The chat proxy: carries out the lines of people and scripts on chat servers (peer.py --chat).

    ID start N PORT          start server ID of N; attach to it if it listens on PORT already
    ID msg MESSAGEID TEXT    let it gossip TEXT
    ID get chatLog           print its messages
    ID crash                 let it die without a word
    exit                     end the servers that were started here, as the end of input does

The main thread reads the lines and carries them out one after the other. A process that was
started is waited for by a thread of its own, so that several start at once. Started servers end
with this process, however it ended: each holds the read end of a pipe from here.
"""

import argparse
import contextlib
import importlib
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from gossip.chat.doorstep import HOST
from gossip.node.output_file import escape
from gossip.terminal.command_line import ROOT, complain, parse_port, show
from gossip.terminal.keyboard import Keyboard
from gossip.wire import LINE_LIMIT

START_LIMIT = 10.0  # seconds until a server that was started must listen
DIAL_LIMIT = 1.0  # seconds until a server must take a connection
ANSWER_LIMIT = 5.0  # seconds of silence after which a server does not answer
CRASH_LIMIT = 5.0  # seconds in which a server must have crashed
FINISH_LIMIT = 15.0  # seconds in which servers must have read what they were told
END_LIMIT, KILL_LIMIT = 6.0, 1.0  # seconds to end in: when the pipe is closed, when terminated
LOOK = 0.005  # seconds between two looks whether a server listens
LONGEST_LINE = LINE_LIMIT  # bytes
READ_SIZE = 1 << 20

FORMS = "ID start N PORT, ID msg MESSAGEID TEXT, ID get chatLog, ID crash, or exit"
ANSWER = b"chatLog "
_LINE = re.compile(r"[ \t]*([0-9]{1,5})[ \t]+(start|msg|get|crash)(?:[ \t]+(.*))?", re.DOTALL)


class ChatError(Exception):
    """A line could not be carried out; says why in one sentence."""


class Command(NamedTuple):
    """What a line asks for."""

    word: str  # start, msg, get, crash or exit
    id: int = 0
    size: int = 0  # start: how many servers stand in the line
    port: int = 0  # start
    line: str = ""  # the others: what the server is told


def encode(text: str) -> bytes:
    """The bytes that `decode` was given."""
    return text.encode(errors="surrogateescape")


def decode(data: bytes) -> str:
    """Any bytes as a text."""
    return data.decode(errors="surrogateescape")


def parse_command(line: str) -> Command:
    """Understand a line that is not blank; ValueError says in a sentence what is wrong."""
    if len(encode(line)) > LONGEST_LINE:
        raise ValueError(f"a line has at most {LONGEST_LINE:,} bytes")
    if line.strip(" \t") == "exit":
        return Command("exit")
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"a line is {FORMS}")
    number, word, rest = int(match[1]), match[2], match[3] or ""
    if word == "start":
        return _parse_start(number, rest)
    if word == "msg":
        if not re.fullmatch(r"[0-9]+ .+", rest, re.DOTALL):
            raise ValueError("a number and a text follow msg, for example: 0 msg 1 Hello, all")
    elif rest.strip(" \t") != ("chatLog" if word == "get" else ""):
        raise ValueError(f"it is: {number} {word}{' chatLog' * (word == 'get')}")
    told = {"msg": f"msg {rest}", "get": "get chatLog", "crash": "crash"}
    return Command(word, number, line=told[word])


def _parse_start(number: int, rest: str) -> Command:
    match = re.fullmatch(r"([0-9]{1,5})[ \t]+([^ \t]+)[ \t]*", rest)
    if match is None:
        raise ValueError("N and PORT follow start, for example: 0 start 4 10000")
    size = int(match[1])
    if number >= size:
        raise ValueError(f"IDs are 0 to N-1: with ID {number}, N is {number + 1} or more")
    try:
        return Command("start", number, size, parse_port(match[2]))
    except argparse.ArgumentTypeError as error:
        raise ValueError(str(error)) from None


class Server:
    """One chat server as the console sees it: the connection to it and, if it was started here,
    its process and the pipe that keeps it alive.

    For the main thread; while a start is pending, its thread alone uses the connection.
    """

    def __init__(self, number: int, port: int):
        self.id = number
        self.port = port
        self.up_at = 0.0  # when it came up; 0 before
        self._process: subprocess.Popen | None = None  # None: it was attached to
        self._pipe = -1  # the write end
        self._errors = None  # the standard error of the process, a file
        self._socket: socket.socket | None = None  # None: to be dialled again
        self._thread: threading.Thread | None = None  # that waits until the process listens
        self._given_up = threading.Event()  # nobody wants it to come up any more

    # How it begins.

    def attach(self) -> bool:
        """Connect to a server that listens already, if one does."""
        if self._dial():
            self.up_at = time.monotonic()
        return bool(self.up_at)

    def start(self, arguments: list[str]) -> None:
        """Start the process; a thread waits until it listens."""
        self._errors = tempfile.TemporaryFile()
        read_end, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", str(ROOT / "peer.py"), *arguments,
                 "--quiet", "--end-with-pipe", str(read_end)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
                pass_fds=[read_end], start_new_session=True)  # Ctrl-C is for the console alone
        finally:
            os.close(read_end)
        self._thread = threading.Thread(target=self._come_up, name=f"start of {self.id}",
                                        daemon=True)
        self._thread.start()

    def _come_up(self) -> None:
        """The thread of a start."""
        until = time.monotonic() + START_LIMIT
        while not self._given_up.wait(LOOK):
            if self._dial():
                self.up_at = time.monotonic()
                return
            if self._process.poll() is not None:
                say(f"server {self.id} did not start: {self._last_words()}")
                return
            if time.monotonic() > until:
                self._process.kill()
                say(f"server {self.id} did not start: it does not listen on port {self.port} "
                    f"after {START_LIMIT:g} s")
                return

    def wait(self) -> None:
        """Wait until a pending start has succeeded or failed."""
        if self._thread is not None:
            self._thread.join()

    def _dial(self) -> bool:
        """Connect; answer whether somebody listens."""
        try:
            sock = socket.create_connection((HOST, self.port), DIAL_LIMIT)
        except OSError:
            return False
        if sock.getsockname() == sock.getpeername():  # to itself: its own port was this one
            sock.close()
            return False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        return True

    # How it is spoken to.

    def lives(self) -> bool:
        """Whether it is up or may yet come up; a connection that broke is made anew."""
        if self._thread is not None and self._thread.is_alive():
            return True
        if not self.up_at or (self._process is not None and self._process.poll() is not None):
            return False
        if self._socket is not None and not select.select([self._socket], [], [], 0)[0]:
            return True  # nothing is to be read, not even the end: nothing was asked
        self._hang_up()
        return self._dial()

    def tell(self, line: str) -> None:
        """Send a line; ChatError when that fails."""
        try:
            self._socket.settimeout(ANSWER_LIMIT)
            self._socket.sendall(encode(line) + b"\n")
        except OSError as error:
            self._hang_up()
            raise ChatError(f"server {self.id} cannot be told: {_reason(error)}") from None

    def ask(self, line: str) -> bytes:
        """Send a line and return what follows `chatLog` in the answer. When none comes, the
        connection is given up, lest the answer be taken for that of a later question."""
        self.tell(line)
        try:
            answer = self._read_line()
        except TimeoutError:
            self._hang_up()
            raise ChatError(f"server {self.id} did not answer for {ANSWER_LIMIT:g} s") from None
        except OSError as error:
            self._hang_up()
            raise ChatError(f"server {self.id} did not answer: {_reason(error)}") from None
        if not answer.startswith(ANSWER):
            self._hang_up()
            raise ChatError(f"server {self.id} gave no chatLog; is it a chat server?")
        return answer[len(ANSWER):]

    def _read_line(self) -> bytes:
        data = bytearray()
        while True:
            chunk = self._socket.recv(READ_SIZE)
            if not chunk:
                raise ConnectionError("it hung up")
            end = chunk.find(b"\n")
            if end >= 0:
                return bytes(data + chunk[:end])
            data += chunk

    def crash(self, line: str) -> None:
        """Tell it to crash and wait until it is gone; ChatError when it did not go in time."""
        until = time.monotonic() + CRASH_LIMIT
        self.tell(line)
        if not self._read_to_end(until):
            why = "; it was not started here, and is left alone"
            if self._process is not None:
                self._process.kill()
                why = ", and was killed"
            raise ChatError(f"server {self.id} did not crash within {CRASH_LIMIT:g} s{why}")
        if self._process is not None:
            self._wait_for_process(until)

    def _read_to_end(self, until: float) -> bool:
        """Drop what still comes; answer whether the other end has hung up in time."""
        try:
            while (left := until - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(READ_SIZE):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False

    # How it ends.

    def finish(self) -> None:
        """Say that no more lines come; the server reads what came before and hangs up."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def wait_finished(self, until: float) -> None:
        """Wait until a server that was started here has read everything."""
        if self._process is not None and self._socket is not None:
            self._read_to_end(until)

    def let_go(self) -> None:
        """Hang up; a process that was started here ends upon it. May be called twice."""
        self._given_up.set()
        self.wait()
        self._hang_up()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def end(self, until: float) -> str:
        """Let it go and wait for the process, which is terminated when it does not end in time;
        return its last words."""
        self.let_go()
        words = "it does not listen any more"
        if self._process is not None:
            self._wait_for_process(until)
            words = self._last_words()
        if self._errors is not None:
            self._errors.close()
        return words

    def failed(self) -> bool:
        """Whether it came up and its process, which has ended, did not end well."""
        return bool(self.up_at and self._process is not None and self._process.returncode)

    def _wait_for_process(self, until: float) -> None:
        for limit, next_step in ((max(0.0, until - time.monotonic()), self._process.terminate),
                                 (KILL_LIMIT, self._process.kill)):
            try:
                self._process.wait(limit)
                return
            except subprocess.TimeoutExpired:
                next_step()
        self._process.wait()

    def _last_words(self) -> str:
        """The last line that the process wrote on its standard error, or how it ended."""
        lines = os.pread(self._errors.fileno(), READ_SIZE, 0).decode(errors="replace").split("\n")
        words = [line for line in lines if line.strip()]
        return escape(words[-1]) if words else f"its exit code is {self._process.poll()}"

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


class ChatConsole:
    """Carries out lines in their order, to be used in a `with`; servers that it has started get
    `flags` and end with it."""

    def __init__(self, settle: float, flags: list[str]):
        self._settle = settle  # seconds of quiet before a `get` asks
        self._flags = flags
        self._servers: dict[int, Server] = {}
        self._said_at = 0.0  # when the last `msg` was sent

    def __enter__(self) -> "ChatConsole":
        return self

    def __exit__(self, *error) -> None:
        servers = list(self._servers.values())
        for server in servers:
            server.let_go()
        until = time.monotonic() + END_LIMIT
        for server in servers:
            words = server.end(until)
            if server.failed():
                say(f"server {server.id} failed: {words}")

    def run(self, lines: Iterator[str]) -> None:
        """Carry out lines until `exit` or their end, and let them finish."""
        for line in lines:
            if not self.carry_out(line):
                break
        servers = list(self._servers.values())
        for server in servers:
            server.wait()
        for server in servers:
            server.finish()
        until = time.monotonic() + FINISH_LIMIT
        for server in servers:
            server.wait_finished(until)

    def carry_out(self, line: str) -> bool:
        """Carry out a line, or say why not; answer False for `exit`."""
        if not line.strip():
            return True
        try:
            command = parse_command(line)
            if command.word == "exit":
                return False
            getattr(self, f"_{command.word}")(command)
        except ValueError as error:
            say(f"'{escape(line[:60])}': {error}")
        except ChatError as error:
            say(str(error))
        return True

    def _start(self, command: Command) -> None:
        standing = self._servers.get(command.id)
        if standing is not None:
            standing.wait()
            if standing.lives():
                raise ChatError(f"server {command.id} runs already, on port {standing.port}")
            self._forget(standing)
        for other in self._servers.values():
            if other.port == command.port and other.lives():
                raise ChatError(f"port {command.port} is server {other.id}'s")
        server = Server(command.id, command.port)
        if not server.attach():
            try:
                server.start(["--chat", str(command.id), str(command.size), str(command.port),
                              *self._flags])
            except OSError as error:
                server.end(time.monotonic())
                raise ChatError(f"server {command.id} did not start: {_reason(error)}") from None
        self._servers[command.id] = server

    def _msg(self, command: Command) -> None:
        self._server(command.id).tell(command.line)
        self._said_at = time.monotonic()

    def _get(self, command: Command) -> None:
        self._server(command.id)
        for server in self._servers.values():
            server.wait()
        quiet_since = max(self._said_at, *(server.up_at for server in self._servers.values()))
        time.sleep(max(0.0, quiet_since + self._settle - time.monotonic()))
        print_answer(self._server(command.id).ask(command.line))

    def _crash(self, command: Command) -> None:
        server = self._server(command.id)
        try:
            server.crash(command.line)
        finally:
            self._forget(server)

    def _server(self, number: int) -> Server:
        """The server of that ID, when its start has come to an end; ChatError if it is not up."""
        server = self._servers.get(number)
        if server is None:
            raise ChatError(f"server {number} is not started; start it: {number} start N PORT")
        server.wait()
        if not server.lives():
            why = "has ended" if server.up_at else "did not start"
            raise ChatError(f"server {number} {why}: {self._forget(server)}")
        return server

    def _forget(self, server: Server) -> str:
        """The ID may be started again; return the server's last words."""
        del self._servers[server.id]
        return server.end(time.monotonic() + END_LIMIT)


def say(text: str) -> None:
    """Tell people something."""
    complain(f"runner.py console: {text}")


def print_answer(answer: bytes) -> None:
    """Write an answer to standard output, if there is one that can be written to; as it is,
    but not what a terminal would obey."""
    if os.isatty(1):
        answer = encode(escape(decode(answer)))
    left = memoryview(answer + b"\n")
    try:
        while left:
            left = left[os.write(1, left):]
    except OSError:
        pass


def read_lines() -> Iterator[str]:
    """The lines of standard input: with a prompt and a history on a terminal."""
    if not (os.isatty(0) and os.isatty(1)):
        keyboard = Keyboard()
        while (line := keyboard.line()) is not None:
            yield decode(line)
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # input() then has a history
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        while True:
            yield input("> ")
    except EOFError:
        show("")
