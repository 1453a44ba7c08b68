"""Recipe to optimizer: the class, the groups, and the settings of each step."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from grader.recipe import ParameterGroup, Recipe, Series, Setting


def build(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer over `model`, with the settings of step 0. Parameters outside all groups stay still."""
    parameters = dict(model.named_parameters())
    for name in recipe.frozen:
        parameters[name].requires_grad_(False)
    kind = getattr(torch.optim, recipe.optimizer.value)
    accepted = inspect.signature(kind.__init__).parameters
    groups = []
    for group in recipe.groups:
        settings = {name: _native(kind, name, s.values[0]) for name, s in group.others.items() if name in accepted}
        members = [parameters[name] for name in group.parameters]
        groups.append({"params": members, "lr": group.lr.values[0], **settings})
    # The class checks its own defaults, which every group overrides; the first group's are as good as any.
    first = {k: v for k, v in groups[0].items() if k != "params"}
    optimizer: torch.optim.Optimizer = kind(groups, **first)
    return optimizer


def _native(kind: type, name: str, value: Setting) -> Any:
    """Recipes hold all numbers as floats; an argument that torch annotates as a whole number gets one."""
    annotation = inspect.signature(kind.__init__).parameters[name].annotation  # type: ignore[misc]
    if annotation in (int, "int") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class Schedule:
    """Writes the recorded values into the optimizer's groups, step by step."""

    def __init__(self, recipe: Recipe, optimizer: torch.optim.Optimizer) -> None:
        self._moving: list[tuple[dict[str, Any], str, Iterator[Any]]] = []
        for group, target in zip(recipe.groups, optimizer.param_groups, strict=True):
            for name, series in _moving(group):
                self._moving.append((target, name, series.expand()))
        self._first = optimizer.param_groups[0]

    def apply(self) -> None:
        """Set what the next step uses. Raises StopIteration past the recipe's last step."""
        for target, name, values in self._moving:
            target[name] = next(values)

    @property
    def lr(self) -> float:
        """The learning rate of the first group, as last applied."""
        return float(self._first["lr"])


def _moving(group: ParameterGroup) -> Iterator[tuple[str, Series[Any]]]:
    yield "lr", group.lr
    for name, series in group.others.items():
        if not series.constant:
            yield name, series
