"""A network of processes on this machine, each with some nodes.

A plan of which nodes share a process is made before anything starts. Beside the runner's main
thread, threads of the live page may give orders. An order that would have to wait is refused.
"""

import contextlib
import pathlib
import subprocess
import threading
from typing import NamedTuple

from gossip.addresses import Address, Target, is_loopback, parse_address
from gossip.lab.experiments.accidents import Role
from gossip.lab.experiments.worker import Host, PeerProcess, WorkerProcess, end_all
from gossip.programs import starting
from gossip.programs.starting import check_free, check_reachable, next_free
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, CommandError, flags_of

END_LIMIT = 2.0  # seconds that peers, and then seeds, have to end before they are killed
ADDED = 100  # peers that may be added to a running network
NOT_RUNNING = "the network does not run now"


class Plan(NamedTuple):
    """A plan of which nodes share a process."""

    seeds: list[list[Address]]
    peers: list[list[Address]] | None  # None: each has its own


def with_room(settings: Settings, peers: int) -> Settings:
    """Return settings that let seeds list all peers of an IP."""
    allowed = settings.registrations_per_ip
    is_usual = allowed == Settings().registrations_per_ip  # as if no flag has set it
    return settings._replace(registrations_per_ip=max(allowed, peers) if is_usual else allowed)


class Network(contextlib.AbstractContextManager):
    """Seeds and peers, whose `with` ends them."""

    def __init__(self, seeds: list[Target], local: list[Address], peers: list[Address],
                 settings: Settings, config: pathlib.Path, outputs: pathlib.Path,
                 roles: dict[Address, Role] | None = None):
        """Prepare a network. `local` seeds are to start; `roles` has the peers that attack."""
        self._seeds = seeds
        self._local = local
        self._no_peers = {*seeds, *local}
        self._settings = settings
        self._roles = roles or {}
        self._flags = {kind: ["--config", str(config), "--outputs", str(outputs),
                              "--host", peers[0].ip, *flags_of(kind, settings)]
                       for kind in ("seed", "peer")}
        self._lock = threading.RLock()  # guards all below; held for no longer than a start takes
        self._runs = False  # from the start of the last process to the end of the first
        self.peers = peers  # replaced as a whole
        self.hosts: list[Host] = []  # of peers
        self._seed_hosts: list[Host] = []
        self._gone: set[Address] = set()  # nodes that died, or whose process did
        self._most = len(peers) + ADDED

    def __exit__(self, *error) -> None:
        with self._lock:
            self._runs = False
        for hosts in self.hosts, self._seed_hosts:  # seeds last, so that no peer loses its seeds
            end_all(hosts, END_LIMIT)

    def here(self) -> set[str] | None:
        """Return the nodes that write their files here. None if there cannot be others."""
        if {*self._local} == {*self._seeds} and all(map(is_loopback, self._seeds)):
            return None
        return {*map(str, self._local), *map(str, self.peers)}

    def plan(self, processes: int | None) -> Plan:
        """Plan which nodes share a process. `processes` hold the peers, or more if they must; None
        means a process for each. CommandError if the system has no room or no address for them."""
        if taken := self._no_peers.intersection(self.peers):
            raise CommandError(f"port {min(taken).port} is a seed's; choose another --base-port")
        check_reachable(self._seeds, self.peers[0])
        for address in [*self._local, *self.peers]:
            check_free(address)
        links = {address: len(self.peers) + starting.PROBES for address in self._local}
        links |= {address: starting.peer_links(address, len(self.peers), len(self._seeds),
                                               self._settings) for address in self.peers}
        threads = sum(links.values()) + starting.NODE_THREADS * len(links)
        if threads > (allowed := starting.threads_allowed()):
            raise CommandError(f"{len(links)} nodes take about {threads:,} threads, and the system "
                               f"has room for {allowed:,.0f}: fewer --peers, or a smaller "
                               "--capacity", FAILED)
        return Plan(_groups(self._local, 1, links),
                    None if processes is None else _groups(self.peers, processes, links))

    def start(self, plan: Plan, stdout=subprocess.DEVNULL, look=lambda: None) -> None:
        """Start seeds, then peers. `stdout` is that of peers with a process of their own. `look()`
        is called before each process of peers, and may raise what ends all this."""
        self._seed_hosts += [self._worker("seed", group) for group in plan.seeds]
        for host in self._seed_hosts:
            host.wait_ready()
        for some in self.peers if plan.peers is None else plan.peers:
            look()
            self.hosts.append(self._own_process(some, stdout) if plan.peers is None
                              else self._worker("peer", some))
        with self._lock:
            self._runs = True

    def _worker(self, kind: str, addresses: list[Address]) -> Host:
        return WorkerProcess(kind, addresses, self._flags[kind], self._roles)

    def _own_process(self, address: Address, stdout=subprocess.DEVNULL) -> Host:
        """Start a process for one node. Seeds and attackers live in workers."""
        if address in self._no_peers or address in self._roles:
            return self._worker("seed" if address in self._no_peers else "peer", [address])
        return PeerProcess(address, self._flags["peer"], stdout)

    def kill(self, addresses: list[Address]) -> None:
        """Kill nodes, unless they have died before."""
        with self._lock:
            dying = {*addresses} - self._gone
            for host in self._hosts():
                if its := dying.intersection(host.addresses):
                    host.kill(sorted(its))
            self._gone |= dying

    def newly_ended(self) -> list[Host]:
        """Return processes that have ended by themselves since the last call."""
        with self._lock:
            ended = [host for host in self._hosts()
                     if not self._gone.issuperset(host.addresses) and host.ended() is not None]
            self._gone.update(address for host in ended for address in host.addresses)
        return ended

    def dead_peers(self) -> set[str]:
        """Return all peers that died, and were not started again."""
        with self._lock:
            return {str(address) for address in self._gone.intersection(self.peers)}

    # Orders; CommandError when an order cannot be carried out now.

    def carry_out(self, order: dict[str, str]) -> tuple[int, str]:
        """Carry out an order of a page, and return (HTTP status, answer). Threads of the page call
        this, one at a time, with `do`, and if need be `node` and `text`."""
        word, text = order.get("do", ""), order.get("text", "")
        if word not in orders():
            return 400, f"do is one of {', '.join(orders())}"
        if word == "say" and not text.strip():
            return 400, "text: what shall it say?"
        try:
            if word == "add":
                return 200, f"{self.add_peer()} starts"
            address = parse_address(order.get("node", ""))
            self.obey(word, address, text)
            return 200, f"{address} says it" if word == "say" else f"{word} {address}: done"
        except CommandError as reason:  # for example, because the port is taken
            return 409, str(reason)
        except OSError as error:  # for example, because there is no room for a process
            return 409, f"the system does not allow it: {error.strerror}"
        except ValueError as error:
            return 400, f"node: {error}"

    def obey(self, word: str, address: Address, text: str) -> None:
        """Carry out an order about a node."""
        with self._lock:
            _refuse_if(not self._runs, NOT_RUNNING)
            host = next((host for host in self._hosts() if address in host.addresses), None)
            _refuse_if(host is None, f"{address} was not started by this runner")
            is_up = address not in self._gone and host.ended() is None
            _refuse_if(is_up and word == "start", f"{address} is running")
            _refuse_if(not is_up and word != "start", f"{address} is dead")
            if word == "start":
                self._start_again(address, host)
            elif word == "kill":
                self.kill([address])
            elif word == "say":
                is_forbidden = self._settings.filter.search()
                _refuse_if(address not in self.peers,
                           f"{address} is a seed: only peers say something")
                _refuse_if(host.is_frozen(), f"{address} is frozen: it says nothing")
                _refuse_if(is_forbidden and is_forbidden(text),
                           "it has a forbidden word; nothing was sent")
                _refuse_if(not host.takes_lines(), f"{address} does not read what it is told")
                host.say(address, text)
            elif word == "freeze":
                _refuse_if(host.is_frozen(), f"{address} is frozen")
                _refuse_if(address not in self.peers or len(host.addresses) > 1,
                           f"{address} shares a process with others: start peers with "
                           "--process-per-peer")
                host.freeze()
            elif word == "thaw":
                _refuse_if(not host.is_frozen(), f"{address} is not frozen")
                host.thaw()

    def _start_again(self, address: Address, host: Host) -> None:
        check_free(address)
        if host.ended() is None:  # a worker, which has other nodes, too
            host.start(address)
        else:
            hosts = self._seed_hosts if host in self._seed_hosts else self.hosts
            hosts.append(self._own_process(address))
            host.addresses.remove(address)
            if not host.addresses:
                hosts.remove(host)
                end_all([host], 0.0)
        self._gone.discard(address)

    def add_peer(self) -> Address:
        """Start another peer, in its own process, at the next free address."""
        with self._lock:
            _refuse_if(not self._runs, NOT_RUNNING)
            _refuse_if(len(self.peers) == self._most,
                       f"{ADDED} peers have been added: that is enough")
            port = max(peer.port for peer in self.peers)
            address = next_free(self.peers[0].ip, port + 1, 65535, self._no_peers)
            _refuse_if(address is None, f"no port above {port} is free")
            self.hosts.append(self._own_process(address))
            self.peers = [*self.peers, address]
            return address

    def _hosts(self) -> list[Host]:
        return [*self.hosts, *self._seed_hosts]


