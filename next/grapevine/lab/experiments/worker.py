"""A worker: a process with many nodes in one loop, which the runner starts.

Its standard input has orders, one a line; when that ends, all peers leave, and the process ends:

    seed IP:PORT        start a seed
    peer IP:PORT        start a peer
    peer IP:PORT ROLE   start a peer that attacks (lab/attackers.py)
    say IP:PORT TEXT    have a peer say something
    count               print a line of counts, JSON: see `Worker.count`
"""

import json
import os
import signal
import sys
import threading
import time

from grapevine.addresses import parse_address
from grapevine.classes import peer_class, seed_class
from grapevine.lab.attackers import attacker_class, parse_role
from grapevine.settings import majority
from grapevine.terminal.command_line import (
    SETTINGS, Parser, add_common, add_settings, cannot_listen, load_seeds, run_command, settings_of,
    write_all)
from grapevine.terminal.starting import open_output, peak_memory, prepare_descriptors
from grapevine.worlds.loop import Loop, LoopWorld

LOOK = 0.05  # seconds between two looks whether all peers have left


def worker_main(arguments: list[str]) -> int:
    return run_command("runner.py worker", run_worker, arguments)


def run_worker(arguments: list[str]) -> None:
    prepare_descriptors()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner takes it, and ends the input
    parser = Parser(prog="runner.py worker", description="Many nodes in one process.")
    add_common(parser)
    add_settings(parser, tuple(SETTINGS))
    worker = Worker(parser.parse_args(arguments))
    threading.Thread(target=worker.read_orders, name="orders", daemon=True).start()
    worker.loop.run()
    worker.stop()


class Worker:
    """The nodes of this process. All its methods but `read_orders` are called by the loop."""

    def __init__(self, args):
        self.loop = Loop()
        self._args, self._settings = args, settings_of(args)
        self._classes = {"seed": seed_class(self._settings), "peer": peer_class(self._settings)}
        self._seeds = load_seeds(args.config)
        self._nodes = {"seed": {}, "peer": {}}  # kind -> address -> node

    def read_orders(self) -> None:
        for line in sys.stdin:
            self.loop.post(self.obey, *line.split(None, 2))
        self.loop.post(self.leave)

    def obey(self, order: str, where: str = "", text: str = "") -> None:
        if order == "count":
            write_all(1, f"{json.dumps(self.count())}\n".encode())
        elif order == "say":
            node = self._nodes["peer"][parse_address(where)]
            node.world.call(node.originate, [text.rstrip("\n")])
        else:
            node_class = attacker_class(parse_role(text)) if text else self._classes[order]
            self.start(order, parse_address(where), node_class)

    def start(self, kind: str, address, node_class: type) -> None:
        try:
            world = LoopWorld(self.loop, address)
        except OSError as error:
            raise cannot_listen(address, error) from None
        output = open_output(self._args.outputs, kind, address, None)
        node = node_class(address, self._settings, output, world, self._seeds)
        self._nodes[kind][address] = node
        world.begin(node)

    def count(self) -> dict[str, float]:
        """Return how many nodes there are, what they have, and what this process has used."""
        peers, seeds = self._nodes["peer"].values(), self._nodes["seed"].values()
        wanted, used = majority(len(self._seeds)), os.times()
        return {
            "nodes": len(peers) + len(seeds),
            "registered": sum(len(peer.registrations.links()) >= wanted for peer in peers),
            "linked": sum(bool(peer.neighbours.links) for peer in peers),
            "known": sum(peer.messages.count() + peer.messages.dropped["texts evicted"]
                         for peer in peers),
            "broken": sum(len(peer.neighbours.rows) - len(peer.neighbours.links) for peer in peers),
            "kicked": max([seed.kicked() for seed in seeds if self._settings.monitor], default=0),
            "listed": sum(len(seed.registry.rows) for seed in seeds),
            "cpu": used.user + used.system, "memory": peak_memory()}

    def leave(self) -> None:
        """Have all peers leave, and end once they have."""
        for peer in self._nodes["peer"].values():
            peer.world.call(peer.leave)
        self.end_when_left()

    def end_when_left(self) -> None:
        self.loop.is_over = all(peer.stopping for peer in self._nodes["peer"].values())
        self.loop.calls.at(time.monotonic() + LOOK, self.end_when_left)

    def stop(self) -> None:
        for nodes in self._nodes.values():
            for node in nodes.values():
                node.world.end("quit")
