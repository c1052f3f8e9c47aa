"""A chat server, which is a peer in a line without seeds.

Process ID of N gossips with ID-1 and ID+1 alone, over datagrams of whole lines, by rumors and
anti-entropy. README.md has the lines of the proxy, and the use of keys. gossip/spread/ copes with
datagrams that are lost, duplicated or reordered. Datagrams of strangers are dropped.
"""

import collections
import contextlib
import hmac
import math
import os
import random
import re
import socket

from gossip import wire
from gossip.addresses import Address, address_of
from gossip.chat.doorstep import HOST, Doors
from gossip.net.connection import DONT_WAIT
from gossip.node.link import Link
from gossip.node.node import Node
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from gossip.spread.origin import portions
from gossip.spread.rumors import Mongering
from gossip.spread.spreading import Spreading

PROXY = "a chat proxy"  # the role of every TCP link
PROXIES = 256  # proxies that may be connected at once

CHAT = Settings(  # because neighbours are near, and datagrams get lost
    gossip_count=0, antientropy_interval=1.0, spread="rumor", portion=32 * 1024, fetch_patience=0.2,
    backlog_limit=1 << 30,  # because a log is answered in a piece, whatever its length
    rumor_window=64 * 1024, rumor_patience=0.15,
    rate=0)  # because a datagram that is not read is lost
TRIES = 4  # a rumor is told once, and retried three times
HASTE = 0.2  # seconds between two comparisons while a neighbour has other messages
LAST_WORDS = 4.0  # seconds at most that an ending server lets the last messages spread
AT_CRASH = 10_000  # latest messages that a silent neighbour is sent at a crash
QUIET = 0.3  # seconds without gossip after which it may end
SILENCE = 3.5  # anti-entropy intervals without a datagram after which a neighbour counts as gone

LONGEST = 60_000  # bytes of a datagram
SIGNATURE = 64 + 1  # bytes of the line with the HMAC
READ_SIZE = 65_536
TOGETHER = 64 if DONT_WAIT else 1  # datagrams that are handled together, at most

MSG = re.compile(rb"msg [0-9]+ (.+)", re.DOTALL)
GET, CRASH = b"get chatLog", b"crash"
ROOM = LONGEST - SIGNATURE - len(wire.RUMOR) - 1  # bytes of a gossip line that fits a datagram
_SIGNED = re.compile(rb"[0-9a-f]{%d}\n" % (SIGNATURE - 1))  # how a signed datagram begins


class DatagramLink:
    """The datagrams from and to a neighbour. `send` never blocks."""

    def __init__(self, node: Node, sock: socket.socket, peer: Address, key: bytes | None):
        self.peer = peer
        self.heard: float | None = None  # when it was heard last; None if it is not there
        self.differs = False  # by its last digest, it has other messages
        self._node, self._sock, self._key = node, sock, key
        self._content_at = 0 if key is None else SIGNATURE  # in each datagram
        self._told: set[str] = set()  # reasons that were written down

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
        """Return the lines of a datagram, or none to drop it."""
        is_signed = _SIGNED.match(datagram) is not None
        if is_signed != (self._key is not None):
            reason = ("signed, and no key was given" if is_signed
                      else "not signed, and a key was given")
        elif is_signed and not hmac.compare_digest(datagram[:SIGNATURE], signature(
                self._key, self.peer, self._node.address, datagram[SIGNATURE:])):
            reason = "signed with another key, or for somebody else"
        elif not datagram.endswith(b"\n", self._content_at):
            reason = "not of whole lines"
        else:
            return datagram[self._content_at:-1].split(b"\n")
        self._node.counters.add(f"datagrams {reason}")
        if reason not in self._told:
            self._told.add(reason)
            self._node.write_refusal(self.peer, reason)
        return []


