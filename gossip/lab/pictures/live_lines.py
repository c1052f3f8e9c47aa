"""The lines of all output files in a folder, ordered by time.

`LiveLines.turn(now)` reads a bounded amount. It notes the lengths of all files, and reads them up
to there, the file whose last line is oldest first, so that a long past comes in the order of time.
Lines wait until all files have been read up to their time, and 150 ms for lines that are still
being written. A line that comes later, from a machine with another clock, is told at once.

A file is known by its inode, so a rotated file is read to its end under its new name. Older pieces
are read only at first, packed pieces never. A file that was begun anew is read from its start. When
a file has gone, a line of the kind VANISHED comes for its node. One thread at a time calls all
this. Times are microseconds since 1970.
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

from gossip.lab.proof.records import NAMED, Tail, parse_line

LONGEST = 2_000  # bytes of a line that are read; the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, because that
# takes a while; the clock of a line further ahead is wrong
HELD_BACK = 150_000  # microseconds
TURN = 512 * 1024  # bytes that a turn reads, about; at least SHARE of a file at a time
SHARE = 1024  # bytes
_time = operator.itemgetter(0)
_identity = operator.attrgetter("st_dev", "st_ino")  # of a file, by its status


class Line(NamedTuple):  # of a node's file
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

    def __init__(self, identity: tuple[int, int], path: pathlib.Path, node: str | None = None):
        super().__init__(LONGEST)
        self.identity, self.path, self.node = identity, path, node
        self.size = 0  # when it was last looked at
        self.last = 0  # the time of its last line, so that its lines keep their order
        self.is_anew = False  # it begins in another way than when it was read last
        self._head = b""

    def read_on(self, most: int, now: int) -> list[Line]:
        """Read on, except where another file has the path now."""
        found = []
        with contextlib.suppress(OSError), open_file(self.path) as file:
            if _identity(os.fstat(file.fileno())) != self.identity:
                return []
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
        self._files: dict[tuple[int, int], _File] = {}  # by their identities
        # A heap of (last line, name, file) where more is to be read
        self._unread: list[tuple[int, str, _File]] = []
        self._looked = 0  # the time of the last look into the folder; 0: never
        self._waiting: list[Line] = []  # for older lines
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.told_at = 0  # up to when lines were due in the last turn
        self.seeds: set[str] = set()  # nodes of files that are named like a seed's

    def to_read(self) -> int:
        return sum(file.to_read() for *_, file in self._unread)

    def path_of(self, node: str) -> pathlib.Path | None:
        return next((file.path for file in reversed(self._files.values())
                     if file.node == node), None)

    def turn(self, now: int) -> list[Line]:
        """Read some of what is new, and return due lines by time. Lines of a file stay in order.
        OSError when the folder cannot be read."""
        if not self._unread:
            self._look()
            self._looked = now
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
        until = self._unread[0][0] if self._unread else self._looked - HELD_BACK
        self.told_at = max(self._told_until, until)
        self._waiting.sort(key=_time)
        count = bisect.bisect_right(self._waiting, self.told_at, key=_time)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        _put_messages_first(due)
        late = bisect.bisect_left(due, self._told_until, key=_time)
        due[:late] = [line._replace(at=self._told_until) for line in due[:late]]
        if due or self._told_until:
            self._told_until = self.told_at
        return due

    def _to_be_read(self, file: _File) -> None:
        if file.to_read() > 0:
            heapq.heappush(self._unread, (max(file.last, self._told_until), file.path.name, file))

    def _look(self) -> None:
        """Find files that are new, have grown, were removed, or begun anew."""
        names = sorted(filter(NAMED.fullmatch, os.listdir(self._folder)),
                       key=lambda name: (name.endswith(".txt"), name))  # older pieces first
        there: dict[pathlib.Path, os.stat_result] = {}
        for path in (self._folder / name for name in names if not name.endswith(".gz")):
            with contextlib.suppress(OSError):  # a link that leads nowhere
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    there[path] = status
        sizes = {_identity(status): status.st_size for status in there.values()}
        for identity, file in list(self._files.items()):
            if file.is_anew or sizes.get(identity, -1) < file.position:
                del self._files[identity]
                self._end(file, there.get(file.path))
        for path, status in there.items():
            identity = _identity(status)
            if identity not in self._files and (path.suffix == ".txt" or not self._looked):
                self._files[identity] = _File(identity, path)
            if file := self._files.get(identity):
                file.path, file.size = path, status.st_size
                self._to_be_read(file)

    def _end(self, file: _File, status: os.stat_result | None) -> None:
        """End a node whose file has gone or was begun anew. It goes on if its path has another
        file now, with this status, that continues its run."""
        head = b""
        with contextlib.suppress(OSError), open_file(file.path) as new:
            head = new.read(HEAD)
        first = parse_line(head.decode(errors="replace"))
        if status is not None and first is not None and first[1] != "started":
            identity = _identity(status)
            self._files[identity] = _File(identity, file.path, file.node)
        elif file.path.suffix == ".txt" and file.node is not None:
            self._waiting.append(Line(file.last, file.node, VANISHED, ""))


def _put_messages_first(lines: list[Line]) -> None:
    """Put messages before their deliveries in the same microsecond."""
    received_at = None
    for at, _, kind, _ in lines:
        if kind == "received":
            received_at = at
        elif kind == "generated" and at == received_at:
            begin = bisect.bisect_left(lines, at, key=_time)
            end = bisect.bisect_right(lines, at, key=_time)
            lines[begin:end] = sorted(lines[begin:end], key=lambda line: line.kind == "received")
            received_at = None
