"""What running nodes answer, now: which of them live, and the tree in which seeds keep reports.

Each seed is asked for its list, and each listed peer by a Liveness Request, over a connection of
its own that ends with the answer. No node writes a line about that. Any seed that monitors tells
the whole threaded tree to whoever asks, so one answer is enough.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address, Name, Target, address_of
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import SPACE, ThreadedTree
from gossip.node.link import Lines
from gossip.node.probe import Probe
from gossip.programs.starting import look_up, node_at
from gossip.settings import majority
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, add_common_flags, add_config, load_seeds, port_or_address, show)
from gossip.terminal.words import many

PATIENCE = 2.0  # seconds for an answer, connecting included
AT_ONCE = 64  # nodes asked at the same time
READ_SIZE = 65_536
SHOWN_DIGITS = 8  # of the 24 of a key
START_SEEDS = "start them with: python runner.py --monitor"
HEADS = ("seed", "keys", "share", "rows", "load", "left thread", "right thread")
NUMBERS = range(2, 5)  # columns that stand at the right
LEGEND = """\
Each seed holds an interval of the keys (their first digits are shown); load is its rows divided by
the mean. Lines lead to children: the left child is drawn above, the right one below. A thread
stands in for a missing child, and leads to the seed before, or after, in the order of the keys."""


class Asked(NamedTuple):
    """A node that was asked: how many seconds its answer took, or why there is none."""

    address: Address | OSError  # an error says why its name leads nowhere
    took: float | None
    why: str = ""
    listed: tuple[Address, ...] = ()  # by a seed


def status_command(arguments: list[str]) -> int:
    """Ask the nodes, and show a line for each; 1 if too few answer."""
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
    places = [at[seed] for seed in seeds]
    named = [node for node in nodes if at[node] in places] if nodes else seeds
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = list(pool.map(ask_seed, [at[seed] for seed in named]))
        lists = [seed.listed for seed in asked if seed.took is not None]
        peers = [node for node in nodes if node not in named] if nodes else sorted(
            {peer for listed in lists for peer in listed})
        answered = list(pool.map(_ask_peer, [at.get(peer, peer) for peer in peers]))
    for node, seed in zip(named, asked):
        show(f"seed {_name(node, seed)} {_told(seed) or many(len(seed.listed), 'peer')}")
    for node, peer in zip(peers, answered):
        on = f" on {sum(peer.address in listed for listed in lists)} of {len(lists)} lists"
        show(f"peer {_name(node, peer)} {_told(peer) or f'{peer.took * 1000:.1f} ms'}"
             f"{'' if nodes else on}")
    up = sum(node.took is not None for node in [*asked, *(answered if nodes else ())])
    return 0 if up >= (len(nodes) or majority(len(seeds))) else FAILED


def _name(node: Target, asked: Asked) -> str:
    """Return how a node was called, and where its name led."""
    leads = isinstance(node, Name) and isinstance(asked.address, Address)
    return f"{node} ({asked.address})" if leads else str(node)


def _told(asked: Asked) -> str:
    """Return why there is no answer; empty if there is one."""
    return "" if asked.took is not None else f"down: {asked.why}"


def ask_seed(address: Address | OSError, patience: float = PATIENCE) -> Asked:
    """Ask a seed for its list."""
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
    """Ask a peer whether it lives."""
    def question(own: Address):
        probe = Probe(own, address, wire.format_time(time.time()), None)
        return probe.request, probe.heard

    return _ask(address, PATIENCE, question)


def _ask(address: Address | OSError, patience: float,
         question: Callable[[Address], tuple]) -> Asked:
    """Send what `question(own address)` returns first, and read until what it returns second says
    that the answer is there."""
    if isinstance(address, OSError):
        return Asked(address, None, str(address))
    began = time.monotonic()
    try:
        with socket.create_connection(address.dial, patience) as sock:
            request, heard = question(address_of(*sock.getsockname()[:2]))
            sock.sendall(request)
            lines = Lines()
            while True:
                sock.settimeout(max(0.001, began + patience - time.monotonic()))
                data = sock.recv(READ_SIZE)
                if not data:
                    return Asked(address, None, "it closed the connection")
                if heard(lines.feed(data)):
                    return Asked(address, time.monotonic() - began)
    except TimeoutError:
        return Asked(address, None, f"no answer within {patience:g} s")
    except (OSError, wire.WireError) as error:
        return Asked(address, None, getattr(error, "strerror", None) or str(error))


# The tree.

def tree_command(arguments: list[str]) -> None:
    """Show the tree of the first seed that tells one; CommandError when none does."""
    parser = Parser(prog="runner.py tree", description="Ask running seeds which of them keeps "
                    "which reports about peers, and show the tree that they make.")
    add_common_flags(parser)
    seeds, running = load_seeds(parser.parse_args(arguments).config), 0
    for seed in seeds:
        try:
            with socket.create_connection(seed.dial, PATIENCE) as sock:
                running += 1
                answer = _ask_tree(sock)
        except OSError:
            continue
        if answer is not None:
            show(_drawn(seed, *answer))
            return
    if running:
        raise CommandError(f"{running} of {len(seeds)} seeds run, but none keeps a tree; "
                           f"{START_SEEDS}", FAILED)
    raise CommandError(f"none of {len(seeds)} seeds runs; {START_SEEDS}", FAILED)


def _ask_tree(sock: socket.socket) -> tuple[ThreadedTree, dict[Address, int]] | None:
    """Return a seed's tree, and the rows of each seed whose load it knows; or None."""
    sock.sendall(grammar.ASK_TREE)
    with sock.makefile("rb") as lines:
        try:
            tree, loads = (wire.parse(lines.readline(wire.LINE_LIMIT + 1).removesuffix(b"\n"))
                           for _ in range(2))
        except wire.WireError:
            return None
    if not isinstance(tree, grammar.Tree) or not isinstance(loads, grammar.Loads):
        return None
    return ThreadedTree(*tree), dict(loads.rows)


