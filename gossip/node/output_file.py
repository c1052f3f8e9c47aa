"""The output file of a node: one line per event, written at once; and the form of a line.

Errors that end threads, and lateness, are written outside of turns, so there is a lock. What others
sent is escaped (gossip/events.py), so that an event is always one line. Lines that cannot be
written (a full disk) never stop the node: they are counted, the screen is told of the first, and
the file tells how many as soon as it can be written.

Somebody may rename, remove or truncate the file, such as logrotate. That is looked for when
something is written, once a second at most, by one stat. The lines then go on in a file at the same
path, which gets the line `continued:KIND:IP:PORT:START`. (What is appended to a truncated file
stands at its beginning.) While none can be made there, they go on in the renamed file.

A file may have a limit, so that nobody can fill the disk. At the limit the file gets the line
`full:LIMIT` (in MiB) instead of the next event, and then only last words: `stopped:…` and
`failed:…`. The node goes on; what is left out is counted.
"""

import contextlib
import datetime
import errno
import math
import os
import stat
import threading

from gossip.events import escape
from gossip.settings import MIB

PLAIN = bytes({*range(32, 127)} - {ord("\\")}) + b"\n"  # what needs no escape
NEXT = "\n"  # before Python 3.12, the braces of an f-string may contain no backslash


