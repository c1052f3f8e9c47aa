"""Records: what the output files of a folder tell, run by run, read as the files grow.

`Records.refresh` reads what has been added since the last call. The runner and the benchmark
follow a network with it; the check reads the files of a finished network once.
"""

import calendar
import functools
import math
import pathlib
import time
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from gossip.addresses import is_loopback, parse_address
from gossip.lab.proof.events import DEAD, JUDGED, LOAD, REMOVED, SECONDS, SEEDS, Kick, Load
from gossip.lab.proof.runs import PeerRun
from gossip.lab.proof.spans import Spans


class SeedRun:
    """One life of a seed, as its output file tells it."""

    def __init__(self, address: str, at: float):
        self.address = address
        self.first = self.last = self.until = at  # its last line, and the last that is not `alive`
        self.superseded = False  # the seed was started again
        self.stopped = False  # by its own word; a seed that is killed writes none
        self.full = False  # its file is: nobody knows what it does then
        self.tells_lateness = False  # when it was late; in earlier versions files did not
        self.pace = 0.0  # seconds between two lines `alive`; 0: it writes none
        self.late = Spans()  # when it stood still, or ran late
        self.registered: list[tuple[float, str]] = []  # when, whom
        self.known = 0  # how many seeds its configuration names
        self.listed: list[tuple[float, str]] = []  # when it told whom of the others
        self.removed: list[tuple[float, str, str]] = []  # when, whom, why
        self.kicks: list[Kick] = []
        self.judged: list[tuple[float, dict[str, float]]] = []  # when, badness of whom it judges
        self.loads: list[Load] = []
        self.reports: list[tuple[float, str, str]] = []  # when, whose death, reported by whom
        self.untrue: list[tuple[float, str]] = []  # when whose report was untrue: the dead answered
        # about whom a report was rejected, because this seed was late
        self.too_busy: list[tuple[float, str]] = []
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
        if event == "alive" and SECONDS.fullmatch(rest):
            self.pace = float(rest)
            return
        self.until = at
        if event == "registered":
            self.registered.append((at, rest))
        elif event == "settings" and SEEDS.search(rest):
            self.known = int(SEEDS.search(rest)[1])
        elif event == "peer list":
            self.listed.append((at, rest.rpartition(":")[0]))
        elif event == "removed" and REMOVED.fullmatch(rest):
            peer, reason, badness = REMOVED.fullmatch(rest).groups()
            self.removed.append((at, peer, reason))
            if badness is not None:
                self.kicks.append(Kick(at, peer, float(badness)))
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
        elif event == "rejected" and DEAD.match(rest) and rest.endswith(":too busy to find out"):
            self.too_busy.append((at, DEAD.match(rest)[1]))
        elif event == "disbelieved":
            self.disbelieved[rest] = min(at, self.disbelieved.get(rest, at))
        elif event == "passed on" and DEAD.match(rest):
            self.passed_on.append((at, DEAD.match(rest)[1]))
        elif event == "late":
            self.tells_lateness = True
            self.late.take_late(at, rest)
        elif event == "stopped":
            self.stopped = True
        elif event == "full":
            self.full = self.stopped = True
        elif event == "failed":
            self.failures.append(rest)

    def end(self, newest: float) -> float:
        """Return when it ended, as far as its file tells; infinity for one that is up."""
        silent = self.last < newest - 2 * self.pace
        over = self.stopped or self.superseded or silent or not self.pace
        return self.last if over else math.inf

    def believes(self, peer: str, at: float) -> bool:
        """Whether it looks at what a peer says of deaths at a time; when a disbelief is over, the
        file does not tell."""
        return at < self.disbelieved.get(peer, math.inf)


class Tail:
    """The events of one output file, read on as it grows. Of a longer line, the first `longest`
    bytes are read."""

    def __init__(self, longest: int | None = None):
        self._longest = longest
        self.position = 0  # how many bytes were read
        self.node: str | None = None  # whose file it is, as its last `started:` line says
        self._rest = b""  # a line that has no end yet

    def read(self, file: BinaryIO, most: int = -1) -> Iterator[tuple[float, str, str]]:
        """Yield (Unix seconds, event, rest) of each line that ends in the next bytes, `most` at
        most. Left out are damaged lines, and those before the first start: nobody knows of whom
        they tell."""
        file.seek(self.position)
        data = file.read(most)
        self.position += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:self._longest]
        for line in lines:
            found = parse_line(line[:self._longest].decode(errors="replace"))
            if found is None:
                continue
            if found[1] == "started":
                node = _started_by(found[2])
                if node is None:
                    continue  # the lines after it count for the run before, if any
                self.node = node
            if self.node is not None:
                yield found


