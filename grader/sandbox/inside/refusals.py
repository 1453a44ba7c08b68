"""Refuses a submission what exists in a training only, even if it catches the error."""

import inspect
import sys
from collections.abc import Callable
from types import FrameType

import torch
from torch import nn

from .files import FILES


class _Ours:
    """What is going on: `on` while the played loop runs, not the submission; `playing` from its first step on.

    What torch does in the loop is no concern. Before the first step there is nothing that only a training has: a real
    optimizer's state is empty then, too, and no parameter has a gradient.
    """

    on = False
    playing = False


ours = _Ours()


class ReadsTraining(RuntimeError):
    """Student code looked at what only a training has."""


class ActsOnTraining(RuntimeError):
    """Student code changed what only a training has."""


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


def called_by_student() -> bool:
    """Whether the function that asks was called by a line of the submission itself, not by one of torch's."""
    return sys._getframe(2).f_code.co_filename in FILES


def refuse_caller(what: str, error: type[RuntimeError] | None) -> None:
    """As `refuse_students`, where the line that asked is itself one of the submission."""
    if sys._getframe(2).f_code.co_filename in FILES:
        refuse_students(what, error)
