"""The command `watch`: the live page and its HTTP server, with streams of events.

The page holds its style and its script, and loads nothing; its security policy allows these two, by
their hashes. A thread (`Server.serve`) follows the network, another accepts connections, and each
connection has its own, so that a slow browser makes nobody wait; all read the same bounded log. The
lock `ticked` is held while a thread looks at the network.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import socket
import socketserver
import string
import threading
import time
from collections.abc import Callable, Iterator

from grapevine.lab.pictures.live_follow import Follow
from grapevine.lab.pictures.live_lines import open_file
from grapevine.lab.pictures.live_requests import (
    LOOPBACK, Gate, Refused, demand, length_of, parse_order)
from grapevine.terminal.command_line import (
    FAILED, CommandError, Parser, complain, parse_ip, parse_port, printable, show)
from grapevine.terminal.folders import REPORT, parse_folders, shown
from grapevine.terminal.starting import block_signals, take_signals

STYLES = "page.css", "live_page.css"
SCRIPTS = tuple(f"live_{part}.js" for part in (
    "model", "layout", "waves", "shapes", "picture", "panels", "orders", "stream", "page"))
REQUEST_TIME = 5.0  # seconds without a byte of a request, after which its connection ends
CONNECTIONS, STREAMS = 64, 24  # at most
STALLED = 10.0  # seconds without a byte taken, after which a page is dropped
AHEAD = 256 * 1024  # bytes that are taken from the log at a time
TICK = 0.1  # seconds between two blocks
REST = 1.0  # seconds between two blocks while nothing happens
BREATH = 0.001  # seconds for pages between two turns that read a long past
TAIL, TAIL_LINES = 64 * 1024, 60  # bytes read at the end of a node's file, lines shown
LARGEST = 16 * 1024 * 1024  # bytes of a report
SAFE = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Connection": "close",
        "X-Content-Type-Options": "nosniff"}
PLAIN = "default-src 'none'; frame-ancestors 'none'"
# A report is from a file, so it may do nothing here. It is of no origin, and loads nothing.
OF_REPORT = ("sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
             "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
_HERE = pathlib.Path(__file__).parent
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


def watch(arguments: list[str]) -> None:
    """Serve the page of a folder's network, until Ctrl-C or SIGTERM."""
    parser = Parser(prog="runner.py watch",
                    description="Serve a page that follows whatever runs in the folder.")
    parser.add_argument("--port", type=parse_port, default=0, metavar="PORT",
                        help="the page's port (any free one)")
    parser.add_argument("--host", type=parse_ip, metavar="IP",
                        help="an address of this machine at which others see the page (this "
                             "machine alone)")
    (folder,), args = parse_folders(parser, arguments)
    block_signals()
    with contextlib.suppress(KeyboardInterrupt):
        server = announced(folder, args.port, args.host)
        take_signals()
        server.serve(time.sleep)


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

    allow_reuse_address = os.name == "posix"  # on Windows two programs might have one port
    daemon_threads = True
    request_queue_size = 1_024  # of connections that come at once

    def __init__(self, folder: pathlib.Path, port: int = 0, do: Callable | None = None,
                 orders: tuple[str, ...] = (), host: str = LOOPBACK):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Visit)
        self.port = self.server_address[1]
        self.do = do
        self.text, self.policy = page(orders)
        name = f"[{host}]" if ":" in host else host
        self.gate = Gate(self.port, name)
        self.url = f"http://{name}:{self.port}{self.gate.page}"
        self.follow = Follow(folder)
        self._verdict: dict | None = None  # of the proof, once there is one
        self._figures: bytes | None = None  # since the last turn, for all pages
        self.ticked = threading.Condition()  # each turn notifies the threads that wait
        self.open: dict[socket.socket, bool] = {}  # connection -> whether it is a stream

    def serve(self, wait: Callable) -> None:
        """Serve until `wait(seconds)` is true, or raises, then close everything. OSError when the
        folder cannot be read."""
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

    def tell(self, verdict: str, text: str) -> None:
        """Show the verdict and the rows of the proof. Any thread may call this."""
        self._verdict = {"is": verdict, "text": text}

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


