"""Anti-entropy over real links: who lacks something gets it, and it is asked for once."""

import collections
import threading

import pytest

from gossip import wire
from gossip.spread import anti_entropy
from gossip.spread.message_list import MessageList
from gossip.tools import Rate
from tests.tools.files import received, wait_event
from tests.tools.nets import FAST, holds_all, linked_net, neighbours
from tests.tools.waiting import wait_until


def test_a_late_joiner_gets_five_thousand_messages_in_number_order(net):
    peers = linked_net(net, 3, antientropy_interval=60)
    peers[0].gossip([f"text {number}" for number in range(5000)])
    wait_until(lambda: holds_all(peers, 5000)
               and all(peer.spreading.way.all_sent() for peer in peers))
    late = net.peer(antientropy_interval=60)
    wait_until(lambda: len(received(late)) == 5000)
    numbers = [int(text.split(":")[4]) for text in received(late)]
    assert numbers == list(range(1, 5001))


def test_what_was_evicted_everywhere_is_asked_for_once(net):
    peers = linked_net(net, 2, cache_size=100)
    peers[0].gossip([f"text {number}" for number in range(500)])
    wait_until(lambda: all(peer.messages.digest() == peers[0].messages.digest()
                           for peer in peers))
    wanted = []
    for peer in peers:
        send = peer.spreading.anti_entropy._send_portion
        peer.spreading.anti_entropy._send_portion = lambda link, entries, send=send: (
            wanted.append((link, entries)), send(link, entries))
    late = net.peer(cache_size=100)
    wait_until(lambda: late.messages.count() == 100 and len(neighbours(late)) == 2)
    threading.Event().wait(5 * FAST.antientropy_interval)
    askings = collections.Counter(link for link, entries in wanted if entries[0][1][0][0] == 1)
    assert set(askings.values()) == {1}


def lines_between(peers, seconds):
    """The status lines that peers say to one another in so many seconds."""
    said = []
    for peer in peers:
        for link in peer.neighbours.links():
            link.send = lambda data, urgent=False, send=link.send: (
                said.extend(line for line in data.split(b"\n") if line.startswith(b"status:")),
                send(data, urgent))
    threading.Event().wait(seconds)
    return said


def test_who_differ_for_good_say_only_digests_until_something_changes(net, monkeypatch):
    """A late joiner, and those who hold the old texts no longer."""
    monkeypatch.setattr("gossip.spread.anti_entropy.GONE_ROUNDS", 1000)
    peers = linked_net(net, 2, cache_size=100)
    peers[0].gossip([f"text {number}" for number in range(500)])
    wait_until(lambda: peers[1].messages.digest() == peers[0].messages.digest())
    peers.append(net.peer(cache_size=100))
    wait_until(lambda: peers[2].messages.count() == 100 and len(neighbours(peers[2])) == 2)
    wait_until(lambda: all(line.startswith(b"status:digest:") for line in
                           lines_between(peers, 4 * FAST.antientropy_interval)))
    assert peers[2].messages.digest() != peers[0].messages.digest()
    with peers[0].turn:
        peers[0].messages.add([b"gmessage:1.000000:127.0.0.1:9:7:1:x"])  # which it does not forward
    wait_until(lambda: all(b"127.0.0.1:9:7=1" in peer.messages.vector() for peer in peers))


def test_without_antientropy_a_late_joiner_of_a_flood_gets_nothing_old(net):
    """In a tree it may hear of it by an announcement."""
    peers = linked_net(net, 2, spread="flood", antientropy_interval=0)
    peers[0].gossip(["before"])
    wait_until(lambda: holds_all(peers, 1))
    late = net.peer(spread="flood", antientropy_interval=0)
    wait_until(lambda: neighbours(late) == {peer.address for peer in peers})
    peers[0].gossip(["after"])
    wait_until(lambda: received(late))
    assert received(late)[0].endswith(":after") and late.messages.count() == 1


@pytest.mark.parametrize("interval", [FAST.antientropy_interval, 0])
def test_what_was_said_while_a_link_was_down_comes_only_by_anti_entropy(net, interval):
    one, other = linked_net(net, 2, antientropy_interval=interval, liveness_misses=100)
    for peer in (one, other):
        peer.linking.dial = lambda *args, **kwargs: None

    def are_parted():  # a second dial may have been on its way
        for link in one.neighbours.links():
            link.close("closed by the test")
        return not neighbours(one) and not neighbours(other)

    wait_until(are_parted)
    one.gossip(["said alone"])
    for peer in (one, other):
        del peer.linking.dial
    wait_until(lambda: neighbours(one) == {other.address})
    one.gossip(["said together"])
    wait_until(lambda: any(text.endswith(":said together") for text in received(other)))
    if interval:
        wait_until(lambda: other.messages.count() == 2)
    assert other.messages.count() == (2 if interval else 1)


