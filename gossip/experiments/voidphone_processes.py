"""Gossip modules as processes on this machine, each with a client: for experiment and benchmark."""

import pathlib
import subprocess
import sys
import time

from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, ROOT, CommandError
from gossip.voidphone.client import Client

DATA_TYPE = 1337  # of all data that clients announce
UP_LIMIT = 60.0  # seconds that a module has until it listens
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
        self.running: dict[int, subprocess.Popen] = {}
        self.clients: dict[int, Client] = {}

    def address(self, number: int) -> str:
        return f"127.0.0.1:{self._base + 2 * number}"

    def output_file(self, number: int) -> pathlib.Path:
        return self._outputs / f"module_{self.address(number).replace(':', '_')}.txt"

    def start(self, number: int, degree: int, pow_bits: int) -> None:
        ini = self._inis / f"{number}.ini"
        ini.write_text(f"[gossip]\ncache_size = 100\ndegree = {degree}\npow_bits = {pow_bits}\n"
                       f"bootstrapper = {self.address(0)}\n"
                       f"p2p_address = {self.address(number)}\n"
                       f"api_address = 127.0.0.1:{self._base + 2 * number + 1}\n")
        self.running[number] = subprocess.Popen(
            [sys.executable, str(ROOT / "peer.py"), "-c", str(ini), "--quiet", "--outputs",
             str(self._outputs), "--file-limit", str(self._file_limit), "--end-with-input"],
            stdin=subprocess.PIPE)

    def connect(self, number: int, on_data) -> None:
        """Connect a client as soon as its module listens; CommandError when it does not."""
        deadline = time.monotonic() + UP_LIMIT
        while True:
            try:
                self.clients[number] = Client(
                    ("127.0.0.1", self._base + 2 * number + 1), DATA_TYPE, on_data)
                return
            except OSError:
                if self.running[number].poll() is not None or time.monotonic() > deadline:
                    raise CommandError(f"module {number} did not start", FAILED) from None
                time.sleep(LOOK)

    def links(self) -> dict[str, set[str]]:
        """The neighbours of each living module, by its output file."""
        links = {}
        for number in self.running:
            path, linked = self.output_file(number), set()
            links[self.address(number)] = linked
            for line in path.read_text().splitlines() if path.exists() else ():
                event, _, rest = line[27:].partition(":")
                if event == "connected":
                    linked.add(rest)
                elif event == "disconnected":
                    linked.discard(":".join(rest.split(":")[:2]))
        return links

    def kill(self, numbers: list[int]) -> None:
        """Kill these modules, without a word to anyone."""
        for number in numbers:
            self.running[number].kill()
        for number in numbers:
            self._forget(number)

    def close(self) -> None:
        for process in self.running.values():
            process.stdin.close()
        for number in list(self.running):
            self._forget(number)

    def _forget(self, number: int) -> None:
        process = self.running.pop(number)
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if number in self.clients:
            self.clients.pop(number).close()
