"""The state of torch that all trainings in a process share: hooks, switches, functions and classes."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from .fixes import HOOK_FIX, SWITCH_FIX, TORCH_FIX
from .interception import optimizers

GLOBAL_HOOKS: tuple[dict[Any, Any], ...] = tuple(
    value
    for where in (module_hooks, optimizer_hooks)
    for name, value in vars(where).items()
    if name.startswith("_global_") and name.endswith("_hooks") and isinstance(value, dict)
)


def _precisions() -> list[str]:
    """How exact float32 products are; PyTorch refuses to say where its old and its new settings are both used."""
    found = []
    with contextlib.suppress(RuntimeError):
        found.append(str(torch.backends.cudnn.allow_tf32))
    products = torch.backends.cuda.matmul
    found += [
        str(products.allow_bf16_reduced_precision_reduction),
        str(products.allow_fp16_reduced_precision_reduction),
    ]
    for name in ("", "mkldnn.", "mkldnn.matmul.", "mkldnn.conv."):
        with contextlib.suppress(AttributeError, RuntimeError):
            found.append(str(attrgetter(f"{name}fp32_precision")(torch.backends)))
    with contextlib.suppress(RuntimeError):
        found.append(torch.get_float32_matmul_precision())
    return found


_SWITCHES: dict[str, tuple[Callable[[], Any], str]] = {
    "torch.set_default_dtype": (torch.get_default_dtype, r"set_default_(dtype|tensor_type)"),
    "torch.set_default_device": (torch.get_default_device, r"set_default_device"),
    "torch.use_deterministic_algorithms": (
        torch.are_deterministic_algorithms_enabled,
        r"use_deterministic_algorithms|set_deterministic_debug_mode",
    ),
    "torch.set_grad_enabled": (torch.is_grad_enabled, r"set_grad_enabled|no_grad|enable_grad"),
    "torch.inference_mode": (torch.is_inference_mode_enabled, r"inference_mode"),
    "a mode of torch.overrides or a hook on saved tensors": (
        lambda: (
            torch._C._len_torch_function_stack() - (torch.get_default_device().type != "cpu"),  # which is a mode, too
            torch._C._len_torch_dispatch_stack(),
            torch._C._autograd._top_saved_tensors_default_hooks(True) is not None,
        ),
        r"__enter__|Mode|saved_tensors",
    ),
    "torch.autocast": (lambda: torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"), r"autocast"),
    "torch.set_float32_matmul_precision": (_precisions, r"precision|allow_tf32"),
}


class TorchGlobals:
    """Compares them with what they were before the submission was imported, and after each complaint."""

    def __init__(self) -> None:
        self._switches = {name: read() for name, (read, _) in _SWITCHES.items()}
        self._more: list[Any] = []
        self._functions, self._names = _own(self._more), _names(self._more)

    def watch_class(self, kind: type) -> None:
        """From now on another class, too: that of the model, which the sandbox made."""
        self._more.append(kind)
        self._functions, self._names = _own(self._more), _names(self._more)

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """What was changed: in words, how to fix it, and a pattern of the line that did it."""
        if any(GLOBAL_HOOKS):
            yield "a global hook is registered, which acts in every training", HOOK_FIX, r"register_\w*hook"
        for name, (read, pattern) in _SWITCHES.items():
            now = read()
            if now != self._switches[name]:
                self._switches[name] = now
                yield f"a global setting of PyTorch is changed ({name})", SWITCH_FIX, pattern
        changed = [(owner, name) for owner, name, value in self._functions if vars(owner).get(name) is not value]
        changed += [(owner, name) for owner, names in _names(self._more).items() for name in names - self._names[owner]]
        for owner, name in changed:
            what = f"{owner.__name__}.{name} is replaced"
            yield what, TORCH_FIX, rf"\b{re.escape(name)}\s*=|setattr"
        if changed:
            self._functions, self._names = _own(self._more), _names(self._more)


def _classes() -> list[Any]:
    """The classes whose methods a training calls."""
    layers = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    return [torch.optim.Optimizer, *optimizers(), *layers]


def _names(more: list[Any]) -> dict[Any, set[str]]:
    """What each of them has of its own, by public names: a method put beside an inherited one replaces it."""
    return {kind: {name for name in vars(kind) if not name.startswith("_")} for kind in [*_classes(), *more]}


def _own(more: list[Any]) -> list[tuple[Any, str, Any]]:
    """What of torch a training calls, as (owner, name, value): optimizers, layers, functions, tensors' methods."""
    owners = [torch, torch.autograd, torch.optim, nn, nn.functional, nn.init, torch.Tensor, *_classes(), *more]
    owners += [sys.modules[kind.__module__] for kind in optimizers()]
    return [
        (owner, name, value)
        for owner in owners
        for name, value in list(vars(owner).items())
        if (callable(value) or isinstance(value, (staticmethod, classmethod)))
        and not (owner is torch and isinstance(value, type))  # torch itself puts another class for torch.Storage
    ]
