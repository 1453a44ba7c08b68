"""Wraps the functions by which code acts on a training, so that a guard learns who calls them, and from which line."""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from . import skeleton
from .notes import Notes
from .report import FILES

_HOOKS_OF_A_MODULE = (
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_backward_hook",
)  # fmt: skip
_GLOBAL_HOOKS_OF_MODULES = tuple(
    name for name in dir(module_hooks) if name.startswith("register_module_") and name.endswith("_hook")
)
_OF_AN_OPTIMIZER = ("register_step_pre_hook", "register_step_post_hook", "add_param_group", "load_state_dict")
_GLOBAL_HOOKS_OF_OPTIMIZERS = ("register_optimizer_step_pre_hook", "register_optimizer_step_post_hook")
_SETTERS = (
    "set_default_dtype", "set_default_tensor_type", "set_default_device", "use_deterministic_algorithms",
    "set_deterministic_debug_mode", "set_float32_matmul_precision",
)  # fmt: skip
_SEEDS = ("manual_seed", "seed", "set_rng_state", "manual_seed_all", "seed_all")


class Acts(Protocol):
    """Who is told of a call out of the submission."""

    def seeding(self) -> None:
        """A random generator of PyTorch's is about to be seeded."""

    def switching(self) -> None:
        """A global setting of PyTorch's is about to be set."""

    def parameter_hooked(self) -> None:
        """A hook was registered on a parameter of the model."""

    def hooked(self, tensors: Any) -> None:
        """A hook on the gradients of several tensors was registered."""

    def mode_set(self, module: nn.Module, training: bool) -> None:
        """A module was switched to training, or to evaluation."""

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer.step()` was called."""


def install(notes: Notes, acts: Acts) -> None:
    """Wrap everything, once per process."""
    for where, names in (
        (nn.Module, _HOOKS_OF_A_MODULE),
        (module_hooks, _GLOBAL_HOOKS_OF_MODULES),
        (torch.optim.Optimizer, _OF_AN_OPTIMIZER),
        (optimizer_hooks, _GLOBAL_HOOKS_OF_OPTIMIZERS),
        (torch.utils, ("swap_tensors",)),
    ):
        for name in names:
            _wrap(notes, where, name)
    for name in _SETTERS:
        _wrap(notes, torch, name, lambda *_, **__: acts.switching())
    for where in (torch, torch.random, torch.cuda):
        for name in _SEEDS:
            _wrap(notes, where, name, lambda *_, **__: acts.seeding())
    _wrap(notes, torch.autograd.graph, "register_multi_grad_hook", lambda tensors, *_, **__: acts.hooked(tensors))
    _wrap(notes, nn.Module, "train", lambda module, mode=True: acts.mode_set(module, mode))
    skeleton.watch(lambda name: _noted(notes, acts, name))
    _watch_assignments(notes)
    for kind in _optimizers():
        _watch_calls(notes, kind, acts)


def _noted(notes: Notes, acts: Acts, name: str) -> None:
    """A method of a parameter was called that changes it, or that registers a hook."""
    if not name.endswith("_hook"):
        notes.note(f"{name} .data")
    elif notes.note(name) is not None:
        acts.parameter_hooked()


def _wrap(notes: Notes, where: Any, name: str, tell: Callable[..., None] = lambda *_, **__: None) -> None:
    original = getattr(where, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if notes.note(name) is not None:
            tell(*args, **kwargs)
        return original(*args, **kwargs)

    del call.__wrapped__  # else the original is one attribute away
    setattr(where, name, call)


def _watch_assignments(notes: Notes) -> None:
    """Note where an attribute of an optimizer is set by a line of the submission."""
    plain = object.__setattr__

    def assign(optimizer: Any, name: str, value: Any) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_filename in FILES:
            notes.keep(f"optimizer.{name} =", (frame.f_code.co_filename, frame.f_lineno))
        plain(optimizer, name, value)

    torch.optim.Optimizer.__setattr__ = assign  # type: ignore[method-assign]


def _watch_calls(notes: Notes, kind: Any, acts: Acts) -> None:
    """Tell of calls of step() that come from the submission, not from the training loop."""
    original = vars(kind)["step"]

    @functools.wraps(original)
    def step(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not skeleton.ours.on and notes.note("optimizer.step()") is not None:
            acts.stepped(optimizer)
        return original(optimizer, *args, **kwargs)

    kind.step = step


def _optimizers() -> Iterator[type[torch.optim.Optimizer]]:
    """Every optimizer class that torch ships."""
    for value in vars(torch.optim).values():
        if not (isinstance(value, type) and issubclass(value, torch.optim.Optimizer)):
            continue
        if "step" in vars(value) and value is not torch.optim.Optimizer:
            yield value
