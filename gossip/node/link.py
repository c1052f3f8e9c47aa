"""A link: one connection that carries lines, and who is at its other end.

One thread reads the connection: it alone calls `take` and `read_on`. The node calls the rest in its
turns. Only the flusher's `flush`, and the `close` of a reader whose stream has ended, come outside
of turns, so there is a lock. `send` and `close` never block. Bytes that the other end does not take
at once wait in a bounded backlog, which the flusher empties. A link does not know what lines mean,
and it has no socket: its connection is any object with `send(data)`, which answers how many bytes
were taken or raises BlockingIOError, `shutdown()`, `close()` and, where a flusher waits for it,
`fileno()`.

Bytes are cut into lines by `Lines`. Some programs (telnet) end a line in `\\r\\n`; all `\\r` before
a `\\n` are dropped before the line is used: if only the last were dropped, the next peer would drop
another one, and the two would not have the same message.
"""

import threading

from gossip.addresses import Address
from gossip.node.backlog import Backlog
from gossip.settings import Settings
from gossip.wire import LINE_LIMIT, Answer, WireError

NO_TIME = 0.001  # seconds to connect where there is no time left: it fails, and says why
WAITING_BACKLOG = 256 * 1024  # bytes that may wait for one that has not introduced itself
ORIGIN_PATIENCE = 1.0  # seconds without progress after which it keeps no origin waiting
OVERFLOW = "backlog overflow"  # the reason when the other end does not read


class Lines:
    """Lines that end in `\\n`, each at most `limit` bytes long, with any `\\r` at its end."""

    late = "no valid line in time"  # the reason when no line came by the deadline

    def __init__(self, limit: int = LINE_LIMIT):
        self._limit = limit
        self._rest = b""  # the beginning of a line that has not ended yet
        self.fault: WireError | None = None  # why the stream ends after the lines returned last

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, up to the first that is too long."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        if len(data) > self._limit:
            for at, line in enumerate(lines):
                if len(line) > self._limit:
                    self.fault = WireError(f"line longer than {self._limit} bytes")
                    del lines[at + 1:]
                    break
        self._rest = lines.pop()
        if b"\r" in data:
            lines = [line.rstrip(b"\r") for line in lines]
        return lines

    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)


def on_time() -> float:
    """The seconds that a node which is never late adds to its patience."""
    return 0.0


