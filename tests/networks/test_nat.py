"""Peers behind a router with one public IP (nat.py), and machines that lose their own IP."""

import contextlib

import pytest

from gossip.addresses import address_of
from tests.tools.files import lines_of
from tests.tools.namespaces import Cable, Namespace
from tests.tools.nat import Router
from tests.tools.programs import Program, run, write_config
from tests.tools.waiting import wait_until

OUTSIDE, PUBLIC, PRIVATE, PORT, OTHER = "10.81.0.1", "10.81.0.9", "192.168.81.2", 13_010, 13_011
SEED = address_of(OUTSIDE, 13_001)
NAT = ["--host", PUBLIC, "--listen", PRIVATE]
FAST = ["--gossip-interval", 0.2, "--liveness-interval", 1]


@pytest.fixture
def common(tmp_path):
    return ["--config", write_config(tmp_path, [SEED]), "--outputs", tmp_path, "--quiet", *FAST]


@contextlib.contextmanager
def network(common):
    """A seed and a peer outside, and the namespace behind the router."""
    with Namespace() as outside, Namespace() as inside:
        outside.ip("address", "add", f"{OUTSIDE}/32", "dev", "lo")
        with Router(inside, PRIVATE, outside, PUBLIC, {PORT}), \
                outside.do(Program, "seed.py", *common[:5]), \
                outside.do(Program, "peer.py", OTHER, *common):
            yield inside


def test_a_peer_behind_a_router_joins_and_delivers_and_is_found_dead(common, tmp_path):
    with network(common) as inside:
        with inside.do(Program, "peer.py", PORT, *NAT, *common) as hidden:
            own, other = (tmp_path / f"peer_{ip}_{port}.txt"
                          for ip, port in ((PUBLIC, PORT), (OUTSIDE, OTHER)))
            for path, neighbour in ((own, f"{OUTSIDE}:{OTHER}"), (other, f"{PUBLIC}:{PORT}")):
                wait_until(lambda path=path, neighbour=neighbour: any(
                    line.startswith(f"received:{neighbour}:gmessage") for line in lines_of(path)))
            hidden.process.kill()
            hidden.process.wait()
            wait_until(lambda: f"dead:{PUBLIC}:{PORT}" in lines_of(other))


@pytest.mark.parametrize("announced, why", [
    ([PORT], f"{PRIVATE} is not your IP"),  # without --listen
    ([OTHER, *NAT], f"no Liveness Reply from {PUBLIC}:{OTHER}")])  # a port that is not forwarded
def test_a_peer_that_nobody_can_reach_is_refused(common, tmp_path, announced, why):
    with network(common) as inside, inside.do(Program, "peer.py", *announced, *common):
        ip = PUBLIC if "--listen" in announced else PRIVATE
        own = tmp_path / f"peer_{ip}_{announced[0]}.txt"
        wait_until(lambda: f"unregistered:{SEED}:registration refused: {why}" in lines_of(own))


@pytest.mark.parametrize("flags, why", [
    ([5001], "--listen needs --host, the IP that others dial (see peer.py --help)"),
    (["127.0.0.1:5001", "--listen", "::1"],
     "--listen ::1 and 127.0.0.1:5001 are an IPv4 and an IPv6 address (see peer.py --help)")])
def test_listen_goes_with_a_host(tmp_path, flags, why):
    config = write_config(tmp_path, [address_of("127.0.0.1", 1)])
    listen = [] if "--listen" in flags else ["--listen", "127.0.0.1"]
    assert run("peer.py", *flags, *listen, "--config", config, "--outputs", tmp_path) == (
        2, "", f"peer.py: {why}\n")


def test_a_machine_that_loses_its_ip_says_so_and_its_peer_blames_nobody(common, tmp_path):
    with Namespace() as one, Namespace() as other:
        Cable(one, OUTSIDE, other, PUBLIC)
        with one.do(Program, "seed.py", *common[:5]), one.do(Program, "peer.py", OTHER, *common), \
                other.do(Program, "peer.py", PORT, *common):
            own = tmp_path / f"peer_{PUBLIC}_{PORT}.txt"
            wait_until(lambda: f"connected:{OUTSIDE}:{OTHER}" in lines_of(own))
            other.ip("address", "del", f"{PUBLIC}/24", "dev", "cable")
            wait_until(lambda: f"address lost:{PUBLIC}" in lines_of(own))
            before = lines_of(own).count(f"registered:{SEED}")
            wait_until(lambda: f"dead:{PUBLIC}:{PORT}" in lines_of(
                tmp_path / f"peer_{OUTSIDE}_{OTHER}.txt"))
            other.ip("address", "add", f"{PUBLIC}/24", "dev", "cable")
            wait_until(lambda: f"address back:{PUBLIC}" in lines_of(own))
            wait_until(lambda: lines_of(own).count(f"registered:{SEED}") > before)
            assert not any(line.startswith("dead:") for line in lines_of(own))
