"""Small pictures in SVG, drawn by hand since a page holds a thousand of them: colours come from the page's style."""

import math
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup

from grader.core.curves import value_at

WIDTH, HEIGHT = 96, 24  # of the picture in a row, in pixels
_POINTS = 33
_CHART = (480, 230)
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 36


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
def small_interval(mean: float, low: float | None, high: float | None, scale: tuple[float, float]) -> Markup:
    """A mean as a dot and its interval as a line, cut off at the ends of the common scale."""

    def x(value: float) -> float:
        share = (value - scale[0]) / (scale[1] - scale[0])
        return round(2 + (WIDTH - 4) * min(1.0, max(0.0, share)), 1)

    line = "" if low is None or high is None else f'<path d="M{_number(x(low))} 6H{_number(x(high))}"/>'
    below = '<path class="off" d="M1 6L8 2V10Z"/>'  # an arrow: the mean lies off the scale
    dot = below if mean < scale[0] else f'<circle cx="{_number(x(mean))}" cy="6" r="3"/>'
    return Markup(f'<svg class="iv" viewBox="0 0 {WIDTH} 12" aria-hidden="true">{line}{dot}</svg>')


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

    parts = [f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{Markup.escape(label)}">']
    for y in ticks(low, high):
        text = f"{100 * y:.4g} %" if percent else f"{y:.3g}"
        parts.append(f'<path class="grid" d="M{_LEFT} {py(y)}H{width - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{py(y) + 4}" text-anchor="end">{text}</text>')
    for x in ticks(left, right, 6):
        if x == round(x):
            parts.append(f'<text x="{px(x)}" y="{height - _BOTTOM + 16}" text-anchor="middle">{x:.0f}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{height - _BOTTOM}H{width - _RIGHT}"/>')
    parts.append(f'<text x="{(_LEFT + width - _RIGHT) / 2}" y="{height - 4}" text-anchor="middle">{x_label}</text>')
    parts.append(f'<text class="y" x="{_LEFT}" y="{_TOP - 2}">{y_label}</text>')
    for kind, line in lines:
        for piece in _pieces(line):
            points = [(px(x), py(y)) for x, y in piece]
            if len(points) == 1:
                parts.append(f'<circle class="{kind}" cx="{points[0][0]}" cy="{points[0][1]}" r="3"/>')
            else:
                parts.append(f'<path class="{kind}" d="{_path(points)}"/>')
    parts.append("</svg>")
    return Markup("".join(parts))


def _pieces(line: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in line:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((x, y))
    return [piece for piece in pieces if piece]
