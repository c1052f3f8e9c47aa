"""Several machines with one config.txt: each is a network namespace at a switch."""

import contextlib

import pytest

from grapevine.lab.proof import check, graph
from grapevine.lab.proof.disturbances import HOLDS
from grapevine.lab.proof.records import Records
from tests.tools.namespaces import Switch
from tests.tools.programs import ROOT, Node, Program, wait_until

IPS = ("10.78.0.1", "10.78.0.2")
FAST = ["--gossip-interval", "0.2", "--liveness-interval", "1", "--antientropy-interval", "1"]
LONG = 60.0  # seconds within which all must have happened


class Machines:
    """Machines at a switch, and the programs that run on them; all write into one folder."""

    def __init__(self, folder, ips, config):
        self.folder, self.outputs, self.ips = folder, folder / "outputs", list(ips)
        self.outputs.mkdir()
        (folder / "config.txt").write_text("".join(f"{line}\n" for line in config))
        self.common = ["--config", folder / "config.txt", "--outputs", self.outputs, "--quiet"]
        self.stack = contextlib.ExitStack()
        self.switch = Switch()
        self.stack.callback(self.switch.close)
        self.all = [self.stack.enter_context(self.switch.machine(ip)) for ip in ips]
        self.screens = 0

    def start(self, machine: int, program: str, *arguments) -> Program:
        self.screens += 1
        started = self.all[machine].do(
            Program, [ROOT / program, *arguments, *self.common], self.folder / f"{self.screens}")
        self.stack.callback(started.close)
        return started

    def start_peer(self, machine: int, port: int, *flags) -> Node:
        self.screens += 1
        peer = self.all[machine].do(
            Node, [ROOT / "peer.py", port, *FAST, *flags, *self.common],
            self.folder / f"{self.screens}", f"{self.ips[machine]}:{port}",
            self.outputs / f"peer_{self.ips[machine].replace(':', '-')}_{port}.txt")
        self.stack.callback(peer.close)
        return peer

    def records(self) -> Records:
        return Records(self.outputs).refresh()

    def is_one_piece(self, peers: int) -> bool:
        """Tell whether so many peers have neighbours, and all form one graph."""
        records = self.records()
        return (sum(bool(run.linked) for run in records.peers) == peers
                and graph.history(records.peers)[-1][1] == 1)

    def prove(self) -> None:
        """Wait until the files prove all."""
        wait_until(lambda: check.check_folder(self.outputs)[0] == HOLDS, LONG,
                   lambda: check.check_folder(self.outputs)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


@pytest.mark.slow
def test_a_network_of_twelve_on_two_machines_that_is_cut_in_two_heals(tmp_path):
    seeds = [f"{ip}:{port}" for ip in IPS for port in (13_001, 13_002)]
    with Machines(tmp_path, IPS, seeds) as machines:
        for machine in (0, 1):
            machines.start(machine, "runner.py", "--liveness-interval", "1")
        wait_until(lambda: len(list(machines.outputs.glob("seed_*.txt"))) == 4)
        peers = [machines.start_peer(machine, port, "--gossip-count", "0", "--capacity", "fixed:4")
                 for machine in (0, 1) for port in range(13_010, 13_016)]
        wait_until(lambda: machines.is_one_piece(12), LONG)
        machines.switch.cut(1)

        def are_strangers() -> bool:
            return not any(peer.partition(":")[0] != run.address.partition(":")[0]
                           for run in machines.records().peers for peer in run.linked)

        wait_until(are_strangers, LONG)
        for number, peer in enumerate(peers):
            peer.type(f"say apart {number}")
        wait_until(lambda: [len(run.received) for run in machines.records().peers] == [5] * 12,
                   LONG)
        machines.switch.mend(1)
        wait_until(lambda: [len(run.received) for run in machines.records().peers] == [11] * 12,
                   LONG)
        machines.prove()
