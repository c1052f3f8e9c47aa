"""Charts as SVG text, made of values.

Every chart has colours for light and dark screens. Its classes begin with `gv-`, so that it can
stand in a page as well. Texts are escaped here. Left out on purpose: ids, scripts, fonts, and
anything that a viewer would have to fetch.
"""

import html
import math
import pathlib
from collections import Counter
from typing import NamedTuple

from grapevine.lab.proof.evidence import quantile
from grapevine.lab.proof.graph import PowerLaw, at_least, shares
from grapevine.lab.proof.records import Records
from grapevine.monitoring.verdicts import THRESHOLD

WIDTH = 960  # of all charts, in SVG units
PER_DECADE = 8  # bars of the latency histogram from one power of ten to the next

STYLE = pathlib.Path(__file__).with_name("chart.css").read_text("utf-8").rstrip()

Points = list[tuple[float, float]]


class Lane(NamedTuple):  # of the timeline
    name: str
    moments: list[float]
    values: list[int] | None = None  # of a number that changes at these moments


class Curve(NamedTuple):  # the badness of a peer over time
    peer: str
    points: Points  # (seconds, badness)
    attacks: bool
    kicked: tuple[float, float] | None  # the point at which it was


class Axis(NamedTuple):  # the positions, from begin to end, of values from low to high
    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)


