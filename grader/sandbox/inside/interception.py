"""Wraps the functions by which code acts on a training, so that the guard learns which line calls them."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from . import parameters, refusals
from .files import FILES
from .notes import Notes

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
_DRAWING = re.compile(
    r"^(rand|randn|randint|rand_like|randn_like|randint_like|normal|bernoulli|poisson|multinomial|binomial|rrelu"
    r"|(feature_)?(alpha_)?dropout\d?d?|\w*dropout\d?d?|(normal|uniform|bernoulli|exponential|geometric|cauchy"
    r"|log_normal|random)_)_?$"
)
_SEEDS = ("manual_seed", "seed", "set_rng_state", "manual_seed_all", "seed_all")


class Acts(Protocol):
    """Receives the calls that come from the submission."""

    def seeding(self) -> None:
        """PyTorch's default generator is about to be seeded."""

    def seeding_a_gpu(self) -> None:
        """The generators of GPUs are about to be seeded."""

    def drew(self, meta: bool) -> None:
        """Random numbers were drawn from the default generator; `meta`: for a tensor without values."""

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
    for where in (torch, torch.random):
        for name in _SEEDS:
            _watch_seed(notes, where, name, acts.seeding)
        for name in ("initial_seed", "get_rng_state"):
            _refuse_state(where, name)
    for name in _SEEDS:
        _watch_seed(notes, torch.cuda, name, acts.seeding_a_gpu)
    for owner in (torch, torch.Tensor, nn.functional):
        for name in filter(_DRAWING.search, dir(owner)):
            _watch_draw(notes, owner, name, acts)
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


def _watch_seed(notes: Notes, where: Any, name: str, tell: Callable[[], None]) -> None:
    """Tell of a seed that a line of the submission sets itself: `torch.random.fork_rng` puts back what was."""
    original = getattr(where, name, None)
    if original is None:
        return

    def seed(*args: Any, **kwargs: Any) -> Any:
        if refusals.called_by_student():
            notes.note(name)
            tell()
        return original(*args, **kwargs)

    setattr(where, name, seed)


def _refuse_state(where: Any, name: str) -> None:
    """What the default generator holds is the training's from the first step on."""
    original = getattr(where, name)

    def state(*args: Any, **kwargs: Any) -> Any:
        if refusals.ours.playing:
            refusals.refuse_caller("the state of PyTorch's generator is another one in a training", None)
        return original(*args, **kwargs)

    setattr(where, name, state)


def _watch_draw(notes: Notes, where: Any, name: str, acts: Acts) -> None:
    """Note who draws. Drawing for tensors without values moves no generator, as it would in a training."""
    original = getattr(where, name)
    if not callable(original):
        return

    def draw(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if kwargs.get("generator") is None and notes.note(f"draw: {name}(") is not None:
            acts.drew(isinstance(result, torch.Tensor) and result.is_meta)
        return result

    draw.__name__ = name
    setattr(where, name, draw)


def _uncompiled(model: Any = None, **_: Any) -> Any:
    """Stands for `torch.compile`, which starts a compiler; what it is given computes the same as it is."""
    return model if model is not None else lambda function: function


_NO_VALUES = "the values of weights, and of tensors made from them or on their device, exist in a training only"
_VALUES = ("item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__index__", "__complex__", "__format__")


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
            refusals.refuse_students(_NO_VALUES)
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
