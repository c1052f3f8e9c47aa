"""Lives of real processes: with freezes, names, IPv6, routers, many messages, and a fork."""

import os
import signal
import socket
import sys

import pytest

from tests.tools.programs import DEADLINE, QUICK, Network, free_ports, wait_until


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_a_frozen_peer_is_found_dead_and_comes_back_without_blaming_anybody(network):
    network.start_seeds()
    one, two, frozen = network.start_peers(3)
    frozen.send(signal.SIGSTOP)
    wait_until(lambda: [event for peer in (one, two)
                        for event in peer.events(f"dead:{frozen.address}")])
    before = len(frozen.events())
    frozen.send(signal.SIGCONT)
    frozen.event("late:")
    wait_until(lambda: all(
        len(peer.events(f"connected:{frozen.address}"))
        == len(peer.events(f"disconnected:{frozen.address}")) + 1 for peer in (one, two)))
    one.type("say welcome back")
    assert frozen.event("received:").endswith(":welcome back")
    frozen.event("liveness reply:")
    told = frozen.events()[before:]
    assert not any(event.startswith(("dead:", "reported:")) for event in told)


def test_seeds_may_have_names(network):
    port = port_of(network.seed_addresses[0])
    network.config.write_text(f"localhost:{port}\n")
    network.start_seeds()
    one, two = network.start_peers(2)
    for peer in (one, two):
        assert peer.events("seed:") == [f"seed:localhost:{port}=127.0.0.1:{port}"]
        assert peer.events(f"registered:127.0.0.1:{port}")


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_a_network_over_ipv6(tmp_path):
    with Network(tmp_path, seeds=2, ip="::1") as network:
        network.start_seeds()
        one, two = network.start_peers(2)
        one.type("say hello")
        assert two.event("received:").startswith(f"received:{one.address}:gmessage:")
        assert one.address.startswith("[::1]:")
        two.kill()
        one.event(f"dead:{two.address}")


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux only")
def test_a_peer_behind_a_router_announces_another_ip_than_it_listens_on(network):
    """Its router is 127.0.0.3 for all others; in its own network it is 127.0.0.2."""
    [port] = free_ports(1, "127.0.0.2")
    announced = f"127.0.0.3:{port}\n".encode()
    with socket.create_server(("127.0.0.1", port_of(network.seed_addresses[0]))) as seed:
        seed.settimeout(DEADLINE)
        network.start("peer.py", announced.decode().strip(), "--host", "127.0.0.3",
                      "--listen", "127.0.0.2", *QUICK)
        link, (ip, _) = seed.accept()
        with link:
            assert ip == "127.0.0.2" and link.recv(100) == b"register:" + announced
    with socket.create_connection(("127.0.0.2", port), DEADLINE) as stranger:
        stranger.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
        assert stranger.recv(100).endswith(b":" + announced)


def test_a_life_begins_with_a_line_of_its_own_behind_one_that_a_power_failure_tore(network):
    [port] = free_ports(1)
    path = network.outputs / f"peer_127.0.0.1_{port}.txt"
    network.outputs.mkdir()
    path.write_bytes(b"2026-01-02 03:04:05.000000:started:peer:127.0.0.1:1\n2026-01-02 03:0")
    network.start_peer(port=port).event(f"started:peer:127.0.0.1:{port}")
    begin = path.read_bytes().split(b"\n")
    assert begin[1] == b"2026-01-02 03:0"
    assert begin[2].endswith(b":started:peer:127.0.0.1:%d" % port)


def test_25000_messages_that_are_said_before_quit_all_arrive(network):
    network.start_seeds()
    one, two = network.start_peers(2, "--quiet", "--rate", "0")
    one.type(*[f"say {number}" for number in range(25_000)], "quit")
    assert one.code() == 0
    two.has("received:", 25_000)
    texts = [event.rpartition(":")[2] for event in two.events("received:")]
    assert texts == [str(number) for number in range(25_000)]
    assert not one.events("not read:")


PARENT = """
print("listens", flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    sys.stdin.readline()  # it lives as long as the test wants
    os._exit(0)
print("child", child, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_connections_of_a_killed_process_end_though_a_child_of_it_lives_on(network):
    [port] = free_ports(1)
    parent = network.start_node(PARENT, port)
    parent.shows("listens")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as accepted:
        accepted.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
        assert accepted.recv(100).startswith(b"Liveness Reply:")
        parent.type("fork")
        parent.shows("child ")
        child = int(parent.shown().split()[-1])
        try:
            accepted.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
            assert accepted.recv(100).startswith(b"Liveness Reply:")  # the parent goes on
            parent.kill()
            assert accepted.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
            os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)
