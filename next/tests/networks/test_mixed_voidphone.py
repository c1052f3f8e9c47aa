"""Present and new gossip modules alternately in one network. Goes with the switch."""

import contextlib
import pathlib
import struct
import threading

import pytest

from tests.processes.test_voidphone import TYPE, Client, write_ini
from tests.tools.programs import ROOT, OutputFile, Program, free_ports, wait_until

MODULES = 8


class Alternating:
    """Modules of which every second is of the present program; each has a client, which counts."""

    def __init__(self, folder: pathlib.Path, bits: int):
        self._stack = contextlib.ExitStack()
        self.files, self.programs, self.clients = [], [], []
        self.told = [[] for _ in range(MODULES)]
        first = ""
        for number in range(MODULES):
            own, api = free_ports(2)
            ini = write_ini(folder, own, api, pow_bits=bits, degree=4,
                            bootstrapper=first or f"127.0.0.1:{own}")
            first = first or f"127.0.0.1:{own}"
            source = ROOT if number % 2 else ROOT.parent
            program = Program([source / "peer.py", "-c", ini, "--outputs", folder, "--quiet",
                               "--liveness-interval", "1"], folder / f"screen_{own}.txt")
            self._stack.callback(program.close)
            self.programs.append(program)
            self.files.append(OutputFile(folder / f"module_127.0.0.1_{own}.txt"))
            self.files[-1].event("started:")
            program.api = api
            self.clients.append(Client(program, TYPE))
            self._stack.callback(self.clients[-1].close)
            threading.Thread(target=self._listen, args=(number,), daemon=True).start()

    def _listen(self, number: int) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error):  # its module is gone
            while True:
                self.told[number].append(self.clients[number].told())

    def tell_all(self, numbers: list[int], word: str) -> None:
        """Have each client announce; every other one is told once."""
        for number in numbers:
            self.clients[number].announce(f"{word} {number}".encode())

        def heard(number: int) -> list[bytes]:
            return sorted(data for data in self.told[number] if data.startswith(word.encode()))

        for number in numbers:
            expected = sorted(f"{word} {other}".encode() for other in numbers if other != number)
            wait_until(lambda: len(heard(number)) >= len(expected), 30.0, lambda: heard(number))
            assert heard(number) == expected

    def close(self) -> None:
        self._stack.close()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 18])
def test_present_and_new_modules_tell_each_other_exactly_once(tmp_path, bits):
    with contextlib.closing(Alternating(tmp_path, bits)) as network:
        for file in network.files:
            file.has("connected:", 2, 60.0)
        everyone = list(range(MODULES))
        network.tell_all(everyone, "first")
        for victim in (3, 4):  # one of each
            network.programs[victim].kill()
        left = [number for number in everyone if number not in (3, 4)]
        for number in left:
            wait_until(lambda: network.files[number].events("degree:")[-1][-1] in "23456789")
        network.tell_all(left, "second")
        for number in left:
            assert network.files[number].events("failed:") == []
            refused = network.files[number].events("refused:")
            assert all("duplicate" in event or "in time" in event for event in refused), refused
