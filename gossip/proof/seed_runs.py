"""The runs of seeds: one life of a seed, as its output file tells it."""

import math

from gossip.proof.events import DEAD, JUDGED, LOAD, REMOVED, SEEDS, Kick, Load


class SeedRun:
    """One life of a seed, as its output file tells it."""

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = at
        self.superseded = False  # the seed was started again
        self.stopped = False  # by its own word; a seed that is killed writes none
        self.full = False  # its file is: nobody knows what it does then
        self.times = [at]  # when it wrote a line
        self.registered: list[tuple[float, str]] = []  # when, whom
        self.known = 0  # how many seeds its configuration names
        self.listed: list[tuple[float, str]] = []  # when it told whom of the others
        self.removed: list[tuple[float, str, str]] = []  # when, whom, why
        self.kicks: list[Kick] = []
        self.judged: list[tuple[float, dict[str, float]]] = []  # when, badness of whom it judges
        self.loads: list[Load] = []
        self.reports: list[tuple[float, str, str]] = []  # when, whose death, reported by whom
        self.untrue: list[tuple[float, str]] = []  # when whose report was untrue: the dead answered
        self.disbelieved: dict[str, float] = {}  # whose reports it does not look at, from when on
        self.passed_on: list[tuple[float, str]] = []  # when it told others of whose death
        self.failures: list[str] = []

    def take(self, at: float, event: str, rest: str) -> None:
        """Take one event of this run's file."""
        if self.full:
            if event == "failed":
                self.failures.append(rest)
            return
        self.last = at
        self.times.append(at)
        if event == "registered":
            self.registered.append((at, rest))
        elif event == "settings" and SEEDS.search(rest):
            self.known = int(SEEDS.search(rest)[1])
        elif event == "peer list":
            self.listed.append((at, rest.rpartition(":")[0]))
        elif event == "removed":
            self._removed(at, rest)
        elif event == "judged":
            self.judged.append((at, {peer.replace("#", ":"): float(badness)
                                     for peer, badness in JUDGED.findall(rest)}))
        elif event == "load" and LOAD.fullmatch(rest):
            rows, largest, mean, moved, hops = LOAD.fullmatch(rest).groups()
            self.loads.append(Load(at, int(rows), float(largest), float(mean), int(moved),
                                   float(hops)))
        elif event == "dead report" and DEAD.match(rest):
            self.reports.append((at, *DEAD.match(rest).groups()))
        elif event == "rejected" and DEAD.match(rest) and rest.endswith(":it answers"):
            self.untrue.append((at, DEAD.match(rest)[2]))
        elif event == "disbelieved":
            self.disbelieved[rest] = min(at, self.disbelieved.get(rest, at))
        elif event == "passed on" and DEAD.match(rest):
            self.passed_on.append((at, DEAD.match(rest)[1]))
        elif event == "stopped":
            self.stopped = True
        elif event == "full":
            self.full = self.stopped = True
        elif event == "failed":
            self.failures.append(rest)

    def believes(self, peer: str, at: float) -> bool:
        """Whether it looks at what a peer says of deaths at a time; when a disbelief is over, the
        file does not tell."""
        return at < self.disbelieved.get(peer, math.inf)

    def _removed(self, at: float, rest: str) -> None:
        match = REMOVED.fullmatch(rest)
        if match:
            peer, reason, badness = match.groups()
            self.removed.append((at, peer, reason))
            if badness is not None:
                self.kicks.append(Kick(at, peer, float(badness)))