def _refuse_if(is_so: bool, why: str) -> None:
    if is_so:
        raise CommandError(why)


def orders(own_processes: bool = True) -> tuple[str, ...]:
    """Return all orders. Only a peer in its own process can be frozen."""
    freezing = ("freeze", "thaw") if own_processes else ()
    return ("kill", "start", "say", *freezing, "add")


def _groups(addresses: list[Address], processes: int, links) -> list[list[Address]]:
    """Deal nodes out to `processes`, or to more if need be."""
    allowed = starting.descriptors_allowed() - starting.PROCESS_DESCRIPTORS
    most = max((links[address] + starting.NODE_DESCRIPTORS for address in addresses), default=0)
    if addresses and most > allowed:
        raise CommandError("a process with a node of this network needs about "
                           f"{most + starting.PROCESS_DESCRIPTORS:,} open files, and may have "
                           f"{starting.descriptors_allowed():,.0f} (ulimit -n)", FAILED)
    for count in range(processes, len(addresses)):
        groups = [addresses[at::count] for at in range(count)]
        if all(sum(links[a] + starting.NODE_DESCRIPTORS for a in group) <= allowed
               and sum(links[a] + starting.NODE_THREADS for a in group)
               <= starting.threads_per_process() for group in groups):
            return groups
    return [[address] for address in addresses]
