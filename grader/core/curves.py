"""Curves over the steps of a training: sampled, compared, summarized."""

from collections.abc import Sequence
from operator import sub
from statistics import fmean

from grader.core.recipe import Frozen, Recipe

#: How many points a learning rate's or an accuracy's curve keeps on the board.
CURVE_POINTS = 64


def spread(length: int) -> list[int]:
    """At most `CURVE_POINTS` evenly spread positions of a series, the first and last among them."""
    points = min(length, CURVE_POINTS)
    return [round(i * (length - 1) / max(1, points - 1)) for i in range(points)]


def resampled(values: Sequence[float]) -> tuple[float, ...]:
    """At most `CURVE_POINTS` values evenly spread over the series, linearly interpolated."""
    n = min(len(values), CURVE_POINTS)
    places = (i * (len(values) - 1) / max(1, n - 1) for i in range(n))
    return tuple(short(value_at(values, place)) for place in places)


def value_at(values: Sequence[float], place: float) -> float:
    """A series read at a fractional position, linearly interpolated."""
    i = min(int(place), max(0, len(values) - 2))
    after = values[min(i + 1, len(values) - 1)]
    return values[i] + (after - values[i]) * (place - i)


def shape(curve: Sequence[float]) -> tuple[float, ...]:
    """A curve divided by its highest value."""
    top = max(curve, default=0.0)
    return tuple(v / top for v in curve) if top > 0 else tuple(curve)


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Mean absolute difference at as many places as the longer curve has points; the shorter one is interpolated."""
    if len(a) == len(b):  # as nearly always, and there are thousands of them
        return fmean(map(abs, map(sub, a, b)))
    n = max(len(a), len(b))
    shares = [i / max(1, n - 1) for i in range(n)]
    return fmean(abs(value_at(a, s * (len(a) - 1)) - value_at(b, s * (len(b) - 1))) for s in shares)


def short(value: float) -> float:
    """The number to six digits: enough for a curve, and short in a file."""
    return float(f"{value:.6g}")


class LrSummary(Frozen):
    """The learning rate of the first group over the steps, for the board."""

    first: float
    last: float
    lowest: float
    highest: float
    distinct: int  # number of runs of equal learning rates
    steps: int
    curve: tuple[float, ...] = ()  # at `CURVE_POINTS` places from the first step to the last


def summarize(recipe: Recipe) -> LrSummary:
    """The shape of a recipe's first group."""
    lr = recipe.groups[0].lr
    every = list(lr.expand())
    return LrSummary(
        first=lr.values[0],
        last=lr.values[-1],
        lowest=min(lr.values),
        highest=max(lr.values),
        distinct=len(lr.values),
        steps=recipe.steps,
        curve=resampled(every),
    )
