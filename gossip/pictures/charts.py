"""Charts: values in, SVG text out.

Pure. Every chart is an SVG document with a background, and with colours for light and dark
screens. Its classes begin with `gv-`, so that it can stand in a page as well. Texts are escaped
here. Left out on purpose: ids, scripts, fonts, and anything that a viewer would have to fetch.
The drawing of the network is in plot.py.
"""

import html
import math
from collections import Counter
from typing import NamedTuple

WIDTH = 960  # of all charts, in SVG units
PER_DECADE = 8  # bars of the latency histogram from one power of ten to the next

_LIGHT = {"bg": "#ffffff", "ink": "#1c2733", "muted": "#556270", "grid": "#e2e7ed",
          "edge": "#5d7894", "main": "#1c6cb0", "warm": "#bf4408", "cool": "#0f766e",
          "bad": "#8a2f9c", "on": "#ffffff"}
_DARK = {"bg": "#151a20", "ink": "#e8ecf1", "muted": "#a3afbc", "grid": "#2b343e",
         "edge": "#8ba6c1", "main": "#66b2f2", "warm": "#ff9860", "cool": "#5dcdb7",
         "bad": "#dd97ee", "on": "#10151a"}
_RULES = """
.gv-chart{{background:{bg}}} .gv-bg{{fill:{bg}}} .gv-text{{fill:{ink}}} .gv-muted{{fill:{muted}}}
.gv-grid{{stroke:{grid}}} .gv-axis{{stroke:{muted}}} .gv-edge{{stroke:{edge}}}
.gv-main{{fill:{main}}} .gv-warm{{fill:{warm}}} .gv-on{{fill:{on}}}
.gv-halo{{stroke:{bg}}} .gv-hollow{{fill:{bg};stroke:{main}}}
.gv-hollow.gv-died{{stroke:{warm}}} .gv-bad{{fill:{bad}}} .gv-bad-line{{stroke:{bad}}}
.gv-kicked{{stroke:{ink};stroke-dasharray:3 2}}
.gv-main-line{{stroke:{main}}} .gv-warm-line{{stroke:{warm}}} .gv-cool-line{{stroke:{cool}}}
"""
STYLE = (
    ".gv-chart{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;"
    "font-size:14px}\n.gv-line{fill:none;stroke-width:2.2;stroke-linejoin:round}"
    ".gv-dashed{stroke-dasharray:7 5}.gv-dots{stroke-width:8;stroke-linecap:round;fill:none}"
    ".gv-thin{fill:none;stroke-width:1}.gv-title{font-size:16px;font-weight:600}"
    ".gv-number{font-variant-numeric:tabular-nums}"
    + _RULES.format(**_LIGHT)
    + "@media (prefers-color-scheme:dark){" + _RULES.format(**_DARK) + "}")

Points = list[tuple[float, float]]


class Curves(NamedTuple):
    """The curves of the chart of degrees; a point is (k, share of peers with degree k or more)."""

    measured: Points
    predicted: Points
    fitted: Points  # empty when there is no fit
    predicted_label: str
    fitted_label: str


class Lane(NamedTuple):
    """One lane of the timeline: moments, or a number that changes at these moments."""

    name: str
    moments: list[float]
    values: list[int] | None = None


class Axis(NamedTuple):
    """Turns values from low to high into positions from begin to end."""

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
    """A coordinate with one decimal, or none if it is 0."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, style: str = "gv-text", anchor: str = "start",
         more: str = "") -> str:
    """A text element; the words are escaped."""
    return (f'<text x="{number(x)}" y="{number(y)}" class="{style}" text-anchor="{anchor}"{more}>'
            f"{html.escape(words)}</text>")


def path(points: Points, style: str) -> str:
    """A line through points."""
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f'<path class="{style}" d="M{steps}"/>'


def rectangle(x: float, y: float, width: float, height: float, style: str, title: str) -> str:
    """A rectangle; its title is shown when the mouse points at it."""
    return (f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" '
            f'height="{number(height)}" class="{style}"><title>{html.escape(title)}</title></rect>')


def document(height: float, name: str, parts: list[str]) -> str:
    """A whole SVG document with a background."""
    name = html.escape(name)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="gv-chart" role="img" '
            f'viewBox="0 0 {WIDTH} {number(height)}" width="{WIDTH}" height="{number(height)}" '
            f'aria-label="{name}"><title>{name}</title><style>{STYLE}</style>\n'
            f'<rect class="gv-bg" width="{WIDTH}" height="{number(height)}"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20, 50 ... and their fractions, from low to high, each as a tidy number."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def linear_ticks(high: float, most: int = 6) -> list[float]:
    """0 and whole numbers in even steps of 1, 2, 5, 10 ... up to high, about `most` of them."""
    step = next(step for step in log_ticks(1, max(10, high)) if high / step <= most)
    return [step * count for count in range(int(high / step) + 1)]


def _ends(values: list[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis for these values: each a 1, 2 or 5 times a power of ten."""
    low, high = min(values) * 0.999, max(values) * 1.1
    return (max(tick for tick in log_ticks(low / 10, low * 1.002)),
            min(tick for tick in log_ticks(high, high * 10)))


