"""The lines of the output files of a folder as they grow, in the order of time.

`LiveLines.turn(now)` reads what is new, a bounded amount at a time: the file whose last line is
oldest comes first, so that a long past is read in the order of time. Lines wait until all files
have been read up to their time, and 150 ms for those that are still being written. A line that
comes later than that, because its machine has another clock, is told at once.

A line without an end waits for it. A file that was begun anew is read from its start. What a file
told that is not there any more ends with a line of the kind VANISHED. Nothing that is in a file
ends anything. One thread at a time calls all this. Times are microseconds since 1970.
"""

import bisect
import errno
import heapq
import operator
import os
import pathlib
import stat
import sys
from typing import NamedTuple

from gossip.lab.proof.records import parse_line, started_by

TOLD = 2_000  # bytes of a line that are told: the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, which takes a
# while; of a line that is further ahead, the clock is wrong
HELD_BACK = 150_000  # microseconds
LOOK = 100_000  # microseconds between two looks into the folder, while there is more to read
ROOM = 1024 * 1024  # bytes of all files together that are read ahead of the oldest, about
CHUNK = 1024, 256 * 1024  # bytes that are read of one file at a time: at least, at most
TURN = 512 * 1024  # bytes that one turn reads
_time = operator.itemgetter(0)


class Line(NamedTuple):
    """One line of a file, by its node; `kind` is the event's name."""

    at: int
    node: str
    kind: str
    rest: str


def open_file(path: pathlib.Path) -> int:
    """The descriptor of a file; OSError also of what is none. It never waits, as whoever opens a
    FIFO does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no file", str(path))


class _File:
    """A file, how far it was read, and of which node it speaks."""

    def __init__(self, path: pathlib.Path, inode: int):
        self.path, self.inode = path, inode
        self.size = self.read_bytes = 0
        self.last = 0  # the time of its last line; the lines of one file keep their order
        self.node: str | None = None  # as its last `started:` line says
        self._head = self._rest = b""

    def read(self, limit: int) -> list[bytes] | None:
        """Read on: the lines that end here; None when nothing can be read, or nothing that
        follows what was read before."""
        try:
            with open(open_file(self.path), "rb", buffering=0) as file:
                if file.read(len(self._head)) != self._head:
                    self.inode = 0  # it was overwritten: as if another one had taken its place
                    return None
                file.seek(self.read_bytes)
                data = file.read(limit)
        except OSError:
            return None  # it is gone, or on a disk that fails
        if not data:
            return None
        if len(self._head) < HEAD:
            self._head = (self._head + data)[:HEAD]
        self.read_bytes += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:TOLD]
        return lines

    def take(self, raw: bytes, now: int) -> Line | None:
        """The line as a value; None when it says nothing, or nobody knows of whom."""
        found = parse_line(raw[:TOLD].decode(errors="replace"))
        if found is None:
            return None
        seconds, kind, rest = found
        if kind == "started":
            node = started_by(rest)
            if node is None:
                return None
            self.node = sys.intern(node)
        elif self.node is None:
            return None
        at = round(seconds * 1_000_000)
        if at > now + AHEAD:
            at = now
        if at > self.last:
            self.last = at
        return Line(self.last, self.node, kind, rest)


class LiveLines:
    """All files of a folder."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._unread: list[tuple[int, str]] = []  # a heap: (last line, name) where more is to read
        self._looked = 0  # when it was looked into the folder last
        self._waiting: list[Line] = []  # for older ones
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.told_at = 0  # up to when lines were to be handed out the last time
        self.seeds: set[str] = set()  # the nodes of which files of seeds have told

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return bool(self._unread)

    def to_read(self) -> int:
        """How many bytes are still to be read."""
        files = [self._files[name] for _, name in self._unread]
        return sum(file.size - file.read_bytes for file in files)

    def path_of(self, node: str) -> pathlib.Path | None:
        """The file of a node."""
        return next((file.path for file in reversed(self._files.values()) if file.node == node),
                    None)

    def turn(self, now: int) -> list[Line]:
        """Read what is new, or a part of it; the lines that are due, in the order of time. Those
        of one file stay as they were. OSError when the folder cannot be read."""
        if not self._unread or now >= self._looked + LOOK:
            self._looked = now
            self._look()
        low, high = CHUNK
        chunk = max(low, min(high, ROOM // max(1, len(self._files))))
        left = TURN
        while left > 0 and self._unread:
            left -= self._read(heapq.heappop(self._unread)[1], chunk, now)
        self.told_at = self._unread[0][0] if self._unread else now - HELD_BACK
        return self._due(self.told_at)

    def _look(self) -> None:
        """Find files that are new or have grown, and those that were removed or begun anew."""
        with os.scandir(self._folder) as entries:
            found = {entry.name: status for entry in entries
                     if entry.name.endswith(".txt")
                     and entry.name.startswith(("peer_", "seed_"))
                     and (status := _status(entry)) is not None}
        for name, file in list(self._files.items()):
            status = found.get(name)
            if status is None or status.st_ino != file.inode or status.st_size < file.read_bytes:
                del self._files[name]
                if file.node is not None:
                    self._waiting.append(Line(file.last, file.node, VANISHED, ""))
        for name in sorted(found.keys() - self._files.keys()):
            self._files[name] = _File(self._folder / name, found[name].st_ino)
        for name, file in self._files.items():
            file.size = found[name].st_size
        self._unread = [(file.last, name) for name, file in self._files.items()
                        if file.read_bytes < file.size]
        heapq.heapify(self._unread)

    def _read(self, name: str, limit: int, now: int) -> int:
        """Read on in a file that was taken out of the heap; answer how many bytes."""
        file, before = self._files[name], self._files[name].read_bytes
        raw = file.read(limit)
        if raw is None:
            return 0
        lines = [line for line in [file.take(line, now) for line in raw] if line is not None]
        if name.startswith("seed_"):
            self.seeds.update(line.node for line in lines if line.kind == "started")
        self._waiting += lines
        if file.read_bytes < file.size:
            heapq.heappush(self._unread, (file.last, name))
        return file.read_bytes - before

    def _due(self, until: int) -> list[Line]:
        """Hand out the lines up to a time."""
        self._waiting.sort(key=_time)
        count = bisect.bisect_right(self._waiting, max(until, self._told_until), key=_time)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        _put_messages_first(due)
        late = bisect.bisect_left(due, self._told_until, key=_time)
        due[:late] = [line._replace(at=self._told_until) for line in due[:late]]
        if due or self._told_until:
            self._told_until = max(until, self._told_until)
        return due


def _status(entry: os.DirEntry) -> os.stat_result | None:
    """Return the status of a file, also behind a symbolic link; None for anything else."""
    try:
        status = entry.stat()
    except OSError:
        return None  # a link that leads nowhere, or where nobody may go
    return status if stat.S_ISREG(status.st_mode) else None


def _put_messages_first(lines: list[Line]) -> None:
    """Put deliveries last within one microsecond: their message may have been generated then."""
    received_at = None
    for at, _, kind, _ in lines:
        if kind == "received":
            received_at = at
        elif kind == "generated" and at == received_at:
            begin = bisect.bisect_left(lines, at, key=_time)
            end = bisect.bisect_right(lines, at, key=_time)
            lines[begin:end] = sorted(lines[begin:end], key=_is_received)
            received_at = None


def _is_received(line: Line) -> bool:
    return line.kind == "received"
