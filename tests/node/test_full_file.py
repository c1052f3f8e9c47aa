"""An output file with a limit: once it is full it says so, and takes last words alone."""

import errno
import pathlib

import pytest

from gossip.node.output_file import OutputFile
from gossip.settings import MIB, Settings

STAMP = "1970-01-01 00:00:00.000000:"
LEFT_OUT = "events that the full output file left out"


class Ear:
    """A screen that remembers what it is to show."""

    def __init__(self):
        self.shown = []

    def show(self, clock, head, lines):
        self.shown += [head + line for line in lines.split("\n")]


class FullDisk:
    """A file that nothing can be written into."""

    def write(self, data):
        raise OSError(errno.ENOSPC, "no space left")


def events(path):
    """The events in a file but those of much text, without their times."""
    return [line[len(STAMP):] for line in path.read_text().splitlines() if "much" not in line]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.txt"


def opened(path, screen=None, limit=1):
    return OutputFile(path, lambda: 0, screen, limit=limit)


def fill(output):
    output.write("much " + "x" * MIB)


def test_a_full_file_says_so_once_then_takes_last_words_alone(path):
    screen = Ear()
    output = opened(path, screen)
    assert output.write("before") and output.dropped() == {}
    fill(output)
    assert output.write("one", "two") and output.write("three")
    output.write_failure("failed:listener")
    output.write("four")
    output.finish("stopped:quit")
    assert not output.write("after the end")
    output.close()
    assert events(path) == ["before", "full:1", "failed:listener", "stopped:quit"]
    assert output.dropped() == {LEFT_OUT: 4}
    assert [event for event in screen.shown if "much" not in event] == [
        "before", "one", "two", "three", "failed:listener", "four", "stopped:quit"]


def test_a_file_that_is_full_when_it_is_opened_says_so(path):
    path.write_bytes(b"x" * (MIB - 1) + b"\n")
    output = opened(path)
    output.write("started:peer:127.0.0.1:1", "settings:")
    output.finish("stopped:quit")
    output.close()
    assert [line for line in events(path) if "x" not in line] == ["full:1", "stopped:quit"]


def test_nothing_is_full_where_nothing_is_left_out(path):
    """The last word may come when the file has just reached its limit."""
    output = opened(path)
    fill(output)
    output.finish("stopped:quit")
    output.close()
    assert events(path) == ["stopped:quit"]


def test_a_file_without_a_limit_is_never_full(path):
    output = opened(path, limit=0)
    for _ in range(3):
        fill(output)
    output.write("after")
    output.close()
    assert events(path) == ["after"]


def test_a_full_file_on_a_full_disk_says_so_when_it_can(path):
    output = opened(path)
    fill(output)
    output._file, file = FullDisk(), output._file
    output.write("one")
    output._file = file
    output.write("two")
    output.close()
    assert events(path) == ["full:1"] and output.dropped() == {LEFT_OUT: 2}


def test_the_usual_limit_is_4096_mib():
    assert Settings().file_limit == 4096


def test_a_node_goes_on_with_a_full_file_and_counts_what_it_leaves_out(net):
    peer = net.peer(liveness_misses=1000)
    neighbour = net.neighbour(peer, net.fake())
    assert LEFT_OUT not in peer.status()
    peer.output._limit = MIB  # as --file-limit 1
    fill(peer.output)
    peer.gossip(["first"])
    before = peer.status()[LEFT_OUT]
    peer.gossip(["second"])
    assert peer.status()[LEFT_OUT] > before
    for text in ("first", "second"):
        assert neighbour.hear_until("gmessage:").endswith(f":{text}")
    net.end(peer)
    assert events(pathlib.Path(peer.output.path))[-2:] == ["full:1", "stopped:interrupted"]


def test_what_only_the_proof_needs_is_written_and_not_shown(path):
    ear = Ear()
    output = OutputFile(path, lambda: 0, ear)
    output.note("alive:13")
    output.late(2.5)
    output.write("shown")
    output.finish()
    output.late(1.0)
    output.close()
    assert events(path) == ["alive:13", "late:2.500", "shown"] and ear.shown == ["shown"]
