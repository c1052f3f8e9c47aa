"""A link: one TCP connection that carries lines, read by exactly one thread.

`read` is for that thread alone; `send` and `close` are for everyone and never block. What the
other end does not take at once waits in a bounded backlog that the node's flusher empties.
A link knows bytes, lines and who is at the other end; it does not know what lines mean.
"""

import collections
import selectors
import socket
import sys
import threading
import time

from gossip.addresses import Address
from gossip.settings import Settings
from gossip.wire import LINE_LIMIT, WireError

READ_SIZE = 65_536  # bytes asked of the kernel at once
JOIN_SIZE = 262_144  # bytes of waiting chunks joined into one write

OVERFLOW = "backlog overflow"  # why a link ended whose other end does not read

DEADLINE_LOOK = 5.0  # seconds after which a reader looks whether its deadline was changed

DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # Linux: choose it later


class Lines:
    """Framing: cuts a stream of bytes into the lines that it is made of."""

    late = "no valid line in time"  # what to say when nothing came by its deadline

    def __init__(self, limit: int = LINE_LIMIT):
        self._limit = limit
        self._rest = b""  # the beginning of a line that has not ended yet
        self.fault: WireError | None = None  # why nothing can follow what was returned

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, up to the first that is too long."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        if len(data) > self._limit:
            for at, line in enumerate(lines):
                if len(line) > self._limit:
                    self.fault = WireError(f"line longer than {self._limit} bytes")
                    return lines[:at]
        self._rest = lines.pop()
        return lines

    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)


