"""Records: what the output files of a folder tell, run by run, read as the files grow.

A node's file may be in several pieces, such as `X.txt.2.gz`, `X.txt.1` and `X.txt`. A piece is
known again by its first line with a time, whatever its name has become. Pieces are read in the
order of these times; the line `continued:` tells whose run goes on. The runner and the benchmark
follow a network with records; the check reads its files once.
"""

import calendar
import collections
import contextlib
import functools
import gzip
import math
import os
import pathlib
import re
import time
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from gossip.addresses import is_loopback, parse_address
from gossip.events import ROTATED
from gossip.lab.proof.events import CONTINUED
from gossip.lab.proof.runs import PeerRun, Run, SeedRun

FIRST = 256  # bytes at the start of a piece by which it is known again
CHUNK = 1024 * 1024  # bytes that are read at a time, and read of a line
EARLY = 200_000  # lines before `continued:` that are kept: those of a second
NAMED = re.compile(rf"((peer|seed)_.*\.txt){ROTATED}")
DAMAGED = EOFError, zlib.error, gzip.BadGzipFile  # how a .gz is read that is not whole


class Tail:
    """The events of one output file, read on as it grows."""

    def __init__(self, longest: int | None = None):
        self._longest = longest  # bytes that are read of a line
        self.position = 0  # how many bytes were read
        self.node: str | None = None  # whose file it is, as `started:` or `continued:` says last
        self._rest = b""  # a line that has no end yet
        self._early = collections.deque(maxlen=EARLY)  # lines before the first of them

    def read(self, file: BinaryIO, most: int = -1) -> Iterator[tuple[float, str, str]]:
        """Yield (Unix seconds, event, rest) of each line that ends in the next `most` bytes, but
        not of damaged lines, nor of those before the first start, because nobody knows of whom they
        tell. If the run of a file that was truncated is `continued`, that comes first."""
        file.seek(self.position)
        data = file.read(most)
        self.position += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:self._longest]
        for line in lines:
            found = parse_line(line[:self._longest].decode(errors="replace"))
            if found is None:
                continue
            if found[1] in ("started", "continued"):
                node = _node_of(*found[1:])
                if node is None:
                    continue  # the lines after it count for the run before, if any
                self.node = node
                if found[1] == "started":
                    self._early.clear()
                yield self._early[0][0] if self._early else found[0], *found[1:]
                yield from self._early
                self._early.clear()
            elif self.node is not None:
                yield found
            else:
                self._early.append(found)


class Piece(Tail):
    """A piece of a node's output file: mostly all of it."""

    def __init__(self, name: str, path: pathlib.Path, first: bytes):
        super().__init__(CHUNK)
        self.name = name  # that the file had before it was rotated
        self.path = path
        self.first = first
        self.begun = time_of(first)
        self.runs: list[Run] = []  # that begin here
        self.run: Run | None = None  # of which its lines tell now
        self.lacks_beginning = False  # of its first run, which is in no piece


def opened(path: pathlib.Path) -> BinaryIO:
    """Open a piece for reading, unpacked."""
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")


def pieces_in(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str, bytes | None]]:
    """Yield each file of a node, the name that it had before it was rotated, and its first line, or
    None where none is whole. Of files with one content, the one that may still grow comes last."""
    named = [(not path.name.endswith(".gz"), path.name.endswith(".txt"), path, found[1])
             for path in folder.glob("*_*.txt*")
             if (found := NAMED.fullmatch(path.name)) and path.is_file()]
    for _, _, path, name in sorted(named):
        try:
            with opened(path) as file:
                yield path, name, _first_line(file)
        except (FileNotFoundError, *DAMAGED):
            yield path, name, None  # renamed just now, or damaged


def _first_line(file: BinaryIO) -> bytes | None:
    """Return the first line with a time, or what comes first; None if no line is whole yet."""
    begin = file.read(FIRST)
    lines = begin.split(b"\n")
    if len(begin) < FIRST:
        lines[-1:] = []
    return next(filter(time_of, lines), lines[0] if len(begin) == FIRST else None)


