"""A line of present and new chat servers in turn, whose files the present `check` judges."""

import contextlib
import pathlib
import random
import socket
import subprocess
import sys

import pytest

from tests.tools.chat import free_udp_range, listens
from tests.tools.programs import free_ports, wait_until

NEW = pathlib.Path(__file__).resolve().parents[2]
PRESENT = NEW.parent


class Line:
    def __init__(self, folder: pathlib.Path, size: int, flags: list[str]):
        self.folder, self.size = folder, size
        self.flags = ["--udp-base", str(free_udp_range(size)), "--outputs", str(folder), *flags]
        self.ports = free_ports(size)
        self.processes: dict[int, subprocess.Popen] = {}
        self.proxies: dict[int, socket.socket] = {}

    def start(self, own_id: int, program: pathlib.Path) -> None:
        self.processes[own_id] = subprocess.Popen(
            [sys.executable, program / "peer.py", "--quiet", "--chat", str(own_id), str(self.size),
             str(self.ports[own_id]), *self.flags, "--end-with-pipe", "0"], stdin=subprocess.PIPE)
        wait_until(lambda: listens(self.ports[own_id]))
        self.proxies[own_id] = socket.create_connection(("127.0.0.1", self.ports[own_id]), 20.0)

    def say(self, own_id: int, *lines: str) -> None:
        self.proxies[own_id].sendall("".join(f"{line}\n" for line in lines).encode())

    def log(self, own_id: int) -> list[str]:
        self.say(own_id, "get chatLog")
        with self.proxies[own_id].makefile("r") as stream:
            return sorted(stream.readline().removeprefix("chatLog ").rstrip("\n").split(","))

    def crash(self, own_id: int) -> int:
        self.say(own_id, "crash")
        self.proxies[own_id].close()
        code = self.processes[own_id].wait(20.0)
        self.processes[own_id].stdin.close()
        return code

    def end(self) -> list[int]:
        for sock in self.proxies.values():
            sock.close()
        for process in self.processes.values():
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return [process.wait(20.0) for process in self.processes.values()]

    def kill(self) -> None:
        for process in self.processes.values():
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("chance", [1, 2])
def test_present_and_new_servers_in_turn_have_the_same_texts(tmp_path, chance):
    rng, key = random.Random(chance), tmp_path / "key"
    key.write_text("a secret")
    line = Line(tmp_path / "out", 6, ["--chat-key", str(key)] * (chance % 2))
    try:
        for own_id in range(6):
            line.start(own_id, (PRESENT, NEW)[(own_id + chance) % 2])
        said = []
        for number in range(600):
            text, own_id = f"text {number}", rng.randrange(6)
            said.append(text)
            line.say(own_id, f"msg {number} {text}")
            if number in (200, 400):
                wait_until(lambda: all(line.log(each) == sorted(said) for each in range(6)))
                victim = rng.randrange(1, 5)
                assert line.crash(victim) == 1
                line.start(victim, (PRESENT, NEW)[number == 400])
        wait_until(lambda: all(line.log(each) == sorted(said) for each in range(6)))
        assert line.end() == [0] * 6
    finally:
        line.kill()
    check = subprocess.run([sys.executable, PRESENT / "runner.py", "check", tmp_path / "out"],
                           capture_output=True, text=True, timeout=60)
    assert check.returncode == 0, check.stdout
