"""Commands for whole networks; without one, all seeds of config.txt that are on this machine.

The table COMMANDS has them. Nobody types those of PROCESSES: `worker` hosts nodes for `--peers`,
and `program` is measured by `bench --library`.
"""

if __name__ == "__main__":
    import os
    import signal
    import sys
    sys.path.append(os.path.dirname(__file__))  # which PYTHONSAFEPATH=1 leaves out
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # silently ends a program that is still starting

import sys

from grapevine.terminal.command_line import USAGE, complain, did_you_mean, find, run_command

COMMANDS = {  # word -> its module and function, what it is for
    "demo": ("grapevine.lab.experiments.commands:run_demo",
             "ten peers gossip, one dies; the proof"),
    "check": ("grapevine.lab.proof.check:check_folders", "the proof, from output files"),
    "plot": ("grapevine.lab.pictures.report:plot", "the proof as a page, with pictures"),
    "watch": ("grapevine.lab.pictures.live_server:watch",
              "a running network, live in a browser"),
    "bench": ("grapevine.lab.experiments.bench:run_bench",
              "how fast a network of processes is on this machine"),
    "simulate": ("grapevine.lab.simulation.simulate:simulate",
                 "networks with accidents, in virtual time"),
    "console": ("grapevine.chat.console:run_console", "start chat servers, and talk to them"),
    "status": ("grapevine.lab.status:show_status", "which seeds and peers answer, now"),
    "tree": ("grapevine.lab.tree:show_tree", "the binary tree in which seeds keep reports"),
}
PROCESSES = {  # words that commands say to processes of their own
    "worker": "grapevine.lab.experiments.worker:run_worker",
    "program": "grapevine.lab.experiments.programs:run_program"}
NETWORK = "grapevine.lab.experiments.commands:run_network"
FLAGS = "grapevine.lab.experiments.commands:network_parser"  # of a network, and of seeds alone
SEEDS = "grapevine.terminal.seeds:run_all_seeds"
EXAMPLES = """\
examples:
  python runner.py                        the seeds of config.txt, until Ctrl-C
  python runner.py demo                   all of it in ten to twenty seconds
  python runner.py --peers 12 --kill 3    twelve peers, three of which die
"""


def main(arguments: list[str]) -> int:
    word = arguments[0] if arguments else ""
    if word in COMMANDS or word in PROCESSES:
        place = PROCESSES[word] if word in PROCESSES else COMMANDS[word][0]
        return run_command(f"runner.py {word}", find(place), arguments[1:])
    if word and not word.startswith("-"):
        complain(f"runner.py: no command {word!r}{did_you_mean(word.lower(), COMMANDS) or '.'} "
                 f"Commands: {', '.join(COMMANDS)}")
        return USAGE
    if {"-h", "--help"} & {*arguments}:
        return show_help()
    is_network = any(argument.partition("=")[0] == "--peers" for argument in arguments)
    return run_command("runner.py", find(NETWORK if is_network else SEEDS), arguments)


def show_help() -> int:
    parser = find(FLAGS)()
    commands = "\n".join(f"  {word:<10}{what}" for word, (_, what) in COMMANDS.items())
    parser.usage = "python runner.py [COMMAND] [flags]"
    parser.description = f"{EXAMPLES}\ncommands (each has --help):\n{commands}"
    parser.print_help()
    return 0


def command() -> int:  # of `pip install`
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(command())
