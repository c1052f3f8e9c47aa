"""A chat server: a peer without seeds that stands in a line, and serves the chat proxy.

Process ID of N gossips with ID-1 and ID+1 alone, over datagrams: rumors, and once a second
anti-entropy. README.md lists what the proxy says over TCP, and tells of keys.

A datagram holds whole lines, each with its `\\n`. Datagrams may be lost, duplicated and reordered;
gossip/spread/ copes with that. What comes from anybody but a neighbour is dropped.
"""

import contextlib
import hmac
import math
import os
import random
import re
import socket
import threading

from gossip import wire
from gossip.addresses import Address, address_of
from gossip.chat.doorstep import HOST, Doors
from gossip.net.connection import DONT_WAIT
from gossip.node.link import Link
from gossip.node.node import Node
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from gossip.spread.mongering import Mongering
from gossip.spread.origin import portions
from gossip.spread.spreading import Spreading

PROXY = "a chat proxy"  # the role of every TCP link
PROXIES = 256  # proxies that may be connected at once

CHAT = Settings(  # other values than a peer's: neighbours are near, datagrams get lost
    gossip_count=0, antientropy_interval=1.0, spread="rumor", portion=32 * 1024,
    fetch_patience=0.2,
    backlog_limit=1 << 30,  # a log is answered in one piece, whatever its length
    rumor_window=64 * 1024, rumor_patience=0.15,
    rate=0)  # a datagram that is not read is lost
TRIES = 4  # a rumor is told once, and retried three times
HASTE = 0.2  # seconds between two comparisons while a neighbour has other messages
LAST_WORDS, QUIET = 4.0, 0.3  # seconds that an ending server waits for the last messages to
# spread: at most, and after gossip came last
SILENCE = 3.5  # anti-entropy intervals without a datagram after which a neighbour counts as gone

LONGEST = 60_000  # bytes of a datagram
SIGNATURE = 64 + 1  # bytes of the line that holds the HMAC
READ_SIZE = 65_536
TOGETHER = 64 if DONT_WAIT else 1  # most datagrams that are read before they are handled

MSG = re.compile(rb"msg [0-9]+ (.+)", re.DOTALL)
GET, CRASH = b"get chatLog", b"crash"
EMPTY = b"<empty>"
ROOM = LONGEST - SIGNATURE - len(wire.RUMOR) - 1  # bytes of a gossip line that fits a datagram
_SIGNED = re.compile(rb"[0-9a-f]{%d}\n" % (SIGNATURE - 1))  # how a signed datagram begins

# Why a datagram of a neighbour is dropped.
NO_KEY = "signed, and no key was given"
NOT_SIGNED = "not signed, and a key was given"
WRONG = "signed with another key, or for somebody else"
TORN = "not of whole lines"


class DatagramLink:
    """Sends to one neighbour of a server, and takes apart what comes; `send` never blocks."""

    def __init__(self, node: Node, sock: socket.socket, peer: Address, key: bytes | None):
        self.peer = peer
        self.heard: float | None = None  # when it was heard last; None: it is not there
        self.differs = False  # by its last word, it has other messages
        self._node = node
        self._sock = sock
        self._key = key
        self._content_at = 0 if key is None else SIGNATURE  # in each datagram
        self._told: set[str] = set()  # why datagrams were dropped

    def send(self, data: bytes) -> None:
        """Send whole lines, in as many datagrams as they need."""
        room = LONGEST - self._content_at
        for content in pack(data, room):
            if len(content) > room:
                self._node.counters.add("lines too long for a datagram")
                continue
            if self._key is not None:
                content = signature(self._key, self._node.address, self.peer, content) + content
            try:
                self._sock.sendto(content, DONT_WAIT, self.peer.dial)
            except OSError:
                self._node.counters.add("datagrams that could not be sent")

    def open(self, datagram: bytes) -> list[bytes]:
        """Return the lines of a datagram from this neighbour; none when it is dropped."""
        is_signed = _SIGNED.match(datagram) is not None
        if is_signed != (self._key is not None):
            reason = NO_KEY if is_signed else NOT_SIGNED
        elif is_signed and not hmac.compare_digest(datagram[:SIGNATURE], signature(
                self._key, self.peer, self._node.address, datagram[SIGNATURE:])):
            reason = WRONG
        elif not datagram.endswith(b"\n", self._content_at):
            reason = TORN
        else:
            return datagram[self._content_at:-1].split(b"\n")
        self._node.counters.add(f"datagrams {reason}")
        if reason not in self._told:
            self._told.add(reason)
            self._node.write_refusal(self.peer, reason)
        return []


