"""Whole networks of processes, and endurance: minutes, so they run with --slow."""

import json
import signal
import socket
import time

import pytest

from gossip.capacity import fixed
from gossip.lab.experiments import bench
from gossip.lab.proof.graph import PowerLaw
from gossip.lab.proof.records import Records
from gossip.settings import WAYS
from tests.tools.files import count
from tests.tools.nets import FAST, Net, connected, holds_all, neighbours, ring_whole
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import Program, run, write_config
from tests.tools.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("flags", [[], ["--capacity", "fixed:3"]])
@pytest.mark.parametrize("time_of_ten", range(10))
def test_forty_peers_thirteen_killed(tmp_path, flags, time_of_ten):
    config = write_config(tmp_path, free_addresses(6))
    code, out, err = run(
        "runner.py", "--peers", 40, "--base-port", free_range(40), "--kill", 13, "--once",
        "--gossip-interval", 0.5, "--liveness-interval", 1, *flags,
        "--config", config, "--outputs", tmp_path)
    assert (code, err) == (0, ""), out
    assert "15600 of 15600 deliveries" in out and "13 died" in out


def free_range_from_60():
    """The first of forty free ports that end in 60 to 99: capacity 3 by the rule."""
    while True:
        first = free_range(40)
        first += (60 - first) % 100
        if all(is_free(port) for port in range(first, first + 40)):
            return first


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("find_base, flags", [
    (lambda: free_range(40), ["--capacity", "fixed:3"]), (free_range_from_60, [])])
def test_forty_peers_started_at_once_find_their_ring_and_then_rest(tmp_path, find_base, flags):
    """With small capacities all round, and with the usual interval of 13 s."""
    config, base = write_config(tmp_path, free_addresses(6)), find_base()
    ports = range(base, base + 40)
    with Program("runner.py", "--peers", 40, "--base-port", base, "--gossip-count", 0, "--quiet",
                 "--config", config, "--outputs", tmp_path, *flags) as runner:
        records = Records(tmp_path)

        def whole():
            links = {run.address: run.linked for run in records.refresh().peers}
            return len(links) == 40 and all(
                f"127.0.0.1:{after}" in links[f"127.0.0.1:{before}"]
                for before, after in zip(ports, [*ports[1:], ports[0]]))

        wait_until(whole, 60, "a whole ring")
        wait_until(lambda: not changes_within(records, 30), 120, "30 s without a change")
        assert whole()
        assert all(len(run.linked) <= 3 for run in records.peers)
        runner.process.send_signal(signal.SIGINT)
        assert runner.finish()[0] == 0


