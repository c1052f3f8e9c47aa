"""The consoles of a peer, which carry out lines of its input. On a terminal a line that is no
command is a message. With --json lines are objects, listed in gossip/library/README.md.
"""

import json
import os
import pathlib
import time

from gossip.addresses import Address
from gossip.events import escape, gossip_fields, parted, unescape
from gossip.programs.starting import quit_when_heard
from gossip.settings import majority
from gossip.spread.origin import TooLong
from gossip.terminal.input import Keyboard
from gossip.terminal.prompt import PromptScreen
from gossip.terminal.screen import Screen
from gossip.terminal.words import Words, many
from gossip.tools import did_you_mean, parse_json

SHOWN = 100  # messages that `messages` shows
COMMANDS = ("peers", "messages", "status", "help", "quit", "exit", "raw")
JSON_LIMIT = 7 * 65_536  # bytes of a line of JSON, which may need six bytes for a character
JSON_COMMANDS = ("status", "peers", "leave")
JSON_GOSSIP = ("time", "origin", "run", "number", "text")


def split_command(line: str) -> tuple[str, str]:
    """Return (command, text). Only `say` has a text, after a blank or tab."""
    line = line.lstrip()
    if line[:3] == "say" and line[3:4] in (" ", "\t"):
        return "say", line[4:]
    return line.rstrip(), ""


def understood(line: str) -> tuple[str, str]:
    """Return (command, text) for a typed line. A line that resembles no command is a message."""
    command, text = split_command(line)
    words = line.split()
    if command == "say" or not words:
        return command, text
    first, slash = words[0].lower(), words[0][0] == "/"
    if first == "/say":
        return "say", line.split(maxsplit=1)[1] if len(words) > 1 else ""
    if first.removeprefix("/") in COMMANDS and (slash or len(words) == 1):
        return first.removeprefix("/").replace("exit", "quit"), ""
    is_mistyped = slash or len(words) == 1 and did_you_mean(first, COMMANDS)
    return (command, "") if is_mistyped else ("say", command)


class Console:
    """A console that carries out lines and shows the answers."""

    HELP = """say TEXT   gossip TEXT to everyone
peers      my neighbours, and everyone I know
messages   the latest messages I hold
status     counts, also of everything dropped
help       this
quit       leave gracefully: nobody reports me dead
(Ctrl-C ends me abruptly, so that others find me dead)"""
    UNKNOWN = "unknown command '{0}'; type help"
    _split = staticmethod(split_command)
    _named = _told = staticmethod(str)  # an address or a message, for people

    def __init__(self, peer, keyboard: Keyboard | PromptScreen, screen: Screen):
        self._peer, self._keyboard, self._screen = peer, keyboard, screen
        self._said_at: float | None = None  # by the peer's clock

    def read_lines(self) -> None:
        while not self._over() and (lines := self._keyboard.lines()) is not None:
            self.carry_out(lines)

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; consecutive texts are gossiped together."""
        texts = []
        for line in lines:
            if self._over():
                return
            try:
                word, text = self._split(line.decode())
                if word == "say" and text:
                    with self._peer.turn:
                        self._peer.spreading.origin.check(text, time.time())
                    if self._peer.messages.forbids(text):
                        self._complain("it has a forbidden word; nothing was sent")
                    else:
                        texts.append(text)
                    continue
                self._gossip(texts)
                texts = []
                self._command(word)
            except UnicodeDecodeError:
                self._complain("not UTF-8; nothing was done")
            except ValueError as error:
                self._complain(str(error))
        self._gossip(texts)

    def _complain(self, why: str) -> None:
        self._screen.say(why)

    def _over(self) -> bool:
        return self._peer.stopping or self._peer.leaving

    def _gossip(self, texts: list[str]) -> None:
        try:
            if texts:
                self._peer.gossip(texts)
                self._said_at = self._peer.now()
        except TooLong as error:  # since the check, because numbers grow
            if len(texts) == 1:
                self._complain(str(error))
            for text in texts if len(texts) > 1 else ():
                self._gossip([text])

    def _command(self, command: str) -> None:
        if command == "quit":
            quit_when_heard(self._peer, self._said_at)
        elif command:
            answers = {"help": lambda: self.HELP, "peers": self._peers, "status": self._status,
                       "messages": self._messages, "say": lambda: "say what? Type: say TEXT"}
            unknown = self.UNKNOWN.format(escape(command[:60]))
            self._screen.say(answers.get(command, lambda: unknown)())

    def _counts(self) -> dict[str, object]:
        return {**self._peer.status(), "lines not shown": self._screen.dropped}

    def _status(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._counts().items())

    def _addresses(self) -> dict[str, list[str]]:
        with self._peer.turn:
            return {"neighbours": list(map(str, self._peer.neighbours.addresses())),
                    "known peers": list(map(str, self._peer.peer_list.addresses()))}

    def _peers(self) -> str:
        return "\n".join(f"{what} ({len(addresses)}): {' '.join(map(self._named, addresses))}"
                         for what, addresses in self._addresses().items())

    def _messages(self) -> str:
        with self._peer.turn:
            held, latest = self._peer.messages.count(), self._peer.messages.latest(SHOWN)
        lines = [escape(line.decode()) for line in latest]
        more = [f"({held - len(lines)} older ones are held, too)"] if held > len(lines) else []
        return "\n".join(map(self._told, [*more, *lines])) or "no messages yet"


class Talk(Console):
    """A console on a terminal, which answers in words."""

    HELP = """Type a message and press Enter: everybody gets it (as with say MESSAGE).
