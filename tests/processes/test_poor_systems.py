"""A network on systems that lack what Windows or macOS lack (poor.py): it does all the same."""

import os
import pathlib
import signal

import pytest

from tests.tools.programs import free_ports, is_clean, wait_until

POOR = pathlib.Path(__file__).with_name("poor.py")


ENDS = """
stranger = socket.create_connection(("127.0.0.1", port))
while not any(link.role == "UNIDENTIFIED" for link in list(world.node.links)):
    time.sleep(0.01)
print("all threads have ended:", world.end("over", 10.0))
"""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_all_threads_of_a_node_end_though_nobody_wakes_them(network, platform):
    started = network.start_node(ENDS, free_ports(1)[0], os.devnull, POOR, platform)
    assert started.code() == 0 and started.shown() == "all threads have ended: True\n"


FULL = """
stranger = socket.create_connection(("127.0.0.1", port))
while not (links := [link for link in list(world.node.links) if link.role == "UNIDENTIFIED"]):
    time.sleep(0.01)
with world.lock:
    links[0].limit = 1 << 30
    links[0].send(bytes(64 << 20))
    print("some waits:", bool(links[0].waiting))
world.end("over", 10.0)
"""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_nobody_waits_for_a_neighbour_that_reads_nothing(network, platform):
    started = network.start_node(FULL, free_ports(1)[0], os.devnull, POOR, platform)
    assert started.code() == 0 and started.shown() == "some waits: True\n"


@pytest.mark.parametrize("platform", [
    "win32", pytest.param("darwin", marks=pytest.mark.slow)])
def test_a_network_joins_gossips_and_finds_the_dead_on_a_poor_system(network, platform):
    network.wrapper = [POOR, platform]
    network.start_seeds()
    one, two, killed, frozen = network.start_peers(4, "--quiet")
    one.type("say hello", f"say {'x' * 60_000}")
    for peer in (two, killed, frozen):
        peer.has("received:", 2)
    killed.kill()
    frozen.send(signal.SIGSTOP)
    for dead in (killed, frozen):
        wait_until(lambda: one.events(f"dead:{dead.address}") + two.events(f"dead:{dead.address}"))
    frozen.kill()
    link = f"connected:{killed.address}"  # once or twice so far, because dials may cross
    before = {peer: len(peer.events(link)) for peer in (one, two)}
    again = network.start_peer(port=int(killed.address.rpartition(":")[2]))
    for peer in (one, two):
        wait_until(lambda: len(peer.events(link)) > before[peer])
    in_use = network.start("peer.py", one.address.rpartition(":")[2])
    assert in_use.code() == 1 and in_use.shown().endswith(" is in use\n")
    two.type("quit")
    assert two.code() == 0
    one.event(f"disconnected:{two.address}:left")
    for program in (one, again):
        program.send(signal.SIGTERM)
        assert program.code() == 0
        assert program.events()[-1] == "stopped:interrupted"
    for program in network.programs:
        assert is_clean(program.shown()), program.shown()
    for node in (*network.peers, *network.seeds):
        assert not node.events("failed:")
