"""Runs, the lives of peers and seeds by their output files.

A run takes one event after the other, and keeps what the proof needs. The run of a peer that is
kicked ends, because what the peer does while it is shut out proves nothing.
"""

import bisect
import collections
import math
import re
import sys
import time
from operator import itemgetter
from typing import NamedTuple

from grapevine.events import BROKEN, about, end_of_link, unescape
from grapevine.lab.proof.events import (
    ALIVE, BY_GENERATOR, GOSSIP, JUDGED, KICKED_FOR, OF_PEERS, OF_SEEDS, REFUSED, SECONDS)
from grapevine.settings import Settings

USUAL = Settings()
CHAT_SILENCE = 3.0  # seconds of silence, while others write, that mean a chat server is dead
TEXT_SHOWN = 40  # characters by which a message is named
QUIT, KICKED = "quit", "kicked"  # ends of runs that are no deaths


class Said(NamedTuple):  # a message that a run generated
    at: float
    mark: int  # hash of its line
    text: str  # maybe cut


class Delivery(NamedTuple):  # a message that a run received
    at: float
    source: str  # the neighbour that sent it
    mark: int  # hash of its line, which is compared with that at the origin


class Linked(NamedTuple):  # a time in which a peer was a neighbour, or a run registered with a seed
    begin: float
    end: float  # infinity if the file does not tell an end; the beginning, if it could not register
    reason: str = ""  # of the end
    who: str = ""  # has ended a link: HERE, THERE or BROKEN

    @property
    def stood(self) -> bool:
        return self.begin < self.end

    def is_trouble(self) -> bool:
        """Tell whether it ended, and not by agreement."""
        return self.who == BROKEN or self.reason == "silent, but alive"


class Kick(NamedTuple):  # a malicious peer that a seed removed
    at: float
    peer: str
    badness: float


class Run:
    """A life of a node. Times are Unix seconds."""

    KEPT: dict[str, re.Pattern] = {}  # event -> pattern of the lines that are just kept

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = at
        self.next = math.inf  # when the node was started again
        self.newest = at  # the time of the newest line of all nodes
        self.has_others = False  # its node was started more than once
        self.ended: str | None = None  # the reason in its `stopped:` line, or KICKED
        self.killed: float | None = None  # when the runner says that it killed it
        self.late: list[tuple[float, float]] = []  # when it stood still, or ran late
        self.lost: list[tuple[float, float]] = []  # from when until when a full disk refused lines
        self.is_damaged = False  # nobody can read some of its lines
        self.failures: list[str] = []  # threads that died
        self.chat = False  # a chat server
        self.left = math.inf  # when it began to leave
        self.interval = 0.0  # seconds between its rounds, and lines `alive`; 0: nobody knows
        self.misplaced: list[float] = []  # times of lines that stand where they do not belong
        self._before, self._set_back = at, 0.0  # the time of the last line but one
        self._told: dict[tuple[str, str], list] = collections.defaultdict(list)

    def __str__(self) -> str:
        return self.address + self.since

    @property
    def since(self) -> str:
        """Words that tell it from other lives of its node, if there are any."""
        start = time.strftime("%F %T", time.gmtime(self.first))
        return f" (started {start})" if self.has_others else ""

    def told(self, event: str, who: str = "", begin: float = -math.inf, end: float = math.inf
             ) -> list[tuple]:
        """Return (when, *parts) of lines in a time, in order; `who`: those that begin with it."""
        lines = self._told.get((event, who), [])
        return lines[bisect.bisect_left(lines, begin, key=itemgetter(0)):
                     bisect.bisect_right(lines, end, key=itemgetter(0))]

    def when(self, event: str, who: str = "", begin: float = -math.inf, end: float = math.inf
             ) -> list[float]:
        """Return the times of these lines."""
        return [at for at, *_ in self.told(event, who, begin, end)]

    @property
    def set_back(self) -> float:
        """The seconds by which its clock was set back, at most at a time."""
        return max(self._set_back, self._before - self.last)

    def _keep_order(self, at: float) -> None:
        """Look whether the clock was set back, or only the last line stands where it does not
        belong: far from the lines around it, which go on as if it were not there. After a clock
        was set, they do not, because a node never is silent for two rounds."""
        before, last, far = self._before, self.last, 2 * self.interval or math.inf
        if not before <= last <= at and before <= at and min(
                abs(last - before), abs(last - at)) > far:
            self.misplaced.append(last)
        else:
            self._before, self._set_back = last, max(self._set_back, before - last)

    @property
    def superseded(self) -> bool:
        return self.next < math.inf

    def is_silent_at(self, at: float) -> bool:
        """Tell whether it said nothing more for long, although it did not say that it ends."""
        return self.killed is not None or self.superseded or (
            self.last < at - (CHAT_SILENCE if self.chat else 2 * self.interval))

    @property
    def has_ended(self) -> bool:
        return self.ended is not None or self.is_silent_at(self.newest)

    @property
    def ended_at(self) -> float:
        """The time of its last line, or when it was killed, at most a round later: it is silent
        for no longer."""
        return max(self.last, min(self.killed or 0.0, self.last + self.interval))

    @property
    def end(self) -> float:
        """When it left, ended or died, or else the time of the newest line."""
        return min(self.left, self.ended_at if self.has_ended else self.newest)

    def apply(self, at: float, event: str, rest: str) -> None:
        if event == "failed" and self.ended != KICKED:
            self.failures.append(rest)
        if self.ended == KICKED:
            return
        self._keep_order(at)
        self.last = at
        if event in self.KEPT and (found := self.KEPT[event].fullmatch(rest)):
            line = (at, *map(sys.intern, found.groups("")))
            for who in {"", *line[1:2]}:
                bisect.insort(self._told[event, who], line, key=itemgetter(0))
        self._apply(at, event, rest)
        match event:
            case "late" if SECONDS.fullmatch(rest) and float(rest):
                begin = at - float(rest)
                while self.late and self.late[-1][1] >= begin:  # what was told counts once
                    begin = min(begin, self.late.pop()[0])
                self.late.append((begin, at))
            case "alive" if found := ALIVE.fullmatch(rest):
                self.interval = float(found[1])
            case "lost":
                self.lost.append((self._before, at))
            case "stopped":
                self.ended = rest


