"""Orders: what a page may ask of a running network, and what comes of it."""

import os
import signal

import pytest

from gossip.lab.experiments import network as networks
from gossip.lab.experiments.accidents import Role
from gossip.lab.experiments.network import Network, orders
from gossip.settings import Filter, Settings
from tests.tools.files import lines_of
from tests.tools.ports import free_addresses
from tests.tools.programs import write_config
from tests.tools.waiting import wait_until

IN_ONE_PROCESS = pytest.mark.parametrize("running", [1], indirect=True)


class Running:
    """A network of a seed and three peers, and its output files."""

    def __init__(self, folder, processes, roles=None):
        self.folder = folder
        self.seed, *self.peers = free_addresses(4)
        words = folder / "words.txt"
        words.write_text("virus\n")
        self.network = Network(
            [self.seed], [self.seed], list(self.peers),
            Settings(gossip_count=0, liveness_interval=0.5,
                     filter=Filter(str(words), ("virus",))),
            write_config(folder, [self.seed]), folder, roles and roles(self.peers))
        self.processes = processes

    def __enter__(self):
        self.network.start(self.network.plan(self.processes))
        return self

    def __exit__(self, *error):
        self.network.__exit__(*error)

    def all_linked(self):
        for peer in self.peers:
            self.wait(peer, lambda lines: {f"connected:{other}" for other in self.peers
                                           if other != peer} <= set(lines))

    def do(self, word, node="", text=""):
        return self.network.carry_out({"do": word, "node": str(node), "text": text})

    def lines(self, node):
        kind = "seed" if node == self.seed else "peer"
        return lines_of(self.folder / f"{kind}_{node.file_part}.txt")

    def wait(self, node, holds):
        return wait_until(lambda: holds(self.lines(node)), what=f"the file of {node}")

    def runs(self, node):
        return sum(line.startswith("started:") for line in self.lines(node))


@pytest.fixture(params=[None, 1], ids=["a process each", "one process"])
def running(request, tmp_path):
    with Running(tmp_path, request.param) as network:
        network.all_linked()
        yield network


def test_a_killed_peer_is_dead_for_the_others_and_starts_again(running):
    first, second, _ = running.peers
    assert running.do("kill", first) == (200, f"kill {first}: done")
    assert running.network.dead_peers() == {str(first)}
    running.wait(second, lambda lines: any(
        line.startswith(f"disconnected:{first}") for line in lines))
    assert running.do("kill", first) == (409, f"{first} is dead")
    assert running.do("say", first, "hello") == (409, f"{first} is dead")
    assert not any(line.startswith("stopped:") for line in running.lines(first))
    wait_until(lambda: running.do("start", first)[0] == 200)  # once its port is free
    running.wait(first, lambda lines: running.runs(first) == 2)
    running.wait(second, lambda lines: lines.count(f"connected:{first}") == 2)
    assert running.network.dead_peers() == set()
    assert running.do("start", first) == (409, f"{first} is running")


@IN_ONE_PROCESS
def test_what_a_peer_is_told_to_say_reaches_the_others(running):
    first, *others = running.peers
    assert running.do("say", first, " grüß  euch:alle ") == (200, f"{first} says it")
    for other in others:
        running.wait(other, lambda lines: any(
            line.endswith(": grüß  euch:alle ") for line in lines))
    assert running.do("say", first, " ")[0] == 400
    assert running.do("say", first, "a Virus!") == (
        409, "it has a forbidden word; nothing was sent")
    assert running.do("say", running.seed, "hello")[0] == 409


@IN_ONE_PROCESS
def test_a_seed_is_killed_and_started(running):
    assert running.do("kill", running.seed)[0] == 200
    peer = running.peers[0]
    running.wait(peer, lambda lines: any(
        line.startswith(f"unregistered:{running.seed}:") for line in lines))
    wait_until(lambda: running.do("start", running.seed)[0] == 200)
    running.wait(peer, lambda lines: lines.count(f"registered:{running.seed}") == 2)
    assert running.runs(running.seed) == 2 and running.network.dead_peers() == set()


def test_a_peer_that_is_added_joins_and_can_be_killed(running):
    status, line = running.do("add")
    added = running.network.peers[-1]
    assert (status, line) == (200, f"{added} starts") and len(running.network.peers) == 4
    assert added.port > max(peer.port for peer in running.peers)
    running.wait(added, lambda lines: any(line.startswith("connected:") for line in lines))
    assert running.do("kill", added)[0] == 200


