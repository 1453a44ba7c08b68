"""The compilation of one submission inside a sandbox: from its two modules to a recipe and its violations."""

import gc
import inspect
import math
import re
from dataclasses import dataclass
from typing import Any

import torch

from . import optimizer, skeleton, transforms
from .config import Config
from .cpu_limit import CpuLimit, OutOfTime
from .guard import Guard
from .modules import SubmissionImporter
from .no_state import NoState
from .report import Report, describe, locate
from .torch_schedulers import Watch
from .trace import Player, explain_get_lr

_LISTENED = 30  # steps in which every call is looked at
_SHORT_RUN = 50  # steps that are still played where the configuration does not say how many


#: Names of a step's argument that count, rather than tell how the training goes.
_COUNTERS = re.compile(r"epoch|it$|iter|iteration|step|batch|n$|t$|i$|idx|index|num_updates|global_step|current", re.I)


@dataclass(frozen=True)
class Length:
    """How long the training is."""

    n_train: int
    allowed: int  # steps
    batch_size: int | None  # None: the configuration does not say
    epochs: int | None

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.n_train / self.batch_size) if self.batch_size else 1

    @property
    def asked(self) -> int:
        """Steps that the configuration asks for; a short run where it does not say."""
        return self.per_epoch * self.epochs if self.batch_size and self.epochs else _SHORT_RUN

    @property
    def played(self) -> int:
        """Steps that are played."""
        return self.asked if self.asked <= self.allowed else _SHORT_RUN