def pack(data: bytes, room: int) -> list[bytes]:
    """Cut lines into pieces of at most `room` bytes. A longer line stays whole."""
    pieces, at = [], 0
    while len(data) - at > room:
        end = data.rfind(b"\n", at, at + room) + 1 or data.index(b"\n", at) + 1
        pieces.append(data[at:end])
        at = end
    return [*pieces, data[at:]] if at < len(data) else pieces


def signature(key: bytes, sender: Address, receiver: Address, content: bytes) -> bytes:
    """Return the line that proves the sender, receiver and content."""
    route = f"{sender}>{receiver}\n".encode()
    return hmac.new(key, route + content, "sha256").hexdigest().encode() + b"\n"


class ChatServer(Node):
    """A server, process `own_id` of `count`, behind two open sockets."""

    kind = "peer"

    def __init__(self, own_id: int, count: int, doors: Doors, settings: Settings,
                 output: OutputFile, world, key: bytes | None = None):
        self._udp, self._tcp = doors
        host, port = self._udp.getsockname()
        super().__init__(address_of(host, port), settings, output, world)
        self.place = f"{own_id} of {count}"
        self.neighbours = [
            DatagramLink(self, self._udp, address_of(HOST, port + other - own_id), key)
            for other in (own_id - 1, own_id + 1) if 0 <= other < count]
        self.rng = random.Random()
        self.spreading = Spreading(self, self.neighbours.copy, at_once=2, tries=TRIES)
        self.messages, self.anti_entropy = self.spreading.messages, self.spreading.anti_entropy
        self.mongering: Mongering = self.spreading.way
        self._news_at = 0.0  # monotonic time of the last gossip, also of a proxy
        self._compared_at = -math.inf  # when both neighbours were told a digest last

    def settings_shown(self) -> str:
        return (f"{self.settings.words()}:chat={self.place}"
                f":port={self._tcp.getsockname()[1]}:start={self.spreading.origin.start}")

    def listen(self) -> None:
        self.world.listen(address_of(*self._tcp.getsockname()), self._tcp)

    def start_threads(self) -> None:
        self.world.begin()  # the listener and the link flusher
        self.world.threads.need("datagrams", self._read_datagrams)
        self.mongering.duty = self.keep("rumors", self.mongering.turn)
        if self.settings.antientropy_interval:
            self.anti_entropy.duty = self.keep("anti-entropy", self.compare)

    def wake(self) -> None:
        self._udp.sendto(b"", self.address.dial)  # wakes the thread that reads

    def free(self) -> None:
        super().free()
        self._udp.close()

    # Anti-entropy, at the start, every second, and sooner while a neighbour differs.

    def compare(self, now: float) -> float:
        """Compare with both neighbours if due, and return the next time."""
        interval = self.settings.antientropy_interval
        due = self._compared_at + (min(HASTE, interval) if self._in_haste() else interval)
        if now < due:
            return due
        self._compared_at = now
        for link in self.neighbours:
            self.anti_entropy.compare(link)
            if link.heard is not None and now - link.heard > interval * SILENCE:
                link.heard = None
                self.output.write(f"disconnected:{link.peer}:silent", self._degree())
        self.anti_entropy.fetch()
        return now + min(HASTE, interval)

    def _in_haste(self) -> bool:
        return any(link.differs and link.heard is not None for link in self.neighbours)

    def _degree(self) -> str:
        return f"degree:{self.address}=>{sum(link.heard is not None for link in self.neighbours)}"

    def finish_talking(self) -> None:
        """Wait LAST_WORDS seconds at most until the last messages have spread. Then no rumor is
        being told, no gossip came for QUIET seconds, and each present neighbour has said since that
        it has the same messages. A late process takes longer."""
        begun = self.now()
        with self.turn:
            if self.anti_entropy.duty is not None:
                for link in self.neighbours:
                    link.differs |= link.heard is not None
                self.anti_entropy.duty.hurry()
        while (left := begun + LAST_WORDS + self.more_patience() - self.now()) > 0:
            self.flusher.wait_until(lambda: not self.mongering.rumors.bytes, left)
            quiet_at = self._news_at + QUIET + self.more_patience()
            if self.world.await_end(min(left, max(QUIET / 4, quiet_at - self.now()))):
                return
            if quiet_at <= self.now() and not (self.mongering.rumors.hot or self._in_haste()):
                return

    # What neighbours say.

    def _read_datagrams(self) -> None:
        """Read datagrams in a thread, and handle each batch in a turn."""
        links = {link.peer.dial: link for link in self.neighbours}
        while not self.stopping:
            arrived, flags = [], 0
            with contextlib.suppress(OSError):  # no more has come, or a neighbour is gone
                while len(arrived) < TOGETHER:
                    arrived.append(self._udp.recvfrom(READ_SIZE, flags))
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
        """Handle lines of a neighbour. First compare if it was silent."""
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
                self.anti_entropy.compare(link)  # because it may wait to hear that we agree
        self.spreading.on_status(link, message)

    # What proxies say.

    def accept(self, connection, remote: tuple[str, int]) -> Link | None:
        """Accept a proxy, unless too many are connected. It may stay silent."""
        with self.turn:
            link = self.new_link(PROXY, connection=connection)
            link.connected(*remote)
            link.trust()
            if len(self.links()) <= PROXIES:
                return link
            self.write_refusal(link.remote, f"{PROXIES} proxies are connected")
            self.ended(link)
        return None

    def lines(self, link: Link, lines: list[bytes]) -> None:
        """Handle a proxy's lines in order, consecutive `msg` lines as a batch."""
        texts = []
        for line in lines:
            if match := MSG.fullmatch(line):
                if self._fits(link, match[1]):
                    texts.append(match[1].decode())
                continue
            self._gossip(texts)
            texts = []
            if line == GET:
                self._tell_log(link)
            elif line == CRASH:
                self.mongering.flush(self.messages.latest(AT_CRASH))
                os._exit(1)
            else:
                self.write_refusal(link.remote, f"unknown line {line[:100]!r}")
        self._gossip(texts)

    def _tell_log(self, link: Link) -> None:
        """Tell the log, and wait until the proxy has taken all of it, or hung up."""
        if not link.takes():
            return
        latest = self.messages.latest(self.settings.cache_size)
        with self.turn.left():
            link.send(b"chatLog " + chat_log(latest) + b"\n")
            self.flusher.wait_until(lambda: link.ended or not link.waiting(), math.inf)

    def _fits(self, link: Link, text: bytes) -> bool:
        """Tell whether a text can be gossiped. If not, write down why."""
        try:  # the line is longest with the highest number
            line = wire.gossip(wire.format_time(self.time()), self.address,
                               self.spreading.origin.start, wire.NUMBER_LIMIT, text.decode())
        except UnicodeDecodeError:
            self.write_refusal(link.remote, "msg with a text that is not UTF-8")
            return False
        if len(line) > ROOM:
            self.write_refusal(link.remote, f"msg too long by {len(line) - ROOM} bytes")
        return len(line) <= ROOM

    def _gossip(self, texts: list[str]) -> None:
        """Gossip texts as fast as neighbours take them."""
        if texts:
            self._news_at = self.now()
        for lines in portions(self.spreading.make(texts)):
            if not self.mongering.has_room():
                with self.turn.left():
                    self.flusher.wait_until(self.mongering.has_room, self.settings.origin_wait)
            self.spreading.originate(lines)


def chat_log(lines: list[bytes]) -> bytes:
    """Return `TEXT,TEXT,…` of gossip lines in order of arrival. The places of a run in the log
    are filled by number, so that `a2,b1,a1` of runs a and b becomes `a1,b1,a2`."""
    messages = [wire.gossip_fields(line) for line in lines]
    in_order = collections.defaultdict(collections.deque)  # run -> its texts
    for run, _, text in sorted(messages):
        in_order[run].append(text)
    return b",".join([in_order[run].popleft() for run, _, _ in messages]) or b"<empty>"
