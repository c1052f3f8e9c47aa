"""Orders: what a page may ask of a running network, and what comes of it."""

import os
import signal
import socket
import threading

import pytest

from grapevine.lab.experiments.network import Network, orders
from grapevine.lab.experiments.ports import Ports
from grapevine.settings import Settings
from grapevine.terminal.folders import SCENARIO
from tests.tools.programs import DEADLINE, OutputFile, free_range, wait_until
from grapevine.addresses import address_of


class Running:
    """A network of a seed and three peers, and their output files."""

    def __init__(self, folder, processes):
        first = free_range(10)
        seed, *peers = [address_of("127.0.0.1", first + at) for at in range(4)]
        self.seed, self.peers, self.folder = seed, peers, folder
        config = folder / "config.txt"
        config.write_text(f"{seed}\n")
        settings = Settings(gossip_count=0, liveness_interval=0.5, filter=("virus",))
        self.network = Network(Ports([seed], [seed], peers, config, ""), settings, folder,
                               processes, {}, socket.socket())

    def __enter__(self):
        self.network.start()
        for peer in self.peers:
            for other in self.peers:
                if other != peer:
                    self.file(peer).has(f"connected:{other}")
        return self

    def __exit__(self, *error):
        self.network.__exit__(*error)

    def do(self, word, node="", text=""):
        return self.network.carry_out({"do": word, "node": str(node), "text": text})

    def file(self, node):
        kind = "seed" if node == self.seed else "peer"
        return OutputFile(self.folder / f"{kind}_{node.file_part}.txt")

    def start(self, node):
        wait_until(lambda: self.do("start", node)[0] == 200)  # once its port is free
        self.file(node).has("started:", 2)


@pytest.mark.parametrize("processes", [None, 1], ids=["a process each", "one process"])
def test_nodes_are_killed_started_again_added_and_say_something(tmp_path, processes):
    running = Running(tmp_path, processes)
    assert running.do("add") == (409, "the network does not run now")
    with running:
        first, second, _ = running.peers
        assert running.do("kill", first) == (200, f"kill {first}: done")
        assert running.network.dead_peers() == {str(first)}
        running.file(second).has(f"disconnected:{first}")
        for word in "kill", "say":
            assert running.do(word, first, "hello") == (409, f"{first} is dead")
        assert running.file(first).events("stopped:") == []
        running.start(first)
        running.file(second).has(f"connected:{first}", 2)
        assert running.network.dead_peers() == set()
        assert running.do("start", first) == (409, f"{first} is running")
        assert running.do("say", first, " grüß  euch:alle ") == (200, f"{first} says it")
        wait_until(lambda: any(event.endswith(": grüß  euch:alle ")
                               for event in running.file(second).events("received:")))
        assert running.do("kill", running.seed)[0] == 200
        running.file(first).has(f"unregistered:{running.seed}:")
        running.start(running.seed)
        status, line = running.do("add")
        added = running.network.peers[-1]
        assert (status, line) == (200, f"{added} starts") and len(running.network.peers) == 4
        assert OutputFile(tmp_path / SCENARIO).events()[4:] == [
            f"kill:{first}", f"start:{first}", f"kill:{running.seed}", f"start:{running.seed}",
            f"start:{added}"]
        running.file(added).has("connected:")
    assert running.do("kill", first) == (409, "the network does not run now")
    assert running.file(first).events()[-1] == "stopped:interrupted"


def test_orders_that_are_none_are_refused(tmp_path):
    with Running(tmp_path, 1) as running:
        first = running.peers[0]
        for order, status in (
                (("burn", first), 400), (("kill", "nobody"), 400), (("kill",), 400),
                (("say", first, " "), 400), (("say", running.seed, "hello"), 409),
                (("kill", "127.0.0.1:1"), 409), (("freeze", first), 409)):
            assert running.do(*order)[0] == status
        assert running.do("say", first, "a Virus!") == (
            409, "it has a forbidden word; nothing was sent")
        assert running.do("freeze", first)[1].startswith(f"{first} shares a process with others")
        assert orders(False) == ("kill", "start", "say", "add")


def test_a_frozen_peer_answers_nobody_until_it_is_thawed_and_ends_like_all_others(tmp_path):
    with Running(tmp_path, None) as running:
        first, second, third = running.peers
        assert running.do("thaw", first) == (409, f"{first} is not frozen")
        assert running.do("freeze", first)[0] == 200
        assert running.do("freeze", first) == (409, f"{first} is frozen")
        assert running.do("say", first, "hello")[0] == 409
        running.file(second).has(f"liveness missed:{first}:1")
        assert running.do("thaw", first)[0] == running.do("say", first, "again")[0] == 200
        wait_until(lambda: running.file(first).events("generated:"))
        assert running.do("freeze", second)[0] == running.do("freeze", third)[0] == 200
        os.kill(running.network.hosts[third].process.pid, signal.SIGKILL)
        running.start(third)
        assert running.do("say", third, "hello")[0] == 200
    assert [running.file(peer).events()[-1] for peer in running.peers] == [
        "stopped:interrupted"] * 3


def test_who_stops_reading_is_told_nothing_more_and_holds_up_nobody(tmp_path):
    with Running(tmp_path, None) as running:
        first, answers = running.peers[0], []
        stopped = running.network.hosts[first].process.pid
        os.kill(stopped, signal.SIGSTOP)

        def say_until_refused():
            while not answers or answers[-1][0] == 200:
                answers.append(running.do("say", first, "x" * 3_900))

        says = threading.Thread(daemon=True, target=say_until_refused)
        says.start()
        says.join(DEADLINE)
        os.kill(stopped, signal.SIGCONT)
        assert len(answers) > 1 and answers[-1] == (409, f"{first} reads nothing now")


@pytest.mark.parametrize("number, kind", [(signal.SIGKILL, "ended"), (signal.SIGABRT, "failed")])
def test_a_process_that_ended_by_itself_is_in_the_scenario(tmp_path, number, kind):
    with Running(tmp_path, None) as running:
        host = running.network.hosts[running.peers[0]]
        os.kill(host.process.pid, number)
        host.process.wait()
        assert running.network.newly_ended() == [host]
        assert OutputFile(tmp_path / SCENARIO).events(kind) == [f"{kind}:{running.peers[0]}"]
