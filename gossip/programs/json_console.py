"""The console of a peer with --json: what it is told, and what it tells, are lines of JSON, which
gossip/library/README.md lists. Only such a peer imports this.
"""

import json
import time

from gossip.addresses import Address
from gossip.events import gossip_fields, parted, unescape
from gossip.programs.console import Console
from gossip.settings import majority
from gossip.terminal.input import LOOK
from gossip.terminal.screen import Screen
from gossip.tools import parse_json

LINE_LIMIT = 7 * 65_536  # bytes of a line of JSON, which may need six bytes for a character
PATIENCE = 5.0  # seconds without reading after which answers are dropped like events
COMMANDS = ("status", "peers", "leave")
GOSSIP = ("time", "origin", "run", "number", "text")


class JsonScreen(Screen):
    """A screen that writes events to standard output as lines of JSON."""

    def __init__(self, seeds: list[Address]):
        self._seeds = set(map(str, seeds))
        self._wanted = majority(len(seeds))
        self._listed_by: set[str] = set()
        self._told_dropped = 0
        self._seen, self._seen_at = -1, 0.0  # what was written at the last look, and since when
        super().__init__()

    def answer(self, **answer) -> None:
        """Tell an answer. Wait for room, unless the program has read nothing for PATIENCE."""
        text = json.dumps(answer)
        while not self._offer(text):
            now = time.monotonic()
            if self._written != self._seen:
                self._seen, self._seen_at = self._written, now
            if now - self._seen_at > PATIENCE:
                self.say(text)  # most likely it is counted as dropped
                return
            time.sleep(LOOK)

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
            return [{"event": kind, **source, **dict(zip(GOSSIP, fields))}]
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
            self.quit()

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
            case [("do", command)] if command in COMMANDS:
                return command, ""
        raise ValueError('neither {"say": TEXT} nor {"do": COMMAND}, where COMMAND is one of '
                         + ", ".join(COMMANDS))

    def _complain(self, why: str) -> None:
        self._screen.answer(error=why)

    def _command(self, command: str) -> None:
        if command == "leave":
            self.quit()
        elif command == "status":
            self._screen.answer(event="status", **{name.replace(" ", "_"): value
                                                   for name, value in self._counts().items()})
        elif command == "peers":
            neighbours, known = self._addresses().values()
            self._screen.answer(event="peers", neighbours=neighbours, known=known)
