"""The rows about messages.

What is lacking is claimed only if it had a way: if the one that lacks it was, for longer than a
line takes, in one piece of the graph with a peer that had it. It FAILS if links without
disturbances at their ends held the two in one piece for long enough.
"""

import collections
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from grapevine.lab.proof import graph
from grapevine.lab.proof.disturbances import (
    FAILS, ON_ITS_WAY, PROBE_TIME, UNCLEAR, Fault, Span, always, clock, extend, judge, quiet,
    shared)
from grapevine.lab.proof.evidence import Proof, Row, origin_of, quantile, row
from grapevine.lab.proof.runs import PeerRun
from grapevine.node import LATE  # seconds by which a call may be late, and no line tells it

WAITS = 9.0  # seconds after a `late:` line in which a generator may still wait
SEEDS_ASKED = 2.0 + PROBE_TIME  # seconds that it takes to find out whether a run is genuine
# Seconds in which a new message crosses a piece, by the way of spreading; by others it may never
CROSSING = {"flood": 2.0, "tree": 5.0}
LONGEST_CROSSING = 5.0  # seconds that an experiment waits for it, at most
COMPARISONS, BY_OTHERS, MORE = 2, 4, 3.0  # comparisons that bring it later, by others; and seconds

Times = list[tuple[float, float]]  # from when until when, in order


def gossips(proof: Proof) -> Row:
    """Every peer generated what its settings say."""
    faults, expected = [], 0
    for run in proof.peers:
        awake = quiet(run.first, min(run.left, run.last),
                      [(begin, until + WAITS) for begin, until in run.late])
        in_time = (awake - 1.0) / (run.setting("gossip-interval") + LATE)
        due = int(max(0.0, min(run.setting("gossip-count"), in_time)))
        expected += due
        if run.by_generator < due:
            faults.append(proof.by_file(
                f"{run} generated {run.by_generator} messages of {due}", run))
    made = sum(run.by_generator for run in proof.peers)
    said = len(proof.origin) - made
    return row("gossips", f"{len(proof.peers)} runs generated {made} messages ({expected} were "
               "due)" + (f", and said {said}" if said else ""), faults)


def broadcast(proof: Proof) -> Row:
    """Every message reached every peer that was up, or came later."""
    def disturb(one: PeerRun, other: PeerRun) -> list:  # also from when on one may be frozen
        return [*proof.trouble(one, other, (one, other.address), (other, one.address)),
                (min(one.last, other.last), math.inf)]

    lacking = _lacking(proof)
    ways, calm = (_ways(lacking, graph.stays(proof.peers, *how) if lacking else {})
                  for how in ((), (disturb,)))
    missing = [fault for _, _, fault in sorted((
        (one.since, message, _missing(proof, one, message, calm_times))
        for one, times, calm_times in zip(lacking, ways, calm) if _longest(times) > ON_ITS_WAY
        for message in one.messages), key=itemgetter(0, 1))]
    delivered = sum(len(run.received) for run in proof.peers)
    through = sum(not message.startswith(delivery.source + ":")
                  for run in proof.peers for message, delivery in run.received.items())
    lost = sum(len(one.messages) for one in lacking) - len(missing)
    return row("broadcast", f"{delivered} of {delivered + len(missing)} deliveries, {through} of "
               "them through others than the origin" + (f"; {lost} had no way" if lost else ""),
               [*missing, *_strange(proof)])


class Lacking(NamedTuple):  # messages that a run lacks, and that had the same ways to it
    run: PeerRun
    since: float  # from when on it could have them
    had: dict[PeerRun, float]  # who had one of them, and from when on
    messages: list[str]


def _lacking(proof: Proof) -> list[Lacking]:
    """Return which messages runs lack that were up, or came later. Old ones that the same peers had
    are alike."""
    forbidden = set().union(*(run.forbidden for run in proof.peers))  # who takes none forwards none
    made = {message: said.at for run in proof.peers for message, said in run.generated.items()
            if (message, said.mark) not in forbidden}

    @functools.cache
    def holders(message: str) -> tuple[dict[PeerRun, float], float, frozenset[PeerRun]]:
        had = {one: at for one in proof.peers if (at := one.has_since(message)) < math.inf}
        return had, max(had.values()), frozenset(had)

    found: dict[tuple, Lacking] = {}
    for run in proof.peers:
        for message in made.keys() - run.received.keys() - run.generated.keys():
            if made[message] + ON_ITS_WAY < run.end:
                since = max(made[message], run.first)
                had, all_had, who = holders(message)
                alike = run, since, who if all_had <= since else message
                lacking = found.setdefault(alike, Lacking(run, since, had, []))
                lacking.messages.append(message)
    return list(found.values())


def _ways(every: list[Lacking], stays: Mapping[PeerRun, list]) -> Iterator[Times]:
    """Yield when each run that lacks messages shared a piece with one that had them."""
    @functools.cache
    def held(by: int) -> dict[int, Times]:  # piece -> when somebody in it had them
        found = collections.defaultdict(list)
        for one, had in holders[by].items():
            for begin, end, piece in stays.get(one, ()):
                if had < end:
                    found[piece].append((max(begin, had), end))
        return {piece: shared([times], 1) for piece, times in found.items()}

    holders = {id(lacking.had): lacking.had for lacking in every}
    for lacking in every:
        times: Times = []
        for begin, end, piece in stays.get(lacking.run, ()):
            for since, until in held(id(lacking.had)).get(piece, ()):
                since, until = max(since, begin, lacking.since), min(until, end)
                if since < until:
                    extend(times, since, until)
        yield times