def number(value: float) -> str:
    """Return a coordinate with a decimal, unless that is 0."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, style: str = "gv-text", anchor: str = "start",
         more: str = "") -> str:
    """Return a text element with escaped words."""
    return (f'<text x="{number(x)}" y="{number(y)}" class="{style}" text-anchor="{anchor}"{more}>'
            f"{html.escape(words)}</text>")


def path(points: Points, style: str) -> str:
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f'<path class="{style}" d="M{steps}"/>'


def dot(x: float, y: float, style: str, title: str = "") -> str:
    """Return a dot with a title for the mouse."""
    end = f"><title>{html.escape(title)}</title></path>" if title else "/>"
    return f'<path class="gv-dots {style}" d="M{number(x)} {number(y)}h0"{end}'


def document(height: float, name: str, parts: list[str]) -> str:
    """Return a whole SVG document with a background."""
    name = html.escape(name)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="gv-chart" role="img" '
            f'viewBox="0 0 {WIDTH} {number(height)}" width="{WIDTH}" height="{number(height)}" '
            f'aria-label="{name}"><title>{name}</title><style>{STYLE}</style>\n'
            f'<rect class="gv-bg" width="{WIDTH}" height="{number(height)}"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20, 50 ... and their fractions, from low to high."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def linear_ticks(high: float, most: int = 6) -> list[float]:
    """Return about `most` round numbers in even steps from 0 to high."""
    step = next(step for step in log_ticks(1, max(10, high)) if high / step <= most)
    return [step * count for count in range(int(high / step) + 1)]


def _frame(across: Axis, ticks: list[float], title: str, upright: Axis, rungs: list[float] = (),
           side: str = "", tick="{:g}".format, rung="{:g}".format) -> list[str]:
    """Draw a grid of two axes, with labels, and titles below it and at its left side."""
    (left, right), (bottom, top) = across[2:4], upright[2:4]
    beside = max(14.0, left - 24 - 8 * max((len(rung(value)) for value in rungs), default=0))
    x, y = number(beside), number((bottom + top) / 2)
    parts = [text((left + right) / 2, bottom + 46, title, "gv-muted", "middle"),
             text(beside, (bottom + top) / 2, side, "gv-muted", "middle",
                  f' transform="rotate(-90 {x} {y})"'),
             path([(left, bottom), (right, bottom)], "gv-thin gv-axis")]
    for at, label in ((across(value), tick(value)) for value in ticks):
        parts += [path([(at, top), (at, bottom)], "gv-thin gv-grid"),
                  text(at, bottom + 20, label, "gv-muted gv-number", "middle")]
    for at, label in ((upright(value), rung(value)) for value in rungs):
        parts += [path([(left, at), (right, at)], "gv-thin gv-grid"),
                  text(left - 8, at + 5, label, "gv-muted gv-number", "end")]
    return parts


def _key(x: float, y: float, style: str, words: str) -> list[str]:
    """Draw a piece of a line and its meaning."""
    return [path([(x, y), (x + 28, y)], f"gv-line {style}"), text(x + 36, y + 5, words)]


def _draw_bar(across: Axis, upright: Axis, edges: tuple, count: int, title: str) -> str:
    """Draw the bar of a histogram between two edges."""
    left, right = map(across, edges)
    gap = min(2.0, (right - left) * 0.1)
    return (f'<rect x="{number(left + gap / 2)}" y="{number(upright(count))}" '
            f'width="{number(right - left - gap)}" '
            f'height="{number(upright.begin - upright(count))}" class="gv-main">'
            f"<title>{html.escape(title)}</title></rect>")


def degrees_svg(records: Records) -> str:
    """Draw the degrees, their fit, and what the capacities predict."""
    law = PowerLaw(records.peers)
    peers = len(law.degrees)
    fitted, fit = [], "no fit: the degrees tell no exponent"
    if law.capacities[0] == law.capacities[-1]:
        fit = "no fit: all capacities are equal"
    elif law.fitted:  # to degrees from low to high, but drawn as a share of all peers
        share = law.fitted.count / peers
        above = sum(degree > law.high for degree in law.degrees) / peers
        fitted = [(k, share * rest + above)
                  for k, rest in at_least(shares(law.fitted.exponent, law.low, law.high))]
        fit = f"fit: P(k) ~ k^−a with a = {law.fitted}"
    predicted = "predicted by the capacities" + (f": a = {law.predicted}" if law.predicted else "")
    return document(470, f"Degrees of {peers} peers: cumulative distribution and histogram", [
        *_distribution(_cumulative(law.degrees), _cumulative(law.capacities), fitted, peers),
        dot(40, 51, "gv-main-line"), text(62, 56, f"measured, {peers} peer{'s' * (peers != 1)}"),
        *(_key(26, 73, "gv-warm-line", fit) if fitted else [text(62, 78, fit)]),
        *_key(26, 95, "gv-cool-line gv-dashed", predicted),
        *_degree_histogram(law.degrees)])


def _cumulative(values: list[int]) -> Points:
    """Return (k, share of the values that are k or more)."""
    return at_least({k: count / len(values) for k, count in Counter(values).items()})


def _distribution(measured: Points, predicted: Points, fitted: Points, peers: int) -> list[str]:
    """Draw P(K ≥ k) on logarithmic axes, which have no degree 0."""
    least = min(0.5, log_ticks(1e-9, 1 / peers)[-1])
    upright = Axis(least / 1.15, 1.15, 400, 116, True)
    fitted = [(k, share) for k, share in fitted if share >= upright.low]
    shown = [k for k, _ in [*measured, *predicted, *fitted] if k >= 1] or [1]
    low = log_ticks(min(shown) / 10, min(shown) * 1.001)[-1]
    high = log_ticks(max(shown) * 1.1, max(shown) * 11)[0]
    across = Axis(low / 1.08, high, 76, 540, True)
    ticks = log_ticks(low, high) if high > 5 * low else [
        tick for tick in linear_ticks(high, 10) if tick >= low]
    steps = [across.low, *(k for k, _ in predicted)]  # level up to each whole k, then down
    stairs = [(at, share) for begin, (k, share) in zip(steps, predicted) for at in (begin, k)]
    lines = (([*stairs, (steps[-1], upright.low)], "gv-cool-line gv-dashed"),
             (fitted, "gv-warm-line"))
    return [text(20, 30, "How many peers have so many neighbours or more", "gv-text gv-title"),
            *_frame(across, ticks, "degree k (neighbours)", upright, log_ticks(least, 1),
                    "share of peers with degree ≥ k"),
            *(path([(across(k), upright(share)) for k, share in curve],
                   f"gv-line {style}") for curve, style in lines if curve),
            *(dot(across(k), upright(share), "gv-main-line",
                  f"degree {k:g} or more: {share:.3g} of the peers")
              for k, share in measured if k >= 1)]


def _degree_histogram(degrees: list[int]) -> list[str]:
    """Draw how many peers have which degree, the right half."""
    width = next(width for width in (1, 2, 5, 10, 20, 50, 100, 1000, 10**6)
                 if max(degrees) < 46 * width)  # degrees that share a bar
    bars = Counter(degree // width * width for degree in degrees)
    across = Axis(-0.5, max(bars) + width + 0.5, 640, 940)
    upright = Axis(0, max(bars.values()) * 1.08, 400, 116)
    per = "" if width == 1 else f", {width} degrees a bar"
    return [text(592, 30, "How many have which degree", "gv-text gv-title"),
            *_frame(across, linear_ticks(across.high), f"degree (neighbours{per})", upright,
                    linear_ticks(upright.high), "peers"),
            *(_draw_bar(across, upright, (first - 0.5, first + width - 0.5), count,
                        f"degree {first}{per and f' to {first + width - 1}'}: {count} peers")
              for first, count in sorted(bars.items()))]


def duration(seconds: float) -> str:
    """Return a time with its unit, like 2.5 ms."""
    if seconds >= 999.5:
        return f"{seconds:,.0f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def latency_chart(times: list[float]) -> str:
    """Draw a logarithmic histogram of seconds, with dashed lines at two quantiles."""
    bars = Counter(math.floor(math.log10(max(time, 1e-6)) * PER_DECADE) for time in times)
    first, last = min(bars), max(bars) + 1
    spare = max(0, PER_DECADE + 1 - (last - first))  # an axis of a power of ten has ticks
    across = Axis(_edge(first - spare // 2), _edge(last + spare - spare // 2), 90, 930, True)
    upright = Axis(0, max(bars.values()) * 1.05, 260, 50)
    ticks = log_ticks(across.low, across.high)
    if len(ticks) > 12:
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
    lines = []
    for name, share, up in (("median", 0.5, 0), ("99 %", 0.99, 18)):
        time = quantile(times, share)
        x = across(max(time, across.low))
        away, anchor = (-6, "end") if not up and x > 260 or x > 760 else (6, "start")
        lines += [path([(x, 36 - up), (x, 260)], "gv-line gv-warm-line gv-dashed"),
                  text(x + away, 42 - up, f"{name} {duration(time)}", anchor=anchor)]
    return document(320, f"Histogram of the latency of {len(times)} deliveries", [
        *_frame(across, ticks, "time from generated to received", upright,
                linear_ticks(upright.high), "deliveries", duration, "{:,g}".format),
        *(_draw_bar(across, upright, (_edge(bar), _edge(bar + 1)), count,
                    f"{duration(_edge(bar))} to {duration(_edge(bar + 1))}: {count}")
          for bar, count in sorted(bars.items())), *lines])


def _edge(bar: int) -> float:
    """Return the shortest time, in seconds, that a bar counts."""
    return 10 ** (bar / PER_DECADE)


def timeline_chart(lanes: list[Lane], length: float) -> str:
    """Draw all lanes over the seconds from 0 to length."""
    across = Axis(0, max(length, 0.001), 236, 940)
    parts, y = [], 14.0
    for lane in lanes:
        parts += _draw_lane(lane, across, y)
        y += 34 if lane.values is None else 92
    ticks = linear_ticks(across.high, 10) if across.high >= 4 else [
        tick / 10 for tick in linear_ticks(across.high * 10, 10)]
    return document(y + 56, "Timeline of the network", [
        *_frame(across, ticks, "seconds since the first line", Axis(0, 1, y, 10)), *parts])


def _draw_lane(lane: Lane, across: Axis, y: float) -> list[str]:
    """Draw a stroke for every moment, or a line with a step at every change of the number."""
    if lane.values is None:
        spots = sorted({number(across(moment)) for moment in lane.moments}, key=float)
        drawn = "".join(f"M{spot} {number(y + 7)}v20" for spot in spots)
        middle, marks = y + 22, [(len(lane.moments), y + 22, y + 33.5)]  # value, its text, a line
    else:
        most = max(lane.values, default=0) or 1
        upright = Axis(0, most, y + 78, y + 14)
        steps = [(number(across(moment)), number(upright(value)))
                 for moment, value in zip(lane.moments, lane.values)]
        drawn = "".join(f"H{x}V{top}" for x, top in steps).replace("H", "M", 1).replace("V", " ", 1)
        middle, marks = y + 50, [(value, upright(value) + 5, upright(value)) for value in (most, 0)]
    return [text(14, middle, lane.name),
            *(text(222, at, f"{value:,}", "gv-muted gv-number", "end") for value, at, _ in marks),
            *(path([(236, at), (940, at)], "gv-thin gv-grid") for _, _, at in marks),
            *([f'<path class="gv-line gv-main-line" d="{drawn}"/>'] if drawn else [])]


def badness_chart(curves: list[Curve], length: float) -> str:
    """Draw the curves over the seconds from 0 to length, with a dot where a peer was kicked."""
    across, upright = Axis(0, max(length, 1.0), 90, 930), Axis(0, 1, 330, 70)
    attackers = sum(curve.attacks for curve in curves)
    kicked = sum(curve.kicked is not None for curve in curves)
    drawn = []
    for curve in curves:
        style, name = ("gv-bad-line", "attacker") if curve.attacks else ("gv-main-line", "honest")
        points = [(across(at), upright(value)) for at, value in curve.points]
        parts = [path(points, f"gv-line {style}")] if points else []
        if curve.kicked is not None:
            parts.append(dot(across(curve.kicked[0]), upright(curve.kicked[1]), style))
        drawn += [f"<g><title>{html.escape(curve.peer)}, {name}</title>{part}</g>"
                  for part in parts]
    return document(386, f"Badness of {len(curves)} peers over time", [
        text(20, 30, "How bad the seeds found each peer", "gv-text gv-title"),
        *_frame(across, linear_ticks(across.high, 10), "seconds since the first line", upright,
                [0, 0.25, 0.5, 0.75, 1]),
        path([(90, upright(THRESHOLD)), (930, upright(THRESHOLD))], "gv-thin gv-axis gv-dashed"),
        text(930, upright(THRESHOLD) - 5, f"charged above {THRESHOLD:g}", "gv-muted", "end"),
        *_key(90, 51, "gv-bad-line", f"{attackers} attackers"),
        *_key(250, 51, "gv-main-line", f"{len(curves) - attackers} honest"),
        dot(404, 51, "gv-axis"), text(418, 56, f"{kicked} kicked"), *drawn])
