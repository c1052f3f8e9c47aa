"""Gossip modules as processes on this machine, each with a client: for experiment and benchmark."""

import pathlib
import time
from collections.abc import Callable

from gossip.addresses import Address, address_of
from gossip.experiments.hosts import Host
from gossip.proof.records import parse_line
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, ROOT, CommandError
from gossip.voidphone.client import Client

DATA_TYPE = 1337  # of all data that clients announce
UP_LIMIT = 60.0  # seconds that a module has until it listens
END_LIMIT = 10.0  # seconds that modules have to end before they are killed
LOOK = 0.05  # seconds between two looks at whether it listens


class Processes:
    """Modules by number; module 0 is the bootstrapper. Module N has the ports base+2N (for peers)
    and base+2N+1 (for clients). `close` ends the modules that live."""

    def __init__(self, base_port: int, inis: pathlib.Path, outputs: pathlib.Path,
                 file_limit: int = Settings().file_limit):
        self._base = base_port
        self._inis = inis
        self._outputs = outputs
        self._file_limit = file_limit  # MiB
        self.running: dict[int, Host] = {}
        self.clients: dict[int, Client] = {}

    def address(self, number: int) -> Address:
        """Where other modules find this one."""
        return address_of("127.0.0.1", self._base + 2 * number)

    def start(self, count: int, degree: int, pow_bits: int,
              on_data: Callable[[int], Callable[[bytes], bool]]) -> None:
        """Start so many modules, and a client of each as soon as it listens; `on_data(number)`
        returns what a client calls with data. CommandError when a module does not listen."""
        for number in range(count):
            ini = self._inis / f"{number}.ini"
            ini.write_text(f"[gossip]\ncache_size = 100\ndegree = {degree}\n"
                           f"pow_bits = {pow_bits}\nbootstrapper = {self.address(0)}\n"
                           f"p2p_address = {self.address(number)}\n"
                           f"api_address = 127.0.0.1:{self._base + 2 * number + 1}\n")
            self.running[number] = Host(
                f"module {number}",
                [str(ROOT / "peer.py"), "-c", str(ini), "--quiet", "--outputs", str(self._outputs),
                 "--file-limit", str(self._file_limit), "--end-with-input"], [self.address(number)])
        for number in range(count):
            self._connect(number, on_data(number))

    def _connect(self, number: int, on_data: Callable[[bytes], bool]) -> None:
        """Connect a client as soon as its module listens."""
        deadline = time.monotonic() + UP_LIMIT
        while number not in self.clients:
            try:
                self.clients[number] = Client(
                    ("127.0.0.1", self._base + 2 * number + 1), DATA_TYPE, on_data)
            except OSError:
                if self.running[number].ended() is not None or time.monotonic() > deadline:
                    raise CommandError(f"module {number} did not start", FAILED) from None
                time.sleep(LOOK)

    def links(self) -> dict[str, set[str]]:
        """The neighbours of each living module, by its output file."""
        links = {}
        for number in self.running:
            address = self.address(number)
            path, linked = self._outputs / f"module_{address.file_part}.txt", set()
            links[str(address)] = linked
            for line in path.read_text().splitlines() if path.exists() else ():
                _, event, rest = parse_line(line) or (0.0, "", "")
                if event == "connected":
                    linked.add(rest)
                elif event == "disconnected":
                    linked.discard(":".join(rest.split(":")[:2]))
        return links

    def kill(self, numbers: list[int]) -> None:
        """Kill these modules, without a word to anyone."""
        for number in numbers:
            self.running.pop(number).die()
            self.clients.pop(number).close()

    def close(self) -> None:
        """End the modules that live, and the clients."""
        until = time.monotonic() + END_LIMIT
        for host in self.running.values():
            host.end()
        for host in self.running.values():
            host.wait(until)
        for client in self.clients.values():
            client.close()
