"""The live page: its text put together, and who serves it.

The page holds its style and its script, and loads nothing; the security policy that goes with it
allows just these two, by their hashes. `watch` serves the page of a folder from the main thread of
runner.py. A `LivePage` serves that of a network which runner.py has started, from a thread of its
own: with buttons, and at the end with the verdict of the proof.
"""

import base64
import contextlib
import gc
import hashlib
import os
import pathlib
import string
import threading

from gossip.lab.pictures.live_follow import Follow
from gossip.lab.pictures.live_requests import LOOPBACK
from gossip.lab.pictures.live_server import Server
from gossip.terminal.command_line import FAILED, CommandError, complain, show
from gossip.terminal.folders import shown
from gossip.terminal.input import End

_HERE = pathlib.Path(__file__).parent
OBJECTS = 200_000  # made between two searches for garbage in circles: a long past is millions of
# events, and next to none of them is in one
STYLES = "page.css", "live_page.css"
SCRIPTS = tuple(f"live_{part}.js" for part in (
    "model", "layout", "waves", "shapes", "picture", "panels", "orders", "stream", "page"))


def page(orders: tuple[str, ...] = ()) -> tuple[str, str]:
    """(the text of the page with buttons for these orders, its security policy)."""
    style, script = ("".join(map(_page_file, names)) for names in (STYLES, SCRIPTS))
    text = string.Template(_page_file("live_page.html")).substitute(
        style=style, script=script, orders=" ".join(orders))
    return text, (f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
                  "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                  "frame-ancestors 'none'")


def _page_file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _server(folder: pathlib.Path, port: int, host: str | None, do=None,
            orders: tuple[str, ...] = ()) -> Server:
    """The server of a folder's page, which has been announced; CommandError when it cannot
    listen."""
    host = host or LOOPBACK
    try:
        server = Server(Follow(folder), *page(orders), port, do, host)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}", FAILED) from None
    if os.isatty(1):  # a line of its own: many terminals open only an address that is not wrapped
        show(f"watching {shown(folder)}   (Ctrl-C ends it)\n{server.url}")
    else:
        show(f"watching {folder} at {server.url}   (Ctrl-C ends it)")
    return server


def watch(folder: pathlib.Path, port: int = 0, host: str | None = None) -> None:
    """Serve the page of what runs in a folder, until Ctrl-C or SIGTERM."""
    gc.set_threshold(OBJECTS)
    end = End()
    with contextlib.suppress(KeyboardInterrupt):
        _server(folder, port, host).serve(end.pause)


class LivePage:
    """The page of a network that this process has started; to be used in a `with`. `do(order)`
    carries out what the buttons of these `orders` ask for, one at a time, in threads of the page.
    Where a `host` is named, others see the page too, so there are no buttons."""

    def __init__(self, folder: pathlib.Path, port: int, do, orders: tuple[str, ...],
                 host: str | None = None):
        allowed = (do, orders) if host is None else ()
        self._server = _server(folder, port, host, *allowed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="live page", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._server.serve(self._ended.wait)
        except Exception as error:  # of whatever it dies, the network goes on
            complain(f"runner.py: the live page has ended: {error!r}")

    def tell(self, holds: bool, text: str) -> None:
        """Show the verdict of the proof, and its rows."""
        self._server.verdict = {"holds": holds, "text": text}

    def __enter__(self) -> "LivePage":
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        self._thread.join()