class Compiler:
    """The compilation of one submission, as far as its violations allow."""

    def __init__(self, job: dict[str, Any], report: Report, limit: CpuLimit) -> None:
        self.job, self.report, self._limit = job, report, limit
        self._player: Player | None = None
        self.base_rates: list[float] = []
        self._inherited = ""  # the scheduler of PyTorch that CustomLRScheduler is or inherits from

    def run(self) -> dict[str, Any] | None:
        """The recipe as plain data, or None if the report says why there is none."""
        watch, guard = Watch(), Guard(self.report)
        transforms.note_constructors(self.report.sources)
        SubmissionImporter(self.report.sources).install()
        scheduler_module = self._import("scheduler")
        config_module = self._import("config")
        guard.imported()
        scheduler_class = self._scheduler_class(scheduler_module, watch) if scheduler_module else None
        config = Config(getattr(config_module, "CONFIG", None), self.report) if config_module else None
        if config is None or not config.is_there():
            return None
        batch_size, epochs = config.whole_number("batch_size"), config.whole_number("num_epochs")
        kwargs = config.kwargs()
        pipeline = config.transforms(self.job["image"])
        recipe = None
        model = skeleton.build(self.job["modules"], self.job["parameters"])
        made = self._optimizer(config, model, guard)
        if made is not None and scheduler_class is not None and kwargs is not None:
            self.base_rates = optimizer.base_rates(made)
            length = Length(self.job["n_train"], self.job["max_steps"], batch_size, epochs)
            player = self._play(scheduler_class, kwargs, made, length, watch, guard)
            # Read after the constructor, which may have changed what the factory made; any later change is a violation.
            groups = None
            if player is not None:
                groups = optimizer.names_in_groups(made, model, self.report, "scheduler.py")
                if pipeline is not None and config.transforms_changed(pipeline):
                    groups = None
            if player is not None and groups is not None and batch_size is not None and epochs is not None:
                recipe = {
                    "optimizer": type(made).__name__,
                    "groups": [
                        {
                            "parameters": names,
                            "lr": runs["lr"].as_json(),
                            "others": {k: v.as_json() for k, v in runs.items() if k != "lr"},
                        }
                        for names, runs in zip(groups, player.series, strict=True)
                    ],
                    "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
                    "batch_size": batch_size,
                    "epochs": epochs,
                    "transforms": pipeline,
                }
        watch.look_around()
        self._torch_schedulers(watch)
        return recipe

    def observed(self) -> dict[str, Any] | None:
        """What was played, however it ended; None if nothing was."""
        return self._player.observed() if self._player is not None else None

    def _import(self, name: str) -> Any:
        try:
            return __import__(name)
        except (MemoryError, OutOfTime):
            raise
        except BaseException as error:
            self.report.add_exception(error, f"importing {name}.py", f"{name}.py")
            return None

    def _scheduler_class(self, module: Any, watch: Watch) -> Any:
        add, line_of = self.report.add, self.report.line_of
        kind = getattr(module, "CustomLRScheduler", None)
        if kind is None:
            add(
                "scheduler_class",
                "scheduler.py",
                None,
                "there is no class CustomLRScheduler",
                "name your scheduler class CustomLRScheduler: the grader imports it by that name",
            )
            return None
        line = line_of("scheduler.py", "class CustomLRScheduler") or self.report.line_with(
            "scheduler.py", "CustomLRScheduler"
        )
        if not isinstance(kind, type):
            add(
                "scheduler_class",
                "scheduler.py",
                line,
                "CustomLRScheduler is not a class",
                "write class CustomLRScheduler(_LRScheduler):",
            )
            return None
        shipped = watch.ancestor(kind)
        if shipped is not None:
            self._inherited = shipped.__name__
            is_it = "is" if shipped is kind else "inherits from"
            add(
                "torch_scheduler",
                "scheduler.py",
                line,
                f"CustomLRScheduler {is_it} PyTorch's {shipped.__name__}",
                "inherit from _LRScheduler and write the formula yourself in get_lr()",
            )
            return kind
        base = torch.optim.lr_scheduler.LRScheduler
        if not issubclass(kind, base):
            add(
                "scheduler_class",
                "scheduler.py",
                line,
                "CustomLRScheduler does not inherit from _LRScheduler",
                "from torch.optim.lr_scheduler import _LRScheduler; class CustomLRScheduler(_LRScheduler):",
            )
            return None
        if getattr(kind, "get_lr", None) is base.get_lr:
            add(
                "scheduler_class",
                "scheduler.py",
                line,
                "CustomLRScheduler does not implement get_lr()",
                "define get_lr(self) and return one learning rate per parameter group",
            )
            return None
        return kind

    def _optimizer(self, config: Config, model: Any, guard: Guard) -> Any:
        """What `optimizer_factory(model)` returns; None, with a violation, where it cannot be used."""
        factory = config.optimizer_factory()
        if factory is None:
            return None
        guard.watch_model(model)
        try:
            made = factory(model)
        except (MemoryError, OutOfTime):
            raise
        except BaseException as error:
            line = self.report.line_of("config.py", "def optimizer_factory", "optimizer_factory")
            if not guard.broken:
                self.report.add_exception(error, "optimizer_factory(model)", "config.py", line)
            return None
        guard.built(made)
        if guard.broken or optimizer.name_of(made, self.report) is None:
            return None
        if optimizer.names_in_groups(made, model, self.report) is None:
            return None
        made.state = NoState(empty=type(made) is not torch.optim.Adagrad)
        return made

    def _play(
        self, kind: Any, kwargs: dict[str, Any], made: Any, length: Length, watch: Watch, guard: Guard
    ) -> Player | None:
        report = self.report
        if self._wants_arguments(kind):
            return None
        state = made.state
        try:
            with watch.listening():
                scheduler = kind(made, **kwargs)
        except (MemoryError, OutOfTime):
            raise
        except BaseException as error:
            if not guard.broken:
                self._construction_failed(kind, made, error)
            return None
        guard.constructed(made, state)
        if guard.broken:
            return None
        if length.asked > length.allowed:
            report.add(
                "steps",
                "config.py",
                report.line_of("config.py", "num_epochs"),
                f"batch_size {length.batch_size} and num_epochs {length.epochs} make {length.asked} steps; this task "
                f"allows {length.allowed}",
                "train for fewer epochs or with larger batches",
            )
        player = self._player = Player(made, scheduler, length.per_epoch, report, guard, self._limit)
        listened = min(length.played, _LISTENED)
        with watch.listening():
            played = player.advance(listened)
        if not (played and player.advance(length.played - listened)):
            return None
        guard.finished()
        return None if guard.broken else player

    def _construction_failed(self, kind: Any, made: Any, error: BaseException) -> None:
        report = self.report
        if locate(error.__traceback__) is None or isinstance(error, (TypeError, ValueError)):
            half_built = next((s for s in _instances(kind)), None)
            if half_built is not None and explain_get_lr(half_built, len(made.param_groups), "in step 0", report):
                return
        text = describe(error)
        if isinstance(error, TypeError) and "__init__()" in text and locate(error.__traceback__) is None:
            report.add(
                "config",
                "config.py",
                report.line_of("config.py", "lrs_kwargs"),
                f"lrs_kwargs does not fit CustomLRScheduler.__init__(): {text}",
                "its keys are the names of the constructor's arguments after optimizer",
            )
            return
        report.add_exception(error, "CustomLRScheduler(optimizer, **CONFIG.lrs_kwargs)", "scheduler.py")

    def _wants_arguments(self, kind: Any) -> bool:
        """Whether `step` cannot be called without arguments; a violation then."""
        try:
            parameters = list(inspect.signature(kind.step).parameters.values())[1:]
        except (TypeError, ValueError):
            return False
        required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if not required:
            return False
        name, line = required[0].name, self.report.line_of("scheduler.py", "def step")
        if _COUNTERS.match(name):
            what = f"step() requires the argument {name!r}, and the training loop calls scheduler.step() without any"
            fix = f"give it a default, def step(self, {name}=None), and count by self.last_epoch: one call per batch"
            self.report.add("scheduler_class", "scheduler.py", line, what, fix)
        else:
            what = f"step() wants {name!r}: a schedule cannot depend on the training's results here"
            fix = "let step() work without arguments; the grader calls scheduler.step() once per batch"
            self.report.add("feedback", "scheduler.py", line, what, fix)
        return True

    def _torch_schedulers(self, watch: Watch) -> None:
        for name, place in sorted(watch.uses.items()):
            if name == self._inherited:
                continue  # which is said already
            file, line = place or ("scheduler.py", None)
            self.report.add(
                "torch_scheduler",
                file,
                line,
                f"uses PyTorch's own scheduler {name}",
                "write the formula yourself in get_lr() and cite your source",
            )


def _instances(kind: Any) -> list[Any]:
    return [thing for thing in gc.get_objects() if type(thing) is kind]
