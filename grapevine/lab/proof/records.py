"""Records, the runs that output files of a folder tell of.

The runner and the benchmark follow a network with records; the check reads its files once.
"""

import contextlib
import datetime
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import BinaryIO

from grapevine.addresses import parse_address
from grapevine.events import ADDRESS
from grapevine.lab.proof.runs import PeerRun, Run, SeedRun
from grapevine.lab.scenario import Act, Scenario
from grapevine.terminal.command_line import printable
from grapevine.terminal.folders import SCENARIO

CHUNK = 1024 * 1024  # bytes that are read at a time, and read of a line
NAMED = re.compile(r"(?:.*[ _])?(?:peer|seed)_.*\.txt")  # a download may add words


class Tail:
    """The events of an output file, read as it grows."""

    def __init__(self, longest: int):
        self._longest = longest  # bytes that are read of a line
        self.position = 0  # how many bytes were read
        self.node: str | None = None  # whose file it is, as `started:` says last
        self.lacks_beginning = False  # lines came before the first `started:`, which is missing
        self.is_damaged = False  # the line before was
        self._rest = b""  # a line that has no end yet

    def read(self, file: BinaryIO, most: int) -> Iterator[tuple[float, str, str]]:
        """Yield (Unix seconds, event, rest) of lines in the next `most` bytes. Damaged lines are
        left out, and lines before the first start, because nobody knows of whom they tell."""
        file.seek(self.position)
        data = file.read(most)
        self.position += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:self._longest]
        for line in lines:
            found = parse_line(line[:self._longest].decode(errors="replace"))
            if found is None:
                self.is_damaged |= bool(line.strip())
                continue
            if found[1] == "started":
                node = usual_address(found[2].partition(":")[2])
                if node is None:
                    continue  # the lines after it count for the run before, if any
                self.node = node
            if self.node is not None:
                yield found
            else:
                self.lacks_beginning = True


class File(Tail):
    """The output file of a node, and its runs in order."""

    def __init__(self, path: pathlib.Path):
        super().__init__(CHUNK)
        self.path = path
        self.runs: list[Run] = []
        self.is_copy = False  # of another file, such as a second download


def parse_line(line: str) -> tuple[float, str, str] | None:
    """Return (Unix seconds, event, the rest) of a line, or None. The line is like
    `2026-01-02 03:04:05.000000:event:rest`, and may begin and end as in Windows."""
    line = line.removeprefix("\ufeff")
    try:
        at = datetime.datetime.fromisoformat(f"{line[:26]}+00:00")
    except ValueError:
        return None
    if line[7:20:3] + line[26:27] != "- ::.:":  # datetime reads other forms, too
        return None
    event, _, rest = line[27:].removesuffix("\r").partition(":")
    return at.timestamp(), event, rest


def usual_address(text: str) -> str | None:
    """Return an address in its usual spelling, or None for other texts."""
    try:
        return str(parse_address(text))
    except ValueError:
        return None


