"""The live world: one thread at a time calls a node, and threads begin after the turn."""

import _thread
import socket
import threading
import time
import types

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.net import live_world
from gossip.net.connection import Connection, Listener
from gossip.net.threads import Threads, Turn
from gossip.node.world import NEVER
from gossip.spread.flood import MANY_LINKS
from gossip.spread.message_list import OLD
from tests.tools.files import count
from tests.tools.waiting import wait_until

CALLS = ["lines", "up", "ended", "on_probed"]


def test_one_thread_at_a_time_calls_a_node(net):
    """Also whoever asks for its status, and its duties."""
    seed, = net.seeds(1)
    inside, overlaps, calls = [], [], []

    def alone(name):
        if inside:
            overlaps.append((name, *inside))
        inside.append(name)
        time.sleep(0.002)  # so that another thread runs
        calls.append(inside.pop())

    def watched(node, name):
        original = getattr(node, name)

        def call(*arguments, **named):
            alone(name)
            return original(*arguments, **named)
        setattr(node, name, call)

    for name in CALLS:
        watched(seed, name)
    watched(seed.registry, "silent")
    watched(seed, "counts")
    for peer in net.peers(4):
        wait_until(lambda: seed.registry.row(peer.address) is not None)
    net.end(peer)
    for _ in range(20):
        seed.status()
        seed.lookout.hurry()
    wait_until(lambda: {*CALLS, "silent", "counts"} <= set(calls))
    assert overlaps == []


def another_can_call(node):
    """Whether another thread has its turn now."""
    done = threading.Event()

    def other():
        with node.turn:
            done.set()
    _thread.start_new_thread(other, ())
    return done.wait(10)


def test_a_thread_starts_when_the_turn_is_over_so_that_others_have_theirs(net, monkeypatch):
    peer, fake = net.peer(liveness_interval=60), net.fake()
    start, begun, verdicts = threading.Thread.start, [], []

    def start_while_others_call_the_node(thread):
        begun.append((thread.name, another_can_call(peer)))
        start(thread)

    with peer.turn:
        monkeypatch.setattr(threading.Thread, "start", start_while_others_call_the_node)
        peer.probe(fake.address, verdicts.append)
        assert begun == []
    monkeypatch.undo()
    assert (f"prober {peer.address}", True) in begun
    wait_until(lambda: verdicts == [True])


def test_a_node_that_is_stopped_by_a_turn_ends_after_it(net):
    peer, joined = net.peer(), []
    join = peer.world.threads.join

    def join_while_others_call_the_node():
        joined.append(another_can_call(peer))
        join()

    def stop(now):
        peer.stop("enough")
        return NEVER

    peer.world.threads.join = join_while_others_call_the_node
    peer.keep("a duty", stop)
    peer.world.await_end(60)
    assert joined == [True] and peer.stopping


def test_who_answered_while_a_long_turn_kept_its_reader_waiting_is_not_taken_for_dead(net):
    peer, fake, verdicts = net.peer(liveness_interval=60, probe_limit=0.5), net.fake(), []
    connected = threading.Event()
    connect = peer.world._connect

    def connect_and_tell(link):
        connect(link)
        connected.set()

    peer.world._connect = connect_and_tell
    with peer.turn:
        peer.probe(fake.address, verdicts.append)
    with peer.turn:
        assert connected.wait(60)
        time.sleep(1.0)  # longer than the probe may take
    wait_until(lambda: verdicts)
    assert verdicts[0] is not False
    assert peer.is_late()


def test_whoever_sends_many_lines_at_once_does_not_keep_others_waiting_for_all_of_them(net):
    peer = net.peer(liveness_interval=60)
    handled, begun, many = [], threading.Event(), 500

    def handle_slowly(link, message):
        handled.append(message)
        begun.set()
        time.sleep(0.005)

    peer.on_liveness_request = handle_slowly
    end = net.dial(peer)
    end.say(*[f"Liveness Request:1.000000:{peer.address}"] * many)
    assert begun.wait(60)
    with peer.turn:
        assert len(handled) < many
    wait_until(lambda: len(handled) == many)


def test_what_came_over_a_link_that_ended_meanwhile_is_not_handled(net):
    peer, fake, other = net.peer(liveness_interval=60), net.fake(), net.fake()
    end, witness = net.neighbour(peer, fake), net.neighbour(peer, other)
    link = peer.neighbours.link(fake.address)
    with peer.turn:
        end.say(wire.gossip("1.000000", fake.address, 1, 1, "too late").decode())
        wait_until(lambda: peer.turn._waiting)  # its reader
        peer.linking.unlink(fake.address, "shut out", link)
    wait_until(lambda: link not in peer.links())
    witness.say(wire.gossip("1.000000", other.address, 1, 1, "later").decode())
    wait_until(lambda: count(peer, f"received:{other.address}"))
    assert count(peer, f"received:{fake.address}") == 0