class PeerRun(Run):
    """A life of a peer."""

    KEPT = OF_PEERS

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.settings: dict[str, str] = {}
        self.interval = USUAL.liveness_interval
        self.malice: str | None = None  # the kind of an attacker
        self.generated: dict[str, Said] = {}  # by message, IP:PORT:RUN:NUMBER
        self.by_generator = 0  # how many messages the generator made
        self.received: dict[str, Delivery] = {}
        self.links: dict[str, list[Linked]] = {}  # neighbour, now or earlier -> its links
        self.registrations: dict[str, list[Linked]] = {}  # seed -> when it was registered there
        self.forbidden: set[tuple[str, int]] = set()  # (message, hash of its line) that it filters
        self.repeated: list[str] = []  # messages generated or received once more
        self.misnamed: list[str] = []  # messages generated in another's name, or life

    def setting(self, name: str) -> float:
        """Return a setting as a number, by default the usual one."""
        usual = getattr(USUAL, name.replace("-", "_"))
        try:
            value = float(self.settings.get(name, usual))
        except ValueError:
            return usual
        return value if 0 <= value < math.inf else usual

    @property
    def misses(self) -> int:
        """The misses in a row after which a neighbour is dead."""
        return max(1, int(self.setting("liveness-misses")))

    @property
    def is_dead(self) -> bool:
        """Tell whether it ended without a word, or was started again."""
        return self.ended not in (QUIT, KICKED) and self.is_silent_at(self.newest)

    def has_since(self, message: str) -> float:
        """Return when it generated or received a message; infinity if it has not."""
        had = self.generated.get(message) or self.received.get(message)
        return had.at if had else math.inf

    @property
    def linked(self) -> set[str]:
        """Its neighbours now."""
        return {peer for peer, links in self.links.items() if links[-1].end == math.inf}

    def _apply(self, at: float, event: str, rest: str) -> None:
        match event:
            case "received":
                source, _, line = rest.partition(":gmessage:")
                self._take_message(at, "gmessage:" + line, source)
            case "generated":
                self._take_message(at, rest)
            case "forbidden" if self.settings.get("filter", "0") != "0" and (
                    found := GOSSIP.match(line := rest[rest.find("gmessage:"):])):
                self.forbidden.add((found[2], _mark(line)))
            case "settings":
                self.settings = dict(part.split("=", 1) for part in rest.split(":") if "=" in part)
                self.chat = "chat" in self.settings
                self.interval = self.setting("liveness-interval")
            case "misbehaving" if self.settings.get("monitor") == "yes":
                self.malice = rest.partition(":")[0] if rest.isprintable() else "?"
            case "leaving":
                self.left = at
            case "alive":
                self.left = math.inf  # who leaves has no more rounds
            case "kicked" if self.settings.get("monitor") == "yes" and KICKED_FOR.fullmatch(rest):
                self.ended = KICKED
            case "connected" | "disconnected" | "registered" | "unregistered" | "refused":
                self._take_link(at, event, *about(rest))

    def _take_message(self, at: float, line: str, source: str | None = None) -> None:
        """Take a message that was generated, or received from a source."""
        found = GOSSIP.match(line)
        if found is None:
            return
        message, text = sys.intern(found[2]), found[3]
        if message in self.generated or source is not None and message in self.received:
            self.repeated.append(message)
        elif source is not None:
            self.received[message] = Delivery(at, sys.intern(source), _mark(line))
        elif (of := message.rsplit(":", 2))[:2] != [
                self.address, self.settings.get("start", of[1])]:
            self.misnamed.append(message)
        else:
            cut = text if len(text) <= TEXT_SHOWN else text[:TEXT_SHOWN - 1] + "…"
            # generators of many peers say the same
            self.generated[message] = Said(at, _mark(line), sys.intern(cut))
            self.by_generator += BY_GENERATOR.fullmatch(text) is not None

    def _take_link(self, at: float, event: str, who: str, rest: str) -> None:
        """Take the beginning or the end of a link, or of a registration, which may have failed."""
        match who and event:
            case "connected":
                _begin(self.links.setdefault(who, []), at)
            case "disconnected" if who in self.links and self.links[who][-1].end == math.inf:
                _end(self.links[who], at, *end_of_link(rest))
            case "registered":
                _begin(self.registrations.setdefault(who, []), at)
            case "unregistered":
                _end(self.registrations.setdefault(who, []), at, rest)
            case "refused" if rest.startswith(REFUSED):
                _end(self.registrations.setdefault(who, []), at, rest)


