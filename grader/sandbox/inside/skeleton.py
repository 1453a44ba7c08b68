"""The held-out model as the sandbox may know it: names, shapes and kinds of layers, no values.

Parameters lie on the `meta` device, so that reading a weight fails instead of giving nonsense.
Layers that own parameters carry their torch class, so that the usual
`isinstance(module, nn.BatchNorm2d)` sorts parameters into groups as it would on the real model.
"""

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import torch
from torch import nn

from .report import FILES


def build(parameters: list[dict[str, Any]]) -> nn.Module:
    """A module tree with one parameter per entry: `name` (dotted), `shape`, `layer` (class in torch.nn)."""
    root: nn.Module = _Model()
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
        module.register_parameter(leaf, Parameter(torch.empty(entry["shape"], device="meta")))
    return root


class _Ours:
    """Whether the played training loop is running, not the submission: what torch does then is no concern."""

    on = False


ours = _Ours()
_watcher: list[Callable[[str, torch.Tensor], object]] = []


def watch(note: Callable[[str, torch.Tensor], object]) -> None:
    """From now on `note` is told of every method that may have written to a parameter."""
    _watcher[:] = [note]


def _noting(name: str) -> Callable[..., Any]:
    original = getattr(torch.Tensor, name)

    def method(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        before = tensor._version
        result = original(tensor, *args, **kwargs)
        if tensor._version != before or name in _ALWAYS:
            for note in _watcher:
                note(name, tensor)
        return result

    method.__name__ = name
    return method


#: Methods that change a tensor in place: by their names, which is torch's convention, and Python's operators.
_IN_PLACE = [name for name in dir(torch.Tensor) if name.endswith("_") and not name.startswith("_")]
_IN_PLACE += [f"__i{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")]
_IN_PLACE += ["__setitem__", "register_hook", "register_post_accumulate_grad_hook"]
_ALWAYS = {"requires_grad_", "set_", "register_hook", "register_post_accumulate_grad_hook"}
_METHODS = {name: _noting(name) for name in _IN_PLACE if hasattr(torch.Tensor, name)}


class _Alias(torch.Tensor):
    """The same memory without the graph; what is computed from it is an ordinary tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


class Parameter(nn.Parameter):
    """A parameter that notes who writes to it, and whose gradient student code cannot take for absent."""

    @property
    def grad(self) -> torch.Tensor | None:
        """None for torch, which then leaves the parameter alone; an error for a submission that looks."""
        if not ours.on:
            refuse_students("gradients exist in a training only")
        return None

    @grad.setter
    def grad(self, value: object) -> None:
        if value is not None:  # else as `zero_grad()` does
            refuse_students("gradients exist in a training only", ActsOnTraining)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "requires_grad":
            for note in _watcher:
                note(name, self)

    @property
    def data(self) -> torch.Tensor:
        """As `detach()`, whose version counter is the parameter's: what is written to it shows."""
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        torch._C._autograd._unsafe_set_version_counter((self,), (self._version + 1,))
        for note in _watcher:
            note("data", self)

    def detach(self) -> torch.Tensor:
        """An alias that notes who writes to it."""
        return super().detach().as_subclass(_Alias)


for _kind in (Parameter, _Alias):
    for _name, _method in _METHODS.items():
        setattr(_kind, _name, _method)


class NoState(dict[Any, Any]):
    """The state of an optimizer, which is filled in training only: closed to the submission."""


def _closed(name: str, error: type[RuntimeError], what: str) -> Callable[..., Any]:
    original = getattr(dict, name)

    def method(state: NoState, *args: Any, **kwargs: Any) -> Any:
        if not ours.on:
            refuse_students(what, error)
        return original(state, *args, **kwargs)

    return method


def _filled(state: NoState, key: Any) -> Any:
    """As the defaultdict that it stands for."""
    if not ours.on:
        refuse_students(_STATE)
    return dict.setdefault(state, key, {})


class ReadsTraining(RuntimeError):
    """Student code looked at what only a training has."""


class ActsOnTraining(RuntimeError):
    """Student code changed what only a training has."""


_STATE = "the optimizer's state exists in a training only"
for _name in ("__len__", "__iter__", "__contains__", "get", "keys", "values", "items", "copy"):
    setattr(NoState, _name, _closed(_name, ReadsTraining, _STATE))
for _name in ("__setitem__", "__delitem__", "setdefault", "pop", "popitem", "clear", "update"):
    setattr(NoState, _name, _closed(_name, ActsOnTraining, "the optimizer's state is the training's"))
NoState.__getitem__ = _filled  # type: ignore[method-assign, assignment]


# Unwrapped: torch's decorators have code of their own, in other files.
_TORCHS_ZERO_GRAD = {
    inspect.unwrap(owner.zero_grad).__code__.co_filename for owner in (torch.optim.Optimizer, nn.Module)
}
_refusals: list[Callable[[RuntimeError, tuple[str, int]], None]] = []


def tell_refusals(told: Callable[[RuntimeError, tuple[str, int]], None]) -> None:
    """From now on `told` learns of every refusal, which the submission may catch."""
    _refusals[:] = [told]


def refuse_students(what: str, error: type[RuntimeError] | None = None) -> None:
    """Raise ReadsTraining, or `error`, where a line of the submission asked, itself or through a function of torch's.

    `optimizer.zero_grad()` looks at gradients for nobody's benefit.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "zero_grad" and code.co_filename in _TORCHS_ZERO_GRAD:
            return
        if code.co_filename in FILES:
            refusal = (error or ReadsTraining)(what)
            for told in _refusals:
                told(refusal, (code.co_filename, frame.f_lineno))
            raise refusal
        frame = frame.f_back


class _Model(nn.Module):
    """The root of the skeleton. Where the model lies is the trainer's matter, so moving it moves nothing."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The model itself; refuses another type of numbers."""
        _, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
        if dtype not in (None, torch.float32):
            return super().to(*args, **kwargs)
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
