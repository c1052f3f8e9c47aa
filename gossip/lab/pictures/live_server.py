"""The live page and its HTTP server, with streams of events.

The page holds its style and its script, and loads nothing; its security policy allows these two, by
their hashes. A thread (`Server.serve`) follows the network, another accepts connections, and each
connection has its own, so that a slow browser makes nobody wait. All pages read the same bounded
log, so a page that does not read takes no memory. The lock `ticked` is held while a thread looks at
the network, follows it, or carries out an order. live_requests.py judges requests.
"""

import base64
import contextlib
import hashlib
import http
import json
import os
import pathlib
import socket
import socketserver
import string
import threading
import time
from collections.abc import Iterator

from gossip.lab.pictures.live_follow import Follow
from gossip.lab.pictures.live_lines import open_file
from gossip.lab.pictures.live_requests import (
    HEAD_LIMIT, LOOPBACK, Gate, Refused, demand, parsed_order)
from gossip.terminal.command_line import FAILED, CommandError, complain, show
from gossip.terminal.folders import REPORT, shown
from gossip.terminal.input import End

STYLES = "page.css", "live_page.css"
SCRIPTS = tuple(f"live_{part}.js" for part in (
    "model", "layout", "waves", "shapes", "picture", "panels", "orders", "stream", "page"))
