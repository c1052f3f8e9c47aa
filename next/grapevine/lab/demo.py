"""The demo: the seeds of config.txt, ten peers, one of which is killed, and the proof of it all.

Every node is a process of its own, started as a person would.
"""

import contextlib
import glob
import os
import pathlib
import subprocess
import sys
import time

from grapevine.lab.proof.check import check_folder
from grapevine.settings import Settings
from grapevine.terminal.command_line import (
    FAILED, HOME, CommandError, Parser, add_common, load_seeds, run_command, write_all)

PEERS, FIRST_PORT = 10, 5000
KILLED = 6  # which peer
PATIENCE = 60.0  # seconds for each step
LOOK = 0.1  # seconds between two looks at the files
FLAGS = ("--sign", "--gossip-interval", "0.5", "--liveness-interval", "0.5",
         "--capacity", "fixed:4")


def demo_main(arguments: list[str]) -> int:
    return run_command("runner.py demo", run_demo, arguments)


def run_demo(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py demo", description="Ten peers, and the proof.")
    add_common(parser, os.path.join(HOME, "outputs", "demo"))
    args = parser.parse_args(arguments)
    os.makedirs(args.outputs, exist_ok=True)
    for path in glob.glob(os.path.join(args.outputs, "*_*.txt")):
        os.remove(path)
    with contextlib.ExitStack() as stack:
        common = ["--config", args.config, "--outputs", args.outputs, "--quiet"]
        start(stack, "seed.py", *common)
        await_in_files("started:seed:", len(load_seeds(args.config)), args.outputs)
        peers = [start(stack, "peer.py", str(FIRST_PORT + n), *common, *FLAGS)
                 for n in range(PEERS)]
        messages = PEERS * Settings().gossip_count
        say(f"{PEERS} peers say {messages} messages …")
        await_in_files("generated:", messages, args.outputs)
        await_in_files("received:", messages * (PEERS - 1), args.outputs)
        peers[KILLED].kill()
        say(f"{FIRST_PORT + KILLED} was killed; its neighbours count misses …")
        await_in_files("passed on:", 1, args.outputs)
        time.sleep(2 * LOOK)  # other seeds hear of it
        return check(args.outputs)


def check(folder: str) -> int:
    """Show the proof of the output files; return the exit code."""
    holds, text = check_folder(pathlib.Path(folder))
    say(text)
    return 0 if holds else FAILED


def say(text: str) -> None:
    write_all(1, f"{text}\n".encode())


def start(stack: contextlib.ExitStack, program: str, *arguments: str) -> subprocess.Popen:
    """Start a program, which ends with the demo."""
    process = subprocess.Popen([sys.executable, os.path.join(HOME, program), *arguments],
                               stdin=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def await_in_files(event: str, count: int, folder: str) -> None:
    """Wait until so many lines of all files have this event."""
    until, found, mark = time.monotonic() + PATIENCE, 0, f":{event}".encode()
    while time.monotonic() < until:
        found = 0
        for path in glob.glob(os.path.join(folder, "*_*.txt")):
            with open(path, "rb") as file:
                found += sum(line[26:].startswith(mark) for line in file)
        if found >= count:
            return
        time.sleep(LOOK)
    raise CommandError(f"after {PATIENCE:.0f} s only {found} of {count} lines {event!r} in "
                       f"{folder}", FAILED)
