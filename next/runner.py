"""Commands for whole networks; without one, all seeds of config.txt that are on this machine.

The table COMMANDS has them. `worker` hosts nodes for `--peers`; nobody types it.
"""

if __name__ == "__main__":  # Ctrl-C silently ends a program that is still starting
    import signal
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import importlib
import sys

COMMANDS = {  # word -> its module and function, what it is for
    "demo": ("grapevine.lab.demo:demo_main", "ten peers gossip, one dies; the proof"),
    "check": ("grapevine.lab.proof.command:check_main", "the proof, from output files"),
    "simulate": ("grapevine.lab.simulation:simulate_main",
                 "networks with accidents, in virtual time"),
    "console": ("grapevine.chat.console:console_main", "start chat servers, and talk to them"),
    "tree": ("grapevine.lab.tree:tree_main", "the binary tree in which seeds keep reports"),
}
WORKER = "grapevine.lab.experiments.worker:worker_main"
NETWORK = "grapevine.lab.experiments.network:network_main"
SEEDS = "grapevine.terminal.programs:seed_main"


def main(arguments: list[str]) -> int:
    word = arguments[0] if arguments else ""
    if word in COMMANDS:
        return run(COMMANDS[word][0], arguments[1:])
    if word == "worker":
        return run(WORKER, arguments[1:])
    if any(argument.partition("=")[0] == "--peers" for argument in arguments):
        return run(NETWORK, arguments)
    return run(SEEDS, arguments)


def run(place: str, arguments: list[str]) -> int:
    """Import a command only when it is asked for, and carry it out."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
