"""Runs of peers: one life of a peer, as its output file tells it.

A run takes one event after the other, and keeps what the proof needs. That of a kicked peer
ends then: what it does while it is shut out proves nothing. So does a run whose file is full:
nobody knows what it does then, but that a thread of it has failed.
"""

import collections
import math
import sys

from gossip.lab.proof.events import (
    BY_GENERATOR, BY_SEED, COUNT, DEAD, GOSSIP, KICKED_FOR, NOT_REACHED, RUN, SECONDS, Delivery,
    Linked, Missed, Registered, Reply, Report, Spans)
from gossip.settings import LATE_FOR, Settings

USUAL = Settings()
CHAT_SILENCE = 3.0  # seconds of silence, while others write, that mean a chat server is dead
PROBE_TIME = USUAL.probe_limit  # seconds that the last probe of a silent neighbour may take
TEXT_SHOWN = 40  # characters by which a message is named
OF_OTHERS = {  # events that name another node and tell more
    "liveness reply", "liveness missed", "disconnected", "unregistered", "refused", "peer list",
    "reported", "told"}
WAITS = 2 * LATE_FOR + 1.0  # seconds after a `late:` line in which a generator may still wait:
# small lateness is told once in LATE_FOR seconds, waited for as long, and looked for once a second
LONG_GAP = 1.5  # liveness intervals without a line, where files do not tell of lateness
QUIT, KICKED, FULL = "quit", "kicked", "full"  # ends of runs that are no deaths


class Run:
    """One life of a node. Times are Unix seconds."""

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = at
        self.ended: str | None = None  # the reason in its `stopped:` line, like quit; kicked; full
        self.superseded = False  # the node was started again
        self.tells_lateness = False  # when it was late; in earlier versions files did not
        self.late = Spans()  # when it stood still, or ran late
        self.failures: list[str] = []  # threads that died

    def take(self, at: float, event: str, rest: str) -> None:
        """Take one event of this run's file."""
        if self.ended not in (KICKED, FULL):
            self._take(at, event, rest)
        elif self.ended == FULL and event == "failed":
            self.failures.append(rest)

    def _take_of_any_node(self, at: float, event: str, rest: str) -> None:
        if event == "late":
            self.tells_lateness = True
            self.late.take_late(at, rest)
        elif event == "full":
            self.ended = FULL
        elif event == "stopped":
            self.ended = rest
        elif event == "failed":
            self.failures.append(rest)


