"""The held-out model as the sandbox may know it: names, shapes and kinds of layers, no values.

Parameters lie on the `meta` device, so that reading a weight fails instead of giving nonsense.
Layers that own parameters carry their torch class, so that the usual
`isinstance(module, nn.BatchNorm2d)` sorts parameters into groups as it would on the real model.
"""

from typing import Any

import torch
from torch import nn


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
        module.register_parameter(leaf, nn.Parameter(torch.empty(entry["shape"], device="meta")))
    return root


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
