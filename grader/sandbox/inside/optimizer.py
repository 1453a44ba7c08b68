"""Reads the student's optimizer as data: its class, its parameter groups, its settings."""

import inspect
import math
from collections import Counter
from typing import Any

import torch
from torch import nn

from .report import Report

MAX_RATE = 1e15  # beyond it nothing trains; the host holds the same bound
#: How an update is computed, not what it computes: the trainer chooses these itself.
IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})
_UNUSABLE = {
    "LBFGS": "it needs a closure that runs the model several times per step",
    "SparseAdam": "it needs sparse gradients, which the models do not produce",
}
_MAX_GROUPS = 256
_ACCUMULATOR = "initial_accumulator_value"


class NotPlain(Exception):
    """A hyperparameter that cannot be written down as data; the message says why."""


class OfWeights(NotPlain):
    """A value that was computed from weights, of which the sandbox has none."""


def name_of(optimizer: Any, report: Report) -> str | None:
    """The class of torch.optim that `optimizer` is; None (and a violation) for anything else."""
    line = report.line_of("config.py", "optimizer_factory", "def optimizer_factory")
    kind = type(optimizer)
    if not isinstance(optimizer, torch.optim.Optimizer):
        report.add(
            "optimizer",
            "config.py",
            line,
            f"optimizer_factory(model) returned {kind.__name__}, not an optimizer",
            "return an optimizer of torch.optim, for example torch.optim.SGD(model.parameters(), lr=0.1)",
        )
        return None
    name = kind.__name__
    if name in _UNUSABLE:
        report.add("optimizer", "config.py", line, f"{name} cannot be used: {_UNUSABLE[name]}", "use SGD or Adam, say")
        return None
    if getattr(torch.optim, name, None) is not kind:
        report.add(
            "optimizer",
            "config.py",
            line,
            f"{kind.__module__}.{name} is not an optimizer that torch ships",
            "use a class of torch.optim itself, not a subclass: a recipe cannot hold code",
        )
        return None
    return name


def names_in_groups(
    optimizer: torch.optim.Optimizer, model: nn.Module, report: Report, file: str = "config.py"
) -> list[list[str]] | None:
    """For each group the names of its parameters; None (and a violation) where one is not the model's, or twice there.

    `file` is where the groups were made last.
    """
    line = report.line_of("config.py", "optimizer_factory", "def optimizer_factory")
    if file != "config.py":
        line = report.line_with(file, "add_param_group") or report.line_with(file, "param_groups")
    names = {id(p): name for name, p in model.named_parameters()}
    groups = [[names.get(id(p), "") for p in group["params"]] for group in optimizer.param_groups]
    if any("" in group for group in groups):
        report.add(
            "optimizer",
            file,
            line,
            "the optimizer holds tensors that are not parameters of the model it was given",
            "build it from model.parameters() or model.named_parameters()",
        )
        return None
    twice = next(
        (name for name, count in Counter(name for group in groups for name in group).items() if count > 1), None
    )
    if twice is not None:
        what = f"the parameter {twice} lies in two groups, or twice in one: it would be trained twice in every step"
        report.add("optimizer", file, line, what, "put every parameter into one group, once")
        return None
    if len(groups) > _MAX_GROUPS:
        report.add("optimizer", file, line, f"{len(groups)} parameter groups", f"use at most {_MAX_GROUPS}")
        return None
    initial = optimizer.defaults.get(_ACCUMULATOR)
    if any(group.get(_ACCUMULATOR, initial) != initial for group in optimizer.param_groups):
        what = f"a group's {_ACCUMULATOR} is not that of the optimizer, which alone counts for Adagrad"
        fix = f"leave it out of the groups, and pass it once: Adagrad(groups, {_ACCUMULATOR}=…)"
        report.add("optimizer", file, report.line_with(file, _ACCUMULATOR) or line, what, fix)
        return None
    return groups


def hyperparameters(optimizer: torch.optim.Optimizer) -> list[str]:
    """The names that steer an update, `lr` first. Extra keys of a group ("name", "scale") are not among them."""
    return ["lr", *sorted(set(optimizer.defaults) - IMPLEMENTATION - {"lr"})]


def plain(value: Any) -> Any:
    """A copy of a hyperparameter as plain data; numbers become floats. Raises NotPlain."""
    if value is None or type(value) is bool or type(value) is str:
        return value
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            raise OfWeights
        if value.numel() != 1:
            raise NotPlain(f"a tensor of {value.numel()} values")
        return plain(value.item())
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        if getattr(value, "size", 1) != 1:
            raise NotPlain(f"an array of {value.size} values")
        return plain(value.item())
    if type(value) is int or type(value) is float:
        try:
            number = float(value)
        except OverflowError:
            raise NotPlain("a whole number beyond the range of floats") from None
        if not math.isfinite(number):
            raise NotPlain(f"{number}")
        return number + 0.0  # -0.0 is 0.0
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        return [plain(v) for v in value]
    raise NotPlain(f"a {type(value).__name__}")


def defaults(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What the optimizer's class takes for each setting by default, which tells the setting's kind.

    AdamW sets one that is no argument of its own, `decoupled_weight_decay`: of that, what the optimizer has.
    """
    arguments = inspect.signature(type(optimizer).__init__).parameters
    return {**optimizer.defaults, **{name: argument.default for name, argument in arguments.items()}}


def setting(value: Any, default: Any) -> Any:
    """A copy of a setting as plain data, of the kind of `default`. Raises NotPlain."""
    copy = plain(value)
    if isinstance(default, bool):
        if copy not in (False, True):
            raise NotPlain(f"{str(copy)[:40]!r}, which is neither True nor False")
        return bool(copy)
    if isinstance(default, (int, float)):
        if not isinstance(copy, (bool, float)):
            raise NotPlain(f"{str(copy)[:40]}, which is no number")
        return float(copy)
    if isinstance(default, tuple):
        numbers = isinstance(copy, list) and all(v is None or isinstance(v, float) for v in copy)
        if not numbers or len(copy) != len(default):
            raise NotPlain(f"{str(copy)[:40]}, not {len(default)} numbers")
    elif copy is not None and not isinstance(copy, str):
        raise NotPlain(f"{str(copy)[:40]}, which is no name")
    return copy


def base_rates(optimizer: Any) -> list[float]:
    """The groups' learning rates as the optimizer was made; none where one is no plain number (said elsewhere)."""
    try:
        rates = [float(group["lr"]) for group in optimizer.param_groups]
    except Exception:
        return []
    return rates if all(0.0 <= rate <= MAX_RATE for rate in rates) else []
