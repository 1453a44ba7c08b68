"""Parameters of the held-out model: they note who writes to them, and have no gradients to look at.

They are told from a submission's own by lying on the `meta` device. Their class is `nn.Parameter` itself, as in a
training, so what notes and refuses is put into that class.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from . import refusals
from .refusals import ActsOnTraining, ours

_GRADIENTS = "gradients exist in a training only"
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
_GRAD, _DATA, _GRAD_FN = torch.Tensor.grad, torch.Tensor.data, torch.Tensor.grad_fn


class _Alias(torch.Tensor):
    """The same memory without the graph; what is computed from it is an ordinary tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


def _grad(parameter: nn.Parameter) -> torch.Tensor | None:
    """None for torch, which then leaves the parameter alone; an error for a submission that looks."""
    if not parameter.is_meta:
        return _GRAD.__get__(parameter)  # type: ignore[union-attr, no-any-return]
    if ours.playing and not ours.on:
        refusals.refuse_students(_GRADIENTS)
    return None


def _set_grad(parameter: nn.Parameter, value: torch.Tensor | None) -> None:
    if not parameter.is_meta:
        _GRAD.__set__(parameter, value)  # type: ignore[union-attr]
    elif value is not None:  # else as `zero_grad()` does
        refusals.refuse_students(_GRADIENTS, ActsOnTraining)


def _data(parameter: nn.Parameter) -> torch.Tensor:
    """As `detach()`, whose version counter is the parameter's: what is written to it shows."""
    return parameter.detach() if parameter.is_meta else _DATA.__get__(parameter)  # type: ignore[attr-defined]


def _set_data(parameter: nn.Parameter, value: torch.Tensor) -> None:
    _DATA.__set__(parameter, value)  # type: ignore[attr-defined]
    if parameter.is_meta:
        torch._C._autograd._unsafe_set_version_counter((parameter,), (parameter._version + 1,))
        for note in _watcher:
            note("data", parameter)


def _set_attribute(parameter: nn.Parameter, name: str, value: Any) -> None:
    object.__setattr__(parameter, name, value)
    if name == "requires_grad":
        for note in _watcher:
            note(name, parameter)


def _detach(parameter: nn.Parameter) -> torch.Tensor:
    """An alias that notes who writes to it."""
    alone = torch.Tensor.detach(parameter)
    return alone.as_subclass(_Alias) if parameter.is_meta else alone


def _graph(tensor: torch.Tensor) -> Any:
    """The node of the graph that made a tensor; what is made of the model's weights has none to look at."""
    if tensor.is_meta:
        refusals.refuse_caller("the graph of gradients exists in a training only", ActsOnTraining)
    return _GRAD_FN.__get__(tensor)  # type: ignore[union-attr]


for _kind in (nn.Parameter, _Alias):
    for _name, _method in _METHODS.items():
        setattr(_kind, _name, _method)
for _name, _value in {
    "grad": property(_grad, _set_grad),
    "data": property(_data, _set_data),
    "__setattr__": _set_attribute,
    "detach": _detach,
}.items():
    setattr(nn.Parameter, _name, _value)
torch.Tensor.grad_fn = property(_graph)  # type: ignore[assignment]
