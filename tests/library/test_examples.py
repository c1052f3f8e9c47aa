"""The programs of the library's README, each run as it stands there."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import urllib.request

import pytest

import grapevine
from tests.tools.programs import DEADLINE, ROOT, free_ports, wait_until

PAGE = (ROOT / "grapevine" / "library" / "README.md").read_text()


@pytest.fixture
def folder(tmp_path):
    """A folder with all programs of the page, and a config.txt."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.M)
    for block in map(textwrap.dedent, blocks):
        name = re.match(r"\n?(?:#|//) (\w+\.(?:py|js))\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
    (tmp_path / "config.txt").write_text("".join(f"127.0.0.1:{p}\n" for p in free_ports(3)))
    return tmp_path


@pytest.fixture
def seeds(folder):
    with grapevine.seeds(folder / "config.txt") as running:
        yield running


@contextlib.contextmanager
def program(folder, name, *arguments):
    """Start a program of the page, its input and output in the hand of the test."""
    with subprocess.Popen([sys.executable, folder / name, *map(str, arguments)], cwd=folder,
                          text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=2 * DEADLINE)
    return process.returncode, out, err


def test_every_program_of_the_page_is_run_by_a_test(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "cache.py", "chat.py", "config.txt", "counter.py", "logs.py", "talk.js"]


def test_the_counter(folder, seeds):
    with program(folder, "counter.py", 1) as one, program(folder, "counter.py", 2) as two, \
            program(folder, "counter.py", 3) as three:
        assert [finish(each) for each in (one, two, three)] == [(0, "6\n", "")] * 3


def test_the_chat(folder, seeds):
    with program(folder, "chat.py") as one, program(folder, "chat.py") as other:
        own = one.stdout.readline().split()[-1]
        other.stdout.readline()
        one.stdin.write("hello\n")  # before they are neighbours, or after
        one.stdin.flush()
        assert other.stdout.readline() == f"{own}: hello\n"
        assert finish(one)[0] == finish(other)[0] == 0


def test_what_one_cache_forgets_the_other_forgets_too(folder, seeds):
    ports = free_ports(2)

    def ask(port, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/a", method=method)
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    with program(folder, "cache.py", ports[0]), program(folder, "cache.py", ports[1]):
        first = wait_until(lambda: all(map(ask, ports)) and ask(ports[0]))
        assert ask(ports[0]) == first
        assert ask(ports[1], "DELETE") == "forgotten"
        wait_until(lambda: ask(ports[0]) != first)


def test_the_logs(folder, seeds):
    with program(folder, "logs.py", "collect") as collector:
        wait_until(lambda: sum(status["registered"] for status in seeds.status()) == 2)
        with program(folder, "logs.py", "the disk is full") as worker:
            code, _, err = finish(worker)
            assert code == 0 and err == ""
        assert collector.stdout.readline().split(maxsplit=2)[1:] == [
            "WARNING", "the disk is full\n"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_program_for_node(folder, seeds):
    flags = ["--config", folder / "config.txt", "--outputs", folder / "out"]
    with grapevine.join(seeds=folder / "config.txt") as peer:
        with subprocess.Popen(["node", folder / "talk.js", str(free_ports(1)[0]), *map(str, flags)],
                              cwd=ROOT, stdout=subprocess.PIPE) as node:
            assert peer.next(timeout=60).text == "hello from node"
            peer.say("hello from Python")
            out, _ = node.communicate(timeout=60)
    assert out.decode() == f"{peer.address} hello from Python\n" and node.returncode == 0
