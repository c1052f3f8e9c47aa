"""The chat console, which carries out lines on chat servers.

README.md lists the lines. The main thread carries them out in order. To a server the console is a
proxy. Bytes that are not UTF-8 are sent as typed.
"""

import contextlib
import importlib
import itertools
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterator

from gossip.chat.doorstep import UDP_BASE
from gossip.chat.server_process import ChatError, Server, decode, encode, say
from gossip.events import escape
from gossip.terminal.command_line import (
    Parser, add_outputs, add_settings, parse_port, seconds, show, write_all)
from gossip.terminal.input import Keyboard
from gossip.wire import LINE_LIMIT

FINISH_LIMIT = 15.0  # seconds in which the servers must have read all lines
END_LIMIT = 15.0  # seconds in which a server must end, even on a busy machine

FORMS = "ID start N PORT, ID msg MESSAGEID TEXT, ID get chatLog, ID crash, or exit"
_LINE = re.compile(r"[ \t]*([0-9]{1,5})[ \t]+(start|msg|get|crash)(?:[ \t]+(.*))?", re.DOTALL)
_WORDS = {  # what follows the ID, and a hint for other lines
    "start": (re.compile(r"start ([0-9]{1,5})[ \t]+([^ \t]+)[ \t]*"),
              "N and PORT follow start, for example: 0 start 4 10000"),
    "msg": (re.compile("(msg [0-9]+ .+)", re.DOTALL),
            "a number and a text follow msg, for example: 0 msg 1 Hello, all"),
    "get": (re.compile(r"(get chatLog)[ \t]*"), "it is: {} get chatLog"),
    "crash": (re.compile(r"(crash)[ \t]*"), "it is: {} crash")}


def parse_command(line: str) -> tuple:
    """Parse a line that is not blank, or raise ValueError. Return ("start", ID, N, PORT), or the
    word, the ID and the line for the server."""
    if len(encode(line)) > LINE_LIMIT:
        raise ValueError(f"a line has at most {LINE_LIMIT:,} bytes")
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"a line is {FORMS}")
    number, word = int(match[1]), match[2]
    form, hint = _WORDS[word]
    said = form.fullmatch(f"{word} {match[3] or ''}")
    if said is None:
        raise ValueError(hint.format(number))
    if word != "start":
        return word, number, said[1]
    if number >= (size := int(said[1])):
        raise ValueError(f"IDs are 0 to N-1: with ID {number}, N is {number + 1} or more")
    return word, number, size, parse_port(said[2])


class ChatConsole(contextlib.AbstractContextManager):
    """The console, whose `with` ends the servers that it started."""

    def __init__(self, settle: float, flags: list[str]):
        self._settle = settle  # seconds of quiet before a `get` asks
        self._flags = flags  # of each server that is started
        self._servers: dict[int, Server] = {}
        self._said_at = 0.0  # when the last `msg` was sent

    def __exit__(self, *error) -> None:
        for server in self._servers.values():
            server.let_go()
        until = time.monotonic() + END_LIMIT
        for server in self._servers.values():
            words = server.end(until)
            if server.failed:
                say(f"server {server.id} failed: {words}")

    def carry_out_all(self, lines: Iterator[str]) -> None:
        """Carry out lines until `exit` or the end, and await the servers."""
        for line in itertools.takewhile(lambda line: line.strip(" \t") != "exit", lines):
            self.carry_out(line)
        for server in self._servers.values():
            server.wait()
        until = time.monotonic() + FINISH_LIMIT
        for server in self._servers.values():
            server.finish(until)

    def carry_out(self, line: str) -> None:
        """Carry out a line, or say why not."""
        if not line.strip():
            return
        try:
            word, *arguments = parse_command(line)
            getattr(self, f"_{word}")(*arguments)
        except ValueError as error:
            say(f"'{escape(line[:60])}': {error}")
        except ChatError as error:
            say(str(error))

    def _start(self, number: int, size: int, port: int) -> None:
        if (standing := self._servers.get(number)) is not None:
            standing.wait()
            if standing.lives():
                raise ChatError(f"server {number} runs already, on port {standing.port}")
            self._forget(standing)
        for other in self._servers.values():
            if other.port == port and other.lives():
                raise ChatError(f"port {port} is server {other.id}'s")
        self._servers[number] = Server(
            number, port, ["--chat", str(number), str(size), str(port), *self._flags])

    def _msg(self, number: int, line: str) -> None:
        self._server(number).tell(line)
        self._said_at = time.monotonic()

    def _get(self, number: int, line: str) -> None:
        self._server(number)
        for server in self._servers.values():
            server.wait()
        quiet_since = max(self._said_at, *(server.up_at for server in self._servers.values()))
        time.sleep(max(0.0, quiet_since + self._settle - time.monotonic()))
        answer = self._server(number).ask(line)
        if os.isatty(1):  # a terminal obeys control characters
            answer = encode(escape(decode(answer)))
        write_all(1, answer + b"\n")

    def _crash(self, number: int, line: str) -> None:
        server = self._server(number)
        try:
            server.crash(line)
        finally:
            self._forget(server)

    def _server(self, number: int) -> Server:
        """Return a server after its start. ChatError if it is not up."""
        server = self._servers.get(number)
        if server is None:
            raise ChatError(f"server {number} is not started; start it: {number} start N PORT")
        server.wait()
        if not server.lives():
            why = "has ended" if server.up_at else "did not start"
            raise ChatError(f"server {number} {why}: {self._forget(server)}")
        return server

    def _forget(self, server: Server) -> str:
        """End a server, so that its ID is free. Return its last words."""
        del self._servers[server.id]
        return server.end(time.monotonic() + END_LIMIT)


def read_lines() -> Iterator[str]:
    """Yield the lines of standard input. A terminal has a prompt and a history."""
    if not (os.isatty(0) and os.isatty(1)):
        yield from map(decode, iter(Keyboard().line, None))
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # gives input() a history
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")
    show("")


def console_command(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py console", epilog=f"A line is {FORMS}.",
                    description="Start chat servers and talk to them, as standard input says.")
    parser.add_argument("--udp-base", type=parse_port, default=UDP_BASE, metavar="PORT",
                        help="the UDP port of server 0; the others' follow it (%(default)s)")
    parser.add_argument("--chat-key", type=pathlib.Path, metavar="FILE",
                        help="the key with which servers sign what they send each other")
    add_outputs(parser)
    add_settings(parser, "file_limit")
    parser.add_argument("--settle", type=seconds(0), default=1.0, metavar="SECONDS",
                        help="quiet after the last msg and start before a get asks (1)")
    args = parser.parse_args(arguments)
    flags = ["--udp-base", str(args.udp_base), "--outputs", str(args.outputs),
             "--file-limit", str(args.file_limit)]
    if args.chat_key is not None:
        flags += ["--chat-key", str(args.chat_key)]
    with ChatConsole(args.settle, flags) as console:
        console.carry_out_all(read_lines())
