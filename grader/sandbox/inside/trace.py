"""Plays a training run without training: the loop's schedule, step by step, as data.

The played loop is the plain one of the assignment, `optimizer.step(); scheduler.step()` once per
batch, on parameters without gradients. What a group holds right before `optimizer.step()` is what
that step would have used. After the first steps `optimizer.step()` is left out: without gradients it does nothing, a
submission that replaces it, wraps it or hangs a hook on it is refused, and it is most of the time that playing takes.
"""

import math
from typing import Any

import torch

from .cpu_limit import CpuLimit, OutOfTime
from .fixes import STEP_ONLY_FIX
from .guard import Guard
from .optimizer import MAX_RATE, NotPlain, OfWeights, defaults, hyperparameters, plain, setting
from .refusals import ours
from .report import Report, describe, explain, locate

_WHOLE_STEPS = 30
_ABSENT = object()


class Runs:
    """A series of values, run-length encoded: each distinct neighbour with its count."""

    __slots__ = ("counts", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.counts: list[int] = []

    def add(self, value: Any) -> None:
        """Append one step."""
        if self.values and self.values[-1] == value and type(self.values[-1]) is type(value):
            self.counts[-1] += 1
        else:
            self.values.append(value)
            self.counts.append(1)

    def as_json(self) -> dict[str, Any]:
        """The form of `grader.core.recipe.Series`."""
        return {"values": list(self.values), "counts": list(self.counts)}


class Player:
    """Records optimizer and scheduler over the steps of a run.

    `advance` can be called again where it stopped, so that a later protocol may feed it one step
    and one metric at a time.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        scheduler: Any,
        steps_per_epoch: int,
        report: Report,
        guard: Guard,
        limit: CpuLimit,
    ) -> None:
        self._optimizer, self._scheduler, self._report, self._guard = optimizer, scheduler, report, guard
        self._per_epoch, self._limit = steps_per_epoch, limit
        self._step = 0
        self._count = len(optimizer.param_groups)
        self._names = hyperparameters(optimizer)
        self._defaults = defaults(optimizer)
        self.series = [{name: Runs() for name in self._names} for _ in range(self._count)]
        # What each hyperparameter was last seen as: the same immutable object needs no second look.
        self._types: set[str] = set()
        self._seen: list[dict[str, Any]] = [dict.fromkeys(self._names, self) for _ in range(self._count)]

    def advance(self, steps: int) -> bool:
        """Play `steps` steps. False, with a violation recorded, if the schedule broke a rule. Raises OutOfTime."""
        optimizer, scheduler, unchanged = self._optimizer, self._scheduler, self._guard.unchanged
        begin_step = self._limit.step
        own = vars(optimizer)
        ours.playing = True
        self._guard.playing(self._when)
        for _ in range(steps):
            begin_step()
            if not self._record():
                return False
            try:
                if self._step < _WHOLE_STEPS:
                    ours.on = True
                    optimizer.step()
                    ours.on = False
                else:
                    own["_opt_called"] = True  # as the wrapper that PyTorch's base class puts around step() does
                scheduler.step()
            except (MemoryError, OutOfTime):
                raise
            except BaseException as error:
                ours.on = False
                self._raised(error)
                return False
            if not unchanged():
                return False
            self._step += 1
        return True

    def observed(self) -> dict[str, Any]:
        """What was played so far, for advice: the first group's rates, their types, and why the play stopped early."""
        stopped = self._report.violations[-1]["what"] if self._report.violations else None
        return {
            "lr": self.series[0]["lr"].as_json(),
            "types": sorted(self._types),
            "stopped": stopped,
        }

    def _record(self) -> bool:
        for index, group in enumerate(self._optimizer.param_groups):
            seen, series = self._seen[index], self.series[index]
            for name in self._names:
                value = group.get(name, _ABSENT)
                if value is seen[name]:
                    series[name].counts[-1] += 1
                    continue
                if value is _ABSENT:
                    return self._broken(
                        "groups", f"group {index} has no {name!r}", "keep every setting of a group that you replace"
                    )
                try:
                    copy = plain(value) if name == "lr" else setting(value, self._defaults.get(name))
                except OfWeights:
                    what = f"{name} of group {index} is computed from weights, whose values exist in a training only,"
                    return self._broken("reads_weights", what, STEP_ONLY_FIX)
                except NotPlain as problem:
                    return self._not_plain(index, name, value, str(problem))
                if name == "lr":
                    self._types.add(type(value).__name__)
                if name == "lr" and (type(copy) is not float or not 0.0 <= copy <= MAX_RATE):
                    return self._broken(
                        "learning_rate",
                        f"the learning rate of group {index} is {_show(copy)}",
                        _rate_fix(copy, self._step, self._per_epoch),
                    )
                if isinstance(copy, (bool, str, type(None))) and series[name].values not in ([], [copy]):
                    return self._broken(
                        "optimizer",
                        f"{name} of group {index} changes from {series[name].values[-1]} to {copy}",
                        "a switch cannot change during the training: set it once, in optimizer_factory",
                    )
                # A tensor is updated in place and a list may be: only immutable values are known by identity.
                seen[name] = value if isinstance(value, (float, int, bool, str, type(None))) else self
                series[name].add(copy)
        return True

    def _not_plain(self, index: int, name: str, value: Any, problem: str) -> bool:
        if name == "lr":
            return self._broken(
                "learning_rate",
                f"the learning rate of group {index} is {problem}",
                "return finite, non-negative Python floats, one per parameter group",
            )
        return self._broken(
            "optimizer", f"{name} of group {index} is {problem}", _setting_fix(self._defaults.get(name))
        )

    def _when(self) -> str:
        return f"in step {self._step} (epoch {self._step // self._per_epoch + 1})"

    def _broken(self, rule: str, what: str, fix: str) -> bool:
        line = self._report.line_of("scheduler.py", "def get_lr") or self._report.line_of("scheduler.py", "def step")
        self._report.add(rule, "scheduler.py", line, f"{what} {self._when()}", fix)
        return False

    def _raised(self, error: BaseException) -> None:
        if self._guard.broken:
            return  # the act is said, and what came of it says no more
        file, line = locate(error.__traceback__) or ("scheduler.py", None)
        torch_refused = line is None and isinstance(error, (TypeError, ValueError))
        asked = self._step + 1  # scheduler.step() computes the rates of the step that follows
        epoch, within = divmod(asked, self._per_epoch)
        when = f"in step {asked} (epoch {epoch + 1})" if within else f"in step {asked} (after epoch {epoch})"
        if torch_refused and explain_get_lr(self._scheduler, self._count, when, self._report):
            return
        rule, what, fix = explain(error)
        if line is None:
            line = self._report.line_of("scheduler.py", "def get_lr")
        self._report.add(rule, file, line, f"{when} the scheduler raised {what}", fix)


def _setting_fix(default: Any) -> str:
    if isinstance(default, bool):
        return "write True or False"
    return f"use plain finite numbers, as in its default, {default}" if default is not None else "leave it out"


def _rate_fix(rate: Any, step: int, per_epoch: int) -> str:
    if type(rate) is not float or rate >= 0:
        return f"return finite numbers from zero to {MAX_RATE:g}"
    if step < per_epoch:
        return (
            f"a rate cannot be negative, and here it is already in the first epoch: self.last_epoch counts batches, "
            f"{per_epoch} per epoch; hold the end of the formula with max(0.0, …)"
        )
    return (
        "a rate cannot be negative: keep it at zero or above with max(0.0, …); a formula that falls below zero often "
        "runs on beyond the number of steps that it was made for"
    )


def explain_get_lr(scheduler: Any, groups: int, when: str, report: Report) -> bool:
    """Ask `get_lr` once more and record what is wrong with its answer; False if nothing is. Raises OutOfTime."""
    try:
        answer = scheduler.get_lr()
    except OutOfTime:
        raise
    except BaseException:
        return False
    line = report.line_of("scheduler.py", "def get_lr")
    fix = "return a list with one learning rate per parameter group: [... for base_lr in self.base_lrs]"
    try:
        count = len(answer)
    except OutOfTime:
        raise
    except BaseException:
        report.add(
            "learning_rate", "scheduler.py", line, f"get_lr() returned {_show(answer)} instead of a list {when}", fix
        )
        return True
    if count != groups:
        if count > 16 * groups:
            fix = "get_lr() is asked at every step: return the rates of step self.last_epoch only, one per group"
        report.add(
            "learning_rate",
            "scheduler.py",
            line,
            f"get_lr() returned {count} learning rates for {groups} parameter groups {when}",
            fix,
        )
        return True
    return False


def _show(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    try:
        return repr(value)[:80]
    except OutOfTime:
        raise
    except BaseException as error:
        return f"a {type(value).__name__} ({describe(error)})"
