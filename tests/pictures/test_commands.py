"""The commands `plot` and `watch`, and the page of a network of this process."""

import contextlib
import functools
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest

from grapevine.lab.pictures.live_server import live_page
from grapevine.lab.proof import check
from grapevine.terminal.folders import TABLES
from tests.tools.pictures import Folder, add, table, text
from tests.tools.programs import ROOT, Network, free_ports, is_clean, wait_until
from tests.tools.stories import THREE, tell
from tests.tools.terminals import CTRL_C, Terminal

LINE = re.compile(r"watching (\S+) at (http://127\.0\.0\.1:([0-9]+)/\S{22}/)"
                  r"   \(Ctrl-C ends it\)\n")


def run(*arguments, **options):
    """(exit code, standard output, standard error) of a command of the runner."""
    done = subprocess.run([sys.executable, ROOT / "runner.py", *map(str, arguments)],
                          capture_output=True, text=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def programs(tmp_path):
    """`programs(*arguments)` starts a command of the runner; it ends with the test."""
    with Network(tmp_path) as network:
        yield functools.partial(network.start_python, ROOT / "runner.py")


@pytest.fixture
def folder(tmp_path):
    """The files of four peers, one of which says two messages."""
    path = tmp_path / "out"
    path.mkdir()
    files = Folder(path, 4, [(0, 1), (1, 2), (2, 3), (3, 0)])
    for second in 3, 4:
        files.gossip(files.peers[0], second, f"message {second}")
    return files.write()


def shown(program):
    """The line of a watcher, in parts: the folder, the URL, the port."""
    wait_until(lambda: "\n" in program.shown(), what=program.shown)
    return LINE.fullmatch(program.shown()).groups()


def page_of(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def order(url, **body):
    """(status, line) of an order."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", parts.path + "do", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()


# plot

def test_plot_draws_into_the_folder_and_says_what(folder, tmp_path):
    proof = check.check_folder(folder)
    code, out, err = run("plot", folder)
    assert (code, err) == (0, "")
    assert out.splitlines() == [str(folder / name) for name in (
        "degrees.svg", "network.svg", "report.html")]
    for name in ("degrees.svg", "network.svg"):
        ElementTree.parse(folder / name)
    assert (folder / "network.svg").read_text().count("<circle") == 4
    assert list(folder.glob("*.csv")) == []
    assert check.check_folder(folder) == proof  # the pictures are no output files
    (tmp_path / "empty").mkdir()
    code, _, err = run("plot", tmp_path / "empty")
    assert code == 1 and len(err.splitlines()) == 1
    assert run("plot", tmp_path / "missing")[0] == 2


def test_plot_and_watch_name_a_folder_in_characters_that_are_safe_to_show(folder, programs):
    folder = folder.rename(folder.with_name("\x1b[31m\u202e\nout"))
    code, out, err = run("plot", folder)
    assert (code, err) == (0, "") and out.count("\n") == 3
    program = programs("watch", folder)
    assert shown(program)[0] == str(folder.with_name("?[31m??out"))
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs a device that is full")
def test_plot_names_the_picture_for_which_a_disk_has_no_room(folder):
    (folder / "network.svg").symlink_to("/dev/full")
    assert run("plot", folder) == (
        1, "", f"runner.py plot: {folder / 'network.svg'}: No space left on device\n")


def test_plot_writes_the_figures_beside_the_report_if_asked_to(folder):
    code, out, err = run("plot", folder, "--csv")
    assert (code, err) == (0, "")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        "degrees.svg", "network.svg", *TABLES, "report.html"]
    assert [peer["degree"] for peer in table(folder, "peers")] == ["2"] * 4


# watch

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_a_folder_until_a_signal_also_while_pages_are_open(folder, programs, number):
    port = free_ports(1)[0]
    before = sorted(folder.iterdir())
    program = programs("watch", folder, "--port", port)
    path, url, at = shown(program)
    assert (path, int(at)) == (str(folder), port)
    with urllib.request.urlopen(url + "stream", timeout=60) as stream:
        while b'"started"' not in stream.readline():
            pass
        program.send(number)
        assert program.code() == 0
    assert LINE.fullmatch(program.shown()) and sorted(folder.iterdir()) == before


def test_what_cannot_be_watched_is_one_line(tmp_path, programs):
    missing = tmp_path / "none"
    assert run("watch", missing) == (2, "", f"runner.py watch: no folder {missing}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("watch", tmp_path, "--port", port)
    assert (code, out) == (1, "") and err.count("\n") == 1 and str(port) in err
    folder = tmp_path / "out"
    folder.mkdir()
    program = programs("watch", folder)
    shown(program)
    folder.rmdir()
    assert program.code() == 1 and is_clean(program.shown())
    assert program.shown().count("\n") == 2 and program.shown().count(str(folder)) == 2


def test_on_a_terminal_what_to_open_is_a_line_of_its_own(folder):
    with Terminal(ROOT / "runner.py", "plot", "out", cwd=folder.parent) as terminal:
        assert terminal.finish() == 0
        assert terminal.texts()[3:5] == [
            "open this one in a browser:", (folder / "report.html").resolve().as_uri()]
    with Terminal(ROOT / "runner.py", "watch", "out", cwd=folder.parent) as terminal:
        terminal.shows("/\r\n")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        first, second, *_ = terminal.texts()
    assert first == "watching out   (Ctrl-C ends it)"
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/\S{22}/", second)


@pytest.mark.parametrize("ip, host", [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_the_page_is_served_at_the_address_that_was_named_alone(folder, programs, ip, host):
    program = programs("watch", folder, "--host", ip)
    wait_until(lambda: "\n" in program.shown(), what=program.shown)
    if "cannot listen" in program.shown():
        pytest.skip(f"{ip} is no address of this machine")
    url = program.shown().split()[3]
    parts = urllib.parse.urlsplit(url)
    assert parts.netloc == f"{host}:{parts.port}" and 'data-orders=""' in page_of(url)
    other = urllib.request.Request(url, headers={"Host": f"localhost:{parts.port}"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(other, timeout=60)
    refused.value.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", parts.port))


# The page of a network of this process.

def test_a_network_of_this_process_has_buttons_and_ends_with_its_block(tmp_path, capfd):
    tell(tmp_path, THREE)
    orders, before = [], set(threading.enumerate())
    with live_page(tmp_path, 0, lambda order: orders.append(order) or (409, "no"),
                   ("kill", "say")) as page:
        url = LINE.fullmatch(capfd.readouterr().out)[2]
        assert url == page.url and 'data-orders="kill say"' in page_of(url)
        assert order(url, do="kill", node="127.0.0.1:5001") == (409, "no")
        add(tmp_path / "peer_127.0.0.1_5001.txt", text(80, "leaving:127.0.0.1:5001"))
        with urllib.request.urlopen(url + "stream", timeout=60) as stream:
            while b'"leaving"' not in stream.readline():
                pass
    assert orders == [{"do": "kill", "node": "127.0.0.1:5001"}]
    with pytest.raises(ConnectionRefusedError):
        order(url, do="kill")
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_page_that_others_see_has_no_buttons(tmp_path):
    with live_page(tmp_path, 0, lambda order: (200, ""), ("kill",), host="127.0.0.1") as page:
        assert 'data-orders=""' in page_of(page.url)
        assert order(page.url, do="kill")[0] == 404


def test_a_network_goes_on_when_its_folder_and_page_have_ended(tmp_path, capfd):
    folder = pathlib.Path(tmp_path, "out")
    folder.mkdir()
    with live_page(folder, 0, lambda order: (200, ""), ()) as page:
        folder.rmdir()
        wait_until(lambda: "the live page has ended" in capfd.readouterr().err)
        page.tell("holds", "The proof holds.")
