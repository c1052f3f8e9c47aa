"""What nodes have written into their output files."""

import pathlib
import time

from gossip.lab.proof import graph
from gossip.lab.proof.records import Records
from gossip.node.output_file import OutputFile
from tests.tools.waiting import wait_until


def open_file(path: pathlib.Path) -> OutputFile:
    """An output file with the time of this machine."""
    return OutputFile(path, time.time_ns)


def events(node) -> list[str]:
    """The events in a node's output file, without their times; a line that is being written is not
    counted."""
    whole, _, _ = pathlib.Path(node.output.path).read_text().rpartition("\n")
    return [line[27:] for line in whole.splitlines()]


def count(node, start: str) -> int:
    """How many events of a node begin with `start`."""
    return sum(event.startswith(start) for event in events(node))


def wait_event(node, start: str, timeout: float = 60.0) -> str:
    """Wait for an event that begins with `start`, and return it."""
    wait_until(lambda: count(node, start), timeout, f"{start!r} in {node.output.path}")
    return next(event for event in events(node) if event.startswith(start))


def lines_of(path):
    return [line[27:] for line in path.read_text().splitlines()] if path.exists() else []


def received(peer):
    return [event.split(":gmessage:", 1)[1] for event in events(peer)
            if event.startswith("received:")]


def one_piece(folder, peers):
    """Whether, by their files, so many peers have neighbours and all peers form one graph."""
    records = Records(folder).refresh()
    return (sum(bool(run.linked) for run in records.peers) == peers
            and graph.replay(records)[0][-1][1] == 1)


def copy(network, tmp_path):
    for path in network[0].glob("*_*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path