@pytest.mark.parametrize("runs", [1, 16, 17, 100])
def test_who_has_nothing_gets_all_runs_when_it_is_linked_and_not_later(net, runs):
    net.seeds(1)
    peer, fake = net.peer(antientropy_interval=60, liveness_interval=30), net.fake()
    wait_event(peer, "registered:")
    end = net.neighbour(peer, fake)
    end.say(*(f"gmessage:1.000000:127.0.0.1:{port}:7:1:x" for port in range(1, runs + 1)))
    wait_until(lambda: peer.messages.count() == runs)
    late = net.peer(antientropy_interval=60)
    wait_until(lambda: late.messages.count() == runs)


def test_of_many_runs_only_those_that_differ_are_shown(net):
    peer, fake = net.peer(antientropy_interval=60, liveness_interval=30), net.fake()
    end = net.neighbour(peer, fake)
    runs = [f"127.0.0.1:{port}:7" for port in range(1, 101)]
    end.say(*(f"gmessage:1.000000:{run}:1:x" for run in runs))
    wait_until(lambda: peer.messages.count() == 100)
    other = MessageList(peer.settings)
    other.add([f"gmessage:1.000000:{run}:1:x".encode() for run in runs[1:]])
    end.send(wire.status("digest", other.digest()))
    told = end.hear_until("status:parts:")
    assert len(told) == len("status:parts:") + 8 * wire.SLICES
    end.send(wire.status_slices("parts", other.slices()))
    shown = end.hear_until("status:seen:")
    assert f"{runs[0]}=1" in shown and 1 <= shown.count("=") < 12
    asked = int(end.hear_until("status:show:").rpartition(":")[2], 16)
    assert asked.bit_count() == 1
    end.send(wire.status("digest", peer.messages.digest()))
    end.say(f"Liveness Request:1.000000:{fake.address}")
    while (heard := end.hear()) == "known peers":
        pass  # it looks for others after a while
    assert heard.startswith("Liveness Reply:")  # and no status before it: they agree


@pytest.mark.parametrize("runs, told", [(1, 8), (6_000, 1)])
def test_who_says_digests_and_parts_again_and_again_is_told_so_much_a_second(net, runs, told):
    assert (anti_entropy.TOLD_BYTES, anti_entropy.TOLD_LEAST) == (64 << 10, 8 << 10)
    peer, fake = net.peer(antientropy_interval=60, liveness_interval=30), net.fake()
    end = net.neighbour(peer, fake)
    end.say(*(f"gmessage:1.000000:127.0.0.1:5001:{start}:1:x" for start in range(1, runs + 1)))
    wait_until(lambda: peer.messages.count() == runs)
    now = peer.now() + 1
    peer.spreading.anti_entropy._now = lambda: now
    for number in range(1, 51):
        end.say(f"status:digest:{number:032x}", f"status:parts:{number % 8:x}" + "f" * 511)
    end.say(f"Liveness Request:1.000000:{fake.address}")
    said = list(iter(end.hear, f"Liveness Reply:1.000000:{fake.address}:{peer.address}"))
    assert sum(line.startswith("status:show:") for line in said) == told
    assert peer.status()["vectors not told unasked"] >= 50 - told
    now += 1
    end.say("status:parts:" + "f" * 512)
    assert end.hear_until("status:show:")


def test_who_requests_the_same_texts_again_and_again_is_read_more_slowly(net):
    peer = net.peer(antientropy_interval=0)
    peer.gossip(["x" * 1_000])
    fake = net.fake()
    end = net.neighbour(peer, fake)
    link = peer.neighbours.row(fake.address).link
    peer.spreading.anti_entropy._given = Rate(1, 2_500)
    want = f"status:want:{peer.address}:{peer.spreading.origin.start}=1-{2**63 - 1}"
    for times in (2, 1):
        end.say(*[want] * times)
        for _ in range(times):
            wait_until(lambda: end.hear() == "status:sent")
        assert (link.rest_until > 0.0) is (times == 1)
