"""The program peer.py, from its command line to its end."""

import functools
import os
import signal
import threading

from gossip.addresses import Address, Name, Target, address_of
from gossip.net.live_world import LiveWorld
from gossip.programs.console import Console
from gossip.programs.starting import (
    ALONE_LIMIT, PortTaken, check_free, check_reachable, host_of, is_taken, next_free, open_output,
    start_node)
from gossip.terminal.command_line import (
    AUTO, FAILED, STANDARD_OUTPUT, CommandError, Parser, add_address, add_common_flags,
    add_peer_flags, load_seeds, parse_host, parse_port, peer_settings, run_command, show,
    typed_address)
from gossip.terminal.input import End, Keyboard
from gossip.terminal.screen import Screen

FIRST_PORTS = 5001, 5099  # of these, the first that is free is offered
LEAVE_LIMIT = ALONE_LIMIT + 3.5  # seconds that leaving may take after SIGTERM
QUIT_LIMIT = 20.0  # seconds that leaving may take: more than all waits of `Peer`


def peer_main(peer_class) -> int:
    return run_command("peer.py", _peer_command, peer_class)


def _parser() -> Parser:
    parser = Parser(prog="peer.py", usage="python peer.py [IP] [PORT] [flags]",
                    description="One gossiping peer. Type /help while it runs.",
                    epilog="peer.py --chat ID N PORT    a chat server "
                           "(more: peer.py --chat 0 1 10000 --help)\n"
                           "peer.py -c FILE.ini         a gossip module of VoidPhone",
                    usual=("--config", "--outputs", "--quiet", "--gossip-count", "--sign", "--raw"))
    add_address(parser, "the port to listen on (asked for when missing); also as IP:PORT")
    add_common_flags(parser, of_node=True)
    add_peer_flags(parser)
    parser.switch("--end-with-input", "end with standard input (for programs that start peers)")
    parser.switch("--raw", "show events on a terminal as they stand in the output file")
    parser.switch("--leave", "on SIGTERM say goodbye, as `quit` does; a second SIGTERM is abrupt")
    parser.add_argument("--listen", type=parse_host, metavar="IP",
                        help="listen on this IP and dial from it, but announce --host: for a peer "
                             "behind a router that forwards its port")
    parser.switch("--json", "tell events, and take commands, as lines of JSON, for a program; the "
                            "usual --gossip-count is then 0")
    return parser


def _peer_command(peer_class) -> None:
    parser = _parser()
    args = parser.parse_args()
    asked_for = typed_address(parser, args)
    if args.json:
        if asked_for is None:
            parser.error("--json needs a PORT")
        parser.set_defaults(gossip_count=0)  # because the program has messages of its own
        args = parser.parse_args()
    is_log = args.outputs == STANDARD_OUTPUT
    if is_log and (args.json or asked_for is None):
        parser.error("--outputs - needs a PORT, and goes without --json")
    seeds = load_seeds(args.config)
    talks = os.isatty(0) and os.isatty(1) and not (args.raw or args.quiet or args.json or is_log)
    keyboard = Keyboard()
    if isinstance(asked_for, Name):
        parser.error(f"{asked_for} is a name; give the port alone, and --host {asked_for.host}")
    if isinstance(asked_for, Address):
        address = asked_for
        if args.host not in (AUTO, address.ip):
            parser.error(f"--host {args.host} and {address} are two addresses; give one")
    elif args.listen is not None and args.host == AUTO:
        parser.error("--listen needs --host, the IP that others dial")
    else:
        host = host_of(args.host, seeds)
        offer = functools.partial(next_free, args.listen or host, *FIRST_PORTS, seeds)
        by_hand = [offer, lambda port: _check_usable(
            address_of(host, port), args.listen, seeds, args.config.name)]
        address = address_of(host, asked_for or ask_for_port(keyboard, *by_hand if talks else ()))
    check_reachable(seeds, address)
    own = address_of(args.listen or address.ip, address.port)
    if own.family != address.family:
        parser.error(f"--listen {own.ip} and {address} are an IPv4 and an IPv6 address")
    _check_usable(address, args.listen, seeds, args.config.name)
    _run_peer(peer_class, address, own, seeds, args, talks, keyboard)


