"""Gossip over real sockets: exactly once, to everyone, whatever happens to links and peers."""

import collections
import threading

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.net.connection import Connection
from gossip.spread.message_list import MessageList
from gossip.terminal.command_line import is_local
from tools.files import count, events, received, wait_event
from tools.nets import FAST, connected, holds_all, neighbours, ring_whole
from tools.ports import free_address
from tools.waiting import wait_until


def line(origin, number, start=7, text="x"):
    return wire.gossip("1.000000", origin.address, start, number, text).decode()


def all_once(peers):
    """Nobody received anything twice."""
    return all(len(received(peer)) == len(set(received(peer))) for peer in peers)


def linked_net(net, number, **changes):
    net.seeds(1)
    peers = net.peers(number, **changes)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    return peers


def test_every_message_reaches_everyone_once_through_others(net):
    peers = linked_net(net, 8, capacity=fixed(3), gossip_count=10)
    wait_until(lambda: holds_all(peers, 80))
    assert all_once(peers)
    assert all(count(peer, "generated:") == 10 for peer in peers)
    through = [event for peer in peers for event in events(peer)
               if event.startswith("received:") and
               not event.split(":gmessage:")[1].split(":", 1)[1].startswith(
                   event[len("received:"):].split(":gmessage")[0] + ":")]
    assert through


def test_a_line_is_forwarded_byte_for_byte_but_not_back(net):
    peer, one, other = net.peer(antientropy_interval=0), net.fake(), net.fake()
    source, sink = net.neighbour(peer, one), net.neighbour(peer, other)
    lines = [line(one, 1, text="\u00e4:\x1b[31m\u2028 \x85 end"),
             "signed:by:" + line(one, 2), line(other, 1, text="")]
    source.say(*lines)
    assert [sink.hear() for _ in lines] == lines
    sink.say(line(one, 1, text="\u00e4:\x1b[31m\u2028 \x85 end"), line(other, 2))
    assert source.hear() == line(other, 2)
    written = events(peer)
    assert any(event.endswith("\u00e4:\\x1b[31m\\u2028 \\x85 end") for event in written)
    assert f"received:{one.address}:{line(one, 2)}" in written


def test_the_same_number_with_another_text_is_old(net):
    peer, one, other = net.peer(antientropy_interval=0), net.fake(), net.fake()
    source, sink = net.neighbour(peer, one), net.neighbour(peer, other)
    source.say(line(one, 1), line(one, 1, text="forged"), line(one, 1, start=8), line(one, 2))
    assert [sink.hear() for _ in range(3)] == [line(one, 1), line(one, 1, start=8), line(one, 2)]


def test_a_message_evicted_and_replayed_is_old(net):
    peer, one, other = net.peer(cache_size=10, antientropy_interval=0), net.fake(), net.fake()
    source, sink = net.neighbour(peer, one), net.neighbour(peer, other)
    source.say(*(line(one, number) for number in range(1, 101)))
    source.say(*(line(one, number) for number in range(1, 102)))
    assert [sink.hear() for _ in range(101)] == [line(one, n) for n in range(1, 102)]
    assert peer.messages.count() == 10
    assert peer.status()["texts evicted"] == 91


def test_a_late_joiner_gets_five_thousand_messages_in_number_order(net):
    peers = linked_net(net, 3, antientropy_interval=60)
    peers[0].gossip([f"text {number}" for number in range(5000)])
    wait_until(lambda: holds_all(peers, 5000))
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
        send = peer.anti_entropy._send_portion
        peer.anti_entropy._send_portion = lambda link, entries, send=send: (
            wanted.append((link, entries)), send(link, entries))
    late = net.peer(cache_size=100)
    wait_until(lambda: late.messages.digest() == peers[0].messages.digest())
    assert late.messages.count() == 100
    wait_until(lambda: len(neighbours(late)) == 2)
    threading.Event().wait(5 * FAST.antientropy_interval)
    askings = collections.Counter(link for link, entries in wanted if entries[0][1][0][0] == 1)
    assert askings and set(askings.values()) == {1}


def test_without_antientropy_a_late_joiner_gets_nothing_old(net):
    peers = linked_net(net, 2, antientropy_interval=0)
    peers[0].gossip(["before"])
    wait_until(lambda: holds_all(peers, 1))
    late = net.peer(antientropy_interval=0)
    wait_until(lambda: neighbours(late) == {peer.address for peer in peers})
    peers[0].gossip(["after"])
    wait_until(lambda: late.messages.count() == 1)
    assert received(late)[0].endswith(":after")


