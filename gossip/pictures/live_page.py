"""The live page: its text put together, and the command that shows a folder.

The page holds its style and its script, and loads nothing; the security policy that goes with it
allows just these two, by their hashes. `watch` is called by the main thread of runner.py.
"""

import base64
import hashlib
import pathlib
import string

from gossip.pictures.live_follow import Follow
from gossip.pictures.live_server import Server
from gossip.terminal.command_line import FAILED, CommandError, show
from gossip.terminal.signals import End

_HERE = pathlib.Path(__file__).parent


def page() -> tuple[str, str]:
    """(the text of the page, its security policy)."""
    style, script = (_page_file(name) for name in ("live_page.css", "live_page.js"))
    text = string.Template(_page_file("live_page.html")).substitute(style=style, script=script)
    return text, (f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
                  "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                  "frame-ancestors 'none'")


def _page_file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def watch(folder: pathlib.Path, port: int = 0) -> None:
    """Serve the page of what runs in a folder, until Ctrl-C or SIGTERM."""
    end = End()
    follow = Follow(folder)
    try:
        server = Server(follow, *page(), port)
    except OSError as error:
        raise CommandError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}",
                           FAILED) from None
    try:
        show(f"watching {folder} at {server.url}   (Ctrl-C ends it)")
        server.serve(end.readable)
    finally:
        server.close()
        follow.close()
