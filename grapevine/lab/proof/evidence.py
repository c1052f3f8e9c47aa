"""Questions that the rows of the proof ask of the records.

They ask which runs had to meet, and until when they heard of one another, or of a seed. Files do
not show a cable that is pulled, or a machine without power. They show whether a link ended by a
word of the other end. If it did not, or a reply was missed since, the two peers were last in
contact when one of them had a Liveness Reply from the other, because a cut may be mended, or a
frozen peer end, without a word getting through.

A seed is up from its first line to its last, as it writes `alive:` once a round, but for what its
`late:` lines tell. A seed that writes neither is up while peers are registered there. A peer cannot
reach it from `unregistered:SEED:REASON` until its next `registered:SEED`, unless the seed did not
run, and tells when it ran again. A seed that refuses a peer is up. If it refuses because it cannot
reach the peer, and has registered others, it is cut apart from the peer.

A peer notices late that it cannot reach a seed, so the cut may be older than `unregistered:`: by
four rounds if the peer was registered there; by ten seconds if a new connection broke, because a
seed has ten seconds to answer. Otherwise the cut may be as old as the peer, because it tries a seed
only when it needs one.
"""

import collections
import functools
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grapevine.lab.proof.events import NOT_REACHED, REFUSED, Linked, Registered, Spans
from grapevine.lab.proof.graph import Pieces
from grapevine.lab.proof.records import Records, machine_of
from grapevine.lab.proof.runs import KICKED, PROBE_TIME, PeerRun
from grapevine.messages import CACHE_BYTES
from grapevine.registrations import ANSWER, FIRST_REST, MISSES

ON_ITS_WAY = 1.0  # seconds that a message, or the end of a connection, may take
REGISTER_LIMIT = ANSWER  # seconds in which a seed has to answer
LONGEST_REST = 15.0  # seconds at most until a peer tries a seed again that was out of reach
COMPARED = 4.0  # seconds until a newcomer has compared what it has with a neighbour
COVER = 512  # bytes at most that come with a signed text, and count for its run
SPARED = 7 / 8  # of the weight at which all origins fit: what the heaviest keep at least

# Why a link ended. CLOSED: the other end runs no more. HEARD: the same, or the other end said so.
# NOT_RUNNING: why a seed was lost that did not run; a machine in between may also send resets.
CLOSED = {"closed by the other end", "Connection reset by peer", "Broken pipe"}
NOT_RUNNING = {"closed by the other end", "Connection refused"}
HEARD = {*CLOSED, "left", "full", "duplicate"}


class Row(NamedTuple):  # a line of the proof
    name: str
    holds: bool | None  # None if it only shows figures
    figures: str
    details: Sequence[str] = ()  # the failures, then other facts worth knowing

    def __str__(self) -> str:
        verdict = {True: "holds", False: "FAILS", None: ""}[self.holds]
        return f"{self.name:<10} {verdict:<6} {self.figures}"


class _Loss(NamedTuple):  # a time in which a peer was not registered with a seed
    at: float
    reason: str
    down: bool  # the seed was out of reach; a seed that refuses a peer is not
    since: float  # when the seed may have been out of reach, at the earliest
    until: float  # when the peer was registered again; infinity if it never was
    was_registered: bool  # before


def _losses(run: PeerRun, words: list[Registered]) -> list[_Loss]:
    losses, until = [], math.inf
    befores = [Registered(run.first, "no word yet"), *words]
    for before, (at, reason) in reversed(list(zip(befores, words))):
        if reason is None:
            until = at
            continue
        limit = (notice_time(run) if before.lost is None
                 else REGISTER_LIMIT if reason in CLOSED else math.inf)
        losses.append(_Loss(at, reason, not reason.startswith(REFUSED),
                            max(at - limit, before.at), until, before.lost is None))
    return losses


def notice_time(run: PeerRun) -> float:
    """Return the seconds until a peer notices that it is not registered."""
    return (MISSES + 1) * run.interval


def pause(first: float, up: float) -> float:
    """Return the seconds from `up` until a peer tries a new seed."""
    return max(0.0, min(LONGEST_REST, up - first + FIRST_REST))


