"""The rows about life and death: signs of life, and whether just the dead were removed."""

import bisect

from gossip.proof.evidence import PROBE_TIME, Proof, Row, quantile
from gossip.proof.runs import PeerRun


def liveness(proof: Proof) -> Row:
    """How many liveness requests, replies and misses there were."""
    requests = sum(run.requests for run in proof.peers)
    replies = sum(len(run.replies) for run in proof.peers)
    misses = sum(run.misses for run in proof.peers)
    return Row("liveness", None, f"{requests} requests, {replies} replies, {misses} misses", [])


def dead(proof: Proof) -> Row:
    """Every peer that died was reported to its seeds and removed by them; no living peer was."""
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
    """The failures after a death; and for each seed that did what it should, the seconds from the
    last line of the dead peer until the seed had heard of the death and removed the peer."""
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
            continue  # the seed had ended before anybody could report to it
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
    """The times at which other peers found this one dead, after its last line."""
    return [other.dead[run.address] for other in proof.peers
            if other.dead.get(run.address, 0) >= run.last]


def _living_removed(proof: Proof) -> list[str]:
    """Failures: a seed removed a peer as dead, although the peer wrote lines before and after.

    It is no failure if the peer was cut off from the reporter, which then could not know better.
    """
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
    """The peers in touch with a peer between two moments: liveness replies lead from one to the
    other, directly or through other peers."""
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
