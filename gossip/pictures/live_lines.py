"""The lines of the output files of a folder, followed as they grow.

`LiveLines.turn(now)` reads what is new, a bounded amount at a time: of the files that are behind,
the one whose last line is oldest comes first, so that their past is read in the order of time.
`horizon` tells up to when everything has been read. A line without an end waits for it; a line
that is too long is dropped; a file that was begun anew is read from its start. What a file told
that is not there any more ends with a line of the kind VANISHED.

The files stay open, so that a look at one costs one call, and so that a file that takes the place
of another can be told by its inode. One thread calls all this. Times are microseconds since 1970.
"""

import os
import pathlib
import sys
from typing import NamedTuple

from gossip.proof.records import parse_line, started_by
from gossip.terminal.limits import descriptors_allowed

LONGEST = 200_000  # bytes of a line
NODES = 5_000  # files that are read, at most
DESCRIPTORS = 200  # that are left for connections, and for all else
ROOM = 4 * 1024 * 1024  # bytes of all files together that are read ahead of the oldest, about
CHUNK = 16 * 1024, 256 * 1024  # bytes that are read of one file at a time: at least, at most
TURN = 1024 * 1024  # bytes that one turn reads of files that are behind
LOOK = 1_000_000  # microseconds between two looks for new files, while the folder does not change
AHEAD = 1_000_000  # microseconds that a line may be ahead of the turn that reads it, which takes a
# while; of a line that is further ahead, the clock is wrong
VANISHED = "vanished"
HEAD = 64  # bytes by which the start of a file is known again


class Line(NamedTuple):
    """One line of a file, by its node; `kind` is the event's name."""

    at: int
    node: str
    kind: str
    rest: str


class _File:
    """One file that grows."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.of_seed = path.name.startswith("seed_")
        self._descriptor = os.open(path, os.O_RDONLY)
        self.inode = os.fstat(self._descriptor).st_ino
        self.read_bytes = 0
        self.last = 0  # the time of its last line; the lines of one file keep their order
        self.node: str | None = None  # as its last `started:` line says
        self._head = b""
        self._rest = b""
        self._too_long = False  # what comes belongs to a line that is dropped

    def close(self) -> None:
        os.close(self._descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def begin_anew_if_changed(self) -> bool:
        """Go back to the start when the file was emptied, or overwritten in place; answer whether
        it was."""
        head = os.pread(self._descriptor, len(self._head), 0)
        if self.size() >= self.read_bytes and head == self._head:
            return False
        self.read_bytes, self._head, self._rest, self._too_long = 0, b"", b"", False
        return True

    def vanished(self) -> list[Line]:
        """The line that ends what the file told."""
        node, self.node = self.node, None
        return [] if node is None else [Line(self.last, node, VANISHED, "")]

    def read(self, limit: int) -> bytes:
        data = os.pread(self._descriptor, limit, self.read_bytes)
        if len(self._head) < HEAD:
            self._head = (self._head + data)[:HEAD]
        self.read_bytes += len(data)
        return data

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
        self._too_long |= len(rest) > LONGEST
        self._rest = b"" if self._too_long else rest

    def take(self, raw: bytes, now: int) -> Line | None:
        """The line as a value; None when it says nothing, or nobody knows of whom."""
        found = parse_line(raw.decode(errors="replace"))
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
    """All files of a folder. `without_deliveries`: lines that begin with `received:` are counted,
    and not read."""

    def __init__(self, folder: pathlib.Path, without_deliveries: bool = False):
        self._folder = folder
        self._without_deliveries = without_deliveries
        self._files: dict[str, _File] = {}
        self._behind: dict[str, _File] = {}  # those of which there is more to read
        self._look_at = 0
        self._changed = 0  # when the folder had changed, as of the last look
        self._most_files = min(NODES, max(1, descriptors_allowed() - DESCRIPTORS))
        self.deliveries_left_out = 0
        self.horizon: int | None = None  # all lines up to this time were read; None: all there are

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._behind.clear()

    def to_read(self) -> int:
        """How many bytes of files that are behind are still to be read."""
        return sum(max(0, file.size() - file.read_bytes) for file in self._behind.values())

    def is_seed(self, node: str) -> bool:
        """Whether a file of a seed says that it is this node's."""
        return any(file.of_seed and file.node == node for file in self._files.values())

    def path_of(self, node: str) -> pathlib.Path | None:
        """The file of a node."""
        return next((file.path for file in reversed(self._files.values()) if file.node == node),
                    None)

    def turn(self, now: int) -> list[Line]:
        """Read what is new, or a part of it. The lines of one file are in order."""
        lines: list[Line] = []
        changed = self._folder.stat().st_mtime_ns
        if self._look_at <= now or changed != self._changed:
            self._look_at, self._changed = now + LOOK, changed
            lines += self._look_for_files()
        low, high = CHUNK
        chunk = max(low, min(high, ROOM // max(1, len(self._files))))
        for file in self._files.values():
            if file.path.name not in self._behind:
                self._read(file, chunk, now, lines)
        left = TURN
        while self._behind and left > 0:
            self._read(min(self._behind.values(), key=_last), chunk, now, lines)
            left -= chunk
        self.horizon = min(map(_last, self._behind.values()), default=None)
        return lines

    def _read(self, file: _File, chunk: int, now: int, lines: list[Line]) -> None:
        data = file.read(chunk)
        if len(data) == chunk:
            self._behind[file.path.name] = file
        else:
            self._behind.pop(file.path.name, None)
        if not data:
            return
        raw = file.whole_lines(data)
        if self._without_deliveries:
            every = len(raw)
            raw = [line for line in raw if line[27:36] != b"received:"]
            self.deliveries_left_out += every - len(raw)
        lines += [line for line in [file.take(line, now) for line in raw] if line is not None]

    def _look_for_files(self) -> list[Line]:
        """Open files that are new; the ends of what files told that were removed or begun anew."""
        with os.scandir(self._folder) as entries:
            found = {entry.name: entry.inode() for entry in entries
                     if entry.name.endswith(".txt")
                     and entry.name.startswith(("peer_", "seed_")) and entry.is_file()}
        ends: list[Line] = []
        for name, file in list(self._files.items()):
            if found.get(name) != file.inode:
                ends += file.vanished()
                file.close()
                del self._files[name]
                self._behind.pop(name, None)
            elif file.begin_anew_if_changed():
                ends += file.vanished()
        for name in sorted(found.keys() - self._files.keys()):
            if len(self._files) < self._most_files:
                self._open(name)
        return ends

    def _open(self, name: str) -> None:
        try:
            self._files[name] = _File(self._folder / name)
        except OSError:
            return  # gone already, or not to be read: the next look tries again


def _last(file: _File) -> int:
    return file.last
