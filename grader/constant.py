"""The same configuration without a schedule: what a scheduler's contribution is measured against."""

from collections.abc import Sequence

from grader.recipe import ParameterGroup, Recipe, Series


def constant_of(recipe: Recipe, base_rates: Sequence[float]) -> Recipe:
    """`recipe` at the constant learning rates that its optimizer was made with; all else is the same.

    `base_rates` (one per group) are the submission's word. A rate outside of the schedule's own range is brought to
    its nearer end: else a bad constant rate that the schedule never uses would make any schedule shine. Other settings
    that move, such as a momentum, stay where they begin. A constant schedule is its own constant.
    """
    if len(base_rates) != len(recipe.groups):
        base_rates = [group.lr.values[0] for group in recipe.groups]
    groups = tuple(_still(group, rate) for group, rate in zip(recipe.groups, base_rates, strict=True))
    return Recipe(
        optimizer=recipe.optimizer,
        groups=groups,
        frozen=recipe.frozen,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        transforms=recipe.transforms,
    )


def _still(group: ParameterGroup, base: float) -> ParameterGroup:
    rate = min(max(base, min(group.lr.values)), max(group.lr.values))
    steps = (group.lr.steps,)
    return ParameterGroup(
        parameters=group.parameters,
        lr=Series(values=(rate,), counts=steps),
        others={name: Series(values=series.values[:1], counts=steps) for name, series in group.others.items()},
    )
