"""The chat console, which carries out lines on chat servers.

README.md lists the lines. To a server the console is a proxy. Bytes that are not UTF-8 are sent as
typed.
"""

import contextlib
import importlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator

from grapevine.chat.program import add_line_flags, parse_key
from grapevine.chat.server_process import ChatError, Server, decode, encode
from grapevine.output import escape
from grapevine.terminal.command_line import (
    Parser, complain, load, parse_port, seconds, write_all)
from grapevine.typed import Keyboard
from grapevine.wire import LINE_LIMIT

END_LIMIT = 15.0  # seconds in which the servers must end, even on a busy machine
FORMS = "ID start N PORT, ID msg MESSAGEID TEXT, ID get chatLog, ID crash, or exit"
_ID = r"[ \t]*([0-9]{1,5})[ \t]+"
_LINES = [re.compile(_ID + form, re.DOTALL) for form in (
    r"(start)[ \t]+([0-9]{1,5})[ \t]+([^ \t]+)[ \t]*", r"(msg)[ \t]+([0-9]+ .+)",
    r"(get)[ \t]+(chatLog)[ \t]*", r"(crash)[ \t]*")]


def parse_command(line: str) -> tuple:
    """Parse a line that is not blank, or raise ValueError. Return ("start", ID, N, PORT), or the
    word, the ID and the line for the server."""
    if len(encode(line)) > LINE_LIMIT:
        raise ValueError(f"a line has at most {LINE_LIMIT:,} bytes")
    match = next(filter(None, (form.fullmatch(line) for form in _LINES)), None)
    if match is None:
        raise ValueError(f"a line is {FORMS}")
    number, word, *rest = match.groups()
    if word != "start":
        return word, int(number), " ".join([word, *rest])
    size, port = int(rest[0]), parse_port(rest[1])
    if int(number) >= size:
        raise ValueError(f"IDs are 0 to N-1: with ID {number}, N is {int(number) + 1} or more")
    return word, int(number), size, port


class ChatConsole(contextlib.AbstractContextManager):
    """The console, whose `with` ends the servers that it started."""

    def __init__(self, settle: float, flags: list[str]):
        self._settle = settle  # seconds of quiet before a `get` asks
        self._flags = flags  # of each server that is started
        self._servers: dict[int, Server] = {}
        self._changed_at = 0.0  # when the last server was started, or the last `msg` sent

    def __exit__(self, *error) -> None:
        until = time.monotonic() + END_LIMIT
        for server in self._servers.values():
            server.let_go()
        for server in self._servers.values():
            code, words = server.end(max(0.0, until - time.monotonic()))
            if code:
                say(f"server {server.id} failed: {words}")

    def carry_out_all(self, lines: Iterable[str]) -> None:
        """Carry out lines until `exit` or the end. Say why one cannot be."""
        for line in lines:
            if line.strip(" \t") == "exit":
                return
            try:
                if line.strip():
                    word, *arguments = parse_command(line)
                    getattr(self, f"_{word}")(*arguments)
            except ValueError as error:
                say(f"'{escape(line[:60])}': {error}")
            except ChatError as error:
                say(str(error))

    def _start(self, number: int, size: int, port: int) -> None:
        for server in list(self._servers.values()):
            if (server.id == number or server.port == port) and server.lives():
                raise ChatError(f"server {server.id} runs already, on port {server.port}")
        if number in self._servers:
            self._forget(number)
        self._servers[number] = Server(
            number, port, [str(number), str(size), str(port), *self._flags])
        self._changed_at = time.monotonic()

    def _msg(self, number: int, line: str) -> None:
        self._server(number).tell(line)
        self._changed_at = time.monotonic()

    def _get(self, number: int, line: str) -> None:
        server = self._server(number)
        time.sleep(max(0.0, self._changed_at + self._settle - time.monotonic()))
        word, _, answer = server.ask(line).partition(b" ")
        if word != b"chatLog" or not answer.endswith(b"\n"):
            server.hang_up()
            raise ChatError(f"server {number} gave no chatLog; is it a chat server?")
        if os.isatty(1):  # a terminal obeys control characters
            answer = encode(escape(decode(answer[:-1])) + "\n")
        write_all(1, answer)

    def _crash(self, number: int, line: str) -> None:
        server = self._server(number)
        try:
            if server.ask(line):
                raise ChatError(f"server {number} does not crash; is it a chat server?")
        finally:
            self._forget(number)

    def _server(self, number: int) -> Server:
        """Return a server that lives. ChatError if there is none."""
        if number not in self._servers:
            raise ChatError(f"server {number} is not started; start it: {number} start N PORT")
        if not self._servers[number].lives():
            raise ChatError(f"server {number} has ended: {self._forget(number)}")
        return self._servers[number]

    def _forget(self, number: int) -> str:
        """End a server, so that its ID is free. Return its last words."""
        return self._servers.pop(number).end(END_LIMIT)[1]


def say(text: str) -> None:
    complain(f"runner.py console: {text}")


def read_lines() -> Iterator[str]:
    """Yield the lines of standard input. A terminal has a prompt and a history."""
    if not (os.isatty(0) and os.isatty(1)):
        for lines in iter(Keyboard().lines, None):
            yield from map(decode, lines)
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # gives input() a history
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")
    write_all(1, b"\n")


def run_console(arguments: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ends servers, too
    parser = Parser(prog="runner.py console", epilog=f"A line is {FORMS}.",
                    description="Start chat servers and talk to them, as standard input says.")
    add_line_flags(parser)
    parser.add_argument("--settle", type=seconds(0), default=1.0, metavar="SECONDS",
                        help="quiet after the last msg and start before a get asks (1)")
    args = parser.parse_args(arguments)
    flags = ["--udp-base", str(args.udp_base), f"--outputs={args.outputs}"]
    if args.chat_key is not None:
        load(args.chat_key, parse_key)  # tells at once why it cannot be read
        flags.append(f"--chat-key={args.chat_key}")
    with ChatConsole(args.settle, flags) as console:
        console.carry_out_all(read_lines())
