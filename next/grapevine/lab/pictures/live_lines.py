"""The lines of all output files in a folder, ordered by time.

`LiveLines.turn(now)` reads a bounded amount. It notes the lengths of all files, and reads them up
to there, the file whose last line is oldest first, so that a long past comes in the order of time.
Lines wait until all files have been read up to their time, and 150 ms for lines that are still
being written. A line that comes later, from a machine with another clock, is told at once.

A file that begins otherwise than before, or is shorter, was begun anew, and is read from its start.
When a file has gone or was begun anew, a line of the kind VANISHED comes for its node. One thread
at a time calls all this. Times are microseconds since 1970.
"""

import bisect
import contextlib
import errno
import heapq
import operator
import os
import pathlib
import stat
from typing import BinaryIO, NamedTuple

from grapevine.lab.proof.records import NAMED, Tail

LONGEST = 2_000  # bytes of a line that are read; the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, because that
# takes a while; the clock of a line further ahead is wrong
HELD_BACK = 150_000  # microseconds
TURN = 512 * 1024  # bytes that a turn reads, about; at least SHARE of a file at a time
SHARE = 1024  # bytes
_time = operator.itemgetter(0)


class Line(NamedTuple):
    """A line of a node's file."""

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

    def read_on(self, most: int, now: int) -> list[Line]:
        found = []
        with contextlib.suppress(OSError), open_file(self.path) as file:
            head = file.read(HEAD)
            if not head.startswith(self._head):
                self.is_anew = True
                return []
            self._head = head
            for seconds, kind, rest in self.read(file, most):
                at = round(seconds * 1_000_000)
                self.last = max(self.last, at if at <= now + AHEAD else now)
                found.append(Line(self.last, self.node, kind, rest))
        return found

    def to_read(self) -> int:
        return self.size - self.position


class LiveLines:
    """All files of a folder."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._files: dict[str, _File] = {}  # by their names
        # A heap of (last line, name, file) where more is to be read
        self._unread: list[tuple[int, str, _File]] = []
        self._looked = 0  # the time of the last look into the folder
        self._waiting: list[Line] = []  # for older lines
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.told_at = 0  # up to when lines were due in the last turn
        self.seeds: set[str] = set()  # nodes of files that are named like a seed's

    def to_read(self) -> int:
        return sum(file.to_read() for *_, file in self._unread)

    def path_of(self, node: str) -> pathlib.Path | None:
        return next((file.path for file in self._files.values() if file.node == node), None)

    def turn(self, now: int) -> list[Line]:
        """Read some of what is new, and return due lines by time. Lines of a file stay in order,
        but messages come before all else of their microsecond, so before their deliveries.
        OSError when the folder cannot be read."""
        if not self._unread:
            self._look()
            self._looked = now
        self._read(now)
        until = self._unread[0][0] if self._unread else self._looked - HELD_BACK
        self.told_at = max(self._told_until, until)
        self._waiting.sort(key=lambda line: (line[0], line[2] != "generated"))
        count = bisect.bisect_right(self._waiting, self.told_at, key=_time)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        late = bisect.bisect_left(due, self._told_until, key=_time)
        due[:late] = [line._replace(at=self._told_until) for line in due[:late]]
        if due or self._told_until:
            self._told_until = self.told_at
        return due

    def _read(self, now: int) -> None:
        left, share = TURN, max(SHARE, TURN // max(1, len(self._files)))
        while left > 0 and self._unread:
            *_, file = heapq.heappop(self._unread)
            before = file.position
            self._waiting += file.read_on(share, now)
            if file.position > before:
                left -= file.position - before
                self._to_be_read(file)
            if file.path.name.startswith("seed_") and file.node is not None:
                self.seeds.add(file.node)

    def _to_be_read(self, file: _File) -> None:
        if file.to_read() > 0:
            heapq.heappush(self._unread, (max(file.last, self._told_until), file.path.name, file))

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
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = _File(self._folder / name)
            file.size = size
            self._to_be_read(file)
