"""The threaded tree of the running seeds, shown as text: which seed holds which keys and how many
rows, and whom it is linked to.

Any seed that monitors tells the whole tree to whoever asks, so one answer is enough.
"""

import socket
from collections.abc import Iterator

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import SPACE, ThreadedTree
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, add_common_flags, load_seeds, show)

PATIENCE = 2.0  # seconds to connect to a seed, and to hear from it
SHOWN_DIGITS = 8  # of the 24 of a key
START_SEEDS = "start them with: python runner.py --monitor"
HEADS = ("seed", "keys", "share", "rows", "load", "left thread", "right thread")
NUMBERS = range(2, 5)  # columns that stand at the right
LEGEND = """\
Each seed holds an interval of the keys (their first digits are shown); load is its rows divided by
the mean. Lines lead to children: the left child is drawn above, the right one below. A thread
stands in for a missing child, and leads to the seed before, or after, in the order of the keys."""


def tree_command(arguments: list[str]) -> None:
    """Show the tree of the running seeds."""
    parser = Parser(prog="runner.py tree", description="Ask running seeds which of them keeps "
                    "which reports about peers, and show the tree that they make.")
    add_common_flags(parser)
    show(shown_tree(load_seeds(parser.parse_args(arguments).config)))


def shown_tree(seeds: list[Address]) -> str:
    """The tree of the first seed that tells one, as text; CommandError when none does."""
    running = 0
    for seed in seeds:
        try:
            with socket.create_connection(seed.dial, PATIENCE) as sock:
                running += 1
                answer = _ask(sock)
        except OSError:
            continue
        if answer is not None:
            return _drawn(seed, *answer)
    if running:
        raise CommandError(f"{running} of {len(seeds)} seeds run, but none keeps a tree; "
                           f"{START_SEEDS}", FAILED)
    raise CommandError(f"none of {len(seeds)} seeds runs; {START_SEEDS}", FAILED)


def _ask(sock: socket.socket) -> tuple[ThreadedTree, dict[Address, int]] | None:
    """Return a seed's tree, and the rows of each seed whose load it knows; None when it keeps no
    tree."""
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
    """The tree as text: a seed per line, in the order of the keys."""
    table = [HEADS, *(_row(tree, seed, branch, rows)
                      for branch, seed in _branches(tree, tree.root, "", "", ""))]
    count = len(tree.seeds())
    return "\n".join([
        f"tree {tree.version}, made by {tree.author}, told by {teller}: "
        f"{count} seed{'s' if count > 1 else ''}, {sum(rows.values())} rows", "",
        *_aligned(table), "", LEGEND])


def _row(tree: ThreadedTree, seed: Address, branch: str,
         rows: dict[Address, int]) -> tuple[str, ...]:
    """The cells of a seed's line."""
    (first, last), links = tree.interval(seed), tree.links(seed)
    keys = " to ".join(f"{key:024x}"[:SHOWN_DIGITS] for key in (first, last))
    return (f"{branch}{seed}", keys,
            f"{(last - first + 1) / SPACE:.1%}", *_load(rows, seed),
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


def _load(rows: dict[Address, int], seed: Address) -> tuple[str, str]:
    """The rows of a seed, and the same divided by the mean; a newcomer has told nothing yet."""
    if seed not in rows:
        return "?", "?"
    mean = sum(rows.values()) / len(rows)
    return str(rows[seed]), f"{rows[seed] / mean:.2f}" if mean else "-"


def _aligned(table: list[tuple[str, ...]]) -> list[str]:
    """The lines of a table."""
    widths = [max(map(len, column)) for column in zip(*table)]
    return ["  ".join(cell.rjust(width) if place in NUMBERS else cell.ljust(width)
                      for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in table]
