"""A peer that watches its neighbours, and seeds and neighbours of it in the hands of a test."""

import contextlib
import hashlib
import socket
import threading

from gossip import wire
from gossip.signing.grammar import Signer
from tests.tools.fakes import run_late
from tests.tools.files import received, wait_event
from tests.tools.hands import FakePeer
from tests.tools.ports import free_addresses
from tests.tools.waiting import wait_until

PERIOD, SETTLE = 0.2, 0.3
TIME = "1700000000.000000"
WATCHED = dict(monitor=True, sign=True, report_interval=PERIOD, settle=SETTLE, liveness_interval=60,
               antientropy_interval=0)


class ReportSeed(FakePeer):
    """A seed that lists whoever asks, calls every run genuine, and keeps the reports."""

    def __init__(self, address, registers=True):
        self.registers = registers
        self.reports = []  # as they came
        self._registered = []  # the connections of those who have registered
        self._here = threading.local()
        super().__init__(address)

    def _serve(self, sock):
        self._here.sock = sock
        super()._serve(sock)

    def reply(self, line):
        kind, _, rest = line.partition(":")
        if kind == "register":
            self._registered.append(self._here.sock)
            return "registered successfully\n" if self.registers else ""
        if kind == "report":
            self.reports.append(wire.parse(line.encode()))
        return f"runs:{rest}\n" if kind == "runs" else ""

    def say(self, *lines):
        for sock in self._registered:
            with contextlib.suppress(OSError):
                sock.sendall("".join(line + "\n" for line in lines).encode())

    def said_of(self, address):
        """The sum of all entries about a peer: EXPECTED, MISSING, FIRST, CORRUPT, FORBIDDEN."""
        entries = [entry[1:] for report in self.reports for entry in report.entries
                   if entry.peer == address]
        return tuple(map(sum, zip(*entries)))


class Neighbour:
    """A hand-made neighbour that answers every request for a sign of life, signs what it says, and
    keeps the lines that it hears."""

    def __init__(self, net, peer):
        self.fake = net.fake()
        self.address = self.fake.address
        self.signer = self.fake.signer = Signer(self.address, bytes(32))
        self.heard = []
        self._end = net.neighbour(peer, self.fake)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        net.ends.insert(0, self)

    def _listen(self):
        with contextlib.suppress(OSError):
            while (line := self._end.hear(60)) is not None:
                self.heard.append(line)
                if line.startswith("Liveness Request:"):
                    self.say(f"Liveness Reply:{line.partition(':')[2]}:{self.address}")

    def say(self, *lines):
        with contextlib.suppress(OSError):
            self._end.say(*lines)

    def texts(self):
        """The texts of the messages that it has heard."""
        return [line.split(":", 6)[6] for line in list(self.heard) if line.startswith("gmessage:")]

    def messages(self, *texts, first=1):
        """The lines of messages of its own, behind the signed line that covers them."""
        lines = [wire.gossip(TIME, self.address, self.signer.start, number, text)
                 for number, text in enumerate(texts, first)]
        covers = self.signer.cover(first, [hashlib.sha256(line).digest() for line in lines])
        return [line.decode() for line in (*covers, *lines)]

    def close(self):
        with contextlib.suppress(OSError):
            self._end.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


def seeds_of(net, number, **behaviour):
    net.seed_addresses = free_addresses(number)
    seeds = [ReportSeed(address, **behaviour) for address in net.seed_addresses]
    net.ends.extend(seeds)
    return seeds


def watched_peer(net, **changes):
    """A peer that watches its neighbours, registered; on time, because a late one gathers, and one
    that has stood still for a period judges nobody."""
    peer = net.peer(**{**WATCHED, **changes})
    run_late(peer, 0.0)
    peer.reporting.watch._longest = max(60.0, peer.reporting.watch._longest)
    wait_event(peer, "registered:")
    return peer


def introduce(peer, neighbour):
    """Have a neighbour say its first message, as soon as links are judged: from then on its run is
    known."""
    wait_until(lambda: judges(peer))
    neighbour.say(*neighbour.messages("hello"))
    wait_until(lambda: any(line.endswith(":hello") for line in received(peer)))


def judges(peer):
    """Whether all links of a peer have stood for so long that the next message is judged by."""
    rows = list(peer.reporting.watch._rows.values())
    return rows != [] and all(row.stands + SETTLE < peer.now()
                              for row in rows)
