"""A network of present and new programs, with accidents, that the present `check` judges.

`python mixed.py CHANCE [PRESENT NEW]`: seeds and peers are drawn from both folders, and spread by
these ways (flood); 20 peers, kills, freezes, leaves, late joiners, two seeds killed and started
again, 300 typed messages. Goes with the switch.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NEW = pathlib.Path(__file__).resolve().parents[2]
PRESENT = NEW.parent
FLAGS = ("--gossip-interval", "1", "--liveness-interval", "1", "--antientropy-interval", "2",
         "--capacity", "fixed:4", "--gossip-count", "5")
SEEDS, PEERS, MESSAGES = 5, 20, 300
JOINED, CALM = 5.0, 14.0  # seconds for joining, and after the last accident


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                   for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


class Mixed:
    def __init__(self, chance: int, folder: pathlib.Path, ways: tuple[str, str]):
        self.rng, self.folder = random.Random(chance), folder
        self.ways = dict(zip((PRESENT, NEW), ways))
        ports = free_ports(SEEDS + PEERS)
        self.seeds, self.peers = ports[:SEEDS], ports[SEEDS:]
        self.processes: dict[int, subprocess.Popen] = {}
        self.frozen: set[int] = set()
        (folder / "config.txt").write_text("".join(f"127.0.0.1:{p}\n" for p in self.seeds))

    def start(self, port: int) -> None:
        is_seed = port in self.seeds
        source = self.rng.choice(list(self.ways))
        program = source / ("seed.py" if is_seed else "peer.py")
        where = f"127.0.0.1:{port}" if is_seed else str(port)
        flags = ["--config", self.folder / "config.txt", "--outputs", self.folder / "outputs",
                 "--quiet", *(() if is_seed else (*FLAGS, "--spread", self.ways[source]))]
        if port in self.processes:
            self.processes[port].stdin.close()
        with open(self.folder / "screens.txt", "ab") as screens:
            self.processes[port] = subprocess.Popen(
                [sys.executable, program, where, *flags], stdin=subprocess.PIPE, stdout=screens,
                stderr=subprocess.STDOUT)

    def say(self, port: int, text: str) -> None:
        process = self.processes[port]
        with contextlib.suppress(OSError):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()

    def kill(self, port: int) -> None:
        self.processes[port].kill()
        self.processes[port].wait()

    def run(self) -> subprocess.CompletedProcess:
        """Play all accidents; return what `check` says."""
        rng, late, living = self.rng, self.peers[-4:], self.peers[:-4]
        for seed in self.seeds:
            self.start(seed)
        time.sleep(1.5)
        for peer in living:
            self.start(peer)
        time.sleep(JOINED)
        kills, leaves = living[:3], living[3:5]
        freezes, restarts, stay = living[5:7], living[7:9], living[9:]
        steps = [*(("kill", peer) for peer in kills), *(("quit", peer) for peer in leaves),
                 *(("freeze", peer) for peer in freezes), *(("again", peer) for peer in restarts),
                 *(("start", peer) for peer in late), *(("again", s) for s in self.seeds[:2])]
        rng.shuffle(steps)
        said = 0
        for kind, port in steps:
            for _ in range(MESSAGES // len(steps) + 1):
                said += 1
                self.say(rng.choice(stay), f"say typed {said}")
            self.step(kind, port)
            time.sleep(rng.uniform(0.2, 1.5))
        for port in self.frozen:
            self.processes[port].send_signal(signal.SIGCONT)
        time.sleep(CALM)
        return subprocess.run([sys.executable, PRESENT / "runner.py", "check",
                               self.folder / "outputs"], capture_output=True, text=True)

    def step(self, kind: str, port: int) -> None:
        if kind == "start":
            self.start(port)
        elif kind == "kill":
            self.kill(port)
        elif kind == "again":
            self.kill(port)
            time.sleep(self.rng.choice([0.0, 1.0, 3.0]))
            self.start(port)
        elif kind == "freeze":
            self.processes[port].send_signal(signal.SIGSTOP)
            self.frozen.add(port)
        else:
            self.say(port, "quit")

    def close(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):  # it has died with something unread
                process.stdin.close()


def play(chance: int, ways: tuple[str, str] = ("flood", "flood")) -> tuple[int, str]:
    """Play one network; return the exit code of `check`, and its rows."""
    with tempfile.TemporaryDirectory() as folder:
        mixed = Mixed(chance, pathlib.Path(folder), ways)
        try:
            result = mixed.run()
        finally:
            mixed.close()
        screens = (mixed.folder / "screens.txt").read_text(errors="replace")
        if result.returncode or "Traceback" in screens:
            if kept := os.environ.get("KEEP_FAILED"):
                shutil.copytree(mixed.folder, pathlib.Path(kept) / str(chance))
        return result.returncode or "Traceback" in screens, result.stdout + screens[-2000:]


if __name__ == "__main__":
    code, text = play(int(sys.argv[1]), tuple(sys.argv[2:]) or ("flood", "flood"))
    print(text)
    sys.exit(code)
