"""A worker: a process that hosts many nodes for the runner, and ends when its input ends.

So it ends with the runner, however the runner ends. The lines of its standard input are:

    start IP:PORT                            start a node with this address
    start IP:PORT KIND SHARE IP:PORT ...     start a peer that attacks the network in a way of KINDS
                                             (malice.py), and knows these to do the same
    ready                                    say `ready` on standard output: all of them listen
    kill IP:PORT IP:PORT ...                 these nodes die: no last line in a file, sockets shut
    say IP:PORT TEXT                         this peer gossips a text

The main thread reads. A thread of its own lets new nodes begin, one after the other; everything
else is done by the nodes' own threads.
"""

import gc
import os
import signal
import sys
import threading
import time

from gossip.addresses import parse_address
from gossip.experiments.attackers import misbehaving
from gossip.experiments.malice import Role
from gossip.node.lateness import LATE_FROM
from gossip.node.node import die_together
from gossip.programs.starting import prepare_node
from gossip.terminal.command_line import CommandError, show
from gossip.terminal.input import Keyboard

PACE, PACE_LIMIT = 0.05, 1.0  # seconds between two starts, and for all of them, on a process that
# is on time: nodes that start at once join at once, which is hardest, and their generators stay in
# step for ever
SLOWEST = 0.1  # seconds for each start at most, on average, however late this process is
SWITCH_INTERVAL = 0.5  # seconds that a thread may hold the interpreter while others wait for it;
SWITCH_SHARE = 0.02  # at least so many for each node. Each thread that waits wakes up once in this
# time: with the usual 5 ms, hundreds of them do nothing else; and thousands, with 0.5 s
SET_FUTEX_HASH, SLOTS = (78, 1), 8192  # PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS; a power of two


class Worker:
    """Nodes in one process, made by `make_node(node_class, address, output)`. `open_file(kind,
    address)` opens the output file of each."""

    def __init__(self, node_class: type, open_file, make_node):
        self._node_class = node_class
        self._open_file = open_file
        self._make_node = make_node
        self._nodes: dict[str, object] = {}  # address -> node
        self._starters: list[threading.Thread] = []  # each lets some of them begin, and ends

    def host(self) -> None:
        """Do what the input says until it ends; then end all nodes."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, which ends us
        gc.disable()  # hundreds of nodes are millions of objects to look at, while all of them
        # stand still; and they leave next to nothing that only such a search would find
        widen_futex_table()
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
            elif word == "say":
                address, _, text = rest.partition(" ")
                self._nodes[address].gossip([text])
            elif word == "ready":
                show("ready")
            else:
                raise CommandError(f"unknown word {word!r}")
        sys.setswitchinterval(max(SWITCH_INTERVAL, SWITCH_SHARE * len(self._nodes)))
        if started:
            self._starters.append(threading.Thread(target=begin_in_turn, args=(started,),
                                                   name="starter", daemon=True))
            self._starters[-1].start()

    def _all_begun(self) -> bool:
        return not any(starter.is_alive() for starter in self._starters)

    def _prepare(self, text: str):
        """Make a node and start its threads, which wait until `go` is called."""
        named, *role = text.split()
        address = parse_address(named)
        node_class = (misbehaving(self._node_class, _parse_role(*role)) if role
                      else self._node_class)
        node = self._make_node(node_class, address, self._open_file(node_class.kind, address))
        node.all_begun = self._all_begun
        prepare_node(node)
        self._nodes[named] = node
        return node

    def _kill(self, addresses: list[str]) -> None:
        """Let these nodes die together, so that the file of none tells of the end of another."""
        die_together([self._nodes.pop(address) for address in addresses])

    def _end(self) -> None:
        """Write the last line of all nodes, and end the process with its sockets and threads.
        Before that all nodes stop to begin anything: thousands of threads would delay the lines."""
        for node in self._nodes.values():
            node.stopping = True
        for node in self._nodes.values():
            node.output.finish("stopped:interrupted")
        os._exit(0)


def widen_futex_table() -> None:
    """Let Linux find one of thousands of threads that wait for locks without a search.

    It keeps those that wait in a hash table. Since Linux 6.16 each process has its own, of 16 slots
    on two processors: whoever releases a lock then walks past hundreds of threads that wait for
    other locks. An older Linux has one large table for all processes, and refuses the call.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes
    except ImportError:
        return  # a Python that was built without it works, but slower
    ctypes.CDLL(None).prctl(*SET_FUTEX_HASH, ctypes.c_ulong(SLOTS), ctypes.c_ulong(0))


def begin_in_turn(nodes: list) -> None:
    """Let nodes begin to work, each as soon as this process is on time after the one before: when a
    short sleep does not last much longer than it should."""
    pace, latest = min(PACE, PACE_LIMIT / len(nodes)), time.monotonic()
    for node in nodes:
        if not node.stopping:
            node.go()
        latest += SLOWEST
        late = True
        while late and (now := time.monotonic()) < latest:
            time.sleep(pace)
            late = time.monotonic() - now > pace + LATE_FROM


def _parse_role(kind: str, share: str, *accomplices: str) -> Role:
    return Role(kind, float(share), tuple(map(parse_address, accomplices)))
