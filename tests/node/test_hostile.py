"""What hostile or broken others may do to a node: nothing but be disconnected, with a reason."""

import os
import random
import resource
import socket
import threading
import time

import pytest

from gossip import wire
from gossip.capacity import fixed
from gossip.node.node import WAITING_LIMIT
from gossip.overlay import ring
from tests.tools.files import count, events, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST, connected, neighbours
from tests.tools.ports import free_address
from tests.tools.registering import listed
from tests.tools.waiting import wait_until


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def valid_lines(own, other) -> list[bytes]:
    return [line.rstrip(b"\n") for line in (
        wire.register(other), wire.REGISTERED, wire.registration_refused("x"),
        wire.ASK_PEER_LIST, wire.peer_list([own, other]), wire.leave(other),
        wire.connect(other), wire.accepted(other), wire.refused(other, "full"),
        wire.liveness_request("1.000000", other),
        wire.liveness_reply("1.000000", own, other),
        wire.dead_node(own, "1.000000", other),
        wire.status_slices("show", [1]), wire.status("meet digest", "0" * 32),
        wire.status_slices("parts", [7] * wire.SLICES),
        wire.status_entries("want", [(b"127.0.0.1:1:1", [(1, 2**63 - 1)])])[0],
        wire.status_entries("meet seen", [(b"127.0.0.1:1:1", [(1, 2**63 - 1)])])[0],
        wire.status_entries("gone", [(b"127.0.0.1:1:1", [(1, 2**63 - 1)])])[0],
        wire.gossip("1.000000", other, 1, 1, "x") + b"\n")]


