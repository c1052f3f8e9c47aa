"""Runs, the lives of peers and seeds by their output files.

A run takes one event after the other, and keeps what the proof needs. The run of a peer that is
kicked ends, because what the peer does while it is shut out proves nothing.
"""

import collections
import math
import sys

from grapevine.events import about
from grapevine.lab.proof.events import (
    BY_GENERATOR, COUNT, DEAD, GOSSIP, JUDGED, KICKED_FOR, LOAD, NOT_REACHED, REMOVED, RUN, SECONDS,
    SEEDS, Delivery, Kick, Linked, Load, Missed, Registered, Reply, Report, Spans)
from grapevine.settings import Settings

USUAL = Settings()
CHAT_SILENCE = 3.0  # seconds of silence, while others write, that mean a chat server is dead
PROBE_TIME = 2.0  # seconds that the last probe of a silent neighbour may take
TEXT_SHOWN = 40  # characters by which a message is named
WAITS = 9.0  # seconds after a `late:` line in which a generator may still wait
QUIT, KICKED = "quit", "kicked"  # ends of runs that are no deaths


class Run:
    """A life of a node. Times are Unix seconds."""

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = at
        self.ended: str | None = None  # the reason in its `stopped:` line, or KICKED
        self.superseded = False  # the node was started again
        self.late = Spans()  # when it stood still, or ran late
        self.lacks_lines = False  # a full disk refused some
        self.failures: list[str] = []  # threads that died
        self.set_back = 0.0  # seconds by which its clock was set back, at most at a time

    def take(self, at: float, event: str, rest: str) -> None:
        if event == "failed" and self.ended != KICKED:
            self.failures.append(rest)
        if self.ended == KICKED:
            return
        self.set_back = max(self.set_back, self.last - at)
        self._take(at, event, rest)
        match event:
            case "late" if SECONDS.fullmatch(rest) and float(rest):
                begin = at - float(rest)
                while self.late and self.late[-1][1] >= begin:  # what was told counts once
                    begin = min(begin, self.late.pop()[0])
                self.late.append((begin, at))
            case "lost":
                self.lacks_lines = True
            case "stopped":
                self.ended = rest