def time_of(first: bytes | None) -> float:
    """Return the time in the first line of a piece; 0 where it has none."""
    found = parse_line((first or b"").decode(errors="replace"))
    return found[0] if found else 0.0


@functools.lru_cache(maxsize=1024)
def _second(text: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None


def parse_line(line: str) -> tuple[float, str, str] | None:
    """Return (Unix seconds, event, the rest) of a line like `2026-01-02
    03:04:05.000000:event:rest`, which may end as in Windows; None for other texts."""
    second, micros = _second(line[:19]), line[20:26]
    if second is None or line[26:27] != ":" or line[19] != "." or not (
            micros.isdigit() and micros.isascii()):
        return None
    event, _, rest = line[27:].removesuffix("\r").partition(":")
    return second + int(micros) / 1e6, event, rest


def _node_of(event: str, rest: str) -> str | None:
    """The address in the rest of a line `started:` or `continued:`; None when it is damaged."""
    if event == "continued":
        rest = rest.rpartition(":")[0] if CONTINUED.fullmatch(rest) else ""
    try:
        return str(parse_address(rest.partition(":")[2]))
    except ValueError:
        return None


class Together:
    """Several folders of output files, as one; of copies of a file the longest counts. What is made
    of all files goes into the first folder. ValueError if two files begin as copies, and differ."""

    def __init__(self, folders: list[pathlib.Path]):
        self._folders = folders
        self._paths: list[pathlib.Path] = []
        copies: dict = collections.defaultdict(dict)  # by their first lines, if these have a time
        for path, _, first in (found for folder in folders for found in pieces_in(folder)):
            copies[first if time_of(first) else path.resolve()][path.resolve()] = path
        for paths in copies.values():
            longest, *others = sorted(paths.values(), key=_size, reverse=True)
            for path in others:
                if not _begins_like(longest, path):
                    raise ValueError(f"{path} begins as a copy of {longest}, and then differs: "
                                     "leave the wrong one out")
            self._paths.append(longest)

    def glob(self, pattern: str) -> list[pathlib.Path]:
        return [path for path in self._paths if path.match(pattern)]

    def __truediv__(self, name: str) -> pathlib.Path:
        return self._folders[0] / name

    def __str__(self) -> str:
        return " and ".join(map(str, self._folders))


def _size(path: pathlib.Path) -> int:
    with contextlib.suppress(*DAMAGED), opened(path) as file:
        return file.seek(0, os.SEEK_END)
    return 0


def _begins_like(whole: pathlib.Path, copy: pathlib.Path) -> bool:
    """Whether a file begins with all that can be read of a shorter one."""
    with contextlib.suppress(*DAMAGED), opened(whole) as file, opened(copy) as part:
        while data := part.read(CHUNK):
            if file.read(len(data)) != data:
                return False
    return True


@functools.lru_cache(maxsize=None)
def machine_of(address: str) -> str:
    """Return the IP of an address, one name for all loopback; empty for what is no address."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return ""
    return "loopback" if is_loopback(parsed) else parsed.ip


class Runs(NamedTuple):
    """Runs of peers and of seeds, up to a moment."""

    peers: list[PeerRun]
    seeds: list[SeedRun]
    until: float

    def newest(self) -> float:
        """The time of the newest line."""
        return self.until


class Records:
    """All runs of all nodes whose output files are in a folder: a `pathlib.Path`, or anything else
    with `glob(pattern)`, such as `Together` or a folder that is kept in memory."""

    def __init__(self, folder: pathlib.Path, ahead: dict[str, float] | None = None):
        """`ahead`: by how many seconds clocks of machines are ahead; their times are put right."""
        self.folder = folder
        self._ahead = ahead or {}
        self._pieces: dict[tuple[str, bytes], Piece] = {}  # by name and first line
        self._latest: dict[str, tuple] = {}  # node -> its latest run, and when that began
        self._untold: list[str] = []  # files without a whole line
        self.clocks = None  # what clocks.py has found

    def refresh(self) -> "Records":
        """Read what is new; OSError when the folder cannot be read."""
        self._untold, there = [], {}
        for path, name, first in pieces_in(self.folder):
            if first is None:
                self._untold.append(path.name)
            else:
                there[self._pieces.setdefault((name, first), Piece(name, path, first))] = path
        for piece in sorted(there, key=lambda piece: piece.begun):
            was_read = piece.path == there[piece] and piece.position
            piece.path = there[piece]
            if not (was_read and piece.path.name.endswith(".gz")):
                self._read(piece)
        self._pieces = dict(sorted(self._pieces.items(),
                                   key=lambda item: (item[1].name, item[1].begun)))
        return self

    def _read(self, piece: Piece) -> None:
        with contextlib.suppress(FileNotFoundError):  # renamed just now
            try:
                with opened(piece.path) as file:
                    if _first_line(file) == piece.first:  # else another has its name now
                        for _ in range(piece.position, file.seek(0, os.SEEK_END), CHUNK):
                            self._take(piece, file)
            except DAMAGED:
                self._untold.append(piece.path.name)

    def _take(self, piece: Piece, file: BinaryIO) -> None:
        run = piece.run
        for at, event, rest in piece.read(file, CHUNK):
            if event == "continued":
                run = piece.run = self._continued(piece, at, rest)
                continue
            ahead = self._ahead.get(machine_of(piece.node), 0.0) if self._ahead else 0.0
            if event == "started":
                run = piece.run = self._begun(piece, at, at - ahead)
            else:
                run.take(at - ahead, event, rest)

    def _begun(self, piece: Piece, at: float, time_right: float) -> Run:
        """Return the run that begins in a piece, which may be the next one of its node."""
        node = piece.node
        run = (PeerRun if piece.name.startswith("peer") else SeedRun)(node, time_right)
        piece.runs.append(run)
        last, begun = self._latest.get(node, (None, -math.inf))
        if begun > at and last is not piece.run:
            run.superseded = True
        else:
            self._latest[node] = run, at
            if last is not None:
                last.superseded = True
        return run

    def _continued(self, piece: Piece, at: float, rest: str) -> Run:
        """Return the run that goes on in a piece: the latest of its node, if it has this START."""
        node, start = piece.node, rest.rpartition(":")[2]
        run, begun = self._latest.get(node, (None, 0.0))
        if run is None or not (getattr(run, "settings", {}).get("start") == start
                               or abs(int(start) / 1000 - begun) < 0.002):
            piece.lacks_beginning = True
            run = PeerRun(node, at)  # of which nothing is proved
            self._latest[node] = run, int(start) / 1000
        return run

    def unread(self) -> list[str]:
        """The names of files that are named like a node's, and tell of none."""
        return sorted({*self._untold, *(piece.path.name for piece in self._pieces.values()
                                        if piece.run is None)})

    def headless(self) -> list[tuple[str, str]]:
        """The files that go on with a run whose beginning is in none, and its node."""
        return [(piece.path.name, piece.node) for piece in self._pieces.values()
                if piece.lacks_beginning]

    @property
    def peers(self) -> list[PeerRun]:
        """All runs of all peers; the runs of one peer in their order."""
        return self._runs("peer")

    @property
    def seeds(self) -> list[SeedRun]:
        return self._runs("seed")

    def _runs(self, kind: str) -> list:
        return [run for piece in self._pieces.values() if piece.name.startswith(kind)
                for run in piece.runs]

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
    unread = records.unread() or [name for name, _ in records.headless()]
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    raise ValueError(f"no output file of a peer in {folder} (they are named peer_IP_PORT.txt)"
                     + (f"; no started: line in {unread[0]}{more}" if unread else ""))