def _mark(line: str) -> int:
    """Return a hash of gossip as it was before it was escaped: which characters are printable
    depends on the version of Python."""
    return hash(unescape(line))


def _begin(times: list[Linked], at: float) -> None:
    if not times or times[-1].end < math.inf:
        times.append(Linked(at, math.inf))


def _end(times: list[Linked], at: float, reason: str, who: str = "") -> None:
    begin = times.pop().begin if times and times[-1].end == math.inf else at
    times.append(Linked(begin, at, reason, who))


def standing(times: dict[str, list[Linked]], begin: float, end: float) -> set[str]:
    """Return the nodes with which links, or registrations, stood all the time."""
    return {who for who, links in times.items()
            if any(link.begin <= begin and end < link.end for link in links)}


class SeedRun(Run):
    """A life of a seed."""

    KEPT = OF_SEEDS

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.until = at  # its last line that is not `alive`
        self.unlisted: set[tuple[float, str]] = set()  # its removals of who was not listed
        self._listed: set[str] = set()

    def _apply(self, at: float, event: str, rest: str) -> None:
        if event != "alive":
            self.until = at
        if event == "registered":
            self._listed.add(rest)
        elif event == "removed" and (found := self.KEPT[event].fullmatch(rest)):
            if found[1] not in self._listed:
                self.unlisted.add((at, found[1]))
            self._listed.discard(found[1])

    @property
    def known(self) -> int:
        """How many seeds its configuration names; 0: nobody knows."""
        return int(([(0.0, "0")] + self.told("settings"))[-1][1])

    @property
    def kicks(self) -> list[Kick]:
        """Its removals of malicious peers."""
        return [Kick(at, peer, float(badness)) for at, peer, reason, badness in self.told("removed")
                if reason == "malicious" and badness]

    @property
    def judged(self) -> list[tuple[float, dict[str, float]]]:
        """When it judged whom, and how bad these were."""
        return [(at, dict(judged_in(told))) for at, told in self.told("judged")]


def judged_in(text: str) -> list[tuple[str, float]]:
    """Return the peers in a text like `10.0.0.1#5001=0.250 …`, and their figures."""
    return [(peer.replace("#", ":"), float(figure)) for peer, figure in JUDGED.findall(text)]
