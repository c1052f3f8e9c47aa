"""The lines of the output files of a folder as they grow, in the order of time.

`LiveLines.turn(now)` reads what is new, a bounded amount at a time. It looks how long all files
are, and reads them up to there, the file whose last line is oldest first: so a long past is read in
the order of time. Then it looks again. Lines wait until all files have been read up to their time,
and 150 ms for those that are still being written. A line that comes later than that, because its
machine has another clock, is told at once.

A file that was begun anew is read from its start. What a file told that is not there any more ends
with a line of the kind VANISHED. Nothing that is in a file ends anything. A file that was rotated
is read to its end under its new name, unless it has been packed, and goes on in the file that
took its place; older pieces are read only at first. One thread at a time calls all this. Times are
microseconds since 1970.
"""

import bisect
import errno
import heapq
import operator
import os
import pathlib
import stat
from typing import BinaryIO, NamedTuple

from gossip.lab.proof.records import NAMED, Tail, parse_line

LONGEST = 2_000  # bytes of a line that are read: the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, which takes a
# while; of a line that is further ahead, the clock is wrong
HELD_BACK = 150_000  # microseconds
TURN = 512 * 1024  # bytes that one turn reads, about; of one file at a time its share, or more
SHARE = 1024  # bytes
_time = operator.itemgetter(0)


class Line(NamedTuple):
    """One line of a file, by its node; `kind` is the event's name."""

    at: int
    node: str
    kind: str
    rest: str


def open_file(path: pathlib.Path) -> BinaryIO:
    """Open a file; OSError also for anything else. It never waits, as whoever opens a FIFO does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb", buffering=0)
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no file", str(path))


class _File:
    """A file, how far it was read, and of which node it speaks."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.tail = Tail(LONGEST)
        self.size = 0
        self.last = 0  # the time of its last line; the lines of one file keep their order
        self.head = b""

    def read(self, most: int, now: int) -> list[Line]:
        """Read on; FileNotFoundError when another file has its place, OSError if that fails."""
        found = []
        with open_file(self.path) as file:
            head = file.read(HEAD)
            if not head.startswith(self.head):
                raise FileNotFoundError
            self.head = head
            for seconds, kind, rest in self.tail.read(file, most):
                at = round(seconds * 1_000_000)
                if at > now + AHEAD:
                    at = now
                if at > self.last:
                    self.last = at
                found.append(Line(self.last, self.tail.node, kind, rest))
        return found

    def to_read(self) -> int:
        """How many bytes there are still to be read."""
        return self.size - self.tail.position