def pack(data: bytes, room: int) -> list[bytes]:
    """Cut `data` into pieces of whole lines, each at most `room` bytes unless a line is longer."""
    pieces = []
    while len(data) > room:
        end = data.rfind(b"\n", 0, room) + 1 or data.index(b"\n") + 1
        pieces.append(data[:end])
        data = data[end:]
    return [*pieces, data] if data else pieces


def signature(key: bytes, sender: Address, receiver: Address, content: bytes) -> bytes:
    """Return the line that proves, with the key, who sent this content to whom."""
    route = f"{sender}>{receiver}\n".encode()
    return hmac.new(key, route + content, "sha256").hexdigest().encode() + b"\n"


class ChatServer(Node):
    """Process `own_id` of `count` in the line, behind two open sockets."""

    kind = "peer"

    def __init__(self, own_id: int, count: int, doors: Doors, settings: Settings,
                 output: OutputFile, world, key: bytes | None = None):
        host, port = doors.udp.getsockname()
        super().__init__(address_of(host, port), settings, output, world)
        self.place = f"{own_id} of {count}"
        self._doors = doors
        self.neighbours = [
            DatagramLink(self, doors.udp, address_of(HOST, port + other - own_id), key)
            for other in (own_id - 1, own_id + 1) if 0 <= other < count]
        self.rng = random.Random()
        self.spreading = Spreading(self, self.neighbours.copy, at_once=2, tries=TRIES)
        self.messages, self.anti_entropy = self.spreading.messages, self.spreading.anti_entropy
        self.mongering: Mongering = self.spreading.way
        self._news_at = 0.0  # monotonic time at which gossip came last, also of a proxy
        self._compared_at = -math.inf  # when both neighbours were told a digest last
        self._ended = threading.Event()  # the server stops

    def settings_shown(self) -> str:
        return (f"{self.settings.words()}:chat={self.place}"
                f":port={self._doors.tcp.getsockname()[1]}:start={self.spreading.origin.start}")

    def listen(self) -> None:
        self.world.listen(address_of(*self._doors.tcp.getsockname()), self._doors.tcp)

    def start_threads(self) -> None:
        self.world.begin()  # the listener and the link flusher
        self.world.threads.need("datagrams", self._read_datagrams)
        self.mongering.duty = self.keep("rumors", self.mongering.turn)
        if self.settings.antientropy_interval:
            self.anti_entropy.duty = self.keep("anti-entropy", self.compare)

    def wake(self) -> None:
        self._ended.set()
        self.mongering.stop()
        self._doors.udp.sendto(b"", self.address.dial)  # wakes the thread that reads

    def free(self) -> None:
        super().free()
        self._doors.udp.close()

    # Anti-entropy: at the start, every second, and soon again while a neighbour differs.

    def compare(self, now: float) -> float:
        """Compare with both neighbours if it is time, and return when it is next."""
        interval = self.settings.antientropy_interval
        due = self._compared_at + (min(HASTE, interval) if self._in_haste() else interval)
        if now < due:
            return due
        self._compared_at = now
        for link in self.neighbours:
            self.anti_entropy.compare(link)
        self.anti_entropy.fetch()
        for link in self.neighbours:
            if link.heard is not None and now - link.heard > interval * SILENCE:
                link.heard = None
                self.output.write(f"disconnected:{link.peer}:silent", self._degree())
        return now + min(HASTE, interval)

    def _in_haste(self) -> bool:
        return any(link.differs and link.heard is not None for link in self.neighbours)

    def _degree(self) -> str:
        present = [link for link in self.neighbours if link.heard is not None]
        return f"degree:{self.address}=>{len(present)}"

    def finish_talking(self) -> None:
        """Wait, LAST_WORDS seconds at most, until the last messages have spread: no rumor is being
        told, no gossip came for QUIET seconds, and each present neighbour has said since that it
        has the same messages. All of this takes longer on a busy machine."""
        begun = self.now()
        with self.turn:
            if self.anti_entropy.duty is not None:
                for link in self.neighbours:
                    link.differs |= link.heard is not None
                self.anti_entropy.duty.hurry()
        while (left := begun + LAST_WORDS + self.more_patience() - self.now()) > 0:
            self.mongering.wait_until_sent(left)
            quiet_at = self._news_at + QUIET + self.more_patience()
            if self._ended.wait(min(left, max(QUIET / 4, quiet_at - self.now()))):
                return
            if quiet_at <= self.now() and not (
                    self.mongering.rumors.hot or self._in_haste()):
                return

    # What neighbours say.

    def _read_datagrams(self) -> None:
        """Handle, in a turn, the lines that came together; a thread of its own."""
        links = {link.peer.dial: link for link in self.neighbours}
        while not self.stopping:
            arrived, flags = [], 0
            with contextlib.suppress(OSError):  # no more has come; or a neighbour is gone
                while len(arrived) < TOGETHER:
                    arrived.append(self._doors.udp.recvfrom(READ_SIZE, flags))
                    flags = DONT_WAIT
            with self.turn:
                lines = {link: [] for link in self.neighbours}
                for datagram, source in arrived:
                    if source in links:
                        lines[links[source]] += links[source].open(datagram)
                    else:
                        self.counters.add("datagrams from strangers")
                for link in self.neighbours:
                    if lines[link]:
                        self._on_datagrams(link, lines[link])

    def _on_datagrams(self, link: DatagramLink, lines: list[bytes]) -> None:
        """Handle lines of a neighbour; first compare if it was gone or silent."""
        now = self.now()
        is_new, link.heard = link.heard is None, now
        was_silent = self.mongering.rumors.heard(link, now)
        if is_new:
            self.output.write(f"connected:{link.peer}", self._degree())
        if (was_silent or is_new) and self.settings.antientropy_interval:
            self.anti_entropy.compare(link)
        gossip = [line for line in lines if wire.is_gossip(line)]
        try:
            if gossip:
                self._news_at = self.now()
                self.spreading.take(link, gossip)
            for line in lines:
                if not wire.is_gossip(line):
                    self._on_status(link, wire.parse(line))
        except wire.WireError as error:
            self.write_refusal(link.peer, str(error))

    def _on_status(self, link: DatagramLink, message) -> None:
        if message.kind != "status":
            raise wire.WireError(f"{message.kind} is not expected from a chat server")
        if message.verb not in Mongering.ANSWERED:
            differed, link.differs = link.differs, (
                message.verb != "digest" or not self.anti_entropy.agrees(link, message.digest))
            if link.differs and self.anti_entropy.duty is not None:
                self.anti_entropy.duty.hurry()
            elif differed:
                self.anti_entropy.compare(link)  # it may be waiting to hear that we agree
        self.spreading.on_status(link, message)

    # What proxies say.

    def accept(self, connection, remote: tuple[str, int]) -> Link | None:
        """Accept a proxy, which may stay silent; return None if too many are connected."""
        link = self.new_link(PROXY, connection=connection)
        link.connected(*remote)
        link.trust()
        if self.link_count() <= PROXIES:
            return link
        self.write_refusal(link.remote, f"{PROXIES} proxies are connected")
        self.ended(link)
        return None

    def lines(self, link: Link, lines: list[bytes]) -> None:
        """Handle a proxy's lines in order; consecutive `msg` lines are one batch."""
        texts, said = [], []
        for line in lines:
            if match := MSG.fullmatch(line):
                if self._fits(link, match[1]):
                    texts.append(match[1].decode())
                continue
            said += self._gossip(texts)
            texts = []
            if line == GET:
                log = chat_log(self.messages.latest(self.settings.cache_size))
                link.send(b"chatLog " + log + b"\n")
                with self.turn.left():  # until the proxy has taken all of it or hung up
                    self.flusher.wait_until(lambda: link.ended or not link.waiting(), math.inf)
            elif line == CRASH:
                self.mongering.flush(said)
                os._exit(1)
            else:
                self.write_refusal(link.remote, f"unknown line {line[:100]!r}")
        self._gossip(texts)

    def _fits(self, link: Link, text: bytes) -> bool:
        """Return whether a text can be gossiped; if not, write that down."""
        try:  # the longest that the line may get, with the highest number
            line = wire.gossip(wire.format_time(self.time()), self.address,
                               self.spreading.origin.start, wire.NUMBER_LIMIT, text.decode())
        except UnicodeDecodeError:
            self.write_refusal(link.remote, "msg with a text that is not UTF-8")
            return False
        if len(line) > ROOM:
            self.write_refusal(link.remote, f"msg too long by {len(line) - ROOM} bytes")
        return len(line) <= ROOM

    def _gossip(self, texts: list[str]) -> list[bytes]:
        """Gossip texts, no faster than neighbours take them; return their lines."""
        if texts:
            self._news_at = self.now()
        made = self.spreading.make(texts)
        for lines in portions(made):
            self.mongering.wait_for_room(self.turn)
            self.spreading.originate(lines)
        return made


def chat_log(lines: list[bytes]) -> bytes:
    """Return `TEXT,TEXT,…` of gossip lines in order of arrival. But a run's places in the log are
    filled by number: of runs a and b, `a2,b1,a1` becomes `a1,b1,a2`."""
    messages = [wire.gossip_fields(line) for line in lines]
    numbered: dict[bytes, list[tuple[int, bytes]]] = {}
    for run, number, text in messages:
        numbered.setdefault(run, []).append((number, text))
    in_order = {run: iter(sorted(said)) for run, said in numbered.items()}
    return b",".join([next(in_order[run])[1] for run, _, _ in messages]) or EMPTY
