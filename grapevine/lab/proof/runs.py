"""Runs, the lives of peers and seeds by their output files.

A run takes one event after the other, and keeps what the proof needs. The run of a peer that is
kicked ends, because what the peer does while it is shut out proves nothing.
"""

import collections
import math
import sys
import time

from grapevine.events import about, end_of_link
from grapevine.lab.proof.events import (
    ALIVE, BY_GENERATOR, COUNT, DEAD, FOUND_DEAD, GONE, GOSSIP, JUDGED, KICKED_FOR, LOAD, REFUSED,
    REMOVED, RUN, SECONDS, SEEDS, Death, Delivery, Gone, Linked, Load, Missed, Removed, Said)
from grapevine.settings import Settings

USUAL = Settings()
CHAT_SILENCE = 3.0  # seconds of silence, while others write, that mean a chat server is dead
TEXT_SHOWN = 40  # characters by which a message is named
QUIT, KICKED = "quit", "kicked"  # ends of runs that are no deaths


class Run:
    """A life of a node. Times are Unix seconds."""

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = at
        self.next = math.inf  # when the node was started again
        self.newest = at  # the time of the newest line of all nodes
        self.has_others = False  # its node was started more than once
        self.ended: str | None = None  # the reason in its `stopped:` line, or KICKED
        self.killed: float | None = None  # when the runner says that it killed it
        self.late: list[tuple[float, float]] = []  # when it stood still, or ran late
        self.lost_at = 0.0  # when it told last of lines that a full disk refused; 0: never
        self.is_damaged = False  # nobody can read some of its lines
        self.failures: list[str] = []  # threads that died
        self.chat = False  # a chat server
        self.left = math.inf  # when it began to leave
        self.interval = 0.0  # seconds between its rounds, and lines `alive`; 0: nobody knows
        self.misplaced: list[float] = []  # times of lines that stand where they do not belong
        self._before, self._set_back = at, 0.0  # the time of the last line but one

    def __str__(self) -> str:
        return self.address + self.since

    @property
    def since(self) -> str:
        """Words that tell it from other lives of its node, if there are any."""
        start = time.strftime("%F %T", time.gmtime(self.first))
        return f" (started {start})" if self.has_others else ""

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

    def take(self, at: float, event: str, rest: str) -> None:
        if event == "failed" and self.ended != KICKED:
            self.failures.append(rest)
        if self.ended == KICKED:
            return
        self._keep_order(at)
        self.last = at
        self._take(at, event, rest)
        match event:
            case "late" if SECONDS.fullmatch(rest) and float(rest):
                begin = at - float(rest)
                while self.late and self.late[-1][1] >= begin:  # what was told counts once
                    begin = min(begin, self.late.pop()[0])
                self.late.append((begin, at))
            case "alive" if found := ALIVE.fullmatch(rest):
                self.interval = float(found[1])
            case "lost":
                self.lost_at = at
            case "stopped":
                self.ended = rest


