"""The same configuration without a schedule: what a scheduler's contribution is measured against."""

import math
from collections.abc import Sequence

from grader.core.recipe import ParameterGroup, Recipe, Series

_FAR = 4.0  # a quadratic decay begins at three times its mean


def baseline_of(recipe: Recipe, base_rates: Sequence[float]) -> Recipe:
    """`recipe` at the constant learning rates that its optimizer was made with; all else is the same.

    `base_rates` (one per group) come from the submission, and a bad one would make any schedule look good. So a rate is
    brought into the schedule's own range, and to at most `_FAR` times its mean or at least one `_FAR`-th: a rate that
    is used in one step only is no fair baseline. Other settings that change (momentum) keep their first value. A
    constant schedule is its own baseline.
    """
    if len(base_rates) != len(recipe.groups):
        base_rates = [group.lr.values[0] for group in recipe.groups]
    groups = tuple(_constant(group, rate) for group, rate in zip(recipe.groups, base_rates, strict=True))
    return Recipe(
        optimizer=recipe.optimizer,
        groups=groups,
        frozen=recipe.frozen,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        transforms=recipe.transforms,
    )


def _constant(group: ParameterGroup, base: float) -> ParameterGroup:
    mean = math.fsum(v * n for v, n in zip(group.lr.values, group.lr.counts, strict=True)) / group.lr.steps
    lowest, highest = max(min(group.lr.values), mean / _FAR), min(max(group.lr.values), mean * _FAR)
    rate = min(max(base, lowest), highest) if not group.lr.constant else group.lr.values[0]
    steps = (group.lr.steps,)
    return ParameterGroup(
        parameters=group.parameters,
        lr=Series(values=(rate,), counts=steps),
        others={name: Series(values=series.values[:1], counts=steps) for name, series in group.others.items()},
    )
