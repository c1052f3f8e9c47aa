"""Charts: values in, SVG text out.

Pure. Every chart is an SVG document with a background, and with colours for light and dark
screens. Its classes begin with `gv-`, so that it can stand in a page as well. Texts are escaped
here. Left out on purpose: ids, scripts, fonts, and anything that a viewer would have to fetch.
The chart of degrees and the drawing of the network are in network.py.
"""

import html
import math
import pathlib
import string
from collections import Counter
from typing import NamedTuple

WIDTH = 960  # of all charts, in SVG units
BAD = 0.10  # above this badness a peer is charged
PER_DECADE = 8  # bars of the latency histogram from one power of ten to the next

_LIGHT = {"bg": "#ffffff", "ink": "#1c2733", "muted": "#556270", "grid": "#e2e7ed",
          "edge": "#5d7894", "main": "#1c6cb0", "warm": "#bf4408", "cool": "#0f766e",
          "bad": "#8a2f9c", "on": "#ffffff"}
_DARK = {"bg": "#151a20", "ink": "#e8ecf1", "muted": "#a3afbc", "grid": "#2b343e",
         "edge": "#8ba6c1", "main": "#66b2f2", "warm": "#ff9860", "cool": "#5dcdb7",
         "bad": "#dd97ee", "on": "#10151a"}
# Rules without colours, an empty line, and rules for the colours of light and of dark screens.
_SHAPES, _COLOURS = pathlib.Path(__file__).with_name("chart.css").read_text("utf-8").split("\n\n")
STYLE = (_SHAPES + "\n" + string.Template(_COLOURS).substitute(_LIGHT)
         + "@media (prefers-color-scheme:dark){\n" + string.Template(_COLOURS).substitute(_DARK)
         + "}")

Points = list[tuple[float, float]]


class Lane(NamedTuple):
    """One lane of the timeline: moments, or a number that changes at these moments."""

    name: str
    moments: list[float]
    values: list[int] | None = None


class Curve(NamedTuple):
    """One peer: (seconds, badness), whether it attacks, and where it was kicked."""

    peer: str
    points: Points
    attacks: bool
    kicked: tuple[float, float] | None


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


def dot(x: float, y: float, style: str, title: str = "") -> str:
    """A dot, with a title that is shown when the mouse points at it."""
    end = f"><title>{html.escape(title)}</title></path>" if title else "/>"
    return f'<path class="gv-dots {style}" d="M{number(x)} {number(y)}h0"{end}'


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


def draw_across(axis: Axis, ticks: list[float], top: float, bottom: float,
                label="{:g}".format) -> list[str]:
    """Ticks of a horizontal axis, with grid lines from top to bottom."""
    parts = []
    for tick in ticks:
        parts += [path([(axis(tick), top), (axis(tick), bottom)], "gv-thin gv-grid"),
                  text(axis(tick), bottom + 20, label(tick), "gv-muted gv-number", "middle")]
    return parts + [path([(axis.begin, bottom), (axis.end, bottom)], "gv-thin gv-axis")]


def draw_upright(axis: Axis, ticks: list[float], left: float, right: float,
                 label="{:g}".format) -> list[str]:
    """Ticks of a vertical axis, with grid lines from left to right."""
    parts = []
    for tick in ticks:
        parts += [path([(left, axis(tick)), (right, axis(tick))], "gv-thin gv-grid"),
                  text(left - 8, axis(tick) + 5, label(tick), "gv-muted gv-number", "end")]
    return parts


def side_title(x: float, y: float, words: str) -> str:
    """The title of a vertical axis."""
    turn = f' transform="rotate(-90 {number(x)} {number(y)})"'
    return text(x, y, words, "gv-muted", "middle", turn)


def duration(seconds: float) -> str:
    """A short time with its unit, like 2.5 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def draw_bar(across: Axis, upright: Axis, first: float, last: float, count: int, title: str) -> str:
    """A bar of a histogram, for the values from first to last."""
    left, right = across(first), across(last)
    gap = min(2.0, (right - left) * 0.1)
    return (f'<rect x="{number(left + gap / 2)}" y="{number(upright(count))}" '
            f'width="{number(right - left - gap)}" '
            f'height="{number(upright.begin - upright(count))}" class="gv-main">'
            f"<title>{html.escape(title)}</title></rect>")


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
        *(draw_bar(across, upright, _edge(bar), _edge(bar + 1), count,
                   f"{duration(_edge(bar))} to {duration(_edge(bar + 1))}: {count}")
          for bar, count in sorted(bars.items())),
        *_marks(across, marks),
        text(510, 306, "time from generated to received", "gv-muted", "middle"),
        side_title(24, 155, "deliveries")])


def _edge(bar: int) -> float:
    """The shortest time, in seconds, that a bar counts."""
    return 10 ** (bar / PER_DECADE)


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
        *draw_across(across, ticks, 10, y), *parts,
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
    most = max(lane.values, default=0) or 1
    upright = Axis(0, most, y + 78, y + 14)
    points: Points = []
    for moment, value in zip(lane.moments, lane.values):
        points += [(across(moment), points[-1][1])] if points else []
        points.append((across(moment), upright(value)))
    return [text(14, y + 50, lane.name),
            text(196, upright(most) + 5, f"{most:,}", "gv-muted gv-number", "end"),
            text(196, upright(0) + 5, "0", "gv-muted gv-number", "end"),
            path([(210, upright(most)), (940, upright(most))], "gv-thin gv-grid"),
            path([(210, upright(0)), (940, upright(0))], "gv-thin gv-grid"),
            *([path(points, "gv-line gv-main-line")] if points else [])]


def badness_chart(curves: list[Curve], length: float) -> str:
    """The chart, over the seconds from 0 to length."""
    across, upright = Axis(0, max(length, 1.0), 90, 930), Axis(0, 1, 330, 70)
    attackers = sum(curve.attacks for curve in curves)
    kicked = sum(curve.kicked is not None for curve in curves)
    return document(386, f"Badness of {len(curves)} peers over time", [
        text(20, 30, "How bad the seeds found each peer", "gv-text gv-title"),
        *draw_across(across, linear_ticks(across.high, 10), 70, 330),
        *draw_upright(upright, [0, 0.25, 0.5, 0.75, 1], 90, 930),
        path([(90, upright(BAD)), (930, upright(BAD))], "gv-thin gv-axis gv-dashed"),
        text(930, upright(BAD) - 5, f"charged above {BAD:g}", "gv-muted", "end"),
        path([(90, 51), (118, 51)], "gv-line gv-bad-line"), text(126, 56, f"{attackers} attackers"),
        path([(250, 51), (278, 51)], "gv-line gv-main-line"),
        text(286, 56, f"{len(curves) - attackers} honest"),
        dot(404, 51, "gv-axis"), text(418, 56, f"{kicked} kicked"),
        *(part for curve in curves for part in _badness_curve(curve, across, upright)),
        text(510, 376, "seconds since the first line", "gv-muted", "middle")])


def _badness_curve(curve: Curve, across: Axis, upright: Axis) -> list[str]:
    """A line, and a dot where the peer was kicked."""
    style, name = ("gv-bad-line", "attacker") if curve.attacks else ("gv-main-line", "honest")
    parts = []
    if curve.points:
        parts.append(path([(across(at), upright(value)) for at, value in curve.points],
                          f"gv-line {style}"))
    if curve.kicked is not None:
        parts.append(dot(across(curve.kicked[0]), upright(curve.kicked[1]), style))
    return [f"<g><title>{html.escape(curve.peer)}, {name}</title>{part}</g>" for part in parts]
