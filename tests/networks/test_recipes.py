"""The recipes of gossip/machines: each command in them is run as it stands there."""

import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.containers import Cluster
from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import ROOT, write_config
from tests.tools.waiting import wait_until
from tests.tools.yaml_subset import documents

FOLDER = ROOT / "gossip" / "machines"
PEERS = 3


def read(name: str) -> list:
    return documents((FOLDER / name).read_text())


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_the_small_reader_of_yaml_reads_what_others_read(name):
    yaml = pytest.importorskip("yaml")
    assert read(name) == list(yaml.safe_load_all((FOLDER / name).read_text()))


def test_the_image_is_the_checkout():
    image = dict(line.split(" ", 1) for line in (FOLDER / "Dockerfile").read_text().splitlines()
                 if not line.startswith("#"))
    assert image["COPY"] == ". /grapevine" and image["WORKDIR"] == "/grapevine"
    assert image["RUN"] == "python -m compileall -q ."  # each check of health is a process
    assert (image["USER"], image["ENTRYPOINT"]) == ("1000", '["python"]')


class Pods:
    """What a recipe runs: seeds with names, peers without, each with the command of its health."""

    def __init__(self, cluster: Cluster, seeds: dict, peer: list, health: dict):
        self.cluster, self._seeds, self._peer, self._health = cluster, seeds, peer, health
        self.seeds = {name: self.seed(name) for name in seeds}
        self.peers = [self.peer() for _ in range(PEERS)]

    def seed(self, name: str):
        return self.cluster.start("seed", self._seeds[name], name)

    def peer(self):
        return self.cluster.start("peer", self._peer)

    def replace(self, name: str) -> None:
        self.seeds[name].close()
        self.seeds[name] = self.seed(name)

    def all(self) -> list:
        return [*self.seeds.values(), *self.peers]

    def wait_until_healthy(self) -> None:
        for kind, pods in (("seed", self.seeds.values()), ("peer", self.peers)):
            for pod in pods:
                wait_until(lambda: self.cluster.run(pod, self._health[kind])[0] == 0,
                           what=f"health of {pod.ip}")

    def names_in(self, pod, word: str) -> set[str]:
        """Return the IPs that the pod's log names in events that begin with the word."""
        return {line.split(":")[1] for line in lines_of(pod.log) if line.startswith(word + ":")}


def live_and_die(pods: Pods) -> None:
    """Replace pods of each kind under new IPs, end all, and prove it by their logs."""
    pods.wait_until_healthy()
    leaver = pods.peers.pop(0)
    leaver.process.send_signal(signal.SIGTERM)
    assert leaver.process.wait(30) == 0
    pods.peers.append(pods.peer())
    first, second = list(pods.seeds)[:2]
    pods.replace(first)
    pods.seeds[second].close()  # of three seeds a peer needs two, so all need the one with a new IP
    wait_until(lambda: {pod.ip for pod in pods.peers} <= pods.names_in(pods.seeds[first],
                                                                       "registered"),
               what="registrations at the seed's new IP")
    pods.replace(second)
    pods.wait_until_healthy()
    wait_until(lambda: all(pods.names_in(pod, "received") for pod in pods.peers),
               what="a message at each peer")
    for pod in pods.all():
        pod.process.send_signal(signal.SIGTERM)
    for pod in pods.all():
        pod.process.wait(30)
    holds, text = check.check_records(Records(pods.cluster.logs).refresh())
    assert holds, text


@pytest.mark.slow
def test_compose(tmp_path):
    [recipe] = read("compose.yaml")
    for service in recipe["services"].values():
        assert service["user"] == "1000" and service["read_only"] is True
        assert service["configs"] == [{"source": "seeds", "target": "/grapevine/config.txt"}]
    commands = {name: service["command"] for name, service in recipe["services"].items()}
    health = {name.partition("-")[0]: inside(service["healthcheck"]["test"][1:])
              for name, service in recipe["services"].items()}
    peer = commands.pop("peer")
    with Cluster(tmp_path, (FOLDER / recipe["configs"]["seeds"]["file"]).read_text()) as cluster:
        live_and_die(Pods(cluster, commands, peer, health))


@pytest.mark.slow
def test_kubernetes(tmp_path):
    config, service, *sets = read("kubernetes.yaml")
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    pods = {each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]
            for each in sets}
    for pod in pods.values():
        assert pod["securityContext"]["runAsUser"] == 1000
        assert pod["imagePullPolicy"] == "IfNotPresent"  # it may be no registry's
        assert pod["volumeMounts"] == [{"name": "seeds", "mountPath": "/grapevine/config.txt",
                                        "subPath": "config.txt"}]
    assert sets[0]["spec"]["replicas"] == 3 and sets[0]["spec"]["serviceName"] == "seed"
    names = [f"seed-{number}" for number in range(3)]
    arguments = pods["seed"]["args"]
    seeds = {f"{name}.seed": [argument.replace("$(NAME)", name) for argument in arguments]
             for name in names}
    health = {name: inside(pod["livenessProbe"]["exec"]["command"]) for name, pod in pods.items()}
    with Cluster(tmp_path, config["data"]["config.txt"]) as cluster:
        live_and_die(Pods(cluster, seeds, pods["peer"]["args"], health))


def inside(command: list[str]) -> list[str]:
    """Return the arguments of a command that begins with `python`."""
    assert command[0] == "python"
    return command[1:]


@pytest.mark.parametrize("name", ["grapevine-seed@.service", "grapevine-peer@.service"])
def test_units(name, tmp_path):
    unit = FOLDER / name
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    [start] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    port = free_port()
    config = write_config(tmp_path, [f"127.0.0.1:{port if 'seed' in name else free_port()}"])
    tmp_path.chmod(0o777)
    command = [{"/usr/bin/python3": sys.executable, "/etc/grapevine.txt": config,
                "/var/lib/grapevine": tmp_path, "%i": port}.get(word, word)
               for word in start.removeprefix("ExecStart=").split()]
    command[1] = ROOT / pathlib.Path(command[1]).name
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL) as node:
        wait_until(lambda: list(tmp_path.glob(f"*_127.0.0.1_{port}.txt")))
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) in (0, -signal.SIGTERM)


def test_the_messages_in_the_table_are_said_by_the_code():
    code = "".join(path.read_text() for path in (ROOT / "gossip").glob("**/*.py"))
    table = (FOLDER / "README.md").read_text().partition("## What is said")[2]
    for row in re.findall(r"^\| (`.*?) \|", table, re.M):
        for part in re.split(r"[A-Z]{2,}:?|:", row.replace("`", "\n").replace("(check)", "")):
            for words in filter(None, map(str.strip, part.replace(", \n", "\n").split("\n"))):
                assert words in code, words
