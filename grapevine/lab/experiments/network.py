"""A network of processes on this machine, each with some nodes.

Beside the runner's main thread, threads of the live page may give orders. An order that would have
to wait is refused.
"""

import collections
import contextlib
import pathlib
import socket
import subprocess
import threading

from grapevine.addresses import Address, parse_address
from grapevine.lab.attackers import Role
from grapevine.lab.experiments.hosts import (
    CAN_FREEZE, Host, PeerProcess, WorkerProcess, end_all)
from grapevine.lab.experiments.ports import Ports, next_free
from grapevine.output import Output
from grapevine.settings import Settings, word_finder
from grapevine.terminal.command_line import OF_PEERS, SETTINGS, CommandError
from grapevine.terminal.folders import SCENARIO
from grapevine.terminal.starting import is_taken

END_LIMIT = 2.0  # seconds that peers, and then seeds, have to end before they are killed
ADDED = 100  # peers that may be added to a running network


def orders(own_processes: bool) -> tuple[str, ...]:
    """Return all orders. Only a peer in a process of its own can be frozen."""
    freezing = ("freeze", "thaw") if own_processes and CAN_FREEZE else ()
    return ("kill", "start", "say", *freezing, "add")


class Network(contextlib.AbstractContextManager):
    """Seeds and peers, whose `with` ends them."""

    def __init__(self, ports: Ports, settings: Settings, outputs: pathlib.Path,
                 processes: int | None, roles: dict[Address, Role], turn: socket.socket):
        """Prepare a network. So many `processes` the peers share, None if each has its own; `roles`
        has the peers that attack. The `turn` to choose ports is over once it has started."""
        self._ports, self._roles, self._processes, self._turn = ports, roles, processes, turn
        self._forbidden = word_finder(settings.filter)
        ports.write_config(outputs)
        common = [f"--config={ports.config}", f"--outputs={outputs}"]  # a name may begin with -
        if settings.filter:
            path = outputs / "filter.txt"
            path.write_text("".join(f"{word}\n" for word in settings.filter), encoding="utf-8")
            settings, common = settings._replace(filter=()), [*common, f"--filter={path}"]
        self._flags = {"seed": common + flags_of(settings, tuple(SETTINGS)),
                       "peer": common + flags_of(settings, OF_PEERS)}
        self._scenario = Output((outputs / SCENARIO).open("ab", buffering=0))
        self._lock = threading.RLock()  # guards all below; held for no longer than a start takes
        self._runs = False  # from the start of the last process to the end of the first
        self.peers = ports.peers  # replaced as a whole
        self.hosts: dict[Address, Host] = {}  # node -> its process
        self._gone: set[Address] = set()  # nodes that died, or whose process did

    def __exit__(self, *error) -> None:
        with self._lock:
            self._runs = False
            self._scenario.finish("end")
            self._scenario.close()
        for nodes in self.peers, self._ports.local:  # seeds last, so that no peer loses its seeds
            end_all({self.hosts[node] for node in nodes if node in self.hosts}, END_LIMIT)

    def here(self) -> set[str] | None:
        """Return the nodes that write their files here. None if there cannot be others."""
        seeds = self._ports.seeds
        if {*self._ports.local} == {*seeds} and all(seed.is_loopback for seed in seeds):
            return None
        return {*map(str, self._ports.local), *map(str, self.peers)}

    def start(self, stdout=subprocess.DEVNULL) -> None:
        """Start seeds, then peers; `stdout` is that of peers with a process of their own."""
        self._note("start", *self._ports.local, *self.peers)
        self._scenario.write(*[f"attack:{peer}:{role.kind}" for peer, role in self._roles.items()])
        if self._ports.local:
            self._worker("seed", self._ports.local).wait_ready()
        if self._processes is None:
            for address in self.peers:
                self._own_process(address, stdout)
        else:
            count = min(self._processes, len(self.peers))
            for at in range(count):
                self._worker("peer", self.peers[at::count])
        self._turn.close()
        with self._lock:
            self._runs = True

    def _worker(self, kind: str, addresses: list[Address]) -> WorkerProcess:
        """Start a process for some nodes."""
        host = WorkerProcess(kind, addresses, self._flags[kind], self._roles)
        self.hosts.update(dict.fromkeys(addresses, host))
        return host

    def _own_process(self, address: Address, stdout=subprocess.DEVNULL) -> None:
        """Start a process for one node. Seeds and attackers live in workers."""
        if address in self._ports.local or address in self._roles:
            self._worker("peer" if address in self._roles else "seed", [address])
        else:
            self.hosts[address] = PeerProcess(address, self._flags["peer"], stdout)

    def kill(self, addresses: list[Address]) -> None:
        """Kill nodes, unless they have died before."""
        with self._lock:
            dying = {*addresses} - self._gone
            self._note("kill", *sorted(dying))
            for host in {self.hosts[node] for node in dying}:
                host.kill([node for node in dying if self.hosts[node] is host])
            self._gone |= dying

    def newly_ended(self) -> list[Host]:
        """Return processes that have ended by themselves since the last call."""
        with self._lock:
            ended = collections.defaultdict(list)  # process -> its nodes
            for node, host in self.hosts.items():
                if node not in self._gone and host.process.poll() is not None:
                    ended[host].append(node)
            for host, nodes in ended.items():
                self._note("failed" if host.has_failed() else "ended", *nodes)
                self._gone.update(nodes)
        return list(ended)

    def dead_peers(self) -> set[str]:
        """Return all peers that died, and were not started again."""
        with self._lock:
            return {str(address) for address in self._gone.intersection(self.peers)}

    # Orders; CommandError when an order cannot be carried out now.

    def carry_out(self, order: dict[str, str]) -> tuple[int, str]:
        """Carry out an order of a page, and return (HTTP status, answer). Threads of the page call
        this, with `do`, and if need be `node` and `text`."""
        word, text = order.get("do", ""), order.get("text", "")
        if word not in orders(True):
            return 400, f"do is one of {', '.join(orders(True))}"
        if word == "say" and not text.strip():
            return 400, "text: what shall it say?"
        try:
            with self._lock:
                _refuse_if(not self._runs, "the network does not run now")
                if word == "add":
                    return 200, f"{self._add_peer()} starts"
                address = parse_address(order.get("node", ""))
                self._obey(word, address, text)
            return 200, f"{address} says it" if word == "say" else f"{word} {address}: done"
        except CommandError as reason:  # for example, because the port is taken
            return 409, str(reason)
        except OSError as error:  # for example, because there is no room for a process
            return 409, f"the system does not allow it: {error.strerror}"
        except ValueError as error:
            return 400, f"node: {error}"

    def _obey(self, word: str, address: Address, text: str) -> None:
        """Carry out an order about a node."""
        host = self.hosts.get(address)
        _refuse_if(host is None, f"{address} was not started by this runner")
        is_up = address not in self._gone and host.process.poll() is None
        _refuse_if(is_up and word == "start", f"{address} is running")
        _refuse_if(not is_up and word != "start", f"{address} is dead")
        if word == "start":
            self._start_again(address, host)
        elif word == "kill":
            self.kill([address])
        elif word == "say":
            _refuse_if(address not in self.peers, f"{address} is a seed: only peers say something")
            _refuse_if(host.is_frozen, f"{address} is frozen: it says nothing")
            _refuse_if(self._forbidden and self._forbidden(text),
                       "it has a forbidden word; nothing was sent")
            _refuse_if(not host.takes(), f"{address} reads nothing now")
            host.say(address, text)
        elif word == "freeze":
            _refuse_if(host.is_frozen, f"{address} is frozen")
            _refuse_if(address not in self.peers or [*self.hosts.values()].count(host) > 1,
                       f"{address} shares a process with others: start peers with "
                       "--process-per-peer")
            self._note("freeze", address)
            host.freeze()
        else:
            _refuse_if(not host.is_frozen, f"{address} is not frozen")
            self._note("thaw", address)
            host.thaw()

    def _note(self, kind: str, *addresses: Address) -> None:
        """Write down what is done to nodes."""
        self._scenario.write(*[f"{kind}:{address}" for address in addresses])

    def _start_again(self, address: Address, host: Host) -> None:
        _refuse_if(is_taken(address), f"port {address.port} is in use")
        if address not in self._gone:  # its process was killed by somebody else just now
            self._note("ended", address)
        self._note("start", address)
        if host.process.poll() is None:  # a worker, which has other nodes, too
            host.start(address)
        else:
            self._own_process(address)
            end_all([host], 0.0)
        self._gone.discard(address)

    def _add_peer(self) -> Address:
        """Start another peer, in its own process, at the next free address."""
        _refuse_if(len(self.peers) == len(self._ports.peers) + ADDED,
                   f"{ADDED} peers have been added: that is enough")
        last = max(self.peers, key=lambda peer: peer.port)
        address = next_free(last.ip, last.port, self._ports.seeds)
        self._note("start", address)
        self._own_process(address)
        self.peers = [*self.peers, address]
        return address


def flags_of(settings: Settings, names: tuple[str, ...]) -> list[str]:
    """Return the flags that give a node these settings."""
    flags = []
    for name in names:
        value = getattr(settings, name)
        if value != Settings._field_defaults[name]:
            flags += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return flags


def _refuse_if(is_so: bool, why: str) -> None:
    if is_so:
        raise CommandError(why)
