"""Wraps the functions by which code acts on a training, so that a guard learns who calls them, and from which line."""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from . import parameters, refusals
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

    def wrote(self) -> bool:
        """Whether a parameter of the model was written to since the last comparison."""

    def parameter_hooked(self, tensor: torch.Tensor) -> None:
        """A hook was registered on a parameter, or on a copy of one."""

    def hooked(self, tensors: Any) -> None:
        """A hook on gradients was registered, or what takes one."""

    def module_hooked(self, module: nn.Module) -> None:
        """A hook was registered on a module."""

    def module_set(self, module: nn.Module, name: str) -> None:
        """An attribute of a module is about to be set."""

    def mode_set(self, module: nn.Module, training: bool) -> None:
        """A module was switched to training, or to evaluation."""

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer.step()` was called."""


def install(notes: Notes, acts: Acts) -> None:
    """Wrap everything, once per process."""
    for name in _HOOKS_OF_A_MODULE:
        _wrap(notes, nn.Module, name, lambda module, *_, **__: acts.module_hooked(module))
    for where, names in (
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
    _wrap(notes, torch.autograd.graph, "get_gradient_edge", lambda tensor, *_, **__: acts.hooked([tensor]))
    _wrap(notes, nn.Module, "train", lambda module, mode=True: acts.mode_set(module, mode))
    parameters.watch(lambda name, tensor: _noted(notes, acts, name, tensor))
    _watch_assignments(notes, acts)
    _watch_values()
    torch.compile = _uncompiled
    for kind in optimizers():
        _watch_calls(notes, kind, acts)


def _noted(notes: Notes, acts: Acts, name: str, tensor: torch.Tensor) -> None:
    """A method of a parameter, or of a copy of one, was called that changes it, or that registers a hook."""
    if name.endswith("_hook"):
        if notes.note(name) is not None:
            acts.parameter_hooked(tensor)
    elif name.startswith("requires_grad") or acts.wrote():
        notes.note(f"{name} .data")


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


def _uncompiled(model: Any = None, **_: Any) -> Any:
    """Stands for `torch.compile`, which starts a compiler; what it is given computes the same as it is."""
    return model if model is not None else lambda function: function


_VALUES = ("item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__index__", "__complex__")


def _watch_values() -> None:
    """Values of tensors that have none are refused for good, whoever catches the error; moving them moves nothing."""
    for name in _VALUES:
        _refuse_value(name)
    plain = torch.Tensor.to

    def to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if not tensor.is_meta:
            return plain(tensor, *args, **kwargs)
        _, dtype, _, _ = torch._C._nn._parse_to(*(a for a in args if not isinstance(a, torch.Tensor)), **kwargs)
        return tensor if dtype in (None, tensor.dtype) else plain(tensor, dtype)

    def stay(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda tensor, *args, **kwargs: tensor if tensor.is_meta else original(tensor, *args, **kwargs)

    torch.Tensor.to = to  # type: ignore[assignment, method-assign]
    torch.Tensor.cpu = stay(torch.Tensor.cpu)  # type: ignore[method-assign]
    torch.Tensor.cuda = stay(torch.Tensor.cuda)  # type: ignore[method-assign]


def _refuse_value(name: str) -> None:
    original = getattr(torch.Tensor, name)

    def method(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if tensor.is_meta:
            refusals.refuse_students("the values of weights exist in a training only")
        return original(tensor, *args, **kwargs)

    setattr(torch.Tensor, name, method)


def _watch_assignments(notes: Notes, acts: Acts) -> None:
    """Note where an attribute of an optimizer, or of a module of the model, is set by a line of the submission."""
    of_modules = nn.Module.__setattr__

    def assign_to_module(module: nn.Module, name: str, value: Any) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_filename in FILES:
            notes.keep(f"model.{name} =", (frame.f_code.co_filename, frame.f_lineno))
            acts.module_set(module, name)
        of_modules(module, name, value)

    nn.Module.__setattr__ = assign_to_module  # type: ignore[method-assign, assignment]
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
    if not getattr(original, "hooked", False):  # as torch does when the first optimizer of the class is made
        original = torch.optim.Optimizer.profile_hook_step(original)
        original.hooked = True  # type: ignore[attr-defined]

    @functools.wraps(original)
    def step(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not refusals.ours.on and notes.note("optimizer.step()") is not None:
            acts.stepped(optimizer)
        return original(optimizer, *args, **kwargs)

    kind.step = step


def optimizers() -> Iterator[type[torch.optim.Optimizer]]:
    """Every optimizer class that torch ships."""
    for value in vars(torch.optim).values():
        if not (isinstance(value, type) and issubclass(value, torch.optim.Optimizer)):
            continue
        if "step" in vars(value) and value is not torch.optim.Optimizer:
            yield value
