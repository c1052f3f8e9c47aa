"""The console of a peer: carries out the lines that are typed. Its thread is `console`."""

import os
import time

from grapevine.output import escape
from grapevine.terminal.screen import Screen

SHOWN = 100  # messages that `messages` shows
PORTION = 64 << 10  # characters of typed messages that are said at once
KIND = 2.0  # seconds at most that a portion waits for neighbours that read slowly
KIND_LOOK = 0.005  # seconds between two looks for that
HELP = """say TEXT   gossip TEXT to everyone
peers      my neighbours, and everyone I know
messages   the latest messages I hold
status     counts, also of everything dropped
help       this
quit       leave gracefully: nobody reports me dead
(Ctrl-C ends me abruptly, so that others find me dead)"""


class Console:
    """Carries out commands of a peer; `world` has its lock."""

    def __init__(self, peer, world, screen: Screen):
        self._peer, self._world, self._screen = peer, world, screen
        self._answers = {"help": lambda: HELP, "peers": self._peers, "messages": self._messages,
                         "status": self._status, "say": lambda: "say what? Type: say TEXT"}

    def read(self) -> None:
        """Read lines to the end of the input, or to the end of the peer."""
        rest = b""
        while not self._is_over():
            try:
                data = os.read(0, 1 << 16)
            except OSError:
                return  # there is no input
            *lines, rest = (rest + data).split(b"\n")
            self.carry_out(lines if data else [rest])
            if not data:
                return

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; texts that follow one another are said together."""
        texts: list[str] = []
        for line in lines:
            if self._is_over():
                return
            try:
                command = line.rstrip(b"\r").decode()
                if command.lstrip()[:4] in ("say ", "say\t") and command.lstrip()[4:]:
                    texts.append(command.lstrip()[4:])
                    continue
            except UnicodeDecodeError:
                command = None
            self.say(texts)
            texts = []
            if command is None:
                self._screen.show("not UTF-8; nothing was done")
            else:
                self._command(command.strip())
        self.say(texts)

    def say(self, texts: list[str]) -> None:
        """Have the peer say texts, in portions that wait for neighbours that read slowly."""
        portion, size = [], 0
        for text in texts:
            if self._is_good(text):
                portion.append(text)
                size += len(text)
            if size >= PORTION:
                self._say_portion(portion)
                portion, size = [], 0
        self._say_portion(portion)

    def _is_good(self, text: str) -> bool:
        try:
            self._peer.check(text)
        except ValueError as error:
            self._screen.show(str(error))
            return False
        return True

    def _say_portion(self, texts: list[str]) -> None:
        until = self._peer.now() + KIND
        while self._peer.is_crowded() and self._peer.now() < until:
            time.sleep(KIND_LOOK)
        with self._world.lock:
            self._peer.originate(texts)

    def _is_over(self) -> bool:
        return self._peer.stopping or self._peer.is_leaving

    def _command(self, command: str) -> None:
        if command == "quit":
            with self._world.lock:
                self._peer.leave()
        elif command:
            unknown = f"unknown command {escape(command[:60])!r}; type help"
            self._screen.show(self._answers.get(command, lambda: unknown)())

    def _peers(self) -> str:
        with self._world.lock:
            found = {"neighbours": self._peer.neighbours.linked(),
                     "known peers": self._peer.peer_list.known}
        return "\n".join(f"{what} ({len(peers)}): {' '.join(map(str, peers))}"
                         for what, peers in found.items())

    def _messages(self) -> str:
        with self._world.lock:
            latest, held = self._peer.messages.latest(SHOWN), self._peer.messages.count()
        older = held - len(latest)
        lines = [f"({older} older ones are held, too)"] if older else []
        return "\n".join([*lines, *(escape(line.decode()) for line in latest)]) or "no messages yet"

    def _status(self) -> str:
        with self._world.lock:
            counts = {**self._peer.status(), "lines not shown": self._screen.dropped}
        return "\n".join(f"{name}: {value}" for name, value in counts.items())