class PeerRun(Run):
    """One life of a peer."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.settings: dict[str, str] = {}
        self.malice: str | None = None  # of an attacker: its kind
        self.left: float | None = None  # when it began to leave
        self.generated: dict[str, float] = {}  # message (IP:PORT:RUN:NUMBER) -> when
        self.by_generator = 0  # how many of them the generator made
        self.received: dict[str, Delivery] = {}
        self.marks: dict[str, int] = {}  # message generated -> hash of its line
        self.texts: dict[str, str] = {}  # message generated -> its text, maybe cut
        self.registrations = RegistrationHistory()
        self.lists: list[tuple[float, str]] = []  # when which seed told it of others
        self.repeated: list[str] = []  # messages generated or received once more
        self.linked: set[str] = set()  # neighbours now
        self.changes: list[tuple[float, str, bool]] = []  # when a link to whom came (True) or went
        self.degrees: list[tuple[float, int]] = []  # when, number of neighbours from then on
        self.links: dict[str, list[Linked]] = {}  # neighbour, also an earlier one -> its links
        self.requests = 0
        self.rounds: list[float] = []  # when it asked its neighbours
        self.replies: list[Reply] = []
        self.missed: list[Missed] = []
        self.dead: dict[str, float] = {}  # neighbour -> when it was found dead, the last time
        self.found_dead: list[tuple[float, str]] = []  # when, whom: each time
        self.reported: list[Report] = []
        self.told: list[tuple[float, str, str]] = []  # when, by which seed, of whose death
        self.denied: set[str] = set()  # runs that nobody confirmed to it
        self.left_alone: set[str] = set()  # neighbours that never name it in their reports

    def setting(self, name: str) -> float:
        """A setting as a number; its default if the file has no valid value."""
        usual = getattr(USUAL, name.replace("-", "_"))
        try:
            value = float(self.settings.get(name, usual))
        except ValueError:
            return usual
        return value if 0 <= value < math.inf else usual

    @property
    def chat(self) -> bool:
        """Whether this is a run of a chat server."""
        return "chat" in self.settings

    @property
    def first_linked(self) -> float | None:
        """When it first had a neighbour; None: it never had."""
        return self.changes[0][0] if self.changes else None

    def is_dead(self, newest: float) -> bool:
        """Whether it ended without a word: it was started again, or silent for long at the end."""
        silence = CHAT_SILENCE if self.chat else 2 * self.setting("liveness-interval")
        return self.ended not in (QUIT, KICKED, FULL) and (
            self.superseded or self.last < newest - silence)

    def has_ended(self, newest: float) -> bool:
        return self.ended is not None or self.is_dead(newest)

    def has_since(self, message: str) -> float:
        """When it generated or received a message that it has."""
        made = self.generated.get(message)
        return self.received[message].at if made is None else made

    def awake(self) -> float:
        """Seconds for which its generator could speak: it was up, and not late."""
        end = self.left or self.last
        waited = Spans((begin, late + WAITS) for begin, late in self.late).merged()
        return end - self.first - waited.common([(self.first, end)]).total()

    def frozen(self) -> Spans:
        """Return when it was late for longer than a round, and a second: its links may break."""
        long = max(1.0, self.setting("liveness-interval"))
        return Spans((begin, until) for begin, until in self.late if until - begin > long)

    def up_until(self, newest: float) -> float:
        """When it left, ended or died; the time of the newest line for a run that is up."""
        if self.left is not None:
            return self.left
        return self.last if self.has_ended(newest) else newest

    def linked_at(self, at: float) -> set[str]:
        """The neighbours at that time."""
        linked = set()
        for moment, peer, up in self.changes:
            if moment <= at:
                (linked.add if up else linked.discard)(peer)
        return linked

    def degree_at(self, at: float) -> int:
        """The degree at that time, by the `degree:` lines; 0 before the first of them."""
        return next((degree for moment, degree in reversed(self.degrees) if moment <= at), 0)

    def had_link(self, peer: str, at: float) -> bool:
        """Whether it was linked to the peer at that time or later."""
        return peer in self.links and self.links[peer][-1].end >= at

    def _take(self, at: float, event: str, rest: str) -> None:
        if not self.tells_lateness and self.left is None and (
                at - self.last > LONG_GAP * self.setting("liveness-interval")):
            self.late.append((self.last, at))
        self.last = at
        if event in self._OFTEN:
            self._OFTEN[event](self, at, rest)
        elif event in OF_OTHERS:
            self._take_of_another(at, event, rest)
        else:
            self._take_of_itself(at, event, rest)

    def _generated(self, at, rest):
        match = GOSSIP.match(rest)
        if match and match[2] in self.generated:
            self.repeated.append(match[2])
        elif match:
            message = sys.intern(match[2])
            self.generated[message] = at
            self.marks[message] = hash(rest)
            text = match[3] if len(match[3]) <= TEXT_SHOWN else match[3][:TEXT_SHOWN - 1] + "…"
            self.texts[message] = sys.intern(text)  # generators of many peers say the same
            if BY_GENERATOR.fullmatch(match[3]):
                self.by_generator += 1

    def _received(self, at, rest):
        source, _, line = rest.partition(":gmessage:")
        line = "gmessage:" + line
        match = GOSSIP.match(line)
        if match and (match[2] in self.received or match[2] in self.generated):
            self.repeated.append(match[2])
        elif match:
            self.received[sys.intern(match[2])] = Delivery(at, sys.intern(source), hash(line))

    def _connected(self, at, rest):
        if rest not in self.linked:
            self.links.setdefault(rest, []).append(Linked(at, math.inf))
        self.linked.add(rest)
        self.changes.append((at, rest, True))

    def _take_of_another(self, at: float, event: str, rest: str) -> None:
        match = BY_SEED.match(rest)
        if not match:
            return
        who, rest = match.groups()
        dead = DEAD.match(rest)
        if event == "liveness reply":
            took = float(rest) / 1000 if SECONDS.fullmatch(rest) else 0.0
            self.replies.append(Reply(at, sys.intern(who), took))
        elif event == "liveness missed" and COUNT.fullmatch(rest):
            self.missed.append(Missed(at, sys.intern(who), int(rest)))
        elif event == "disconnected" and who in self.linked:
            self.linked.remove(who)
            self.links[who][-1] = self.links[who][-1]._replace(end=at, reason=rest)
            self.changes.append((at, who, False))
        elif event == "peer list":
            self.lists.append((at, who))
        elif event == "unregistered" or event == "refused" and rest.startswith(NOT_REACHED):
            self.registrations.add(who, Registered(at, rest))
        elif event == "reported" and dead:
            self.reported.append(Report(at, who, dead[1], dead[0]))
        elif event == "told" and dead:
            self.told.append((at, who, dead[1]))

    def _take_of_itself(self, at: float, event: str, rest: str) -> None:
        if event == "liveness request":
            self.requests += 1
            if not self.rounds or self.rounds[-1] < at:
                self.rounds.append(at)
        elif event == "degree" and COUNT.fullmatch(degree := rest.partition("=>")[2]):
            self.degrees.append((at, int(degree)))
        elif event == "settings":
            self.settings = dict(part.split("=", 1) for part in rest.split(":") if "=" in part)
        elif event == "registered":
            self.registrations.add(rest, Registered(at, None))
        elif event == "dead":
            self.dead[rest] = at
            self.found_dead.append((at, rest))
        elif event == "unconfirmed":  # a run that nobody confirmed, IP:PORT:START; or IP:PORT, a
            # neighbour that never names this peer in its reports, as seeds have found
            (self.denied if RUN.fullmatch(rest) else self.left_alone).add(rest)
        elif event == "misbehaving":
            self.malice = rest.partition(":")[0]
        elif event == "leaving":
            self.left = at
        elif event == "kicked" and KICKED_FOR.fullmatch(rest):
            self.ended = KICKED
        else:
            self._take_of_any_node(at, event, rest)

    _OFTEN = {"generated": _generated, "received": _received, "connected": _connected}


class RegistrationHistory:
    """With which seeds a run was registered, by its own word."""

    def __init__(self):
        self.words: dict[str, list[Registered]] = collections.defaultdict(list)  # seed -> in order
        self.all: list[tuple[str, Registered]] = []  # of all seeds, in order

    def add(self, seed: str, word: Registered) -> None:
        """Take a word about a seed."""
        self.words[seed].append(word)
        self.all.append((seed, word))

    def ever(self) -> set[str]:
        """The seeds that it was registered with at some time."""
        return {seed for seed, word in self.all if word.lost is None}

    def last(self, seed: str, at: float) -> Registered | None:
        """Return its last word about a seed at that time."""
        return next((word for word in reversed(self.words.get(seed, [])) if word.at <= at), None)

    def stands_from(self, seed: str, begin: float, end: float) -> bool:
        """Whether it was registered there in all that time."""
        word = self.last(seed, begin)
        return word is not None and word.lost is None and not any(
            begin < word.at <= end for word in self.words[seed])

    def since_with(self, count: int) -> float | None:
        """When it was registered with so many seeds at once first; None: never."""
        standing = set()
        for seed, word in self.all:
            (standing.add if word.lost is None else standing.discard)(seed)
            if len(standing) >= count:
                return word.at
        return None
