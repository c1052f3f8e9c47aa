"""The servers next to a chat server: their datagrams, and how they are told rumors.

A datagram has whole lines; its first one is a signature, if there is a key. Datagrams may get lost.
So a rumor that is not answered by `status:took:` or `status:knew:` is told again, TRIES times in
all. Who has said nothing since the last try is silent, and is told no rumors until it says
something; anti-entropy brings what it missed.
"""

import hmac
import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address
from grapevine.ways import Flood

UDP = 0  # the door of a server to its neighbours
LONGEST = 60_000  # bytes of a datagram
SIGNATURE = 64 + 1  # bytes of its first line, if it is signed
_SIGNED = re.compile(rb"[0-9a-f]{%d}\n" % (SIGNATURE - 1))  # how a signed datagram begins

TRIES = 4
ANSWER_TIMEOUT = 0.15  # seconds for an answer
CROWDED = 64 << 10  # bytes of unanswered rumors, above which new messages wait
LIMIT = 256 << 10  # bytes of them, above which a neighbour is told no more


class Told(NamedTuple):
    """A rumor without an answer."""

    line: bytes
    at: float  # when it was told last
    tries: int


class Neighbour:
    """The next server of the line; a way of spreading, and anti-entropy, take it for a link."""

    def __init__(self, server, peer: Address, key: bytes | None):
        self.peer = peer
        self.heard_at: float | None = None  # when it was heard last; None if it is not there
        self.differs = False  # by its last digest it has other messages
        self.is_silent = False  # it answers no rumors
        self.has_missed = False  # some, maybe, since it had the same messages last
        self.unanswered: dict[wire.Key, Told] = {}
        self._server, self._key = server, key
        self._content_at = 0 if key is None else SIGNATURE  # in each datagram
        self._told: set[str] = set()  # reasons that were written down

    def send(self, data: bytes) -> None:
        """Send whole lines, in as many datagrams as they need."""
        room = LONGEST - self._content_at
        for content in pack(data, room):
            if len(content) > room:
                continue  # one line, which no datagram has room for
            if self._key is not None:
                content = sign(self._key, self._server.address, self.peer, content) + content
            self._server.world.post(content, self.peer, UDP)

    def open(self, datagram: bytes) -> list[bytes]:
        """Return the lines of a datagram, or none to drop it."""
        is_signed = _SIGNED.match(datagram) is not None
        if is_signed != (self._key is not None):
            reason = ("signed, and no key was given" if is_signed
                      else "not signed, and a key was given")
        elif is_signed and not hmac.compare_digest(datagram[:SIGNATURE], sign(
                self._key, self.peer, self._server.address, datagram[SIGNATURE:])):
            reason = "signed with another key, or for somebody else"
        elif not datagram.endswith(b"\n", self._content_at):
            reason = "not of whole lines"
        else:
            return datagram[self._content_at:-1].split(b"\n")
        if reason not in self._told:
            self._told.add(reason)
            self._server.write_refusal(self.peer, reason)
        return []

    def has_room(self, size: int) -> bool:
        """Tell whether less than so many bytes of rumors are unanswered."""
        return sum([len(told.line) for told in self.unanswered.values()]) < size

    def tell(self, told: dict[wire.Key, Told]) -> None:
        """Tell rumors, which wait for answers from now on."""
        self.unanswered |= told
        self.send_rumors([rumor.line for rumor in told.values()])

    def send_rumors(self, lines: Iterable[bytes]) -> None:
        self.send(b"".join([b"%b%b\n" % (wire.RUMOR, line) for line in lines]))

    def tell_again(self, now: float) -> None:
        """Tell again what was not answered in time."""
        due = {key: told for key, told in self.unanswered.items()
               if told.at + ANSWER_TIMEOUT <= now}
        last = [key for key, told in due.items() if told.tries == TRIES]
        self.is_silent |= any(self.heard_at is None or self.heard_at < due[key].at for key in last)
        self.has_missed |= bool(last)
        for key in self.unanswered.copy() if self.is_silent else last:
            del self.unanswered[key]
        self.tell({key: Told(told.line, now, told.tries + 1) for key, told in due.items()
                   if key in self.unanswered})


class Telling(Flood):
    """Tells all neighbours a rumor at once, because there are at most two."""

    def __init__(self, node):
        super().__init__(node)
        self._again = node.schedule("rumors", self._tell_again, math.inf)

    def new(self, lines: list[bytes], source) -> None:
        now = self.node.now()
        rumors = {wire.gossip_key(line): Told(line, now, 1) for line in lines}
        for link in self.node.gossip_links():
            if link is source:
                continue
            if link.is_silent or not link.has_room(LIMIT):
                link.has_missed = True
            else:
                link.tell(rumors)
        self._again.by(now + ANSWER_TIMEOUT)

    def repeated(self, link, lines: list[bytes]) -> None:
        for line in lines:
            if line in self.node.messages.texts:
                link.unanswered.pop(wire.gossip_key(line), None)

    def heard(self, link, status: wire.Status) -> None:
        if status.verb in ("took", "knew"):
            for key in status.named_among(link.unanswered):
                del link.unanswered[key]

    def has_room(self) -> bool:
        return all(link.has_room(CROWDED) for link in self.node.gossip_links())

    def is_busy(self) -> bool:
        return any(link.unanswered for link in self.node.gossip_links())

    def _tell_again(self, now: float) -> float:
        """Tell again what was not answered in time; return when that is due next."""
        for link in self.node.gossip_links():
            link.tell_again(now)
        return ANSWER_TIMEOUT + min([told.at for link in self.node.gossip_links()
                                     for told in link.unanswered.values()], default=math.inf)


def pack(data: bytes, room: int) -> list[bytes]:
    """Cut lines into pieces of at most `room` bytes. A longer line stays whole."""
    pieces, at = [], 0
    while len(data) - at > room:
        end = data.rfind(b"\n", at, at + room) + 1 or data.index(b"\n", at) + 1
        pieces.append(data[at:end])
        at = end
    return [*pieces, data[at:]] if at < len(data) else pieces


def sign(key: bytes, sender: Address, receiver: Address, content: bytes) -> bytes:
    """Return the line that proves the sender, receiver and content."""
    route = f"{sender}>{receiver}\n".encode()
    return hmac.new(key, route + content, "sha256").hexdigest().encode() + b"\n"
