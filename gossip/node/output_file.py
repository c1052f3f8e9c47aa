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
    one, the file at `path` is opened.

    A line is in the file when the call that writes it returns. Threads that come while another one
    writes wait, and then one of them writes the lines of all: on a process that is late, each
    would otherwise wait for the lock once, and for the interpreter twice, one after the other.
    """

    def __init__(self, path, clock, screen=None, file=None):
        self.path = path
        self._clock = clock
        self._screen = screen  # something with show(clock, events), or None
        self._lock = threading.Lock()  # guards what follows, and the order of the lines
        self._changed = threading.Condition(self._lock)  # notified when lines have been written
        self._waiting: list[tuple[str, list[str]]] = []  # stamp and events, to be written
        self._added = 0  # how many of these there have been
        self._done = 0  # how many of them are in the file
        self._writing = False  # a thread writes
        self._second = -1  # the second whose date is formatted in _date
        self._date = ""
        self._finished = False  # the last word has been written
        # What follows belongs to the thread that writes.
        self._file = open(path, "ab", buffering=0) if file is None else file
        self._lost = 0  # lines that could not be written since one last could
        self._torn = False  # the last line in the file is cut off

    def write(self, *events: str) -> bool:
        """Write events, escaped, in one go and with the same time; answer False when the last word
        has been written before."""
        events = [escape(event) for event in events]
        with self._lock:
            if self._finished:
                return False
            self._append(events)
            return True

    def drain(self, changes) -> None:
        """Write, escaped, the events that a table has put into a deque, in the table's order,
        whichever thread comes first."""
        with self._lock:
            events = []
            while changes:
                events.append(escape(changes.popleft()))
            if not self._finished:
                self._append(events)

    def finish(self, *last_word: str) -> None:
        """Write the last word, if there is one; what happens from now on is not written down."""
        events = [escape(event) for event in last_word]
        with self._lock:
            if not self._finished:
                self._finished = True
                self._append(events)

    def write_failure(self, event: str) -> None:
        """Write what a thread died of, even after the last word."""
        with self._lock:
            self._append([escape(event)])

    def close(self) -> None:
        """Close the file; later events are dropped (the node has ended)."""
        with self._lock:
            self._changed.wait_for(lambda: self._done == self._added)
            if self._file is not None:
                self._file.close()
                self._file = None

    # All of these expect the lock.

    def _append(self, events: list[str]) -> None:
        """Write events, or have another thread write them; return when they are in the file."""
        if events:
            self._waiting.append((self._stamp(), events))
            self._added += 1
        own = self._added
        while self._done < own:
            if self._writing:
                self._changed.wait()
            else:
                self._write_waiting()

    def _stamp(self) -> str:
        second, micros = divmod(self._clock() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self._date = date.strftime("%Y-%m-%d %H:%M:%S")
        return f"{self._date}.{micros:06d}:"

    def _write_waiting(self) -> None:
        """Write all that waits, without the lock meanwhile."""
        groups, self._waiting = self._waiting, []
        self._writing = True
        self._lock.release()
        try:
            self._put(groups)
        finally:
            self._lock.acquire()
            self._writing = False
            self._done += len(groups)
            self._changed.notify_all()

    # The thread that writes calls these, without the lock.

    def _put(self, groups: list[tuple[str, list[str]]]) -> None:
        """Write groups of lines; lines that cannot be written are told of by the next that can."""
        lines = [stamp + event for stamp, events in groups for event in events]
        count = len(lines)
        if self._lost:
            lines.insert(0, f"{groups[0][0]}lost:{self._lost} lines could not be written here")
        if self._torn:
            lines.insert(0, "")
        try:
            self._put_bytes("\n".join([*lines, ""]).encode())
            self._lost = 0
        except OSError:
            self._lost += count
        if self._screen is not None:
            for stamp, events in groups:
                self._screen.show(stamp[11:-1], events)

    def _put_bytes(self, data: bytes) -> None:
        while data and self._file is not None:
            written = self._file.write(data)
            self._torn = data[written - 1] != 10
            data = data[written:]
