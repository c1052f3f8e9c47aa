"""The prober: finds out whether addresses answer; a silent address delays no other.

Rules only: a probe itself is `probe(address, verdict)` of a node. Two questions about one address
share its probe. The verdict comes as a call: True, False, or None when it could not be found out.

An address gets a quick look first, a probe of a quarter of a second, and waits only for the quick
looks of other addresses. If it does not answer, it is probed patiently, `tries` times, in another
lane, where waiting for silence takes its time, longer where others were slow (Slowness). Where the
system refuses at once, because nobody listens, the tries follow at once instead. Registrations,
reports, and all less urgent questions have two such lanes each, so none of them delays another; an
address that several of them ask about waits in all their lanes. Each lane has a limit: a further
address takes the place of an address that waits for its patient probe, or of an address whose IP
has more that wait; or else its verdict is None at once.

In a lane every IP has a share: the next address is of the IP that has the fewest probes under way,
so an IP that fills the lane delays itself. Where all share one IP, the address that was listed
longest goes first, so that addresses which are listed in masses, and then fall silent, delay no
earlier one. Of equals, the first who came goes first.
"""

import collections
import functools
import math
import operator

from gossip.addresses import Address

FIRST, USUAL, LAST = range(3)  # for registrations; for reports and lost connections; for all else
QUEUE_LIMIT = 1_024  # addresses of each of the three that wait for a probe, or are being probed
REFUSED = 0.5  # of a quick look: what has failed in less was refused, and not silent
SLOWER, SLOWEST = 4, 8.0  # times the slowest answer is waited for, and seconds at most
SLOW_FOR = 30.0  # seconds for which an answer counts as the slowest
LISTED_SINCE = operator.attrgetter("since")
ASKERS_LIMIT = 100  # calls of `ask` that share one probe, for each of the three


class Job:
    """An address that waits for a probe, or is being probed, and who asked, in which lane."""

    __slots__ = ("address", "askers", "tries", "is_patient", "slot", "begun", "since")

    def __init__(self, address: Address, tries: int, is_patient: bool):
        self.address = address
        self.askers: dict[int, list] = {}  # lane -> (verdict, wanted) of each who asked there
        self.tries = tries  # patient probes that are left
        self.is_patient = is_patient  # the quick look is over, or there is none
        self.slot = None  # the Lane in which it is being probed now
        self.begun = 0.0  # when the present probe began
        self.since = math.inf  # when the address was listed; infinite: it is not, or all are alike

    def all_askers(self) -> list:
        return [asker for askers in self.askers.values() for asker in askers]


class Lane:
    """Jobs that wait, and how many more may begin."""

    def __init__(self, at_once: int):
        self._free = at_once  # how many more probes may begin now
        self._under_way: collections.Counter = collections.Counter()  # IP -> probes
        # IP -> jobs that wait, the first who came first; the IP first whose turn was longest ago
        self._waiting: dict[str, dict[Job, None]] = {}

    def put(self, job: Job) -> None:
        """Have a job wait."""
        self._waiting.setdefault(job.address.ip, {})[job] = None

    def take_out(self, job: Job) -> None:
        """Have a job wait here no longer, if it does."""
        jobs = self._waiting.get(job.address.ip)
        if jobs is not None:
            jobs.pop(job, None)
            if not jobs:
                del self._waiting[job.address.ip]

    def begin(self) -> Job | None:
        """Take the job whose turn it is, and a slot for it; None: none waits, or no slot is
        free."""
        if not self._free or not self._waiting:
            return None
        ip = min(self._waiting, key=self._under_way.__getitem__)
        jobs = self._waiting.pop(ip)
        job = min(jobs, key=LISTED_SINCE)
        del jobs[job]
        if jobs:
            self._waiting[ip] = jobs  # behind all others
        self._free -= 1
        self._under_way[ip] += 1
        job.slot = self
        return job

    def end(self, job: Job) -> None:
        """A job that has begun needs its slot no longer."""
        job.slot = None
        self._free += 1
        self._under_way[job.address.ip] -= 1
        if not self._under_way[job.address.ip]:
            del self._under_way[job.address.ip]

    def next_to_go(self) -> Job | None:
        """Return the job that gives way first: of the IP of which most wait, the job that was
        listed last; of equals, the one that waits longest. While a slot is free, jobs are about to
        begin, and none gives way."""
        if self._free or not self._waiting:
            return None
        return max(max(self._waiting.values(), key=len), key=LISTED_SINCE)

    def next_to_go_for(self, ip: str) -> Job | None:
        """The same for a newcomer of this IP: only if more of another IP wait than with it of its
        own."""
        job = self.next_to_go()
        if job is None or len(self._waiting[job.address.ip]) <= len(self._waiting.get(ip, ())) + 1:
            return None
        return job


