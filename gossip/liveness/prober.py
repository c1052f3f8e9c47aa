"""The prober: finds out whether addresses answer; a silent address hardly delays others.

Rules only: a probe itself is `probe(address, verdict, limit=…)` of a node. The verdict comes as a
call: True, False, or None when it could not be found out.

Each kind of question has a lane, so none delays another; in a lane two questions about one address
share its probe. At a seed it gets a quick look first. If it does not answer, it is probed
patiently, `tries` times, from another queue; if the system refuses, because nobody listens, the
tries follow at once. Above the limit of a lane an address takes the place of another, or its
verdict is None.

In a queue the next address is of the IP that has the fewest probes under way, so an IP that fills
the queue delays itself. Within an IP, the address that was listed longest goes first.
"""

import collections
import functools
import math

from gossip.addresses import Address
from gossip.tools import Worst

FIRST, USUAL, LAST = LANES = range(3)  # at a seed: registrations; reported, lost and silent
# peers; all else
QUEUE_LIMIT = 1_024  # addresses of a lane that wait for a probe, or are being probed
ASKERS_LIMIT = 100  # calls of `ask` that share one probe
REFUSED = 0.5  # of a quick look: what has failed in less was refused, and not silent
SLOWER, SLOWEST = 4, 8.0  # times the slowest answer is waited for, and seconds at most
SLOW_FOR = 30.0  # seconds for which an answer counts as the slowest


class Job:
    """An address to probe, and the verdicts to call."""

    begun = 0.0  # when the present probe began
    since = math.inf  # when the address was listed; infinite: it is not, or all are alike

    def __init__(self, address: Address, tries: int, is_patient: bool):
        self.address = address
        self.tries = tries  # patient probes that are left
        self.is_patient = is_patient  # the quick look is over, or there is none
        self.askers: list = []  # (verdict, wanted) of each


class Queue:
    """Jobs that wait, and how many more may begin."""

    def __init__(self, at_once: int):
        self._free = at_once  # how many more probes may begin now
        self._under_way: collections.Counter = collections.Counter()  # IP -> probes
        # IP -> jobs that wait, the first who came first; the IP first whose turn was longest ago
        self._waiting: dict[str, dict[Job, None]] = {}

    def put(self, job: Job) -> None:
        self._waiting.setdefault(job.address.ip, {})[job] = None

    def take_out(self, job: Job) -> None:
        """Have a job that waits here wait no longer."""
        jobs = self._waiting[job.address.ip]
        del jobs[job]
        if not jobs:
            del self._waiting[job.address.ip]

    def begin(self) -> Job | None:
        """Take the next job, and a slot for it. None if none waits, or no slot is free."""
        if not self._free or not self._waiting:
            return None
        ip = min(self._waiting, key=self._under_way.__getitem__)
        job = min(self._waiting[ip], key=lambda job: job.since)
        self.take_out(job)
        if ip in self._waiting:
            self._waiting[ip] = self._waiting.pop(ip)  # behind all others
        self._free -= 1
        self._under_way[ip] += 1
        return job

    def end(self, job: Job) -> None:
        """Free the slot of a job."""
        self._free += 1
        self._under_way -= collections.Counter([job.address.ip])

    def next_to_go(self, least: int = 1) -> Job | None:
        """Return the job to give up, None while a slot is free. It was listed last of the IP with
        most waiting jobs, if these are at least `least`."""
        most = max(self._waiting.values(), key=len, default=())
        if self._free or len(most) < least:
            return None
        return max(most, key=lambda job: job.since)

    def waiting(self, ip: str) -> int:
        """Return how many jobs of an IP wait."""
        return len(self._waiting.get(ip, ()))