def test_two_peers_that_say_ten_thousand_lines_at_once_do_not_deadlock(net):
    one, other = linked_net(net, 2)
    threads = [threading.Thread(target=peer.gossip, args=([f"{n} " + "x" * 1000
                                                           for n in range(10_000)],))
               for peer in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive()
    wait_until(lambda: holds_all([one, other], 20_000), 180)
    assert all_once([one, other])
    assert count(one, "disconnected:") + count(other, "disconnected:") == 0


def test_a_neighbour_that_never_reads_delays_nobody_and_is_dropped(net):
    peers = linked_net(net, 3, liveness_interval=60, backlog_limit=1 << 20,
                       origin_limit=64 << 10)
    lazy = net.fake()
    net.neighbour(peers[1], lazy)
    for start in range(0, 12_000, 100):
        peers[0].gossip([f"{start + n} " + "x" * 1000 for n in range(100)])
    wait_until(lambda: holds_all(peers, 12_000), 180)
    assert wait_event(peers[1], f"disconnected:{lazy.address}:backlog overflow")
    assert all_once(peers)


def test_the_origin_pauses_for_a_healthy_neighbour_that_is_slower(net):
    peer, slow = net.peer(liveness_interval=60, antientropy_interval=0), net.fake()
    end = net.neighbour(peer, slow)
    total = 20_000
    origin = threading.Thread(target=peer.gossip, args=(["x" * 1000] * total,))
    origin.start()
    heard = 0
    while heard < total:  # 20 MB: more than any backlog holds
        assert end.hear() is not None, events(peer)[-1]
        heard += 1
        if heard % 2000 == 0:
            threading.Event().wait(0.02)
    origin.join(60)
    assert count(peer, "disconnected:") == 0


def test_liveness_overtakes_gossip_that_waits(net):
    peer, slow = net.peer(liveness_interval=60, antientropy_interval=0), net.fake()
    end = net.neighbour(peer, slow)
    link = peer.neighbours.link(slow.address)
    number = 0
    while link.waiting() < 4 << 20:
        number += 1
        peer.spread.forward([line(slow, number, text="x" * 60_000).encode()], None)
    end.say(f"Liveness Request:1.000000:{slow.address}")
    wait_until(lambda: b"Liveness Reply" in b"".join(list(link._backlog._chunks)[:2]))
    heard = 0
    while not end.hear().startswith("Liveness Reply:"):
        heard += 1
    assert heard < number


def test_two_halves_that_were_cut_apart_find_each_other_again(net, monkeypatch):
    """Each half is full when they meet, and both gossiped meanwhile."""
    seeds = net.seeds(3)
    peers = net.peers(10, capacity=fixed(3))
    wait_until(lambda: connected(peers) and ring_whole(peers))
    peers[0].gossip(["before"])
    wait_until(lambda: holds_all(peers, 1))
    halves = {node.address: at % 2 for at, node in enumerate([*peers, seeds[1]])}
    halves[seeds[0].address] = 0
    halves[seeds[2].address] = 1
    connect = Connection.connect

    def connect_within(connection, own, address, limit):
        if halves.get(own) != halves.get(address):
            raise TimeoutError("cut")
        connect(connection, own, address, limit)

    monkeypatch.setattr(Connection, "connect", connect_within)
    for node in net.nodes:
        for link in list(node._links):
            if link.peer in halves and halves[link.peer] != halves[node.address]:
                link.close("cut")
    sides = [[peer for peer in peers if halves[peer.address] == side] for side in (0, 1)]
    wait_until(lambda: all(ring_whole(side) for side in sides))
    for side in sides:
        assert not any(neighbours(a) & {b.address for b in peers if b not in side} for a in side)
        side[0].gossip(["during the cut"])
        wait_until(lambda side=side: holds_all(side, 2))
    wait_until(lambda: all(any(count(peer, f"dead:{other.address}") for peer in sides[0])
                           for other in sides[1]), what="the other half to be found dead")
    monkeypatch.setattr(Connection, "connect", connect)
    wait_until(lambda: connected(peers) and ring_whole(peers), 180)
    wait_until(lambda: holds_all(peers, 3))
    assert all_once(peers)


@pytest.mark.parametrize("spread", ["flood", "rumor"])
@pytest.mark.parametrize("seconds", [1.2, pytest.param(30, marks=pytest.mark.slow)])
def test_links_closed_at_random_lose_nothing(net, seconds, spread):
    peers = linked_net(net, 6, capacity=fixed(3), liveness_misses=100, spread=spread,
                       gossip_count=int(seconds / FAST.gossip_interval))
    for turn in range(int(seconds / 0.03)):
        victim = peers[turn % 6]
        for link in victim.neighbours.links()[:1]:
            link.close("closed by the test")
        threading.Event().wait(0.03)
    wait_until(lambda: holds_all(peers, 6 * int(seconds / FAST.gossip_interval)))
    assert all_once(peers)


@pytest.mark.parametrize("interval", [FAST.antientropy_interval, 0])
def test_what_was_said_while_a_link_was_down_comes_only_by_anti_entropy(net, interval):
    one, other = linked_net(net, 2, antientropy_interval=interval, liveness_misses=100)
    for peer in (one, other):
        peer._dial = lambda *args, **kwargs: None
    one.neighbours.links()[0].close("closed by the test")
    wait_until(lambda: not neighbours(one) and not neighbours(other))
    one.gossip(["said alone"])
    for peer in (one, other):
        del peer._dial
    wait_until(lambda: neighbours(one) == {other.address})
    one.gossip(["said together"])
    wait_until(lambda: any(text.endswith(":said together") for text in received(other)))
    if interval:
        wait_until(lambda: other.messages.count() == 2)
    assert other.messages.count() == (2 if interval else 1)


@pytest.mark.parametrize("spread", ["flood", "rumor"])
def test_peers_killed_and_restarted_one_after_the_other_lose_nothing(net, spread):
    peers = linked_net(net, 5, capacity=fixed(3), spread=spread)
    said = 0
    for turn in range(5):
        for peer in peers:
            peer.gossip([f"turn {turn}"])
        said += 5
        wait_until(lambda: holds_all(peers, said))
        victim = peers.pop(0)
        net.kill([victim])
        peers[0].gossip(["one is away"])
        said += 1
        peers.append(net.peer(victim.address, capacity=fixed(3), spread=spread))
    wait_until(lambda: holds_all(peers, said))


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
    peer, fake = net.peer(antientropy_interval=60), net.fake()
    end = net.neighbour(peer, fake)
    runs = [f"127.0.0.1:{port}:7" for port in range(1, 101)]
    end.say(*(f"gmessage:1.000000:{run}:1:x" for run in runs))
    wait_until(lambda: peer.messages.count() == 100)
    other = MessageList(peer.settings)
    other.add([f"gmessage:1.000000:{run}:1:x".encode() for run in runs[1:]])
    end.send(wire.status("digest", other.digest()))
    told = end.hear_until("status:parts:")
    assert len(told) == len("status:parts:") + 8 * wire.PARTS
    end.send(wire.status_parts("parts", other.parts()))
    shown = end.hear_until("status:seen:")
    assert f"{runs[0]}=1" in shown and 1 <= shown.count("=") < 12
    asked = int(end.hear_until("status:show:").rpartition(":")[2], 16)
    assert asked.bit_count() == 1
    end.send(wire.status("digest", peer.messages.digest()))
    end.say(f"Liveness Request:1.000000:{fake.address}")
    assert end.hear().startswith("Liveness Reply:")  # and nothing before it: they agree


def test_it_all_works_over_ipv6(net):
    if not is_local(address_of("::1", 1)):
        pytest.skip("this machine has no IPv6 loopback")
    net.seed_addresses = [free_address("::1")]
    net.seed(net.seed_addresses[0])
    peers = [net.peer(free_address("::1")) for _ in range(3)]
    wait_until(lambda: connected(peers) and ring_whole(peers))
    peers[0].gossip(["over six"])
    wait_until(lambda: holds_all(peers, 1))
    assert net.folder / f"peer_--1_{peers[1].address.port}.txt" in net.folder.iterdir()
    assert count(peers[1], "received:[::1]:") == 1
    net.end(peers.pop())
    wait_until(lambda: all(count(peer, "told:[::1]:") for peer in peers))


class SlowToWrite:
    """An output file that takes its time over what was generated."""

    def __init__(self, output, reached, go_on):
        self._output, self._reached, self._go_on = output, reached, go_on

    def write(self, *texts):
        if texts and texts[0].startswith("generated:"):
            self._reached.set()
            assert self._go_on.wait(60)
        return self._output.write(*texts)

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
