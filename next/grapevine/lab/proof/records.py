"""Records, the runs that output files of a folder tell of.

A node's file may be in several pieces, such as `X.txt.2.gz`, `X.txt.1` and `X.txt`. A piece is
recognized by its first line with a time, whatever its name has become. Pieces are read in the order
of these times; the line `continued:` tells whose run goes on. The runner and the benchmark follow a
network with records; the check reads its files once.
"""

import calendar
import collections
import contextlib
import copy
import functools
import gzip
import math
import os
import pathlib
import re
import time
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from grapevine.addresses import parse_address
from grapevine.lab.proof.events import CONTINUED
from grapevine.lab.proof.runs import FULL, KICKED, PeerRun, Run, SeedRun

FIRST = 256  # bytes at the start of a piece by which it is recognized
CHUNK = 1024 * 1024  # bytes that are read at a time, and read of a line
EARLY = 200_000  # lines before `continued:` that are kept, as many as in a second
ROTATED = r"(?:[.-][0-9][0-9-]*)?(?:\.gz)?"  # what logrotate and others put behind a file's name
NAMED = re.compile(rf"((peer|seed)_.*\.txt){ROTATED}")
DAMAGED = EOFError, zlib.error, gzip.BadGzipFile  # errors of reading a .gz that is not whole


class Tail:
    """The events of an output file, read as it grows."""

    def __init__(self, longest: int):
        self._longest = longest  # bytes that are read of a line
        self.position = 0  # how many bytes were read
        self.node: str | None = None  # whose file it is, as `started:` or `continued:` says last
        self.has_early = False  # lines of a run before the first `started:`, whose own is damaged
        self._rest = b""  # a line that has no end yet
        self._early = collections.deque(maxlen=EARLY)  # lines before the first of these two

    def read(self, file: BinaryIO, most: int) -> Iterator[tuple[float, str, str]]:
        """Yield (Unix seconds, event, rest) of lines in the next `most` bytes. Damaged lines are
        left out, and lines before the first start, because nobody knows of whom they tell. In a
        truncated file `continued` comes first."""
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
                if found[1] == "started" and self._early:
                    # a full disk may have refused the line
                    self.has_early = all(event != "lost" for _, event, _ in self._early)
                    self._early.clear()
                yield self._early[0][0] if self._early else found[0], *found[1:]
                yield from self._early
                self._early.clear()
            elif self.node is not None:
                yield found
            else:
                self._early.append(found)


class Piece(Tail):
    """A piece of a node's output file, mostly all of it."""

    def __init__(self, path: pathlib.Path, first: bytes):
        super().__init__(CHUNK)
        self.path = path
        self.first = first
        self.begun = time_of(first)
        self.runs: list[Run] = []  # that begin here
        self.run: Run | None = None  # of which its lines tell now
        self.lacks_beginning = False  # of its first run, which is in no piece, or damaged


def opened(path: pathlib.Path) -> BinaryIO:
    """Open a piece for reading, unpacked."""
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")


def pieces_in(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str, bytes | None]]:
    """Yield each node's file, its name before rotation, its first line. The line is None if no line
    is whole. Of files with one content, the file that may still grow comes last."""
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
    """Return the first line with a time, or else what comes first."""
    begin = file.read(FIRST)
    lines = begin.split(b"\n")
    if len(begin) < FIRST:
        lines[-1:] = []
    return next(filter(time_of, lines), lines[0] if len(begin) == FIRST else None)


def time_of(first: bytes | None) -> float:
    """Return the time in the first line of a piece, or 0."""
    found = parse_line((first or b"").decode(errors="replace"))
    return found[0] if found else 0.0


