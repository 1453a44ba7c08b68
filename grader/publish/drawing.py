"""Small charts in SVG, written directly since a page holds a thousand of them; the page's style has the colours."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from markupsafe import Markup

from grader.core.curves import value_at

WIDTH, HEIGHT = 96, 24  # of the picture in a row, in pixels
_POINTS = 33
_CHART = (480, 230)
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 36


class Scale(NamedTuple):
    """What the small pictures of intervals show: bounds of accuracy, and where the default scheduler stands."""

    low: float
    high: float
    default: float | None = None


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a line, without the points that lie on the way between their neighbours."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if len(kept) > 1 and kept[-1][1] == kept[-2][1] == y:
            kept.pop()
        kept.append((x, y))
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in kept)


def small_curve(values: Sequence[float]) -> Markup:
    """A learning rate in the course of the training, as a picture in a row; the table has it in words."""
    top = max(values, default=0.0) or 1.0
    n = min(len(values), _POINTS)
    picked = [value_at(values, i * (len(values) - 1) / max(1, n - 1)) for i in range(n)]
    # Twice the size it is shown at, so that whole numbers are fine enough, and short.
    points = [
        (
            float(round(2 + i * (2 * WIDTH - 4) / max(1, n - 1))),
            float(round(2 * HEIGHT - 4 - v / top * (2 * HEIGHT - 8))),
        )
        for i, v in enumerate(picked)
    ]
    if n == 1:
        points.append((2.0 * WIDTH - 2, points[0][1]))
    box = f"0 0 {2 * WIDTH} {2 * HEIGHT}"
    return Markup(f'<svg class="lr" viewBox="{box}" aria-hidden="true"><path d="{_path(points)}"/></svg>')


@lru_cache(maxsize=1 << 15)  # of a large board most rows are as they were a moment ago
def small_interval(mean: float, low: float | None, high: float | None, scale: "Scale") -> Markup:
    """A mean as a dot and its interval as a line; an arrow where the scale cuts one of them off.

    The thin upright line is the default scheduler's mean.
    """

    def x(value: float) -> float:
        share = (value - scale.low) / (scale.high - scale.low)
        return round(2 + (WIDTH - 4) * min(1.0, max(0.0, share)), 1)

    parts = []
    if scale.default is not None and scale.low <= scale.default <= scale.high:
        parts.append(f'<path class="at" d="M{_number(x(scale.default))} 0V12"/>')
    if low is not None and high is not None:
        parts.append(f'<path d="M{_number(x(low))} 6H{_number(x(high))}"/>')
    if min(mean, mean if low is None else low) < scale.low:
        parts.append('<path class="off" d="M0 6L6 2V10Z"/>')
    if max(mean, mean if high is None else high) > scale.high:
        parts.append(f'<path class="off" d="M{WIDTH} 6L{WIDTH - 6} 2V10Z"/>')
    if scale.low <= mean <= scale.high:
        parts.append(f'<circle cx="{_number(x(mean))}" cy="6" r="3"/>')
    return Markup(f'<svg class="iv" viewBox="0 0 {WIDTH} 12" aria-hidden="true">{"".join(parts)}</svg>')


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two bounds, at most about `count` of them."""
    rough = (high - low) / count
    if not 1e-300 < rough < 1e300:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def chart(
    lines: Sequence[tuple[str, Sequence[tuple[float, float | None]]]],
    label: str,
    x_label: str,
    y_label: str,
    *,
    percent: bool = False,
) -> Markup:
    """Lines over a common pair of axes, by CSS class; None breaks a line. Nothing where no line has a point."""
    known = [(x, y) for _, line in lines for x, y in line if y is not None]
    if not known:
        return Markup("")
    low, high = min(y for _, y in known), max(y for _, y in known)
    margin = 0.05 * (high - low) if high - low > 1e-6 * abs(high) else 0.2 * abs(high)
    margin = max(margin, 1e-290)  # so that no division below meets a zero
    low, high = (max(0.0, low - margin) if low >= 0 else low - margin), high + margin
    left, right = min(x for x, _ in known), max(x for x, _ in known)
    if right <= left:
        left, right = left - 0.5, right + 0.5
    width, height = _CHART

    def px(x: float) -> float:
        return round(_LEFT + (x - left) / (right - left) * (width - _LEFT - _RIGHT), 1)

    def py(y: float) -> float:
        return round(height - _BOTTOM - (y - low) / (high - low) * (height - _TOP - _BOTTOM), 1)

    parts = _frame((left, right), (low, high), px, py, (label, x_label, y_label), percent=percent)
    for kind, line in lines:
        for piece in _pieces(line):
            points = [(px(x), py(y)) for x, y in piece]
            if len(points) == 1:
                parts.append(f'<circle class="{kind}" cx="{points[0][0]}" cy="{points[0][1]}" r="3"/>')
            else:
                parts.append(f'<path class="{kind}" d="{_path(points)}"/>')
    parts.append("</svg>")
    return Markup("".join(parts))