class Link:
    """One connection. `role` and `peer` say what it is for and where it leads."""

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None,
                 framing=Lines):
        self.role = role  # what it is for; see ANSWERS in gossip/node/part.py
        self.peer: Address | None = None  # the announced address at the other end, once known
        self.remote = ""  # IP:PORT of the connection itself
        self.remote_ip = ""
        self.probe = None  # the Probe that this link was made for, if it was
        self.cover = None  # the signed line that came last, which speaks for the lines behind it
        self.proof = None  # the Proof that came last, for the line behind it; for the reader alone
        # START of the run that its other end has proved, if gossip is signed; TIME of the dial
        self.run: tuple[int, float] | None = None
        self.repetitions = 0  # lines that were known here; counted by the reader
        self.answered = 0.0  # when `ask_known_peers` was answered last; for the reader alone
        self.heard = 0.0  # when bytes came last
        self.rest_until = 0.0  # no more is read before then; set while lines are handled
        self.lacked = False  # it was not connected, because this machine is short of something
        self.cut_short = False  # the other end ended the stream inside a line
        self.deadline: float | None = None  # when the next line is due, if its node is on time
        self.more_patience = on_time  # answers the seconds that are added while its node is late
        self.unfinished_limit: float | None = None  # seconds from a line's first byte to its last
        self.unfinished: float | None = None  # when a half-read line has to be complete
        self._looked_for: float | None = None  # what was due when it was looked for at last
        self.framing = framing()
        self._settings = settings
        self._flusher = flusher
        self._now = now  # the clock of `deadline`, `heard` and all other times
        self._lock = threading.Lock()  # orders the bytes, as the flusher sends outside of turns
        self.connection = connection  # None until `attach`
        self.ended = False  # closed by either end; set once, read by everyone
        self.reason = ""  # why it ended, in words for the output file; set before `ended`
        self._open = True  # the connection is not closed yet
        self._backlog = Backlog()
        self._limit = WAITING_BACKLOG
        self._held = False  # `send` only fills the backlog, until `release`
        self._broken = False  # nothing can be sent any more
        self._taken = 0.0  # when the backlog began, or the other end last took bytes from it

    # For the one thread that connects and reads.

    def attach(self, connection) -> None:
        """Give a link that is dialled its connection; ConnectionAbortedError after its end."""
        with self._lock:
            if self.ended:
                raise ConnectionAbortedError(self.reason)
            self.connection = connection

    def time_to_connect(self) -> float:
        """Seconds within which it has to be connected: before a line is due."""
        limit, due = self._settings.probe_limit, self.due()
        return limit if due is None else max(NO_TIME, min(limit, due - self._now()))

    def connected(self, ip: str, port: int) -> None:
        """Note where the connection leads."""
        self.remote_ip = ip
        self.remote = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def take(self, data: bytes) -> list[bytes]:
        """Take bytes that have come; return the lines that are complete now. WireError when the
        first line is too long; when a later one is, `read_on` raises it."""
        self.heard = self._now()
        lines = self.framing.feed(data)
        if self.unfinished_limit is not None:
            self._limit_unfinished(bool(lines))
        if not lines and self.framing.fault:
            raise self.framing.fault
        return lines

    def _limit_unfinished(self, anew: bool) -> None:
        """Set the time by which a half-read line has to be complete."""
        if not self.framing.unfinished():
            self.unfinished = None
        elif anew or self.unfinished is None:
            self.unfinished = self.heard + self.unfinished_limit

    def read_on(self) -> None:
        """The lines taken last have been handled. A half-read line gets its full time again, as the
        handling was no delay of the other end. WireError when a line after them is too long."""
        if self.unfinished is not None:
            self.unfinished = self._now() + self.unfinished_limit
        if self.framing.fault:
            raise self.framing.fault

    def due(self) -> float | None:
        """When a line, or the rest of one, is due; None: never. Other threads may change it, and
        so does the lateness of this link's node."""
        due = self._due_if_on_time()
        return None if due is None else due + self.more_patience()

    def is_overdue(self, now: float) -> bool:
        """Whether a line, or the rest of one, is due by now."""
        due = self.due()
        return due is not None and due <= now

    def _due_if_on_time(self) -> float | None:
        deadline, unfinished = self.deadline, self.unfinished
        if deadline is None or unfinished is None:
            return deadline if unfinished is None else unfinished
        return min(deadline, unfinished)

    def last_look(self) -> bool:
        """Whether to read once more, because the overdue line may have come in time: True once for
        each deadline that passes."""
        due = self._due_if_on_time()
        first, self._looked_for = due != self._looked_for, due
        return first

    def look_again(self) -> None:
        """There is more time after all: when that is over, there is another look."""
        self._looked_for = None

    def overdue(self) -> str:
        """Say what is overdue, in words for the output file."""
        if self.unfinished is not None and self.unfinished <= self._now():
            return "a message was not finished in time"
        return self.framing.late

    def end_of_stream(self, reason: str) -> None:
        """Nothing more will come: the other end has ended the stream, or this one has."""
        self.cut_short = not self.ended and self.framing.unfinished()
        self.close(reason)

    def finish(self) -> None:
        """Close the connection: the last thing that happens to a link."""
        self.close("closed")
        self._flusher.forget(self)
        with self._lock:
            self._open = False
            if self.connection is not None:
                self.connection.close()
            self._backlog.clear()

    # For everyone.

    def send(self, data: bytes, urgent: bool = False) -> None:
        """Send whole lines, now or by the flusher; urgent ones overtake the backlog. Lines that
        the other end has asked for (a wire.Answer) keep no origin waiting."""
        with self._lock:
            if self.ended or self._broken:
                return
            if not self._backlog.size and not self._held:
                try:
                    sent = self.connection.send(data)
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
            held = self._held
        if not held:
            self._flusher.watch(self)

    def hold(self) -> None:
        """Let `send` only fill the backlog, until `release` sends the first line."""
        with self._lock:
            self._held = True

    def release(self, first: bytes) -> None:
        """Send the first line, then what has waited behind it."""
        with self._lock:
            self._held = False
            self._backlog.overtake(first)
            self._send_backlog()
            waiting = self._backlog.size
        if waiting:
            self._flusher.watch(self)

    def flush(self) -> None:
        """Send as much of the backlog as the other end takes. Called by the flusher."""
        with self._lock:
            self._send_backlog()

    def _send_backlog(self) -> None:
        """Expects the lock."""
        while self._backlog.size and not self.ended and not self._held:
            chunk, asked = self._backlog.take()
            try:
                sent = self.connection.send(chunk)
            except OSError as error:
                sent = self._not_sent(chunk, error)
            if self._broken:
                return
            self._backlog.sent(chunk, sent, asked)
            if sent:
                self._taken = self._now()
            if sent < len(chunk):
                return

    def _not_sent(self, data: bytes, error: OSError) -> int:
        """The connection takes nothing now, or never again: answer how many bytes are settled.
        Expects the lock."""
        if isinstance(error, BlockingIOError):
            return 0
        self._broken = True  # the reader finds out why, once it has read the rest
        self._backlog.clear()
        return len(data)

    def close(self, reason: str) -> None:
        """End the link and drop its backlog; bytes that the connection took still arrive. Only the
        first reason counts."""
        with self._lock:
            self._end(reason)

    def _end(self, reason: str) -> None:
        """Wake the reader, which then finishes. Expects the lock."""
        if self.ended:
            return
        self.reason = reason
        self.ended = True
        if self._open and self.connection is not None:
            self.connection.shutdown()

    def trust(self) -> None:
        """The other end has introduced itself: no line is due, and its backlog may be longer."""
        self.deadline = None
        self._limit = self._settings.backlog_limit

    def await_line(self, deadline: float) -> None:
        """Expect a line by the deadline."""
        self.deadline = deadline

    def await_no_line(self) -> None:
        """Expect nothing for now; a deadline may follow."""
        self.await_line(float("inf"))

    def prolong(self, deadline: float) -> None:
        """Move the deadline, unless there is none (None) or it is infinite."""
        if self.deadline is not None and self.deadline != float("inf"):
            self.deadline = deadline

    def waiting(self) -> int:
        """How many bytes of the backlog may be sent now; 0 for a link that has ended."""
        with self._lock:
            return 0 if self.ended or self._held else self._backlog.size

    def pauses_origin(self, now: float, patience: float | None = None) -> bool:
        """Whether new messages have to wait: much that the other end did not ask for waits for it,
        and it has read something within the last seconds, `patience` of them if that is given."""
        return (self._backlog.unasked > self._settings.origin_limit and not self.ended
                and now - self._taken < (patience or ORIGIN_PATIENCE))

    def fileno(self) -> int:
        return self.connection.fileno()
