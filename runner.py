"""The runner, whose commands start, check and measure networks.

The table COMMANDS has its commands. `--peers` starts processes with several nodes each by a command
that nobody types, `python runner.py worker`.
"""

from gossip.programs import import_quietly

if __name__ == "__main__":
    import_quietly()

import argparse
import functools
import os
import pathlib
import sys

from gossip.addresses import Address, address_of
from gossip.capacity import fixed
from gossip.chat.console import console_command
from gossip.lab.experiments import bench
from gossip.lab.experiments.accidents import add_malicious
from gossip.lab.experiments.following import FOR_EVER, implied_by_malicious, run_network
from gossip.lab.experiments.modules import measure_modules, run_experiment
from gossip.lab.experiments.network import with_room
from gossip.lab.experiments.schedules import parse_simulate, simulate
from gossip.lab.experiments.status import (
    BASE_PORT, check_seed_ports, status_command, tree_command)
from gossip.lab.experiments.worker import Worker
from gossip.lab.pictures import report
from gossip.lab.proof import check
from gossip.lab.proof.records import Together
from gossip.net.live_world import LiveWorld
from gossip.programs.seed_program import run_seeds
from gossip.programs.starting import host_of, known_to, local_seeds, open_output
from gossip.settings import WAYS, Settings
from gossip.terminal.command_line import (
    AUTO, FAILED, OF_SEEDS_ALONE, USAGE, CommandError, Parser, add_common_flags,
    add_outputs, add_peer_flags, add_settings, complain, load_seeds, parse_host, parse_port,
    peer_settings, run_command, show)
from gossip.terminal.folders import DEMO, MODULES, NETWORK, parse_folders
from gossip.terminal.screen import folded, obeys
from gossip.tools import did_you_mean
from peer import Peer
from seed import Seed

ROW = 18  # columns before what a row of the proof says
LARGEST = 65_000  # bytes of a measured message: those of a line, but for what is before the text
LARGE = 3_000  # bytes of a message above which a burst may pass the rate limit by its bytes
OWN_PROCESSES = 20  # peers that have a process each, at most, while they are watched
CORES = os.cpu_count() or 1
PLAIN = "show on a terminal what a pipe gets: rows and events, not sentences"  # help of --plain