class OutputFile:
    """Appends `YYYY-MM-DD HH:MM:SS.ffffff:EVENT` lines (UTC) to one file. A line is in the file
    when the call that writes it returns. `clock()` returns Unix nanoseconds. `file` takes the bytes
    like an unbuffered file; without it, the file at `path` is opened, if any. The `subscriber`, if
    any, a screen or a program, is told by `show(clock, head, lines)`: an event for each of the
    `\\n`-separated lines, behind the head. `limit`: MiB at which the file is full; 0: never."""

    def __init__(self, path, clock, subscriber=None, file=None, limit: int = 0):
        self.path = path
        self._clock = clock
        self._subscriber = subscriber
        self._lock = threading.Lock()  # orders the lines; guards everything below
        self._second = -1  # the second whose date is formatted in _date
        self._date = ""
        self._micros = 0  # the time of the last lines
        self._finished = False  # the last word was written
        self._limit = limit * MIB or math.inf
        self._size = 0  # bytes
        self._told_full = False  # the file has its line `full:…`
        self._left_out = 0  # events left out since
        self._lost = 0  # lines lost since the last successful write
        self._lost_in_all = 0
        self._torn = False  # the last line in the file is incomplete
        self._run = ""  # that writes here: KIND:IP:PORT:START
        self._anew = False  # the file has been begun anew, and lacks its line `continued:…`
        self._missing = ""  # why a file that was removed could not be begun anew
        self._opens = file is None and path is not None
        self._file = file  # None once closed
        if self._opens:
            self._open()

    def begin(self, node: str, settings: str) -> None:
        """Write the first lines of a run of a node, `KIND:IP:PORT`. Its START stands at the end of
        the settings of a peer; else it is the time of these lines in milliseconds."""
        _, named, start = settings.rpartition(":start=")
        self.put("", f"started:{node}\nsettings:{escape(settings)}")
        self._run = f"{node}:{start if named else self._micros // 1000}"

    def write(self, *events: str) -> bool:
        """Write events, escaped, with the same time. Return False after the last word."""
        return self.put("", "\n".join(map(escape, events)))

    def note(self, event: str) -> None:
        """Write an event that only the proof needs; no subscriber is told."""
        self.put("", event, shown=False)

    def late(self, seconds: float) -> None:
        """Note that the process was frozen or late within the last `seconds`."""
        self.note(f"late:{seconds:.3f}")

    def write_lines(self, head: str, lines: str) -> bool:
        """Write an event, behind the head, for each of the `\\n`-separated lines."""
        if not lines.isascii() or lines.encode().translate(None, PLAIN):
            lines = NEXT.join(map(escape, lines.split(NEXT)))
        return self.put(head, lines)

    def finish(self, last_word: str = "") -> None:
        """Write the last word, if any; later events are not written."""
        self.put("", escape(last_word), last=True)

    def write_failure(self, event: str) -> None:
        """Write the error that ended a thread, even after the last word."""
        self.put("", escape(event), failed=True)

    def close(self) -> None:
        """Close the file; later events are dropped, because the node has ended."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def dropped(self) -> dict[str, int]:
        """Return how many events a full file, or disk, left out."""
        counts = {"events that the full output file left out": self._left_out,
                  "lines that could not be written": self._lost_in_all}
        return {name: count for name, count in counts.items() if count}

    def put(self, head: str, lines: str, shown: bool = True, last: bool = False,
            failed: bool = False) -> bool:
        """Write events that need no escape, with their time, if there is room; tell the subscriber.
        Return False after the last word. All methods below expect the lock."""
        with self._lock:
            if self._finished and not failed:
                return False
            self._finished |= last
            if not lines:
                return True
            self._micros = self._clock() // 1000
            second, micros = divmod(self._micros, 1_000_000)
            if second != self._second:
                self._begin_second(second)
            stamp = f"{self._date}.{micros:06d}:"
            if self._size < self._limit:
                try:
                    self._put_bytes(stamp + head, lines,
                                    self._notices(stamp) if self._lost or self._anew else "")
                    self._lost, self._anew = 0, False
                except OSError as error:
                    self._lose(1 + lines.count("\n"), stamp, error)
            else:
                self._put_last(stamp, head, lines, last or failed)
            if shown and self._subscriber is not None:
                self._subscriber.show(stamp[11:-1], head, lines)
            return True

    def _open(self) -> None:
        self._file = open(self.path, "ab", buffering=0)
        found = os.fstat(self._file.fileno())
        self._identity, self._size = (found.st_dev, found.st_ino), found.st_size
        self._torn = False
        if self._size:
            with contextlib.suppress(OSError), open(self.path, "rb") as before:
                before.seek(-1, os.SEEK_END)
                self._torn = before.read() != b"\n"  # by a power cut, or a full disk

    def _begin_second(self, second: int) -> None:
        """Format the date of a new second, and look at the path."""
        self._second = second
        date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
        self._date = date.strftime("%Y-%m-%d %H:%M:%S")
        if self._opens:
            self._look()

    def _look(self) -> None:
        """Reopen a renamed or removed file, and note if it was truncated."""
        if self._file is None:
            return
        try:
            found = os.stat(self.path)
            is_there = (found.st_dev, found.st_ino) == self._identity
        except FileNotFoundError:
            is_there = False
        except OSError:
            return  # nobody can tell
        if is_there:
            if found.st_size >= self._size or not stat.S_ISREG(found.st_mode):
                return
            self._size, self._torn = found.st_size, False
        else:
            before, self._missing = self._file, ""
            try:
                self._open()
            except OSError as error:
                if not os.fstat(before.fileno()).st_nlink:
                    self._missing = error.strerror
                return
            with contextlib.suppress(OSError):  # the system had no room for what was written
                before.close()
        self._anew, self._told_full = bool(self._run), False

    def _notices(self, stamp: str) -> str:
        return "".join([
            f"{stamp}continued:{self._run}\n" if self._anew else "",
            f"{stamp}lost:{self._lost} lines could not be written here\n" if self._lost else ""])

    def _lose(self, count: int, stamp: str, error: OSError) -> None:
        """Count lost lines, and show the first loss."""
        if not self._lost_in_all and self._subscriber is not None:
            self._subscriber.show(stamp[11:-1], "", escape(
                f"lost:lines cannot be written into {self.path}: {error.strerror}; they are "
                "counted"))
        self._lost += count
        self._lost_in_all += count

    def _put_last(self, stamp: str, head: str, lines: str, last: bool) -> None:
        """Write last words to a full file, or once `full:…` instead."""
        if not last:
            self._left_out += 1 + lines.count("\n")
            if self._told_full:
                return
            head, lines = "", f"full:{self._limit // MIB}"
        with contextlib.suppress(OSError):  # a full disk, too
            self._put_bytes(stamp + head, lines)
            self._told_full |= not last

    def _put_bytes(self, head: str, lines: str, notice: str = "") -> None:
        if self._file is None:
            return
        if self._missing:
            raise FileNotFoundError(errno.ENOENT, self._missing)
        end = "\n" if self._torn else ""  # of an incomplete line
        data = f"{end}{notice}{head}{lines.replace(NEXT, NEXT + head)}\n".encode()
        while data:
            written = self._file.write(data)
            self._size += written
            self._torn = data[written - 1] != 10
            data = data[written:]
