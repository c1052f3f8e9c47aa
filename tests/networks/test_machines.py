"""Several machines with one config.txt, each a network namespace at a switch; and the recipes of
grapevine/machines: what they start runs, as it stands there."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from grapevine.lab.proof import check, graph
from grapevine.lab.proof.disturbances import HOLDS
from grapevine.lab.proof.records import Records
from tests.tools.namespaces import Namespace, Switch
from tests.tools.programs import ROOT, Node, OutputFile, Program, free_ports, wait_until

FOLDER = ROOT / "grapevine" / "machines"
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


@pytest.mark.parametrize("program", ["seed.py 8080", "peer.py 5001", "runner.py status 5001"])
def test_a_program_without_a_network_advises_what_it_takes(tmp_path, program):
    (tmp_path / "config.txt").write_text("10.78.0.1:8080\n")
    name, *arguments = program.split()
    with Namespace() as lonely, contextlib.closing(lonely.do(
            Program, [ROOT / name, *arguments, "--config", tmp_path / "config.txt"],
            tmp_path / "screen")) as started:
        assert started.code() == 1
        assert started.shown().endswith(": is there a network? Or give your IP\n")


# Recipes.

def test_the_image_is_the_checkout():
    image = dict(line.split(" ", 1) for line in (FOLDER / "Dockerfile").read_text().splitlines()
                 if not line.startswith("#"))
    assert image["COPY"] == ". /grapevine" and image["WORKDIR"] == "/grapevine"
    assert image["RUN"] == "python -m compileall -q ."  # each check of health is a process
    assert (image["USER"], image["ENTRYPOINT"]) == ("1000", '["python"]')


@pytest.mark.parametrize("name", ["grapevine-seed@.service", "grapevine-peer@.service"])
def test_the_units_of_systemd(name, tmp_path):
    unit = FOLDER / name
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    [start] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    port, of_seed = free_ports(2)
    config = tmp_path / "config.txt"
    config.write_text(f"127.0.0.1:{port if 'seed' in name else of_seed}\n")
    command = [{"/usr/bin/python3": sys.executable, "/etc/grapevine.txt": config,
                "/var/lib/grapevine": tmp_path, "%i": port}.get(word, word)
               for word in start.removeprefix("ExecStart=").split()]
    assert command[0] == sys.executable
    command[1] = ROOT / pathlib.Path(command[1]).name
    kind, last = ("seed", "interrupted") if "seed" in name else ("peer", "quit")
    file = OutputFile(tmp_path / f"{kind}_127.0.0.1_{port}.txt")
    node = Program(command[1:], tmp_path / "screen", stdin=subprocess.DEVNULL)
    with contextlib.closing(node):
        file.event("started:")
        node.send(signal.SIGTERM)
        assert node.code() == 0
    assert file.events()[-1] == f"stopped:{last}"


def services() -> dict[str, tuple[list[str], list[str]]]:
    """Return the command of each service in compose.yaml, and that of its health."""
    service = (r"^  ([a-z0-9-]+):\n    <<: \*node\n    command: (\[.*\])\n"
               r"    healthcheck:\n      <<: \*health\n      test: (\[.*\])$")
    found = re.findall(service, (FOLDER / "compose.yaml").read_text(), re.MULTILINE)
    return {name: (json.loads(command), json.loads(health)) for name, command, health in found}


def test_compose_is_yaml_with_three_seeds_and_a_peer():
    assert list(services()) == ["seed-0", "seed-1", "seed-2", "peer"]
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, (command, health) in services().items():
        service = recipe["services"][name]
        assert (service["command"], service["healthcheck"]["test"]) == (command, health)
        assert service["user"] == "1000" and service["read_only"] is True
        assert service["init"] is True and service["restart"] == "unless-stopped"
        assert service["configs"] == [{"source": "seeds", "target": "/grapevine/config.txt"}]
    assert (FOLDER / recipe["configs"]["seeds"]["file"]).exists()


class Containers(Machines):
    """The services of compose.yaml, each on a machine of its own, as their commands say. What they
    write to standard output is a file of the folder `outputs`."""

    def __init__(self, folder: pathlib.Path):
        ips = [f"10.79.0.{number}" for number in range(1, 8)]  # the last two are spare
        super().__init__(folder, ips, (FOLDER / "compose.txt").read_text().splitlines())
        self._hosts, self._names = folder / "hosts", {}
        self._hosts.touch()
        for machine in self.all:
            machine.know_hosts(self._hosts)
        self._spare = list(range(len(ips)))

    def start_service(self, name: str) -> tuple[int, Program]:
        """Start a service on a spare machine; return which one, and its process."""
        machine, command = self._spare.pop(0), services()[name][0]
        if name != "peer":
            self._names[name] = self.ips[machine]
            self._hosts.write_text("".join(f"{ip} {at}\n" for at, ip in self._names.items()))
        kind = command[0].removesuffix(".py")
        started = self.all[machine].do(
            Program, [ROOT / command[0], *command[1:], *self.common[:2]],
            self.outputs / f"{kind}_{machine}.txt", stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.stack.callback(started.close)
        return machine, started

    def is_healthy(self, name: str, machine: int) -> bool:
        test = services()[name][1]
        assert test[:2] == ["CMD", "python"]
        return self.all[machine].do(
            subprocess.run, [sys.executable, ROOT / test[2], *test[3:], *map(str, self.common[:2])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.slow
def test_what_compose_starts_lives_and_is_proved_by_its_logs(tmp_path):
    with Containers(tmp_path) as net:
        seeds = {name: net.start_service(name) for name in ("seed-0", "seed-1", "seed-2")}
        peers = [net.start_service("peer") for _ in range(2)]
        for name, (machine, _) in [*seeds.items(), *(("peer", peer) for peer in peers)]:
            wait_until(lambda: net.is_healthy(name, machine), LONG, lambda: name)
        seeds["seed-0"][1].kill()
        machine, _ = net.start_service("seed-0")
        seeds["seed-1"][1].kill()  # of three seeds a peer needs two, so it needs the new one
        for _, peer in peers:
            peer.shows(f":registered:{net.ips[machine]}:8080", LONG)
            peer.shows(":received:", LONG)
        leaver = peers[0][1]
        leaver.send(signal.SIGTERM)
        assert leaver.code() == 0 and leaver.shown().splitlines()[-1].endswith(":stopped:quit")
        net.prove()
