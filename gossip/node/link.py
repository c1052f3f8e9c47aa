"""A link: one connection that carries lines, and who is at its other end.

One thread reads the connection, and it alone calls `next_lines`, which waits (a world without
threads calls `take` and `read_on` instead). The node calls most of the rest in its turns. There is
a lock, because the flusher flushes, and the reader connects and closes, outside of turns. `send`
and `close` never block: bytes that the other end does not take at once wait in a bounded backlog,
which the flusher empties. A link does not know what lines mean. Its
connection is any object with `send(data, flags)`, which returns how many bytes were taken or raises
BlockingIOError, and the `flags` for that, `unread()`, `shutdown()`, `close()` and, for a flusher,
`fileno()`; for `next_lines`, also `receive(size[, flags])` and `wait_readable(seconds)`.
"""

import threading

from gossip.addresses import Address, Target
from gossip.node.backlog import Backlog
from gossip.settings import Settings
from gossip.wire import LINE_LIMIT, Answer, WireError

READ_SIZE = 96 << 10  # bytes read at once: a portion of new gossip with its cover
SIP = 8_192  # bytes read after a rest: many short rests disturb others less than few long rests
DEADLINE_LOOK = 5.0  # seconds after which a reader checks whether its deadline has changed
NO_TIME = 0.001  # seconds to connect if no time is left, so that connecting fails with a reason
WAITING_BACKLOG = 256 * 1024  # bytes that may wait for a stranger
ORIGIN_LIMIT = 1 << 20  # bytes waiting for a neighbour above which new messages wait
ORIGIN_PATIENCE = 1.0  # seconds without progress after which no origin waits for a link
FEW = 1024  # unconfirmed bytes for which no leaver waits: a request to a machine without a cable
OVERFLOW = "backlog overflow"  # the reason when the other end does not read


class Lines:
    """Lines that end in `\\n`, each at most `limit` bytes long. All `\\r` before it are dropped,
    because some programs (telnet) end a line in `\\r\\n`. If only the last was dropped, each peer
    would drop another one, and their messages would differ."""

    late = "no valid line in time"  # the reason if no line comes by the deadline

    def __init__(self, limit: int = LINE_LIMIT):
        self._limit = limit
        self._rest = b""  # the beginning of a line that has not ended yet
        self.fault: WireError | None = None  # why the stream ends after the lines returned last

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, up to a long one."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        if len(data) > self._limit:
            too_long = [at for at, line in enumerate(lines) if len(line) > self._limit]
            if too_long:
                self.fault = WireError(f"line longer than {self._limit} bytes")
                del lines[too_long[0] + 1:]
        self._rest = lines.pop()
        if b"\r" in data:
            lines = [line.rstrip(b"\r") for line in lines]
        return lines

    def unfinished(self) -> bool:
        """Return whether a line has begun and not ended."""
        return bool(self._rest)


