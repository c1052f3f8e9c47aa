"""The status of a running network, of ports, and of the tree.

Each seed is asked for its list, and each listed peer by a Liveness Request, over a new connection
that ends with the answer. No node writes a line about it.
"""

import pathlib
import socket
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address, Name, Target, address_of, is_loopback
from gossip.intervals import Intervals, format_ranges
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import SPACE, ThreadedTree
from gossip.node.link import Lines
from gossip.node.probe import Probe
from gossip.programs.starting import (
    SLOW, WAY_LIMIT, awaited, host_of, is_taken, led_to, local_among, look_up, next_free, node_at)
from gossip.settings import majority
from gossip.terminal.command_line import (
    AUTO, CONFIG, FAILED, CommandError, Parser, add_common_flags, add_config, load_seeds,
    port_or_address, show)
from gossip.terminal.folders import OTHER_CONFIG, peer_command
from gossip.terminal.words import many

BASE_PORT = 5000  # of the first peer, where the command line names no other
BLOCK = 1000  # ports from the usual first peer to that of another network beside it
PORT_PATIENCE = 5.0  # seconds to find out which program has a port
PATIENCE = 2.0  # seconds for an answer, connecting included
AT_ONCE = 64  # nodes asked at the same time
READ_SIZE = 65_536
SHOWN_DIGITS = 8  # of 24 of a key
START_SEEDS = "start them with: python runner.py --monitor"
HEADS = ("seed", "keys", "share", "rows", "load", "left thread", "right thread")
NUMBERS = range(2, 5)  # columns that stand at the right
LEGEND = """\
Each seed holds an interval of the keys (their first digits are shown); load is its rows divided by
the mean. Lines lead to children: the left child is drawn above, the right one below. A thread
stands in for a missing child, and leads to the seed before, or after, in the order of the keys."""


class Asked(NamedTuple):
    """A node that was asked, and its answer."""

    address: Address | OSError  # an error says why its name leads nowhere
    took: float | None  # seconds until the answer; None: there is none
    why: str = ""  # there is no answer
    listed: tuple[Address, ...] = ()  # by a seed


def status_command(arguments: list[str]) -> int:
    """Ask nodes, and show a line for each. Return 1 if too few answer."""
    parser = Parser(prog="runner.py status", description="Ask every seed of config.txt for its "
                    "list, and every listed peer whether it lives. Exit with 0 if a majority of "
                    "the seeds answer, or all nodes that are named.")
    parser.add_argument("nodes", nargs="*", type=port_or_address, metavar="HOST:PORT",
                        help="ask only these: seeds of config.txt, or peers")
    add_config(parser)
    args = parser.parse_args(arguments)
    seeds = load_seeds(args.config)
    nodes = [node_at(node, seeds) if isinstance(node, int) else node for node in args.nodes]
    at = {target: found if isinstance(found, OSError) else found[0]
          for target, found in look_up([*seeds, *nodes], PATIENCE).items()}
    named = [node for node in nodes if at[node] in map(at.get, seeds)] if nodes else seeds
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = list(pool.map(ask_seed, map(at.get, named)))
        lists = [seed.listed for seed in asked if seed.took is not None]
        peers = [node for node in nodes if node not in named] if nodes else sorted(
            {peer for listed in lists for peer in listed})
        answered = list(pool.map(_ask_peer, [at.get(peer, peer) for peer in peers]))
    for node, seed in zip(named, asked):
        show(_row_of("seed", node, seed, many(len(seed.listed), "peer")))
    for node, peer in zip(peers, answered):
        on = f" on {sum(peer.address in listed for listed in lists)} of {len(lists)} lists"
        show(_row_of("peer", node, peer, f"{(peer.took or 0.0) * 1000:.1f} ms")
             + ("" if nodes else on))
    up = sum(node.took is not None for node in [*asked, *(answered if nodes else ())])
    return 0 if up >= (len(nodes) or majority(len(seeds))) else FAILED


def _row_of(kind: str, node: Target, asked: Asked, answer: str) -> str:
    """Return the line of a node, with its name, address and answer."""
    leads = isinstance(node, Name) and isinstance(asked.address, Address)
    return (f"{kind} {node}{f' ({asked.address})' if leads else ''} "
            f"{f'down: {asked.why}' if asked.took is None else answer}")


def ask_seed(address: Address | OSError, patience: float = PATIENCE) -> Asked:
    listed: list[Address] = []

    def heard(lines: list[bytes]) -> bool:
        for message in map(wire.parse, lines):
            if message.kind == "peer_list":
                listed.extend(message.addresses)
                return True
        return False

    asked = _ask(address, patience, lambda own: (wire.ASK_PEER_LIST, heard))
    return asked._replace(listed=tuple(listed))