def _run_peer(peer_class, address: Address, own: Address, seeds: list[Target], args, talks: bool,
              keyboard: Keyboard) -> None:
    """Run a peer that listens at `own`. End with it, or after a signal."""
    end = End()
    keyboard, screen, kind_of_console = _terminal_of(address, seeds, args, talks, keyboard)
    output = open_output(args.outputs, "peer", address, args.file_limit,
                         None if args.quiet else screen)
    peer = peer_class(address, seeds, peer_settings(args), output,
                      functools.partial(LiveWorld, own=own))
    console = kind_of_console(peer, keyboard, screen)
    if talks:
        console.greet()
    start_node(peer)

    threading.Thread(  # not the peer's own, because nothing can wake it while it reads
        target=peer.world.threads.guard, name="console", daemon=True,
        args=("console", _run_console, (peer, console, args.end_with_input, end))).start()
    end.wait(lambda: peer.stopping)
    if args.leave and end.signalled == signal.SIGTERM:
        if not peer.world.threads.start("leaving", console.quit):
            peer.quit()
        end.wait_for_more(lambda: peer.stopping, LEAVE_LIMIT)
    peer.stop()
    if talks:
        console.take_leave()
    if args.json and not end.signalled:  # a program may be slow to read
        end.wait_for_more(screen.all_shown, QUIT_LIMIT)
    screen.close()


def _terminal_of(address: Address, seeds: list[Target], args, talks: bool, keyboard: Keyboard):
    """Return a keyboard, a screen, and the class of a console. Those that few peers need are
    imported here, because modules take memory, and time at each start."""
    if talks:
        from gossip.programs.talk import Talk
        from gossip.terminal.keys import Keys
        from gossip.terminal.prompt import PromptScreen
        from gossip.terminal.words import Words

        screen = PromptScreen(Words(str(address), args.liveness_misses, len(seeds)), Keys())
        return screen, screen, Talk
    if args.json:
        from gossip.programs.json_console import LINE_LIMIT, JsonConsole, JsonScreen

        return Keyboard(longest=LINE_LIMIT), JsonScreen(seeds), JsonConsole
    return keyboard, Screen(2 if args.outputs == STANDARD_OUTPUT else 1), Console


def _run_console(peer, console: Console, end_with_input: bool, end: End) -> None:
    console.read_lines()
    if peer.leaving:
        peer.world.await_end(QUIT_LIMIT)
    if peer.leaving or end_with_input:
        peer.stop()  # if it has not stopped
    if peer.stopping:
        end.come()


def _check_usable(address: Address, listen: str | None, seeds: list[Target], config: str) -> None:
    """Raise PortTaken if an address is a seed's, or its port is taken, and CommandError if nobody
    can listen at `listen`."""
    if address not in seeds:
        check_free(address_of(listen or address.ip, address.port))
        return
    other = min({*range(5001, 5002 + len(seeds))} - {seed.port for seed in seeds})
    why = f"{address.port} is the port of a seed in {config}; take another, for example {other}"
    if is_taken(address):
        raise PortTaken(f"port {address.port} is in use: {why}", FAILED)
    raise PortTaken(why)


def ask_for_port(keyboard: Keyboard, offer=None, check=lambda port: None) -> int:
    """Ask until a port is typed for which `check(port)` raises no PortTaken, or Enter takes that of
    `offer()`. CommandError if input ends."""
    while True:
        offered = offer and offer()
        show(f"Port to listen on{f' (Enter for {offered.port})' if offered else ''}: ", end="")
        line = keyboard.line()
        if line is None:
            show("")
            raise CommandError("no port was typed")
        try:
            if not offered or line.strip():
                port = parse_port(line.decode(errors="replace"))
                check(port)
                return port
            if offer() == offered:
                return offered.port
            show(f"{offered.port} was taken meanwhile.")
        except ValueError as error:
            show(f"{error}. Try again, for example {offered.port if offered else 5001}.")
        except PortTaken as error:
            show(f"{error}. Try again.")
