"""Lines of JSON: `peer.py PORT --json`, for programs in any language that start a peer.

Standard output has an object per event, in the words of the output file:

    {"event": "received", "from": "IP:PORT", "origin": "IP:PORT", "run": 1795340745753,
     "number": 1, "time": 1795340750.758945, "text": "hello"}
    {"event": "generated", "origin": …, "run": …, "number": …, "time": …, "text": …}
    {"event": "started", "peer": "IP:PORT"}               this peer itself
    {"event": "joined", "seeds": 4}                       enough seeds list this peer
    {"event": "connected", "peer": "IP:PORT"}             and so on: the kind of the event, the
    {"event": "registered", "seed": "IP:PORT"}            peer or seed that it is about, and what
    {"event": "disconnected", "peer": …, "detail": …}     follows in the file as `detail`; all
    {"event": "dead", "peer": "IP:PORT"}                  kinds: gossip/lab/proof/README.md

Standard input takes `{"say": "hello"}`, `{"do": "status"}`, `{"do": "peers"}`, `{"do": "leave"}`.
Status is answered by `{"event": "status", …}`, peers by `{"event": "peers", "neighbours":
["IP:PORT", …], "known": […]}`. Any other line is answered by `{"error": "why"}`, and changes
nothing. At the end of the input the peer leaves.
"""

import json

from gossip.addresses import Address
from gossip.events import gossip_fields, parted, unescape
from gossip.programs.consoles import Console
from gossip.settings import majority
from gossip.terminal.screen import Screen

LONGEST = 7 * 65_536  # bytes of a line of input: JSON may take six bytes for a character
GOSSIP = ("time", "origin", "run", "number", "text")
ANSWERED = ("status", "peers", "leave")  # commands


class JsonScreen(Screen):
    """Writes events to standard output as lines of JSON, from a thread of its own."""

    def __init__(self, seeds: list[Address]):
        self._seeds = set(map(str, seeds))
        self._wanted = majority(len(seeds))
        self._listed_by: set[str] = set()
        self._told_dropped = 0
        super().__init__()

    def answer(self, **answer) -> None:
        """Write an object that answers a command."""
        self.say(json.dumps(answer))

    def _raw(self, clock: str, events: list[str], seed: Address | None) -> str:
        said = [one for event in events for one in self._objects(unescape(event))]
        if self.dropped > self._told_dropped:
            said.append({"event": "dropped", "lines": self.dropped - self._told_dropped})
            self._told_dropped = self.dropped
        return "".join(json.dumps(one) + "\n" for one in said)

    def _objects(self, event: str) -> list[dict[str, object]]:
        """Return the object of an event; after the registration that makes a majority, two."""
        kind, address, rest = parted(event)
        fields = gossip_fields(rest) if kind in ("received", "generated") else None
        if fields is not None:
            source = {"from": address} if address else {}
            return [{"event": kind, **source, **dict(zip(GOSSIP, fields))}]
        if kind == "started":
            return [{"event": kind, "peer": rest.partition(":")[2]}]
        if kind == "seed":  # where its name leads
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
    """Carries out commands that are lines of JSON."""

    def read_lines(self) -> None:
        """Read lines until the end of input, then leave."""
        super().read_lines()
        if not self._over():
            self._peer.quit()

    @staticmethod
    def _split(line: str) -> tuple[str, str]:
        """Return (command, text); ValueError says what is wrong with a line."""
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not JSON: {error}") from None
        match list(asked.items()) if isinstance(asked, dict) else []:
            case [("say", str(text))] if text and not text.endswith("\r"):
                return "say", text
            case [("say", _)]:
                raise ValueError("the value of say is a text of one line")
            case [("do", command)] if command in ANSWERED:
                return command, ""
        raise ValueError('neither {"say": TEXT} nor {"do": COMMAND}, where COMMAND is one of '
                         + ", ".join(ANSWERED))

    def _complain(self, why: str) -> None:
        self._screen.answer(error=why)

    def _command(self, command: str) -> None:
        if command == "leave":
            self._peer.quit()
        elif command == "status":
            status = {**self._counts(), "address": str(self._peer.address)}
            self._screen.answer(event="status", **{name.replace(" ", "_"): value
                                                   for name, value in status.items()})
        elif command == "peers":
            neighbours, known = (list(map(str, some)) for some in self._addresses())
            self._screen.answer(event="peers", neighbours=neighbours, known=known)
