"""Modules as processes, and what processes have: children, descriptors, time."""

import contextlib
import os
import pathlib

from tests.tools.modules import ByteEnd, write_ini
from tests.tools.ports import free_address
from tests.tools.programs import Program
from tests.tools.waiting import wait_until


def figures(process) -> dict[str, int]:
    """What a process holds: memory in KiB, threads, descriptors; and its CPU time in ticks,
    that of its workers included."""
    status = dict(line.split(":", 1) for line in
                  pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    ticks = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return {"memory": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(f"/proc/{process.pid}/fd")),
            "ticks": sum(map(int, ticks[11:15]))}


def seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def module_process(folder, **keys):
    """A module as a process: gives the process, its address and a client of its API."""
    address, api = free_address(), free_address()
    ini = write_ini(folder, p2p_address=address, api_address=api, **keys)
    with Program("peer.py", "-c", ini, "--outputs", folder, "--quiet",
                 "--end-with-input") as program:
        def connected():
            try:
                return ByteEnd(api.dial)
            except ConnectionRefusedError:
                assert program.process.poll() is None
        client = wait_until(connected)
        try:
            yield program.process, address, client
        finally:
            client.close()


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def children(parent: int | None = None) -> set[int]:
    """The living child processes of a process; of this one if none is named."""
    parent = parent or os.getpid()
    return {pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
            if status(pid)[:1] != ["Z"] and status(pid)[1:2] == [str(parent)]}


def status(pid: int) -> list[str]:
    """State and parent of a process, or nothing when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def living(pids) -> set[int]:
    return {pid for pid in pids if status(pid)[:1] not in ([], ["Z"])}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
