"""A worker: a process with many nodes in one loop, which the runner starts.

Its standard input has orders, one a line. When that ends, all nodes end without a goodbye:

    seed IP:PORT            start a seed
    peer IP:PORT [ROLE]     start a peer; with a role it attacks (lab/attackers.py)
    ready                   write `ready`, because all of these listen
    kill IP:PORT …          let nodes die together: no last words, all their sockets are closed
    say IP:PORT TEXT        have a peer say something
"""

import os
import signal
import threading

from grapevine.addresses import parse_address
from grapevine.classes import peer_class, seed_class
from grapevine.lab.attackers import attacker_class, parse_role
from grapevine.terminal.command_line import (
    SETTINGS, Parser, add_common, add_settings, load_seeds, settings_of, write_all)
from grapevine.terminal.starting import look_up_here, open_door, open_output, prepare_descriptors
from grapevine.worlds.loop import Loop, LoopWorld


def run_worker(arguments: list[str]) -> None:
    prepare_descriptors()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner takes it, and ends the input
    parser = Parser(prog="runner.py worker", description="Many nodes in one process.")
    add_common(parser)
    add_settings(parser, tuple(SETTINGS))
    worker = Worker(parser.parse_args(arguments))
    threading.Thread(target=worker.read_orders, name="orders", daemon=True).start()
    worker.loop.run()
    worker.end()
    os._exit(0)  # to free thousands of objects would take long


class Worker:
    """The nodes of this process. All its methods but `read_orders` are called by the loop."""

    def __init__(self, args):
        self.loop = Loop()
        self._args, self._settings = args, settings_of(args)
        self._classes = {"seed": seed_class(self._settings), "peer": peer_class(self._settings)}
        self._seeds = load_seeds(args.config)
        self._nodes = {}  # address -> node

    def read_orders(self) -> None:
        with open(0, "rb", buffering=0, closefd=False) as orders:  # a buffer has a lock, for which
            for line in orders:  # Python would wait when the loop fails
                self.loop.post(self.obey, *line.decode().rstrip("\n").split(" ", 2))
        self.loop.post(setattr, self.loop, "is_over", True)

    def obey(self, order: str, where: str = "", text: str = "") -> None:
        if order == "ready":
            write_all(1, b"ready\n")
        elif order == "kill":
            self.kill([where, *text.split()])
        elif order == "say":
            node = self._nodes[where]
            node.world.call(node.originate, [text])
        else:
            node_class = attacker_class(parse_role(text)) if text else self._classes[order]
            self.start(order, where, node_class)

    def start(self, kind: str, where: str, node_class: type) -> None:
        address, seeds = parse_address(where), self._seeds
        if kind == "seed":  # config.txt may have it by its name
            seeds = [address if look_up_here(seed) == address else seed for seed in seeds]
        world = LoopWorld(self.loop, address, [open_door(address)])
        output = open_output(self._args.outputs, kind, address, None)
        self._nodes[where] = node_class(address, self._settings, output, world, seeds)
        world.begin(self._nodes[where])

    def kill(self, whom: list[str]) -> None:
        dying = [self._nodes.pop(where) for where in whom]
        for node in dying:  # all of them first, so that no file tells of the end of another
            node.stopping = True
        for node in dying:
            node.world.stop()
            node.world.end("killed")

    def end(self) -> None:
        for node in self._nodes.values():
            node.output.finish("stopped:interrupted")
