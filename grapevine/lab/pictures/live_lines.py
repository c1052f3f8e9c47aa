"""The lines of all output files in a folder, ordered by time.

`LiveLines.turn(now)` reads a bounded amount. It notes the lengths of all files, and merges their
lines up to there, so that a long past comes in the order of time. Lines wait until all files have
been read up to their time, and 150 ms for lines that are still being written. A line that comes
later, from a machine with another clock, is told at once.

A file that begins otherwise than before, or is shorter, was begun anew, and is read from its start.
When a file has gone or was begun anew, a line of the kind VANISHED comes for its node. One thread
at a time calls all this. Times are microseconds since 1970.
"""

import bisect
import contextlib
import errno
import heapq
import itertools
import operator
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from grapevine.lab.proof.records import NAMED, Tail

LONGEST = 2_000  # bytes of a line that are read; the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, because that
# takes a while; the clock of a line further ahead is wrong
HELD_BACK = 150_000  # microseconds
TURN = 4_000  # lines that a turn reads
CHUNKS, CHUNK = 1024 * 1024, 1024  # bytes that are read ahead of all files; of one, at least
_time = operator.itemgetter(0)


class Line(NamedTuple):  # a line of a node's file
    at: int
    node: str
    kind: str
    rest: str


def open_file(path: pathlib.Path) -> BinaryIO:
    """Open a regular file. Anything else is an OSError, because opening a FIFO waits."""
    windows = getattr(os, "O_BINARY", 0)  # which has the one flag and not the other
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", windows))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb", buffering=0)
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no file", str(path))


class _File(Tail):
    """A file, how far it was read, and its node."""

    def __init__(self, path: pathlib.Path):
        super().__init__(LONGEST)
        self.path = path
        self.size = 0  # when it was last looked at
        self.last = 0  # the time of its last line, so that its lines keep their order
        self.is_anew = False  # it begins otherwise than when it was read last
        self._head = b""

    def lines(self, chunk: int, now: int) -> Iterator[Line]:
        """Yield the lines up to the size, in order."""
        before = -1
        while before < self.position < self.size:
            before, found = self.position, []
            with contextlib.suppress(OSError), open_file(self.path) as file:
                head = file.read(HEAD)
                self.is_anew = not head.startswith(self._head)
                if self.is_anew:
                    return
                self._head = head
                for seconds, kind, rest in self.read(file, chunk):
                    at = round(seconds * 1_000_000)
                    self.last = max(self.last, at if at <= now + AHEAD else now)
                    found.append(Line(self.last, self.node, kind, rest))
            yield from found


class LiveLines:
    """All files of a folder."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._files: dict[str, _File] = {}  # by their names
        self._unread: Iterator[Line] | None = None  # lines that were there at the last look
        self._looked = 0  # the time of that
        self._waiting: list[Line] = []  # for older lines
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.told_at = 0  # up to when lines were due in the last turn

    def to_read(self) -> int:
        """Return about how many bytes are still to be read."""
        return sum(max(0, file.size - file.position) for file in self._files.values()) + (
            self._unread is not None)

    def path_of(self, node: str) -> pathlib.Path | None:
        return next((file.path for file in self._files.values() if file.node == node), None)

    def turn(self, now: int) -> list[Line]:
        """Read some of what is new, and return due lines by time. Lines of a file stay in order,
        but messages come before all else of their microsecond, so before their deliveries.
        OSError when the folder cannot be read."""
        if self._unread is None:
            self._look()
            self._looked, chunk = now, max(CHUNK, CHUNKS // max(1, len(self._files)))
            self._unread = heapq.merge(
                *(file.lines(chunk, now) for file in self._files.values()), key=_time)
        found = list(itertools.islice(self._unread, TURN))
        if len(found) < TURN:
            self._unread = None
        until = self._looked - HELD_BACK if self._unread is None else found[-1].at - 1
        self.told_at = max(self._told_until, until)
        self._waiting = sorted([*self._waiting, *found],
                               key=lambda line: (line[0], line[2] != "generated"))
        count = bisect.bisect_right(self._waiting, self.told_at, key=_time)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        late = bisect.bisect_left(due, self._told_until, key=_time)
        due[:late] = [line._replace(at=self._told_until) for line in due[:late]]
        if due or self._told_until:
            self._told_until = self.told_at
        return due

    def _look(self) -> None:
        """Find files that are new, have grown, were removed, or begun anew."""
        sizes: dict[str, int] = {}
        for name in sorted(filter(NAMED.fullmatch, os.listdir(self._folder))):
            with contextlib.suppress(OSError):  # a link that leads nowhere
                status = (self._folder / name).stat()
                if stat.S_ISREG(status.st_mode):
                    sizes[name] = status.st_size
        for name, file in list(self._files.items()):
            if file.is_anew or sizes.get(name, -1) < file.position:
                del self._files[name]
                if file.node is not None:
                    self._waiting.append(Line(file.last, file.node, VANISHED, ""))
        for name, size in sizes.items():
            self._files.setdefault(name, _File(self._folder / name)).size = size
