"""Machines that know the seeds by name: no flag about addresses, and IPs that change.

Each machine is a network namespace at a switch, with a hosts file of its own (namespaces.py).
"""

import contextlib
import re
import shutil

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.files import lines_of, one_piece
from tests.tools.namespaces import Namespace, Switch
from tests.tools.programs import Program, run, write_config
from tests.tools.waiting import wait_until

NETS = {"IPv4": "10.79.0.{}/24", "IPv6": "fd79::{}/64"}
SEEDS = ["seed-a:13001", "seed-b:13001", "seed-c:13001"]
PEERS = {0: 13_010, 1: 13_011, 3: 13_012}  # machine -> port; the third has a seed alone
NEW = 9  # the last number of its new IP


class Machines:
    """Four machines, and the seeds and peers that run there."""

    def __init__(self, folder, net: str, stack: contextlib.ExitStack):
        self.folder, self._net, self._stack = folder, NETS[net], stack
        self._common = ["--config", write_config(folder, SEEDS), "--outputs", folder, "--quiet"]
        self._hosts = folder / "hosts"
        self.numbers = {0: 1, 1: 2, 2: 3, 3: 4}  # machine -> last number of its IP
        self.write_hosts()
        self.switch = Switch()
        stack.callback(self.switch.close)
        self.all = [stack.enter_context(self.switch.machine(self.ip(machine)))
                    for machine in self.numbers]
        for machine in self.all:
            machine.know_hosts(self._hosts)

    def ip(self, machine: int) -> str:
        return self._net.format(self.numbers[machine]).partition("/")[0]

    def at(self, machine: int, port: int = 13_001) -> str:
        ip = self.ip(machine)
        return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def address(self, machine: int, do: str) -> None:
        more = ["nodad"] if do == "add" and ":" in self._net else []
        self.all[machine].ip("address", do, self._net.format(self.numbers[machine]), "dev", "eth0",
                             *more)

    def write_hosts(self) -> None:
        self._hosts.write_text("".join(
            f"{self.ip(machine)} {seed.partition(':')[0]}\n" for machine, seed in enumerate(SEEDS)))

    def start(self, machine: int, *arguments) -> Program:
        return self._stack.enter_context(self.all[machine].do(Program, *arguments, *self._common))

    def status(self) -> tuple[int, str]:
        return self.all[3].do(run, "runner.py", "status", "--config", self._common[1])[:2]

    def lines(self, machine: int, port: int, kind: str = "peer") -> list[str]:
        ip = self.ip(machine).replace(":", "-")
        return lines_of(self.folder / f"{kind}_{ip}_{port}.txt")


def registered(machines: Machines, seeds: list[str]) -> bool:
    """Whether the last word of every peer is that it is registered with these seeds."""
    return all([line.startswith("registered:") for line in machines.lines(machine, port)
                if re.match(f"(un)?registered:{re.escape(seed)}", line)][-1:] == [True]
               for machine, port in PEERS.items() for seed in seeds)


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_machines_with_names_in_their_config_are_one_network_also_when_ips_change(tmp_path, net):
    with contextlib.ExitStack() as stack:
        machines = Machines(tmp_path, net, stack)
        started = [machines.start(0, "runner.py"), machines.start(1, "seed.py", "13001"),
                   machines.start(2, "seed.py", SEEDS[2])]
        for machine, port in PEERS.items():
            machines.start(machine, "peer.py", port, "--gossip-interval", 0.2,
                           "--liveness-interval", 1)
        wait_until(lambda: one_piece(tmp_path, 3), what="one piece")
        code, shown = machines.status()
        assert code == 0 and f"seed {SEEDS[2]} ({machines.at(2)}) " in shown
        assert {path.name for path in tmp_path.glob("peer_*.txt")} == {
            f"peer_{machines.ip(machine).replace(':', '-')}_{port}.txt"
            for machine, port in PEERS.items()}

        machines.switch.cut(3)  # a host is lost, and comes back
        wait_until(lambda: any(line.startswith("unregistered")
                               for line in machines.lines(3, 13_012)))
        machines.switch.mend(3)
        wait_until(lambda: one_piece(tmp_path, 3), what="one piece again")

        for machine in (1, 2):
            started[machine].process.kill()
            started[machine].process.wait()
        machines.address(2, "del")
        machines.numbers[2] = NEW
        machines.address(2, "add")
        machines.write_hosts()
        machines.start(2, "seed.py", SEEDS[2])
        both = [machines.at(0), machines.at(2)]
        wait_until(lambda: registered(machines, both), what="registrations at the new IP")
        for machine, port in PEERS.items():
            leads = [line for line in machines.lines(machine, port)
                     if line.startswith("seed:seed-c")]
            assert leads[-1] == f"seed:{SEEDS[2]}={machines.at(2)}"
        assert machines.status()[1].splitlines()[1] == (
            f"seed {SEEDS[1]} ({machines.at(1)}) down: Connection refused")
        holds, text = wait_until(lambda: (told := check.check_records(
            Records(tmp_path).refresh()))[0] and told, what="delivery")
        assert holds, text
        assert "with 2 seeds of 3" in text


def test_a_machine_that_knows_its_own_name_as_loopback_says_what_is_wrong(tmp_path):
    if shutil.which("mount") is None:
        pytest.skip("a hosts file of its own needs the command mount")
    hosts, config = tmp_path / "hosts", write_config(tmp_path, SEEDS[:2])
    hosts.write_text("127.0.1.1 seed-a\n10.79.0.2 seed-b\n")
    common = ["--config", config, "--outputs", tmp_path, "--quiet"]
    with Namespace() as machine:
        machine.know_hosts(hosts)
        for program in (["runner.py"], ["seed.py", SEEDS[0]]):
            code, _, err = machine.do(run, *program, *common)
            assert (code, err.partition(": ")[2]) == (
                2, "seed-a:13001: 127.0.1.1:13001 is another seed on every machine; give its "
                   "address in the network, as seed-b:13001 does (10.79.0.2:13001)\n")
        with machine.do(Program, "peer.py", 13_010, "--host", "127.0.0.1", *common):
            own = tmp_path / "peer_127.0.0.1_13010.txt"
            wait_until(lambda: "unregistered:seed-b:13001:10.79.0.2 cannot be reached from "
                               "127.0.0.1" in lines_of(own))
