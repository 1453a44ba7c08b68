"""Detects the use of PyTorch's own schedulers, however a submission obtains them.

The rule is about behaviour, so the classes themselves report: whoever creates one or calls its
formula, under whatever name, has used it. Importing a name and leaving it alone is no use.
"""

import contextlib
import functools
import gc
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from torch.optim import lr_scheduler, swa_utils
from torch.optim.lr_scheduler import LRScheduler

from .notes import student_line

_BASES = (LRScheduler, lr_scheduler._LRScheduler)
_METHODS = ("__init__", "get_lr", "_get_closed_form_lr")
_mro = type.__dict__["__mro__"].__get__  # a metaclass may lie about `__mro__`; the slot does not


def shipped() -> list[type]:
    """Every concrete scheduler class of the installed torch."""
    names = [*vars(lr_scheduler).values(), *vars(swa_utils).values()]
    classes = {c for c in names if isinstance(c, type) and issubclass(c, LRScheduler)}
    return sorted(classes - set(_BASES), key=lambda c: c.__name__)


class Watch:
    """Records each use of a shipped scheduler as {class name: (file, line) or None}."""

    def __init__(self) -> None:
        self.uses: dict[str, tuple[str, int] | None] = {}
        self._classes = shipped()
        for kind in self._classes:
            for method in _METHODS:
                if method in vars(kind):
                    setattr(kind, method, self._reporting(kind, vars(kind)[method]))

    def _reporting(self, kind: type, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.uses.get(kind.__name__) is None:
                self.uses[kind.__name__] = student_line()
            return original(*args, **kwargs)

        del call.__wrapped__  # else the original is one attribute away
        return call

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While open, notice every call into the code of a shipped scheduler, whatever object holds it.

        Costs a Python call per call, so it is open for the construction and the first steps only.
        """
        names = {kind.__name__ for kind in self._classes}
        files = {lr_scheduler.__file__, swa_utils.__file__}

        def notice(frame: FrameType, event: str, argument: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename in files:
                owner = code.co_qualname.split(".")[0]
                if owner in names and self.uses.get(owner) is None:
                    self.uses[owner] = student_line()

        sys.setprofile(notice)
        try:
            yield
        finally:
            sys.setprofile(None)

    def look_around(self) -> None:
        """Find instances that were made without the constructor (copied, unpickled)."""
        classes = set(self._classes)
        for thing in gc.get_objects():
            kinds = _mro(type(thing))
            if classes.intersection(kinds):
                self.uses.setdefault(next(kind for kind in kinds if kind in classes).__name__, None)

    def ancestor(self, kind: type) -> type | None:
        """The shipped scheduler that `kind` is or inherits from."""
        return next((c for c in _mro(kind) if c in self._classes), None)
