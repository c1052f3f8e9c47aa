"""The rows about messages.

A run may lack what was said in the last second before its end, because it was on its way.
"""

import collections
import math
from collections.abc import Iterator
from typing import NamedTuple

from grapevine.lab.proof.evidence import ON_ITS_WAY, Proof, Row, origin_of, quantile, run_of
from grapevine.lab.proof.records import Records
from grapevine.lab.proof.runs import PROBE_TIME, PeerRun

AHEAD = 1.0  # seconds by which the clock of one file may be ahead of another's
QUESTIONS = 4  # lines that go to and fro before a text when two peers meet and only one has it
ASKED_AGAIN = 20.0  # seconds after which seeds, or the address itself, have answered once more
ANSWER_TIME = 2.0  # seconds that seeds have to answer, until a peer probes the address itself
ANNOUNCED = 4.0  # seconds until a message that a tree lost is announced, and fetched by a peer
RUMOR_ROUNDS = 4  # comparisons with random neighbours that bring a message whose rumor has died


def gossips(proof: Proof) -> Row:
    """Check that runs generated as many messages as were due."""
    failures, expected = [], 0
    for run in proof.peers:
        in_time = (0.9 * run.awake() - 1.0) / (run.setting("gossip-interval") or 1.0)
        due = 0 if run.lacks_lines else int(max(0.0, min(run.setting("gossip-count"), in_time)))
        expected += due
        if run.by_generator < due:
            failures.append(f"{run.address} generated {run.by_generator} messages of {due}")
    made = sum(run.by_generator for run in proof.peers)
    said = len(proof.origin) - made
    return Row("gossips", not failures and bool(proof.peers),
               f"{len(proof.peers)} runs generated {made} messages ({expected} were due)"
               + (f", and said {said}" if said else ""), failures)


def broadcast(proof: Proof) -> Row:
    """Check that messages reached every run that was up, or came later.

    A message is missing if it had to travel from a run that has it to a run that lacks it:

    - if both are up, and are, or had to be, in one piece of the graph;
    - if one of them has ended, and the two were neighbours in contact for more than a second after
      the first had the message; or longer on a slow link, if they first had to compare what they
      know, or for a rumor, which may die, or a tree, which may lose it;
    - if the first is its origin and has left, the second heard its goodbye, and they were
      neighbours when the message was made;
    - if one of them has ended and never had a neighbour meanwhile, although both could reach a seed
      for long enough to meet.

    Else the message is lost, because all that had it died with it, left before they met anybody, or
    were cut off, or no seed brought the others together. See also `_is_denied`.
    """
    received = {message: [] for message in proof.origin}  # also what no file generated
    for run in proof.peers:
        for message in run.received:
            received.setdefault(message, []).append(run)
    failures, lost, denied = _not_delivered(proof, received)
    missing = len(failures)
    failures += _without_origin(proof, received) + _altered(proof) + _from_nowhere(proof, received)
    delivered = sum(len(run.received) for run in proof.peers)
    through = sum(not message.startswith(delivery.source + ":")
                  for run in proof.peers for message, delivery in run.received.items())
    if not through and _had_to_travel(proof):
        failures.append("no message travelled through a peer other than its origin")
    return Row("broadcast", not failures,
               f"{delivered} of {delivered + missing} deliveries, {through} of them through "
               "others than the origin" + (f"; {denied} not confirmed" if denied else "")
               + (f"; lost {len(lost)}" if lost else ""), failures + lost)


def _not_delivered(proof: Proof, received: dict[str, list[PeerRun]]
                   ) -> tuple[list[str], list[str], int]:
    """Return failures, lost messages, and the number of denied deliveries."""
    failures, lost, denied = [], [], 0
    forbidden = set().union(*(run.forbidden for run in proof.peers))  # who takes none forwards none
    for message, origin in proof.origin.items():
        holders = [origin, *received[message]]
        without = [run for run in proof.peers if run is not origin
                   and message not in run.received and not run.lacks_lines
                   and (message, origin.marks[message]) not in forbidden
                   and not _excused(proof, message, run, holders)]
        lacking = [run for run in without if not _is_denied(proof, message, run, holders)]
        denied += len(without) - len(lacking)
        if lacking and _stuck(proof, message, holders, lacking):
            failures += [f"{message} did not reach {proof.name(run)}" for run in lacking]
        elif lacking and all(holder.is_dead(proof.newest) for holder in holders):
            lost.append(f"{message} is lost with its dead origin")
        elif lacking:
            lost.append(f"{message} had no way to {proof.name(lacking[0])}"
                        + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""))
    return failures, lost, denied


