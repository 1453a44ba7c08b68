"""Recipe to optimizer: the class, the groups, and the settings of each step."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from grader.core.recipe import Optimizer, Recipe, Setting

#: Where torch updates all parameters in one kernel.
_FUSED = {
    "cpu": {Optimizer.SGD, Optimizer.ADAM, Optimizer.ADAMW, Optimizer.ADAGRAD},
    "cuda": {Optimizer.SGD, Optimizer.ADAM, Optimizer.ADAMW},
}


def build(
    recipe: Recipe,
    model: nn.Module,
    *,
    quick: bool = False,
    rates: list[Tensor] | None = None,
) -> torch.optim.Optimizer:
    """The recipe's optimizer over `model`, with the settings of step 0. Parameters outside all groups stay still.

    `quick` takes torch's fused update where there is one for the model's device; it differs from the
    plain one by the order of roundings. `rates`, one tensor () per group, become the groups' learning
    rates, for steps that a device repeats by itself (`capturable`).
    """
    parameters = dict(model.named_parameters())
    for name in recipe.frozen:
        parameters[name].requires_grad_(False)
    kind = getattr(torch.optim, recipe.optimizer.value)
    accepted = inspect.signature(kind.__init__).parameters
    groups = []
    for number, group in enumerate(recipe.groups):
        settings = {name: _native(kind, name, s.values[0]) for name, s in group.others.items() if name in accepted}
        members = [parameters[name] for name in group.parameters]
        lr = group.lr.values[0] if rates is None else rates[number]
        groups.append({"params": members, "lr": lr, **settings})
    device = next(iter(parameters.values())).device.type if parameters else "cpu"
    how: dict[str, Any] = {}
    if quick and recipe.optimizer in _FUSED.get(device, ()):
        how["fused"] = True
    if rates is not None and device == "cuda" and "capturable" in accepted:
        how["capturable"] = True
    if recipe.optimizer is Optimizer.ADAGRAD:  # the one setting that torch reads from the call, not from the groups
        how["initial_accumulator_value"] = groups[0].get("initial_accumulator_value", 0.0)
    # The class checks its own defaults only, and every group overrides them: what the student's
    # optimizer held was accepted by torch, or set afterwards, and is replayed as it was.
    optimizer: torch.optim.Optimizer = kind(groups, **how)
    return optimizer


def capturable(recipe: Recipe) -> bool:
    """Whether a device can repeat the update by itself: only the learning rate moves, and torch keeps it there."""
    kind = getattr(torch.optim, recipe.optimizer.value)
    known = recipe.optimizer is Optimizer.SGD or "capturable" in inspect.signature(kind.__init__).parameters
    return known and all(series.constant for group in recipe.groups for series in group.others.values())


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
        kind = type(optimizer)
        for group, target in zip(recipe.groups, optimizer.param_groups, strict=True):
            self._moving.append((target, "lr", group.lr.expand()))
            for name, series in group.others.items():
                if not series.constant and name in target:
                    native = (_native(kind, name, value) for value in series.expand())
                    self._moving.append((target, name, native))
        self._first = optimizer.param_groups[0]

    def apply(self) -> None:
        """Set what the next step uses. Raises StopIteration past the recipe's last step."""
        for target, name, values in self._moving:
            target[name] = next(values)

    @property
    def lr(self) -> float:
        """The learning rate of the first group, as last applied."""
        return float(self._first["lr"])
