"""Nodes in the world of threads, all in the process of the tests, so that tests see their threads.

    nodes.start(Peer, gossip_count=0)       a node with an output file
    nodes.stranger(node)                    a connection to it, in the hand of the test
"""

import os
import pathlib
import socket
import threading

from grapevine.addresses import address_of
from grapevine.link import Link
from grapevine.node import UNIDENTIFIED
from grapevine.output import Output
from grapevine.seed import Seed
from grapevine.settings import Settings
from grapevine.worlds.threads import ThreadWorld
from tests.tools.programs import DEADLINE, OutputFile, free_ports, wait_until

SETTINGS = Settings(gossip_count=0, liveness_interval=0.3, antientropy_interval=0.3,
                    capacity="fixed:4")


class Started(OutputFile):
    """A node with its world and its output file."""

    def __init__(self, kind, address, settings: Settings, path: pathlib.Path, seeds: list):
        super().__init__(path)
        self.address, self.world = address, ThreadWorld(address)
        output = Output(open(path, "ab", buffering=0))
        self.node = kind(address, settings, output, self.world, seeds)
        self.world.begin(self.node)

    def later(self, call) -> None:
        """Make a call in the thread `timer`."""
        with self.world.lock:
            self.node.later(0.0, call)


class Nodes:
    """Nodes that end with the test. `seeds` are addresses, whether a seed is started or not."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self.seeds = [address_of("127.0.0.1", port) for port in free_ports(1)]
        self._started: list[Started] = []

    def start(self, kind, **settings) -> Started:
        is_seed = issubclass(kind, Seed)
        address = self.seeds[0] if is_seed else address_of("127.0.0.1", free_ports(1)[0])
        path = self._folder / f"{kind.__name__}_{address.port}.txt"
        self._started.append(
            Started(kind, address, SETTINGS._replace(**settings), path, self.seeds))
        return self._started[-1]

    def stranger(self, node: Started) -> socket.socket:
        return socket.create_connection((node.address.ip, node.address.port), timeout=10.0)

    def end(self) -> list[bool]:
        """End all nodes; return for each whether all its threads have ended."""
        started, self._started = self._started, []
        return [node.world.end("over", DEADLINE) for node in started]

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_) -> None:
        assert all(self.end())


def link_of_stranger(node: Started) -> Link:
    """Wait for the link of the only stranger that is connected to a node, and return it."""
    return wait_until(lambda: [link for link in list(node.node.links)
                               if link.role == UNIDENTIFIED])[0]


def resources() -> tuple[int, int]:
    """Return the numbers of threads and of descriptors of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def returns_to(before: tuple[int, int]) -> None:
    """Wait until this process has no more threads and descriptors than before."""
    wait_until(lambda: resources() <= before and resources()[1] <= before[1],
               what=lambda: f"{before}, now {resources()}: {threading.enumerate()}")
