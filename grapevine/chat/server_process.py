"""A chat server as the console sees it: a connection, and its process if the console started it."""

import functools
import os
import select
import socket
import subprocess
import time

from grapevine.chat.doorstep import HOST
from grapevine.output import escape
from grapevine.terminal.command_line import HOME, PYTHON
from grapevine.worlds import sockets

START_LIMIT = 10.0  # seconds until a new server must listen
ANSWER_LIMIT = 5.0  # seconds of silence after which the console gives up
CONNECT_POLL = 0.005  # seconds between two attempts to connect to a new server
READ_SIZE = 1 << 20  # bytes

# Any bytes as a text, and back. Bytes that are not UTF-8 become surrogates.
decode = functools.partial(bytes.decode, errors="surrogateescape")
encode = functools.partial(str.encode, errors="surrogateescape")


class ChatError(Exception):
    """The reason why a line could not be carried out."""


class Server:
    """A server that listens already, or whose process is started. The process ends with its
    standard input, even if the console is killed."""

    def __init__(self, number: int, port: int, flags: list[str]):
        """Connect, or start a process. ChatError if that fails."""
        self.id, self.port = number, port
        self._process: subprocess.Popen | None = None
        self._sock = self._dial()  # None if it has to be dialled
        try:
            if self._sock is None:
                self._start(["--chat", *flags, "--quiet", "--end-with-pipe", "0"])
        except OSError as error:
            raise ChatError(f"server {number} did not start: {error.strerror or error}") from None

    def _start(self, flags: list[str]) -> None:
        """Start a process, and connect as soon as it listens. OSError if that fails."""
        self._process = subprocess.Popen(  # in a session of its own: Ctrl-C is for the console
            [*PYTHON, "-E", os.path.join(HOME, "peer.py"), *flags],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True)
        until = time.monotonic() + START_LIMIT
        while self._sock is None:
            time.sleep(CONNECT_POLL)
            if time.monotonic() > until:
                self.end(0.0)
                raise OSError(f"it does not listen on port {self.port} after {START_LIMIT:g} s")
            if self._process.poll() is not None:
                raise OSError(self.end(0.0)[1])
            self._sock = self._dial()

    def _dial(self) -> socket.socket | None:
        """Connect; return None if nobody listens."""
        sock = socket.socket()
        sock.settimeout(ANSWER_LIMIT)
        try:
            sock.connect((HOST, self.port))
            sockets.check_connected(sock)
        except OSError:
            sock.close()
            return None
        sockets.send_at_once(sock)
        return sock

    def lives(self) -> bool:
        """Tell whether it runs. Redial a broken connection."""
        if self._sock is not None and select.select([self._sock], [], [], 0)[0]:
            self.hang_up()  # there is nothing to read, so the connection has ended
        self._sock = self._sock or self._dial()
        return self._sock is not None

    def tell(self, line: str) -> None:
        """Send a line. ChatError if that fails."""
        try:
            self._sock.sendall(encode(line) + b"\n")
        except OSError as error:
            self.hang_up()
            raise ChatError(f"server {self.id} cannot be told: {error.strerror or error}") from None

    def ask(self, line: str) -> bytes:
        """Send a line; return the answer, or what there is of it if the server hangs up. ChatError
        if neither comes."""
        self.tell(line)
        try:
            with self._sock.makefile("rb", READ_SIZE) as stream:
                return stream.readline()
        except ConnectionError:
            return b""
        except OSError as error:
            self.hang_up()  # because the next line would get a late answer
            raise ChatError(f"server {self.id} did not answer: {error.strerror or error}") from None

    def let_go(self) -> None:
        """Hang up, and close the input of its process, so that it ends when it has read all."""
        self.hang_up()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.stdin = None  # or `communicate` would use it

    def end(self, seconds: float) -> tuple[int, str]:
        """Let it go, kill a process that takes longer; return its exit code, and last words."""
        self.let_go()
        if self._process is None:
            return 0, "it does not listen any more"
        try:
            errors = self._process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            errors = self._process.communicate()[1]
        words = [line for line in errors.decode(errors="replace").split("\n") if line.strip()]
        code = self._process.returncode
        return code, escape(words[-1]) if words else f"its exit code is {code}"

    def hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
