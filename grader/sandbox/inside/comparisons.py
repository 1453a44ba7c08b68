"""What the guard compares of an optimizer and of the model's modules."""

from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler


def is_torchs_wrapper(step: Any, kind: Any) -> bool:
    """Whether an optimizer's own `step` is absent, or the counting one that PyTorch's LRScheduler puts there."""
    if step is None:
        return True
    code = getattr(step, "__code__", None)
    torchs = code is not None and code.co_filename == lr_scheduler.__file__
    return torchs and getattr(step, "__wrapped__", None) is kind.step


def is_fresh(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the state is as the constructor left it: only Adagrad's fills it."""
    known = {"step", "sum"} if type(optimizer) is torch.optim.Adagrad else set()
    states = list(dict.values(optimizer.state))
    return all(set(state) <= known and not any(map(attrgetter("_version"), state.values())) for state in states)


def contents(module: nn.Module) -> dict[str, int]:
    """Identities of what a module holds; of its tables (hooks, parameters, children), of their entries too."""
    found = {}
    for name, value in vars(module).items():
        if name == "training":
            continue
        found[name] = id(value)
        if isinstance(value, dict) and name.startswith("_"):
            found |= {f"{name}.{key}": id(entry) for key, entry in dict.items(value)}
    return found
