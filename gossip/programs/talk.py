"""A peer on a terminal: events in words, and a prompt that takes commands and messages."""

import difflib
import os
import pathlib

from gossip.addresses import Address
from gossip.escaping import escape
from gossip.programs.console import Console, split_command
from gossip.terminal.keys import Keys
from gossip.terminal.line_editor import LineEditor
from gossip.terminal.prompt_screen import PromptScreen
from gossip.terminal.words import Words, many

COMMANDS = ("peers", "messages", "status", "help", "quit", "exit", "raw")
SIMILAR = 0.7  # of a word and a command, from 0 to 1: then the word is a slip, and no message


def understood(line: str) -> tuple[str, str]:
    """Return (command, text) for a typed line. A command may begin with `/`, in small or capital
    letters. `say TEXT` is a message, and so is what looks like no command."""
    command, text = split_command(line)
    words = line.split()
    if command == "say" or not words:
        return command, text
    first, slash = words[0].lower(), words[0][0] == "/"
    if first == "/say":
        return "say", line.split(maxsplit=1)[1] if len(words) > 1 else ""
    if first.removeprefix("/") in COMMANDS and (slash or len(words) == 1):
        return first.removeprefix("/").replace("exit", "quit"), ""
    is_mistyped = slash or len(words) == 1 and difflib.get_close_matches(
        first, COMMANDS, 1, SIMILAR)
    return (command, "") if is_mistyped else ("say", command)


class TypedLines:
    """What is typed, for a console; with each key the screen shows the line anew."""

    def __init__(self, keys: Keys, screen: PromptScreen):
        self._keys = keys
        self._screen = screen
        self._editor = LineEditor()

    def lines(self) -> list[bytes] | None:
        """Wait for Enter; return all lines that have come together; None at the end."""
        lines: list[bytes] = []
        while not lines:
            self._screen.typed(self._editor.view() if self._keys.in_front() else None)
            keys = self._keys.read()
            if keys is None:
                self._screen.typed(None)
                return None
            lines = self._editor.feed(keys)
        self._screen.typed(self._editor.view())
        return lines


class Talk(Console):
    """Carries out what is typed on a terminal, and answers in words."""

    HELP = """Type a message and press Enter: everybody gets it (as with say MESSAGE).
/peers      my neighbours, and everyone I know
/messages   the latest messages I hold
/status     counts, also of everything dropped
/raw        show events as they stand in the output file, or in words again
/help       this
/quit       leave gracefully: nobody reports me dead
Ctrl-C ends me abruptly, so that others find me dead."""

    def __init__(self, peer, keyboard: TypedLines, screen: PromptScreen, words: Words):
        super().__init__(peer, keyboard, screen)
        self._words = words

    _split = staticmethod(understood)

    def greet(self) -> None:
        """Say what to do, before the peer starts."""
        self._screen.say(f"I am {self._peer.address.port}. Type a message, or /help. "
                         "/quit says goodbye, Ctrl-C does not.\n"
                         "Every event, with all its fields, in UTC: "
                         f"{_shown(self._peer.output.path)}\n")

    def take_leave(self) -> None:
        """Say that the peer has ended, and where to look now."""
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

    def _unknown(self, command: str) -> str:
        shown = escape(command[:60])
        return f"unknown command '{shown}'; to gossip it: say {shown}"

    def _named(self, address: Address) -> str:
        return self._words.name(str(address))

    def _messages(self) -> str:
        return "\n".join(map(self._words.message, super()._messages().splitlines()))

    def _status(self) -> str:
        """What there is in one line, then what was counted, unless that is 0."""
        status = self._counts()
        address, neighbours, seeds, known, held = [status.pop(name) for name in (
            "address", "neighbours", "seeds", "known peers", "messages held")]
        count, _, room = neighbours.partition(" of ")
        return "\n".join([
            f"{address}: {many(int(count), 'neighbour')} (room for {room}), {many(seeds, 'seed')}, "
            f"{many(known, 'known peer')}, {many(held, 'message')}",
            *[f"{name}: {value}" for name, value in status.items() if value != 0]])


def _shown(path: pathlib.Path) -> str:
    """A path as it is shortest from here."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except ValueError:  # on another drive
        return str(path)