class Proof:
    """The honest runs of a network, and what rows ask about them."""

    def __init__(self, records: Records, here: set[str] | None = None):
        self._here = here  # the nodes of which there are files; None means all nodes
        self._machines = {machine_of(run.address) for run in [*records.peers, *records.seeds]}
        self.attackers = [run for run in records.peers if run.malice is not None]
        self.attacking = {run.address for run in self.attackers}  # addresses
        # the nodes whose files do not tell of all that they have said
        self.unproven = {run.address for run in records.peers
                         if run.malice is not None or run.ended == KICKED}
        self.records = records = records.honest()
        self.peers, self.seeds, self.newest = records.peers, records.seeds, records.newest()
        self.denied = {run for peer in self.peers for run in peer.denied}
        self.headless = {address for _, address in records.headless()}  # nodes
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.runs = collections.defaultdict(list)  # address -> the runs of this peer
        self.told = collections.defaultdict(list)  # (seed, dead peer) -> when the seed told a peer
        for run in self.peers:
            self.runs[run.address].append(run)
            for at, seed, dead in run.told:
                self.told[seed, dead].append(at)
        # the seeds whose own files tell when they were up, and those where a peer was registered
        self._telling = {life.address for life in self.seeds if life.pace}
        self._registering = set().union(*(run.registrations.ever() for run in self.peers))
        self.times = sorted(run.generated[m] for m, run in self.origin.items())
        for asked_again in ("taken_by", "contacts", "had_to_meet", "had_to_be_joined",
                            "seed_times", "evicted", "_last_link_end"):
            setattr(self, asked_again, functools.cache(getattr(self, asked_again)))

    # Files, and names.

    def is_elsewhere(self, address: str) -> bool:
        """Tell whether a node has its file on another machine."""
        return self._here is not None and address not in self._here

    def beside(self, addresses: Iterable[str]) -> str:
        """Return a request for the files of machines that have none here."""
        missing = sorted({*map(machine_of, addresses)} - self._machines - {""})
        return f": put the files of {' and '.join(missing)} beside these" if missing else ""

    def strangers(self) -> set[str]:
        """Return the neighbours that have no file."""
        known = {run.address for run in self.peers} | self.attacking
        return {peer for run in self.peers for peer in run.links} - known

    def name(self, run: PeerRun) -> str:
        """Return the address of a run, with its start if ambiguous."""
        return run.address + (start_time(run) if len(self.runs[run.address]) > 1 else "")

    # Runs.

    def end_of(self, run: PeerRun) -> float:
        """Return when a run ended, or the time of the newest line."""
        return run.up_until(self.newest)

    def taken_by(self, run: PeerRun) -> dict[str, float]:
        """Return when a run first received a message of each other run."""
        return {run_of(message): delivery.at  # the first of each run, as it comes last here
                for message, delivery in reversed(run.received.items())}

    # Seeds.

    @functools.cached_property
    def _lives(self) -> dict[str, Spans]:
        """When each seed was up, as all files tell it."""
        lives = {life.address: Spans() for life in self.seeds}
        for life in self.seeds:
            if life.pace:
                lives[life.address] += Spans([(life.first, life.end(self.newest))]).minus(life.late)
        for run in self.peers:
            end = run.last if run.has_ended(self.newest) else math.inf
            for seed in run.registrations.ever() - self._telling:
                words = run.registrations.words[seed]
                first = next(word.at for word in words if word.lost is None)
                up = Spans([(first, end)]).minus(
                    (loss.since, loss.until) for loss in _losses(run, words))
                lives[seed] = Spans([*lives.get(seed, ()), *up]).merged()
        return lives

    @functools.cached_property
    def _texts(self) -> dict[PeerRun, list[tuple[float, int]]]:
        """When each run made messages, and how many bytes these have."""
        return {run: [(at, run.sizes[message]) for message, at in run.generated.items()]
                for run in [*self.peers, *self.attackers] if run.generated}

    def evicted(self, run: PeerRun) -> dict[PeerRun, float]:
        """Return a time for some origins: texts that they made up to then may have been evicted
        before `run` caught up, because all texts exceeded the memory. The heaviest origins lose
        texts, so each keeps its newest, at least up to the weight at which all origins fit."""
        room, most = CACHE_BYTES, run.setting("cache-size")
        cover = COVER if run.settings.get("sign") == "yes" else 0

        def fits(texts) -> bool:
            return (sum(map(len, texts)) <= most
                    and sum(size + cover for sizes in texts for _, size in sizes) <= room)

        if fits(self._texts.values()):  # nearly always, and soon told
            return {}
        caught_up = max([(run.first_linked or run.first) + COMPARED,
                         *(delivery.at for message, delivery in run.received.items()
                           if (origin := self.origin.get(message)) is not None
                           and origin.generated[message] < run.first)])
        texts = {origin: kept for origin, sizes in self._texts.items()
                 if (kept := [(at, size) for at, size in sizes if at <= caught_up])}
        if fits(texts.values()):
            return {}
        least = int(room / max(0.5, most))
        weights = {origin: [(at, max(size, least) + cover) for at, size in sizes]
                   for origin, sizes in texts.items()}
        share, sharing = room, len(weights)
        for weight in sorted(sum(size for _, size in sizes) for sizes in weights.values()):
            if weight * sharing > share:
                break
            share, sharing = share - weight, sharing - 1
        found = {}
        for origin, sizes in weights.items():
            left = SPARED * share / max(1, sharing)
            for at, size in reversed(sizes):
                left -= size
                if left < 0:
                    found[origin] = at
                    break
        return found

    def seed_times(self, run: PeerRun) -> dict[str, Spans]:
        """Return when each seed was up and in reach of a peer."""
        words, times, waited = run.registrations.words, {}, []
        if not run.registrations.ever() and run.has_ended(self.newest):
            waited = [(self.end_of(run) - REGISTER_LIMIT, math.inf)]
        for seed, lives in self._lives.items():
            apart = [(loss.since, loss.until) for loss in _losses(run, words.get(seed, []))
                     # its own file may tell when it did not run
                     if loss.down and not (seed in self._telling and loss.reason in NOT_RUNNING)
                     or seed in self._registering and loss.reason.startswith(NOT_REACHED)]
            times[seed] = lives.minus(apart if seed in words else waited)
        return times

    # Pairs of peers.

    def had_to_meet(self, one: PeerRun, other: PeerRun) -> bool:
        """Tell whether links had to join two runs, maybe through others. Links did so before, or a
        seed that both can reach is up, and has not just come back, or was for long."""
        starts, back = {seed.first for seed in self.seeds}, self.newest - FIRST_REST
        return (self._joined.joined(one, other)
                or min(self.end_of(one), self.end_of(other)) >= self.newest
                and any(end >= self.newest and (begin < back or begin not in starts)
                        for begin, end in self._common_seed_times(one, other))
                or self.had_time_to_meet(one, other))

    def had_to_be_joined(self, run: PeerRun) -> set[PeerRun]:
        """Return the runs that had to meet a run, both being up."""
        return {one for one in self.peers if not run.has_ended(self.newest)
                and not one.has_ended(self.newest) and self.had_to_meet(one, run)}

    @functools.cached_property
    def _joined(self) -> Pieces:
        """All runs, linked if they have ever been neighbours."""
        return Pieces({run: [other for address in run.links for other in self.runs[address]
                             if self.contacts(run, other)] for run in self.peers})

    def _common_seed_times(self, one: PeerRun, other: PeerRun) -> Spans:
        """Return the times in which both runs could reach the same seed."""
        if one.chat:  # chat servers need no seed
            return Spans([(one.first, self.newest)])
        theirs = self.seed_times(other)
        return Spans(time for seed, mine in self.seed_times(one).items()
                     for time in mine.common(theirs[seed]))

    def had_time_to_meet(self, one: PeerRun, other: PeerRun, since: float = 0.0) -> bool:
        """Tell whether two runs had enough time to meet. They are up and awake, and a seed is in
        reach of both, for two rounds from `since` on, and for more if both have lost neighbours. No
        time counts until a seed that comes back is tried again, or its silence is noticed."""
        misses = max(one.setting("liveness-misses"), other.setting("liveness-misses"))
        rounds = 3 + misses if one.links and other.links else 2
        patience = PROBE_TIME + rounds * max(one.interval, other.interval)
        first, begin = min(one.first, other.first), max(one.first, other.first, since)
        times = Spans((max(begin, up + pause(first, up)), down)
                      for up, down in self._common_seed_times(one, other))
        for run in (one, other):
            end = self.end_of(run)
            if not run.links and run.left is run.ended is None and end < self.newest:
                end -= notice_time(run)  # it never had a neighbour, and may have been cut off
            unnoticed = [(loss.since, loss.at) for words in run.registrations.words.values()
                         for loss in _losses(run, words)
                         if loss.was_registered and loss.down and loss.reason not in CLOSED]
            times = times.minus([*unnoticed, *run.frozen(), (end, math.inf)])
        return any(down - up > patience for up, down in times)

    def contacts(self, one: PeerRun, other: PeerRun) -> Spans:
        """Return when two runs were in contact as neighbours of each other."""
        times = Spans()
        for mine, theirs in itertools.product(one.links.get(other.address, ()),
                                              other.links.get(one.address, ())):
            begin = max(mine.begin, theirs.begin)
            end = min(mine.end, theirs.end, self.end_of(one), self.end_of(other))
            replied = max(_last(one.replies, other, end), _last(other.replies, one, end), begin)
            missed = max(_last(one.missed, other, end), _last(other.missed, one, end))
            if (self._fell_silent(one, mine, other, theirs)
                    or self._fell_silent(other, theirs, one, mine) or missed > replied):
                end = replied
            if begin <= end:
                times.append((begin, end))
        return times

    def _fell_silent(self, run: PeerRun, mine: Linked, other: PeerRun, theirs: Linked) -> bool:
        """Tell whether a link ended for a run without the other's word."""
        if run.chat:
            return False  # chat servers have no connections
        if mine.end > self.newest:  # it has not seen the end
            if theirs.end > self.newest and self.end_of(run) < self.newest:
                return other.ended is None or run.ended is None  # nobody tells of the end
            return self.end_of(run) >= self.newest > self.end_of(other)
        if mine.reason == "given up":
            return theirs.reason != "full"  # then the other end has heard of it
        if mine.reason in CLOSED and (theirs.reason in CLOSED or min(
                theirs.end, self.end_of(other)) > mine.end + ON_ITS_WAY):
            return True  # it was not closed there, but broke somewhere between
        if mine.reason in CLOSED and other.left is not None and other.left < mine.end:
            return True  # a leaver says goodbye on all links, and this link did not carry it
        return mine.reason not in HEARD or mine.end > other.last + ON_ITS_WAY

    def alone_since(self, run: PeerRun, at: float) -> float:
        """Return when a run lost its last neighbour before `at`, or infinity."""
        last = self._last_link_end(run)
        return max(last, run.first) if last < at else math.inf

    def _last_link_end(self, run: PeerRun) -> float:
        end = self.end_of(run)
        return max((link.end for links in run.links.values() for link in links
                    if link.begin <= end), default=-math.inf)


def _last(times: list[tuple], peer: PeerRun, until: float) -> float:
    """Return the last time about a peer until a moment, or 0."""
    return next((at for at, who, *_ in reversed(times) if who == peer.address and at <= until), 0.0)


def origin_of(message: str) -> str:
    """Return the address of the peer that has said a message."""
    return message.rsplit(":", 2)[0]


def run_of(message: str) -> str:
    """Return the run that has said a message, as in `unconfirmed:RUN`."""
    return message.rpartition(":")[0]


def start_time(run: PeerRun) -> str:
    """Return words that tell a run from others of its peer."""
    return f" (started {time.strftime('%F %T', time.gmtime(run.first))})"


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]
