"""The rows about who lives and who died: whether the dead were found, and nobody else."""

import bisect

from gossip.proof.evidence import PROBE_TIME, Proof, Row, quantile
from gossip.proof.runs import PeerRun


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
