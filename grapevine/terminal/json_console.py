"""peer.py --json: what a program is told, and what it says, are lines of JSON, which the README of
the library lists.
"""

import json
import os
import time

from grapevine.addresses import Target
from grapevine.events import gossip_fields, parted, unescape
from grapevine.settings import majority
from grapevine.terminal.console import Console
from grapevine.terminal.screen import CLOCK, WAITING_LIMIT, Screen
from grapevine.typed import parse_json

READ_TIMEOUT = 5.0  # seconds without reading, after which answers are dropped like events
CLOSE_LIMIT = 20.0  # seconds that the end waits after leaving
DRAIN_POLL = 0.02  # seconds between two looks whether there is room
PORTION = 4_096  # bytes that a pipe takes whole, or not
EXACT = 2**53  # integers beyond this are strings, because many readers of JSON round them
COMMANDS = ("status", "peers", "leave")
GOSSIP = ("time", "origin", "run", "number", "text")


class JsonScreen(Screen):
    """Writes events and answers to standard output as lines of JSON."""

    def __init__(self, seeds: list[Target]):
        self._seeds, self._wanted = set(map(str, seeds)), majority(len(seeds))
        self._listed_by: set[str] = set()
        self._told_dropped = 0
        self._wrote_at = time.monotonic()
        super().__init__()

    def show(self, line: str, seed=None) -> None:
        if line.endswith(" stopped:quit"):
            self.close_limit = CLOSE_LIMIT
        super().show(line)

    def say(self, text: str) -> None:
        """Tell that something typed is wrong."""
        self.answer(error=text)

    def answer(self, **answer) -> None:
        """Tell an answer. Wait for room, unless the program has read nothing for READ_TIMEOUT."""
        while self._waiting > WAITING_LIMIT and time.monotonic() - self._wrote_at < READ_TIMEOUT:
            time.sleep(DRAIN_POLL)
        super().say(json.dumps(answer))

    def _present(self, items: list, is_last: bool) -> None:
        said = [one for item in items
                for one in ([item] if isinstance(item, str) else self._objects(item[0][CLOCK:]))]
        if self.dropped > self._told_dropped:
            said.append({"event": "dropped", "lines": self.dropped - self._told_dropped})
            self._told_dropped = self.dropped
        data = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n"
                       for one in said).encode()
        try:
            while data:
                end = data.rfind(b"\n", 0, PORTION) + 1  # of a line, so that a cut leaves no half
                data = data[os.write(1, data[:end or PORTION]):]
                self._wrote_at = time.monotonic()
        except OSError:
            with self._lock:
                self.dropped += len(said)  # nobody reads any more

    def _objects(self, event: str) -> list[dict[str, object]]:
        """Return an event as an object, and perhaps the object `joined`."""
        kind, address, rest = parted(unescape(event))
        fields = gossip_fields(rest) if kind in ("received", "generated") else None
        if fields is not None:
            exact = [str(field) if isinstance(field, int) and field > EXACT else field
                     for field in fields]
            source = {"from": address} if address else {}
            return [{"event": kind, **source, **dict(zip(GOSSIP, exact))}]
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


def split_line(line: str) -> tuple[str, str]:
    """Return (command, text); ValueError for a wrong line."""
    try:
        asked = parse_json(line)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    match list(asked.items()) if isinstance(asked, dict) else []:
        case [("say", str(text))] if text and not text.endswith("\r"):
            text.encode()  # UnicodeEncodeError for half of a surrogate pair
            return "say", text
        case [("say", _)]:
            raise ValueError("the value of say is a text of one line")
        case [("do", command)] if command in COMMANDS:
            return command, ""
    raise ValueError('neither {"say": TEXT} nor {"do": COMMAND}, where COMMAND is one of '
                     + ", ".join(COMMANDS))


class JsonConsole(Console):
    """Carries out commands that are lines of JSON."""

    _split = staticmethod(split_line)

    def read(self) -> None:
        """Read lines until the end of the input, then leave."""
        super().read()
        if not self._is_over():
            self.quit()

    def _command(self, command: str) -> None:
        if command == "leave":
            self.quit()
        elif command == "status":
            counts = {**self._counts(), "address": str(self._peer.address)}
            self._screen.answer(event="status", **{name.replace(" ", "_"): value
                                                   for name, value in counts.items()})
        elif command == "peers":
            with self._world.lock:
                linked, known = self._peer.neighbours.linked(), self._peer.peer_list.known
            self._screen.answer(event="peers", neighbours=[str(peer) for peer in linked],
                                known=[str(peer) for peer in known])