def mutated(line: bytes, rng: random.Random) -> bytes:
    line = bytearray(line)
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(line) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            line[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del line[at:at + rng.randint(1, 9)]
        elif kind == 2:
            line[at:at] = line[:rng.randint(0, 30)]
        else:
            line[at:at] = rng.choice([b"\n", b":", b"\x00", b"\xff", b"9" * 25, b"[::1]", b"#"])
    return bytes(line)


@pytest.mark.parametrize("kind", ["seed", "peer"])
def test_ten_thousand_random_and_mutated_lines_change_nothing(net, kind):
    net.settings = FAST._replace(introduction_limit=0.5, probe_limit=0.2)
    seed, = net.seeds(1)
    peers = net.peers(2)
    wait_until(lambda: connected(peers))
    node = seed if kind == "seed" else peers[0]
    fake = net.fake()
    lines = valid_lines(node.address, fake.address)
    rng = random.Random(11)
    before, threads = descriptors(), threading.active_count()
    sent = 0
    while sent < 10_000:
        batch = [mutated(rng.choice(lines), rng) if rng.random() < 0.9 else rng.randbytes(40)
                 for _ in range(rng.randint(1, 60))]
        if rng.random() < 0.5:
            opening = wire.connect(fake.address) if kind == "peer" else wire.register(fake.address)
            batch.insert(0, opening[:-1])
        sent += len(batch)
        with socket.create_connection(node.address.dial) as sock:
            try:
                sock.sendall(b"\n".join(batch) + b"\n")
            except OSError:
                pass  # the node has had enough of it
    wait_until(lambda: descriptors() <= before + 4 and threading.active_count() <= threads + 4)
    late = net.peer()
    wait_until(lambda: neighbours(late) & {peer.address for peer in peers})
    peers[0].gossip(["after all that"])
    wait_until(lambda: any(text.endswith(b"after all that") for text in late.messages.latest(99)))
    for line in events(node):
        assert line.isprintable()


def test_a_line_without_an_end_is_cut_off(net):
    peer, fake = net.peer(), net.fake()
    waiting, linked = net.dial(peer), net.neighbour(peer, fake)
    for end in (waiting, linked):
        with pytest.raises(OSError):
            for _ in range(2000):
                end.send(b"x" * 65_536)
    wait_event(peer, f"refused:{fake.address}:line longer than 131072 bytes")
    wait_until(lambda: count(peer, "refused:") == 2)


def test_a_line_that_comes_byte_by_byte_is_a_line(net):
    peer = net.peer()
    end = net.dial(peer)
    for byte in f"Liveness Request:1.000000:{peer.address}\n".encode():
        end.send(bytes([byte]))
    assert end.hear() == f"Liveness Reply:1.000000:{peer.address}:{peer.address}"


def test_a_thousand_silent_connections_keep_nobody_out(net):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    seed, = net.seeds(1)
    peer = net.peer()
    silent = [socket.create_connection(node.address.dial)
              for _ in range(1000) for node in (seed, peer)]
    try:
        late = net.peer()
        wait_until(lambda: neighbours(late) == {peer.address})
        assert late.address in seed.registry.addresses()
        for node in (seed, peer):
            assert node.waiting_room.count() <= WAITING_LIMIT
            wait_until(lambda node=node: count(node, "refused:") >= 100)
    finally:
        for sock in silent:
            sock.close()


def test_who_says_nothing_valid_in_time_is_disconnected(net):
    net.settings = FAST._replace(introduction_limit=0.3)
    peer = net.peer()
    silent, slow = net.dial(peer), net.dial(peer)
    slow.send(b"Connection with")
    assert silent.hear_end() and slow.hear_end()
    wait_until(lambda: sum(event.endswith("no valid line in time") for event in events(peer)) == 2)


@pytest.mark.parametrize("line", [
    "gmessage:1.000000:127.0.0.1:5001:1:1:x", "status:sent", "peer list", "leave:127.0.0.1:5001",
    "Dead Node:127.0.0.1:1:1.000000:127.0.0.1:2", "connection accepted:127.0.0.1:5001"])
def test_what_strangers_may_not_say_ends_the_connection(net, line):
    peer = net.peer()
    end = net.dial(peer)
    end.say(line)
    assert end.hear_end()
    assert wait_event(peer, "refused:127.0.0.1:")


def test_control_characters_in_reasons_do_not_break_lines(net):
    peer, fake = net.peer(), net.fake()
    end = net.neighbour(peer, fake)
    end.send(f"connection refused:{fake.address}:bad\rreason\x1b[2J\n".encode())
    assert wait_event(peer, f"disconnected:{fake.address}:bad\\x0dreason\\x1b[2J")


def test_forged_catch_up_offers_cost_little_and_end(net):
    peer, fake = net.peer(liveness_interval=60), net.fake()
    end = net.neighbour(peer, fake)
    runs = [(f"127.0.0.1:{port}:1".encode(), [(1, 2**63 - 1)]) for port in range(1, 9000)]
    for line in wire.status_entries("meet seen", runs):
        end.send(line)
    wants = 0
    while wants < 3:
        asked = end.hear_until("status:want:")
        wants += 1
        run = asked.split(":", 2)[2].split("=")[0]
        end.say(f"status:gone:{run}=1-{2**63 - 1}", "status:sent")
    end.hear_until("status:want:")
    end.say("status:sent")  # nothing came: the offer was empty
    wait_until(lambda: peer.spreading.anti_entropy.catch_up.next_want(1e9) is None)
    assert fake.address in neighbours(peer)


def test_hostile_status_lines_are_handled_in_no_time(net):
    """What once took a peer seconds under a lock: its other neighbour is answered meanwhile."""
    peer, fake, honest = net.peer(liveness_interval=60), net.fake(), net.fake()
    run = f"{fake.address}:1"
    end, witness = net.neighbour(peer, fake), net.neighbour(peer, honest)
    end.say(*(wire.gossip("1.000000", fake.address, 1, number, "x").decode()
              for number in range(1, 4000, 2)))
    many = ",".join(str(number) for number in range(10_000, 10_000 + 2 * 7990, 2))
    wide = ",".join(f"{n}-{n + 100_000}" for n in range(10**6, 10**6 + 200_000 * 3000, 200_000))
    begun = time.process_time()  # whatever else the machine does
    for text in (f"seen:{run}={many}", f"gone:{run}={many}", f"want:{run}={many}",
                 f"want:{run}={wide}", f"meet seen:{run}={wide}", f"gone:{run}={wide}"):
        for _ in range(5):
            end.say(f"status:{text}")
    end.say(f"Liveness Request:1.000000:{fake.address}")
    witness.say(f"Liveness Request:1.000000:{honest.address}")
    assert witness.hear_until("Liveness Reply:") and end.hear_until("Liveness Reply:")
    assert time.process_time() - begun < 3
    repeated = " ".join([f"{run}=1"] * 2)
    end.say(f"status:seen:{repeated}")
    assert end.hear_end()
    wait_event(peer, f"refused:{fake.address}:status with a run named twice")


def test_descriptors_that_run_short_kill_no_thread(net):
    seed, = net.seeds(1)
    peers = net.peers(2)
    wait_until(lambda: connected(peers))
    lost = net.fake()
    net.neighbour(peers[0], lost).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() - 5, hard))
    try:
        round_now = peers[0].linking.places._round
        wait_until(lambda: peers[0].linking.places._round > round_now + 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    late = net.peer()
    wait_until(lambda: connected([*peers, late]))
    assert late.address in seed.registry.addresses()


def test_neighbours_that_vanish_in_hundreds_cost_no_threads(net):
    peer = net.peer(capacity=fixed(3))
    before = threading.active_count()
    for _ in range(200):
        address = free_address()
        end = net.dial(peer)
        end.say(f"Connection with Peer:{address}")
        end.hear()
        end.close()
    wait_until(lambda: not neighbours(peer))
    assert threading.active_count() < before + 60
    assert len(peer.neighbours.lost()) <= 3 + ring.SPARE


class HangsUp(FakePeer):
    """Accepts every neighbour and hangs up at once."""

    def _serve(self, sock):
        try:
            with sock:
                line = sock.recv(1000).decode().rstrip("\n")
                is_dial = line.startswith("Connection")
                answer = f"connection accepted:{self.address}\n" if is_dial else self.reply(line)
                sock.sendall(answer.encode())
        except OSError:
            pass  # the peer has ended


def test_one_who_accepts_and_hangs_up_is_not_dialled_in_circles(net):
    seed, = net.seeds(1)
    fake = HangsUp(free_address())
    net.ends.append(fake)
    listed(net, seed, fake)
    peer = net.peer(liveness_interval=1.0)
    wait_event(peer, f"connected:{fake.address}")
    rounds = peer.linking.places._round
    wait_until(lambda: peer.linking.places._round > rounds + 3)
    assert count(peer, f"connected:{fake.address}") < 20


def test_strangers_that_do_not_read_hold_little_memory(net):
    peer = net.peer()
    end = net.dial(peer)
    with pytest.raises(OSError):
        for _ in range(100_000):
            end.say(*[f"Liveness Request:1.000000:{peer.address}"] * 500)
    wait_until(lambda: not peer._links)


def test_a_forged_message_in_ones_own_name_changes_nothing(net):
    peer, forger, honest = net.peer(), net.fake(), net.fake()
    end, witness = net.neighbour(peer, forger), net.neighbour(peer, honest)
    start = peer.spreading.origin.start
    end.say(*(wire.gossip("1.000000", peer.address, start, n, "forged").decode() for n in (1, 2)),
            wire.gossip("1.000000", forger.address, 1, 1, "its own").decode())
    assert witness.hear_until("gmessage:").endswith(":its own")
    peer.gossip(["mine"])
    assert witness.hear_until("gmessage:").endswith(":1:mine")
    assert neighbours(peer) == {forger.address, honest.address}


def test_gossip_of_made_up_runs_is_bounded(net):
    peer, fake = net.peer(runs_of_one=50, antientropy_interval=0), net.fake()
    end = net.neighbour(peer, fake)
    address = free_address()
    end.say(*(wire.gossip("1.000000", address, start, 1, "x").decode()
              for start in range(1, 2001)))
    refused = "messages of runs for which there was no room"
    wait_until(lambda: peer.status().get(refused) == 1950)
    wait_until(lambda: count(peer, "received:") == 50)
    assert len(peer.messages.vector()) == peer.messages.count() == 50