class Link:
    """A connection. `role` and `peer` say what it is for and where it leads."""

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None, framing=Lines):
        self.role = role  # what it is for; see ANSWERS in gossip/node/part.py
        self.peer: Address | None = None  # that it announces; until it is up, what is dialled
        self.target: Target | None = None  # what was dialled
        self.remote = self.remote_ip = ""  # IP:PORT of the connection itself, and the IP
        self.probe = None  # the Probe for which this link was made, if any
        self.cover = None  # the last signed line, which covers the lines after it
        self.proof = None  # the last Proof, for the line after it
        self.run: tuple[int, float] | None = None  # at the other end: START, TIME of dial
        self.repetitions = 0  # duplicate lines; counted by the reader
        self.told_peers_at = 0.0  # when `ask_known_peers` was last answered; for the reader alone
        self.heard = 0.0  # when bytes came last
        self.rest_until = 0.0  # nothing is read before then
        self.lacked = False  # the dial failed because this machine is short of something
        self.cut_short = False  # the other end ended the stream inside a line
        # when the next line is due, if its node is on time. None: never, so that the reader waits
        # for bytes alone; infinite: not for now, but the reader looks whether that has changed
        self.deadline: float | None = None
        self.more_patience = float  # returns the seconds to add while late; `float()` is 0.0
        self.unfinished_limit: float | None = None  # seconds from a line's first byte to its last
        self.unfinished: float | None = None  # when a half-read line has to be complete
        self._looked_for: float | None = None  # what was due at the last look
        self.framing = framing()
        self._settings = settings
        self._flusher = flusher
        self._now = now  # the clock of `deadline`, `heard` and all other times
        self._lock = threading.Lock()  # orders the bytes, as the flusher sends outside of turns
        self.connection = connection  # None until `attach`
        self.ended = False  # closed by either end; set once, read by everyone
        self.reason = ""  # why it ended, for the output file; set before `ended`
        self._backlog, self._limit = Backlog(), WAITING_BACKLOG
        self._broken = False  # nothing can be sent any more
        self._taken = 0.0  # when the backlog began, or last shrank, or `unread()`
        self._unread = 0  # what it returned last

    # For the thread that reads.

    def attach(self, connection) -> None:
        """Give a dialled link its connection; ConnectionAbortedError if the link has ended."""
        with self._lock:
            if self.ended:
                raise ConnectionAbortedError(self.reason)
            self.connection = connection

    def time_to_connect(self) -> float:
        """Return the seconds within which to connect: before a line is due."""
        limit, due = self._settings.probe_limit, self.due()
        return limit if due is None else max(NO_TIME, min(limit, due - self._now()))

    def connected(self, ip: str, port: int) -> None:
        """Note where the connection leads."""
        self.remote_ip = ip
        self.remote = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def next_lines(self, overdue) -> list[bytes] | None:
        """Return the next whole lines; None at the end of the stream. WireError for a long line. If
        a line is late, `overdue(link)` is called, which ends the link if it is late still."""
        if self.unfinished is not None or self.framing.fault is not None:
            self.read_on()
        while True:
            size = SIP if self.rest_until else READ_SIZE
            try:
                if self.deadline is None and self.unfinished is None:  # as for neighbours
                    data = self.connection.receive(size)
                else:
                    # once more after the deadline, because what came in time may be read late
                    if self.is_overdue() and not self.last_look():
                        overdue(self)
                    data = self.connection.receive(size, self.connection.flags)
            except BlockingIOError:
                due = self.due()  # not long, because another thread may change it
                wait = DEADLINE_LOOK if due is None else min(DEADLINE_LOOK, due - self._now())
                if wait > 0:
                    self.connection.wait_readable(wait)
                continue
            except OSError as error:
                self.end_of_stream(error.strerror or str(error))
                return None
            if not data:
                self.end_of_stream("closed by the other end")
                return None
            if lines := self.take(data):
                return lines

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that are now complete. If one is too long, those before it are returned,
        and `read_on` raises WireError; if it is the first, this method does."""
        self.heard = self._now()
        lines = self.framing.feed(data)
        if self.unfinished_limit is not None:
            if not self.framing.unfinished():
                self.unfinished = None
            elif lines or self.unfinished is None:
                self.unfinished = self.heard + self.unfinished_limit
        if not lines and self.framing.fault:
            raise self.framing.fault
        return lines

    def read_on(self) -> None:
        """Read on after lines were handled. WireError if the next line is too long. A half-read
        line gets its full time again, because the delay was not the other end's."""
        if self.unfinished is not None:
            self.unfinished = self._now() + self.unfinished_limit
        if self.framing.fault:
            raise self.framing.fault

    def due(self) -> float | None:
        """Return when a line, or the rest of a line, is due; None: never. Turns may change it."""
        due = self._due_if_on_time()
        return None if due is None else due + self.more_patience()

    def _due_if_on_time(self) -> float | None:
        return min([due for due in (self.deadline, self.unfinished) if due is not None],
                   default=None)

    def is_overdue(self) -> bool:
        """Return whether a line, or the rest of a line, is overdue."""
        due = self.due()
        return due is not None and due <= self._now()

    def last_look(self) -> bool:
        """Return, once per deadline, whether to read again: the line may have come in time."""
        due = self._due_if_on_time()
        first, self._looked_for = due != self._looked_for, due
        return first

    def look_again(self) -> None:
        """Allow another last look, because there is more time after all."""
        self._looked_for = None

    def what_is_overdue(self) -> str:
        """Return what is overdue, in words for the output file."""
        if self.unfinished is not None and self.unfinished <= self._now():
            return "a message was not finished in time"
        return self.framing.late

    def end_of_stream(self, reason: str) -> None:
        """Close the link, because either end has ended the stream."""
        self.cut_short = not self.ended and self.framing.unfinished()
        self.close(reason)

    def finish(self) -> None:
        """Close the connection: the last thing that happens to a link."""
        self.close("closed")
        with self._lock:
            if self.connection is not None:
                self.connection.close()
            self._backlog = Backlog()

    # For everyone.

    def send(self, data: bytes, urgent: bool = False) -> None:
        """Send whole lines, now or by the flusher. Urgent lines overtake the backlog. An Answer,
        which the other end has requested, makes no origin wait."""
        with self._lock:
            if self.ended or self._broken:
                return
            if not self._backlog.size:
                try:
                    sent = self.connection.send(data, self.connection.flags)
                except OSError as error:
                    sent = self._not_sent(data, error)
                if sent == len(data):
                    return
                self._taken = self._now()
                self._backlog.sent(data, sent, type(data) is Answer)
            elif urgent:
                self._backlog.overtake(data)
            else:
                self._backlog.append(data)
            if self._backlog.size > self._limit:
                self._end(OVERFLOW)
        self._flusher.watch(self)

    def flush(self) -> None:
        """Send as much of the backlog as the other end takes. The flusher calls it."""
        with self._lock:
            while self._backlog.size and not self.ended:
                chunk, asked = self._backlog.take()
                try:
                    sent = self.connection.send(chunk, self.connection.flags)
                except OSError as error:
                    sent = self._not_sent(chunk, error)
                self._backlog.sent(chunk, sent, asked)
                if sent:
                    self._taken = self._now()
                if sent < len(chunk):
                    return

    def _not_sent(self, data: bytes, error: OSError) -> int:
        """Return how many bytes count as sent: 0 if it would block, else all. Expects the lock."""
        if isinstance(error, BlockingIOError):
            return 0
        self._broken = True  # the reader finds out why after reading the rest
        self._backlog = Backlog()
        return len(data)

    def close(self, reason: str) -> None:
        """End the link; only the first reason counts. What the connection took still arrives."""
        with self._lock:
            self._end(reason)

    def _end(self, reason: str) -> None:
        """Wake the reader, which then finishes. Expects the lock."""
        if not self.ended:
            self.reason, self.ended = reason, True  # in this order, because others read it
            if self.connection is not None:
                self.connection.shutdown()

    def trust(self, limit: int | None = None) -> None:
        """Expect no line, and allow a longer backlog, of `limit` bytes or as the settings say,
        because the other end has introduced itself."""
        self.deadline = None
        self._limit = limit or self._settings.backlog_limit

    def takes(self) -> bool:
        """Return whether what is sent may still arrive."""
        return not (self.ended or self._broken)

    def waiting(self) -> int:
        """Return the bytes of backlog that may be sent now; 0 after the end."""
        with self._lock:
            return 0 if self.ended else self._backlog.size

    def pauses_origin(self, now: float, patience: float = ORIGIN_PATIENCE) -> bool:
        """Return whether new messages wait for it: its unrequested backlog is long, but has shrunk
        within `patience` seconds."""
        return self._backlog.unasked > ORIGIN_LIMIT and self.is_read(now, patience)

    def is_read(self, now: float, patience: float) -> bool:
        """Return whether the bytes that wait have become fewer within `patience` seconds."""
        return not self.ended and now - self._taken < patience

    def unread(self) -> int:
        """Return how many bytes the other machine has not confirmed, as far as this system tells;
        0 for a few. When this process ends, they may be lost."""
        with self._lock:
            size = 0 if self.ended else self._backlog.size + self.connection.unread()
            if size < self._unread:
                self._taken = self._now()
            self._unread = size
        return size if size > FEW else 0

    def fileno(self) -> int:
        return self.connection.fileno()