class LiveLines:
    """All files of a folder."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._unread: list[tuple[int, str]] = []  # a heap: (last line, name) where more is to read
        self._is_first = True  # no look yet
        self._looked = 0  # when it was looked into the folder last
        self._waiting: list[Line] = []  # for older ones
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.told_at = 0  # up to when lines were to be handed out the last time
        self.seeds: set[str] = set()  # the nodes of which files of seeds have told

    def to_read(self) -> int:
        """How many bytes are still to be read."""
        return sum(self._files[name].to_read() for _, name in self._unread)

    def path_of(self, node: str) -> pathlib.Path | None:
        """The file of a node."""
        return next((file.path for file in reversed(self._files.values())
                     if file.tail.node == node), None)

    def turn(self, now: int) -> list[Line]:
        """Read what is new, or a part of it; the lines that are due, in the order of time. Those
        of one file stay as they were. OSError when the folder cannot be read."""
        if not self._unread:
            self._looked = now
            self._look()
        left, share = TURN, max(SHARE, TURN // max(1, len(self._files)))
        while left > 0 and self._unread:
            left -= self._read(heapq.heappop(self._unread)[1], share, now)
        until = self._unread[0][0] if self._unread else self._looked - HELD_BACK
        self.told_at = max(self._told_until, until)
        return self._due()

    def _look(self) -> None:
        """Find files that are new or have grown, and those that were removed or begun anew."""
        with os.scandir(self._folder) as entries:
            sizes = {entry.name: size for entry in entries
                     if NAMED.fullmatch(entry.name) and not entry.name.endswith(".gz")
                     and (size := _size(entry)) is not None}
        for name, file in list(self._files.items()):
            if sizes.get(name, -1) < file.tail.position:
                self._forget(name)
        for name in sorted(sizes.keys() - self._files.keys(),
                           key=lambda name: (name.endswith(".txt"), name)):  # older pieces first
            if name.endswith(".txt") or self._is_first:
                self._files[name] = _File(self._folder / name)
        self._is_first = False
        for name, file in list(self._files.items()):
            file.size = sizes.get(name, 0)
            if file.to_read() > 0:
                self._to_be_read(file, name)
            elif not name.endswith(".txt"):
                # It was rotated. Its node goes on writing into it until it opens the next one.
                following = self._files.get(NAMED.fullmatch(name)[1])
                if following is not None and following.tail.position:
                    del self._files[name]

    def _forget(self, name: str) -> None:
        """A file is not there any more under this name. Read the rest of one that was rotated."""
        file, path = self._files.pop(name), self._folder / name
        if not name.endswith(".txt") or not file.head:
            return
        moved = next((other for other in os.listdir(self._folder)
                      if other.startswith(name) and other != name and NAMED.fullmatch(other)
                      and _head(self._folder / other).startswith(file.head)), None)
        if moved is not None:
            file.path = self._folder / moved
            self._files[moved] = file
        first = parse_line(_head(path).decode(errors="replace"))
        if first is not None and first[1] != "started":
            self._files[name] = _File(path)
            self._files[name].tail.node = file.tail.node
        elif moved is None and file.tail.node is not None:
            self._waiting.append(Line(file.last, file.tail.node, VANISHED, ""))

    def _read(self, name: str, most: int, now: int) -> int:
        """Read on in a file that was taken out of the heap; answer how many bytes."""
        file, before = self._files[name], self._files[name].tail.position
        try:
            self._waiting += file.read(most, now)
        except FileNotFoundError:
            self._forget(name)
        except OSError:
            pass  # it is on a disk that fails
        if name.startswith("seed_") and file.tail.node is not None:
            self.seeds.add(file.tail.node)
        if file.tail.position > before and file.to_read() > 0:
            self._to_be_read(file, name)
        return file.tail.position - before

    def _to_be_read(self, file: _File, name: str) -> None:
        heapq.heappush(self._unread, (max(file.last, self._told_until), name))

    def _due(self) -> list[Line]:
        """Hand out the lines up to the time that is to be told; late ones as of now."""
        self._waiting.sort(key=_time)
        count = bisect.bisect_right(self._waiting, self.told_at, key=_time)
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        _put_messages_first(due)
        late = bisect.bisect_left(due, self._told_until, key=_time)
        due[:late] = [line._replace(at=self._told_until) for line in due[:late]]
        if due or self._told_until:
            self._told_until = self.told_at
        return due


def _head(path: pathlib.Path) -> bytes:
    """Return the start of a file; nothing of what is no file."""
    try:
        with open_file(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _size(entry: os.DirEntry) -> int | None:
    """Return the size of a file, also behind a symbolic link; None for anything else."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:
        return None  # a link that leads nowhere, or where nobody may go


def _put_messages_first(lines: list[Line]) -> None:
    """Put deliveries behind a message that was generated in the same microsecond."""
    received_at = None
    for at, _, kind, _ in lines:
        if kind == "received":
            received_at = at
        elif kind == "generated" and at == received_at:
            begin = bisect.bisect_left(lines, at, key=_time)
            end = bisect.bisect_right(lines, at, key=_time)
            lines[begin:end] = sorted(lines[begin:end], key=lambda line: line.kind == "received")
            received_at = None
