"""A chat server: a node in a line without seeds, process ID of N.

It gossips with ID-1 and ID+1 alone, over datagrams, by rumors (neighbours.py) and anti-entropy.
Proxies connect over TCP. README.md has their lines, and the use of keys. The datagrams of strangers
are dropped.
"""

import collections
import math
import os
import re

from grapevine import wire
from grapevine.addresses import Address
from grapevine.chat.neighbours import LONGEST, SIGNATURE, UDP, Neighbour, Telling
from grapevine.events import BROKEN
from grapevine.gossiper import Gossiper
from grapevine.link import Link
from grapevine.settings import Settings
from grapevine.sync import Sync
from grapevine.tools import ProtocolError

PROXY = "PROXY"  # the role of every link
TCP = UDP + 1  # the door to proxies
PROXIES = 256  # that may be connected at once
LOG_LIMIT = 1 << 30  # bytes that may wait for a proxy, because a log is answered in a piece

CHAT = Settings(gossip_count=0, antientropy_interval=1.0, spread="rumor", rate=0)
PORTION, PORTION_TIMEOUT = 32 << 10, 0.2  # of anti-entropy: a portion is mostly one datagram
HASTE = 0.2  # seconds between two comparisons while a neighbour has other messages
SILENCE = 3.5  # anti-entropy intervals without a datagram after which a neighbour counts as gone
TOGETHER = 32 << 10  # bytes of gossip lines that are made at once, for one datagram
ROOM_WAIT = 2.0  # seconds that a proxy waits at most for room for more
AT_CRASH = 10_000  # latest messages that a neighbour that missed some is sent at a crash
LAST_WORDS = 4.0  # seconds at most that an ending server lets the last messages spread
QUIET = 0.3  # seconds without gossip after which it may end
LEAVE_POLL = 0.05  # seconds between two looks whether it may
ROOM = LONGEST - SIGNATURE - len(wire.RUMOR) - 1  # bytes of a gossip line that fits a datagram
MSG = re.compile(rb"msg [0-9]+ (.+)", re.DOTALL)


