"""The commands `runner.py --peers N` and `runner.py demo`: a network, from flags to its proof."""

import argparse
import contextlib
import math
import os
import pathlib
import random
import time

from grapevine.lab import FOR_EVER
from grapevine.lab.attackers import WORDS, attacks_in, deal, nobody_left
from grapevine.lab.experiments.following import WATCHED, Progress
from grapevine.lab.experiments.network import Network, orders
from grapevine.lab.experiments.ports import BASE_PORT, choose_ports, take_turn
from grapevine.lab.experiments.steps import Steps
from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS
from grapevine.lab.proof.records import Records
from grapevine.settings import Settings
from grapevine.terminal.command_line import (
    FAILED, OF_PEERS, PLAIN, Parser, add_common, add_settings, count, parse_host, parse_ip,
    parse_port, settings_of)
from grapevine.terminal.folders import (
    DEMO, NETWORK, clear_outputs, command, commands, reserved, shown)
from grapevine.terminal.starting import block_signals, prepare_descriptors, take_signals
from grapevine.terminal.words import many

CORES = os.cpu_count() or 1
OWN_PROCESSES = 20  # peers that have a process each, at most, while they are watched
PER_CORE = 20  # peers whose periods of a second a core can hold
OPEN_FILES, OPEN_IN_SEEDS = 20, 6  # about, of each peer in its own process, and in that of seeds
PER_PERIOD = 25  # messages that all peers of a watched network say together
SAY = 3.0  # seconds between two lines where the screen is no terminal


def network_parser() -> Parser:
    parser = Parser(prog="runner.py", description="The seeds of config.txt, and many peers.",
                    usual=("--peers", "--kill", "--once", "--watch", "--outputs", "--plain"))
    add_common(parser, NETWORK)
    parser.add_argument("--peers", type=count(1), metavar="N", required=True, help="how many")
    parser.switch("--once", "end when all is delivered (and the dead reported), and check")
    parser.add_argument("--processes", type=count(1), metavar="K", default=CORES,
                        help="processes that the peers share (one per core)")
    parser.add_argument("--process-per-peer", action="store_const", const=None, dest="processes",
                        help="each peer in a process of its own")
    parser.add_argument("--kill", type=count(0), default=0, metavar="K",
                        help="once gossip is delivered, K peers die abruptly (0)")
    parser.add_argument("--malicious", type=attacks_in, default="",
                        metavar="KIND:COUNT[:SHARE],...",
                        help="peers that attack, or none; all watch, and gossip to the end")
    add_network_flags(parser, f"; up to {OWN_PROCESSES} peers have a process each then, and "
                              "without --once gossip goes on")
    parser.add_argument("--host", type=parse_host, metavar="IP", help="the IP of all peers, or a "
                        "name of this machine (the IP from which it reaches the seeds)")
    add_settings(parser, (*OF_PEERS, "registrations_per_ip"))
    parser.set_defaults(seeds=None)
    return parser


def add_network_flags(parser: Parser, while_watched: str = "") -> None:
    """Add the flags of all networks that may show a page, which says what is else so then."""
    parser.add_argument("--base-port", type=parse_port, default=BASE_PORT, metavar="PORT",
                        help=f"the first peer's port ({BASE_PORT})")
    parser.switch("--watch", "serve a page that shows the network while it runs, with buttons"
                             + while_watched)
    parser.add_argument("--watch-port", type=parse_port, default=0, metavar="PORT",
                        help="the page's port (any free one)")
    parser.add_argument("--watch-host", type=parse_ip, metavar="IP",
                        help="an address of this machine at which others see the page, without "
                             "buttons (this machine alone)")
    parser.switch("--plain", PLAIN)


def run_network(arguments: list[str]) -> int:
    parser = network_parser()
    args = parser.parse_args(arguments)
    if args.malicious and args.kill:
        parser.error("--malicious kicks peers, it kills none: leave --kill out")
    parser.set_defaults(**implied_by(args))  # where the command line does not name it
    args = parser.parse_args(arguments)
    attacks = f" --malicious {args.malicious}" if args.malicious else ""
    return run(parser, args, settings_of(args), f"--peers {args.peers}{attacks}")


def implied_by(args: argparse.Namespace) -> dict[str, object]:
    """Return the settings that the size, --malicious or --watch implies. The pace of a network with
    attackers is what this machine can hold, because a full machine makes everybody late."""
    usual = Settings()
    implied = {"registrations_per_ip": max(args.peers, usual.registrations_per_ip)}
    if args.malicious:
        period = args.report_interval
        if period == usual.report_interval:
            period = max(1.0, args.peers / (PER_CORE * CORES))
        pause = period * args.peers / PER_PERIOD
        implied |= {"monitor": True, "report_interval": period, "gossip_interval": pause,
                    # with an end nearly at the end, so that all arrive
                    "gossip_count": 1 + int(WATCHED * period / pause) if args.once else FOR_EVER}
        if "forbidden" in args.malicious:
            implied["filter"] = WORDS
    elif args.watch and not args.once:
        implied["gossip_count"] = FOR_EVER
    if args.watch and args.peers <= OWN_PROCESSES:
        implied["processes"] = None
        if not args.malicious:
            implied["capacity"] = "fixed:4"
    return implied