def probers(probe, now, tries: int, at_once: int, quick: float | None = None,
            quick_at_once: int | None = None, patience: float | None = None) -> list["Prober"]:
    """Make the lanes of a node, a Prober each, which makes `at_once` patient probes at a time. They
    last `patience` seconds, longer if answers were slow lately; in the lane USUAL as long as
    `probe` usually waits. If `quick` is given, a lane also makes `quick_at_once` looks of `quick`
    seconds. `probe(address, verdict, limit=…)` calls `verdict(alive)` once, in `limit` seconds."""
    answers = Worst(SLOW_FOR)  # seconds that they took
    return [Prober(probe, now, tries, quick, Queue(quick_at_once or at_once), Queue(at_once),
                   None if lane == USUAL else patience, answers) for lane in LANES]


class Prober:
    """A lane: the addresses that one kind of question is about."""

    def __init__(self, probe, now, tries: int, quick: float | None, quick_looks: Queue,
                 patient_probes: Queue, patience: float | None, answers: Worst):
        self._probe, self._now = probe, now
        self._tries = tries  # patient probes at most; the verdict is that of the last one
        self._quick, self._patience, self._answers = quick, patience, answers
        self.quick, self.patient = quick_looks, patient_probes
        self.jobs: dict[Address, Job] = {}  # those that wait or are being probed

    def ask(self, address: Address, verdict, wanted=lambda: True, since: float = math.inf) -> None:
        """Probe an address, listed `since` then, and call `verdict(alive)` afterwards. If nobody
        wants to know (`wanted()`) by then, it is None."""
        if address not in self.jobs and len(self.jobs) >= QUEUE_LIMIT:
            self.give_way(address)
        job = self.jobs.get(address)
        if job is None and len(self.jobs) < QUEUE_LIMIT:
            job = self.jobs[address] = Job(address, self._tries, self._quick is None)
            self._queue_of(job).put(job)
        if job is None or len(job.askers) >= ASKERS_LIMIT:
            verdict(None)
            return
        job.askers.append((verdict, wanted))
        job.since = min(job.since, since)
        self._begin()

    def give_way(self, newcomer: Address) -> bool:
        """Drop a slow address, or one of an IP with two more than the newcomer's; False without."""
        job = (self.patient.next_to_go()
               or self.quick.next_to_go(least=self.quick.waiting(newcomer.ip) + 2))
        if job is not None:
            self._queue_of(job).take_out(job)
            self._over(job, None)
        return job is not None

    def _queue_of(self, job: Job) -> Queue:
        return self.patient if job.is_patient else self.quick

    def _begin(self) -> None:
        """Begin as many probes as may begin."""
        while (job := self.quick.begin() or self.patient.begin()) is not None:
            if any(wanted() for _, wanted in job.askers):
                self._look(job)
            else:
                self._queue_of(job).end(job)
                self._over(job, None)

    def _look(self, job: Job) -> None:
        """Probe an address, once."""
        job.begun = self._now()
        limit = self._patient_limit(job) if job.is_patient else self._quick
        self._probe(job.address, functools.partial(self._answered, job), limit=limit)

    def _patient_limit(self, job: Job) -> float | None:
        """Return the seconds for a patient probe that begins; None: as usual. It uses up one of the
        job's tries, or all if it is longer than all of them usually are."""
        job.tries -= 1
        if self._patience is None:
            return None
        slowest = self._answers.lately(self._now())
        limit = max(self._patience, min(SLOWEST, SLOWER * slowest))
        if limit > self._tries * self._patience:
            job.tries = 0
        return None if limit == self._patience else limit

    def _answered(self, job: Job, alive: bool | None) -> None:
        """Take the end of a probe. Without an answer there may be another."""
        now = self._now()
        took = now - job.begun
        if alive:
            self._answers.note(now, round(took, 2))  # so that few are kept
        refused = alive is False and not job.is_patient and took < REFUSED * self._quick
        if not alive and job.tries and (job.is_patient or refused):
            job.tries -= refused
            self._look(job)  # in the same slot
            return
        self._queue_of(job).end(job)
        if alive or job.is_patient or refused:
            self._over(job, alive)
        else:  # the quick look is over
            job.tries = max(job.tries, 1)
            job.is_patient = True
            self.patient.put(job)
        self._begin()

    def _over(self, job: Job, alive: bool | None) -> None:
        del self.jobs[job.address]
        for verdict, _ in job.askers:
            verdict(alive)
