"""The held-out model as the sandbox may know it: names, shapes and kinds of layers, no values.

Parameters lie on the `meta` device, so that reading a weight fails instead of giving nonsense.
Layers that own parameters carry their torch class, so that the usual
`isinstance(module, nn.BatchNorm2d)` sorts parameters into groups as it would on the real model.
"""

import sys
from typing import Any

import torch
from torch import nn

from .report import FILES


def build(parameters: list[dict[str, Any]]) -> nn.Module:
    """A module tree with one parameter per entry: `name` (dotted), `shape`, `layer` (class in torch.nn)."""
    root = nn.Module()
    for entry in parameters:
        *path, leaf = entry["name"].split(".")
        module = root
        for depth, part in enumerate(path):
            if part not in module._modules:
                last = depth == len(path) - 1
                module.add_module(part, _layer(entry["layer"] if last else None))
            child = module._modules[part]
            assert child is not None
            module = child
        module._parameters.pop(leaf, None)
        module.register_parameter(leaf, _Parameter(torch.empty(entry["shape"], device="meta")))
    return root


class _Parameter(nn.Parameter):
    """A parameter whose gradient student code cannot take for absent: in training there is one."""

    @property
    def grad(self) -> torch.Tensor | None:  # type: ignore[override]
        """None for torch, which then leaves the parameter alone; an error for a submission that looks."""
        refuse_students("gradients")
        return None


class NoState(dict[Any, Any]):
    """The state of an optimizer, which is filled in training only."""

    def __len__(self) -> int:
        refuse_students("the optimizer's state")
        return 0

    def __getitem__(self, key: Any) -> Any:
        refuse_students("the optimizer's state")
        return self.setdefault(key, {})

    def __iter__(self) -> Any:
        refuse_students("the optimizer's state")
        return super().__iter__()


class ReadsTraining(RuntimeError):
    """Student code looked at what only a training has."""


def refuse_students(what: str) -> None:
    """Raise ReadsTraining where a line of the submission asked for it itself."""
    if sys._getframe(2).f_code.co_filename in FILES:
        raise ReadsTraining(f"{what} exist in a training only")


def _layer(name: str | None) -> nn.Module:
    base = getattr(nn, name, None) if name else None
    if not (isinstance(base, type) and issubclass(base, nn.Module)):
        base = nn.Module
    # The class's own __init__ would want sizes; the skeleton needs the very type and what is not there.
    layer: nn.Module = object.__new__(base)
    nn.Module.__init__(layer)
    layer.extra_repr = lambda: "skeleton"  # type: ignore[method-assign]
    layer.forward = _no_forward
    if base is not nn.Module:
        layer.register_parameter("bias", None)
    return layer


def _no_forward(*args: object, **kwargs: object) -> None:
    raise RuntimeError("the model cannot be run here: a submission chooses the schedule, the grader trains")


def fingerprint(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Identity and version of each parameter; a change means that student code touched the model."""
    return {name: (id(p), p._version) for name, p in model.named_parameters()}
