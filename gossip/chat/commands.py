"""The lines of the chat console: their grammar, and a sentence on what is wrong with a line.

Pure. A text may hold bytes that are not UTF-8: `encode` gives back the bytes that were typed.
"""

import argparse
import re
from typing import NamedTuple

from gossip.terminal.command_line import parse_port
from gossip.wire import LINE_LIMIT

LONGEST_LINE = LINE_LIMIT  # bytes

FORMS = "ID start N PORT, ID msg MESSAGEID TEXT, ID get chatLog, ID crash, or exit"
_LINE = re.compile(r"[ \t]*([0-9]{1,5})[ \t]+(start|msg|get|crash)(?:[ \t]+(.*))?", re.DOTALL)


class ChatError(Exception):
    """A line could not be carried out; the error says why in one sentence."""


class Command(NamedTuple):
    """What a line asks for."""

    word: str  # start, msg, get, crash or exit
    id: int = 0
    size: int = 0  # start: how many servers stand in the line
    port: int = 0  # start
    line: str = ""  # msg, get, crash: what the server is told


def encode(text: str) -> bytes:
    """The bytes that `decode` was given."""
    return text.encode(errors="surrogateescape")


def decode(data: bytes) -> str:
    """Any bytes as a text; bytes that are not UTF-8 become surrogates."""
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