@functools.lru_cache(maxsize=None)
def machine_of(address: str) -> str:
    """Return the IP of an address, `loopback`, or nothing for other texts."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return ""
    return "loopback" if parsed.is_loopback else parsed.ip


class Records:
    """All runs of the nodes whose output files are in a folder."""

    def __init__(self, folder: pathlib.Path, ahead: dict[str, float] | None = None):
        self.folder = folder
        self._ahead = ahead or {}  # machine -> seconds by which its clock is ahead, to put it right
        self._files: dict[str, File] = {}  # by name
        self._runs: list[Run] = []  # of each node in order
        self._told: dict[tuple[str, float], File] = {}  # node, start of a run -> its file
        self.newest = 0.0  # the time of the newest line, without the seeds' `alive:`
        self.clocks = None  # what clocks.py has found in what was read
        self.scenario = Scenario([], 0)  # what the runner did, if a runner started these

    def refresh(self) -> "Records":
        """Read what is new. OSError if the folder cannot be read."""
        self.clocks = None
        sizes = {}  # up to which all are read, because nodes write on meanwhile
        for path in sorted(self.folder.glob("*.txt")):
            with contextlib.suppress(FileNotFoundError):
                if NAMED.fullmatch(path.name) and path.is_file():
                    sizes[path] = path.stat().st_size
        for path, size in sorted(sizes.items(), key=lambda item: -item[1]):  # copies come later
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                ours = self._files.setdefault(path.name, File(path))
                for at in range(ours.position, size, CHUNK):
                    self._take(ours, file, min(CHUNK, size - at))
        self._runs = [run for file in sorted(self._files.values(), key=lambda file: (
            file.node or "", file.runs[0].first if file.runs else 0.0)) for run in file.runs]
        self.newest = max([*(run.last for run in self.peers),
                           *(seed.until for seed in self.seeds)], default=0.0)
        later: dict[str, Run] = {}  # node -> its next run
        for run in reversed(self._runs):
            run.newest = self.newest
            if after := later.get(run.address):
                run.next, run.has_others, after.has_others = after.first, True, True
            later[run.address] = run
        self._read_scenario()
        return self

    def _read_scenario(self) -> None:
        if not (self.folder / SCENARIO).is_file():
            return
        lines = (self.folder / SCENARIO).read_text(errors="replace").splitlines()
        acts = []
        for at, kind, rest in filter(None, map(parse_line, lines)):
            nodes = tuple(re.findall(ADDRESS, rest))
            if nodes or kind == "end":
                ahead = self._ahead.get(machine_of(nodes[0]), 0.0) if nodes else 0.0
                acts.append(Act(at - ahead, kind, nodes))
        self.scenario = Scenario(acts, len(lines) - len(acts))
        for run in self._runs:
            deaths = self.scenario.deaths[run.address]
            run.killed = next((at for at in deaths if run.first <= at <= run.next), None)
            if run.killed is not None:  # each ends one run, also of two in the same moment
                deaths.remove(run.killed)

    def _take(self, ours: File, file: BinaryIO, most: int) -> None:
        for at, event, rest in ours.read(file, most):
            ahead = self._ahead.get(machine_of(ours.node), 0.0) if self._ahead else 0.0
            if event == "started":
                ours.is_copy = self._told.setdefault((ours.node, at), ours) is not ours
            damaged, ours.is_damaged = ours.is_damaged, False
            if ours.is_copy:
                continue
            if event == "started":  # a life that lost power may end in a damaged line
                run = (SeedRun if rest.startswith("seed:") else PeerRun)(ours.node, at - ahead)
                ours.runs.append(run)
            else:
                ours.runs[-1].apply(at - ahead, event, rest)
                ours.runs[-1].is_damaged |= damaged

    def unread(self) -> list[str]:
        """Return the files with a node's name that tell of none."""
        return sorted(file.path.name for file in self._files.values()
                      if not file.runs and not file.is_copy)

    def headless(self) -> set[str]:
        """Return the nodes whose first `started:` is missing."""
        return {file.node for file in self._files.values() if file.runs and file.lacks_beginning}

    @property
    def peers(self) -> list[PeerRun]:
        """All runs of all peers, with the runs of each in order."""
        return [run for run in self._runs if isinstance(run, PeerRun)]

    @property
    def honest(self) -> list[PeerRun]:
        """The same without the peers that are attackers, as they say."""
        return [run for run in self.peers if run.malice is None]

    @property
    def seeds(self) -> list[SeedRun]:
        return [run for run in self._runs if isinstance(run, SeedRun)]


def read_folder(folder: pathlib.Path) -> Records:
    """Read a folder. ValueError if no file of a peer is in it."""
    records = Records(folder).refresh()
    if records.peers:
        return records
    unread = records.unread()
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    no_line = f"; no started: line in {unread[0]}{more}" if unread else ""
    raise ValueError(f"no output file of a peer in {printable(str(folder))} (they are named "
                     f"peer_IP_PORT.txt){no_line}")
