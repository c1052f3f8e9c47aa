"""The table of a benchmark: which figures it has, and what stands in its lines. Pure."""

import math
import statistics

HEADS = ("median", "least", "most")
NAMES, CELL = 36, 12  # columns: of what is measured, and of each number
NUMBERS = CELL * len(HEADS)  # columns of one way of spreading


FIGURES = [  # of each row: the name of the figure, the words before it, how it is shown
    ("last_median", "to the last peer, median, ms", ".2f"),
    ("last_p99", "to the last peer, 99 %, ms", ".2f"),
    ("each_median", "to each peer, median, ms", ".2f"),
    ("each_p99", "to each peer, 99 %, ms", ".2f"),
    ("deliveries_per_second", "burst, deliveries/s", ",.0f"),
    ("cpu_per_delivery", "CPU per delivery, µs", ".2f"),
    ("transmissions", "transmissions per delivery, copies", ".2f"),
    ("share", "without anti-entropy, % delivered", ".2f"),
    ("share_transmissions", "and its transmissions, copies", ".2f"),
    ("memory_idle", "memory of a peer, idle, MiB", ".1f"),
    ("memory_after", "memory of a peer, after burst, MiB", ".1f"),
    ("threads", "threads of a peer", ".1f"),
    ("cpu_at_rest", "CPU at rest, of a peer, % of a core", ".3f"),
]


def table(results: dict[str, list[dict[str, float]]], room: float = math.inf) -> list[str]:
    """The lines of the table: of each figure the median, the least and the most, in columns for
    every way of spreading. A figure that was measured once stands under the median. Where that is
    wider than `room`, each way has a table of its own, with the numbers below the names if need
    be."""
    if len(results) > 1 and NAMES + NUMBERS * len(results) > room:
        return [line for one in results.items() for line in table(dict([one]), room)]
    below = NAMES + NUMBERS > room
    lines = [*_row("", [[spread] for spread in results], below),
             *_row("", [HEADS for _ in results], below)]
    for name, what, form in FIGURES:
        cells = [_cells(_values(networks, name), form) for networks in results.values()]
        if any(cells):
            lines += _row(what, cells, below)
    return lines


def medians(networks: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure that was measured in some of these networks."""
    names = {name for figures in networks for name in figures}
    return {name: statistics.median(_values(networks, name)) for name in names}


def _values(networks: list[dict[str, float]], name: str) -> list[float]:
    return [figures[name] for figures in networks if name in figures]


def _cells(values: list[float], form: str) -> list[str]:
    """Median, least and most of the values; the median alone of one; nothing of none."""
    shown = [statistics.median(values), min(values), max(values)] if values else []
    return [f"{value:{form}}" for value in shown[:1 if len(values) == 1 else 3]]


def _row(what: str, cells, below: bool) -> list[str]:
    """A line of the table with the cells of every way of spreading, or with them `below` it."""
    numbers = "".join("".join(f"{cell:>{CELL}}" for cell in of_one).ljust(NUMBERS)
                      for of_one in cells).rstrip()
    if not below:
        return [f"{what:<{NAMES}}{numbers}"]
    return [what, numbers] if what else [numbers]