def test_a_repetition_waits_for_no_turn_and_is_counted_as_long_as_the_node_lives(net):
    peer = net.peer(spread="flood", liveness_interval=60)
    first, second = net.neighbour(peer, net.fake()), net.neighbour(peer, net.fake())
    line = wire.gossip("1.000000", net.fake().address, 1, 1, "known").decode()
    first.say(line)
    assert second.hear_until("gmessage:") == line
    with peer.turn:
        second.say(line, line, line)
        wait_until(lambda: peer.status()[OLD] == 3)
    second.close()
    wait_until(lambda: len(peer.neighbours.links()) == 1)
    assert peer.status()[OLD] == 3


def test_a_thread_that_starts_slowly_keeps_no_other_waiting(monkeypatch):
    node = Threads(types.SimpleNamespace(address=0, stopping=False, output=None))
    node.go()
    start, quick, waited = threading.Thread.start, threading.Event(), []

    def start_slowly(thread):
        if thread.name.startswith("slow"):
            start(threading.Thread(target=node.start, args=("quick", quick.set)))
            waited.append(quick.wait(10))
        start(thread)
    monkeypatch.setattr(threading.Thread, "start", start_slowly)
    monkeypatch.setattr("gossip.net.threads.STACK_SIZE", 1 << 19)
    assert node.start("slow", lambda: None) and waited == [True]
    node.join()


def test_a_peer_that_is_stopped_sends_what_it_holds_back(net):
    peer = net.peer(capacity=fixed(MANY_LINKS))
    ends = [net.neighbour(peer, net.fake()) for _ in range(MANY_LINKS)]
    with peer.turn:
        peer.spreading.originate(peer.spreading.make(["the last word"]))
        assert not peer.spreading.way.all_sent()
        peer.stop()
    for end in ends:
        assert end.hear_until("gmessage:").endswith(":the last word")


def test_the_timeout_that_a_program_gives_all_its_sockets_ends_no_link():
    socket.setdefaulttimeout(0.001)
    try:
        one, other = socket.socketpair()
    finally:
        socket.setdefaulttimeout(None)
    with one, other:
        connection = Connection(one)
        threading.Timer(0.1, other.sendall, [b"x"]).start()
        assert connection.receive(1) == b"x"


def test_a_connection_that_was_reset_before_it_was_accepted_ends_no_listener():
    one, other = socket.socketpair()
    stopping = threading.Event()

    class Listening:
        """As on macOS, it tells no address."""

        def accept(self):
            stopping.set()
            return one, None
    with other:
        Listener(None, stopping, Listening()).accept_all(pytest.fail, pytest.fail)
    assert one.fileno() == -1


def test_many_lines_wait_for_those_of_another_node_and_few_do_not(net):
    peer = net.peer()
    reads_much, dial = Turn(pytest.fail), peer.address.dial
    with socket.create_connection(dial) as long, socket.create_connection(dial) as short:
        reads_much.take(many=True)
        try:
            long.sendall(b"x" * (live_world.MANY_BYTES + 1) + b"\n")  # which breaks a rule
            wait_until(lambda: Turn._queue, what="the reader to wait")
            short.sendall(wire.liveness_request("1.000000", address_of("127.0.0.1", 5001)))
            assert short.recv(100).startswith(b"Liveness Reply")
        finally:
            reads_much.__exit__()
        assert long.recv(1) == b""


def test_a_probe_is_answered_while_a_turn_lasts(net):
    peer = net.peer(liveness_interval=60)
    with peer.turn:
        end = net.dial(peer)
        end.say(f"Liveness Request:1.000000:{peer.address}")
        assert end.hear() == f"Liveness Reply:1.000000:{peer.address}:{peer.address}"


def test_a_peer_that_is_stuck_in_a_turn_answers_no_probe(net, monkeypatch):
    monkeypatch.setattr("peer.STUCK", 0.1)
    peer = net.peer(liveness_interval=60)

    def readers():
        return [thread for thread in threading.enumerate()
                if thread.name.startswith("link reader") and thread.ident in peer.turn._waiting]

    with peer.turn:
        other = net.dial(peer)
        other.say("goodbye")
        wait_until(lambda: peer.turn.waited() > 0.1 and readers())
        end = net.dial(peer)
        end.say(f"Liveness Request:1.000000:{peer.address}")
        wait_until(lambda: len(readers()) == 2)
    assert end.hear() == f"Liveness Reply:1.000000:{peer.address}:{peer.address}"