class _File:
    """One output file, and the runs in it; `refresh` reads on where it stopped. `ahead`: seconds
    that the clocks of machines are ahead."""

    def __init__(self, path: pathlib.Path, make_run, ahead: dict[str, float]):
        self._path = path
        self._make_run = make_run
        self._ahead = ahead
        self._tail = Tail()
        self.runs: list = []

    def refresh(self) -> None:
        with self._path.open("rb") as file:
            for at, event, rest in self._tail.read(file):
                if self._ahead:
                    at -= self._ahead.get(machine_of(self._tail.node), 0.0)
                if event != "started":
                    self.runs[-1].take(at, event, rest)
                    continue
                if self.runs:
                    self.runs[-1].superseded = True
                self.runs.append(self._make_run(self._tail.node, at))


@functools.lru_cache(maxsize=None)
def machine_of(address: str) -> str:
    """Return a name for the machine that has an address: its IP, or one name for all loopback."""
    parsed = parse_address(address)
    return "loopback" if is_loopback(parsed) else parsed.ip


@functools.lru_cache(maxsize=1024)
def _second(text: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None


def parse_line(line: str) -> tuple[float, str, str] | None:
    """(Unix seconds, event, the rest) of a line of an output file, which may end like a line of
    Windows; None for other texts. Times are in UTC, like `2026-01-02 03:04:05.000000`."""
    second, micros = _second(line[:19]), line[20:26]
    if second is None or line[26:27] != ":" or line[19] != "." or not (
            micros.isdigit() and micros.isascii()):
        return None
    event, _, rest = line[27:].removesuffix("\r").partition(":")
    return second + int(micros) / 1e6, event, rest


def _started_by(rest: str) -> str | None:
    """The address in the rest of a `started:` line; None when it is damaged."""
    try:
        return str(parse_address(rest.partition(":")[2]))
    except ValueError:
        return None


class Runs(NamedTuple):
    """Runs of peers and of seeds, up to a moment."""

    peers: list[PeerRun]
    seeds: list[SeedRun]
    until: float

    def newest(self) -> float:
        """The time of the newest line."""
        return self.until


class Records:
    """All runs of all nodes whose output files are in a folder. That is a `pathlib.Path`, or
    anything else with `glob(pattern)`, whose files have an order, `name`, `is_file()` and
    `open(mode)`, like a folder that is kept in memory."""

    def __init__(self, folder: pathlib.Path, ahead: dict[str, float] | None = None):
        """`ahead`: by how many seconds clocks of machines are ahead; their times are put right."""
        self._folder = folder
        self._ahead = ahead or {}
        self._files: dict[str, _File] = {}
        self.clocks = None  # what clocks.py has found

    def by_one_clock(self, ahead: dict[str, float]) -> "Records":
        """Read the folder once more, and put the times of some machines right."""
        return Records(self._folder, ahead).refresh()

    def refresh(self) -> "Records":
        """Read what is new; OSError when the folder cannot be read."""
        for path in sorted(self._folder.glob("*_*.txt")):
            kind = {"peer": PeerRun, "seed": SeedRun}.get(path.name.partition("_")[0])
            if kind is not None and path.is_file():
                if path.name not in self._files:
                    self._files[path.name] = _File(path, kind, self._ahead)
                self._files[path.name].refresh()
        return self

    def unread(self) -> list[str]:
        """The names of files that are named like a node's, and tell of none."""
        return [name for name, file in self._files.items() if not file.runs]

    def _runs(self, kind) -> list:
        return [run for file in self._files.values() for run in file.runs
                if isinstance(run, kind)]

    @property
    def peers(self) -> list[PeerRun]:
        """All runs of all peers; the runs of one peer in their order."""
        return self._runs(PeerRun)

    @property
    def seeds(self) -> list[SeedRun]:
        return self._runs(SeedRun)

    def newest(self) -> float:
        """The time of the newest line of the folder, but for what seeds write in any case."""
        return max([*(run.last for run in self.peers), *(run.until for run in self.seeds)],
                   default=0.0)

    def honest(self) -> Runs:
        """The same without the attackers of an experiment, who have said what they are."""
        return Runs([run for run in self.peers if run.malice is None], self.seeds, self.newest())


def read_folder(folder: pathlib.Path) -> Records:
    """Read a folder; ValueError when no file of a peer is in it."""
    records = Records(folder).refresh()
    if records.peers:
        return records
    unread = records.unread()
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    raise ValueError(f"no output file of a peer in {folder} (they are named peer_IP_PORT.txt)"
                     + (f"; no started: line in {unread[0]}{more}" if unread else ""))
