"""What strangers make a node write: so many bytes a second, whatever they are refused for."""

import pathlib

import pytest

from gossip.node.node import REFUSALS_WRITTEN
from tests.tools.files import events

MOST = 18_000  # bytes a second


@pytest.mark.parametrize("letter, count", [
    ("x", 1), ("x", 119), ("x", 169), ("x", 1000), ("\x00", 1000), ("\u2028", 1000),
    ("\U0001f347", 1000), ("\\", 1000)])
def test_refusals_of_a_second_are_short_whatever_the_reason(net, letter, count):
    peer = net.peer()
    path = pathlib.Path(peer.output.path)
    written = []
    for second in (5.0, 6.5):
        before = path.stat().st_size
        peer.now = lambda: second
        for _ in range(2 * REFUSALS_WRITTEN):
            peer.write_refusal(peer.address, letter * count)
        written.append(path.stat().st_size - before)
    assert all(0 < size < MOST for size in written), written
    shown = sum(line[27:].startswith("refused:") for line in path.read_text().splitlines())
    assert shown + peer.status()["refusals not written"] == 4 * REFUSALS_WRITTEN


def test_what_newcomers_make_a_peer_write_leaves_less_room_for_refusals(net):
    peer = net.peer()
    peer.now = lambda: 5.0
    peer.write_fewer(REFUSALS_WRITTEN - 1)
    peer.write_sparingly("corrupt:ADDR:one", "corrupt lines not written")
    peer.write_sparingly("corrupt:ADDR:two", "corrupt lines not written")
    assert [event for event in events(peer) if event.startswith("corrupt:")] == ["corrupt:ADDR:one"]
    assert peer.status()["corrupt lines not written"] == 1
