"""The held-out model without values: its modules, names, shapes and settings of layers.

Parameters and buffers lie on the `meta` device, so that reading a weight fails instead of giving nonsense. Layers
carry their torch class and its settings (`in_features`, `p`, `eps`, …), so that whoever sorts parameters by
`isinstance(module, nn.BatchNorm2d)`, or gives each of `model.children()` its own rate, sorts them as on the real model.
"""

from typing import Any, Self

import torch
from torch import nn

from . import refusals


def build(modules: list[dict[str, Any]], parameters: list[dict[str, Any]]) -> nn.Module:
    """The model that `ModuleFact`s and `ParameterFact`s of `grader.core.task`, as JSON, describe."""
    root: nn.Module = nn.Module()
    there: dict[str, nn.Module] = {}
    for fact in modules:
        path, _, leaf = fact["name"].rpartition(".")
        module = there[fact["same_as"]] if fact["same_as"] is not None else _layer(fact)
        there[fact["name"]] = module
        if fact["name"]:
            there[path].add_module(leaf, module)
        else:
            root = module
    made: dict[str, nn.Parameter] = {}
    for entry in parameters:
        path, _, leaf = entry["name"].rpartition(".")
        made[entry["name"]] = parameter = (
            made[entry["same_as"]] if entry["same_as"] is not None else
            nn.Parameter(torch.empty(entry["shape"], device="meta"), requires_grad=entry["trained"])
        )  # fmt: skip
        root.get_submodule(path).register_parameter(leaf, parameter)
    return root


class _Model:
    """Of the root. Where the model lies is the trainer's matter, so moving it moves nothing."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The model itself; refuses another type of numbers."""
        _, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
        if dtype not in (None, torch.float32):
            return super().to(*args, **kwargs)  # type: ignore[misc, no-any-return]
        return self

    def cpu(self) -> Self:
        """The model itself."""
        return self

    def cuda(self, device: object = None) -> Self:
        """The model itself."""
        return self

    def float(self) -> Self:
        """The model itself, whose numbers are float32."""
        return self


def _layer(fact: dict[str, Any]) -> nn.Module:
    """One module, with settings and buffers, without parameters and children."""
    base = getattr(nn, fact["layer"], nn.Module) if fact["layer"] else nn.Module
    kind = base if fact["name"] else type(base.__name__ if fact["layer"] else "Model", (_Model, base), {})
    # The class's own __init__ would want sizes, and make weights.
    layer: nn.Module = object.__new__(kind)
    nn.Module.__init__(layer)
    for name, value in fact["settings"].items():
        vars(layer)[name] = tuple(value) if isinstance(value, list) else value
    for name in fact["absent"]:
        layer.register_parameter(name, None)
    for buffer in fact["buffers"]:
        shape, dtype = buffer["shape"], getattr(torch, buffer["dtype"])
        empty = torch.empty(shape, dtype=dtype, device="meta")
        layer.register_buffer(buffer["name"], empty, persistent=buffer["persistent"])
    layer.forward = _no_forward
    return layer


def _no_forward(*args: object, **kwargs: object) -> None:
    refusals.refuse_students("the model can be run in a training only")
    raise RuntimeError("the skeleton of a model cannot be run")