/peers      my neighbours, and everyone I know
/messages   the latest messages I hold
/status     counts, also of everything dropped
/raw        show events as they stand in the output file, or in words again
/help       this
/quit       leave gracefully: nobody reports me dead
Ctrl-C ends me abruptly, so that others find me dead."""
    UNKNOWN = "unknown command '{0}' (/help lists them); to gossip it: say {0}"
    _split = staticmethod(understood)

    def __init__(self, peer, screen: PromptScreen, words: Words):
        super().__init__(peer, screen, screen)
        self._named, self._told = words.name, words.message

    def greet(self) -> None:
        self._screen.say(f"I am {self._peer.address.port}. Type a message, or /help. /quit says "
                         "goodbye, Ctrl-C does not.\nEvery event, with all its fields, in UTC: "
                         f"{_shown(self._peer.output.path)}\n")

    def take_leave(self) -> None:
        how = "said goodbye" if self._peer.leaving else "was interrupted"
        path = self._peer.output.path
        self._screen.say(f"{self._peer.address.port} {how}. Its file: {_shown(path)}\n"
                         f"The proof: python runner.py check {_shown(path.parent)}")

    def _command(self, command: str) -> None:
        if command == "raw":
            self._screen.raw = not self._screen.raw
            self._screen.say("Events as in the output file. In words again: /raw"
                             if self._screen.raw else "Events in words.")
        else:
            super()._command(command)

    def _status(self) -> str:
        """Return a summary, and a line for each count above 0."""
        status = self._counts()
        address, neighbours, seeds, known, held = map(status.pop, (
            "address", "neighbours", "seeds", "known peers", "messages held"))
        count, _, room = neighbours.partition(" of ")
        return "\n".join([
            f"{address}: {many(int(count), 'neighbour')} (room for {room}), {many(seeds, 'seed')}, "
            f"{many(known, 'known peer')}, {many(held, 'message')}",
            *[f"{name}: {value}" for name, value in status.items() if value != 0]])


def _shown(path: pathlib.Path) -> str:
    """Return a path, or its relative form if that is shorter."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except ValueError:  # on another drive
        return str(path)


class JsonScreen(Screen):
    """A screen that writes events to standard output as lines of JSON."""

    def __init__(self, seeds: list[Address]):
        self._seeds = set(map(str, seeds))
        self._wanted = majority(len(seeds))
        self._listed_by: set[str] = set()
        self._told_dropped = 0
        super().__init__()

    def answer(self, **answer) -> None:
        self.say(json.dumps(answer))

    def _raw(self, clock: str, events: list[str], seed: Address | None) -> str:
        said = [one for event in events for one in self._objects(unescape(event))]
        if self.dropped > self._told_dropped:
            said.append({"event": "dropped", "lines": self.dropped - self._told_dropped})
            self._told_dropped = self.dropped
        return "".join(json.dumps(one) + "\n" for one in said)

    def _objects(self, event: str) -> list[dict[str, object]]:
        """Return an event as an object, and perhaps the object `joined`."""
        kind, address, rest = parted(event)
        fields = gossip_fields(rest) if kind in ("received", "generated") else None
        if fields is not None:
            source = {"from": address} if address else {}
            return [{"event": kind, **source, **dict(zip(JSON_GOSSIP, fields))}]
        if kind == "started":
            return [{"event": kind, "peer": rest.partition(":")[2]}]
        if kind == "seed":  # its name has led to an address
            self._seeds.add(rest.rpartition("=")[2])
        about = {"seed" if address in self._seeds else "peer": address} if address else {}
        said = [{"event": kind, **about, **({"detail": rest} if rest else {})}]
        if kind == "unregistered":
            self._listed_by.discard(address)
        elif kind == "registered":
            self._listed_by.add(address)
            if len(self._listed_by) == self._wanted:
                said.append({"event": "joined", "seeds": self._wanted})
        return said


class JsonConsole(Console):
    """A console for lines of JSON."""

    def read_lines(self) -> None:
        """Read lines until the end of input, then leave."""
        super().read_lines()
        if not self._over():
            quit_when_heard(self._peer, self._said_at)

    @staticmethod
    def _split(line: str) -> tuple[str, str]:
        """Return (command, text), or raise ValueError for a wrong line."""
        try:
            asked = parse_json(line)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
        match list(asked.items()) if isinstance(asked, dict) else []:
            case [("say", str(text))] if text and not text.endswith("\r"):
                return "say", text
            case [("say", _)]:
                raise ValueError("the value of say is a text of one line")
            case [("do", command)] if command in JSON_COMMANDS:
                return command, ""
        raise ValueError('neither {"say": TEXT} nor {"do": COMMAND}, where COMMAND is one of '
                         + ", ".join(JSON_COMMANDS))

    def _complain(self, why: str) -> None:
        self._screen.answer(error=why)

    def _command(self, command: str) -> None:
        if command == "leave":
            quit_when_heard(self._peer, self._said_at)
        elif command == "status":
            status = {**self._counts(), "address": str(self._peer.address)}
            self._screen.answer(event="status", **{name.replace(" ", "_"): value
                                                   for name, value in status.items()})
        elif command == "peers":
            neighbours, known = self._addresses().values()
            self._screen.answer(event="peers", neighbours=neighbours, known=known)
