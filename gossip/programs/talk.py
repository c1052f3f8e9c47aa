"""The console of a peer on a terminal: it answers in words, and a line that is no command is a
message. Only such a peer imports this.
"""

from gossip.programs.console import Console, split_command
from gossip.programs.starting import is_heard
from gossip.terminal.folders import command, shown
from gossip.terminal.prompt import PromptScreen
from gossip.terminal.words import many
from gossip.tools import did_you_mean

COMMANDS = ("peers", "messages", "status", "help", "quit", "exit", "raw")


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

    def __init__(self, peer, keyboard: PromptScreen, screen: PromptScreen):
        super().__init__(peer, keyboard, screen)
        self._named, self._told = screen.words.name, screen.words.message

    def greet(self) -> None:
        self._screen.say(f"I am {self._peer.address.port}. Type a message, or /help. /quit says "
                         "goodbye, Ctrl-C does not.\nEvery event, with all its fields, in UTC: "
                         f"{shown(self._peer.output.path)}\n")

    def take_leave(self) -> None:
        how = "said goodbye" if self._peer.leaving else "was interrupted"
        path = self._peer.output.path
        self._screen.say(f"{self._peer.address.port} {how}. Its file: {shown(path)}\n"
                         f"The proof: {command('check', path.parent)}")

    def _command(self, command: str) -> None:
        if command == "raw":
            self._screen.raw = not self._screen.raw
            self._screen.say("Events as in the output file. In words again: /raw"
                             if self._screen.raw else "Events in words.")
        else:
            super()._command(command)

    def quit(self) -> None:
        with self._peer.turn:
            waits = self._said_at is not None and not is_heard(self._peer, self._said_at)
        if waits:
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
