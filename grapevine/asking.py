"""Nodes that say lines of text, and nodes that ask others for a sign of life.

`LineNode` cuts bytes into lines of the wire. `Asker` is what seeds and peers share: a probe is a
new connection with one Liveness Request, by which a node finds out whether somebody listens at an
announced address, and lives.
"""

import enum

from grapevine import wire
from grapevine.addresses import Address
from grapevine.link import Link
from grapevine.node import CONNECT, END, LATE, RESOURCE_ERRNOS, UNIDENTIFIED, UP, Node
from grapevine.tools import Budget, ProtocolError

PROBE = "PROBED"  # the role of a link that was dialled to ask for a sign of life
ALIVE = "alive"  # the reason of its end, when the answer has come
CARRIAGE_RETURN = ord("\r")  # a number, because looking for bytes in bytes is ten times slower
BRIEF = 2_000  # bytes of a line on a link that is cut off, or probed: nothing longer is said there
PACE, PACE_BURST = 100, 200  # lines a second, and at once, that may be said on a PACED link
UNREAD_REST = 1.0  # seconds for which it is not read while answers wait for it


class Verdict(enum.Enum):
    """The result of a probe."""

    ALIVE = "it answers"
    REFUSED = "nobody listens there"
    SILENT = "no answer, or a wrong one"
    UNKNOWN = "this node is late, or lacks descriptors"

    def __bool__(self) -> bool:
        """Tell whether somebody lives there."""
        return self is Verdict.ALIVE


class LineNode(Node):
    """A node whose messages are lines of text (wire.py)."""

    parse = staticmethod(wire.parse)

    def cut(self, link: Link, data: bytes) -> list[bytes]:
        """Cut bytes into lines. Each `\\r` before a line end belongs to the line end."""
        if link.rest:
            data = link.rest + data
        *lines, link.rest = data.split(b"\n")
        if len(data) > wire.LINE_LIMIT and max(map(len, [*lines, link.rest])) > wire.LINE_LIMIT:
            raise ProtocolError(f"a line longer than {wire.LINE_LIMIT} bytes")
        return [line.rstrip(b"\r") for line in lines] if CARRIAGE_RETURN in data else lines


class Asker(LineNode):
    """A node that probes others."""

    PROBING = {UP: "ask_for_life", "liveness_reply": "on_sign_of_life", END: "probe_ended"}
    PACED = CUT_OFF = {UNIDENTIFIED}  # roles of links held above PACE; of those that end above it

    def took(self, link: Link, data: bytes) -> None:
        super().took(link, data)
        try:
            if not link.pending:  # else those lines may change its role
                self._check_brief(link, link.rest)
            elif len(link.pending) > PACE_BURST and link.role in self.CUT_OFF:
                raise ProtocolError(f"more than {PACE} lines a second")
        except ProtocolError as error:
            self.refuse(link, str(error))

    def _check_brief(self, link: Link, line: bytes) -> None:
        if len(line) > BRIEF and (link.role in self.CUT_OFF | self.CROWD or link.role == PROBE):
            raise ProtocolError(f"a line longer than {BRIEF} bytes while {link.role}")

    def handle_one(self, link: Link, line: bytes) -> None:
        self._check_brief(link, line)
        # who reads no answers gets one at a time: thousands could have a long backlog each
        if link.waiting and link.role in self.PACED and link.deadline is None:
            link.pending.append(line)
            self.hold(link, None, UNREAD_REST)
            return
        super().handle_one(link, line)
        if link.role in self.PACED:
            link.budget = link.budget or Budget(PACE, PACE_BURST)
            if rest := link.budget.charge(1, self.now()):
                if link.role in self.CUT_OFF:
                    raise ProtocolError(f"more than {PACE} lines a second")
                self.hold(link, None, rest)

    def probe(self, peer: Address, on_verdict, limit: float = CONNECT) -> None:
        """Ask an address for a sign of life. `on_verdict(Verdict)` follows."""
        self.dial(PROBE, peer, limit).on_verdict = on_verdict

    def ask_for_life(self, link: Link) -> None:
        link.asked = wire.format_time(self.time()), self.address
        link.send(wire.say("liveness_request", *link.asked))

    def on_sign_of_life(self, link: Link, time: str, asker: Address, replier: Address) -> None:
        if (time, asker, replier) != (*link.asked, link.peer):
            raise ProtocolError("not the reply to this probe")
        link.close(ALIVE)

    def probe_ended(self, link: Link, error: OSError | None) -> None:
        if link.closed == ALIVE:
            link.on_verdict(Verdict.ALIVE)
            return
        lacks = error is not None and error.errno in RESOURCE_ERRNOS
        is_late = self.is_late() or self.now() > link.deadline + LATE  # maybe unnoticed so far
        verdict = Verdict.REFUSED if isinstance(error, ConnectionRefusedError) else Verdict.SILENT
        link.on_verdict(Verdict.UNKNOWN if lacks or is_late else verdict)

    def on_liveness_request(self, link: Link, time: str, asker: Address) -> None:
        link.send(wire.say("liveness_reply", time, asker, self.address))
