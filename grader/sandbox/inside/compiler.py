"""The compilation of one submission inside a sandbox: from its two modules to a recipe and its violations."""

import math
from typing import Any

import torch

from . import optimizer, skeleton, transforms
from .modules import SubmissionImporter
from .report import Report
from .torch_schedulers import Watch
from .trace import Player, explain_get_lr

_LISTENED = 30  # steps in which every call is looked at
_SHORT_RUN = 50  # steps that are still played where the configuration does not say how many


class Compiler:
    """The compilation of one submission, as far as its violations allow."""

    def __init__(self, job: dict[str, Any], report: Report) -> None:
        self.job, self.report = job, report
        self.observed: dict[str, Any] | None = None
        self.base_rates: list[float] = []
        self._inherited = ""  # the scheduler of PyTorch that CustomLRScheduler is or inherits from

    def run(self) -> dict[str, Any] | None:
        watch = Watch()
        transforms.note_constructors(self.report.sources)
        SubmissionImporter(self.report.sources).install()
        scheduler_module = self._import("scheduler")
        config_module = self._import("config")
        scheduler_class = self._scheduler_class(scheduler_module, watch) if scheduler_module else None
        config = self._config(config_module) if config_module else None
        if config is None:
            return None
        batch_size = self._whole_number(config, "batch_size")
        epochs = self._whole_number(config, "num_epochs")
        kwargs = self._kwargs(config)
        pipeline = self._transforms(config)
        recipe = None
        built = self._optimizer(config)
        if built is not None and scheduler_class is not None and kwargs is not None:
            name, groups, frozen, made = built
            self.base_rates = optimizer.base_rates(made)
            player = self._play(scheduler_class, kwargs, made, batch_size, epochs, watch)
            if player is not None and batch_size is not None and epochs is not None:
                recipe = {
                    "optimizer": name,
                    "groups": [
                        {
                            "parameters": names,
                            "lr": runs["lr"].as_json(),
                            "others": {k: v.as_json() for k, v in runs.items() if k != "lr"},
                        }
                        for names, runs in zip(groups, player.series, strict=True)
                    ],
                    "frozen": frozen,
                    "batch_size": batch_size,
                    "epochs": epochs,
                    "transforms": pipeline,
                }
                if self.job.get("observe"):
                    self.observed = player.observe(sum(player.series[0]["lr"].counts))
        watch.look_around()
        self._torch_schedulers(watch)
        return recipe

    def _import(self, name: str) -> Any:
        try:
            return __import__(name)
        except MemoryError:
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

    def _config(self, module: Any) -> Any:
        config = getattr(module, "CONFIG", None)
        if config is None:
            self.report.add(
                "config",
                "config.py",
                None,
                "there is no class CONFIG",
                "define class CONFIG with batch_size, num_epochs, lrs_kwargs, optimizer_factory and transforms",
            )
            return None
        return config

    _MISSING = object()

    def _field(self, config: Any, name: str, example: str) -> Any:
        value = getattr(config, name, self._MISSING)
        if value is self._MISSING:
            self.report.add(
                "config",
                "config.py",
                self.report.line_of("config.py", "class CONFIG", "CONFIG"),
                f"CONFIG has no {name}",
                f"add it, for example {example}",
            )
        return value

    def _whole_number(self, config: Any, name: str) -> int | None:
        value = self._field(config, name, f"{name} = {64 if name == 'batch_size' else 10}")
        if value is self._MISSING:
            return None
        if type(value).__module__ == "numpy" and hasattr(value, "item"):
            value = value.item()
        line = self.report.line_of("config.py", name)
        if type(value) is not int:
            shown = repr(value)[:80] if isinstance(value, (float, str, bool)) else f"a {type(value).__name__}"
            self.report.add(
                "config",
                "config.py",
                line,
                f"{name} is {shown}, not a whole number",
                f"write a positive whole number, for example {name} = 64",
            )
            return None
        if not 1 <= value < 1 << 31:
            self.report.add(
                "config",
                "config.py",
                line,
                f"{name} is {value if abs(value) < 10**18 else 'astronomically large'}",
                "it must be at least 1" if value < 1 else "choose a number that a training can use",
            )
            return None
        return value

    def _kwargs(self, config: Any) -> dict[str, Any] | None:
        kwargs = self._field(config, "lrs_kwargs", "lrs_kwargs = {}")
        if kwargs is self._MISSING:
            return None
        line = self.report.line_of("config.py", "lrs_kwargs")
        if not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
            self.report.add(
                "config",
                "config.py",
                line,
                f"lrs_kwargs is a {type(kwargs).__name__}, not a dictionary of keyword arguments",
                'write lrs_kwargs = {"gamma": 0.5}, or {} for none',
            )
            return None
        return kwargs

    def _transforms(self, config: Any) -> list[dict[str, Any]] | None:
        value = self._field(config, "transforms", "transforms = [ToTensor()]")
        if value is self._MISSING:
            return None
        try:
            return transforms.read(value, self.job["image"], self.report)
        except MemoryError:
            raise
        except BaseException as error:
            self.report.add_exception(error, "reading transforms", "config.py")
            return None

    def _optimizer(self, config: Any) -> tuple[str, list[list[str]], list[str], Any] | None:
        report = self.report
        factory = self._field(config, "optimizer_factory", "def optimizer_factory(model): return torch.optim.SGD(...)")
        if factory is self._MISSING:
            return None
        line = report.line_of("config.py", "optimizer_factory", "def optimizer_factory")
        if not callable(factory):
            report.add(
                "config",
                "config.py",
                line,
                f"optimizer_factory is a {type(factory).__name__}, not a function",
                "define it as a function that takes the model and returns an optimizer",
            )
            return None
        model = skeleton.build(self.job["parameters"])
        before = skeleton.fingerprint(model)
        try:
            made = factory(model)
        except MemoryError:
            raise
        except BaseException as error:
            report.add_exception(error, "optimizer_factory(model)", "config.py")
            return None
        if skeleton.fingerprint(model) != before:
            report.add(
                "model",
                "config.py",
                line,
                "optimizer_factory changes the model or its weights",
                "only build the optimizer there: every submission trains the same model",
            )
            return None
        name = optimizer.name_of(made, report)
        groups = optimizer.names_in_groups(made, model, report) if name else None
        if name is None or groups is None:
            return None
        made.state = skeleton.NoState()
        frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
        return name, groups, frozen, made

    def _play(
        self, kind: Any, kwargs: dict[str, Any], made: Any, batch_size: int | None, epochs: int | None, watch: Watch
    ) -> Player | None:
        report = self.report
        if self._wants_feedback(kind):
            return None
        try:
            with watch.listening():
                scheduler = kind(made, **kwargs)
        except MemoryError:
            raise
        except BaseException as error:
            self._construction_failed(kind, made, error)
            return None
        per_epoch = math.ceil(self.job["n_train"] / batch_size) if batch_size else 1
        steps = per_epoch * epochs if batch_size and epochs else _SHORT_RUN
        if steps > self.job["max_steps"]:
            report.add(
                "steps",
                "config.py",
                report.line_of("config.py", "num_epochs"),
                f"batch_size {batch_size} and num_epochs {epochs} make {steps} steps; this task allows "
                f"{self.job['max_steps']}",
                "train for fewer epochs or with larger batches",
            )
            steps = _SHORT_RUN
        player = Player(made, scheduler, per_epoch, report)
        listened = min(steps, _LISTENED)
        with watch.listening():
            played = player.advance(listened)
        return player if played and player.advance(steps - listened) and player.unchanged() else None

    def _construction_failed(self, kind: Any, made: Any, error: BaseException) -> None:
        from .report import describe, locate

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

    def _wants_feedback(self, kind: Any) -> bool:
        import inspect

        try:
            parameters = list(inspect.signature(kind.step).parameters.values())[1:]
        except (TypeError, ValueError):
            return False
        required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if not required:
            return False
        self.report.add(
            "feedback",
            "scheduler.py",
            self.report.line_of("scheduler.py", "def step"),
            f"step() wants {required[0].name!r}: a schedule cannot depend on the training's results here",
            "let step() work without arguments; the grader calls scheduler.step() once per batch",
        )
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
    import gc

    return [thing for thing in gc.get_objects() if type(thing) is kind]
