"""The check: proves from the output files alone that a network did what it should.

Every row of the proof is a function from `Proof` to a `Row`. A run counts as dead from its last
line on if that line is not `stopped:quit` and is older than two liveness intervals before the
newest line of the folder. What a run that ended missed in its last second is not held against
anyone: it may have been on its way.
"""

import bisect
import collections
import pathlib
import time
from typing import NamedTuple

from gossip.proof import graph
from gossip.proof.degrees import PowerLaw
from gossip.proof.records import PeerRun, Records

ON_ITS_WAY = 1.0  # seconds before its end in which a run may have missed a message
SHOWN = 5  # failures of a kind that are shown in full
PROBE_TIME = 2.0  # seconds that a last probe takes


class Row(NamedTuple):
    """One line of the proof: `holds` is None where there is nothing to hold; `details` are the
    failures, then what else is worth knowing."""

    name: str
    holds: bool | None
    figures: str
    details: list[str]


class Proof:
    """What several rows need to know of the records."""

    def __init__(self, records: Records):
        self.records = records
        self.peers = records.peers
        self.seeds = records.seeds
        self.newest = records.newest()
        self.origin = {message: run for run in self.peers for message in run.generated}
        self.lives = collections.Counter(run.address for run in self.peers)
        self.times = sorted(run.generated[m] for m, run in self.origin.items())

    def is_dead(self, run: PeerRun) -> bool:
        return run.is_dead(self.newest)

    def has_ended(self, run: PeerRun) -> bool:
        return run.has_ended(self.newest)

    def name(self, run: PeerRun) -> str:
        """A run's address, and when it began if the peer lived more than once."""
        if self.lives[run.address] == 1:
            return run.address
        return f"{run.address} (started {time.strftime('%F %T', time.gmtime(run.first))})"

    def deaths(self) -> list[PeerRun]:
        """The last runs of the peers that are dead; nobody looks after chat servers."""
        last = {run.address: run for run in self.peers if not run.chat}
        return [run for run in last.values() if self.is_dead(run)]


def prove(records: Records) -> list[Row]:
    """All rows of the proof."""
    proof = Proof(records)
    return [gossips(proof), broadcast(proof), once(proof), latency(proof), liveness(proof),
            dead(proof), degrees(proof), pieces(proof), threads(proof)]


def gossips(proof: Proof) -> Row:
    """Every peer generated what its settings say, if it lived that long."""
    failures, expected = [], 0
    for run in proof.peers:
        count = int(run.setting("gossip-count"))
        interval = run.setting("gossip-interval") or 1.0
        awake = (run.left or run.last) - run.first - run.asleep
        due = max(0, min(count, int((0.9 * awake - 1.0) / interval)))
        expected += due
        if run.by_generator < due:
            failures.append(f"{run.address} generated {run.by_generator} messages of {due}")
    made = sum(run.by_generator for run in proof.peers)
    said = len(proof.origin) - made
    return Row("gossips", not failures and bool(proof.peers),
               f"{len(proof.peers)} runs generated {made} messages ({expected} were due)"
               + (f", and said {said}" if said else ""), failures)


def broadcast(proof: Proof) -> Row:
    """Every message reached every run that was up when it was generated, or later."""
    failures, lost = [], []
    holders: dict[str, list[PeerRun]] = {message: [] for message in proof.origin}
    for run in proof.peers:
        for message in run.received:
            holders.setdefault(message, []).append(run)
    for message, runs in holders.items():
        origin = proof.origin.get(message)
        if origin is None:
            failures.append(f"{message} was received, but no file tells who generated it")
            continue
        if proof.is_dead(origin) and all(map(proof.is_dead, runs)):
            lost.append(f"{message} is lost with its dead origin")
            continue
        for run in proof.peers:
            if run is not origin and message not in run.received:
                if not _excused(proof, message, run, [origin, *runs]):
                    failures.append(f"{message} did not reach {proof.name(run)}")
    missing = len(failures)
    failures += _altered(proof)
    delivered = sum(len(run.received) for run in proof.peers)
    through = _through_others(proof)
    if delivered and not through and not _complete(proof):
        failures.append("no message travelled through a peer other than its origin")
    return Row("broadcast", not failures,
               f"{delivered} of {delivered + missing} deliveries, {through} of them through "
               f"others than the origin" + (f"; lost {len(lost)}" if lost else ""),
               failures + lost)


def _excused(proof: Proof, message: str, run: PeerRun, holders: list[PeerRun]) -> bool:
    """Whether a run may lack a message: it ended too soon, or came too late to get it."""
    made = proof.origin[message].generated[message]
    if made < run.first:  # it joined later: only what is still kept can reach it
        newer = bisect.bisect(proof.times, run.first) - bisect.bisect(proof.times, made)
        if (all(holder.last <= run.first for holder in holders)
                or newer >= run.setting("cache-size") or not run.setting("antientropy-interval")):
            return True
    if not proof.has_ended(run):
        return False
    end = run.left or run.last
    if run.first_linked is None:
        return not _had_company(proof, run, end)
    return end - max(made, run.first_linked) < ON_ITS_WAY