def test_who_shares_a_process_is_not_frozen(tmp_path):
    with Running(tmp_path, 1) as running:
        status, line = running.do("freeze", running.peers[0])
        assert status == 409 and "shares a process" in line
    assert orders(own_processes=False) == ("kill", "start", "say", "add")


def test_a_frozen_peer_answers_nobody_until_it_is_thawed(tmp_path):
    with Running(tmp_path, None) as running:
        running.all_linked()
        first, second, third = running.peers
        assert running.do("thaw", first) == (409, f"{first} is not frozen")
        assert running.do("freeze", first)[0] == 200
        assert running.do("freeze", first) == (409, f"{first} is frozen")
        assert running.do("say", first, "hello")[0] == 409
        wait_until(lambda: any(line.startswith(f"liveness missed:{first}:")
                               for other in (second, third) for line in running.lines(other)))
        assert running.do("thaw", first)[0] == 200
        assert running.do("say", first, "again")[0] == 200
        running.wait(first, lambda lines: any(line.endswith(":again") for line in lines))
        assert running.do("freeze", second)[0] == running.do("freeze", third)[0] == 200
        assert running.do("kill", third)[0] == 200
    for peer in (first, second):  # a frozen one, too, ends as the others do
        assert running.lines(peer)[-1].startswith("stopped:")


@IN_ONE_PROCESS
def test_orders_that_are_none_are_refused(running):
    assert running.do("burn", running.peers[0])[0] == 400
    assert running.do("kill", "nobody")[0] == running.do("kill")[0] == 400
    assert running.do("kill", "127.0.0.1:1") == (409, "127.0.0.1:1 was not started by this runner")
    before = [running.runs(peer) for peer in running.peers]
    assert before == [1, 1, 1]


def test_a_network_that_does_not_run_takes_no_orders(tmp_path):
    running = Running(tmp_path, None)
    assert running.do("add") == running.do("kill", running.peers[0]) == (
        409, "the network does not run now")
    with running:
        assert running.do("say", running.peers[0], "hello")[0] == 200
    assert running.do("start", running.peers[0]) == (409, "the network does not run now")


def test_a_frozen_peer_that_is_killed_from_outside_starts_again_and_is_not_frozen(tmp_path):
    with Running(tmp_path, None) as running:
        running.all_linked()
        first = running.peers[0]
        assert running.do("freeze", first)[0] == 200
        os.kill(running.network.hosts[0].id, signal.SIGKILL)
        wait_until(lambda: running.do("start", first)[0] == 200)
        assert running.do("say", first, "hello")[0] == 200
        running.wait(first, lambda lines: any(line.endswith(":hello") for line in lines))
        assert len(running.network.hosts) == 3  # nothing is kept of the process that died


def test_an_attacker_that_is_frozen_is_killed_and_starts_again(tmp_path):
    def roles(peers):
        return {peers[0]: Role("drop", 0.5, ())}

    with Running(tmp_path, None, roles) as running:
        running.all_linked()
        first = running.peers[0]
        assert running.do("freeze", first)[0] == running.do("kill", first)[0] == 200
        wait_until(lambda: running.do("start", first)[0] == 200)
        running.wait(first, lambda lines: running.runs(first) == 2)


def test_who_has_died_already_is_not_killed_once_more(tmp_path):
    with Running(tmp_path, 1) as running:
        running.all_linked()
        first, second, _ = running.peers
        assert running.do("kill", first)[0] == 200
        running.network.kill([first])
        assert running.do("say", second, "hello")[0] == 200  # their process has not ended of it
        running.wait(second, lambda lines: any(line.endswith(":hello") for line in lines))


def test_a_process_that_the_system_does_not_allow_is_an_answer_and_adds_no_peer(
        tmp_path, monkeypatch):
    def refuse(*arguments):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with Running(tmp_path, None) as running:
        running.all_linked()
        monkeypatch.setattr(networks, "PeerProcess", refuse)
        assert running.do("add") == (
            409, "the system does not allow it: Resource temporarily unavailable")
        assert len(running.network.peers) == len(running.network.hosts) == 3


def test_a_start_that_is_given_up_starts_no_more_peers(tmp_path):
    running = Running(tmp_path, None)
    looks = []

    def look():
        looks.append(len(running.network.hosts))
        if len(looks) == 2:
            raise KeyboardInterrupt

    with running.network, pytest.raises(KeyboardInterrupt):
        running.network.start(running.network.plan(None), look=look)
    assert looks == [0, 1]