def command() -> int:  # of `pip install`, too
    """Choose the command by the first word."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        return run_command("runner.py", start_command, arguments)
    word, *others = arguments
    commands = {**COMMANDS, "worker": (worker_command, "nobody types that")}
    if word in commands:
        return run_command(f"runner.py {word}", commands[word][0], others)
    complain(f"runner.py: no command {word!r}{did_you_mean(word.lower(), COMMANDS) or '.'} "
             f"Commands: {', '.join(COMMANDS)}")
    return USAGE


def start_command(arguments: list[str]) -> int | None:
    """Start seeds alone, or a whole network."""
    commands = "\n".join(f"  {word:<10}{what}" for word, (_, what) in COMMANDS.items())
    parser = Parser(prog="runner.py", usage="python runner.py [COMMAND] [flags]",
                    description=f"{EXAMPLES}\ncommands (each has --help):\n{commands}",
                    usual=("--peers", "--kill", "--once", "--watch", "--outputs", "--plain"))
    add_common_flags(parser)
    add_peer_flags(parser)
    add_settings(parser, *OF_SEEDS_ALONE)
    parser.count("--peers", 1, None,
                 "start N peers, too; the usual --outputs is then outputs/network")
    add_base_port(parser)
    parser.switch("--once", "end when all is delivered (and the dead reported), and check")
    parser.count("--processes", 1, None, "processes that the peers share (one per core)", "K")
    parser.add_argument("--process-per-peer", action="store_const", const=None, dest="processes",
                        help="each peer in a process of its own")
    parser.count("--kill", 0, 0, "once gossip is delivered, K peers die abruptly", "K")
    add_malicious(parser)
    add_watch(parser, ", and without --once gossip goes on")
    parser.set_defaults(seeds=None, processes=CORES)
    args = parser.parse_args(arguments)
    if args.peers is None:
        if args.watch:
            parser.error("--watch needs --peers N; to look at what runs already: "
                         "python runner.py watch")
        if args.once or args.kill or args.malicious is not None:
            parser.error("--once, --kill and --malicious need --peers")
        if args.watch_port or args.watch_host is not None:
            parser.error("--watch-port and --watch-host need --peers and --watch")
        return seeds_only(args)
    if args.malicious is not None and args.kill:
        parser.error("--malicious kicks peers, it kills none: leave --kill out")
    attacked = "" if args.malicious is None else f" --malicious {args.malicious}"
    parser.set_defaults(outputs=NETWORK, again=f"--peers {args.peers}{attacked}",
                        **implied_by(args))  # where the command line does not name it
    args = parser.parse_args(arguments)
    return network(parser, args, peer_settings(args))


def implied_by(args) -> dict[str, object]:
    """Return the settings of a network that --malicious or --watch implies."""
    if args.malicious is not None:
        return {**implied_by_malicious(args.peers, CORES, args.report_interval),
                "filter": args.malicious.words()}
    implied: dict[str, object] = {}
    if args.watch and not args.once:
        implied["gossip_count"] = FOR_EVER
    if args.watch and args.peers <= OWN_PROCESSES:
        implied["capacity"] = fixed(4)
    return implied


def network(parser: Parser, args, settings: Settings) -> int:
    """Run the network that a command line asks for."""
    if max(args.kill, args.malicious.count() if args.malicious else 0) >= args.peers:
        parser.error(f"that leaves nobody honest and alive of {args.peers} peers")
    peers, processes, page = peer_addresses(parser, args), args.processes, None
    if args.watch:
        from gossip.lab.pictures.live_server import live_page  # workers do without
        page = functools.partial(live_page, args.outputs, args.watch_port, host=args.watch_host)
        if args.peers <= OWN_PROCESSES:
            processes = None
    elif args.watch_host is not None or args.watch_port:
        raise CommandError(f"--watch-{'port' if args.watch_host is None else 'host'} needs --watch")
    return run_network(args, peers, with_room(settings, args.peers), processes, page)


def add_watch(parser: Parser, more: str = "") -> None:
    """Add the flags of commands that may show their network."""
    parser.switch("--watch", "serve a page that shows the network while it runs, with buttons; "
                             f"up to {OWN_PROCESSES} peers have a process each then{more}")
    add_page(parser, "--watch-port", "--watch-host")
    parser.switch("--plain", PLAIN)


def add_page(parser: Parser, port: str, host: str) -> None:
    """Add the flags that say where a page is served."""
    parser.add_argument(port, type=parse_port, default=0, metavar="PORT",
                        help="the page's port (any free one)")
    parser.add_argument(host, type=parse_host, metavar="IP",
                        help="an address of this machine at which others see the page, without "
                             "buttons (this machine alone)")


def add_base_port(parser: Parser) -> None:
    parser.add_argument("--base-port", type=parse_port, default=BASE_PORT, metavar="PORT",
                        help=f"the first peer's port ({BASE_PORT})")


def peer_addresses(parser: Parser, args) -> list[Address]:
    """Return the addresses of the peers, from --base-port on."""
    if args.base_port + args.peers > 65536:
        parser.error(f"{args.peers} peers from port {args.base_port} on pass port 65535")
    host = host_of(args.host, load_seeds(args.config), 0.0)
    return [address_of(host, args.base_port + n) for n in range(args.peers)]


def seeds_only(args) -> None:
    """Run the local seeds until Ctrl-C, appending to their output files."""
    seeds = load_seeds(args.config)
    local = local_seeds(seeds)
    check_seed_ports(local, args.config)
    in_words = obeys() and not (args.plain or args.quiet)
    if not in_words:
        open_output(args.outputs, "seed", local[0], args.file_limit).close()  # or it says why not
        show(f"{len(local)} seeds; start peers with: python peer.py   (Ctrl-C stops the seeds)")
    run_seeds(Seed, local, seeds, args, in_words)


def demo_command(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py demo", description="Ten peers gossip, one dies; the proof.")
    add_common_flags(parser, DEMO)
    parser.count("--peers", 1, 10, "peers")
    parser.count("--seeds", 1, None, "the first K seeds of config.txt, or more (all of them)", "K")
    parser.count("--kill", 0, 1, "peers that die abruptly", "K")
    add_base_port(parser)
    parser.add_argument("--sign", action=argparse.BooleanOptionalAction, default=True,
                        help="sign gossip, and take only what is signed (yes)")
    add_settings(parser, "file_limit")
    add_watch(parser)
    parser.set_defaults(processes=CORES, host=AUTO, again="demo", once=True, malicious=None)
    args = parser.parse_args(arguments)
    return network(parser, args, Settings(
        capacity=fixed(4), gossip_interval=0.3, liveness_interval=1.0, antientropy_interval=2.0,
        sign=args.sign, file_limit=args.file_limit))


def worker_command(arguments: list[str]) -> None:
    """Host the nodes that the runner names over standard input."""
    parser = Parser(prog="runner.py worker", description="Hosts nodes for the runner.")
    parser.add_argument("kind", choices=("seed", "peer"))
    add_common_flags(parser)
    add_peer_flags(parser)
    add_settings(parser, *OF_SEEDS_ALONE)
    args = parser.parse_args(arguments)
    seeds, settings = load_seeds(args.config), peer_settings(args)

    def make(node_class: type, address: Address):
        known = seeds if args.kind == "peer" else known_to(address, seeds, settings.monitor)
        output = open_output(args.outputs, args.kind, address, settings.file_limit)
        return node_class(address, known, settings, output, LiveWorld)

    Worker(Seed if args.kind == "seed" else Peer, make).host()


def check_command(arguments: list[str]) -> int:
    """Print the proof, or a verdict for each of several folders."""
    parser = Parser(prog="runner.py check", description="Prove from output files what happened.")
    parser.switch("--json", "write the rows as JSON, one object a line for each folder")
    folders, args = parse_folders(parser, arguments, "; of several folders each has a verdict, and "
                                  "what fails", Together)
    judge = (check.check_as_json if args.json else check.judge_folder if len(folders) > 1
             else check.check_folder)
    all_hold = True
    for holds, text in map(judge, folders):
        text = "".join(c if c == "\n" or c.isprintable() else "?" for c in text)  # of others' files
        show(folded(text, ROW) if os.isatty(1) and not args.json else text)
        all_hold = all_hold and holds
    return 0 if all_hold else FAILED


def plot_command(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py plot",
                    description="Draw degrees.svg, network.svg and report.html into the folder.")
    parser.switch("--csv", "write the figures behind them, too, as tables beside the report")
    folders, args = parse_folders(parser, arguments, "; with --together the first", Together)
    for folder in folders:
        try:
            paths = report.plot_folder(folder, args.csv)
        except ValueError as error:
            raise CommandError(str(error), FAILED) from None
        for path in paths:
            show(str(path))
        if os.isatty(1):
            show(f"open this one in a browser:\n{paths[-1].resolve().as_uri()}")


def watch_command(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py watch",
                    description="Serve a page that follows whatever runs in the folder.")
    add_page(parser, "--port", "--host")
    (folder,), args = parse_folders(parser, arguments)
    from gossip.lab.pictures import live_server  # workers do without
    live_server.watch(folder, args.port, args.host)


def module_command(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py module",
                    description="Gossip modules join, announce, lose some, and announce again.")
    parser.count("--peers", 3, 20, "modules, each a process")
    parser.count("--pow-bits", 0, 12, "proof of work", "BITS")
    parser.count("--degree", 2, 6, "places of each view", "K")
    parser.switch("--once", "as always here: end when it is proved")
    add_outputs(parser, MODULES)
    add_settings(parser, "file_limit")
    add_base_port(parser)
    args = parser.parse_args(arguments)
    if args.base_port + 2 * args.peers > 65536:
        parser.error(f"{args.peers} modules from port {args.base_port} on pass port 65535")
    return run_experiment(args)


def bench_command(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py bench", description="How fast and how large a network is.")
    add_common_flags(parser)
    add_peer_flags(parser)
    parser.count("--peers", 2, 40, "peers, each a process")
    parser.count("--messages", 1, 5000, "messages said at once")
    parser.count("--size", 1, 64, "bytes of each message's text", "BYTES")
    parser.count("--runs", 1, 3, "networks measured for each way of spreading, and one more")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="write all figures into a file, too")
    parser.switch("--module", "measure gossip modules instead")
    add_base_port(parser)
    parser.switch("--plain", PLAIN)
    parser.set_defaults(spread=None)
    args = parser.parse_args(arguments)
    if args.module:
        if args.json:
            parser.error("--json is not for --module")
        if args.base_port + 20 > 65536:
            parser.error(f"10 modules from port {args.base_port} on pass port 65535")
        return measure_modules(args.base_port)
    if args.size > LARGEST:
        parser.error(f"--size {args.size}: a message has at most {LARGEST} bytes")
    seeds = load_seeds(args.config)
    settings = with_room(peer_settings(args)._replace(gossip_count=0), args.peers)
    if args.messages > settings.burst or args.size > LARGE:  # one peer says them at once
        settings = settings._replace(rate=0)
    return bench.measure(args, peer_addresses(parser, args), seeds, local_seeds(seeds), settings,
                         [args.spread] if args.spread else list(WAYS))


COMMANDS = {  # word -> what carries it out, what it is for
    "demo": (demo_command, "ten peers gossip, one dies; the proof"),
    "check": (check_command, "the proof, from output files"),
    "plot": (plot_command, "a report with pictures, from output files"),
    "watch": (watch_command, "a page that shows the network live, or once more"),
    "bench": (bench_command, "how fast a network of processes is on this machine"),
    "simulate": (lambda words: simulate(parse_simulate(words), {"seed": Seed, "peer": Peer}),
                 "networks with accidents, in virtual time"),
    "console": (console_command, "chat servers, and a console that talks to them"),
    "module": (module_command, "networks of VoidPhone gossip modules"),
    "status": (status_command, "which seeds and peers answer, now"),
    "tree": (tree_command, "the binary tree in which seeds keep reports"),
}
EXAMPLES = """\
examples:
  python runner.py                        the seeds of config.txt, until Ctrl-C
  python runner.py demo                   all of it in ten to twenty seconds
  python runner.py --peers 12 --kill 3    twelve peers, three of which die
"""


if __name__ == "__main__":
    sys.exit(command())