def changes_within(records, seconds):
    """Whether a link came or went within so many seconds."""
    def links():
        return {run.address: sorted(run.linked) for run in records.refresh().peers}

    before, end = links(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        if links() != before:
            return True
    return False


def test_every_peer_restarted_one_after_the_other_loses_nothing(tmp_path):
    net = Net(tmp_path, FAST)
    try:
        net.seeds(3)
        peers = net.peers(8, capacity=fixed(3))
        wait_until(lambda: connected(peers) and ring_whole(peers))
        peers[0].gossip([f"text {n}" for n in range(1000)])
        wait_until(lambda: holds_all(peers, 1000))
        for at in range(8):
            net.end(peers[at])
            peers[at] = net.peer(peers[at].address, capacity=fixed(3))
            wait_until(lambda: holds_all(peers, 1000), 30)
    finally:
        net.stop()
    assert net.failures() == []


def test_gossip_for_two_minutes_while_peers_die_and_join(tmp_path):
    """Endurance: memory of the tables stays bounded, and all that live hear what is said."""
    net = Net(tmp_path, FAST._replace(cache_size=2_000))
    try:
        seeds = net.seeds(3)
        peers = net.peers(10, capacity=fixed(4))
        wait_until(lambda: connected(peers))
        end, turn = time.monotonic() + 120, 0
        while time.monotonic() < end:
            turn += 1
            peers[turn % 10].gossip([f"{turn} {n}" for n in range(20)])
            if turn % 20 == 0:
                net.end(peers[turn % 7])
                peers[turn % 7] = net.peer(peers[turn % 7].address, capacity=fixed(4))
            time.sleep(0.1)
        wait_until(lambda: connected(peers) and ring_whole(peers), 60)
        # What nobody holds any more, who has started since never learns of: no digest tells it.
        for peer in peers:
            peer.gossip(["at the end"])
        wait_until(lambda: all(sum(line.endswith(b":at the end") for line
                                   in peer.messages.latest(100)) == 10 for peer in peers))
        assert all(peer.messages.count() <= 2_000 for peer in peers)
        assert all(len(seed.registry.addresses()) <= 10 for seed in seeds)
        assert all(len(neighbours(peer)) + len(peer.neighbours.lost()) <= 20 for peer in peers)
    finally:
        net.stop()
    assert net.failures() == []


def test_five_hundred_peers_in_a_process_per_core(tmp_path):
    config = write_config(tmp_path, free_addresses(6))
    code, out, err = run(
        "runner.py", "--peers", 500, "--base-port", free_range(500), "--once",
        "--gossip-count", 2, "--config", config, "--outputs", tmp_path, timeout=300)
    assert (code, err) == (0, ""), out
    assert "499000 of 499000 deliveries" in out


@pytest.mark.parametrize("time_of_five", range(5))
def test_two_hundred_peers_a_third_of_which_is_killed(tmp_path, time_of_five):
    config = write_config(tmp_path, free_addresses(6))
    code, out, err = run(
        "runner.py", "--peers", 200, "--base-port", free_range(200), "--kill", 66, "--once",
        "--liveness-interval", 2, "--gossip-interval", 1, "--config", config,
        "--outputs", tmp_path, timeout=300)
    assert (code, err) == (0, ""), out
    assert "398000 of 398000 deliveries" in out and "66 died" in out


def test_degrees_follow_the_power_law_that_capacities_are_drawn_from(tmp_path):
    config = write_config(tmp_path, free_addresses(6))
    code, out, err = run(
        "runner.py", "--peers", 400, "--base-port", free_range(400), "--once",
        "--gossip-count", 1, "--gossip-interval", 40, "--capacity", "powerlaw:2.5",
        "--config", config, "--outputs", tmp_path, timeout=300)
    assert (code, err) == (0, ""), out
    law = PowerLaw(Records(tmp_path).refresh())
    assert abs(law.fitted.exponent - law.predicted.exponent) < 2 * law.predicted.error


def test_bench_measures_every_figure(tmp_path):
    config, file = write_config(tmp_path, free_addresses(3)), tmp_path / "bench.json"
    code, out, err = run(
        "runner.py", "bench", "--peers", 5, "--messages", 2000, "--runs", 2, "--json", file,
        "--base-port", free_range(5), "--config", config, timeout=900)
    assert (code, err) == (0, "")
    report = json.loads(file.read_text())
    assert set(report["runs"]) == set(report["median"]) == set(WAYS)
    for spread, networks in report["runs"].items():
        medians, (*whole, alone) = report["median"][spread], networks
        assert len(whole) == 2 and set(whole[0]) | set(alone) == set(medians)
        for name, what, _ in bench.FIGURES:
            assert what in out, (spread, name)
            # the kernel counts in hundredths of a second: five peers at rest may need none
            assert medians[name] > 0 or name == "cpu_at_rest", (spread, name)
        assert 1 <= medians["transmissions"] <= 4  # five peers: four links at most


def test_sixty_seeds_and_a_peer_of_each(tmp_path):
    config = write_config(tmp_path, free_addresses(60))
    code, out, err = run(
        "runner.py", "--peers", 12, "--base-port", free_range(12), "--once", "--gossip-count", 3,
        "--gossip-interval", 0.2, "--config", config, "--outputs", tmp_path)
    assert (code, err) == (0, ""), out
    assert "396 of 396 deliveries" in out


def test_a_late_peer_has_everything(tmp_path):
    net = Net(tmp_path, FAST)
    try:
        net.seeds(1)
        peers = net.peers(3)
        wait_until(lambda: connected(peers))
        for start in range(0, 50_000, 5_000):
            peers[start % 3].gossip([f"text {n}" for n in range(start, start + 5_000)])
        wait_until(lambda: holds_all(peers, 50_000), 60)
        late = net.peer()
        wait_until(lambda: late.messages.count() == 50_000, 60)
        assert count(late, "received:") == 50_000
    finally:
        net.stop()
    assert net.failures() == []