def _without_origin(proof: Proof, received: dict[str, list[PeerRun]]) -> list[str]:
    """Return a failure for each message that no run generated, and for each peer without a file."""
    failures, without_file = [], collections.Counter()
    for message, runs in received.items():
        said_by = origin_of(message)
        if (message in proof.origin or proof.is_elsewhere(said_by) or said_by in proof.unproven
                or said_by in proof.headless
                or any(run.lacks_lines for run in proof.runs.get(said_by, ()))):
            continue
        if proof.runs.get(said_by):
            failures.append(f"{message} was received, but no file tells who generated it")
        else:
            without_file[said_by] += 1
    return failures + [
        f"there is no file of {peer}, whose messages others received ({count})"
        f"{proof.beside([peer])}" for peer, count in without_file.items()]


def _excused(proof: Proof, message: str, run: PeerRun, holders: list[PeerRun]) -> bool:
    """Tell whether a run had no honest neighbour, or no time."""
    made = proof.origin[message].generated[message]
    neighbours = {peer for peer, links in run.links.items() if links[-1].end > made}
    if neighbours and neighbours <= proof.attacking:
        return True
    # a run that began later can get only what others still keep
    if made < run.first and (all(holder.last <= run.first for holder in holders)
                             or not run.setting("antientropy-interval")
                             or made <= proof.evicted(run).get(proof.origin[message], -math.inf)):
        return True
    if not run.has_ended(proof.newest):  # a neighbour without a line since may have ended
        return run.first_linked is not None and run.last < made
    end = proof.end_of(run)
    woke = max((until for _, until in run.frozen()), default=0.0)
    return (made < woke and end - woke < _two_rounds(run)
            or end - max(made, run.first_linked or 0.0) < ON_ITS_WAY)


def _is_denied(proof: Proof, message: str, run: PeerRun, holders: list[PeerRun]) -> bool:
    """Tell whether a run may lack a message of a denied origin. If the run itself has denied the
    origin, either has ended before both could meet again. If another run has, the origin has ended,
    and this run was not in contact with any run that had the message. (A peer denies a run that
    most seeds do not name, unless it proves itself. An ended run cannot, and restarted seeds do not
    know it.)"""
    said_by, origin = run_of(message), proof.origin[message]
    if said_by not in proof.denied:
        return False
    over = origin.left is not None or origin.has_ended(proof.newest)
    if said_by in run.denied and said_by not in proof.taken_by(run):
        return ((over or run.has_ended(proof.newest))
                and not proof.had_time_to_meet(origin, run, run.denied[said_by] + ASKED_AGAIN
                                               + run.setting("antientropy-interval")))
    return over and not any(end > max(begin, holder.has_since(message)) for holder in holders
                            for begin, end in proof.contacts(holder, run))


def _two_rounds(run: PeerRun) -> float:
    """Return how long a frozen peer called dead may take to rejoin."""
    return 2 * run.interval + PROBE_TIME


def _stuck(proof: Proof, message: str, holders: list[PeerRun], lacking: list[PeerRun]) -> bool:
    """Tell whether a message had to go on somewhere and did not. Only pairs of runs are compared
    that are up and had to meet, or have been neighbours, or of which one was alone."""
    had = {holder: holder.has_since(message) for holder in holders}
    alone = {holder for holder in holders if proof.alone_since(holder, had[holder]) < math.inf}
    for run in lacking:
        if not proof.had_to_be_joined(run).isdisjoint(holders):
            return True
        pairs = holders
        if proof.alone_since(run, max(had.values())) == math.inf:
            pairs = [one for one in holders if one.address in run.links or one in alone]
        if (any(_had_to_go(proof, message, holder, had[holder], run) for holder in pairs)
                or _came_before_goodbye(proof.origin[message], message, run)):
            return True
    return False


def _came_before_goodbye(origin: PeerRun, message: str, run: PeerRun) -> bool:
    """Tell whether a message had to come before its origin's goodbye. What is flooded goes out
    first over every link that stood when the message was made."""
    said, left = origin.generated[message], origin.left
    if left is None or origin.settings.get("spread", "flood") != "flood":
        return False
    return any(mine.reason == "left" and max(mine.begin, theirs.begin) + ON_ITS_WAY <= said
               and said <= left <= min(mine.end, theirs.end)
               and (run.left is None or run.left > mine.end)
               for mine in run.links.get(origin.address, ())
               for theirs in origin.links.get(run.address, ()))


def _had_to_go(proof: Proof, message: str, holder: PeerRun, had: float, run: PeerRun) -> bool:
    """Tell whether a message had to go between two runs (see `broadcast`)."""
    if not holder.has_ended(proof.newest) and not run.has_ended(proof.newest):
        return proof.had_to_meet(holder, run)
    slow = max((reply.took / 2 for one, other in ((run, holder), (holder, run))
                for reply in one.replies
                if reply.peer == other.address and reply.at >= had - _two_rounds(run)),
               default=0.0)  # the most seconds that bytes took between the two
    goodbye = min((link.end - run.left for link in holder.links.get(run.address, ())
                   if link.reason == "left" and run.left is not None and link.end > run.left),
                  default=0.0)  # seconds that it took
    way = ON_ITS_WAY + max(goodbye, slow)  # the other direction was as slow
    if run.settings.get("sign") == "yes":  # it has to find out whether it takes the message
        taken = proof.taken_by(run).get(run_of(message), math.inf)  # it knew then, at the latest
        way += min(ANSWER_TIME + PROBE_TIME, max(0.0, taken - had))
    if holder.settings.get("spread") == "rumor":
        way += RUMOR_ROUNDS * holder.setting("antientropy-interval")
    if holder.settings.get("spread") == "tree":
        way += ANNOUNCED
    if any(end - max(had, begin) >= way + (slow * QUESTIONS if had < begin else 0.0)
           for begin, end in proof.contacts(holder, run)):
        return True
    alone = min(proof.alone_since(holder, had), proof.alone_since(run, had))
    return alone < math.inf and proof.had_time_to_meet(holder, run, alone)