def draw_across(axis: Axis, ticks: list[float], top: float, bottom: float, label) -> list[str]:
    """Ticks of a horizontal axis, with grid lines from top to bottom."""
    parts = []
    for tick in ticks:
        parts += [path([(axis(tick), top), (axis(tick), bottom)], "gv-thin gv-grid"),
                  text(axis(tick), bottom + 20, label(tick), "gv-muted gv-number", "middle")]
    return parts + [path([(axis.begin, bottom), (axis.end, bottom)], "gv-thin gv-axis")]


def draw_upright(axis: Axis, ticks: list[float], left: float, right: float, label) -> list[str]:
    """Ticks of a vertical axis, with grid lines from left to right."""
    parts = []
    for tick in ticks:
        parts += [path([(left, axis(tick)), (right, axis(tick))], "gv-thin gv-grid"),
                  text(left - 8, axis(tick) + 5, label(tick), "gv-muted gv-number", "end")]
    return parts


def _side_title(x: float, y: float, words: str) -> str:
    """The title of a vertical axis."""
    turn = f' transform="rotate(-90 {number(x)} {number(y)})"'
    return text(x, y, words, "gv-muted", "middle", turn)


def degrees_chart(curves: Curves, counts: dict[int, int]) -> str:
    """The complementary cumulative distribution of degrees, and a histogram beside it."""
    peers = sum(counts.values())
    parts = _distribution(curves, peers) + _histogram(counts)
    return document(470, f"Degrees of {peers} peers: cumulative distribution and histogram", parts)


def _distribution(curves: Curves, peers: int) -> list[str]:
    """The left half: P(K >= k) on logarithmic axes; degree 0 has no place on them."""
    shown = [(k, share) for curve in curves[:3] for k, share in curve if k >= 1] or [(1, 1.0)]
    low, high = _ends([k for k, _ in shown])
    least = min(0.5, max(log_ticks(1e-9, 1 / max(1, peers))))
    across = Axis(low / 1.08, high, 76, 540, True)
    upright = Axis(least / 1.15, 1.15, 400, 116, True)
    ticks = log_ticks(low, high) if high > 5 * low else list(range(int(low), int(high) + 1))
    return [text(20, 30, "How many peers have so many neighbours or more", "gv-text gv-title"),
            *draw_across(across, ticks, 116, 400, "{:g}".format),
            *draw_upright(upright, log_ticks(least, 1), 76, 540, "{:g}".format),
            text(308, 448, "degree k (neighbours)", "gv-muted", "middle"),
            _side_title(22, 258, "share of peers with degree ≥ k"),
            *_curves(curves, across, upright), *_legend(curves, peers)]


def _curves(curves: Curves, across: Axis, upright: Axis) -> list[str]:
    """The two lines, and the measured points upon them."""
    def at(k: float, share: float) -> tuple[float, float]:
        return across(k), upright(max(share, upright.low))

    parts = []
    stairs = _stairs(curves.predicted, across.low, upright.low)
    for curve, style in ((stairs, "gv-cool-line gv-dashed"), (curves.fitted, "gv-warm-line")):
        if curve:
            parts.append(path([at(*point) for point in curve], "gv-line " + style))
    for k, share in curves.measured:
        if k >= 1:
            x, y = map(number, at(k, share))
            parts.append(f'<path class="gv-dots gv-main-line" d="M{x} {y}h0"><title>'
                         f"degree {k:g} or more: {share:.3g} of the peers</title></path>")
    return parts


def _legend(curves: Curves, peers: int) -> list[str]:
    """The meaning of points and lines, above the left half."""
    parts = ['<path class="gv-dots gv-main-line" d="M40 51h0"/>',
             text(62, 56, f"measured, {peers} peer{'s' * (peers != 1)}")]
    parts += [path([(26, 73), (54, 73)], "gv-line gv-warm-line")] if curves.fitted else []
    parts += [text(62, 78, curves.fitted_label),
              path([(26, 95), (54, 95)], "gv-line gv-cool-line gv-dashed"),
              text(62, 100, curves.predicted_label)]
    return parts


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
            _side_title(592, 258, "peers")]


def _degree_bar(first: int, width: int, count: int, across: Axis, upright: Axis) -> str:
    """The bar of `width` degrees from the first one on."""
    left, right = across(first - 0.5), across(first + width - 0.5)
    gap = min(2.0, (right - left) * 0.1)
    name = f"{first}" if width == 1 else f"{first} to {first + width - 1}"
    return rectangle(left + gap / 2, upright(count), right - left - gap,
                     upright.begin - upright(count), "gv-main", f"degree {name}: {count} peers")


