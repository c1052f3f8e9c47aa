"""The console of a peer: carries out the lines that are typed. Its thread is `console`."""

from grapevine.output import escape
from grapevine.typed import Keyboard
from grapevine.worlds.threads import wait_for_readers

SHOWN = 100  # messages that `messages` shows


def split_command(line: str) -> tuple[str, str]:
    """Return (command, text). Only `say` has a text, after a blank or tab."""
    line = line.lstrip()
    if line[:3] == "say" and line[3:4] in (" ", "\t"):
        return "say", line[4:]
    return line.rstrip(), ""


class Console:
    """Carries out commands of a peer; `world` has its lock."""

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

    def __init__(self, peer, world, screen, keyboard=None):
        """`keyboard` has `lines()`, which come a portion (`READ_SIZE`) at a time; the usual one is
        standard input."""
        self._peer, self._world, self._screen = peer, world, screen
        self._keyboard, self._has_quit = keyboard or Keyboard(), False
        self._answers = {"help": lambda: self.HELP, "peers": self._peers, "status": self._status,
                         "messages": self._messages, "say": lambda: "say what? Type: say TEXT"}

    def take_leave(self) -> None:
        """Say what a person should know last."""

    def read(self) -> None:
        """Carry out lines to the end of the input, or to the end of the peer."""
        while not self._is_over() and (lines := self._keyboard.lines()) is not None:
            self.carry_out(lines)

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; texts that follow one another are said together."""
        texts: list[str] = []
        for line in lines:
            if self._is_over():
                return
            try:
                command, text = self._split(line.decode())
                if command == "say" and text:
                    self._peer.check(text)
                    texts.append(text)
                    continue
                self.say(texts)
                texts = []
                self._command(command)
            except UnicodeDecodeError:
                self._screen.say("not UTF-8; nothing was done")
            except ValueError as error:
                self._screen.say(str(error))
        self.say(texts)

    def say(self, texts: list[str]) -> None:
        """Have the peer say texts, once neighbours that read slowly have room."""
        if texts:
            wait_for_readers(self._peer)
            with self._world.lock:
                self._peer.originate(texts)

    def _is_over(self) -> bool:
        return self._has_quit or self._peer.stopping or self._peer.is_leaving

    def _command(self, command: str) -> None:
        if command == "quit":
            self.quit()
        elif command:
            unknown = self.UNKNOWN.format(escape(command[:60]))
            self._screen.say(self._answers.get(command, lambda: unknown)())

    def quit(self) -> None:
        """Leave, once somebody has heard the last message. What is typed now is for the shell."""
        self._has_quit = True
        with self._world.lock:
            self._peer.leave()

    def _counts(self) -> dict[str, object]:
        with self._world.lock:
            return {**self._peer.status(), "lines not shown": self._screen.dropped}

    def _status(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._counts().items())

    def _peers(self) -> str:
        with self._world.lock:
            found = {"neighbours": self._peer.neighbours.linked(),
                     "known peers": self._peer.peer_list.known}
        return "\n".join(
            f"{what} ({len(peers)}): {' '.join([self._named(str(peer)) for peer in peers])}"
            for what, peers in found.items())

    def _messages(self) -> str:
        with self._world.lock:
            latest, held = self._peer.messages.latest(SHOWN), self._peer.messages.count()
        older = held - len(latest)
        lines = [f"({older} older ones are held, too)"] if older else []
        lines += [self._told(escape(line.decode())) for line in latest]
        return "\n".join(lines) or "no messages yet"