class Visit(http.server.BaseHTTPRequestHandler):
    """The answer to a request, in the thread of a connection."""

    server: Server
    protocol_version, timeout = "HTTP/1.1", REQUEST_TIME

    def handle(self) -> None:
        """Answer, and let the other side hang up first. An answer may be lost when its sender
        closes a socket with unread bytes."""
        with contextlib.suppress(OSError):  # it hung up, or takes nothing
            self.handle_one_request()
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(self.timeout)
            until = time.monotonic() + self.timeout
            while self.request.recv(65_536) and time.monotonic() < until:
                pass

    def do_GET(self) -> None:
        try:
            self._answer(self.server.gate.judge(self.command, self.path, self.headers))
        except Refused as refusal:
            self._send(refusal.status, TEXT, f"{refusal}\n".encode())

    do_POST = do_GET

    def _answer(self, path: str) -> None:
        server = self.server
        if path == "":
            self._send(200, HTML, server.text.encode(), server.policy)
        elif path == "stream":
            self._stream()
        elif path == "do":
            self._carry_out(length_of(self.headers))
        elif path == "report":
            report = _end_of(server.follow.folder / REPORT, LARGEST + 1,
                             "there is no report: python runner.py plot makes it")
            demand(len(report) <= LARGEST, 404,
                   f"the report is large: open {REPORT} itself in a browser")
            self._send(200, HTML, report, OF_REPORT)
        else:
            with server.ticked:
                file = server.follow.path_of(int(path.removeprefix("node/")))
            lines = _end_of(file, TAIL, "there is no such node, or no file of it that can be read")
            self._send(200, TEXT, b"".join(lines.splitlines(True)[-TAIL_LINES:]))

    def _carry_out(self, length: int) -> None:
        server, body = self.server, self.rfile.read(length)
        if len(body) < length:
            return  # the other side hung up
        order = parse_order(body)
        demand(server.do is not None, 404, "this page has no buttons")
        status, line = server.do(order)
        self._send(status, TEXT, f"{line}\n".encode())

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
                if number == len(log) and self.request in server.open:
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
        self.request.settimeout(STALLED)
        self.request_version = self.protocol_version  # else HTTP/0.9 is answered without fields
        self.send_response_only(status)
        fields = {**SAFE, "Content-Type": kind, "Content-Security-Policy": policy}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(body or b"")

    def send_error(self, code: int, message: str | None = None, explain=None) -> None:
        """Refuse what http.server takes for no request."""
        self._send(code, TEXT, b"this is no request\n")

    def log_message(self, *_) -> None:
        """Show nothing."""

    def _write(self, data: bytes) -> None:
        """Send bytes. Each `send` has its own timeout, which `sendall` has only once."""
        left = memoryview(data)
        while left:
            left = left[self.request.send(left):]


def _end_of(path: pathlib.Path | None, most: int, without: str) -> bytes:
    """Return the last bytes of a file. Refused, with the words `without`, if there is none."""
    demand(path, 404, without)
    try:
        with open_file(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except OSError:
        raise Refused(404, without) from None


def announced(folder: pathlib.Path, port: int, host: str | None, *buttons) -> Server:
    """Return the server of a folder's page, and show its URL. CommandError if it cannot listen."""
    host = host or LOOPBACK
    try:
        server = Server(folder, port, *buttons, host=host)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}", FAILED) from None
    end = "   (Ctrl-C ends it)"  # on a terminal before the URL, or a fold may cut that in two
    show(f"watching {printable(shown(folder))}{end}\n{server.url}" if os.isatty(1)
         else f"watching {printable(str(folder))} at {server.url}{end}")
    return server


@contextlib.contextmanager
def live_page(folder: pathlib.Path, port: int, do: Callable, orders: tuple[str, ...],
              host: str | None = None) -> Iterator[Server]:
    """Serve the page of a network of this process, inside a `with`. `do(order)` carries out the
    orders of its buttons, in threads of the page, also after that, so it says itself when its
    network has ended. With a `host` there are no buttons, because others see the page."""
    server = announced(pathlib.Path(folder), port, host, *((do, orders) if host is None else ()))
    ended = threading.Event()

    def serve() -> None:
        try:
            server.serve(ended.wait)
        except OSError as error:  # the network goes on without the page
            complain(f"runner.py: the live page has ended: {error}")

    thread = threading.Thread(target=serve, name="live page", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        thread.join()