def _drawn(teller: Address, tree: ThreadedTree, rows: dict[Address, int]) -> str:
    """Draw the tree as a table: a seed per line, in the order of the keys."""
    table = [HEADS, *(_row(tree, seed, branch, rows)
                      for branch, seed in _branches(tree, tree.root, "", "", ""))]
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = ["  ".join(cell.rjust(width) if place in NUMBERS else cell.ljust(width)
                       for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
             for row in table]
    return "\n".join([f"tree {tree.version}, made by {tree.author}, told by {teller}: "
                      f"{many(len(tree.seeds()), 'seed')}, {sum(rows.values())} rows", "",
                      *lines, "", LEGEND])


def _row(tree: ThreadedTree, seed: Address, branch: str,
         rows: dict[Address, int]) -> tuple[str, ...]:
    """Return the cells of a seed's line; a newcomer has not told its load yet."""
    (first, last), links = tree.interval(seed), tree.links(seed)
    first_key, last_key = (f"{key:024x}"[:SHOWN_DIGITS] for key in (first, last))
    count = load = "?"
    if seed in rows:
        mean = sum(rows.values()) / len(rows)
        count, load = str(rows[seed]), f"{rows[seed] / mean:.2f}" if mean else "-"
    return (f"{branch}{seed}", f"{first_key} to {last_key}", f"{(last - first + 1) / SPACE:.1%}",
            count, load,
            str(links.left or "nobody") if links.left_is_thread else "-",
            str(links.right or "nobody") if links.right_is_thread else "-")


def _branches(tree: ThreadedTree, seed: Address, above: str, own: str,
              below: str) -> Iterator[tuple[str, Address]]:
    """Return the lines of the drawing before each seed of a subtree, in order. `above` and
    `below` stand before what is drawn above and below the subtree's root, `own` before itself."""
    links = tree.links(seed)
    if not links.left_is_thread:
        yield from _branches(tree, links.left, above + "    ", above + ".-- ", above + "|   ")
    yield own, seed
    if not links.right_is_thread:
        yield from _branches(tree, links.right, below + "|   ", below + "'-- ", below + "    ")