def _had_company(proof: Proof, run: PeerRun, end: float) -> bool:
    """Whether somebody else was up with it for so long that they should have met."""
    patience = 2 * run.setting("liveness-interval") + PROBE_TIME
    return any(other.address != run.address
               and min(end, other.last) - max(run.first, other.first) > patience
               for other in proof.peers)


def _altered(proof: Proof) -> list[str]:
    """Messages that did not arrive byte for byte, or not from a neighbour."""
    failures = []
    for run in proof.peers:
        for message, delivery in run.received.items():
            origin = proof.origin.get(message)
            if origin is not None and origin.marks[message] != delivery.mark:
                failures.append(f"{message} reached {proof.name(run)} altered")
            if delivery.source not in run.ever_linked:
                failures.append(f"{message} came to {proof.name(run)} from {delivery.source}, "
                                f"which was no neighbour")
    return failures


def _through_others(proof: Proof) -> int:
    return sum(not message.startswith(delivery.source + ":")
               for run in proof.peers for message, delivery in run.received.items())


def _complete(proof: Proof) -> bool:
    """Whether every two peers that were up together, and joined, were neighbours some time."""
    joined = [run for run in proof.peers if run.first_linked is not None]
    return all(one.address == other.address or other.address in one.ever_linked
               or one.last <= other.first or other.last <= one.first
               for one in joined for other in joined)


def once(proof: Proof) -> Row:
    """Nothing was received twice."""
    failures = [f"{proof.name(run)} received or generated {message} more than once"
                for run in proof.peers for message in run.repeated]
    return Row("once", not failures, f"{len(failures)} messages received twice", failures)


def latency(proof: Proof) -> Row:
    """From `generated` to `received`; deliveries to those who joined later apart."""
    times, late = latencies(proof.records)
    figures = "nothing was delivered"
    if times:
        figures = (f"median {quantile(times, 0.5) * 1000:.2f} ms, 99 % "
                   f"{quantile(times, 0.99) * 1000:.2f} ms, max {max(times) * 1000:.2f} ms")
    return Row("latency", None, f"{figures}; {late} late deliveries, to who joined later", [])


def latencies(records: Records) -> tuple[list[float], int]:
    """(seconds from generated to received, number of deliveries to who joined later)."""
    made = {message: at for run in records.peers for message, at in run.generated.items()}
    times, late = [], 0
    for run in records.peers:
        for message, delivery in run.received.items():
            if made.get(message, run.first) < run.first:
                late += 1
            elif message in made:
                times.append(delivery.at - made[message])
    return times, late


def quantile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def liveness(proof: Proof) -> Row:
    requests = sum(run.requests for run in proof.peers)
    replies = sum(len(run.replies) for run in proof.peers)
    misses = sum(run.misses for run in proof.peers)
    return Row("liveness", None, f"{requests} requests, {replies} replies, {misses} misses", [])


def dead(proof: Proof) -> Row:
    """Every peer that died was reported to and removed by its seeds, and nobody living was."""
    failures, delays = [], []
    deaths = proof.deaths()
    for run in deaths:
        faults, took = death(proof, run)
        failures += faults
        delays += took
    failures += _living_removed(proof)
    figures = f"{len(deaths)} died"
    if delays:
        figures += (f"; removed and reported after {quantile(delays, 0.5):.1f} s (median), "
                    f"{max(delays):.1f} s (max)")
    return Row("dead", not failures, figures, failures)


def death(proof: Proof, run: PeerRun) -> tuple[list[str], list[float]]:
    """What is missing after a death, and how long what is not missing took."""
    failures, delays = [], []
    found = found_dead(proof, run)
    interval = run.setting("liveness-interval")
    due = run.last + (run.setting("liveness-misses") + 1) * interval + PROBE_TIME
    if not found and not any(other.had_link(run.address, run.last) and other.last >= due
                             for other in proof.peers):
        return [], []  # no neighbour lived long enough to find out
    missing = run.registered - {seed.address for seed in proof.seeds}
    failures += [f"{run.address} died, and there is no file of seed {seed} to tell more"
                 for seed in sorted(missing)]
    for seed in proof.seeds:
        listed = [at for at, peer in seed.registered if peer == run.address and at <= run.last]
        left = [at for at, peer, _ in seed.removed if peer == run.address and at < run.last]
        if not listed or (left and max(left) > max(listed)) or seed.last < run.last:
            continue
        removed = [at for at, peer, _ in seed.removed
                   if peer == run.address and at >= max(listed) and at >= run.last]
        reported = [at for at, peer, _ in seed.reports
                    if peer == run.address and at >= run.last]
        if found and not reported and seed.last < min(found):
            continue  # it had ended before anybody could tell it
        if removed and bool(reported) == bool(found):
            delays.append(max(removed[0], reported[0] if reported else 0) - run.last)
            continue
        wanted = "removed it" if not removed else "heard of it"
        if removed and not found:
            failures.append(f"{run.address} was reported dead to seed {seed.address}, "
                            f"but no peer found it dead")
            continue
        failures.append(f"{run.address} died {proof.newest - run.last:.0f} s before the newest "
                        f"line, and seed {seed.address} has not {wanted} (yet)")
    return failures, delays


