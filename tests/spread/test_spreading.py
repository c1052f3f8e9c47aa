"""What happens to a gossip line at a peer: new or old, written down, handed on."""

import threading

import pytest

from gossip import wire
from tests.tools.files import count, events, wait_event
from tests.tools.nets import linked_net


def line(origin, number, start=7, text="x"):
    return wire.gossip("1.000000", origin.address, start, number, text).decode()


def between(net, **changes):
    """A peer, two hand-made neighbours and their ends."""
    peer = net.peer(antientropy_interval=0, liveness_interval=60, **changes)
    one, other = net.fake(), net.fake()
    return peer, one, other, net.neighbour(peer, one), net.neighbour(peer, other)


def gossip_at(end):
    """The next line of gossip that a neighbour hears."""
    while "gmessage:" not in (said := end.hear()):
        pass
    return said


def test_a_line_is_forwarded_byte_for_byte_but_not_back(net):
    peer, one, other, source, sink = between(net)
    lines = [line(one, 1, text="\u00e4:\x1b[31m\u2028 \x85 end"),
             "signed:by:" + line(one, 2), line(other, 1, text="")]
    source.say(*lines)
    assert [gossip_at(sink) for _ in lines] == lines
    sink.say(line(one, 1, text="\u00e4:\x1b[31m\u2028 \x85 end"), line(other, 2))
    assert gossip_at(source) == line(other, 2)
    written = events(peer)
    assert any(event.endswith("\u00e4:\\x1b[31m\\u2028 \\x85 end") for event in written)
    assert f"received:{one.address}:{line(one, 2)}" in written


def test_the_same_number_with_another_text_is_old(net):
    peer, one, other, source, sink = between(net)
    source.say(line(one, 1), line(one, 1, text="forged"), line(one, 1, start=8), line(one, 2))
    came = {gossip_at(sink) for _ in range(3)}
    assert came == {line(one, 1), line(one, 1, start=8), line(one, 2)}


def test_a_message_evicted_and_replayed_is_old(net):
    peer, one, other, source, sink = between(net, cache_size=10)
    source.say(*(line(one, number) for number in range(1, 101)))
    source.say(*(line(one, number) for number in range(1, 102)))
    assert [gossip_at(sink) for _ in range(101)] == [line(one, n) for n in range(1, 102)]
    assert peer.messages.count() == 10
    assert peer.status()["texts evicted"] == 91


class SlowToWrite:
    """An output file that takes its time over what was generated."""

    def __init__(self, output, reached, go_on):
        self._output, self._reached, self._go_on = output, reached, go_on

    def write_lines(self, head, lines):
        if head == "generated:":
            self._reached.set()
            assert self._go_on.wait(60)
        return self._output.write_lines(head, lines)

    def __getattr__(self, name):
        return getattr(self._output, name)


@pytest.mark.parametrize("end", ["quit", "stop"])
def test_a_message_is_in_its_origins_file_or_nowhere(net, end):
    """Also one that is made while its origin ends."""
    one, other = linked_net(net, 2)
    reached, go_on = threading.Event(), threading.Event()
    one.output = one.spreading._output = SlowToWrite(one.output, reached, go_on)
    origin = threading.Thread(target=one.gossip, args=(["in between"],))
    origin.start()
    assert reached.wait(60)
    ender = threading.Thread(target=one.quit if end == "quit" else one.output.finish,
                             args=() if end == "quit" else ("stopped:interrupted",))
    ender.start()
    if end == "stop":
        ender.join(60)
    go_on.set()
    origin.join(60)
    ender.join(60)
    if end == "quit":
        wait_event(other, f"disconnected:{one.address}")
        one.gossip(["too late"])
    assert count(one, "generated:") == count(other, "received:") == (end == "quit")
