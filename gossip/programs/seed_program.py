"""The program seed.py: from its command line to running seeds, and their end."""

from gossip.addresses import Address, address_of
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import open_output, start_node
from gossip.settings import majority
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, add_common_flags, add_settings, check_free, complain, is_local,
    load_seeds, peer_settings, port_or_address, run_command)
from gossip.terminal.folders import command, commands, peer_command, ports
from gossip.terminal.screen import Screen
from gossip.terminal.seed_screen import SeedScreen, SeedWords
from gossip.terminal.signals import End


def seed_main(seed_class) -> int:
    return run_command("seed.py", _seed_command, seed_class)


def _seed_command(seed_class) -> None:
    parser = Parser(prog="seed.py", description="One seed, or all local ones of config.txt.")
    parser.add_argument("address", nargs="?", type=port_or_address, metavar="IP:PORT",
                        help="the seed to run; a PORT alone is the local seed with that port")
    add_common_flags(parser)
    add_settings(parser, "monitor", "report_interval", "ban", "registrations_per_ip", "file_limit")
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    if args.address is None:
        run_seeds(seed_class, local_seeds(seeds), seeds, args)
        return
    address = args.address
    if isinstance(address, int):
        address = _seed_at(address, seeds)
    if address not in seeds:
        complain(f"seed.py: {address} is not in {args.config.name}: peers will not find it")
    run_seeds(seed_class, [address], seeds, args)


def _seed_at(port: int, seeds: list[Address]) -> Address:
    """The seed with that port: the local one of the config, else one on 127.0.0.1."""
    usual = address_of("127.0.0.1", port)
    local = [seed for seed in seeds if seed.port == port and is_local(seed)]
    return local[0] if local and usual not in local else usual


def local_seeds(seeds: list[Address]) -> list[Address]:
    local = [seed for seed in seeds if is_local(seed)]
    if not local:
        raise CommandError("no seed of the config is an address of this machine", FAILED)
    return local


def run_seeds(seed_class, addresses, seeds, args, in_words: bool = False) -> None:
    """Run seeds until a signal comes; when one cannot start, those before it stop again.

    `in_words`: a terminal shows a line for each peer that comes or goes, and what to do next."""
    end, settings, running = End(), peer_settings(args), []
    screen = None if args.quiet else Screen()
    if in_words:
        screen = SeedScreen(SeedWords(majority(len(seeds)), len(addresses)),
                            f"The proof: {command('check', args.outputs)}")
    try:
        for address in addresses:
            check_free(address)
            output = open_output(args.outputs, "seed", address, settings.file_limit,
                                 screen and screen.of(address))
            seed = seed_class(address, seeds, settings, output, LiveWorld)
            start_node(seed)
            running.append(seed)
        if in_words:
            screen.say(_what_next(addresses, args))
        end.wait()
    finally:
        for seed in running:
            seed.stop()
    if screen is not None:
        screen.close()


def _what_next(addresses: list[Address], args) -> str:
    """That seeds are up, and what a person may do with them."""
    names = " ".join(ports(map(str, addresses)))
    verb = "seed is" if len(addresses) == 1 else "seeds are"
    return "\n".join([
        f"{len(addresses)} {verb} up: {names}   ({args.config.name})", "", commands(
            (peer_command(args.config, args.outputs),
             "a peer, in another terminal; as many as you like"),
            (command("watch", args.outputs), "the network in a browser"),
            (command("check", args.outputs), "the proof, whenever you like")),
        "Ctrl-C ends the seeds; the peers go on.", ""])
