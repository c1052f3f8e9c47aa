"""The server of the live page: HTTP, usually on loopback, one thread, and streams of events.

`Server.serve(ended)` answers and lets the network be followed, in turn, until `ended` can be read.
Nobody makes it stand still: no socket is waited for, a request has five seconds, a page that does
not read is dropped and comes back by itself. Who may ask for what: live_requests.py.
"""

import json
import secrets
import selectors
import socket
import time

from gossip.pictures.live_files import has_report, last_lines, report
from gossip.pictures.live_follow import Follow
from gossip.pictures.live_requests import LOOPBACK, Gate, Refused, Request

REQUEST_TIME = 5.0  # seconds after the connect in which a request is complete, and answered
CONNECTIONS, STREAMS = 64, 24  # at most
STALLED = 10.0  # seconds without a byte taken, after which a page is dropped
BACKLOG = 8 * 1024 * 1024  # bytes that a page may lag behind
AHEAD = 256 * 1024  # bytes that wait for a page's socket, before more is taken from the log
TICK = 0.1  # seconds between two blocks
REST = 1.0  # seconds between two blocks while nothing happens
PLAIN = "default-src 'none'; frame-ancestors 'none'"
# A page from a file may do nothing here: it is of no origin, and may load nothing.
OF_REPORT = ("sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
             "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
            405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
            411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
            431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class _Connection:
    """One connection: a request, then its answer, or a stream."""

    def __init__(self, sock: socket.socket, now: float):
        self.sock = sock
        self.since = self.taken_at = now  # when it came; when it last took a byte
        self.request = b""
        self.out = bytearray()
        self.is_answered = False
        self.reader: _Reader | None = None  # of a stream


class _Reader:
    """How far a page has come in the log."""

    def __init__(self, log):
        self.log = log
        self.joined = len(log.joined_at)
        self.next = log.first
        self.has_all = False  # it has come to the end of the log once
        self.has_begun = False
        self.figures_at = 0.0


class Server:
    """Serves the page of one network. `page` and `policy` are its text and its security policy;
    `do(order)` carries an order out at once, and answers (status, line). Without it there are no
    buttons. `host` is the IP to listen on. `verdict` may be set by another thread."""

    def __init__(self, follow: Follow, page: str, policy: str, port: int = 0, do=None,
                 host: str = LOOPBACK):
        self._follow, self._do = follow, do
        self._page, self._policy = page.encode(), policy
        self.verdict: dict | None = None  # of the proof, once there is one
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=CONNECTIONS)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._host = f"[{host}]" if ":" in host else host
        self.token, report_token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._gate = Gate(self.port, self.token, report_token, self._host)
        self._report = f"/{report_token}/report"
        self._figures: bytes | None = None  # as they are since the last turn, for all pages
        self._connections: dict[socket.socket, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self._host}:{self.port}/{self.token}/"

    def serve(self, ended) -> None:
        """Serve until the socket or file `ended` can be read; OSError when the folder cannot."""
        self._selector.register(ended, selectors.EVENT_READ)
        tick_at = 0.0
        try:
            while True:
                pause = 0.0 if self._follow.is_behind else max(0.0, tick_at - time.monotonic())
                ready = self._selector.select(pause)
                if any(key.fileobj is ended for key, _ in ready):
                    return
                for key, mask in ready:
                    self._serve_ready(key.fileobj, mask)
                now = time.monotonic()
                if now >= tick_at or self._follow.is_behind:
                    self._follow.turn(_micros())
                    self._figures = None
                if now >= tick_at:
                    tick_at = now + TICK
                    self._tick(now)
        finally:
            self._selector.unregister(ended)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._listener.close()
        self._selector.close()
        self._follow.close()

    # What sockets tell.

    def _serve_ready(self, sock, mask: int) -> None:
        if sock is self._listener:
            self._accept()
            return
        connection = self._connections.get(sock)
        if connection is not None and mask & selectors.EVENT_READ:
            self._read(connection)
        if sock in self._connections and mask & selectors.EVENT_WRITE:
            self._write(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it went meanwhile, or there is no descriptor left
        sock.setblocking(False)
        if len(self._connections) >= CONNECTIONS:
            oldest = next((one for one in self._connections.values() if one.reader is None), None)
            if oldest is not None:
                self._drop(oldest)
        self._connections[sock] = _Connection(sock, time.monotonic())
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
        elif not connection.is_answered:  # what follows a request is read, and forgotten
            connection.request += data
            self._judge(connection)

    def _judge(self, connection: _Connection) -> None:
        try:
            request = self._gate.judge(connection.request, self._do is not None)
            if request is not None:
                self._answer(connection, request)
        except Refused as refusal:
            self._refuse(connection, refusal)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.out[:AHEAD])
            connection.taken_at = time.monotonic()
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        del connection.out[:sent]
        if connection.reader is not None and len(connection.out) < AHEAD:
            self._feed(connection, time.monotonic())
        elif not connection.out and connection.reader is None:
            self._end(connection)
        self._watch(connection)

    def _end(self, connection: _Connection) -> None:
        """The answer is sent. The other side hangs up: whoever hangs up with something unread in
        its socket may take the answer away from it."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)

    def _watch(self, connection: _Connection) -> None:
        """Wait for room in the socket as long as something is to be sent."""
        if connection.sock in self._connections:
            mask = selectors.EVENT_WRITE if connection.out else 0
            self._selector.modify(connection.sock, selectors.EVENT_READ | mask)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.sock, None) is not None:
            self._selector.unregister(connection.sock)
            connection.sock.close()

    # Answers.

    def _answer(self, connection: _Connection, request: Request) -> None:
        if request.what == "page":
            self._send(connection, 200, "text/html; charset=utf-8", self._page, self._policy)
        elif request.what == "node":
            self._send(connection, 200, "text/plain; charset=utf-8", last_lines(
                self._follow.path_of(request.number)))
        elif request.what == "report":
            self._send(connection, 200, "text/html; charset=utf-8", report(self._follow.folder),
                       OF_REPORT)
        elif request.what == "do":
            status, line = self._do(request.order)
            self._send(connection, status, "text/plain; charset=utf-8", f"{line}\n".encode())
        else:
            self._begin_stream(connection)

    def _refuse(self, connection: _Connection, refusal: Refused) -> None:
        self._send(connection, refusal.status, "text/plain; charset=utf-8",
                   f"{refusal}\n".encode())

    def _send(self, connection: _Connection, status: int, kind: str, body: bytes | None,
              policy: str = PLAIN) -> None:
        """Answer with a body; without one the answer goes on."""
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        head = "\r\n".join([
            f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}", *length,
            f"Content-Security-Policy: {policy}", "Referrer-Policy: no-referrer",
            "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close",
            "", ""])
        connection.is_answered, connection.request = True, b""
        connection.out += head.encode() + (body or b"")
        self._write(connection)

    # Streams.

    def _begin_stream(self, connection: _Connection) -> None:
        if sum(one.reader is not None for one in self._connections.values()) >= STREAMS:
            raise Refused(503, f"{STREAMS} pages are open")
        connection.reader = _Reader(self._follow.log)
        self._send(connection, 200, "text/event-stream", None)

    def _feed(self, connection: _Connection, now: float) -> None:
        """Put what comes next in a page's log into its stream."""
        reader = connection.reader
        if reader.log is not self._follow.log or self._lost_its_place(reader):
            if not connection.out:
                self._drop(connection)  # it comes back, and begins anew
            return
        events, reader.next = reader.log.read(reader.next, AHEAD)
        reader.has_all |= reader.next == reader.log.end
        if not events and reader.has_begun and now < reader.figures_at + REST:
            return
        connection.out += self._block(reader, events, now)

    def _lost_its_place(self, reader: _Reader) -> bool:
        """Whether blocks were numbered anew that a page has not had yet."""
        joined = reader.log.joined_at[reader.joined:]
        reader.joined += len(joined)
        return any(reader.next < number for number in joined)

    def _block(self, reader: _Reader, events: list[bytes], now: float) -> bytes:
        head, begin = b"", b""
        if not reader.has_begun:
            reader.has_begun, head = True, b"retry: 300\n"
            begin = b'"begin":%d,' % self._follow.begin(_micros())
        reader.figures_at = now
        if self._figures is None:
            figures = {**self._follow.figures(_micros()), "verdict": self.verdict,
                       "report": self._report if has_report(self._follow.folder) else None}
            self._figures = json.dumps(figures, separators=(",", ":")).encode()[1:]
        return b'%sdata: {"figures":{%s%s,"events":[%s]}\n\n' % (
            head, begin, self._figures, b",".join([part for part in events if part]))

    def _tick(self, now: float) -> None:
        """Ten times a second: what has happened goes to the pages, and who is late is dropped."""
        for connection in list(self._connections.values()):
            reader = connection.reader
            if reader is None:
                self._hurry(connection, now)
            elif connection.out and now - connection.taken_at > STALLED or (
                    reader.has_all and reader.log.behind(reader.next, BACKLOG)):
                self._drop(connection)
            elif len(connection.out) < AHEAD:
                self._feed(connection, now)
                if connection.out:
                    self._write(connection)

    def _hurry(self, connection: _Connection, now: float) -> None:
        """Whoever has not asked in time is told so; whoever does not take the answer is left."""
        late = now - connection.since
        if late > 2 * REQUEST_TIME:
            self._drop(connection)
        elif late > REQUEST_TIME and not connection.is_answered:
            self._refuse(connection, Refused(408, "the request took too long"))


def _micros() -> int:
    return time.time_ns() // 1000
