"""A chat server as the console sees it."""

import contextlib
import functools
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

from gossip.chat.doorstep import HOST
from gossip.events import escape
from gossip.terminal.command_line import ROOT, complain

START_LIMIT = 10.0  # seconds until a new server must listen
DIAL_LIMIT = 1.0  # seconds until a server must accept a connection
ANSWER_LIMIT = 5.0  # seconds of silence after which the console gives up
CRASH_LIMIT = 5.0  # seconds in which a server must have crashed
KILL_LIMIT = 1.0  # seconds after which a terminated process is killed
LOOK = 0.005  # seconds between two attempts to connect to a new server
READ_SIZE = 1 << 20  # bytes

ANSWER = b"chatLog "
# Any bytes as a text, and back. Bytes that are not UTF-8 become surrogates.
decode = functools.partial(bytes.decode, errors="surrogateescape")
encode = functools.partial(str.encode, errors="surrogateescape")


class ChatError(Exception):
    """The reason why a line could not be carried out."""


class Server:
    """A chat server, and its process if the console started it. A thread of its own waits until it
    listens, so that several servers start at once; until then no other uses the connection. The
    process ends with its standard input, even if the console is killed."""

    def __init__(self, number: int, port: int, arguments: list[str]):
        """Connect, or start a process. ChatError if that fails."""
        self.id, self.port = number, port
        self.up_at = 0.0  # monotonic time of its first connection; 0 before
        self._process: subprocess.Popen | None = None  # None if it was not started here
        self._socket: socket.socket | None = None  # None if it has to be dialled
        self._given_up = threading.Event()  # the start need not succeed any more
        self.failed = False  # it came up, but its process ended with an error
        self._start = threading.Thread(target=self._come_up, name=f"start of {number}", daemon=True)
        self.wait = self._start.join  # waits until the start has succeeded or failed
        if not self._dial():
            try:
                self._errors = tempfile.TemporaryFile()  # the standard error of the process
                self._process = subprocess.Popen(
                    [sys.executable, "-S", "-E", str(ROOT / "peer.py"), *arguments, "--quiet",
                     "--end-with-pipe", "0"],
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors,
                    start_new_session=True)  # Ctrl-C is for the console alone
            except OSError as error:
                why = error.strerror or error
                raise ChatError(f"server {number} did not start: {why}") from None
        self._start.start()

    def _come_up(self) -> None:
        until, why = time.monotonic() + START_LIMIT, ""
        while not (why or self._socket or self._given_up.wait(LOOK) or self._dial()):
            if self._process.poll() is not None:
                why = self._last_words()
            elif time.monotonic() > until:
                self._process.kill()
                why = f"it does not listen on port {self.port} after {START_LIMIT:g} s"
        if why:
            say(f"server {self.id} did not start: {why}")

    def _dial(self) -> bool:
        """Connect, and tell whether somebody listens."""
        try:
            sock = socket.create_connection((HOST, self.port), DIAL_LIMIT)
        except OSError:
            return False
        if sock.getsockname() == sock.getpeername():  # the system chose this port, so it met itself
            sock.close()
            return False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self.up_at = self.up_at or time.monotonic()
        return True

    def lives(self) -> bool:
        """Tell whether it is or may come up. Redial a broken connection."""
        if self._start.is_alive():
            return True
        if not self.up_at or (self._process is not None and self._process.poll() is not None):
            return False
        if self._socket is not None and not select.select([self._socket], [], [], 0)[0]:
            return True  # there is nothing to read, so the connection has not ended
        self._hang_up()
        return self._dial()

    def tell(self, line: str) -> None:
        """Send a line. ChatError if that fails."""
        try:
            self._socket.settimeout(ANSWER_LIMIT)
            self._socket.sendall(encode(line) + b"\n")
        except OSError as error:
            self._hang_up()
            raise ChatError(f"server {self.id} cannot be told: {error.strerror or error}") from None

    def ask(self, line: str) -> bytes:
        """Send a line, and return what follows `chatLog` in the answer. ChatError if none comes."""
        self.tell(line)
        try:
            with self._socket.makefile("rb", READ_SIZE) as stream:
                answer = stream.readline()
            if answer.startswith(ANSWER) and answer.endswith(b"\n"):
                return answer[len(ANSWER):-1]
            why = ("gave no chatLog; is it a chat server?" if answer.endswith(b"\n")
                   else "did not answer: it hung up")
        except OSError as error:
            why = (f"did not answer for {ANSWER_LIMIT:g} s" if isinstance(error, TimeoutError)
                   else f"did not answer: {error.strerror or error}")
        self._hang_up()  # because the next line would get a late answer
        raise ChatError(f"server {self.id} {why}")

    def crash(self, line: str) -> None:
        """Tell it to crash, and wait until it hangs up. ChatError after CRASH_LIMIT seconds."""
        until = time.monotonic() + CRASH_LIMIT
        self.tell(line)
        if not self._read_to_end(until):
            why = "; it was not started here, and is left alone"
            if self._process is not None:
                self._process.kill()
                why = ", and was killed"
            raise ChatError(f"server {self.id} did not crash within {CRASH_LIMIT:g} s{why}")

    def _read_to_end(self, until: float) -> bool:
        """Drop what comes, and tell whether the server hangs up in time."""
        try:
            while (left := until - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(READ_SIZE):
                    return True
        except OSError as error:
            return not isinstance(error, TimeoutError)
        return False

    def finish(self, until: float) -> None:
        """Say that no more lines come. Await a server that was started here."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            if self._process is not None:
                self._read_to_end(until)

    def let_go(self) -> None:
        """Hang up, and close the input of the process. May be called twice."""
        self._given_up.set()
        self.wait()
        self._hang_up()
        if self._process is not None:
            self._process.stdin.close()

    def end(self, until: float) -> str:
        """Let it go, terminate a late process, and return its last words."""
        self.let_go()
        if self._process is None:
            return "it does not listen any more"
        limit = max(0.0, until - time.monotonic())
        for next_step in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(limit)
            except subprocess.TimeoutExpired:
                next_step()
                limit = KILL_LIMIT
        self._process.wait()
        self.failed = bool(self.up_at and self._process.returncode)
        with self._errors:
            return self._last_words()

    def _last_words(self) -> str:
        """Return the last line on standard error, or else the exit code."""
        self._errors.seek(0)
        errors = self._errors.read(READ_SIZE).decode(errors="replace")
        words = list(filter(str.strip, errors.split("\n")))
        return escape(words[-1]) if words else f"its exit code is {self._process.poll()}"

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def say(text: str) -> None:
    complain(f"runner.py console: {text}")
