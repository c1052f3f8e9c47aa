"""The output file of a node: one line per event, written at once; and the form of a line.

The node writes in its turns. Because an error that ends a thread is written outside of turns, there
is a lock. What others sent is escaped (gossip/escaping.py), so that an event is always one line.
Lines that cannot be written (a full disk) never stop the node: they are counted, and the file tells
how many as soon as it can be written.

A file may have a limit, so that nobody can fill the disk by what he makes a node write. At the
limit the file gets the line `full:LIMIT` (in MiB) instead of the next event, and then only last
words: `stopped:…` and `failed:…`. The node goes on; what is left out is counted.
"""

import datetime
import math
import threading

from gossip.escaping import escape, escape_lines
from gossip.settings import MIB

NEXT = "\n"  # before Python 3.12, the braces of an f-string may contain no backslash


class OutputFile:
    """Appends `YYYY-MM-DD HH:MM:SS.ffffff:EVENT` lines (UTC) to one file. A line is in the file
    when the call that writes it returns. `clock()` returns Unix nanoseconds, as `time.time_ns`
    does. `file` takes the bytes like an unbuffered file; without it, the file at `path` is opened.
    If there is no path either, nothing is written. The `subscriber`, if any, a screen or a program,
    is told by `show(clock, head, lines)`: an event for each of the `\\n`-separated lines, behind the
    head. `limit`: MiB at which the file is full; 0: never."""

    def __init__(self, path, clock, subscriber=None, file=None, limit: int = 0):
        self.path = path
        self._clock = clock
        self._subscriber = subscriber
        self._lock = threading.Lock()  # orders the lines; guards everything below
        self._second = -1  # the second whose date is formatted in _date
        self._date = ""
        self._finished = False  # the last word was written
        opens = file is None and path is not None
        self._file = open(path, "ab", buffering=0) if opens else file  # None once closed
        self._limit = limit * MIB or math.inf
        self._size = self._file.tell() if opens else 0  # bytes
        self._told_full = False  # the file has its line `full:…`
        self._left_out = 0  # events left out since
        self._lost = 0  # lines lost since the last successful write
        self._torn = False  # the last line in the file is incomplete

    def write(self, *events: str) -> bool:
        """Write events, escaped, with the same time. Return False after the last word."""
        with self._lock:
            if not self._finished:
                self._put("", "\n".join(map(escape, events)))
            return not self._finished

    def note(self, event: str) -> None:
        """Write an event that only the proof needs; no subscriber is told."""
        with self._lock:
            if not self._finished:
                self._put("", event, shown=False)

    def late(self, seconds: float) -> None:
        """Note that the process stood still, or ran late, within the last `seconds`."""
        self.note(f"late:{seconds:.3f}")

    def write_lines(self, head: str, lines: str) -> bool:
        """Write, as `write` does, an event for each of the `\\n`-separated lines, behind a head."""
        lines = escape_lines(lines)
        with self._lock:
            if not self._finished:
                self._put(head, lines)
            return not self._finished

    def finish(self, last_word: str = "") -> None:
        """Write the last word, if any; later events are not written."""
        with self._lock:
            if not self._finished:
                self._put("", escape(last_word), last=True)
            self._finished = True

    def write_failure(self, event: str) -> None:
        """Write the error that ended a thread, even after the last word."""
        with self._lock:
            self._put("", escape(event), last=True)

    def close(self) -> None:
        """Close the file; later events are dropped, because the node has ended."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def dropped(self) -> dict[str, int]:
        """Return how many events a full file has left out."""
        return {"events that the full output file left out": self._left_out} if self._left_out \
            else {}

    def _put(self, head: str, lines: str, last: bool = False, shown: bool = True) -> None:
        """Write events with the time if there is room, and tell the subscriber. Expects the lock, as all
        below."""
        if not lines:
            return
        stamp = self._stamp()
        if self._size < self._limit:
            try:
                self._put_bytes(stamp + head, lines, self._notice(stamp) if self._lost else "")
                self._lost = 0
            except OSError:
                self._lost += 1 + lines.count("\n")
        else:
            self._put_last(stamp, head, lines, last)
        if shown and self._subscriber is not None:
            self._subscriber.show(stamp[11:-1], head, lines)

    def _stamp(self) -> str:
        second, micros = divmod(self._clock() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self._date = date.strftime("%Y-%m-%d %H:%M:%S")
        return f"{self._date}.{micros:06d}:"

    def _notice(self, stamp: str) -> str:
        return f"{stamp}lost:{self._lost} lines could not be written here\n"

    def _put_last(self, stamp: str, head: str, lines: str, last: bool) -> None:
        """Write last words to a full file. Replace the first event left out by the line
        `full:…`."""
        if not last:
            self._left_out += 1 + lines.count("\n")
            if self._told_full:
                return
            head, lines = "", f"full:{self._limit // MIB}"
        try:
            self._put_bytes(stamp + head, lines)
            self._told_full |= not last
        except OSError:
            pass  # a full disk, too

    def _put_bytes(self, head: str, lines: str, notice: str = "") -> None:
        if self._file is None:
            return
        end = "\n" if self._torn else ""  # of an incomplete line
        data = f"{end}{notice}{head}{lines.replace(NEXT, NEXT + head)}\n".encode()
        while data:
            written = self._file.write(data)
            self._size += written
            self._torn = data[written - 1] != 10
            data = data[written:]
