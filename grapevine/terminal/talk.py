"""The console of a peer on a terminal: it answers in words, and a line that is no command is a
message. Only such a peer imports this.
"""

import os

from grapevine.terminal.command_line import did_you_mean
from grapevine.terminal.console import Console, split_command
from grapevine.terminal.folders import command, shown
from grapevine.terminal.keys import Keys
from grapevine.terminal.prompt import PromptScreen
from grapevine.terminal.words import Words, many

COMMANDS = ("peers", "messages", "status", "help", "quit", "exit", "raw")


def prompt_screen(address, misses: int, seeds: list) -> PromptScreen:
    """Return the screen, and keyboard, of a peer on a terminal."""
    return PromptScreen(Words(str(address), misses, len(seeds)), Keys())


def understood(line: str) -> tuple[str, str]:
    """Return (command, text) for a typed line. A line that resembles no command is a message."""
    command, text = split_command(line)
    words = line.split()
    if command == "say" or not words:
        return command, text
    first, has_slash = words[0].lower(), words[0][0] == "/"
    if first == "/say":
        return "say", line.split(maxsplit=1)[1] if len(words) > 1 else ""
    if first.removeprefix("/") in COMMANDS and (has_slash or len(words) == 1):
        return first.removeprefix("/").replace("exit", "quit"), ""
    is_mistyped = has_slash or len(words) == 1 and did_you_mean(first, COMMANDS)
    return (command, "") if is_mistyped else ("say", command)


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

    def __init__(self, peer, world, screen: PromptScreen, path: str):
        """`path` is that of its output file. Say what a person should know first."""
        super().__init__(peer, world, screen, screen)
        self._named, self._told, self._path = screen.words.name, screen.words.message, path
        self._answers["raw"] = self._raw
        screen.say(f"I am {peer.address.port}. Type a message, or /help. /quit says goodbye, "
                   "Ctrl-C does not.\nEvery event, with all its fields, in UTC: "
                   f"{shown(path)}\n")

    def take_leave(self) -> None:
        how = "said goodbye" if self._peer.is_leaving else "was interrupted"
        self._screen.say(f"{self._peer.address.port} {how}. Its file: {shown(self._path)}\n"
                         f"The proof: {command('check', os.path.dirname(self._path))}")

    def _raw(self) -> str:
        self._screen.raw = not self._screen.raw
        return ("Events as in the output file. In words again: /raw" if self._screen.raw
                else "Events in words.")

    def quit(self) -> None:
        if self._peer.is_unheard:
            self._screen.say("Waiting for neighbours that hear that, three seconds at most.")
        super().quit()

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
