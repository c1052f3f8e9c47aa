"""Records: what the output files of a folder tell, run by run, read as the files grow.

`Records.refresh` reads what has been added since the last call. The runner and the benchmark
follow a network with it; the check reads the files of a finished network once.
"""

import calendar
import functools
import pathlib
import time

from gossip.addresses import parse_address
from gossip.proof.runs import PeerRun
from gossip.proof.seed_runs import SeedRun


class _File:
    """One output file, and the runs in it; `refresh` reads on where it stopped."""

    def __init__(self, path: pathlib.Path, make_run):
        self._path = path
        self._make_run = make_run
        self._read = 0
        self._rest = b""
        self.runs: list = []

    def refresh(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))

    def _take(self, line: str) -> None:
        found = parse_line(line)
        if found is None:
            return
        at, event, rest = found
        if event == "started":
            self._start_run(started_by(rest), at)
        elif self.runs:
            self.runs[-1].take(at, event, rest)

    def _start_run(self, address: str | None, at: float) -> None:
        if address is None:
            return  # a damaged line: the lines after it count for the run before, if any
        if self.runs:
            self.runs[-1].superseded = True
        self.runs.append(self._make_run(address, at))


@functools.lru_cache(maxsize=1024)
def _second(text: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None


def parse_stamp(text: str) -> float | None:
    """Unix seconds of a time in UTC like `2026-01-02 03:04:05.000000`; None for other texts."""
    second, micros = _second(text[:19]), text[20:]
    if second is None or len(micros) != 6 or text[19] != "." or not (
            micros.isdigit() and micros.isascii()):
        return None
    return second + int(micros) / 1e6


def parse_line(line: str) -> tuple[float, str, str] | None:
    """(Unix seconds, event, the rest) of a line of an output file, which may end like a line of
    Windows; None for other texts."""
    at = parse_stamp(line[:26])
    if at is None or line[26:27] != ":":
        return None
    event, _, rest = line[27:].removesuffix("\r").partition(":")
    return at, event, rest


def started_by(rest: str) -> str | None:
    """The address in the rest of a `started:` line; None when it is damaged."""
    try:
        return str(parse_address(rest.partition(":")[2]))
    except ValueError:
        return None


class Runs:
    """Runs of peers and of seeds, up to a moment."""

    def __init__(self, peers: list[PeerRun], seeds: list[SeedRun], newest: float):
        self.peers = peers
        self.seeds = seeds
        self._newest = newest

    def newest(self) -> float:
        """The time of the newest line."""
        return self._newest


class Records:
    """All runs of all nodes whose output files are in a folder. That is a `pathlib.Path`, or
    anything else with `glob(pattern)`, whose files have an order, `name`, `is_file()` and
    `open(mode)`, like a folder that is kept in memory."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._files: dict[str, _File] = {}

    def refresh(self) -> "Records":
        """Read what is new; OSError when the folder cannot be read."""
        for path in sorted(self._folder.glob("*_*.txt")):
            kind = {"peer": PeerRun, "seed": SeedRun}.get(path.name.partition("_")[0])
            if kind is not None and path.is_file():
                if path.name not in self._files:
                    self._files[path.name] = _File(path, kind)
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
        """The time of the newest line of the folder."""
        return max((run.last for run in self.peers + self.seeds), default=0.0)

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
