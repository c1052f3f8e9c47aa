"""Networks that have more to do than their processors can do: they become slow, no more."""

import contextlib
import os

import pytest

from gossip.lab.proof.records import Records
from tests.tools.busy import busy_loops
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import run, write_config


def run_overloaded(folder, peers, seeds, loops, seconds, *flags):
    """Run a network of two processes to its proof, beside busy loops; nobody may be wronged."""
    config = write_config(folder, free_addresses(seeds))
    with busy_loops(loops, seconds):
        code, out, err = run("runner.py", "--peers", peers, "--processes", 2, "--once",
                             "--gossip-count", 2, "--base-port", free_range(peers),
                             "--config", config, "--outputs", folder, *flags, timeout=600)
    assert (code, err) == (0, ""), out
    assert f"{2 * peers * (peers - 1)} of {2 * peers * (peers - 1)} deliveries" in out
    records = Records(folder).refresh()
    assert len(records.peers) == peers
    assert [run.dead for run in records.peers if run.dead] == []
    end = min(run.last for run in records.peers)  # then the runner stops one after the other
    assert [(seed.address, removed) for seed in records.seeds
            for removed in seed.removed if removed[0] < end] == []


@pytest.mark.slow
def test_a_network_whose_processors_are_taken_is_slow_and_calls_nobody_dead(tmp_path):
    run_overloaded(tmp_path, 12, 2, 2 * (os.cpu_count() or 1), 60, "--capacity", "fixed:4",
                   "--gossip-interval", 0.5, "--liveness-interval", 1)


@pytest.mark.slow
@pytest.mark.parametrize("loops", [0, 8])
def test_a_thousand_peers_on_two_processors_call_nobody_dead(tmp_path, loops):
    with on_processors(2):
        run_overloaded(tmp_path, 1_000, 6, loops, 60)


@contextlib.contextmanager
def on_processors(count):
    """What is started now runs on so many processors, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
