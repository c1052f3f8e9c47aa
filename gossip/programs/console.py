"""The console of a peer, which carries out the lines of its input."""

import time

from gossip.events import escape
from gossip.programs.starting import quit_when_heard
from gossip.spread.origin import TooLong
from gossip.terminal.input import Keyboard
from gossip.terminal.screen import Screen

SHOWN = 100  # messages that `messages` shows


def split_command(line: str) -> tuple[str, str]:
    """Return (command, text). Only `say` has a text, after a blank or tab."""
    line = line.lstrip()
    if line[:3] == "say" and line[3:4] in (" ", "\t"):
        return "say", line[4:]
    return line.rstrip(), ""


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

    def __init__(self, peer, keyboard: Keyboard, screen: Screen):
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
            self.quit()
        elif command:
            answers = {"help": lambda: self.HELP, "peers": self._peers, "status": self._status,
                       "messages": self._messages, "say": lambda: "say what? Type: say TEXT"}
            unknown = self.UNKNOWN.format(escape(command[:60]))
            self._screen.say(answers.get(command, lambda: unknown)())

    def quit(self) -> None:
        """Leave, once somebody has heard the last message."""
        quit_when_heard(self._peer, self._said_at)

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
