"""What strangers make a node write: so many bytes a second, whatever they are refused for."""

import pathlib

import pytest

from gossip.node.node import REFUSALS_WRITTEN
from tests.tools.files import count
from tests.tools.waiting import wait_until

MOST = 12_500  # bytes a second
SHOWN_LONGER = "\U000e0001"  # 4 bytes that are 10 in a file


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


def test_corrupt_lines_count_among_them(net):
    peer = net.peer(sign=True, corrupt_limit=0)
    end = net.neighbour(peer, net.fake())
    end.say(*[f"gmessage:1.000000:127.0.0.1:9:7:{number}:{SHOWN_LONGER * 600}"
              for number in range(1, 9)])
    wait_until(lambda: peer.status().get("corrupt lines not written", 0) >= 5)
    assert 0 < count(peer, "corrupt:") == 8 - peer.status()["corrupt lines not written"]
