"""A worker: a process that hosts many nodes for the runner, and ends when its input does.

So it ends with the runner, however that ended. On its standard input it is told, line by line:

    start IP:PORT               start a node with this address
    ready                       say `ready` on standard output: all of the above listen
    kill IP:PORT IP:PORT ...    these die at once: no line, no word, sockets shut

The main thread reads; everything else is done by the nodes' own threads.
"""

import gc
import os
import signal
import sys
import time

from gossip.addresses import parse_address
from gossip.programs.starting import open_output, prepare_node
from gossip.terminal.command_line import CommandError, show
from gossip.terminal.keyboard import Keyboard

PACE, PACE_LIMIT = 0.05, 1.0  # seconds between two nodes that begin, and for all of them: their
# generators would beat in step for ever after, and joining at once is the hardest way to join
SWITCH_INTERVAL = 0.5  # seconds a thread may hold the interpreter while others want it; each of
# those wakes up that often to say so, and with the usual 5 ms hundreds of them do nothing else
GARBAGE_LOOK = 100_000  # new objects after which Python looks for garbage in circles (700 by
# default): hundreds of nodes are millions of objects to look at, and leave next to no circles


class Worker:
    """Nodes in one process, made by `make_node(address, output)`."""

    def __init__(self, kind: str, outputs, make_node):
        self._kind = kind
        self._outputs = outputs
        self._make_node = make_node
        self._nodes: dict[str, object] = {}  # address -> node

    def run(self) -> None:
        """Do what the input says until it ends; then end all nodes."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner, which ends us
        sys.setswitchinterval(SWITCH_INTERVAL)
        gc.set_threshold(GARBAGE_LOOK)
        keyboard = Keyboard()
        while (lines := keyboard.lines()) is not None:
            self._carry_out([line.decode(errors="replace") for line in lines])
        self._end()

    def _carry_out(self, lines: list[str]) -> None:
        started = []
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "start":
                started.append(self._prepare(rest))
            elif word == "kill":
                self._kill(rest.split())
            elif word == "ready":
                show("ready")
            else:
                raise CommandError(f"unknown word {word!r}")
        for node in started:
            node.go()
            time.sleep(min(PACE, PACE_LIMIT / len(started)))

    def _prepare(self, text: str):
        """Make a node and start its threads, which wait until all nodes are so far."""
        address = parse_address(text)
        node = self._make_node(address, open_output(self._outputs, self._kind, address))
        prepare_node(node)
        self._nodes[text] = node
        return node

    def _kill(self, addresses: list[str]) -> None:
        """These die together, without a word: no one's file tells of the end of another."""
        nodes = [self._nodes.pop(address) for address in addresses]
        for node in nodes:
            node.output.finish()
        for node in nodes:
            node.hang_up()
        for node in nodes:
            node.stop()

    def _end(self) -> None:
        """All say their last word, and the process is gone, with all sockets and threads. First
        nobody begins anything new: thousands of threads that do keep the last words waiting."""
        for node in self._nodes.values():
            node.stopping.set()
        for node in self._nodes.values():
            node.output.finish("stopped:interrupted")
        os._exit(0)