def found_dead(proof: Proof, run: PeerRun) -> list[float]:
    """When others found the peer dead after its last line."""
    return [other.dead[run.address] for other in proof.peers
            if other.dead.get(run.address, 0) >= run.last]


def _living_removed(proof: Proof) -> list[str]:
    """Peers that a seed removed as dead although they wrote lines before and after, and were in
    touch, through others, with who reported them (so nobody was cut off from anybody)."""
    failures = []
    for seed in proof.seeds:
        for at, peer, reason in seed.removed:
            for run in proof.peers:
                interval = run.setting("liveness-interval")
                if (reason == "dead" and run.address == peer
                        and run.first <= at - interval and run.last > at + interval):
                    reporters = {who for when, whom, who in seed.reports
                                 if whom == peer and when <= at}
                    if reporters & _in_touch(proof, peer, at - interval, at):
                        failures.append(f"seed {seed.address} removed {peer}, which lived")
    return failures


def _in_touch(proof: Proof, peer: str, begin: float, end: float) -> set[str]:
    """Who was in touch with a peer by liveness replies between two moments, through others,
    too."""
    heard: dict[str, set[str]] = {}
    for run in proof.peers:
        replies = run.replies
        for at in range(bisect.bisect_left(replies, (begin, "")), len(replies)):
            if replies[at][0] > end:
                break
            heard.setdefault(run.address, set()).add(replies[at][1])
            heard.setdefault(replies[at][1], set()).add(run.address)
    reached, todo = set(), [peer]
    while todo:
        reached.add(one := todo.pop())
        todo += heard.get(one, set()) - reached
    return reached - {peer}


def degrees(proof: Proof) -> Row:
    """Everyone's degree when most peers were up, and the power law that fits best."""
    law = PowerLaw(proof.records)
    if not law.degrees:
        return Row("degrees", None, "no peer said what its degree is", [])
    figures = (f"minimum {law.degrees[0]}, median {law.degrees[len(law.degrees) // 2]}, "
               f"maximum {law.degrees[-1]}")
    if law.fitted and law.predicted:
        figures += (f"; P(k) ~ k^-a with a = {law.fitted} for k from {law.low} to {law.high}; "
                    f"the capacities of these peers predict {law.predicted}")
    return Row("degrees", None, figures, [])


def pieces(proof: Proof) -> Row:
    """For how long the graph was in more than one piece; it may not stay so."""
    end = graph.end_of(proof.records)
    history = graph.history(proof.records)
    if not history:
        return Row("pieces", None, "chat servers in a line are not looked at"
                   if any(run.chat for run in proof.peers) else "no peer had a neighbour", [])
    spans = graph.spans_apart(history, end)
    figures = "the graph was never in more than one piece"
    if spans:
        figures = (f"in more than one piece for {sum(s.end - s.begin for s in spans):.2f} s in "
                   f"all, {max(s.end - s.begin for s in spans):.2f} s at most at a time, "
                   f"{max(s.most for s in spans)} pieces at most")
    if history[-1][1] == 1:
        start = min(run.first for run in proof.peers)
        figures += f"; in one since {history[-1][0] - start:.2f} s after the start"
    failures = []
    patience = max((run.setting("liveness-misses") + 3) * run.setting("liveness-interval")
                   for run in proof.peers) + PROBE_TIME
    if history[-1][1] > 1 and end - spans[-1].begin > patience:
        failures = [f"the graph is in {history[-1][1]} pieces at the end, and has been in more "
                    f"than one for {end - spans[-1].begin:.0f} s"]
    return Row("pieces", not failures, figures, failures)


def threads(proof: Proof) -> Row:
    """No thread of any node died of an error."""
    failures = [f"{run.address}: {text}" for run in [*proof.peers, *proof.seeds]
                for text in run.failures]
    return Row("threads", not failures, f"{len(failures)} threads failed", failures)


def format_rows(rows: list[Row]) -> str:
    """The proof as people read it."""
    lines = []
    for row in rows:
        verdict = {True: "holds", False: "FAILS", None: ""}[row.holds]
        lines.append(f"{row.name:<10} {verdict:<6} {row.figures}")
        lines += [f"{'':<17} {failure}" for failure in row.details[:SHOWN]]
        if len(row.details) > SHOWN:
            lines.append(f"{'':<17} and {len(row.details) - SHOWN} more")
    return "\n".join(lines)


def check_folder(folder: pathlib.Path) -> tuple[bool, str]:
    """Check the output files of a folder; returns (whether the proof holds, its text)."""
    records = Records(folder).refresh()
    if not records.peers:
        return False, f"no output file of a peer in {folder}"
    return check_records(records)


def check_records(records: Records) -> tuple[bool, str]:
    """The same for files that are read already."""
    rows = prove(records)
    return all(row.holds is not False for row in rows), format_rows(rows)
