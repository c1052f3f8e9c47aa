"""Reading output files: lines, a file that grows, and the pieces of one that was rotated.

A node's file may be in several pieces, such as `X.txt.2.gz`, `X.txt.1` and `X.txt`. A piece is
known again by its first line with a time, whatever its name has become. Pieces are read in the
order of these times; the line `continued:` tells whose run goes on.
"""

import calendar
import collections
import contextlib
import functools
import gzip
import os
import pathlib
import re
import time
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from gossip.addresses import parse_address
from gossip.events import ROTATED
from gossip.lab.proof.events import CONTINUED

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
        self._early: collections.deque = collections.deque(maxlen=EARLY)  # before the first of them

    def read_all(self, file: BinaryIO) -> Iterator[tuple[float, str, str]]:
        """Yield what is new, as `read` does; DAMAGED before the first if a .gz is not whole."""
        for _ in range(self.position, file.seek(0, os.SEEK_END), CHUNK):
            yield from self.read(file, CHUNK)

    def read(self, file: BinaryIO, most: int = -1) -> Iterator[tuple[float, str, str]]:
        """Yield (Unix seconds, event, rest) of each line that ends in the next bytes, `most` at
        most. Left out are damaged lines, and those before the first start: nobody knows of whom
        they tell. If the run of a file that was truncated is `continued`, that comes first."""
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
                if found[1] == "continued" and self._early:
                    yield self._early[0][0], *found[1:]
                    yield from self._early
                else:
                    yield found
                self._early.clear()
            elif self.node is not None:
                yield found
            else:
                self._early.append(found)


class Piece:
    """A piece of a node's output file: mostly all of it."""

    def __init__(self, name: str, path: pathlib.Path, first: bytes):
        self.name = name  # that the file had before it was rotated
        self.path = path
        self.first = first
        self.begun = time_of(first)
        self.tail = Tail(CHUNK)
        self.runs: list = []  # that begin here
        self.run = None  # of which its lines tell now
        self.lacks_beginning = False  # of its first run, which is in no piece


def opened(path: pathlib.Path) -> BinaryIO:
    """Open a piece for reading, unpacked."""
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")


def pieces_in(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str, bytes | None]]:
    """Yield each file of a node, the name that it had before it was rotated, and its first line,
    None where none is whole. Of files with one content, such as a .gz that is just being packed,
    the one that may still grow comes last."""
    named = [(not path.name.endswith(".gz"), path.name.endswith(".txt"), path, found[1])
             for path in folder.glob("*_*.txt*")
             if (found := NAMED.fullmatch(path.name)) and path.is_file()]
    for _, _, path, name in sorted(named):
        try:
            with opened(path) as file:
                yield path, name, first_line(file)
        except (FileNotFoundError, *DAMAGED):
            yield path, name, None  # renamed just now, or damaged


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


def first_line(file: BinaryIO) -> bytes | None:
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
    """(Unix seconds, event, the rest) of a line of an output file; None for other texts. Times are
    in UTC, like `2026-01-02 03:04:05.000000`; a line may end as in Windows."""
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