def _ask_peer(address: Address | OSError) -> Asked:
    def question(own: Address):
        probe = Probe(own, address, wire.format_time(time.time()), None)
        return probe.request, probe.heard

    return _ask(address, PATIENCE, question)


def _ask(address: Target | OSError, patience: float, question: Callable) -> Asked:
    """Ask a node. `question(own address)` returns the request, and a function that takes lines and
    tells whether they hold the answer."""
    if isinstance(address, OSError):
        return Asked(address, None, str(address))
    began = time.monotonic()
    try:
        with socket.create_connection(address.dial, patience) as sock:
            request, heard = question(address_of(*sock.getsockname()[:2]))
            sock.sendall(request)
            lines = Lines()
            while True:
                if (left := began + patience - time.monotonic()) <= 0:
                    raise TimeoutError  # it says much, but no answer
                sock.settimeout(left)
                if not (data := sock.recv(READ_SIZE)):
                    return Asked(address, None, "it closed the connection")
                if heard(lines.feed(data)):
                    return Asked(address, time.monotonic() - began)
    except TimeoutError:
        return Asked(address, None, f"no answer within {patience:g} s")
    except (OSError, wire.WireError) as error:
        return Asked(address, None, getattr(error, "strerror", None) or str(error))


# Other ports, for a network whose usual ports are taken, or that has more seeds than usual.

class Ports(NamedTuple):
    """The addresses of a network, and the file that names its seeds."""

    seeds: list[Target]
    peers: list[Address]
    config: pathlib.Path
    notice: str  # which ports are taken, and which are used instead; empty when none is taken

    def write_config(self, outputs: pathlib.Path) -> None:
        """Write the file, unless it is the user's own."""
        if self.config.resolve() == (outputs / OTHER_CONFIG).resolve():
            self.config.write_text("".join(f"{seed}\n" for seed in self.seeds))


def choose_ports(args, peers: list[Address]) -> Ports:
    """Choose other ports where the usual ports are taken, or too few. Ports on the command line
    stay, and so do seeds that other machines know. All peers move together, because peers of
    another network here dial the ports of their dead again."""
    of_config, config = load_seeds(args.config), args.config
    usual = of_config[:args.seeds]
    while len(usual) < (args.seeds or 0):
        last = max(seed.port for seed in usual)
        if (address := next_free(host_of(AUTO, usual, 0.0), last + 1, 65535, peers)) is None:
            raise CommandError(f"no port above {last} is free for a seed", FAILED)
        usual.append(address)
    seeds, chosen = usual, peers
    if args.config == CONFIG and all(map(is_loopback, usual)):
        seeds = free_instead(usual, peers)
    if args.base_port == BASE_PORT and (seeds != usual or any(map(is_taken, peers))):
        chosen = free_block(peers, seeds)
    notice = ""
    if moved := [(old.port, new.port)
                 for old, new in zip([*usual, *peers], [*seeds, *chosen]) if old != new]:
        left, instead = map(_ranges, zip(*moved))
        notice = f"ports taken, all or in part: {left}; used instead: {instead}"
    if seeds != of_config:
        config = args.outputs / OTHER_CONFIG
        notice += notice and f"\nanother peer joins with: {peer_command(config, args.outputs)}"
    return Ports(seeds, chosen, config, notice)


def free_instead(addresses: list[Address], avoid: list[Address]) -> list[Address]:
    """Return the addresses, with free ports above them instead of taken ports."""
    last, free = max(address.port for address in addresses), []
    for address in addresses:
        if is_taken(address):
            address = next_free(address.ip, last + 1, 65535, avoid) or address
            last = max(last, address.port)
        free.append(address)
    return free


def free_block(addresses: list[Address], avoid: list[Address]) -> list[Address]:
    """Return the addresses whole blocks of ports higher, where all are free."""
    for step in range(BLOCK, 65536 - max(address.port for address in addresses), BLOCK):
        block = [address_of(address.ip, address.port + step) for address in addresses]
        if not any(map(is_taken, block)) and not {*block} & {*avoid}:
            return block
    raise CommandError(f"no {len(addresses)} ports in a row are free; name one: --base-port",
                       FAILED)


def _ranges(ports: Collection[int]) -> str:
    """Return ports in order, with `FIRST-LAST` for ports in a row."""
    return format_ranges(Intervals((port, port) for port in ports).ranges()).replace(",", ", ")


