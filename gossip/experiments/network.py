"""A network on this machine: seeds and peers, many in a worker process or each peer in its own.

The standard input of each process is a pipe from here, and each ends when its input ends: so all
end with this process, however it ends. Which nodes share a process is decided before anything
starts, by what the system allows (limits.py).
"""

import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from gossip.addresses import Address
from gossip.experiments.malice import Role
from gossip.programs.starting import check_reachable
from gossip.settings import Settings
from gossip.terminal import limits
from gossip.terminal.command_line import (
    FAILED, ROOT, CommandError, check_free, peer_flags, seed_flags)

END_LIMIT = 2.0  # seconds that peers, and then seeds, have to end before they are killed


class Host:
    """A process that hosts nodes, and the pipe that keeps it alive."""

    def __init__(self, what: str, arguments: list[str], addresses: list[Address], stdout):
        self.what = what
        self.addresses = addresses
        self._process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE,
                                         stdout=stdout)
        self.id = self._process.pid

    def write(self, text: str) -> None:
        """Write lines to the standard input of the process, if it still reads them."""
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: `ended` tells

    def read_line(self) -> str:
        """Wait for a line of the standard output; empty at its end."""
        return self._process.stdout.readline().decode()

    def ended(self) -> int | None:
        """The exit code of a process that has ended, None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """End the input of the process, so that it ends."""
        try:
            self._process.stdin.close()
        except OSError:
            pass  # it has ended already

    def wait(self, until: float) -> None:
        """Wait for the end of the process until that monotonic time, then kill it."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class PeerProcess(Host):
    """A process of one peer: peer.py."""

    def __init__(self, address: Address, flags: list[str], stdout=subprocess.DEVNULL):
        super().__init__(f"peer {address}", [str(ROOT / "peer.py"), str(address.port),
                                             "--quiet", "--end-with-input", *flags],
                         [address], stdout)

    def kill(self, addresses: list[Address]) -> None:
        """End the peer without a word."""
        self._process.kill()
        self._process.wait()


class WorkerProcess(Host):
    """A process of several nodes of one kind, `seed` or `peer`: a worker (worker.py)."""

    def __init__(self, kind: str, addresses: list[Address], flags: list[str],
                 roles: dict[Address, Role] | None = None):
        """`roles` has those that are to attack the network."""
        roles = roles or {}
        super().__init__(f"worker of {len(addresses)} {kind}s",
                         [str(ROOT / "runner.py"), "worker", kind, *flags],
                         addresses, subprocess.PIPE)
        self.write("".join(f"start {address} {roles.get(address, '')}".rstrip() + "\n"
                           for address in addresses))

    def wait_ready(self) -> None:
        """Wait until all nodes listen."""
        self.write("ready\n")
        if not self.read_line():
            raise CommandError(f"a {self.what} could not start", FAILED)

    def kill(self, addresses: list[Address]) -> None:
        """End these peers at once, without a word."""
        self.write(f"kill {' '.join(map(str, addresses))}\n")


class Plan(NamedTuple):
    """Which nodes share a process; `peers` is None where each peer has its own."""

    seeds: list[list[Address]]
    peers: list[list[Address]] | None