def _altered(proof: Proof) -> list[str]:
    """Return a failure for each message that was altered or a stranger's."""
    failures = []
    for run in proof.peers:
        for message, delivery in run.received.items():
            origin = proof.origin.get(message)
            if origin is not None and origin.marks[message] != delivery.mark:
                failures.append(f"{message} reached {proof.name(run)} altered")
            if delivery.source not in run.links:
                failures.append(f"{message} came to {proof.name(run)} from {delivery.source}, "
                                "which was no neighbour")
    return failures


def _from_nowhere(proof: Proof, received: dict[str, list[PeerRun]]) -> list[str]:
    """Return a failure for each delivery that does not lead back to the origin, from source to
    source. A source without files may have had it, or one whose file may lack its last words."""
    failures = []
    # source -> from when on its files may lack words
    lacking = dict.fromkeys([*proof.headless, *proof.unproven], -math.inf)
    for run in proof.peers:
        if run.lacks_lines:
            lacking[run.address] = -math.inf
        elif run.ended is None:
            lacking[run.address] = min(run.last, lacking.get(run.address, math.inf))
    for message, receivers in received.items():
        given = collections.defaultdict(list)  # source -> the runs that it gave the message to
        for run in receivers:
            given[run.received[message].source].append(run)
        todo = [source for source, runs in given.items()
                if source == origin_of(message) or source not in proof.runs
                or any(run.received[message].at > lacking.get(source, math.inf) - AHEAD
                       for run in runs)]
        while todo:
            todo += [run.address for run in given.pop(todo.pop(), ())]
        failures += [f"{message} came to {proof.name(run)} from {source}, and no file tells how it "
                     "came there" for source, runs in given.items() for run in runs]
    return failures


def _had_to_travel(proof: Proof) -> bool:
    """Tell whether some message had to come through another peer. The run and the origin were no
    neighbours when it was made, but had a neighbour in common for long enough."""
    contacts = proof.contacts
    for run in proof.peers:
        for message in run.received.keys() & proof.origin.keys():
            origin = proof.origin[message]
            made = origin.generated[message]
            arrived = made + 2 * ON_ITS_WAY
            neighbours = any(begin < arrived and end > made for begin, end in contacts(origin, run))
            if not neighbours and any(all(contacts(other, one).cover(made, arrived)
                                          for one in (origin, run)) for other in proof.peers):
                return True
    return False


def once(proof: Proof) -> Row:
    failures = [f"{proof.name(run)} received or generated {message} more than once"
                for run in proof.peers for message in run.repeated]
    return Row("once", not failures, f"{len(failures)} messages received twice", failures)


def latency(proof: Proof) -> Row:
    """Show how long messages took, and check that none came too early."""
    times, late = latencies(proof.records)
    figures = "nothing was delivered"
    if times:
        figures = (f"median {quantile(times, 0.5) * 1000:.2f} ms, 99 % "
                   f"{quantile(times, 0.99) * 1000:.2f} ms, max {max(times) * 1000:.2f} ms")
    failures = [f"{came.message} reached {proof.name(came.run)} {came.made - came.at:.2f} s before "
                f"{proof.name(proof.origin[came.message])} generated it"
                for came in timed(proof.records) if came.at + AHEAD < came.made]
    return Row("latency", not failures, f"{figures}; {late} late deliveries, to who joined later",
               failures)


def latencies(records: Records) -> tuple[list[float], int]:
    """Return the seconds of deliveries, and the number of late deliveries."""
    deliveries = list(timed(records))
    times = [came.at - came.made for came in deliveries if not came.late]
    return times, len(deliveries) - len(times)


class Timed(NamedTuple):  # a delivery of a message, with its times
    message: str
    run: PeerRun
    made: float
    at: float
    late: bool  # the peer began after the message was generated


def timed(records: Records) -> Iterator[Timed]:
    """Yield all deliveries of messages whose origin has a file."""
    made = {message: at for run in records.peers for message, at in run.generated.items()}
    for run in records.peers:
        for message, delivery in run.received.items():
            if message in made:
                yield Timed(message, run, made[message], delivery.at, made[message] < run.first)
