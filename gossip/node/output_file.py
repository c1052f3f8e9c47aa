"""The output file of a node: one line per event, written at once; and the form of a line.

Every thread of the node writes through here. What others sent is escaped (gossip/escaping.py), so
that a line is always one line. Lines that cannot be written (a full disk) are counted, and the file
tells how many as soon as it can be written: they never stop the node.

A file may have a limit, so that nobody fills the disk by what he makes a node write. One that has
reached it takes the line `full:LIMIT` (in MiB) in place of the next event, then last words alone:
`stopped:…` and `failed:…`. The node goes on; what is left out is counted.
"""

import datetime
import math
import threading

from gossip.escaping import escape
from gossip.settings import MIB


class _Turn:
    """The place in line of a thread that has something to write."""

    __slots__ = ("come", "writes")

    def __init__(self):
        self.come = threading.Lock()  # free when it need not wait any more
        self.writes = True  # it writes what waits; else another thread has done so


class OutputFile:
    """Appends `YYYY-MM-DD HH:MM:SS.ffffff:EVENT` lines (UTC) to one file. `clock()` answers Unix
    nanoseconds, as `time.time_ns` does. `file` takes the bytes, as an unbuffered file does; without
    one, the file at `path` is opened. `limit`: MiB after which it is full; 0: never.

    A line is in the file when the call that writes it returns. Threads that come while another one
    writes wait, and then one of them writes the lines of all: on a process that is late, each
    would otherwise wait for the file, and then for the interpreter, one after the other.
    """

    def __init__(self, path, clock, screen=None, file=None, limit: int = 0):
        self.path = path
        self._clock = clock
        self._screen = screen  # something with show(clock, events), or None
        self._lock = threading.Lock()  # guards what follows, and the order of the lines
        # What is to be written: stamp, events, and whether these are last words.
        self._waiting: list[tuple[str, list[str], bool]] = []
        self._writing = False  # a thread writes, or is about to
        self._turns: list[_Turn] = []  # of the threads that wait meanwhile
        self._second = -1  # the second whose date is formatted in _date
        self._date = ""
        self._finished = False  # the last word has been written
        self._closed = False
        # What follows belongs to the thread that writes.
        self._file = open(path, "ab", buffering=0) if file is None else file
        self._limit = limit * MIB or math.inf
        self._size = self._file.tell() if file is None else 0  # bytes
        self._told_full = False  # the file says that it is full
        self._left_out = 0  # events that came since
        self._lost = 0  # lines that could not be written since one last could
        self._torn = False  # the last line in the file is cut off

    def write(self, *events: str) -> bool:
        """Write events, escaped, in one go and with the same time; answer False when the last word
        has been written before."""
        events = [escape(event) for event in events]
        with self._lock:
            if self._finished:
                return False
            turn = self._line_up(events)
        self._write_in_turn(turn)
        return True

    def drain(self, changes) -> None:
        """Write, escaped, the events that a table has put into a deque, in the table's order,
        whichever thread comes first."""
        with self._lock:
            events = []
            while changes:
                events.append(escape(changes.popleft()))
            turn = self._line_up([] if self._finished else events)
        self._write_in_turn(turn)

    def finish(self, *last_word: str) -> None:
        """Write the last word, if there is one; what happens from now on is not written down."""
        events = [escape(event) for event in last_word]
        with self._lock:
            turn = self._line_up([] if self._finished else events, last=True)
            self._finished = True
        self._write_in_turn(turn)

    def write_failure(self, event: str) -> None:
        """Write what a thread died of, even after the last word."""
        with self._lock:
            turn = self._line_up([escape(event)], last=True)
        self._write_in_turn(turn)

    def close(self) -> None:
        """Close the file; later events are dropped (the node has ended)."""
        with self._lock:
            self._closed = True
            turn = self._line_up([])
        self._write_in_turn(turn)

    def dropped(self) -> dict[str, int]:
        """How many events a full file has left out."""
        return {"events that the full output file left out": self._left_out} if self._left_out \
            else {}

    def _line_up(self, events: list[str], last: bool = False) -> _Turn:
        """Put events behind all that wait, with the present time. Expects the lock."""
        if events:
            self._waiting.append((self._stamp(), events, last))
        turn = _Turn()
        if self._writing:
            turn.writes = False
            turn.come.acquire()
            self._turns.append(turn)
        self._writing = True
        return turn

    def _stamp(self) -> str:
        second, micros = divmod(self._clock() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            date = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self._date = date.strftime("%Y-%m-%d %H:%M:%S")
        return f"{self._date}.{micros:06d}:"

    def _write_in_turn(self, turn: _Turn) -> None:
        """Return when what this thread has put in line is in the file: written here, with all that
        waits, or by another thread."""
        turn.come.acquire()
        if not turn.writes:
            return
        with self._lock:
            groups, self._waiting = self._waiting, []
            served, self._turns = self._turns, []
            closed = self._closed
        try:
            self._put(groups)
            if closed:
                self._close()
        finally:
            self._hand_over(served)

    def _hand_over(self, served: list[_Turn]) -> None:
        """Let those go whose lines were written, and one write that has come since."""
        with self._lock:
            self._writing = bool(self._turns)
            if self._writing:
                self._turns[0].writes = True
                served.append(self._turns.pop(0))
        for turn in served:
            turn.come.release()

    # The thread whose turn it is to write calls these.

    def _put(self, groups: list[tuple[str, list[str], bool]]) -> None:
        """Write groups of lines, as far as there is room, and show them."""
        if self._size < self._limit:
            self._put_lines(groups)
        else:
            self._put_last(groups)
        if self._screen is not None:
            for stamp, events, _ in groups:
                self._screen.show(stamp[11:-1], events)

    def _put_lines(self, groups: list[tuple[str, list[str], bool]]) -> None:
        """Write lines; those that cannot be written are told of by the next that can."""
        if not groups:
            return
        lines = [stamp + event for stamp, events, _ in groups for event in events]
        notice = ([f"{groups[0][0]}lost:{self._lost} lines could not be written here"]
                  if self._lost else [])
        try:
            self._put_bytes([*notice, *lines])
            self._lost = 0
        except OSError:
            self._lost += len(lines)

    def _put_last(self, groups: list[tuple[str, list[str], bool]]) -> None:
        """The file is full: write last words alone. The first event that is left out becomes the
        line that says so."""
        lines = [stamp + event for stamp, events, last in groups if last for event in events]
        others = [group for group in groups if not group[2]]
        self._left_out += sum([len(events) for _, events, _ in others])
        tell = bool(others) and not self._told_full
        if tell:
            lines.insert(0, f"{groups[0][0]}full:{self._limit // MIB}")
        if lines:
            try:
                self._put_bytes(lines)
                self._told_full |= tell
            except OSError:
                pass  # a full disk, too

    def _put_bytes(self, lines: list[str]) -> None:
        whole = [""] if self._torn else []  # ends a line that is cut off
        data = "\n".join([*whole, *lines, ""]).encode()
        while data and self._file is not None:
            written = self._file.write(data)
            self._size += written
            self._torn = data[written - 1] != 10
            data = data[written:]

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
