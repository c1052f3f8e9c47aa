"""`runner.py status`: which nodes answer; it leaves no line in their files."""

import contextlib
import re
import socket
import threading

from gossip.addresses import address_of
from tests.tools.files import events
from tests.tools.nets import connected
from tests.tools.ports import free_address, free_addresses
from tests.tools.programs import run, write_config
from tests.tools.waiting import wait_until


def status(folder, seeds, *nodes):
    """The exit code and the lines that the command shows."""
    code, out, err = run("runner.py", "status", *nodes, "--config", write_config(folder, seeds))
    assert err == ""
    return code, out.splitlines()


def test_every_seed_and_every_listed_peer_has_a_line(net, tmp_path):
    seeds = net.seeds(3)
    peers = sorted(net.peers(4), key=lambda peer: peer.address)
    wait_until(lambda: connected(peers)
               and sum(len(seed.registry.addresses()) for seed in seeds) == 8)
    before = {seed: lasting(seed) for seed in seeds}
    code, lines = status(tmp_path, net.seed_addresses)
    assert code == 0 and len(lines) == 7
    for seed, line in zip(seeds, lines):
        count = len(seed.registry.addresses())
        assert line == f"seed {seed.address} {count} peer{'' if count == 1 else 's'}"
    for peer, line in zip(peers, lines[3:]):
        assert re.fullmatch(rf"peer {peer.address} [0-9.]+ ms on 2 of 3 lists", line)
    assert {seed: lasting(seed) for seed in seeds} == before
    refusals = [event for peer in peers for event in events(peer) if event.startswith("refused")]
    assert all(event.endswith(":duplicate") for event in refusals)  # two peers dialled each other


def test_a_network_without_a_majority_of_its_seeds_is_not_well(net, tmp_path):
    [seed] = net.seeds(1)
    peer = net.peer()
    wait_until(lambda: seed.registry.addresses())
    gone = free_addresses(2)
    code, lines = status(tmp_path, [seed.address, *gone])
    assert code == 1 and lines[0] == f"seed {seed.address} 1 peer"
    assert lines[1:3] == [f"seed {each} down: Connection refused" for each in gone]
    assert lines[3].endswith("on 1 of 1 lists") and str(peer.address) in lines[3]


def test_named_nodes_have_to_answer_all(net, tmp_path):
    [seed] = net.seeds(1)
    peer, nobody = net.peer(), free_address()
    code, lines = status(tmp_path, net.seed_addresses, seed.address, peer.address)
    assert code == 0 and len(lines) == 2 and re.fullmatch(rf"peer {peer.address} [0-9.]+ ms",
                                                          lines[1])
    code, lines = status(tmp_path, net.seed_addresses, peer.address.port)
    assert code == 0 and len(lines) == 1
    code, lines = status(tmp_path, net.seed_addresses, peer.address, nobody)
    assert code == 1 and lines[1] == f"peer {nobody} down: Connection refused"


def test_a_node_that_says_nothing_nonsense_or_goodbye_is_down_after_two_seconds(tmp_path):
    answers = {b"nonsense\n": "unknown line b'nonsense'", b"": "it closed the connection",
               None: "no answer within 2 s", b"leave:127.0.0.1:5\n": "no answer within 2 s"}
    for answer, why in answers.items():
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=say_once, args=(server, answer))
            thread.start()
            address = f"127.0.0.1:{server.getsockname()[1]}"
            code, lines = status(tmp_path, [address])
            assert (code, lines) == (1, [f"seed {address} down: {why}"])
            thread.join()


def lasting(seed):
    """The events of a seed but those that come by themselves."""
    return [event for event in events(seed)
            if not event.startswith(("peer list:", "late:", "alive:"))]


def say_once(server, answer):
    """Accept one connection, say something or close it, and wait for its end."""
    sock, _ = server.accept()
    with sock:
        sock.recv(100)
        if answer == b"":
            return
        sock.sendall(answer or b"")
        sock.settimeout(30)
        while sock.recv(100):
            pass


def test_a_node_that_says_much_and_no_answer_is_not_waited_for(tmp_path):
    def talk(server):
        sock, _ = server.accept()
        with sock, contextlib.suppress(OSError):
            while True:
                sock.sendall(b"registered successfully\n" * 1_000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        talker = threading.Thread(target=talk, args=(server,))
        talker.start()
        seed = address_of(*server.getsockname())
        code, lines = status(tmp_path, [seed])
    talker.join(30)
    assert code == 1 and lines[0] == f"seed {seed} down: no answer within 2 s"
