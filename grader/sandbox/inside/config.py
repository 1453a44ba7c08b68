"""The class CONFIG, attribute by attribute."""

from typing import Any

from . import transforms
from .cpu_limit import OutOfTime
from .report import Report

_MISSING = object()


class Config:
    """A submission's CONFIG. What cannot be used is a violation, and None."""

    def __init__(self, config: Any, report: Report) -> None:
        self._config, self._report = config, report

    def is_there(self) -> bool:
        """Whether config.py has a CONFIG at all."""
        if self._config is None:
            self._report.add(
                "config",
                "config.py",
                None,
                "there is no class CONFIG",
                "define class CONFIG with batch_size, num_epochs, lrs_kwargs, optimizer_factory and transforms",
            )
        return self._config is not None

    def _field(self, name: str, example: str) -> Any:
        value = getattr(self._config, name, _MISSING)
        if value is _MISSING:
            line = self._report.line_of("config.py", "class CONFIG", "CONFIG")
            self._add(line, f"CONFIG has no {name}", f"add it, for example {example}")
        return value

    def _add(self, line: int | None, what: str, fix: str) -> None:
        self._report.add("config", "config.py", line, what, fix)

    def whole_number(self, name: str) -> int | None:
        """`batch_size` or `num_epochs`."""
        value = self._field(name, f"{name} = {64 if name == 'batch_size' else 10}")
        if value is _MISSING:
            return None
        if type(value).__module__ == "numpy" and hasattr(value, "item"):
            value = value.item()
        line = self._report.line_of("config.py", name)
        if type(value) is not int:
            shown = repr(value)[:80] if isinstance(value, (float, str, bool)) else f"a {type(value).__name__}"
            fix = f"write a positive whole number, for example {name} = 64"
            self._add(line, f"{name} is {shown}, not a whole number", fix)
            return None
        if not 1 <= value < 1 << 31:
            shown = str(value) if abs(value) < 10**18 else "astronomically large"
            fix = "it must be at least 1" if value < 1 else "choose a number that a training can use"
            self._add(line, f"{name} is {shown}", fix)
            return None
        return value

    def kwargs(self) -> dict[str, Any] | None:
        """`lrs_kwargs`."""
        kwargs = self._field("lrs_kwargs", "lrs_kwargs = {}")
        if kwargs is _MISSING:
            return None
        if not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
            what = f"lrs_kwargs is a {type(kwargs).__name__}, not a dictionary of keyword arguments"
            fix = 'write lrs_kwargs = {"gamma": 0.5}, or {} for none'
            self._add(self._report.line_of("config.py", "lrs_kwargs"), what, fix)
            return None
        return kwargs

    def transforms(self, image: list[int]) -> list[dict[str, Any]] | None:
        """`transforms`, as data."""
        value = self._field("transforms", "transforms = [ToTensor()]")
        if value is _MISSING:
            return None
        try:
            return transforms.read(value, image, self._report)
        except (MemoryError, OutOfTime):
            raise
        except BaseException as error:
            self._report.add_exception(error, "reading transforms", "config.py")
            return None

    def transforms_changed(self, calls: list[dict[str, Any]]) -> bool:
        """Whether `transforms` is no longer what it was when it was read; a violation then."""
        if transforms.same(getattr(self._config, "transforms", None), calls):
            return False
        what = "the code changes CONFIG.transforms, or one of them, while the schedule is played"
        fix = "leave them as they are from the start: a recipe holds one pipeline for the whole training"
        line = self._report.line_with("scheduler.py", "transforms")
        self._report.add("transforms", "scheduler.py", line, what, fix)
        return True

    def optimizer_factory(self) -> Any:
        """The function that makes the optimizer."""
        example = "def optimizer_factory(model): return torch.optim.SGD(...)"
        factory = self._field("optimizer_factory", example)
        if factory is _MISSING:
            return None
        if not callable(factory):
            line = self._report.line_of("config.py", "optimizer_factory", "def optimizer_factory")
            what = f"optimizer_factory is a {type(factory).__name__}, not a function"
            self._add(line, what, "define it as a function that takes the model and returns an optimizer")
            return None
        return factory