class Link:
    """One connection. `role` and `peer` say what it is for and whom it leads to."""

    def __init__(self, sock: socket.socket | None, flusher, settings: Settings, role: str,
                 framing=Lines):
        self._sock = sock  # None until `connect`
        self._flusher = flusher
        self._settings = settings
        self._framing = framing()
        self.role = role  # what it is for; see ALLOWED in peer.py and seed.py
        self.peer: Address | None = None  # the announced address at the other end, once known
        self.remote = ""  # IP:PORT of the connection itself
        self.remote_ip = ""
        self.deadline: float | None = None  # monotonic time by which a line is due
        self.unfinished_limit: float | None = None  # seconds in which one that has begun is due
        self._unfinished: float | None = None  # monotonic time by which one that has begun is
        self.cut_short = False  # the other end ended the stream inside a line
        self.answered = 0.0  # monotonic time of the last answer to a question; for its reader
        self.heard = 0.0  # monotonic time at which something came last
        self._lock = threading.Lock()  # orders the bytes; guards everything below
        self.ended = False  # closed by either end; set once, read by everyone
        self.reason = ""  # why it ended, in words for the output file; set before `ended`
        self._open = True  # the socket has not been given back
        self._backlog = collections.deque()  # chunks of whole lines, the first perhaps begun
        self._begun = False  # the first chunk is partly sent
        self._held = False  # what is sent waits for `release`
        self._broken = False  # nothing can be sent any more
        self._waiting = 0  # bytes in the backlog
        self._limit = settings.waiting_backlog  # bytes that may wait
        self._taken = 0.0  # when the other end last took bytes from the backlog
        if sock is not None and not DONT_WAIT:
            sock.setblocking(False)

    # For the one thread that reads.

    def connect(self, own: Address, address: Address, limit: float) -> None:
        """Connect from one's own address, within `limit` seconds; OSError when not."""
        with self._lock:
            if self.ended:
                raise ConnectionAbortedError(self.reason)
            self._sock = socket.socket(own.family, socket.SOCK_STREAM)
        self._sock.settimeout(limit)
        if sys.platform == "linux":
            self._sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        self._sock.bind((own.ip, 0))
        self._sock.connect(address.dial)
        self._sock.settimeout(None if DONT_WAIT else 0)
        if self.ended:  # closed before there was a connection to shut down
            raise ConnectionAbortedError(self.reason)
        if self._sock.getsockname() == self._sock.getpeername():
            raise ConnectionRefusedError("connected to itself: nobody listens there")
        self.connected(address.dial)

    def connected(self, remote: tuple[str, int]) -> None:
        """Note who is at the other end of a connection that is up."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ip, port = remote
        self.remote_ip = ip
        self.remote = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def read(self) -> list[bytes] | None:
        """Wait for whole lines; None at the end. WireError when too long or too late."""
        if self._unfinished is not None:  # what took the time since was done here
            self._unfinished = time.monotonic() + self.unfinished_limit
        while True:
            if self._framing.fault:
                raise self._framing.fault
            try:
                data = self._receive()
            except BlockingIOError:
                self._wait_readable()
                continue
            except OSError as error:
                self._end_of_stream(error.strerror or str(error))
                return None
            if not data:
                self._end_of_stream("closed by the other end")
                return None
            self.heard = time.monotonic()
            lines = self._framing.feed(data)
            if self.unfinished_limit is not None:
                self._limit_unfinished(bool(lines))
            if lines:
                return lines

    def _end_of_stream(self, reason: str) -> None:
        """The other end has ended it, or we have."""
        self.cut_short = not self.ended and self._framing.unfinished()
        self.close(reason)

    def _limit_unfinished(self, anew: bool) -> None:
        """What has begun is due some time after it began."""
        if not self._framing.unfinished():
            self._unfinished = None
        elif anew or self._unfinished is None:
            self._unfinished = self.heard + self.unfinished_limit

    def _lateness(self) -> str:
        """What has not come in time."""
        if self._unfinished is not None and self._unfinished <= time.monotonic():
            return "a message was not finished in time"
        return self._framing.late

    def _due(self) -> float | None:
        """When something is due; other threads change the deadline."""
        deadline, unfinished = self.deadline, self._unfinished
        if deadline is None or unfinished is None:
            return deadline if unfinished is None else unfinished
        return min(deadline, unfinished)

    def _receive(self) -> bytes:
        """What has come; waits for it unless it is due by some time (BlockingIOError then). Mostly
        it is there already, and looking before waiting costs less than waiting first."""
        deadline = self._due()
        if deadline is None:
            return self._sock.recv(READ_SIZE)
        if deadline <= time.monotonic():
            raise WireError(self._lateness())
        return self._sock.recv(READ_SIZE, DONT_WAIT)

    def _wait_readable(self) -> None:
        """Wait for something to read, for a while; a deadline may be set by other threads."""
        deadline = self._due()
        wait = DEADLINE_LOOK
        if deadline is not None:
            wait = min(wait, deadline - time.monotonic())
            if wait <= 0:
                raise WireError(self._lateness())
        with Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.select(wait)

    def finish(self) -> None:
        """Give the socket back: the last thing that the reading thread does."""
        self.close("closed")
        self._flusher.forget(self)
        with self._lock:
            self._open = False
            if self._sock is not None:
                self._sock.close()
            self._backlog.clear()
            self._waiting = 0

    # For everyone.

    def send(self, data: bytes, urgent: bool = False) -> None:
        """Send whole lines, now or by the flusher; urgent ones overtake what waits."""
        with self._lock:
            if self.ended or self._broken:
                return
            if not self._backlog and not self._held:
                sent = self._send_now(data)
                if sent == len(data):
                    return
                self._begun = sent > 0
                self._taken = time.monotonic()
                data = data[sent:]
            if urgent and self._backlog:
                self._backlog.insert(1 if self._begun else 0, data)
            else:
                self._backlog.append(data)
            self._waiting += len(data)
            if self._waiting > self._limit:
                self._end(OVERFLOW)
            held = self._held
        if not held:
            self._flusher.watch(self)

    def hold(self) -> None:
        """Let what is sent wait: the first word on this link has not been said yet."""
        with self._lock:
            self._held = True

    def release(self, first: bytes) -> None:
        """Send the first word, then what has waited for it."""
        with self._lock:
            self._held = False
            self._backlog.insert(1 if self._begun else 0, first)
            self._waiting += len(first)
            self._send_backlog()
            waiting = self._waiting
        if waiting:
            self._flusher.watch(self)

    def flush(self) -> None:
        """Send what waits, as much as the other end takes. Called by the flusher."""
        with self._lock:
            self._send_backlog()

    def _send_backlog(self) -> None:
        """Expects the lock."""
        while self._backlog and not self.ended and not self._held:
            chunk = self._next_chunk()
            sent = self._send_now(chunk)
            if self._broken:
                return
            self._waiting -= sent
            if sent:
                self._taken = time.monotonic()
            if sent < len(chunk):
                self._begun = self._begun or sent > 0
                self._backlog.appendleft(chunk[sent:])
                return
            self._begun = False

    def _next_chunk(self) -> bytes:
        """Take the next bytes to write, small chunks joined. Expects the lock."""
        chunks = [self._backlog.popleft()]
        size = len(chunks[0])
        while self._backlog and not self._begun and size < JOIN_SIZE:
            chunks.append(self._backlog.popleft())
            size += len(chunks[-1])
        return b"".join(chunks)

    def _send_now(self, data: bytes) -> int:
        """Hand the kernel what it takes; returns the number of bytes. Expects the lock."""
        try:
            return self._sock.send(data, DONT_WAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self._broken = True  # the reader will find out why, after what came before it
            self._backlog.clear()
            self._waiting = 0
            return len(data)

    def close(self, reason: str) -> None:
        """End the link, what was sent so far still arrives; the first reason counts."""
        with self._lock:
            self._end(reason)

    def _end(self, reason: str) -> None:
        """Wake the reader, which then finishes. Expects the lock."""
        if self.ended:
            return
        self.reason = reason
        self.ended = True
        if self._open and self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was not connected, or no longer

    def trust(self) -> None:
        """The other end has introduced itself: no line is due, and more may wait for it."""
        with self._lock:
            self.deadline = None
            self._limit = self._settings.backlog_limit

    def await_line(self, deadline: float) -> None:
        """Expect a line by then."""
        with self._lock:
            self.deadline = deadline

    def prolong(self, deadline: float) -> None:
        """Expect the next line by then, if one is expected at all and not for ever."""
        with self._lock:
            if self.deadline is not None and self.deadline != float("inf"):
                self.deadline = deadline

    def waiting(self) -> int:
        """Bytes in the backlog that may be sent; 0 for a link that has ended."""
        with self._lock:
            return 0 if self.ended or self._held else self._waiting

    def pauses_origin(self, now: float) -> bool:
        """Whether much waits for an other end that still takes it."""
        with self._lock:
            return (not self.ended and self._waiting > self._settings.origin_limit
                    and now - self._taken < self._settings.origin_patience)

    def fileno(self) -> int:
        return self._sock.fileno()
