"""The server of the live page: HTTP, usually on loopback, and streams of events.

`Server.serve(ended)` lets the network be followed, and takes connections, until `ended` can be
read. A thread for each connection answers it; so whoever is slow makes nobody wait. A request has
five seconds; a page that does not read is dropped, and comes back by itself. One lock is held by
whoever looks at the network, follows it, or carries out an order. Who may ask for what:
live_requests.py.
"""

import contextlib
import json
import math
import os
import pathlib
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Iterator

from gossip.lab.pictures.live_follow import Follow
from gossip.lab.pictures.live_lines import open_file
from gossip.lab.pictures.live_requests import LOOPBACK, Gate, Refused, Request
from gossip.terminal.folders import REPORT

REQUEST_TIME = 5.0  # seconds after the connect in which a request is complete, and answered
CONNECTIONS, STREAMS = 64, 24  # at most
STALLED = 10.0  # seconds without a byte taken, after which a page is dropped
AHEAD = 256 * 1024  # bytes that are taken from the log at a time
TICK = 0.1  # seconds between two blocks
REST = 1.0  # seconds between two blocks while nothing happens
BREATH = 0.001  # seconds in which pages may look at a long past, between two turns that read it
TAIL, TAIL_LINES = 64 * 1024, 60  # of a node's file: bytes that are looked at, lines shown
LARGEST = 16 * 1024 * 1024  # bytes of a report
PLAIN = "default-src 'none'; frame-ancestors 'none'"
# A page from a file may do nothing here: it is of no origin, and may load nothing.
OF_REPORT = ("sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
             "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
            405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
            411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
            431: "Request Header Fields Too Large", 503: "Service Unavailable"}
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


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
        self._ticked = threading.Condition()  # the lock; each tick tells those that wait
        self._open: dict[socket.socket, bool] = {}  # connection -> whether it is a stream

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self._host}:{self.port}/{self.token}/"

    def serve(self, ended) -> None:
        """Serve until the socket or file `ended` can be read; OSError when the folder cannot."""
        tick_at = 0.0
        with selectors.DefaultSelector() as selector:
            for one in (self._listener, ended):
                selector.register(one, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now >= tick_at or self._follow.is_behind:
                    with self._ticked:
                        self._follow.turn(_micros())
                        self._figures = None
                        if now >= tick_at:
                            tick_at = now + TICK
                            self._ticked.notify_all()
                pause = BREATH if self._follow.is_behind else max(0.0, tick_at - time.monotonic())
                ready = [key.fileobj for key, _ in selector.select(pause)]
                if ended in ready:
                    return
                if self._listener in ready:
                    self._accept()

    def close(self) -> None:
        """Close everything; from now on no order is carried out."""
        self._listener.close()
        with self._ticked:
            for sock in list(self._open):
                self._drop(sock)
            self._ticked.notify_all()

    # Connections.

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it went meanwhile, or there is no descriptor left
        with self._ticked:
            if len(self._open) >= CONNECTIONS:
                self._drop(next(one for one, streams in self._open.items() if not streams))
            self._open[sock] = False
        try:
            threading.Thread(target=self._handle, args=(sock,), name="page", daemon=True).start()
        except RuntimeError:  # the system has no room for one more thread
            with self._ticked, sock:
                self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        """End a connection; with the lock held. Its thread wakes up, and closes it."""
        self._open.pop(sock, None)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    def _handle(self, sock: socket.socket) -> None:
        """Answer one connection: what its thread does."""
        since = time.monotonic()
        try:
            with sock, contextlib.suppress(OSError):  # it hung up, or takes nothing
                try:
                    self._answer(sock, self._request(sock, since + REQUEST_TIME), since)
                except Refused as refusal:
                    self._send(sock, since, refusal.status, _TEXT, f"{refusal}\n".encode())
                self._see_off(sock, since + 2 * REQUEST_TIME)
        finally:
            with self._ticked:
                self._open.pop(sock, None)

    def _request(self, sock: socket.socket, until: float) -> Request:
        """The request that comes by then; OSError when nobody asks any more."""
        data = b""
        while True:
            sock.settimeout(max(BREATH, until - time.monotonic()))
            try:
                more = sock.recv(65_536)
            except TimeoutError:
                raise Refused(408, "the request took too long") from None
            if not more:
                raise ConnectionAbortedError
            data += more
            request = self._gate.judge(data, self._do is not None)
            if request is not None:
                return request

    def _see_off(self, sock: socket.socket, until: float) -> None:
        """The answer is sent. The other side hangs up: whoever hangs up with something unread in
        its socket may take the answer away from it."""
        sock.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(65_536):
                return

    # Answers.

    def _answer(self, sock: socket.socket, request: Request, since: float) -> None:
        if request.what == "page":
            self._send(sock, since, 200, _HTML, self._page, self._policy)
        elif request.what == "node":
            with self._ticked:
                path = self._follow.path_of(request.number)
            self._send(sock, since, 200, _TEXT, last_lines(path))
        elif request.what == "report":
            self._send(sock, since, 200, _HTML, report(self._follow.folder), OF_REPORT)
        elif request.what == "do":
            with self._ticked:
                if sock not in self._open:
                    return  # dropped meanwhile, or all is at its end
                status, line = self._do(request.order)
            self._send(sock, since, status, _TEXT, f"{line}\n".encode())
        else:
            self._stream(sock, since)

    def _send(self, sock: socket.socket, since: float, status: int, kind: str,
              body: bytes | None, policy: str = PLAIN) -> None:
        """Answer with a body, in time; without one the answer goes on."""
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        head = "\r\n".join([
            f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}", *length,
            f"Content-Security-Policy: {policy}", "Referrer-Policy: no-referrer",
            "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close",
            "", ""])
        sock.settimeout(max(BREATH, since + 2 * REQUEST_TIME - time.monotonic()))
        sock.sendall(head.encode() + (body or b""))

    # Streams.

    def _stream(self, sock: socket.socket, since: float) -> None:
        with self._ticked:
            if sum(self._open.values()) >= STREAMS:
                raise Refused(503, f"{STREAMS} pages are open")
            self._open[sock] = True
        self._send(sock, since, 200, "text/event-stream", None)
        for block in self._blocks(sock):
            if _has_hung_up(sock):
                return
            sock.settimeout(STALLED)
            while block:
                block = block[sock.send(block):]

    def _blocks(self, sock: socket.socket) -> Iterator[memoryview]:
        """Yield the next events for a page again and again, perhaps none, until it has to begin
        anew."""
        log, number, told_at = self._follow.log, 0, -math.inf
        while True:
            block = b""
            with self._ticked:
                if number == log.end and sock in self._open:
                    self._ticked.wait()
                if log is not self._follow.log or sock not in self._open:
                    return
                events, number = log.read(number, AHEAD)
                now = time.monotonic()
                if events or now >= told_at + REST:
                    block, told_at = self._block(events, told_at == -math.inf), now
            yield memoryview(block)

    def _block(self, events: list[bytes], is_first: bool) -> bytes:
        head, begin = b"", b""
        if is_first:
            head, begin = b"retry: 300\n", b'"begin":%d,' % self._follow.begin(_micros())
        if self._figures is None:
            figures = {**self._follow.figures(_micros()), "verdict": self.verdict,
                       "report": self._report if has_report(self._follow.folder) else None}
            self._figures = json.dumps(figures, separators=(",", ":")).encode()[1:]
        return b'%sdata: {"figures":{%s%s,"events":[%s]}\n\n' % (
            head, begin, self._figures, b",".join(events))


