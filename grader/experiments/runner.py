"""Runs studies: makes a submission of every variant, compiles it, trains it with all seeds."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from grader.core.environment import Environment
from grader.core.errors import TaskError, UsageError
from grader.core.recipe import Recipe, steps_per_epoch
from grader.core.runs import SeedRun
from grader.core.task import Task, TaskFacts
from grader.experiments.spec import Setup, Study, Variant
from grader.experiments.trials import EpochListener, train_all
from grader.grading.cache import Cache
from grader.grading.config import RunConfig
from grader.sandbox.base import Sandbox
from grader.sandbox.factory import for_own_code
from grader.submissions.loader import Submission
from grader.submissions.references import references_for
from grader.training.pool import TrainerPool, choose_device, default_workers


@dataclass(frozen=True)
class Trial:
    """A variant with its recipe and trainings, one per seed of the task."""

    variant: Variant
    lr: float  # the optimizer's rate, which the schedule multiplies
    recipe: Recipe
    runs: tuple[SeedRun, ...]

    @property
    def accuracies(self) -> list[float]:
        """Final accuracy per seed."""
        return [run.accuracy for run in self.runs if run.accuracy is not None]


@dataclass(frozen=True)
class StudyOutcome:
    """A study with all that was measured."""

    study: Study
    task: Task
    facts: TaskFacts
    environment: Environment
    tuned: float
    tuning: tuple[Trial, ...]
    variants: dict[str, Trial]
    sweeps: dict[str, dict[tuple[str, ...], Trial]]

    @property
    def constant(self) -> Trial:
        """What everything is compared with."""
        return self.variants["constant"]


class Watcher(EpochListener, Protocol):
    """Told what a run of studies does."""

    def planned(self, study: Study, what: str, trainings: int) -> None:
        """A part of a study begins: so many trainings, known ones included."""


def run_studies(studies: Sequence[Study], config: RunConfig, watcher: Watcher) -> Iterable[StudyOutcome]:
    """The outcome of each study, as soon as it is there. Raises GraderError."""
    task = config.task
    chosen = choose_device(config.device)
    with contextlib.ExitStack() as stack:
        trainers = TrainerPool(task, chosen, config.jobs or default_workers(chosen))
        stack.callback(trainers.close)
        trainers.start()
        sandbox = for_own_code()
        stack.callback(sandbox.close)
        sandbox.open(lambda _: None)
        (facts,), environment = trainers.facts()
        cache = Cache(config.folder, task, facts, environment)
        compiler = _VariantCompiler(sandbox, cache, task, facts)

        def train(study: Study, what: str, recipes: dict[str, Recipe]) -> dict[str, tuple[SeedRun, ...]]:
            watcher.planned(study, what, len(recipes) * len(task.seeds))
            return train_all(recipes, task, cache, trainers, watcher)

        for study in studies:
            yield _run(study, compiler, train, environment)


Train = Callable[[Study, str, dict[str, Recipe]], dict[str, tuple[SeedRun, ...]]]


def _run(study: Study, compiler: "_VariantCompiler", train: Train, environment: Environment) -> StudyOutcome:
    grid = [
        Variant(name=f"{study.tuning.schedule}, rate {lr:g}", schedule=study.tuning.schedule, lr=lr)
        for lr in study.tuning.lr
    ]
    tuning = _trials(study, "tuning the constant rate", grid, 0.0, compiler, train)
    best = max(tuning, key=lambda t: sum(t.accuracies))
    points = [point for sweep in study.sweep for _, point in sweep.points()]
    trials = iter(_trials(study, "variants", [*study.variant, *points], best.lr, compiler, train))
    return StudyOutcome(
        study=study,
        task=compiler.task,
        facts=compiler.facts,
        environment=environment,
        tuned=best.lr,
        tuning=tuple(tuning),
        variants={variant.name: next(trials) for variant in study.variant},
        sweeps={sweep.name: {values: next(trials) for values, _ in sweep.points()} for sweep in study.sweep},
    )


def _trials(
    study: Study, what: str, variants: Sequence[Variant], tuned: float, compiler: "_VariantCompiler", train: Train
) -> list[Trial]:
    rates = [v.lr if v.lr is not None else v.rate * tuned for v in variants]
    recipes = {v.name: compiler.recipe(v, study.setup, lr) for v, lr in zip(variants, rates, strict=True)}
    runs = train(study, what, recipes)
    for name, seeds in runs.items():
        if late := [run for run in seeds if run.accuracy is None]:
            raise TaskError(
                f"{study.name}, {name}: {late[0].verdict}: {late[0].detail}; "
                f"task {compiler.task.name} gives a training {compiler.task.time_limit_s:g} s: take fewer epochs"
            )
    return [Trial(v, lr, recipes[v.name], runs[v.name]) for v, lr in zip(variants, rates, strict=True)]


_CONFIG = """import torch
from torchvision.transforms import Compose, Normalize, ToTensor

TOTAL_STEPS = {total}


class CONFIG:
    batch_size = {batch_size}
    num_epochs = {epochs}
    lrs_kwargs = {arguments}

    def optimizer_factory(model):
        return torch.optim.{optimizer}(model.parameters(), lr={lr!r}{momentum})

    transforms = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
"""


class _VariantCompiler:
    """Compiles variants to recipes as submissions are compiled."""

    def __init__(self, sandbox: Sandbox, cache: Cache, task: Task, facts: TaskFacts) -> None:
        self.task, self.facts = task, facts
        self._sandbox, self._cache = sandbox, cache
        self._references = {entry.submission.id: entry.submission for entry in references_for(None, facts)}

    def recipe(self, variant: Variant, setup: Setup, lr: float) -> Recipe:
        """Raises UsageError for an unknown schedule or wrong arguments."""
        submission = self._submission(variant, setup, lr)
        compiled = self._cache.compile(submission, self._sandbox)
        if compiled.recipe is None:
            if compiled.violations:
                raise UsageError(f"variant {variant.name!r}: {'; '.join(map(str, compiled.violations))}")
            raise UsageError(f"variant {variant.name!r} could not be compiled: {compiled.verdict}, {compiled.detail}")
        return compiled.recipe

    def _submission(self, variant: Variant, setup: Setup, lr: float) -> Submission:
        if variant.schedule not in self._references:
            known = ", ".join(sorted(self._references))
            raise UsageError(f"variant {variant.name!r}: there is no reference {variant.schedule!r}: use {known}")
        reference = self._references[variant.schedule]
        optimizer = variant.optimizer or setup.optimizer
        config = _CONFIG.format(
            total=setup.epochs * steps_per_epoch(self.facts.n_train, setup.batch_size),
            batch_size=setup.batch_size,
            epochs=setup.epochs,
            arguments=variant.arguments.strip(),
            optimizer=optimizer.value,
            lr=lr,
            momentum=f", momentum={setup.momentum!r}" if optimizer.value == "SGD" else "",
        )
        return replace(reference, files={**reference.files, "config.py": config.encode()})