def _missing(proof: Proof, lacking: Lacking, message: str, calm: Times) -> Fault:
    """Judge a run that lacks a message that had a way to it, and when without disturbances."""
    run, words = lacking.run, f"{message} did not reach {lacking.run}"
    said_in = message.rpartition(":")[0]  # a run, as in `unconfirmed:RUN`
    if said_in in proof.unconfirmed:  # others may still ask
        return Fault(UNCLEAR, f"{words}: nobody confirmed {said_in}")
    way = run.settings.get("spread", "flood")
    asked = SEEDS_ASKED if run.settings.get("sign") == "yes" else 0.0
    compared = run.setting("antientropy-interval")
    comparisons = COMPARISONS if way in CROSSING else BY_OTHERS
    need = comparisons * compared + MORE + asked if compared else math.inf
    evicted = [always(f"{peer} had it no more") for _, peer, of, numbers in run.told("gone")
               if of == said_in and _has(numbers, int(message.rpartition(":")[2]))]
    at_once = _longest(time for time in calm if time[0] == lacking.since)
    if at_once >= CROSSING.get(way, math.inf) + asked or (
            not evicted and _longest(calm) >= need):
        return Fault(FAILS, words)
    if not compared:
        return judge(words, lacking.since, run.end, LONGEST_CROSSING, [
            always("peers compare nothing, so what did not come at once never comes")])
    silent = Span(run.last, math.inf, f"{run} wrote nothing after {clock(run.last)}")
    spans = [silent, *evicted, *proof.around(run), *proof.around(proof.origin[message])]
    if not any(span.overlaps(lacking.since, run.end) > 0 for span in spans):
        spans = [span for one in proof.peers for span in proof.around(one)]
    return judge(words, lacking.since, run.end, math.inf, spans)


def _has(ranges: str, number: int) -> bool:
    """Tell whether a number is in ranges like `1-3,7`."""
    return any(int(first) <= number <= int(last or first)
               for first, _, last in (each.partition("-") for each in ranges.split(",")))


def _longest(times: Iterable[tuple[float, float]]) -> float:
    return max((end - begin for begin, end in times), default=0.0)


def _strange(proof: Proof) -> Iterator[Fault]:
    """Yield what is wrong with messages that were received: nobody generated them, they were
    altered, or came from who was no neighbour, or did not have them."""
    unknown = set()
    for run in proof.peers:
        yield from (Fault(FAILS, f"{run} generated {message}, as if it were another")
                    for message in run.misnamed)
        for message, (at, source, mark) in run.received.items():
            origin = proof.origin.get(message)
            if origin is None:
                unknown.add(message)
            elif origin.generated[message].mark != mark:
                yield Fault(FAILS, f"{message} reached {run} altered")
            for link in run.links.get(source, ()):  # `any` takes twice as long, for millions
                if link.begin - ON_ITS_WAY <= at <= link.end + ON_ITS_WAY:
                    break
            else:
                yield proof.by_file(
                    f"{message} came to {run} from {source}, which was no neighbour", run)
            for one in proof.runs.get(source, ()):
                if one.has_since(message) < at:
                    break
            else:
                yield from _from_nowhere(proof, message, run, [run.address])
    for message in sorted(unknown):
        said_by = origin_of(message)
        if said_by not in proof.unproven and proof.runs.get(said_by):
            yield proof.by_file(
                f"{message} was received, but no file tells who generated it", *proof.runs[said_by])


def _from_nowhere(proof: Proof, message: str, run: PeerRun, seen: list[str]) -> Iterator[Fault]:
    """Yield a fault if a source did not have a message, as all files tell. Times of files that were
    written together may be the same, or a little wrong: then its own source counts."""
    at, source, _ = run.received[message]
    givers = proof.runs.get(source, [])
    if not givers or source in proof.unproven:
        return
    giver = min(givers, key=lambda one: one.has_since(message))
    if giver.has_since(message) <= at + ON_ITS_WAY and source not in seen:
        if message not in giver.generated:
            yield from _from_nowhere(proof, message, giver, [*seen, source])
        return
    yield proof.by_file(f"{message} came to {run} from {source}, and no file tells how it came "
                        "there", run, *givers)


def once(proof: Proof) -> Row:
    """Nothing was received twice."""
    faults = [proof.by_file(f"{run} received or generated {message} more than once", run)
              for run in proof.peers for message in run.repeated]
    return row("once", f"{len(faults)} messages received twice", faults)


def latency(proof: Proof) -> Row:
    """How long messages took; none was received before it was generated."""
    times, late, faults = [], 0, []
    for came in timed(proof.peers):  # of millions, which would take long to keep
        if came.late:
            late += 1
        else:
            times.append(came.at - came.made)
        if came.at + ON_ITS_WAY < came.made:
            origin = proof.origin[came.message]
            faults.append(proof.by_file(
                f"{came.message} reached {came.run} {came.made - came.at:.2f} s before {origin} "
                "generated it", came.run, origin))
    figures = "nothing was delivered"
    if times:
        figures = (f"median {quantile(times, 0.5) * 1000:.2f} ms, 99 % "
                   f"{quantile(times, 0.99) * 1000:.2f} ms, max {max(times) * 1000:.2f} ms")
    return row("latency", f"{figures}; {late} deliveries to peers that joined late", faults)


class Timed(NamedTuple):  # a delivery of a message, with its times
    message: str
    run: PeerRun
    made: float
    at: float
    late: bool  # the peer began after the message was generated


def timed(peers: list[PeerRun]) -> Iterator[Timed]:
    """Yield all deliveries of messages whose origin has a file."""
    made = {message: said.at for run in peers for message, said in run.generated.items()}
    for run in peers:
        for message, delivery in run.received.items():
            if message in made:
                yield Timed(message, run, made[message], delivery.at, made[message] < run.first)