@functools.lru_cache(maxsize=1024)
def _second(text: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None


def parse_line(line: str) -> tuple[float, str, str] | None:
    """Return (Unix seconds, event, the rest) of a line, or None. The line is like
    `2026-01-02 03:04:05.000000:event:rest`, and may begin and end as in Windows."""
    line = line.removeprefix("\ufeff")
    second, micros = _second(line[:19]), line[20:26]
    if second is None or line[26:27] != ":" or line[19] != "." or not (
            micros.isdigit() and micros.isascii()):
        return None
    event, _, rest = line[27:].removesuffix("\r").partition(":")
    return second + int(micros) / 1e6, event, rest


def _node_of(event: str, rest: str) -> str | None:
    """Return the address in an intact line `started:` or `continued:`."""
    if event == "continued":
        rest = rest.rpartition(":")[0] if CONTINUED.fullmatch(rest) else ""
    return usual_address(rest.partition(":")[2])


def _kind(rest: str) -> type[Run]:
    """Return the kind of the runs that an intact line `started:` or `continued:` is of."""
    return SeedRun if rest.startswith("seed:") else PeerRun


def usual_address(text: str) -> str | None:
    """Return an address in its usual spelling, or None for other texts."""
    try:
        return str(parse_address(text))
    except ValueError:
        return None


class Together:
    """One or several folders of output files as one. Of copies of a file the longest counts. What
    is made of all files goes into the first folder."""

    def __init__(self, folders: list[pathlib.Path]):
        self._folders = folders

    def glob(self, pattern: str) -> list[pathlib.Path]:
        """Return paths. ValueError if two files begin as copies, and differ."""
        copies: dict = collections.defaultdict(dict)  # by their first lines, if these have a time
        for path, _, first in (found for folder in self._folders for found in pieces_in(folder)):
            copies[first if time_of(first) else path.resolve()][path.resolve()] = path
        return [path for path in map(_longest, copies.values()) if path.match(pattern)]

    def __truediv__(self, name: str) -> pathlib.Path:
        return self._folders[0] / name

    def __str__(self) -> str:
        return " and ".join(map(str, self._folders))


def _longest(copies: dict[pathlib.Path, pathlib.Path]) -> pathlib.Path:
    """Return the longest of the files, which begins with all readable bytes of the others."""
    paths = list(copies.values())
    longest, *others = sorted(paths, key=_size, reverse=True) if len(paths) > 1 else paths
    for path in others:
        with (contextlib.suppress(FileNotFoundError, *DAMAGED), opened(longest) as whole,
              opened(path) as part):
            while data := part.read(CHUNK):
                if whole.read(len(data)) != data:
                    raise ValueError(f"{path} begins as a copy of {longest}, and then differs: "
                                     "leave the wrong one out")
    return longest


def _size(path: pathlib.Path) -> int:
    with contextlib.suppress(FileNotFoundError, *DAMAGED), opened(path) as file:
        return file.seek(0, os.SEEK_END)
    return 0


@functools.lru_cache(maxsize=None)
def machine_of(address: str) -> str:
    """Return the IP of an address, `loopback`, or nothing for other texts."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return ""
    return "loopback" if parsed.is_loopback else parsed.ip


class Records:
    """All runs of the nodes whose output files are in a folder. The folder is a `pathlib.Path`, or
    anything else with `glob(pattern)`, such as `Together` or a folder that is kept in memory."""

    def __init__(self, folder: pathlib.Path, ahead: dict[str, float] | None = None):
        self.folder = folder
        self._ahead = ahead or {}  # machine -> seconds by which its clock is ahead, to put it right
        self._pieces: dict[tuple[str, bytes], Piece] = {}  # by name and first line
        self._latest: dict[str, tuple] = {}  # node -> its latest run, and when that began
        self._untold: list[str] = []  # files without a whole line
        self._with_attackers = True
        self.clocks = None  # what clocks.py has found

    def refresh(self) -> "Records":
        """Read what is new. OSError if the folder cannot be read."""
        self._untold, there = [], {}
        for path, name, first in pieces_in(self.folder):
            if first is None:
                self._untold.append(path.name)
            else:
                there[self._pieces.setdefault((name, first), Piece(path, first))] = path
        for piece in sorted(there, key=lambda piece: piece.begun):
            was_read = piece.path == there[piece] and piece.position
            piece.path = there[piece]
            if not (was_read and piece.path.name.endswith(".gz")):
                self._read(piece)
        self._pieces = dict(sorted(self._pieces.items(), key=lambda item: (
            isinstance(item[1].run, SeedRun), item[1].node or "", item[1].begun)))
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
        for at, event, rest in piece.read(file, CHUNK):
            ahead = self._ahead.get(machine_of(piece.node), 0.0) if self._ahead else 0.0
            if event == "continued":
                piece.run = self._continued(piece, at, rest)
            elif event == "started":
                piece.run = self._begun(piece, _kind(rest), at, at - ahead)
            else:
                if event == "full" and piece.run.ended not in (None, KICKED, FULL):
                    # no room for `started:`
                    piece.run = self._begun(piece, type(piece.run), at, at - ahead)
                piece.run.take(at - ahead, event, rest)

    def _begun(self, piece: Piece, kind: type[Run], at: float, time_right: float) -> Run:
        """Return the run that begins in a piece, maybe its node's next."""
        node = piece.node
        run = kind(node, time_right)
        piece.runs.append(run)
        last, begun = self._latest.get(node, (None, -math.inf))
        # otherwise they may be the last lines of the run before, in a file that was truncated
        piece.lacks_beginning |= piece.has_early and last is None
        if begun > at and last is not piece.run:
            run.superseded = True
        else:
            self._latest[node] = run, at
            if last is not None:
                last.superseded = True
        return run

    def _continued(self, piece: Piece, at: float, rest: str) -> Run:
        """Return the run that goes on in a piece, by its START."""
        node, start = piece.node, rest.rpartition(":")[2]
        run, begun = self._latest.get(node, (None, 0.0))
        if run is None or not (getattr(run, "settings", {}).get("start") == start
                               or abs(int(start) / 1000 - begun) < 0.002):
            piece.lacks_beginning = True
            if run is not None:
                run.superseded = True
            run = _kind(rest)(node, at)  # of which nothing is proved
            self._latest[node] = run, int(start) / 1000
        return run

    def unread(self) -> list[str]:
        """Return the files with a node's name that tell of none."""
        return sorted({*self._untold, *(piece.path.name for piece in self._pieces.values()
                                        if piece.run is None)})

    def headless(self) -> list[tuple[str, str]]:
        """Return the files whose first run begins nowhere, and its node."""
        return [(piece.path.name, piece.node) for piece in self._pieces.values()
                if piece.lacks_beginning]

    @property
    def peers(self) -> list[PeerRun]:
        """All runs of all peers, with the runs of each in order."""
        return [run for run in self._runs(PeerRun) if self._with_attackers or run.malice is None]

    @property
    def seeds(self) -> list[SeedRun]:
        return self._runs(SeedRun)

    def _runs(self, kind: type[Run]) -> list:
        return [run for piece in self._pieces.values() for run in piece.runs
                if isinstance(run, kind)]

    def newest(self) -> float:
        """Return the time of the newest line, without the seeds' `alive:`."""
        return max([*(run.last for run in self._runs(PeerRun)),
                    *(run.until for run in self.seeds)], default=0.0)

    def honest(self) -> "Records":
        """Return the same without the peers that are attackers, as they say."""
        honest = copy.copy(self)
        honest._with_attackers = False
        return honest


def read_folder(folder: pathlib.Path) -> Records:
    """Read a folder. ValueError if no file of a peer is in it."""
    records = Records(folder).refresh()
    if records.peers:
        return records
    unread = records.unread() or [name for name, _ in records.headless()]
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    raise ValueError(f"no output file of a peer in {folder} (they are named peer_IP_PORT.txt)"
                     + (f"; no started: line in {unread[0]}{more}" if unread else ""))