REQUEST_TIME = 5.0  # seconds without a byte of a request, after which it is refused
CONNECTIONS, STREAMS = 64, 24  # at most
STALLED = 10.0  # seconds without a byte taken, after which a page is dropped
AHEAD = 256 * 1024  # bytes that are taken from the log at a time
TICK = 0.1  # seconds between two blocks
REST = 1.0  # seconds between two blocks while nothing happens
BREATH = 0.001  # seconds for pages between two turns that read a long past
TAIL, TAIL_LINES = 64 * 1024, 60  # bytes read at the end of a node's file, lines shown
LARGEST = 16 * 1024 * 1024  # bytes of a report
SAFE = ("Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n")
PLAIN = "default-src 'none'; frame-ancestors 'none'"
# A report is from a file, so it may do nothing here. It is of no origin, and loads nothing.
OF_REPORT = ("sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
             "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
_HERE = pathlib.Path(__file__).parent
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


def page(orders: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return the page with buttons for these orders, and its security policy."""
    style, script, text = (
        "".join((_HERE / name).read_text(encoding="utf-8") for name in names)
        for names in (STYLES, SCRIPTS, ("live_page.html",)))
    of_style, of_script = (
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        for part in (style, script))
    text = string.Template(text).substitute(style=style, script=script, orders=" ".join(orders))
    return text, (f"default-src 'none'; script-src 'sha256-{of_script}'; "
                  f"style-src 'sha256-{of_style}'; img-src data:; connect-src 'self'; "
                  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


class Server(socketserver.ThreadingTCPServer):
    """The server of a network's page, at the IP `host`. `do(order)` carries an order out at once,
    and returns (status, line). The page has buttons for these `orders`."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, folder: pathlib.Path, port: int = 0, do=None, orders: tuple[str, ...] = (),
                 host: str = LOOPBACK):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Visit)
        self.port = self.server_address[1]
        self.do = do
        self.text, self.policy = page(orders)
        name = f"[{host}]" if ":" in host else host
        self.gate = Gate(self.port, name)
        self.url = f"http://{name}:{self.port}{self.gate.page}"  # where the page is
        self.follow = Follow(folder)
        self._verdict: dict | None = None  # of the proof, once there is one
        self._figures: bytes | None = None  # since the last turn, for all pages
        self.ticked = threading.Condition()  # the lock; each turn notifies the waiting threads
        self.open: dict[socket.socket, bool] = {}  # connection -> whether it is a stream

    def serve(self, wait) -> None:
        """Serve until `wait(seconds)` is true, or raises, then close everything. OSError when the
        folder cannot be read. No order is carried out afterwards."""
        with self:
            threading.Thread(target=self.serve_forever, args=(TICK,), name="pages",
                             daemon=True).start()
            try:
                pause = 0.0
                while not wait(pause):
                    with self.ticked:
                        self.follow.turn(time.time_ns() // 1000)
                        self._figures = None
                        self.ticked.notify_all()
                    pause = BREATH if self.follow.is_behind else TICK
            finally:
                self.shutdown()
                with self.ticked:
                    for connection in list(self.open):
                        self._drop(connection)
                    self.ticked.notify_all()

    def tell(self, holds: bool, text: str) -> None:
        """Show the verdict and the rows of the proof. Any thread may call this."""
        self._verdict = {"holds": holds, "text": text}

    def process_request(self, request: socket.socket, client_address) -> None:
        """Begin a thread that answers a connection. If there are too many, evict the oldest."""
        with self.ticked:
            if len(self.open) >= CONNECTIONS:
                self._drop(next(one for one, streams in self.open.items() if not streams))
            self.open[request] = False
        super().process_request(request, client_address)

    def close_request(self, request: socket.socket) -> None:
        """Close a connection that was answered, or got no thread."""
        with self.ticked:
            self.open.pop(request, None)
        super().close_request(request)

    def _drop(self, connection: socket.socket) -> None:
        """End a connection, with the lock held. Its thread wakes up, and closes it."""
        self.open.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def block(self, events: list[bytes], is_first: bool) -> bytes:
        """Return a block of a stream, with the lock held."""
        now = time.time_ns() // 1000
        if self._figures is None:
            report = self.gate.report if os.path.isfile(self.follow.folder / REPORT) else None
            figures = {**self.follow.figures(now), "verdict": self._verdict, "report": report}
            self._figures = json.dumps(figures, separators=(",", ":")).encode()[1:]
        begin = b'"begin":%d,' % self.follow.begin(now) if is_first else b""
        return b'%sdata: {"figures":{%s%s,"events":[%s]}\n\n' % (
            b"retry: 300\n" if is_first else b"", begin, self._figures, b",".join(events))


class _Visit(socketserver.StreamRequestHandler):
    """The answer to a request, in the thread of a connection."""

    server: Server

    def handle(self) -> None:
        """Answer, and let the other side hang up first. An answer may be lost when its sender
        closes a socket with unread bytes."""
        self.request.settimeout(REQUEST_TIME)
        with contextlib.suppress(OSError):  # it hung up, or takes nothing
            try:
                self._answer()
            except Refused as refusal:
                self._send(refusal.status, _TEXT, f"{refusal}\n".encode())
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(REQUEST_TIME)
            until = time.monotonic() + REQUEST_TIME
            while self.request.recv(65_536) and time.monotonic() < until:
                pass

    def _answer(self) -> None:
        server = self.server
        try:
            path, length = server.gate.judge(self._head(), server.do is not None)
            body = self.rfile.read(length)
        except TimeoutError:
            raise Refused(408, "the request took too long") from None
        if len(body) < length:
            return  # the other side hung up
        if path == "":
            self._send(200, _HTML, server.text.encode(), server.policy)
        elif path == "stream":
            self._stream()
        elif path == "report":
            report = _end_of(server.follow.folder / REPORT, LARGEST + 1,
                             "there is no report: python runner.py plot makes it")
            if len(report) > LARGEST:
                raise Refused(404, f"the report is large: open {REPORT} itself in a browser")
            self._send(200, _HTML, report, OF_REPORT)
        elif path == "do":
            order = parsed_order(body)
            with server.ticked:
                if self.request not in server.open:
                    return  # dropped meanwhile, or all is at its end
                status, line = server.do(order)
            self._send(status, _TEXT, f"{line}\n".encode())
        else:
            with server.ticked:
                file = server.follow.path_of(int(path.removeprefix("node/"))) or _HERE  # no file
            lines = _end_of(file, TAIL, "there is no such node, or no file of it that can be read")
            self._send(200, _TEXT, b"\n".join(lines.split(b"\n")[-TAIL_LINES - 1:-1]) + b"\n")

    def _head(self) -> bytes:
        """Return the head of the request. OSError when the other side has hung up."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (line := self.rfile.readline(HEAD_LIMIT - len(head))):
                raise ConnectionAbortedError
            head += line
            demand(len(head) < HEAD_LIMIT, 431, "the head of the request is too long")
        return head

    def _stream(self) -> None:
        """Send events, block by block, until the page has to begin anew."""
        server = self.server
        with server.ticked:
            demand(sum(server.open.values()) < STREAMS, 503, f"{STREAMS} pages are open")
            server.open[self.request] = True
        self._send(200, "text/event-stream", None)
        log, number, told_at = server.follow.log, 0, None
        while True:
            with server.ticked:
                if number == log.end and self.request in server.open:
                    server.ticked.wait()
                if log is not server.follow.log or self.request not in server.open:
                    return
                events, number = log.read(number, AHEAD)
                now = time.monotonic()
                if told_at is not None and not events and now < told_at + REST:
                    continue
                block, told_at = server.block(events, told_at is None), now
            self._write(block)

    def _send(self, status: int, kind: str, body: bytes | None, policy: str = PLAIN) -> None:
        """Answer with a body, or with the head of a stream."""
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = (f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
                f"{length}Content-Security-Policy: {policy}\r\n{SAFE}\r\n")
        self.request.settimeout(STALLED)
        self._write(head.encode() + (body or b""))

    def _write(self, data: bytes) -> None:
        """Send bytes. Each `send` has its own timeout, which `sendall` has only once."""
        left = memoryview(data)
        while left:
            left = left[self.request.send(left):]


def _end_of(path: pathlib.Path, most: int, without: str) -> bytes:
    """Return the last bytes of a file. Refused, with the words `without`, if there is none."""
    try:
        with open_file(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except OSError:
        raise Refused(404, without) from None


def watch(folder: pathlib.Path, port: int = 0, host: str | None = None) -> None:
    """Serve the page of a folder's network, until Ctrl-C or SIGTERM."""
    end = End()
    with contextlib.suppress(KeyboardInterrupt):
        _announced(folder, port, host).serve(end.pause)


def _announced(folder: pathlib.Path, port: int, host: str | None, *buttons) -> Server:
    """Return the server of a folder's page, and show its URL. CommandError if it cannot listen."""
    host = host or LOOPBACK
    try:
        server = Server(folder, port, *buttons, host=host)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}", FAILED) from None
    if os.isatty(1):  # on its own line, because many terminals open no address that is wrapped
        show(f"watching {shown(folder)}   (Ctrl-C ends it)\n{server.url}")
    else:
        show(f"watching {folder} at {server.url}   (Ctrl-C ends it)")
    return server


@contextlib.contextmanager
def live_page(folder: pathlib.Path, port: int, do, orders: tuple[str, ...],
              host: str | None = None) -> Iterator[Server]:
    """Serve the page of a network of this process, inside a `with`. `do(order)` carries out the
    orders of its buttons, one at a time, in threads of the page. With a `host` there are no
    buttons, because others see the page."""
    server = _announced(folder, port, host, *((do, orders) if host is None else ()))
    ended = threading.Event()

    def serve() -> None:
        try:
            server.serve(ended.wait)
        except Exception as error:  # the network goes on without the page
            complain(f"runner.py: the live page has ended: {error!r}")

    thread = threading.Thread(target=serve, name="live page", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        thread.join()
