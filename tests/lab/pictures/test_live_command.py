"""The command `runner.py watch`: what it prints, and how it ends."""

import re
import signal
import socket
import urllib.request

import pytest

from tests.tools.live import add, text
from tests.tools.ports import free_port
from tests.tools.programs import Program, run

LINE = re.compile(r"watching (\S+) at (http://127\.0\.0\.1:([0-9]+)/\S{22}/)"
                  r"   \(Ctrl-C ends it\)\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_a_folder_until_a_signal_also_while_pages_are_open(tmp_path, number):
    port = free_port()
    add(tmp_path / "peer_127.0.0.1_5001.txt", text(0, "started:peer:127.0.0.1:5001"))
    with Program("runner.py", "watch", tmp_path, "--port", port) as program:
        found = LINE.fullmatch(program.process.stdout.readline().decode())
        assert (found[1], int(found[3])) == (str(tmp_path), port)
        with urllib.request.urlopen(found[2] + "stream", timeout=60) as stream:
            while b'"started"' not in stream.readline():
                pass
            program.process.send_signal(number)
            assert program.finish() == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["peer_127.0.0.1_5001.txt"]


def test_without_a_port_it_takes_any_free_one(tmp_path):
    with Program("runner.py", "watch", tmp_path) as program:
        found = LINE.fullmatch(program.process.stdout.readline().decode())
        with urllib.request.urlopen(found[2], timeout=60) as page:
            assert page.status == 200
        program.process.send_signal(signal.SIGTERM)
        assert program.finish()[0] == 0


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    code, out, err = run("runner.py", "watch", tmp_path / "none")
    assert (code, out, err) == (2, "", f"runner.py watch: no folder {tmp_path / 'none'}\n")


def test_a_port_that_is_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("runner.py", "watch", tmp_path, "--port", port)
    assert (code, out) == (1, "") and err.count("\n") == 1 and str(port) in err


def test_a_folder_that_vanishes_ends_it_in_one_line(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with Program("runner.py", "watch", folder) as program:
        program.process.stdout.readline()
        folder.rmdir()
        code, out, err = program.finish()
    assert (code, out) == (1, "") and err.count("\n") == 1 and str(folder) in err
