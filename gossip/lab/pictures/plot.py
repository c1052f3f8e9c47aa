"""Plot: degrees.svg, network.svg, report.html and tables from the output files of a folder.

The chart of degrees is drawn here, the network in network.py; the page and the tables are made in
report.py. The same files give the same bytes.
"""

import pathlib
from collections import Counter

from gossip.capacity import shares
from gossip.lab.pictures import report
from gossip.lab.pictures.charts import (
    Axis, Points, document, dot, draw_across, draw_upright, linear_ticks, log_ticks, path,
    rectangle, side_title, text)
from gossip.lab.pictures.network import network_svg
from gossip.lab.proof.clocks import put_right
from gossip.lab.proof.graph import PowerLaw, at_least
from gossip.lab.proof.records import Records, read_folder
from gossip.terminal.folders import PICTURES, REPORT


def plot_folder(folder: pathlib.Path, with_tables: bool = False) -> list[pathlib.Path]:
    """Write the pictures, the tables if asked for, and the report into the folder, and return their
    paths, the report's last; ValueError when no file of a peer is in it."""
    records = put_right(read_folder(folder))
    pictures = degrees_svg(records), network_svg(records)
    texts = {**dict(zip(PICTURES, pictures)), **(report.tables(records) if with_tables else {}),
             REPORT: report.page(records, folder, *pictures)}
    for name, content in texts.items():
        (folder / name).write_bytes(content.encode("utf-8", "replace"))
    return [folder / name for name in texts]


def degrees_svg(records: Records) -> str:
    """The chart of the degrees, with what was fitted to them and what the capacities predict."""
    law = PowerLaw(records)
    fitted, label = [], "no fit: the degrees tell no exponent"
    if law.low >= law.high:
        label = "no fit: all capacities are equal"
    elif law.fitted:
        fitted, label = _fit_curve(law), f"fit: P(k) ~ k^−a with a = {law.fitted}"
    predicted = "predicted by the capacities" + (f": a = {law.predicted}" if law.predicted else "")
    peers = len(law.degrees)
    curves = _cumulative(law.degrees), _cumulative(law.capacities), fitted
    return document(470, f"Degrees of {peers} peers: cumulative distribution and histogram", [
        *_distribution(*curves, peers), *_legend(peers, bool(fitted), label, predicted),
        *_histogram(Counter(law.degrees))])


def _cumulative(values: list[int]) -> Points:
    """(k, share of the values that are k or more)."""
    return at_least({k: count / len(values) for k, count in Counter(values).items()})


def _fit_curve(law: PowerLaw) -> Points:
    """The fit as a share of all peers, although it covers only degrees from low to high."""
    share = law.fitted.count / len(law.degrees)
    above = sum(degree > law.high for degree in law.degrees) / len(law.degrees)
    tail = at_least(shares(law.fitted.exponent, law.low, law.high))
    return [(k, share * rest + above) for k, rest in tail]


def _distribution(measured: Points, predicted: Points, fitted: Points, peers: int) -> list[str]:
    """The left half: P(K >= k) on logarithmic axes; degree 0 has no place on them."""
    shown = [(k, share) for curve in (measured, predicted, fitted) for k, share in curve if k >= 1]
    shown = shown or [(1, 1.0)]
    low, high = _ends([k for k, _ in shown])
    least = min(0.5, max(log_ticks(1e-9, 1 / max(1, peers))))
    across = Axis(low / 1.08, high, 76, 540, True)
    upright = Axis(least / 1.15, 1.15, 400, 116, True)
    ticks = log_ticks(low, high) if high > 5 * low else list(range(int(low), int(high) + 1))
    return [text(20, 30, "How many peers have so many neighbours or more", "gv-text gv-title"),
            *draw_across(across, ticks, 116, 400, "{:g}".format),
            *draw_upright(upright, log_ticks(least, 1), 76, 540, "{:g}".format),
            text(308, 448, "degree k (neighbours)", "gv-muted", "middle"),
            side_title(22, 258, "share of peers with degree ≥ k"),
            *_curves(measured, _stairs(predicted, across.low, upright.low), fitted, across,
                     upright)]


def _ends(values: list[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis for these values: each a 1, 2 or 5 times a power of ten."""
    low, high = min(values) * 0.999, max(values) * 1.1
    return (max(tick for tick in log_ticks(low / 10, low * 1.002)),
            min(tick for tick in log_ticks(high, high * 10)))


def _curves(measured: Points, stairs: Points, fitted: Points, across: Axis,
            upright: Axis) -> list[str]:
    """The two lines, and the measured points upon them."""
    def at(k: float, share: float) -> tuple[float, float]:
        return across(k), upright(max(share, upright.low))

    lines = (stairs, "gv-cool-line gv-dashed"), (fitted, "gv-warm-line")
    return [*(path([at(*point) for point in curve], f"gv-line {style}")
              for curve, style in lines if curve),
            *(dot(*at(k, share), "gv-main-line", f"degree {k:g} or more: {share:.3g} of the peers")
              for k, share in measured if k >= 1)]


def _legend(peers: int, is_fitted: bool, fit: str, prediction: str) -> list[str]:
    """The meaning of points and lines, above the left half."""
    return [dot(40, 51, "gv-main-line"),
            text(62, 56, f"measured, {peers} peer{'s' * (peers != 1)}"),
            *([path([(26, 73), (54, 73)], "gv-line gv-warm-line")] if is_fitted else []),
            text(62, 78, fit),
            path([(26, 95), (54, 95)], "gv-line gv-cool-line gv-dashed"),
            text(62, 100, prediction)]


def _stairs(curve: Points, start: float, bottom: float) -> Points:
    """P(K >= k) as stairs: level up to each whole k, then down."""
    stairs, before = [], start
    for k, share in curve:
        stairs += [(before, share), (k, share)]
        before = k
    return stairs + [(k, bottom) for k, _ in stairs[-1:]]


def _histogram(counts: dict[int, int]) -> list[str]:
    """The right half: how many peers have which degree."""
    most = max(counts, default=1) + 1
    width = next(width for width in (1, 2, 5, 10, 20, 50, 100, 1000, 10**6) if most <= 46 * width)
    bars: Counter[int] = Counter()
    for degree, count in counts.items():
        bars[degree // width * width] += count
    across = Axis(-0.5, max(bars, default=1) + width + 0.5, 640, 940)
    upright = Axis(0, max(bars.values(), default=1) * 1.08, 400, 116)
    per = "" if width == 1 else f", {width} degrees a bar"
    return [text(592, 30, "How many have which degree", "gv-text gv-title"),
            *draw_upright(upright, linear_ticks(upright.high), 640, 940, "{:g}".format),
            *(_degree_bar(first, width, bars[first], across, upright) for first in sorted(bars)),
            *(text(across(k), 420, f"{k:g}", "gv-muted gv-number", "middle")
              for k in linear_ticks(across.high)),
            path([(640, 400), (940, 400)], "gv-thin gv-axis"),
            text(790, 448, f"degree (neighbours{per})", "gv-muted", "middle"),
            side_title(592, 258, "peers")]


def _degree_bar(first: int, width: int, count: int, across: Axis, upright: Axis) -> str:
    """The bar of `width` degrees from the first one on."""
    left, right = across(first - 0.5), across(first + width - 0.5)
    gap = min(2.0, (right - left) * 0.1)
    name = f"{first}" if width == 1 else f"{first} to {first + width - 1}"
    return rectangle(left + gap / 2, upright(count), right - left - gap,
                     upright.begin - upright(count), "gv-main", f"degree {name}: {count} peers")