class ChatServer(Gossiper):
    ANSWERS = {PROXY: {"msg": "on_msg", "get": "on_get", "crash": "on_crash", "other": "on_other"}}

    def __init__(self, address: Address, settings: Settings, output, world, place: str,
                 neighbours: list[Address], key: bytes | None = None):
        """`place` says where in its line it is, for its file."""
        super().__init__(address, settings, output, world)
        self.sync = Sync(self.messages, settings.antientropy_interval, PORTION, PORTION_TIMEOUT,
                         is_reliable=False)
        self.neighbours = {peer: Neighbour(self, peer, key) for peer in neighbours}
        self.comparing = self.schedule("anti-entropy", self.compare_all, math.inf)
        self._compared_at = -math.inf  # when all neighbours were told a digest last
        self._news_at = 0.0  # when gossip came last, also of a proxy
        self._head = len(wire.make_gossip(  # bytes of a line before its text, at most
            wire.format_time(self.time()), self.run, wire.NUMBER_LIMIT, ""))
        output.write(
            f"started:peer:{address}",
            f"settings:{settings.shown()}:chat={place}:start={self.start_number}", "late:0.000")

    def make_way(self) -> Telling:
        return Telling(self)

    def start(self) -> None:
        self.comparing.wake()
        self.world.hear(self.heard_datagram, UDP)
        self.world.listen(self.accept_proxy, TCP)

    def gossip_links(self) -> list[Neighbour]:
        return list(self.neighbours.values())

    # Anti-entropy: at the start, every second, and sooner while a neighbour differs.

    def compare_all(self, now: float) -> float:
        """Compare with all neighbours; return when that is due next."""
        interval, self._compared_at = self.settings.antientropy_interval or math.inf, now
        for link in self.gossip_links():
            self.compare(link)
            is_over = link.heard_at is not None and now - link.heard_at > interval * SILENCE
            if is_over and not self.is_late():
                link.heard_at = None
                self.output.write(f"disconnected:{link.peer}:silent:{BROKEN}", self._degree())
        return now + (HASTE if self._is_in_haste() else interval)

    def _is_in_haste(self) -> bool:
        return any(link.differs and link.heard_at is not None for link in self.gossip_links())

    def _degree(self) -> str:
        here = sum(link.heard_at is not None for link in self.gossip_links())
        return f"degree:{self.address}=>{here}"

    # What neighbours say.

    def heard_datagram(self, datagram: bytes, source: Address) -> None:
        link = self.neighbours.get(source)
        lines = link.open(datagram) if link is not None else []
        if not lines:
            return
        is_new, link.heard_at = link.heard_at is None, self.now()
        was_silent, link.is_silent = link.is_silent, False
        if is_new:
            self.output.write(f"connected:{link.peer}", self._degree())
        if is_new or was_silent:
            self.compare(link)
        try:
            for form, group in wire.by_form(lines):
                self._take_group(link, form, group)
        except ProtocolError as error:
            self.write_refusal(link.peer, str(error))

    def _take_group(self, link: Neighbour, form: bytes | None, lines: list[bytes]) -> None:
        if form is not None:
            self._news_at = self.now()
            (self.receive_rumors if form == wire.RUMOR else self.receive)(link, lines)
            return
        for line in lines:
            kind, values = wire.parse(line)
            if kind != "status":
                raise ProtocolError(f"{kind} is not expected from a chat server")
            self._note_difference(link, *values)
            self.heard(link, *values)

    def _note_difference(self, link: Neighbour, status: wire.Status) -> None:
        if status.verb in ("took", "knew"):
            return
        differed, link.differs = link.differs, (
            status.verb != "digest" or not self.sync.agrees(link, status.digest, self.now()))
        link.has_missed &= link.differs
        if link.differs:
            self.comparing.by(self._compared_at + HASTE)
        elif differed:
            self.compare(link)  # because it may wait to hear that we agree

    # What proxies say.

    def accept_proxy(self, connection, remote: Address) -> Link:
        """Accept a proxy, unless too many are connected. It may stay silent."""
        link = self.accepted(connection, remote)
        self.trust(link, PROXY, remote)
        link.limit = LOG_LIMIT
        if len(self.links) > PROXIES:
            self.refuse(link, f"{PROXIES} proxies are connected")
        return link

    def cut(self, link: Link, data: bytes) -> list:
        """Cut bytes into lines; `msg` lines that follow one another become a list of texts, to be
        gossiped together, in portions."""
        messages, size = [], TOGETHER
        *lines, rest = (link.rest + data).split(b"\n")
        link.rest = rest[:wire.LINE_LIMIT + 1]  # enough to tell that the line is too long
        for line in lines:
            match = None
            if len(line) <= wire.LINE_LIMIT:
                line = line.rstrip(b"\r")
                match = MSG.fullmatch(line)
            if match is None:
                messages.append(line)
                size = TOGETHER
                continue
            size += self._head + len(match[1])
            if size > TOGETHER:
                messages.append([])
                size = self._head + len(match[1])
            messages[-1].append(match[1])
        return messages

    def parse(self, message: bytes | list[bytes]) -> tuple[str, tuple]:
        """Return the kind and values of what `cut` has made."""
        if isinstance(message, list):
            return "msg", (message,)
        kind = {b"get chatLog": "get", b"crash": "crash"}.get(message)
        return (kind, ()) if kind else ("other", (message,))

    def on_msg(self, link: Link, texts: list[bytes]) -> None:
        """Gossip texts; the next ones of this proxy wait for room."""
        self._news_at = self.now()
        self.originate([text.decode() for text in texts if self._fits(link, text)])
        self.hold(link, self.way.has_room, ROOM_WAIT)

    def _fits(self, link: Link, text: bytes) -> bool:
        """Tell whether a text can be gossiped. If not, write down why."""
        try:
            text.decode()
        except UnicodeDecodeError:
            self.write_refusal(link.remote, "msg with a text that is not UTF-8")
            return False
        excess = self._head + len(text) - ROOM
        if excess > 0:
            self.write_refusal(link.remote, f"msg too long by {excess} bytes")
        return excess <= 0

    def on_get(self, link: Link) -> None:
        """Tell the log. Until the proxy has taken all of it, nothing more is made for it."""
        if link.takes():
            link.send(b"chatLog %b\n" % chat_log(list(self.messages.texts)))
            self.hold(link, lambda: not link.waiting)

    def on_other(self, link: Link, line: bytes) -> None:
        is_too_long = len(line) > wire.LINE_LIMIT
        self.write_refusal(link.remote, f"a line longer than {wire.LINE_LIMIT} bytes" if is_too_long
                           else f"unknown line {line[:100]!r}")

    # The end.

    def on_crash(self, link: Link) -> None:
        """End as if killed. All was told, but to neighbours that missed some: they are told now."""
        latest = list(self.messages.texts)[-AT_CRASH:]
        for neighbour in self.gossip_links():
            if neighbour.has_missed:
                neighbour.send_rumors(latest)
        self.die()

    def die(self) -> None:
        os._exit(1)

    def leave(self) -> None:
        """Stop when the last messages have spread: no rumor is being told, no gossip came for a
        moment, and each neighbour that is there has said since that it has the same messages. Who
        ends a server hangs up first, so that all it has said is read."""
        self._news_at = self.now()
        for link in self.gossip_links():
            link.differs = self.settings.antientropy_interval > 0
        self.comparing.by(self._compared_at + HASTE)
        self._leave_when_heard(self.now() + LAST_WORDS)

    def _leave_when_heard(self, until: float) -> None:
        is_quiet = not (self.now() < self._news_at + QUIET or self._is_in_haste()
                        or self.way.is_busy() or self.links)
        if is_quiet or self.now() >= until and not self.is_late():
            self.stop("quit")
        else:
            self.later(LEAVE_POLL, self._leave_when_heard, until)


def chat_log(lines: list[bytes]) -> bytes:
    """Return `TEXT,TEXT,…` of gossip lines in order of arrival. The places of a run in the log
    are filled by number, so that `a2,b1,a1` of runs a and b becomes `a1,b1,a2`."""
    keys = [wire.gossip_key(line) for line in lines]
    in_order = collections.defaultdict(collections.deque)  # run -> its texts
    for (run, _), line in sorted(zip(keys, lines)):
        in_order[run].append(wire.gossip_text(line))
    return ",".join([in_order[run].popleft() for run, _ in keys]).encode() or b"<empty>"
