"""The optimizer's state, which is filled in training only: closed to the submission."""

from collections.abc import Callable
from typing import Any, Self

import torch

from . import refusals
from .refusals import ActsOnTraining, ReadsTraining, ours

_STATE = "the optimizer's state exists in a training only"


class NoState(dict[Any, Any]):
    """Stands for an optimizer's state, or for a parameter's entry in it; a copy of it is as closed.

    Before the first step it may be read where it is `empty` in a training, too: with every class but Adagrad.
    """

    def __init__(self, empty: bool = True) -> None:
        super().__init__()
        self.empty = empty

    def __getitem__(self, key: Any) -> Any:
        """As the defaultdict that it stands for."""
        if not ours.on and (ours.playing or not self.empty):
            refusals.refuse_students(_STATE)
        return dict.setdefault(self, key, {} if ours.on else NoState(self.empty))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self.empty)


def _closed(name: str, error: type[RuntimeError], what: str) -> Callable[..., Any]:
    original = getattr(dict, name)

    def method(state: NoState, *args: Any, **kwargs: Any) -> Any:
        if not ours.on and (ours.playing or not state.empty or error is ActsOnTraining):
            refusals.refuse_students(what, error)
        return original(state, *args, **kwargs)

    return method


for _name in (
    "__len__", "__iter__", "__contains__", "__eq__", "__ne__", "__or__", "__ror__", "__repr__", "__reversed__",
    "get", "keys", "values", "items", "copy",
):  # fmt: skip
    setattr(NoState, _name, _closed(_name, ReadsTraining, _STATE))
for _name in ("__setitem__", "__delitem__", "__ior__", "setdefault", "pop", "popitem", "clear", "update"):
    setattr(NoState, _name, _closed(_name, ActsOnTraining, "the optimizer's state is the training's"))

_state_dict = torch.optim.Optimizer.state_dict


def state_dict(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """As `torch.optim.Optimizer.state_dict`; the state in it is closed where the optimizer's own is."""
    state = optimizer.state
    if not isinstance(state, NoState):
        return _state_dict(optimizer)
    before, ours.on = ours.on, True
    try:
        found = _state_dict(optimizer)
    finally:
        ours.on = before
    return {**found, "state": NoState(state.empty)}


torch.optim.Optimizer.state_dict = state_dict  # type: ignore[method-assign, assignment]
