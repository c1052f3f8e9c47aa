"""The output file of a node: one line per event, written at once; and the form of a line.

Every thread of the node writes through here. Control characters of what others sent are
escaped, so that a line is always one line. Lines that cannot be written (a full disk) are
counted, and the file tells how many as soon as it can be written: they never stop the node.
"""

import datetime
import re
import threading

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def escape(text: str) -> str:
    """Show control characters (C0, DEL, C1, U+2028/9) as `\\x1b` or `\\u2028`."""
    if text.isprintable():
        return text
    return _CONTROL.sub(_escaped, text)


def _escaped(match: re.Match) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class OutputFile:
    """Appends `YYYY-MM-DD HH:MM:SS.ffffff:EVENT` lines (UTC) to one file. `clock()` answers Unix
    nanoseconds, as `time.time_ns` does. `file` takes the bytes, as an unbuffered file does; without
    one, the file at `path` is opened."""

    def __init__(self, path, clock, screen=None, file=None):
        self.path = path
        self._clock = clock
        self._screen = screen  # something with show(clock, events), or None
        self._lock = threading.Lock()  # guards everything below, and the order in the file
        self._file = open(path, "ab", buffering=0) if file is None else file
        self._second = -1  # the second whose date is formatted in _date
        self._date = ""
        self._lost = 0  # lines that could not be written since one last could
        self._torn = False  # the last line in the file is cut off
        self._finished = False  # the last word has been written

    def write(self, *events: str) -> bool:
        """Write events, escaped, in one go and with the same time; answer False when the last word
        has been written before."""
        events = [escape(event) for event in events]
        with self._lock:
            if events and not self._finished:
                self._append(events)
            return not self._finished

    def drain(self, changes) -> None:
        """Write, escaped, the events that a table has put into a deque, in the table's order,
        whichever thread comes first."""
        with self._lock:
            events = []
            while changes:
                events.append(escape(changes.popleft()))
            if events and not self._finished:
                self._append(events)

    def finish(self, *last_word: str) -> None:
        """Write the last word, if there is one; what happens from now on is not written down."""
        with self._lock:
            if last_word and not self._finished:
                self._append([escape(event) for event in last_word])
            self._finished = True

    def write_failure(self, event: str) -> None:
        """Write what a thread died of, even after the last word."""
        with self._lock:
            self._append([escape(event)])

    def _append(self, events: list[str]) -> None:
        """Expects the lock."""
        second, micros = divmod(self._clock() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self._date = date.strftime("%Y-%m-%d %H:%M:%S")
        stamp = f"{self._date}.{micros:06d}:"
        notice = [f"lost:{self._lost} lines could not be written here"] if self._lost else []
        text = stamp + f"\n{stamp}".join(notice + events) + "\n"
        self._put(("\n" + text if self._torn else text).encode(), len(events))
        if self._screen is not None:
            self._screen.show(stamp[11:-1], events)

    def _put(self, data: bytes, lines: int) -> None:
        """Expects the lock."""
        if self._file is None:
            return
        try:
            while data:
                written = self._file.write(data)
                self._torn = data[written - 1] != 10
                data = data[written:]
            self._lost = 0
        except OSError:
            self._lost += lines  # told by the next line that can be written

    def close(self) -> None:
        """Close the file; later events are dropped (the node has ended)."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
