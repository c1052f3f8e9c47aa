"""The lines of the output files of a folder, followed as they grow.

`LiveLines.turn(now)` reads what is new, a bounded amount at a time: of the files that are behind,
the one whose last line is oldest comes first, so that their past is read in the order of time.
`horizon` tells up to when everything has been read; a file that grows about as fast as it is read,
or faster, is not waited for. A line without an
end waits for it; a line that is too long is dropped; a file that was begun anew is read from its
start. What a file told that is not there any more ends with a line of the kind VANISHED.

One thread calls all this. Times are microseconds since 1970.
"""

import heapq
import itertools
import os
import pathlib

from gossip.pictures.live_file import File, Line
from gossip.terminal.limits import descriptors_allowed

NODES = 5_000  # files that are read, at most
DESCRIPTORS = 200  # that are left for connections, and for all else
ROOM = 1 * 1024 * 1024  # bytes of all files together that are read ahead of the oldest, about
CHUNK = 1024, 256 * 1024  # bytes that are read of one file at a time: at least, at most
LEAST = 256  # bytes for which a file counts that is read
TURN = 512 * 1024  # bytes that one turn reads of files that are behind
TORN = 16 * 1024 * 1024  # bytes that are kept of lines without an end, of all files together
LOOK, SOON = 1_000_000, 100_000  # microseconds between two looks for new files: in a folder that
# does not change, and in one that does


class LiveLines:
    """All files of a folder. `without_deliveries`: lines that begin with `received:` are counted,
    and not read."""

    def __init__(self, folder: pathlib.Path, without_deliveries: bool = False):
        self._folder = folder
        self._without_deliveries = without_deliveries
        self._files: dict[str, File] = {}
        self._behind: dict[str, File] = {}  # those of which there is more to read
        # The same as a heap: first those that others wait for, by (0, last line, name), then the
        # rest in turn.
        self._next: list[tuple[int, int, str]] = []
        self._turns = itertools.count()
        self._seeds: set[str] = set()  # the nodes of which files of seeds have told
        self._torn = 0  # bytes that are kept of lines without an end
        self._looked = 0  # when it was looked for new files last
        self._changed = 0  # when the folder had changed, as of then
        room = (descriptors_allowed() - DESCRIPTORS) / 2  # a long past is read by two of these
        self._most_files = min(NODES, max(1, room))
        self.deliveries_left_out = 0
        self.horizon: int | None = None  # all lines up to this time were read; None: all there are

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._behind.clear()

    def to_read(self) -> int:
        """How many bytes are still to be read before what others tell."""
        return sum(file.to_read() for file in self._behind.values())

    def is_seed(self, node: str) -> bool:
        """Whether a file of a seed has said that it is this node's."""
        return node in self._seeds

    def path_of(self, node: str) -> pathlib.Path | None:
        """The file of a node."""
        return next((file.path for file in reversed(self._files.values()) if file.node == node),
                    None)

    def turn(self, now: int) -> list[Line]:
        """Read what is new, or a part of it. The lines of one file are in order."""
        lines: list[Line] = []
        changed = self._folder.stat().st_mtime_ns
        if now >= self._looked + (LOOK if changed == self._changed else SOON):
            self._looked, self._changed = now, changed
            lines += self._look_for_files()
        low, high = CHUNK
        chunk = max(low, min(high, ROOM // max(1, len(self._files))))
        for name, file in self._files.items():
            if name not in self._behind:
                self._read(file, chunk, now, lines)
        self._read_behind(chunk, now, lines)
        return lines

    def _read_behind(self, chunk: int, now: int, lines: list[Line]) -> None:
        left = TURN
        while left > 0 and self._next:
            file = self._behind[heapq.heappop(self._next)[2]]
            left -= max(LEAST, self._read(file, chunk, now, lines))
        waits = bool(self._next) and self._next[0][0] == 0
        self.horizon = self._next[0][1] if waits else None

    def _read(self, file: File, chunk: int, now: int, lines: list[Line]) -> int:
        """Read on in a file that is not in the heap; answer how many bytes."""
        data = file.read(chunk)
        if data:
            self._take(file, data, now, lines)
        if len(data) < chunk:
            self._behind.pop(file.name, None)
        else:
            if file.name not in self._behind:
                file.fall_behind()
            self._put_behind(file)
        return len(data)

    def _put_behind(self, file: File) -> None:
        self._behind[file.name] = file
        if not file.to_read():
            file.catch_up()
        heapq.heappush(self._next, (0, file.last, file.name) if file.to_read()
                       else (1, next(self._turns), file.name))

    def _take(self, file: File, data: bytes, now: int, lines: list[Line]) -> None:
        self._torn -= file.torn
        raw = file.whole_lines(data)
        if self._torn + file.torn > TORN:
            file.drop_line()
        self._torn += file.torn
        if self._without_deliveries:
            every = len(raw)
            raw = [line for line in raw if line[27:36] != b"received:"]
            self.deliveries_left_out += every - len(raw)
        new = [line for line in [file.take(line, now) for line in raw] if line is not None]
        if file.of_seed and len(self._seeds) < NODES:
            self._seeds.update(line.node for line in new if line.kind == "started")
        lines += new

    def _look_for_files(self) -> list[Line]:
        """Open files that are new; the ends of what files told that were removed or begun anew."""
        with os.scandir(self._folder) as entries:
            found = {entry.name: inode for entry in entries
                     if entry.name.endswith(".txt")
                     and entry.name.startswith(("peer_", "seed_"))
                     and (inode := _inode(entry)) is not None}
        ends: list[Line] = []
        for name, file in list(self._files.items()):
            if found.get(name) != file.inode:
                ends += file.vanished()
                self._torn -= file.torn
                file.close()
                del self._files[name]
                self._behind.pop(name, None)
            elif self._has_begun_anew(file):
                ends += file.vanished()
        self._next = [entry for entry in self._next if entry[2] in self._behind]
        heapq.heapify(self._next)
        for name in sorted(found.keys() - self._files.keys()):
            if len(self._files) < self._most_files:
                self._open(name)
        return ends

    def _has_begun_anew(self, file: File) -> bool:
        torn = file.torn
        has_begun = file.begin_anew_if_changed()
        self._torn += file.torn - torn
        return has_begun

    def _open(self, name: str) -> None:
        try:
            file = self._files[name] = File(self._folder / name)
        except OSError:
            return  # gone already, or not to be read: the next look tries again
        file.fall_behind()
        self._put_behind(file)


def _inode(entry: os.DirEntry) -> int | None:
    """The inode of a file, also behind a symbolic link; None of what is none."""
    try:
        if not entry.is_file():
            return None
        return entry.stat().st_ino if entry.is_symlink() else entry.inode()
    except OSError:
        return None  # a link that leads nowhere, or where nobody may go
