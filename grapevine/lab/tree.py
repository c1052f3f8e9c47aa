"""The tree of seeds that keep reports: `runner.py tree` asks a running seed, and shows it."""

from collections.abc import Iterator

from grapevine.addresses import Address, Target
from grapevine.lab import status
from grapevine.monitoring import grammar
from grapevine.monitoring.threaded_tree import SPACE, ThreadedTree
from grapevine.terminal.command_line import CONFIG, FAILED, CommandError, Parser, load_seeds, show

ANSWER_TIMEOUT = 3.0  # seconds for a seed to answer


def show_tree(arguments: list[str]) -> None:
    """Show the tree that the first seed tells. CommandError if none does."""
    parser = Parser(prog="runner.py tree", description="Ask a running seed which seeds keep which "
                    "reports about peers, and show the tree that they make.")
    parser.add_argument("--config", metavar="FILE", default=CONFIG,
                        help="the list of seeds (config.txt)")
    for seed in load_seeds(parser.parse_args(arguments).config):
        if (told := ask(seed)) is not None:
            show(drawn(seed, *told))
            return
    raise CommandError("no seed answers that keeps reports: start all with --monitor", FAILED)


def ask(seed: Target) -> tuple[ThreadedTree, dict[Address, int]] | None:
    """Return the tree and the loads that a seed tells; None if it does not."""
    told = {}  # kind of line -> its values

    def is_last(line: bytes) -> bool:
        kind, told[kind] = grammar.parse(line)
        return len(told) == 2

    status.ask(status.place_of(seed), ANSWER_TIMEOUT,
               lambda own: (grammar.say("ask_tree"), is_last))
    try:
        return ThreadedTree(*told["tree"]), dict(*told["loads"])
    except (KeyError, ValueError):
        return None


def drawn(teller: Target, tree: ThreadedTree, rows: dict[Address, int]) -> str:
    """Return the tree as a table of seeds, in the order of keys."""
    mean = sum(rows.values()) / len(tree.seeds()) or 1.0
    table = [("seed", "keys", "share", "rows", "load", "left thread", "right thread")]
    for branch, seed in branches(tree, tree.root, "", "", ""):
        (first, last), links = tree.interval(seed), tree.links(seed)
        table.append((f"{branch}{seed}", f"{first >> 64:08x} to {last >> 64:08x}",
                      f"{(last + 1 - first) / SPACE:.1%}", str(rows.get(seed, "?")),
                      f"{rows.get(seed, 0) / mean:.2f}",
                      str(links.left or "nobody") if links.left_is_thread else "-",
                      str(links.right or "nobody") if links.right_is_thread else "-"))
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = ["  ".join([cell.ljust(width) for cell, width in zip(row, widths)]).rstrip()
             for row in table]
    return "\n".join([f"tree {tree.version}, made by {tree.author}, told by {teller}: "
                      f"{len(tree.seeds())} seeds, {sum(rows.values())} rows", "", *lines])


def branches(tree: ThreadedTree, seed: Address, above: str, own: str, below: str
             ) -> Iterator[tuple[str, Address]]:
    """Yield the seeds of a subtree in order, each behind its branch. `above`, `own` and `below`
    stand before the left subtree, the seed and the right subtree."""
    links = tree.links(seed)
    if not links.left_is_thread:
        yield from branches(tree, links.left, above + "    ", above + ".-- ", above + "|   ")
    yield own, seed
    if not links.right_is_thread:
        yield from branches(tree, links.right, below + "|   ", below + "'-- ", below + "    ")
