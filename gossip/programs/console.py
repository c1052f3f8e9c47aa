"""The console: what a person types at a running peer.

One thread reads the keyboard and carries out what it reads. Lines that were pasted together are
gossiped together.
"""

import time

from gossip.addresses import Address
from gossip.escaping import escape
from gossip.spread.origin import TooLong
from gossip.terminal.keyboard import Keyboard
from gossip.terminal.screen import Screen

SHOWN = 100  # messages that `messages` shows


def split_command(line: str) -> tuple[str, str]:
    """Return (command, text); only `say` has a text: all that follows one blank behind it."""
    line = line.lstrip()
    if line[:3] == "say" and line[3:4] in (" ", "\t"):
        return "say", line[4:]
    return line.rstrip(), ""


class Console:
    """Carries out typed lines on a peer and shows the answers."""

    HELP = """say TEXT   gossip TEXT to everyone
peers      my neighbours, and everyone I know
messages   the latest messages I hold
status     counts, also of everything dropped
help       this
quit       leave gracefully: nobody reports me dead
(Ctrl-C ends me abruptly, so that others find me dead)"""

    def __init__(self, peer, keyboard: Keyboard, screen: Screen):
        self._peer = peer
        self._keyboard = keyboard
        self._screen = screen

    def read_lines(self) -> None:
        """Read lines until the end of input or `quit`."""
        while not self._over():
            lines = self._keyboard.lines()
            if lines is None:
                return
            self.carry_out(lines)

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; texts that stand together are gossiped together."""
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
                        self._screen.say("it has a forbidden word; nothing was sent")
                    else:
                        texts.append(text)
                    continue
                self._gossip(texts)
                texts = []
                self._command(word)
            except UnicodeDecodeError:
                self._screen.say("not UTF-8; nothing was done")
            except TooLong as error:
                self._screen.say(str(error))
        self._gossip(texts)

    def _over(self) -> bool:
        """Whether the peer has ended, or is about to."""
        return self._peer.stopping or self._peer.leaving

    def _gossip(self, texts: list[str]) -> None:
        """Gossip texts together; if one has become too long (numbers grow), one after the other."""
        try:
            if texts:
                self._peer.gossip(texts)
        except TooLong as error:
            if len(texts) == 1:
                self._screen.say(str(error))
            else:
                for text in texts:
                    self._gossip([text])

    def _command(self, command: str) -> None:
        if command == "quit":
            self._peer.quit()
        elif command:
            answers = {"help": lambda: self.HELP, "peers": self._peers, "status": self._status,
                       "messages": self._messages, "say": lambda: "say what? Type: say TEXT"}
            answer = answers.get(command, lambda: self._unknown(command))
            self._screen.say(answer())

    _split = staticmethod(split_command)

    def _unknown(self, command: str) -> str:
        return f"unknown command '{escape(command[:60])}'; type help"

    def _counts(self) -> dict[str, object]:
        with self._peer.turn:
            return {**self._peer.status(), "lines not shown": self._screen.dropped}

    def _status(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._counts().items())

    def _peers(self) -> str:
        with self._peer.turn:
            neighbours = self._peer.neighbours.addresses()
            known = self._peer.peer_list.addresses()
        return (f"neighbours ({len(neighbours)}): {' '.join(map(self._named, neighbours))}\n"
                f"known peers ({len(known)}): {' '.join(map(self._named, known))}")

    def _named(self, address: Address) -> str:
        return str(address)

    def _messages(self) -> str:
        with self._peer.turn:
            held, latest = self._peer.messages.count(), self._peer.messages.latest(SHOWN)
        lines = [escape(line.decode()) for line in latest]
        more = [f"({held - len(lines)} older ones are held, too)"] if held > len(lines) else []
        return "\n".join([*more, *lines]) or "no messages yet"