def check_seed_ports(seeds: list[Address], config: pathlib.Path) -> None:
    """Raise CommandError when another program listens where seeds should."""
    running = _running(seeds, config)
    if running == seeds:
        raise CommandError("the seeds run already; go on with: python peer.py", FAILED)
    if running:
        raise CommandError(f"{len(running)} of {len(seeds)} seeds run already "
                           f"({_ranges([seed.port for seed in running])}); start each of the "
                           "others with: python seed.py IP:PORT", FAILED)


def seeds_to_start(seeds: list[Target], config: pathlib.Path) -> list[Address]:
    """Return the local seeds that do not listen already. CommandError if another program has such a
    port, or if no seed is local and none answers for WAY_LIMIT seconds."""
    def found() -> list[Address] | None:
        if local := local_among(seeds):
            return local
        with ThreadPoolExecutor(len(seeds)) as pool:
            far = [places[0] for places in led_to(seeds, SLOW).values()]
            return [] if any(asked.took is not None for asked in pool.map(ask_seed, far)) else None

    local = awaited(found, WAY_LIMIT, "no seed of the config answers",
                    "no seed of the config is an address of this machine, and none elsewhere "
                    "answers")
    running = _running(local, config)
    return [seed for seed in local if seed not in running]


def _running(seeds: list[Address], config: pathlib.Path) -> list[Address]:
    """Return the seeds that listen already. CommandError if another program does."""
    running = [seed for seed in seeds if is_taken(seed)]
    for seed in running:
        if ask_seed(seed, PORT_PATIENCE).took is None:
            raise CommandError(f"another program has port {seed.port}: change {config.name}",
                               FAILED)
    return running


def tree_command(arguments: list[str]) -> None:
    """Show the tree, which any monitoring seed knows. CommandError when no seed tells it."""
    parser = Parser(prog="runner.py tree", description="Ask running seeds which of them keeps "
                    "which reports about peers, and show the tree that they make.")
    add_common_flags(parser)
    seeds = load_seeds(parser.parse_args(arguments).config)
    for seed in seeds:
        if answer := _ask_tree(seed):
            tree, loads = answer
            show(_drawn(seed, ThreadedTree(*tree), dict(loads.rows)))
            return
    running = sum(ask_seed(seed).took is not None for seed in seeds)
    raise CommandError((f"{running} of {len(seeds)} seeds run, but none keeps a tree" if running
                        else f"none of {len(seeds)} seeds runs") + f"; {START_SEEDS}", FAILED)


def _ask_tree(seed: Target) -> list | None:
    """Return the tree and the loads that a seed knows, if any."""
    told: list = []

    def heard(lines: list[bytes]) -> bool:
        told.extend(map(wire.parse, lines))
        return len(told) > 1

    _ask(seed, PATIENCE, lambda own: (grammar.ASK_TREE, heard))
    return told if [type(message) for message in told] == [grammar.Tree, grammar.Loads] else None


def _drawn(teller: Address, tree: ThreadedTree, rows: dict[Address, int]) -> str:
    """Return the tree as a table of seeds, ordered by key."""
    table, mean = [HEADS], sum(rows.values()) / (len(rows) or 1)
    for branch, seed in _branches(tree, tree.root, "", "", ""):
        (first, last), links = tree.interval(seed), tree.links(seed)
        first_key, last_key = (f"{key:024x}"[:SHOWN_DIGITS] for key in (first, last))
        count = load = "?"  # a newcomer has not told its load yet
        if seed in rows:
            count, load = str(rows[seed]), f"{rows[seed] / mean:.2f}" if mean else "-"
        table.append((f"{branch}{seed}", f"{first_key} to {last_key}",
                      f"{(last - first + 1) / SPACE:.1%}", count, load,
                      str(links.left or "nobody") if links.left_is_thread else "-",
                      str(links.right or "nobody") if links.right_is_thread else "-"))
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = ["  ".join(cell.rjust(width) if place in NUMBERS else cell.ljust(width)
                       for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
             for row in table]
    return "\n".join([f"tree {tree.version}, made by {tree.author}, told by {teller}: "
                      f"{many(len(tree.seeds()), 'seed')}, {sum(rows.values())} rows", "",
                      *lines, "", LEGEND])


def _branches(tree: ThreadedTree, seed: Address, above: str, own: str,
              below: str) -> Iterator[tuple[str, Address]]:
    """Yield the seeds of a subtree in order, each after its branch. `above`, `own` and `below`
    stand before what is drawn above the root, before the root itself, and below it."""
    links = tree.links(seed)
    if not links.left_is_thread:
        yield from _branches(tree, links.left, above + "    ", above + ".-- ", above + "|   ")
    yield own, seed
    if not links.right_is_thread:
        yield from _branches(tree, links.right, below + "|   ", below + "'-- ", below + "    ")