class Network:
    """Seeds and peers, to be used in a `with`."""

    def __init__(self, seeds: list[Address], local: list[Address], peers: list[Address],
                 settings: Settings, config: pathlib.Path, outputs: pathlib.Path,
                 roles: dict[Address, Role] | None = None):
        """`roles` has the peers that are to attack the network; each of them lives in a worker."""
        self._seeds = seeds  # all of the config
        self._local = local  # those that this network starts
        self._settings = settings
        self._roles = roles or {}
        self._folders = ["--config", str(config), "--outputs", str(outputs)]
        self.peers = peers
        self.hosts: list[Host] = []  # of peers
        self._seed_hosts: list[WorkerProcess] = []
        self._gone: set[Address] = set()  # nodes that died, or whose process did

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *error) -> None:
        for hosts in (self.hosts, self._seed_hosts):  # seeds last: no peer loses its seeds
            until = time.monotonic() + END_LIMIT
            for host in hosts:
                host.end()
            for host in hosts:
                host.wait(until)

    def plan(self, processes: int | None) -> Plan:
        """Decide which nodes share a process. The peers share `processes`, or more if so few
        cannot hold them; None means a process for each. CommandError, before anything is touched,
        if an address cannot be used or the system does not allow so many nodes."""
        for address in self.peers:
            if address in self._seeds:
                raise CommandError(f"port {address.port} is a seed's; choose another --base-port")
        check_reachable(self._seeds, self.peers[0])
        for address in [*self._local, *self.peers]:
            check_free(address)
        needs = {address: limits.seed_needs(len(self.peers)) for address in self._local}
        needs |= {address: limits.peer_needs(address, len(self.peers), len(self._seeds),
                                             self._settings) for address in self.peers}
        _check_threads(needs)
        return Plan(_groups(self._local, 1, needs),
                    None if processes is None else _groups(self.peers, processes, needs))

    def start(self, plan: Plan, stdout=subprocess.DEVNULL) -> None:
        """Start seeds, then peers; `stdout` is where a peer with a process of its own writes.
        Ctrl-C is for the runner alone: the processes ignore it from the start."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._start(plan, stdout)
        finally:
            signal.signal(signal.SIGINT, before)

    def _start(self, plan: Plan, stdout) -> None:
        flags = [*self._folders, *seed_flags(self._settings)]
        self._seed_hosts = [WorkerProcess("seed", group, flags) for group in plan.seeds]
        for host in self._seed_hosts:
            host.wait_ready()
        flags = [*self._folders, "--host", self.peers[0].ip, *peer_flags(self._settings)]
        for address in self.peers if plan.peers is None else ():
            self.hosts.append(WorkerProcess("peer", [address], flags, self._roles)
                              if address in self._roles else PeerProcess(address, flags, stdout))
        for group in plan.peers or ():
            self.hosts.append(WorkerProcess("peer", group, flags, self._roles))

    def kill(self, addresses: list[Address]) -> None:
        """These peers die at once, without a word."""
        self._gone.update(addresses)
        for host in self.hosts:
            dying = [address for address in host.addresses if address in addresses]
            if dying:
                host.kill(dying)

    def newly_ended(self) -> list[Host]:
        """Processes that have ended since the last call, although nothing here ended them."""
        ended = [host for host in [*self.hosts, *self._seed_hosts]
                 if not self._gone.issuperset(host.addresses) and host.ended() is not None]
        for host in ended:
            self._gone.update(host.addresses)
        return ended


def _check_threads(needs: dict[Address, limits.Need]) -> None:
    threads, allowed = sum(need.threads for need in needs.values()), limits.threads_allowed()
    if threads > allowed:
        raise CommandError(f"{len(needs)} nodes take about {threads:,} threads, and the system "
                           f"has room for {allowed:,.0f}: fewer --peers, or a smaller --capacity",
                           FAILED)


def _groups(addresses: list[Address], processes: int, needs) -> list[list[Address]]:
    """Deal the nodes out to so many processes, or to more if so few cannot hold them."""
    allowed = limits.descriptors_allowed() - limits.PROCESS_DESCRIPTORS
    while processes < len(addresses):
        groups = [addresses[at::processes] for at in range(processes)]
        if all(sum(needs[a].descriptors for a in group) <= allowed
               and sum(needs[a].threads for a in group) <= limits.threads_per_process()
               for group in groups):
            return groups
        processes += 1
    most = max(needs[address].descriptors for address in addresses)
    if most > allowed:
        raise CommandError(f"a node of this network needs about {most:,} open files, and a "
                           f"process may have {allowed:,.0f} (ulimit -n)", FAILED)
    return [[address] for address in addresses]


def default_processes() -> int:
    """One per core."""
    return os.cpu_count() or 1


def clear_outputs(folder: pathlib.Path) -> None:
    """Make the folder if need be, and delete what earlier networks wrote there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("seed_*.txt", "peer_*.txt"):
            for path in folder.glob(pattern):
                path.unlink()
    except OSError as error:
        raise CommandError(f"cannot clear {folder}: {error.strerror}", FAILED) from None