def run_demo(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py demo", description="Ten peers gossip, one dies; the proof.")
    add_common(parser, DEMO)
    for name, least, default, what in (
            ("peers", 1, 10, "peers (10)"), ("kill", 0, 1, "peers that die abruptly (1)"),
            ("seeds", 1, None, "the first K seeds of config.txt (all of them)")):
        parser.add_argument(f"--{name}", type=count(least), default=default, metavar="K", help=what)
    parser.add_argument("--sign", action=argparse.BooleanOptionalAction, default=True,
                        help="sign gossip, and take only what is signed (yes)")
    add_network_flags(parser)
    parser.set_defaults(processes=None, host=None, once=True, malicious="")
    args = parser.parse_args(arguments)
    return run(parser, args, Settings(capacity="fixed:4", gossip_interval=0.3, sign=args.sign,
                                      liveness_interval=1.0, antientropy_interval=2.0), "demo")


def refuse_nonsense(parser: Parser, args: argparse.Namespace) -> None:
    """Refuse flags that do not go together."""
    if not args.watch and (args.watch_port or args.watch_host):
        parser.error("--watch-port and --watch-host need --watch")
    if fault := nobody_left(args.peers, args.malicious, args.kill):
        parser.error(fault)


def run(parser: Parser, args: argparse.Namespace, settings: Settings, again: str) -> int:
    """Start a network and follow it; with `args.once`, end it and prove it. `again` are the words
    of such a command."""
    refuse_nonsense(parser, args)
    few = short_of_files(args, prepare_descriptors())
    folder = args.outputs = pathlib.Path(args.outputs)
    with reserved(folder), take_turn() as turn, contextlib.ExitStack() as stack:
        steps, ports, page = Steps(args, SAY), choose_ports(args), None
        roles = deal(args.malicious, ports.peers, random.Random())
        clear_outputs(folder)
        for notice in filter(None, (ports.notice, few)):
            steps.say(notice)
        if steps.are_shown:
            steps.say(planned(args, settings.gossip_count, len(roles)))
        network = Network(ports, settings, folder, args.processes, roles, turn)
        progress = Progress(Records(folder), network, settings, steps)
        block_signals()  # so that threads of the page take none
        if args.watch:
            from grapevine.lab.pictures.live_server import live_page
            page = stack.enter_context(live_page(
                folder, args.watch_port, network.carry_out, orders(args.processes is None),
                args.watch_host))
        take_signals()
        in_time = False
        with network:
            try:
                in_time = progress.course(args.kill, bool(args.malicious), args.once)
            except KeyboardInterrupt:
                if args.once:
                    raise
            finally:
                steps.end()
        if args.once:
            return finish(progress, network.here(), in_time, page, again)
        if steps.are_shown:
            made = sum(len(run.generated) for run in progress.records.refresh().peers)
            steps.say(f"Ended. {len(network.peers)} peers, {made:,} messages. "
                      f"The proof: {command('check', folder)}")
        return 0


def short_of_files(args: argparse.Namespace, allowed: float) -> str:
    """Return a warning if a process may open fewer files than its nodes need."""
    together = math.ceil(args.peers / (args.processes or args.peers))
    needed = max(OPEN_FILES * together, OPEN_IN_SEEDS * args.peers)
    return "" if needed <= allowed else (
        f"a process may need {needed:,} open files, and may have {allowed:,} (`ulimit -Hn`): "
        "some peers may find no seeds and no neighbours")


def finish(progress: Progress, here: set[str] | None, in_time: bool, page, again: str) -> int:
    """Show the proof, and return the exit code, when nobody looks at a page any more."""
    steps, records = progress.steps, progress.records
    if not in_time:
        steps.say_late(records.folder)
    rows = check.with_texts(records, check.prove(records.refresh(), here))
    plot = command("plot", records.folder), "a page of this proof, with pictures"
    watched = f"python runner.py {again} --watch", "such a network, live in a browser"
    steps.say_proof(rows, commands(plot, watched) if page is None else
                    f"{commands(plot)}\nThe live page stays until Ctrl-C.")
    verdict = check.verdict_of(rows)
    if page is not None:
        page.tell(verdict if in_time else FAILS, check.format_rows(rows))
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(SAY)
    return check.CODES[verdict] if in_time else FAILED


def planned(args, gossip: int, attackers: int) -> str:
    """Tell which steps a network will take."""
    plan = [f"each gossips {'without end' if gossip == FOR_EVER else many(gossip, 'message')}"]
    if attackers:
        plan.append(f"{attackers} of them attack{'s' if attackers == 1 else ''} "
                    f"({args.malicious})")
    if args.kill:
        plan.append(f"then {args.kill} of them {'is' if args.kill == 1 else 'are'} killed")
    plan += [] if args.once else ["Ctrl-C ends them"]
    return f"{args.peers} peers; {'; '.join(plan)}.   ({shown(args.outputs)})\n"
