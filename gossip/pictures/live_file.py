"""One output file that grows, followed by the live page: its lines as values.

It stays open, so that a look at it costs one call, and so that a file that takes the place of
another can be told by its inode. Nothing that is in a file ends anything.
"""

import errno
import os
import pathlib
import stat
import sys
from typing import NamedTuple

from gossip.proof.records import parse_line, started_by

LONGEST = 200_000  # bytes of a line
TOLD = 2_000  # bytes of a line that are told: the page shows less
HEAD = 64  # bytes by which the start of a file is known again
VANISHED = "vanished"
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, which takes a
# while; of a line that is further ahead, the clock is wrong


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


class File:
    """A file, how far it was read, and of which node it speaks."""

    def __init__(self, path: pathlib.Path):
        self.path, self.name = path, path.name
        self.of_seed = self.name.startswith("seed_")
        self._descriptor = open_file(path)
        self.inode = os.fstat(self._descriptor).st_ino
        self.read_bytes = 0
        self._awaited = 0  # bytes up to which others wait for it, while it is behind
        self._lacked = 0  # bytes that it lacked when that was settled
        self.last = 0  # the time of its last line; the lines of one file keep their order
        self.node: str | None = None  # as its last `started:` line says
        self._head = b""
        self._rest = b""
        self._too_long = False  # what comes belongs to a line that is dropped

    def close(self) -> None:
        os.close(self._descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def fall_behind(self) -> None:
        """From now on others wait until all is read that is there now."""
        self._awaited = self.size()
        self._lacked = self._awaited - self.read_bytes

    def catch_up(self) -> None:
        """What was waited for is read: others wait for what came meanwhile if that is not even
        half as much, so that there is an end to it."""
        if 2 * (self.size() - self.read_bytes) <= self._lacked:
            self.fall_behind()

    def to_read(self) -> int:
        """How many bytes others wait for; not for those of a line that is dropped."""
        return 0 if self._too_long else max(0, self._awaited - self.read_bytes)

    @property
    def torn(self) -> int:
        """How many bytes are kept of a line without an end."""
        return len(self._rest)

    def drop_line(self) -> None:
        """Drop the line that has no end yet."""
        self._rest, self._too_long = b"", True

    def begin_anew_if_changed(self) -> bool:
        """Go back to the start when the file was emptied, or overwritten in place; answer whether
        it was."""
        head = self._bytes(len(self._head), 0)
        if self.size() >= self.read_bytes and head == self._head:
            return False
        self.read_bytes, self._head, self._rest, self._too_long = 0, b"", b"", False
        self.fall_behind()
        return True

    def vanished(self) -> list[Line]:
        """The line that ends what the file told."""
        node, self.node = self.node, None
        return [] if node is None else [Line(self.last, node, VANISHED, "")]

    def read(self, limit: int) -> bytes:
        data = self._bytes(limit, self.read_bytes)
        if len(self._head) < HEAD:
            self._head = (self._head + data)[:HEAD]
        self.read_bytes += len(data)
        return data

    def _bytes(self, limit: int, at: int) -> bytes:
        try:
            return os.pread(self._descriptor, limit, at)
        except OSError:
            return b""  # of a disk that fails, or of what only looks like a file

    def whole_lines(self, data: bytes) -> list[bytes]:
        """The lines that end in these bytes; what follows the last of them waits."""
        first, *others = data.split(b"\n")
        if not others:
            self._keep(self._rest + first)
            return []
        lines = [*([] if self._too_long else [self._rest + first]), *others[:-1]]
        self._too_long = False
        self._keep(others[-1])
        return [line for line in lines if len(line) <= LONGEST]

    def _keep(self, rest: bytes) -> None:
        self._rest = rest
        if self._too_long or len(rest) > LONGEST:
            self.drop_line()

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
