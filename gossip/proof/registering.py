"""The row about registrations: whether every peer was registered with a majority of the seeds.

A peer has to be registered with a majority at once, some time, if it lived for three liveness
intervals and two seconds (a minute at most) while as many seeds were up and in its reach. A seed
was in reach at all times but those that reach.py leaves out; and also from the moment at which one
of the two wrote what it can know from the other alone, until one of them says otherwise.
"""

from gossip.proof.evidence import Proof, Row, quantile
from gossip.proof.reach import pause
from gossip.proof.runs import PeerRun
from gossip.settings import Settings, majority

ROUNDS, MORE = 3, 2.0  # liveness intervals, and seconds, in which a peer has to be registered
LONGEST = 60.0  # seconds: the same at most
REGISTER_LIMIT = Settings().register_limit  # seconds in which a seed has to answer
MUTE = "no answer to register"  # of a seed: until then no other one is tried in its place
BANNED = "registration refused: kicked"  # by seeds that have found it malicious


def registered(proof: Proof) -> Row | None:
    """Every run that had the time was registered with a majority of the seeds at once; None where
    no seed tells how many there are."""
    known = [seed.known for seed in proof.seeds if seed.known]
    if not known:
        return None
    wanted = majority(min(known))
    failures, took = [], []
    for run in proof.peers:
        since = run.registrations.since_with(wanted)
        if since is not None:
            took.append(since - run.first)
        elif not run.chat and _had_to_be(proof, run, wanted):
            failures.append(f"{proof.name(run)} was never registered with {wanted} seeds at once")
    figures = f"{len(took)} runs with {wanted} seeds of {min(known)}"
    if took:
        figures += f", after {quantile(took, 0.5):.2f} s (median), {max(took):.2f} s (max)"
    return Row("registered", not failures, figures, failures)


def _had_to_be(proof: Proof, run: PeerRun, wanted: int) -> bool:
    """Whether so many seeds were up, and in reach of a run, at once for long enough: it may have
    waited for another one in vain before."""
    if any(word.lost is not None and word.lost.startswith(BANNED)
           for words in run.registrations.words.values() for word in words):
        return False
    patience = min(LONGEST, ROUNDS * run.setting("liveness-interval") + MORE)
    times = _in_reach(proof, run)
    waited = [word.at for words in run.registrations.words.values() for word in words
              if word.lost == MUTE]
    for begin in sorted({max(run.first, begin) for spans in times.values() for begin, _ in spans}):
        until = run.sleep.later(begin, patience)
        if any(begin < at <= until + REGISTER_LIMIT for at in waited):
            until += REGISTER_LIMIT
        if sum(any(one <= begin and until <= end for one, end in spans)
               for spans in times.values()) >= wanted:
            return True
    return False


def _in_reach(proof: Proof, run: PeerRun) -> dict[str, list[tuple[float, float]]]:
    """For every seed, the times of a run's life in which it was up and in reach. One that comes
    back is tried again after a pause, and of one that is silent a run says nothing for a while."""
    end = min(run.last, proof.company.end_of(run))
    times = {}
    for seed, spans in proof.company.reach.of(run).items():
        sure = end if run.registrations.of(seed) else end - REGISTER_LIMIT
        times[seed] = [(begin + pause(run.first, begin), min(sure, until))
                       for begin, until in spans]
    for seed in proof.seeds:
        signs = [at for at, peer in [*seed.registered, *seed.listed] if peer == run.address]
        signs += [at for at, name in run.lists if name == seed.address]
        begin = min((at for at in signs if run.first <= at <= end), default=None)
        if begin is not None:
            over = [at for at, peer, _ in seed.removed if peer == run.address and at >= begin]
            over += [word.at for word in run.registrations.of(seed.address)
                     if word.lost is not None and word.at >= begin]
            times[seed.address].append((begin, min([*over, end, proof.company.reach.end_of(seed)])))
    return times
