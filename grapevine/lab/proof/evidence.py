"""The proof's view of a network: its honest runs, what disturbed them, and the rows about them."""

import bisect
import collections
import functools
import math
import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grapevine.lab.proof.disturbances import (
    CATCHING_UP, FAILS, HOLDS, LONG, NOTICE_ROUNDS, ON_ITS_WAY, PROBE_TIME, UNCLEAR, Fault, Span,
    always, clock, judge, no_file, quiet, shared)
from grapevine.lab.proof.records import Records, machine_of
from grapevine.lab.proof.runs import KICKED, Linked, PeerRun, Run
from grapevine.registrations import ANSWER_TIME


class Row(NamedTuple):  # a line of the proof
    name: str
    verdict: str  # or nothing, if it only shows figures
    figures: str
    details: Sequence[str] = ()  # the failures, then what is unclear

    def __str__(self) -> str:
        return f"{self.name:<10} {self.verdict:<7} {self.figures}"


def row(name: str, figures: str, faults: Iterable[Fault]) -> Row:
    """Return a row with the verdict of its faults, the worst of which count."""
    faults = list(dict.fromkeys(faults))
    details = [fault.words for verdict in (FAILS, UNCLEAR) for fault in faults
               if fault.verdict == verdict]
    return Row(name, worst(fault.verdict for fault in faults), figures, details)


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst verdict."""
    return max(verdicts, key=("", HOLDS, UNCLEAR, FAILS).index, default=HOLDS) or HOLDS


class Proof:
    """The honest runs of a network, what disturbed them, and what rows ask about them."""

    def __init__(self, records: Records, here: set[str] | None = None):
        self._here = here  # the nodes of which there are files; None means all nodes
        self.records, self.newest = records, records.newest
        self.peers, self.seeds = records.honest, records.seeds
        self.attackers = [run for run in records.peers if run.malice is not None]
        self.all_runs = [*self.peers, *self.attackers, *self.seeds]
        self.is_watched = any(run.settings.get("monitor") == "yes" for run in records.peers)
        self.attacking = {run.address for run in self.attackers}  # addresses
        # the nodes whose files do not tell of all that they have said
        self.unproven = {run.address for run in records.peers
                         if run.malice is not None or run.ended == KICKED}
        self.lives = by_node([*self.peers, *self.seeds])
        self.runs, self.registries = by_node(self.peers), by_node(self.seeds)
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.unconfirmed = {what for run in self.peers for _, what in run.told("unconfirmed")}
        self.cuts = records.scenario.times("cut", "mend")
        self._frozen = records.scenario.times("freeze", "thaw")
        self._headless = records.headless() | {  # or others had to do with a life that it lacks
            node for run in self.peers for times in (run.links, run.registrations)
            for node, those in times.items() if any(
                one.stood and self._has_no_life(node, one) for one in those)}
        self._full = shared([[(begin - 2 * run.interval, end + 2 * run.interval)
                              for run in [*self.peers, *self.seeds] for begin, end in run.lost]], 1)
        self._trouble: dict[Run | str | tuple[PeerRun, str], list[Span]] = {}

    def _has_no_life(self, node: str, one: Linked) -> bool:
        """Tell whether a link began before the first life of a node, or over a second after the end
        of another, and lasted as long; what did not was read late."""
        lives = self.lives.get(node, [])
        at = bisect.bisect(lives, one.begin + ON_ITS_WAY, key=operator.attrgetter("first"))
        return bool(lives) and (at == 0 or lives[at - 1].ended not in (None, KICKED) and (
            lives[at - 1].last + ON_ITS_WAY < one.begin < one.end - ON_ITS_WAY))

    def is_elsewhere(self, address: str) -> bool:
        """Tell whether a node has its file on another machine."""
        return self._here is not None and address not in self._here

    @functools.cached_property
    def strangers(self) -> set[str]:
        """The nodes that others name, and that have no file."""
        peers = {address for run in self.peers for address in run.links}
        peers |= {origin_of(message) for run in self.peers for message in run.received
                  if message not in self.origin}
        seeds = {seed for run in self.peers for seed, times in run.registrations.items()
                 if any(one.stood for one in times)}
        return peers - self.runs.keys() - self.attacking | seeds - self.registries.keys()

    # By node or time, because in weeks thousands live and die.

    @functools.cached_property
    def linked(self) -> dict[str, list[PeerRun]]:
        """The runs that each node was linked to."""
        return gathered((peer, run) for run in self.peers for peer in run.links)

    @functools.cached_property
    def finders(self) -> dict[str, list[tuple[float, PeerRun]]]:
        """When which runs found each node dead."""
        return gathered((peer, (at, run)) for run in self.peers
                         for at, peer, _ in run.told("dead"))

    @functools.cached_property
    def deaths(self) -> list[float]:
        """When peers died, in order."""
        return sorted(run.last for run in self.peers if run.is_dead)

    def seeds_up(self, begin: float, end: float, count: int) -> float:
        """Return for how many seconds of a window so many seeds were up."""
        lives = [[(seed.first, seed.end)] for seed in self.seeds]
        return end - begin - quiet(begin, end, shared(lives, count))

    def missing_from(self, address: str) -> str:
        """Return words that ask for the files of another machine, if none of it is here."""
        machines = {machine_of(run.address) for run in [*self.peers, *self.seeds]}
        machine = machine_of(address)
        return f": put the files of {machine} beside these" if machine not in machines else ""

    # Disturbances.

    def by_file(self, words: str, *runs: Run, missing: Iterable[str] = ()) -> Fault:
        """Judge a claim that is not met, about what the files of these runs, and of nodes that have
        none, say."""
        spans = [span for run in runs for span in self.file_trouble(run)]
        return judge(words, 0.0, 1.0, 1.0, spans + list(map(no_file, missing)))

    def trouble(self, *whom: Run | str | tuple[PeerRun, str]) -> list[Span]:
        """Return what disturbed runs, nodes by their addresses, and what a run tells of a node."""
        for who in whom:
            if who not in self._trouble:
                self._trouble[who] = (self._between(*who) if isinstance(who, tuple) else
                                      self._of_node(who) if isinstance(who, str) else
                                      self._of(who))
        return [span for who in whom for span in self._trouble[who]]

    def lacks(self, run: Run) -> list[Span]:
        """Return why the file of a run does not tell all."""
        may_lack = not run.lost and run.ended is None and any(  # killed, it cannot tell
            begin <= run.last <= end for begin, end in self._full)
        return [always(words) for is_so, words in (
            (run.lost, f"a full disk has refused lines of {run.address}"),
            (may_lack, f"a full disk may have refused the last lines of {run.address}"),
            (run.is_damaged, f"there are damaged lines in the file of {run.address}"),
            (run.address in self._headless,
             f"the file of {run.address} lacks the beginning of a life"),
        ) if is_so]

    def file_trouble(self, run: Run) -> list[Span]:
        """Return why the file of a run does not tell all, or not when."""
        clocks = self.records.clocks
        clock_set = clocks.disturbs(run.address) if clocks else ""
        return self.lacks(run) + [always(clock_set)] * bool(clock_set)

    def _of(self, run: Run) -> list[Span]:
        """Return the disturbances of a run: its file, and when it was late or frozen."""
        return [*self.file_trouble(run), *(
            Span(begin, at + min(at - begin, CATCHING_UP) * (at - begin >= LONG),
                 f"{run.address} was late by {at - begin:.1f} s at {clock(at)}")
            for begin, at in run.late), *(
            Span(begin, end, f"{run.address} was frozen at {clock(begin)}")
            for begin, end, nodes in self._frozen if run.address in nodes)]

    def _of_node(self, address: str) -> list[Span]:
        """Return the disturbances of all runs of a node, and when it did not run."""
        if address not in self.lives:
            return [no_file(address)]
        runs, before = self.lives[address], -math.inf
        spans = self.trouble(*runs)
        for run in runs:
            spans.append(Span(before, run.first + PROBE_TIME, f"{address} began at "
                              f"{clock(run.first)}"))
            before = run.end if run.end < self.newest else math.inf
        if before < math.inf:
            spans.append(Span(before, math.inf, f"{address} ended at {clock(before)}"))
        return spans

    def _between(self, run: PeerRun, address: str) -> list[Span]:
        """Return what a run tells of trouble with another node, while that one lived."""
        cuts = (Span(begin, end, f"{run.address} and {address} were cut apart at {clock(begin)}")
                for begin, end, nodes in self.cuts if (run.address in nodes) != (address in nodes))
        return [span for span in (*self._missed(run, address), *self._broken(run, address),
                                  *self._unregistered(run, address), *cuts)
                if any(life.first < span.end and life.end > span.begin + PROBE_TIME
                       for life in self.lives.get(address, ()))]

    def around(self, run: PeerRun) -> list[Span]:
        """Return all disturbances of a run, also between it and others."""
        missed = {address for _, address, _ in run.told("liveness missed")}
        others = sorted({*missed, *run.links, *run.registrations})
        return self.trouble(run, *((run, other) for other in others))

    def _lived(self, address: str, at: float, more: float = 0.0) -> bool:
        return any(life.first < at < life.last - more for life in self.lives.get(address, ()))

    def _missed(self, run: PeerRun, address: str):
        """From the last sign of life before the round in which a reply was missed until the next;
        and from the last one on of a run that died, or was not heard when it left, because it may
        have missed one that it does not tell."""
        signs = sorted([*run.when("liveness reply", address),
                        *(link.begin for link in run.links.get(address, ()))])
        for at in run.when("liveness missed", address):
            if self._lived(address, at):
                asked = at - run.interval - PROBE_TIME
                since = max((sign for sign in signs if sign < asked), default=asked)
                until = next((sign for sign in signs if sign > at), at + run.interval + PROBE_TIME)
                yield Span(since, until,
                           f"{run.address} missed an answer of {address} at {clock(at)}")
        if signs and (run.is_dead or self._is_missed(address, run)):
            begin = max(signs[-1], run.last - 2 * run.interval - PROBE_TIME)
            how = "died" if run.is_dead else "left, unheard,"
            yield Span(begin, math.inf, f"{run.address} {how} at {clock(run.last)}")

    def _is_missed(self, address: str, run: PeerRun) -> bool:
        """Tell whether a node missed a run that had ended, so that it has not heard its goodbye."""
        return any(at > run.last for life in self.lives.get(address, ()) for at in life.when(
            "liveness missed", run.address, run.last, run.last + 2 * run.interval + PROBE_TIME))

    def _broken(self, run: PeerRun, address: str):
        """From the round before a link broke, not by agreement, until it stands again."""
        links = run.links.get(address, ())
        for link in links:
            if link.is_trouble() and self._lived(address, link.end, PROBE_TIME / 2):
                until = next((later.begin for later in links if later.begin > link.end),
                             link.end + 3 * run.interval)
                yield Span(link.end - run.interval - PROBE_TIME, until,
                           f"the link of {run.address} to {address} broke at {clock(link.end)} "
                           f"({link.reason})")

    def _unregistered(self, run: PeerRun, address: str):
        """From when a registration may have been lost until the next."""
        notice, times = NOTICE_ROUNDS * run.interval + PROBE_TIME, run.registrations.get(address)
        for at, one in ((one.end, one) for one in times or () if one.end < math.inf):
            until = next((later.begin for later in times if later.stood and later.begin > at),
                         math.inf)
            yield Span(at - (notice if one.stood else ANSWER_TIME), until,
                       f"{run.address} was not registered with {address} from {clock(at)} on "
                       f"({one.reason})")
        if times and times[-1].end == math.inf and run.last < self.newest - notice:
            yield Span(run.last - notice, math.inf, f"{run.address} ended at {clock(run.last)}, "
                       f"and may have lost {address} before")


def by_node(runs: list) -> dict[str, list]:
    """Return the runs of each node."""
    return gathered((run.address, run) for run in runs)


def gathered(pairs: Iterable[tuple]) -> dict:
    """Return the values of each key, in order."""
    values = collections.defaultdict(list)
    for key, value in pairs:
        values[key].append(value)
    return values


def origin_of(message: str) -> str:
    """Return the address of the peer that has said a message."""
    return message.rsplit(":", 2)[0]


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies; between two in proportion."""
    values, at = sorted(values), share * (len(values) - 1)
    return values[int(at)] + at % 1 * (values[math.ceil(at)] - values[int(at)])