class Prober:
    """Probes addresses, at most `at_once` of them at a time in a lane, each up to `tries` times;
    before that comes a quick look of `quick` seconds; None: there is none."""

    def __init__(self, probe, tries: int, at_once: int, quick: float | None = None,
                 now=None, quick_at_once: int | None = None, patience: float | None = None):
        """`quick_at_once`: how many have their quick look at a time in a lane, if not `at_once`.
        `patience`: seconds of a patient probe; where others were slow lately, it takes longer, but
        not for reports and lost connections. Needs a clock.
        `probe(address, verdict)` calls `verdict(alive)` once; a quick look has a `limit`.
        `now()` is the clock by which what is refused at once is told from silence; without one,
        everything counts as silence."""
        self._probe = probe
        self._tries = tries  # patient probes at most; the verdict is that of the last one
        self._quick = quick
        self._now = now
        self._patience = patience
        self._beginning = False  # the loop of `_begin` goes on
        self._quick_lanes = [Lane(quick_at_once or at_once) for _ in (FIRST, USUAL, LAST)]
        self._patient_lanes = [Lane(at_once) for _ in (FIRST, USUAL, LAST)]
        self._slowness = Slowness()
        self._jobs: dict[Address, Job] = {}  # those that wait or are being probed
        self._counts = [0, 0, 0]  # how many of them, for each that `ask` calls a lane

    def ask(self, address: Address, verdict, wanted=lambda: True, lane: int = USUAL,
            since: float = math.inf) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers, which is
        listed `since` then. An address that nobody wants any more (`wanted()`) when its turn comes
        is not probed; its verdict is None."""
        given_up = []
        job = self._jobs.get(address)
        if job is None or lane not in job.askers:
            if self._counts[lane] >= QUEUE_LIMIT:
                given_up = self._give_up_one(lane, address)
            job = self._enter(address, lane) if self._counts[lane] < QUEUE_LIMIT else None
        has_room = job is not None and len(job.askers[lane]) < ASKERS_LIMIT
        if has_room:
            job.askers[lane].append((verdict, wanted))
            job.since = min(job.since, since)
        for other, _ in given_up:
            other(None)
        if has_room:
            self._begin()
        else:
            verdict(None)

    def give_way(self, lane: int, newcomer: Address) -> bool:
        """Let one go that waits for patience, of the IP of which most wait; if none does,
        one that waits for its quick look, if more of its IP do than of the newcomer's. Its verdict
        is None for all who asked in this lane. Answer whether there was one."""
        given_up = self._give_up_one(lane, newcomer)
        for verdict, _ in given_up:
            verdict(None)
        return bool(given_up)

    def _enter(self, address: Address, lane: int) -> Job:
        """Have an address wait in a lane, unless it is being probed."""
        job = self._jobs.setdefault(address, Job(address, self._tries, self._quick is None))
        job.askers[lane] = []
        self._counts[lane] += 1
        if job.slot is None:
            self._lanes_of(job)[lane].put(job)
        return job

    def _lanes_of(self, job: Job) -> list[Lane]:
        return self._patient_lanes if job.is_patient else self._quick_lanes

    def _give_up_one(self, lane: int, newcomer: Address) -> list:
        """Take out one that waits in this lane, and return who asked here."""
        job = (self._patient_lanes[lane].next_to_go()
               or self._quick_lanes[lane].next_to_go_for(newcomer.ip))
        if job is None:
            return []
        self._lanes_of(job)[lane].take_out(job)
        self._counts[lane] -= 1
        askers = job.askers.pop(lane)
        if not job.askers:
            del self._jobs[job.address]
        return askers

    def _begin(self) -> None:
        """Begin as many probes as may begin, in a loop: a call meanwhile returns, so that a probe
        that fails at once does not begin the next one from within itself."""
        if self._beginning:
            return
        self._beginning = True
        try:
            while (job := self._next()) is not None:
                if self._is_wanted(job):
                    self._look(job)
                else:
                    self._over(job, None)
        finally:
            self._beginning = False

    def _next(self) -> Job | None:
        """The next job, with its slot; None: there is none, or no probe may begin."""
        for lane in (*self._quick_lanes, *self._patient_lanes):
            if (job := lane.begin()) is not None:
                for other in job.askers:
                    self._lanes_of(job)[other].take_out(job)
                return job
        return None

    def _is_wanted(self, job: Job) -> bool:
        return any(wanted() for _, wanted in job.all_askers())

    def _look(self, job: Job) -> None:
        """Probe an address, once. When that cannot even begin, it is over: nobody waits for it."""
        answered = functools.partial(self._answered, job)
        if self._now is not None:
            job.begun = self._now()
        limit = self._limit(job)
        try:
            if limit is None:
                self._probe(job.address, answered)
            else:
                self._probe(job.address, answered, limit=limit)
        except BaseException:
            self._over(job, None)
            raise

    def _limit(self, job: Job) -> float | None:
        """Seconds for the probe that begins; None: as usual. A patient one uses up one of its
        tries, or all when it is longer than all of them usually are."""
        if not job.is_patient:
            return self._quick
        job.tries -= 1
        if self._patience is None:
            return None
        limit = self._slowness.limit(self._patience, self._now())
        if limit == self._patience or USUAL in job.askers:
            return None
        if limit > self._tries * self._patience:
            job.tries = 0
        return limit

    def _answered(self, job: Job, alive: bool | None) -> None:
        """A probe is over. Without an answer there may be another."""
        if alive and self._now is not None:
            self._slowness.note(self._now() - job.begun, self._now())
        refused = (alive is False and not job.is_patient and self._now is not None
                   and self._now() - job.begun < REFUSED * self._quick)
        if not alive and job.tries and (job.is_patient or refused):
            job.tries -= refused
            self._look(job)  # in the same slot
            return
        if alive or job.is_patient or refused:
            self._over(job, alive)
        else:
            job.tries = max(job.tries, 1)
            self._be_patient(job)
        self._begin()

    def _be_patient(self, job: Job) -> None:
        """The quick look is over."""
        job.slot.end(job)
        job.is_patient = True
        for lane in job.askers:
            self._patient_lanes[lane].put(job)

    def _over(self, job: Job, alive: bool | None) -> None:
        """The verdict on an address: tell all who asked."""
        if self._jobs.get(job.address) is not job:
            return  # it was over, and then the probe failed
        del self._jobs[job.address]
        job.slot.end(job)
        for lane in job.askers:
            self._counts[lane] -= 1
        for verdict, _ in job.all_askers():
            verdict(alive)


class Slowness:
    """How slow answers were lately, and how long to wait for others therefore. An overloaded
    process answers late: the slowest answer that still came in time tells how long another may
    take. The wait is bounded, so that nobody gains much by being slow."""

    def __init__(self):
        self._took = 0.0
        self._until = float("-inf")  # when that answer counts no more

    def note(self, took: float, now: float) -> None:
        """An answer has come after `took` seconds."""
        if took >= self._took or now >= self._until:
            self._took, self._until = took, now + SLOW_FOR

    def limit(self, usual: float, now: float) -> float:
        """Seconds to wait for an answer, where `usual` is right for those that are on time."""
        slowest = self._took if now < self._until else 0.0
        return max(usual, min(SLOWEST, SLOWER * slowest))
