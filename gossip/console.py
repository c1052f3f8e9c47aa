"""The console: what a person types at a running peer.

One thread reads the keyboard; what was typed or pasted together is gossiped together.
"""

from gossip.keyboard import Keyboard
from gossip.origin import TooLong
from gossip.output_file import escape
from gossip.screen import Screen

SHOWN = 100  # messages that `messages` shows

HELP = """say TEXT   gossip TEXT to everyone
peers      my neighbours, and everyone I know
messages   the latest messages I hold
status     counts, also of everything dropped
help       this
quit       leave gracefully: nobody reports me dead
(Ctrl-C ends me abruptly, so that others find me dead)"""


class Console:
    """Carries out typed lines on a peer and shows the answers."""

    def __init__(self, peer, keyboard: Keyboard, screen: Screen):
        self._peer = peer
        self._keyboard = keyboard
        self._screen = screen

    def run(self) -> None:
        """Read lines until the end of input or `quit`."""
        while not self._peer.stopping.is_set():
            lines = self._keyboard.lines()
            if lines is None:
                return
            self.carry_out(lines)

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; texts that stand together are gossiped together."""
        texts = []
        for line in lines:
            try:
                text = line.decode()
                if text.startswith("say "):
                    self._peer.origin.check(text[4:])
                    texts.append(text[4:])
                    continue
                self._gossip(texts)
                texts = []
                self._command(text.strip())
            except UnicodeDecodeError:
                self._screen.say("not UTF-8; nothing was done")
            except TooLong as error:
                self._screen.say(str(error))
        self._gossip(texts)

    def _gossip(self, texts: list[str]) -> None:
        if texts:
            self._peer.gossip(texts)

    def _command(self, command: str) -> None:
        if not command:
            return
        if command == "quit":
            self._peer.quit()
        elif command == "help":
            self._screen.say(HELP)
        elif command == "peers":
            self._screen.say(self._peers())
        elif command == "messages":
            self._screen.say(self._messages())
        elif command == "status":
            self._screen.say("\n".join(f"{k}: {v}" for k, v in self._peer.status().items()))
        elif command == "say":
            self._screen.say("say what? Type: say TEXT")
        else:
            self._screen.say(f"unknown command {escape(command[:60])!r}; type help")

    def _peers(self) -> str:
        neighbours = self._peer.neighbours.addresses()
        known = sorted(self._peer.peer_list.addresses())
        return (f"neighbours ({len(neighbours)}): {' '.join(map(str, neighbours))}\n"
                f"known peers ({len(known)}): {' '.join(map(str, known))}")

    def _messages(self) -> str:
        held = self._peer.messages.count()
        lines = [escape(line.decode()) for line in self._peer.messages.latest(SHOWN)]
        more = [f"({held - len(lines)} older ones are held, too)"] if held > len(lines) else []
        return "\n".join([*more, *lines]) or "no messages yet"