def duration(seconds: float) -> str:
    """A short time with its unit, like 2.5 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def latency_chart(times: list[float], marks: dict[str, float]) -> str:
    """A histogram of times (in seconds; not empty) on a logarithmic axis; `marks` are named times
    that get a line, like the median."""
    bars = Counter(math.floor(math.log10(max(time, 1e-6)) * PER_DECADE) for time in times)
    first, last = min(bars), max(bars) + 1
    spare = max(0, PER_DECADE + 1 - (last - first))  # an axis of one power of ten has ticks
    across = Axis(_edge(first - spare // 2), _edge(last + spare - spare // 2), 90, 930, True)
    upright = Axis(0, max(bars.values()) * 1.05, 260, 50)
    ticks = log_ticks(across.low, across.high)
    if len(ticks) > 12:
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
    return document(320, f"Histogram of the latency of {len(times)} deliveries", [
        *draw_across(across, ticks, 50, 260, duration),
        *draw_upright(upright, linear_ticks(upright.high), 90, 930, "{:,g}".format),
        *_latency_bars(bars, across, upright), *_marks(across, marks),
        text(510, 306, "time from generated to received", "gv-muted", "middle"),
        _side_title(24, 155, "deliveries")])


def _edge(bar: int) -> float:
    """The shortest time, in seconds, that a bar counts."""
    return 10 ** (bar / PER_DECADE)


def _latency_bars(bars: dict[int, int], across: Axis, upright: Axis) -> list[str]:
    """A bar for every range of times in which a delivery falls."""
    parts = []
    for bar, count in sorted(bars.items()):
        left, right = across(_edge(bar)), across(_edge(bar + 1))
        title = f"{duration(_edge(bar))} to {duration(_edge(bar + 1))}: {count}"
        parts.append(rectangle(left + 1, upright(count), right - left - 2,
                               upright.begin - upright(count), "gv-main", title))
    return parts


def _marks(across: Axis, marks: dict[str, float]) -> list[str]:
    """Dashed upright lines, each with its name beside it, on the side that has room."""
    parts = []
    for at, (name, time) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        x = across(max(time, across.low))
        left = at == 0 and x > 260 or x > 760
        parts += [path([(x, 36 - 18 * (at % 2)), (x, 260)], "gv-line gv-warm-line gv-dashed"),
                  text(x - 6 if left else x + 6, 42 - 18 * (at % 2), f"{name} {duration(time)}",
                       anchor="end" if left else "start")]
    return parts


def timeline_chart(lanes: list[Lane], length: float) -> str:
    """Lanes one below the other over the seconds from 0 to length."""
    across = Axis(0, max(length, 0.001), 210, 940)
    parts, y = [], 14.0
    for lane in lanes:
        draw, height = (_tick_lane, 34) if lane.values is None else (_step_lane, 92)
        parts += draw(lane, across, y)
        y += height
    ticks = linear_ticks(across.high, 10) if across.high >= 4 else [
        tick / 10 for tick in linear_ticks(across.high * 10, 10)]
    return document(y + 56, "Timeline of the network", [
        *draw_across(across, ticks, 10, y, "{:g}".format), *parts,
        text(575, y + 46, "seconds since the first line", "gv-muted", "middle")])


def _tick_lane(lane: Lane, across: Axis, y: float) -> list[str]:
    """A stroke for every moment; moments on the same spot share one."""
    spots = sorted({number(across(moment)) for moment in lane.moments}, key=float)
    strokes = "".join(f"M{spot} {number(y + 7)}v20" for spot in spots)
    return [text(14, y + 22, lane.name),
            text(196, y + 22, f"{len(lane.moments):,}", "gv-muted gv-number", "end"),
            path([(210, y + 33.5), (940, y + 33.5)], "gv-thin gv-grid"),
            *([f'<path class="gv-line gv-main-line" d="{strokes}"/>'] if strokes else [])]


def _step_lane(lane: Lane, across: Axis, y: float) -> list[str]:
    """A line that is level between the moments at which the number changes."""
    most = max(lane.values or [1]) or 1
    upright = Axis(0, most, y + 78, y + 14)
    points = []
    for moment, value in zip(lane.moments, lane.values or []):
        points += [(across(moment), points[-1][1])] if points else []
        points.append((across(moment), upright(value)))
    return [text(14, y + 50, lane.name),
            text(196, upright(most) + 5, f"{most:,}", "gv-muted gv-number", "end"),
            text(196, upright(0) + 5, "0", "gv-muted gv-number", "end"),
            path([(210, upright(most)), (940, upright(most))], "gv-thin gv-grid"),
            path([(210, upright(0)), (940, upright(0))], "gv-thin gv-grid"),
            *([path(points, "gv-line gv-main-line")] if points else [])]
