"""Lanes: addresses that wait for a probe, and how many of them are probed at a time.

Rules only; the prober (prober.py) calls them. In a lane
every IP has a share: of those that wait, one of the IP goes first that has the fewest probes under
way, so an IP that fills the lane holds up itself. Where all share one IP, the address goes first
that was listed longest: those that list many, and have them fall silent, hold up none that was
there before. Of equals, the first who came goes first.
"""

import collections
import math
import operator

from gossip.addresses import Address


class Job:
    """An address that waits for a probe, or is being probed, and who asked, in which lane."""

    __slots__ = ("address", "askers", "tries", "is_patient", "slot", "begun", "since")

    def __init__(self, address: Address, tries: int, is_patient: bool):
        self.address = address
        self.askers: dict[int, list] = {}  # lane -> (verdict, wanted) of each who asked there
        self.tries = tries  # patient probes that are left
        self.is_patient = is_patient  # the quick look is over, or there is none
        self.slot: Lane | None = None  # the lane in which it is being probed now
        self.begun = 0.0  # when the present probe began
        self.since = math.inf  # when the address was listed; infinite: it is not, or all are alike

    def all_askers(self) -> list:
        return [asker for askers in self.askers.values() for asker in askers]


LISTED_SINCE = operator.attrgetter("since")


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
        """Who gives way first: of the IP of which most wait, the job that was listed last; of
        equals, the one that waits longest. While a slot is free, they are about to begin."""
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
