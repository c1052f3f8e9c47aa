"""Limits: how many descriptors and threads the system allows, and how many a network needs.

Needs are overestimated, because one clear line before anything starts is better than a network that
fails halfway. An unknown limit counts as infinite.
"""

import contextlib
import math
import os
import pathlib
import re

from gossip.addresses import Address
from gossip.settings import Settings, majority

try:
    import resource
except ImportError:  # not on Windows
    resource = None

PROCESS_DESCRIPTORS = 16  # of a process without a node: standard ones, wake-ups, files
NODE_DESCRIPTORS = 4  # of a node: listener, wake-ups of the flusher, output file
NODE_THREADS = 6  # of a node, beside one for each link
COMING_AND_GOING = 4  # links of a peer that are being made, refused or probed
PROCESS_MAPS, THREAD_MAPS = 2_000, 3  # memory maps of a process, and of each of its threads
PROBES = 32  # connections of a seed that are probes, or end after one question


class Need:
    """The descriptors and threads that a node takes once it has all its links."""

    def __init__(self, links: int):
        self.descriptors = NODE_DESCRIPTORS + links
        self.threads = NODE_THREADS + links


def peer_needs(address: Address, peers: int, seeds: int, settings: Settings) -> Need:
    """Return the needs of one peer in a network of `peers` peers and `seeds` seeds."""
    neighbours = min(settings.capacity.of(address), peers - 1)
    return Need(neighbours + majority(seeds) + COMING_AND_GOING)


def seed_needs(peers: int) -> Need:
    """Return the needs of a seed with which all `peers` may register."""
    return Need(peers + PROBES)


def keep_standard_descriptors() -> None:
    """Open descriptors 0 to 2 if they are closed, so that no socket gets one of them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def raise_descriptor_limit() -> None:
    """Let this process open as many files and sockets as the system allows."""
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors_allowed() -> float:
    """Return how many files and sockets a process like this one may have open."""
    if resource is None:
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def threads_allowed() -> float:
    """Return how many more threads, in all processes together, the system allows."""
    running = _number("/proc/loadavg", 0, r"/([0-9]+)")
    rooms = [_number(f"/proc/sys/kernel/{name}") - running for name in ("threads-max", "pid_max")]
    rooms += [_number(f"{folder}/pids.max") - _number(f"{folder}/pids.current", 0)
              for folder in _cgroups()]
    if resource is not None and os.geteuid() != 0:  # the superuser is not limited
        most, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        if most != resource.RLIM_INFINITY:
            rooms.append(most - _threads_of_user(os.getuid()))
    return min(rooms)


def threads_per_process() -> float:
    """Return how many threads fit into a process, because each maps its stack and two guards."""
    return (_number("/proc/sys/vm/max_map_count") - PROCESS_MAPS) // THREAD_MAPS


def _number(path: str, otherwise: float = math.inf, pattern: str = "^([0-9]+)$") -> float:
    """Return the number in a file of the system; `otherwise` where there is none."""
    found = None
    with contextlib.suppress(OSError):
        found = re.search(pattern, pathlib.Path(path).read_text(errors="replace"))
    return int(found[1]) if found else otherwise


def _threads_of_user(user: int) -> float:
    pattern = rf"(?ms)^Uid:\s+{user}\s.*^Threads:\s+([0-9]+)"
    return sum(_number(str(status), 0, pattern)  # 0 also if the process has ended meanwhile
               for status in pathlib.Path("/proc").glob("[0-9]*/status"))


def _cgroups() -> list[pathlib.Path]:
    """Return the folders of this process's control groups, and of their parents."""
    folders: list[pathlib.Path] = []
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "pids"):
                top = pathlib.Path("/sys/fs/cgroup", controllers)
                group = top / path.lstrip("/")
                folders += [folder for folder in (group, *group.parents)
                            if folder.is_relative_to(top)]
    return folders
