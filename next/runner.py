"""Commands for whole networks.

    python runner.py              starts the seeds of config.txt that are on this machine
    python runner.py demo         ten peers, one of which is killed; then the proof
    python runner.py --peers 100  seeds, and a hundred peers in two processes (--help has more)
    python runner.py simulate     seeds and peers in virtual time, and accidents by chance
    python runner.py tree         which running seeds keep which reports about peers
"""

if __name__ == "__main__":  # Ctrl-C silently ends a program that is still starting
    import signal
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["demo"]:
        from grapevine.lab.demo import demo_main
        return demo_main(arguments[1:])
    if arguments[:1] == ["simulate"]:
        from grapevine.lab.simulation import simulate_main
        return simulate_main(arguments[1:])
    if arguments[:1] == ["tree"]:
        from grapevine.lab.tree import tree_main
        return tree_main(arguments[1:])
    if arguments[:1] == ["worker"]:
        from grapevine.lab.experiments.worker import worker_main
        return worker_main(arguments[1:])
    if any(argument.partition("=")[0] == "--peers" for argument in arguments):
        from grapevine.lab.experiments.network import network_main
        return network_main(arguments)
    from grapevine.terminal.programs import seed_main
    return seed_main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