class PeerRun(Run):
    """A life of a peer."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.settings: dict[str, str] = {}
        self.interval = USUAL.liveness_interval
        self.malice: str | None = None  # the kind of an attacker
        self.generated: dict[str, Said] = {}  # by message, IP:PORT:RUN:NUMBER
        self.by_generator = 0  # how many messages the generator made
        self.received: dict[str, Delivery] = {}
        self.registrations: dict[str, list[Linked]] = {}  # seed -> when it was registered there
        self.forbidden: set[tuple[str, int]] = set()  # (message, hash of its line) that it filters
        self.repeated: list[str] = []  # messages generated or received once more
        self.misnamed: list[str] = []  # messages generated in another's name
        self.degrees: list[tuple[float, int]] = []  # when, number of neighbours from then on
        self.links: dict[str, list[Linked]] = {}  # neighbour, now or earlier -> its links
        self.rounds: collections.Counter[float] = collections.Counter()  # when -> neighbours asked
        self.replies: dict[str, list[float]] = {}  # neighbour -> when it answered
        self.missed: dict[str, list[Missed]] = {}  # neighbour -> requests without an answer
        self.found_dead: list[Death] = []
        self.finds_at_once = False  # the dead whose links broke, without misses
        self.reported: list[tuple[float, str, str]] = []  # when, whose death, to which seed
        self.tried: list[float] = []  # when a registration succeeded, or failed
        self.gone: list[Gone] = []
        self.denied: set[str] = set()  # runs that nobody confirmed
        self.left_alone: set[str] = set()  # neighbours whose reports rarely name it, as seeds find

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
        return int(self.setting("liveness-misses"))

    @property
    def first_linked(self) -> float:
        """The time of its first neighbour, or infinity; lines may stand in any order."""
        return min((link.begin for links in self.links.values() for link in links),
                   default=math.inf)

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

    def linked_at(self, at: float) -> set[str]:
        return _standing(self.links, at, at)

    def registered(self, begin: float, end: float) -> set[str]:
        """Return the seeds with which it was registered all the time."""
        return _standing(self.registrations, begin, end)

    def _take(self, at: float, event: str, rest: str) -> None:
        match event:
            case "received":
                source, _, line = rest.partition(":gmessage:")
                self._take_message(at, "gmessage:" + line, source)
            case "generated":
                self._take_message(at, rest)
            case "forbidden" if self.settings.get("filter", "0") != "0" and (
                    found := GOSSIP.match(line := rest[rest.find("gmessage:"):])):
                self.forbidden.add((found[2], hash(line)))
            case "liveness request":
                self.rounds[at] += 1
            case "degree" if COUNT.fullmatch(degree := rest.partition("=>")[2]):
                self.degrees.append((at, int(degree)))
            case "settings":
                self.settings = dict(part.split("=", 1) for part in rest.split(":") if "=" in part)
                self.chat = "chat" in self.settings
                self.interval = self.setting("liveness-interval")
            case "dead" if found := FOUND_DEAD.fullmatch(rest):
                self.found_dead.append(Death(at, found[1], at - float(found[2])))
            case "gone" if found := GONE.fullmatch(rest):
                self.gone.append(Gone(*found.groups()))
            case "unconfirmed":  # a run, IP:PORT:START, or a neighbour, IP:PORT
                (self.denied if RUN.fullmatch(rest) else self.left_alone).add(rest)
            case "misbehaving" if self.settings.get("monitor") == "yes":
                self.malice = rest.partition(":")[0] if rest.isprintable() else "?"
            case "deaths":
                self.finds_at_once = True
            case "leaving":
                self.left = at
            case "alive":
                self.left = math.inf  # who leaves has no more rounds
            case "kicked" if self.settings.get("monitor") == "yes" and KICKED_FOR.fullmatch(rest):
                self.ended = KICKED
            case _:
                self._take_of_another(at, event, *about(rest))

    def _take_message(self, at: float, line: str, source: str | None = None) -> None:
        """Take a message that was generated, or received from a source."""
        found = GOSSIP.match(line)
        if found is None:
            return
        message, text = sys.intern(found[2]), found[3]
        if message in self.generated or source is not None and message in self.received:
            self.repeated.append(message)
        elif source is not None:
            self.received[message] = Delivery(at, sys.intern(source), hash(line))
        elif not message.startswith(self.address + ":"):
            self.misnamed.append(message)
        else:
            cut = text if len(text) <= TEXT_SHOWN else text[:TEXT_SHOWN - 1] + "…"
            # generators of many peers say the same
            self.generated[message] = Said(at, hash(line), sys.intern(cut))
            self.by_generator += BY_GENERATOR.fullmatch(text) is not None

    def _take_of_another(self, at: float, event: str, who: str, rest: str) -> None:
        if event in ("tried", "registered", "unregistered"):  # perhaps by a name that leads nowhere
            self.tried.append(at)
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
                self.tried.append(at)
                _end(self.registrations.setdefault(who, []), at, rest)
            case "liveness reply":
                self.replies.setdefault(who, []).append(at)
            case "liveness missed" if COUNT.fullmatch(rest):
                self.missed.setdefault(who, []).append(Missed(at, int(rest)))
            case "reported" if dead := DEAD.match(rest):
                self.reported.append((at, dead[1], who))


def _begin(times: list[Linked], at: float) -> None:
    if not times or times[-1].end < math.inf:
        times.append(Linked(at, math.inf))


def _end(times: list[Linked], at: float, reason: str, who: str = "") -> None:
    begin = times.pop().begin if times and times[-1].end == math.inf else at
    times.append(Linked(begin, at, reason, who))


def _standing(times: dict[str, list[Linked]], begin: float, end: float) -> set[str]:
    return {who for who, links in times.items()
            if any(link.begin <= begin and end < link.end for link in links)}


class SeedRun(Run):
    """A life of a seed."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.until = at  # its last line that is not `alive`
        self.registered: list[tuple[float, str]] = []  # when, whom
        self.known = 0  # how many seeds its configuration names
        self.removed: list[Removed] = []
        self._listed: set[str] = set()
        self.convicted: dict[str, list[str]] = {}  # whom it found guilty -> the reporters
        self.judged: list[tuple[float, dict[str, float]]] = []  # when, badness of whom it judges
        self.loads: list[Load] = []
        self.reports: list[tuple[float, str, str]] = []  # when, whose death, by whom
        self.untrue: list[tuple[float, str]] = []  # when, by whom; the dead peer answered
        self.disbelieved: dict[str, float] = {}  # whose reports it does not look at, from when on
        self.behind: list[float] = []  # when it found that rows may be late, and so warns nobody
        self.passed_on: list[tuple[float, str]] = []  # when it told others of whose death

    def _take(self, at: float, event: str, rest: str) -> None:
        if event == "alive":
            return
        self.until = at
        dead = DEAD.match(rest)
        match event:
            case "registered":
                self.registered.append((at, rest))
                self._listed.add(rest)
            case "dead report" if dead:
                self.reports.append((at, dead[1], dead[2]))
            case "passed on" if dead:
                self.passed_on.append((at, dead[1]))
            case "rejected" if dead and rest.endswith(":it answers"):
                self.untrue.append((at, dead[2]))
            case "removed" if found := REMOVED.fullmatch(rest):
                self.removed.append(Removed(at, *found.groups(""), found[1] in self._listed))
                self._listed.discard(found[1])
            case "verdict" if found := KICKED_FOR.match(rest):
                self.convicted[found[1]] = [peer.replace("#", ":")
                                            for peer, _ in JUDGED.findall(rest)]
            case "judged":
                self.judged.append((at, {peer.replace("#", ":"): float(badness)
                                         for peer, badness in JUDGED.findall(rest)}))
            case "load" if found := LOAD.fullmatch(rest):
                self.loads.append(Load(at, *map(float, found.groups())))
            case "behind":
                self.behind.append(at)
            case "disbelieved":
                self.disbelieved.setdefault(rest, at)
            case "settings" if found := SEEDS.search(rest):
                self.known = int(found[1])

    @property
    def kicks(self) -> list[Removed]:
        """Its removals of malicious peers."""
        return [one for one in self.removed if one.is_kick]