def _has_hung_up(sock: socket.socket) -> bool:
    """Whether the other side has; what it says instead is read, and forgotten."""
    sock.settimeout(0)
    try:
        return not sock.recv(65_536)
    except BlockingIOError:
        return False


# Files that a page asks for.

def last_lines(path: pathlib.Path | None) -> bytes:
    """The last whole lines of a node's file; Refused when there is none."""
    try:
        if path is None:
            raise FileNotFoundError
        with open(open_file(path), "rb", buffering=0) as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            lines = file.read(TAIL).split(b"\n")
    except OSError:
        raise Refused(404, "there is no such node, or no file of it that can be read") from None
    return b"\n".join(lines[-TAIL_LINES - 1:-1]) + b"\n"


def report(folder: pathlib.Path) -> bytes:
    """The report that `runner.py plot` has made; Refused when there is none."""
    if not has_report(folder):
        raise Refused(404, "there is no report: python runner.py plot makes it")
    try:
        with open(open_file(folder / REPORT), "rb") as file:
            found = file.read(LARGEST + 1)
    except OSError:
        raise Refused(404, "the report cannot be read") from None
    if len(found) > LARGEST:
        raise Refused(404, f"the report is large: open {REPORT} itself in a browser")
    return found


def has_report(folder: pathlib.Path) -> bool:
    """Whether there is one."""
    return os.path.isfile(folder / REPORT)


def _micros() -> int:
    return time.time_ns() // 1000