class PeerRun(Run):
    """A life of a peer."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.settings: dict[str, str] = {}
        self.interval = USUAL.liveness_interval  # seconds between its rounds
        self.malice: str | None = None  # the kind of an attacker
        self.left: float | None = None  # when it began to leave
        self.generated: dict[str, float] = {}  # message (IP:PORT:RUN:NUMBER) -> when
        self.by_generator = 0  # how many messages the generator made
        self.received: dict[str, Delivery] = {}
        self.marks: dict[str, int] = {}  # message generated -> hash of its line
        self.sizes: dict[str, int] = {}  # message generated -> bytes of its line
        self.texts: dict[str, str] = {}  # message generated -> its text, maybe cut
        self.registrations = RegistrationHistory()
        self.lists: list[tuple[float, str]] = []  # when which seed told it of others
        self.forbidden: set[tuple[str, int]] = set()  # (message, hash of its line) that it filters
        self.repeated: list[str] = []  # messages generated or received once more
        self.linked: set[str] = set()  # neighbours now
        self.degrees: list[tuple[float, int]] = []  # when, number of neighbours from then on
        self.links: dict[str, list[Linked]] = {}  # neighbour, now or earlier -> its links
        self.rounds: collections.Counter[float] = collections.Counter()  # when -> neighbours asked
        self.replies: list[Reply] = []
        self.missed: list[Missed] = []
        self.dead: dict[str, float] = {}  # neighbour -> when it was found dead, the last time
        self.found_dead: list[tuple[float, str]] = []  # when, whom, each time
        self.reported: list[Report] = []
        self.told: list[tuple[float, str, str]] = []  # when, by which seed, of whose death
        self.denied: dict[str, float] = {}  # run that nobody confirmed -> when it was told so last
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
    def chat(self) -> bool:
        return "chat" in self.settings

    @property
    def first_linked(self) -> float | None:
        """The time of its first neighbour, if it had any."""
        return next(iter(self.links.values()))[0].begin if self.links else None

    def is_dead(self, newest: float) -> bool:
        """Tell whether it ended without a word, or was started again."""
        silence = CHAT_SILENCE if self.chat else 2 * self.interval
        return self.ended not in (QUIT, KICKED) and (
            self.superseded or self.last < newest - silence)

    def has_ended(self, newest: float) -> bool:
        return self.ended is not None or self.is_dead(newest)

    def up_until(self, newest: float) -> float:
        """Return when it left, ended or died, or else `newest`."""
        if self.left is not None:
            return self.left
        return self.last if self.has_ended(newest) else newest

    def has_since(self, message: str) -> float:
        """Return when it generated or received a message that it has."""
        made = self.generated.get(message)
        return self.received[message].at if made is None else made

    def awake(self) -> float:
        """Return the seconds for which its generator could speak."""
        end = self.left or self.last
        waited = Spans((begin, late + WAITS) for begin, late in self.late).merged()
        return end - self.first - waited.common([(self.first, end)]).total()

    def frozen(self) -> Spans:
        """Return when it was late for so long that links may break."""
        long = max(1.0, self.interval)
        return Spans((begin, until) for begin, until in self.late if until - begin > long)

    def linked_at(self, at: float) -> set[str]:
        return {peer for peer, links in self.links.items()
                if any(link.begin <= at < link.end for link in links)}

    def had_link(self, peer: str, at: float) -> bool:
        """Tell whether it was linked to a peer then or later."""
        return peer in self.links and self.links[peer][-1].end >= at

    def _take(self, at: float, event: str, rest: str) -> None:
        self.last = at
        match event:
            case "received":
                source, _, line = rest.partition(":gmessage:")
                self._take_message(at, "gmessage:" + line, source)
            case "generated":
                self._take_message(at, rest)
            case "forbidden" if found := GOSSIP.match(line := rest[rest.find("gmessage:"):]):
                self.forbidden.add((found[2], hash(line)))
            case "connected":
                if rest not in self.linked:
                    self.links.setdefault(rest, []).append(Linked(at, math.inf))
                self.linked.add(rest)
            case "liveness request":
                self.rounds[at] += 1
            case "degree" if COUNT.fullmatch(degree := rest.partition("=>")[2]):
                self.degrees.append((at, int(degree)))
            case "settings":
                self.settings = dict(part.split("=", 1) for part in rest.split(":") if "=" in part)
                self.interval = self.setting("liveness-interval")
            case "registered":
                self.registrations.add(rest, Registered(at, None))
            case "dead":
                self.dead[rest] = at
                self.found_dead.append((at, rest))
            case "unconfirmed":  # a run, IP:PORT:START, or a neighbour, IP:PORT
                if RUN.fullmatch(rest):
                    self.denied[rest] = at
                else:
                    self.left_alone.add(rest)
            case "misbehaving":
                self.malice = rest.partition(":")[0] if rest.isprintable() else "?"
            case "leaving":
                self.left = at
            case "kicked" if self.settings.get("monitor") != "no" and KICKED_FOR.fullmatch(rest):
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
        else:
            self.generated[message] = at
            self.marks[message] = hash(line)
            self.sizes[message] = len(line.encode())
            cut = text if len(text) <= TEXT_SHOWN else text[:TEXT_SHOWN - 1] + "…"
            self.texts[message] = sys.intern(cut)  # generators of many peers say the same
            self.by_generator += BY_GENERATOR.fullmatch(text) is not None

    def _take_of_another(self, at: float, event: str, who: str, rest: str) -> None:
        match who and event:  # a host name that leads to no seed is no address
            case "liveness reply":
                took = float(rest) / 1000 if SECONDS.fullmatch(rest) else 0.0
                self.replies.append(Reply(at, sys.intern(who), took))
            case "liveness missed" if COUNT.fullmatch(rest):
                self.missed.append(Missed(at, sys.intern(who), int(rest)))
            case "disconnected" if who in self.linked:
                self.linked.remove(who)
                self.links[who][-1] = self.links[who][-1]._replace(end=at, reason=rest)
            case "peer list":
                self.lists.append((at, who))
            case "unregistered" | "refused" if event != "refused" or rest.startswith(NOT_REACHED):
                self.registrations.add(who, Registered(at, rest))
            case "reported" if dead := DEAD.match(rest):
                self.reported.append(Report(at, who, dead[1], dead[0]))
            case "told" if dead := DEAD.match(rest):
                self.told.append((at, who, dead[1]))


class RegistrationHistory:
    """The seeds with which a run was registered, by its own word."""

    def __init__(self):
        self.words: dict[str, list[Registered]] = collections.defaultdict(list)  # seed -> in order
        self.all: list[tuple[str, Registered]] = []  # of all seeds, in order

    def add(self, seed: str, word: Registered) -> None:
        self.words[seed].append(word)
        self.all.append((seed, word))

    def ever(self) -> set[str]:
        """Return the seeds with which it was ever registered."""
        return {seed for seed, word in self.all if word.lost is None}

    def last(self, seed: str, at: float) -> Registered | None:
        """Return its last word about a seed at a time."""
        return next((word for word in reversed(self.words.get(seed, [])) if word.at <= at), None)

    def stands_from(self, seed: str, begin: float, end: float) -> bool:
        """Tell whether it was registered with a seed all the time."""
        word = self.last(seed, begin)
        return word is not None and word.lost is None and not any(
            begin < word.at <= end for word in self.words[seed])

    def since_with(self, count: int) -> float | None:
        """Return when `count` seeds at once had registered it, if ever."""
        standing = set()
        for seed, word in self.all:
            (standing.add if word.lost is None else standing.discard)(seed)
            if len(standing) >= count:
                return word.at
        return None


class SeedRun(Run):
    """A life of a seed."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.until = at  # its last line that is not `alive`
        self.pace = 0.0  # seconds between two lines `alive`; 0 if it writes none
        self.registered: list[tuple[float, str]] = []  # when, whom
        self.known = 0  # how many seeds its configuration names
        self.listed: list[tuple[float, str]] = []  # when it told whom of the others
        self.removed: list[tuple[float, str, str]] = []  # when, whom, why
        self.kicks: list[Kick] = []
        self.convicted: dict[str, list[str]] = {}  # whom it found guilty -> the reporters
        self.judged: list[tuple[float, dict[str, float]]] = []  # when, badness of whom it judges
        self.loads: list[Load] = []
        self.reports: list[tuple[float, str, str, str]] = []  # when, whose death, by whom, line
        self.untrue: list[tuple[float, str]] = []  # when, by whom; the dead peer answered
        self.disbelieved: dict[str, float] = {}  # whose reports it does not look at, from when on
        self.behind: list[float] = []  # when it found that rows may be late, and so warns nobody
        self.passed_on: list[tuple[float, str]] = []  # when it told others of whose death
        self.not_told: list[tuple[float, str]] = []  # when, which seed it did not reach for that

    def _take(self, at: float, event: str, rest: str) -> None:
        self.last = at
        if event == "alive" and SECONDS.fullmatch(rest):
            self.pace = float(rest)
            return
        self.until = at
        dead = DEAD.match(rest)
        match event:
            case "registered":
                self.registered.append((at, rest))
            case "peer list":
                self.listed.append((at, rest.rpartition(":")[0]))
            case "dead report" if dead:
                self.reports.append((at, dead[1], dead[2], dead[0]))
            case "passed on" if dead:
                self.passed_on.append((at, dead[1]))
            case "not told":
                self.not_told.append((at, about(rest)[0]))
            case "rejected" if dead and rest.endswith(":it answers"):
                self.untrue.append((at, dead[2]))
            case "removed" if found := REMOVED.fullmatch(rest):
                peer, reason, badness = found.groups()
                self.removed.append((at, peer, reason))
                if badness is not None:
                    self.kicks.append(Kick(at, peer, float(badness)))
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

    def end(self, newest: float) -> float:
        """Return when it ended, as its file tells, or infinity."""
        silent = self.last < newest - 2 * self.pace
        over = self.ended is not None or self.superseded or silent or not self.pace
        return self.last if over else math.inf

    def believes(self, peer: str, at: float) -> bool:
        """Tell whether it looks at a peer's reports, before any disbelief."""
        return at < self.disbelieved.get(peer, math.inf)