def _frame(
    across: tuple[float, float],
    up: tuple[float, float],
    px: Callable[[float], float],
    py: Callable[[float], float],
    labels: tuple[str, str, str],
    *,
    percent: bool = False,
    whole: bool = False,
) -> list[str]:
    """The beginning of a chart: grid, numbers, axes; `labels` are those of the whole, of the x and of the y axis.

    `percent` writes y as such; `whole` numbers y with whole numbers alone.
    """
    (width, height), (label, x_label, y_label) = _CHART, labels
    parts = [f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{Markup.escape(label)}">']
    for y in ticks(*up):
        if whole and y != round(y):
            continue
        text = f"{100 * y:.4g} %" if percent else f"{y:.3g}"
        parts.append(f'<path class="grid" d="M{_LEFT} {py(y)}H{width - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{py(y) + 4}" text-anchor="end">{text}</text>')
    for x in ticks(*across, 6):
        if x == round(x):
            parts.append(f'<text x="{px(x)}" y="{height - _BOTTOM + 16}" text-anchor="middle">{x:.0f}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{height - _BOTTOM}H{width - _RIGHT}"/>')
    parts.append(f'<text x="{(_LEFT + width - _RIGHT) / 2}" y="{height - 4}" text-anchor="middle">{x_label}</text>')
    parts.append(f'<text class="y" x="{_LEFT}" y="{_TOP - 2}">{y_label}</text>')
    return parts


def histogram(
    bins: tuple[tuple[float, float, int], ...], here: float | None, label: str, marks: Sequence[float] = ()
) -> Markup:
    """Bars of how many lie from `low` to `high`, accuracies in percent, a mark at `here` and thin lines at `marks`.

    The bins lie side by side; all together have a width.
    """
    low, high = bins[0][0], bins[-1][1]
    width, height = _CHART

    def x_of(value: float) -> float:
        return round(_LEFT + (max(low, value) - low) / (high - low) * (width - _LEFT - _RIGHT), 1)

    lines = "".join(f'<path class="best" d="M{x_of(value)} {_TOP}V{height - _BOTTOM}"/>' for value in marks)
    picture = Markup(f"{_bars(bins, label)}{lines}")
    if here is None:
        return Markup(f"{picture}</svg>")
    x = x_of(here)
    side, anchor = (-5, "end") if x > width / 2 else (5, "start")
    words = "you are here" if here >= low else "← you are further down"
    line = f'<path class="own" d="M{x} {_TOP}V{height - _BOTTOM}"/>' if here >= low else ""
    mark = f'<text x="{x + side}" y="{_TOP + 10}" text-anchor="{anchor}">{words}</text>'
    return Markup(f"{picture}{line}{mark}</svg>")


@lru_cache(maxsize=8)  # the same on every page of a board
def _bars(bins: tuple[tuple[float, float, int], ...], label: str) -> str:
    """A histogram without its mark and its end."""
    width, height = _CHART
    low, high, top = bins[0][0], bins[-1][1], max(count for _, _, count in bins)

    def px(x: float) -> float:
        return round(_LEFT + (x / 100 - low) / (high - low) * (width - _LEFT - _RIGHT), 1)

    def py(y: float) -> float:
        return round(height - _BOTTOM - y / (1.1 * top) * (height - _TOP - _BOTTOM), 1)

    parts = _frame((100 * low, 100 * high), (0.0, float(top)), px, py, (label, "accuracy (%)", "students"), whole=True)
    for start, end, count in bins:
        left, right = px(100 * start), px(100 * end)
        if count:
            box = f'x="{left}" y="{py(count)}" width="{max(1.0, right - left - 1):.1f}"'
            parts.append(f'<rect class="bar" {box} height="{height - _BOTTOM - py(count):.1f}"/>')
    return "".join(parts)


def steps(corners: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float | None]]:
    """A step function's corners as the points of a line up to `end`."""
    points: list[tuple[float, float | None]] = []
    before = 0.0
    for x, y in corners:
        points += [(x, before), (x, y)]
        before = y
    return [*points[1:], (end, before)]


def _pieces(line: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in line:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((x, y))
    return [piece for piece in pieces if piece]
