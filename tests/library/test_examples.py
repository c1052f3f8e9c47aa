"""The programs of the library's README, each run as it stands there."""

import re
import shutil
import subprocess
import textwrap
import urllib.request

import pytest

import gossip
from tests.tools.ports import free_port, listens
from tests.tools.programs import ROOT, Program, environment
from tests.tools.waiting import wait_until

PAGE = (ROOT / "gossip" / "library" / "README.md").read_text()


@pytest.fixture
def folder(tmp_path):
    """A folder with all programs of the page, and a config.txt."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.M)
    for block in map(textwrap.dedent, blocks):
        name = re.match(r"\n?(?:#|//) (\w+\.(?:py|js))\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    (tmp_path / "config.txt").write_text("\n".join(addresses) + "\n")
    return tmp_path


@pytest.fixture
def seeds(folder):
    with gossip.seeds(folder / "config.txt") as running:
        yield running


def program(folder, name, *arguments):
    return Program(folder / name, *arguments, cwd=folder, env=environment(PYTHONPATH=str(ROOT)))


def test_every_program_of_the_page_is_run_by_a_test(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "cache.py", "chat.py", "config.txt", "counter.py", "logs.py", "talk.js"]


def test_the_counter(folder, seeds):
    with program(folder, "counter.py", 1) as one, program(folder, "counter.py", 2) as two, \
            program(folder, "counter.py", 3) as three:
        assert [each.finish() for each in (one, two, three)] == [(0, "6\n", "")] * 3


def test_the_chat(folder, seeds):
    with program(folder, "chat.py") as one, program(folder, "chat.py") as other:
        own = one.process.stdout.readline().split()[-1].decode()
        other.process.stdout.readline()
        one.type("hello\n")  # before they are neighbours, or after
        assert other.process.stdout.readline().decode() == f"{own}: hello\n"
        assert one.finish()[0] == 0 and other.finish()[0] == 0


def test_what_one_cache_forgets_the_other_forgets_too(folder, seeds):
    ports = [free_port(), free_port()]

    def ask(port, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/a", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    with program(folder, "cache.py", ports[0]), program(folder, "cache.py", ports[1]):
        wait_until(lambda: all(map(listens, ports)))
        first = ask(ports[0])
        assert ask(ports[0]) == first
        assert ask(ports[1], "DELETE") == "forgotten"
        wait_until(lambda: ask(ports[0]) != first)


def test_the_logs(folder, seeds):
    with program(folder, "logs.py", "collect") as collector:
        wait_until(lambda: sum(status["registered"] for status in seeds.status()) == 2)
        with program(folder, "logs.py", "the disk is full") as worker:
            code, _, err = worker.finish()
            assert code == 0 and err == ""
        assert collector.process.stdout.readline().decode().split(maxsplit=2)[1:] == [
            "WARNING", "the disk is full\n"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_program_for_node(folder, seeds):
    port = free_port()
    flags = ["--config", folder / "config.txt", "--outputs", folder / "out"]
    with gossip.join(seeds=folder / "config.txt") as peer:
        with subprocess.Popen(["node", folder / "talk.js", str(port), *map(str, flags)], cwd=ROOT,
                              stdout=subprocess.PIPE) as node:
            assert peer.next(timeout=60).text == "hello from node"
            peer.say("hello from Python")
            out, _ = node.communicate(timeout=60)
    assert out.decode() == f"{peer.address} hello from Python\n" and node.returncode == 0
