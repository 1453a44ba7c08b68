"""`grader compare`: a student's scheduler and the default one on the public task, with the same seeds."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.core import task_file as tasks
from grader.core.errors import TaskError, UsageError
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.statistics import score
from grader.core.task import Data, DataSource, Task, TaskFacts
from grader.core.verdict import RejectedError
from grader.experiments.trials import EpochListener, train_all
from grader.grading.cache import Cache
from grader.grading.config import RunConfig
from grader.sandbox.compile import compile_submission
from grader.sandbox.plain import PlainSandbox
from grader.submissions.loader import Submission, only
from grader.submissions.references import references_for
from grader.training.pool import TrainerPool, choose_device, default_workers

#: The default scheduler with the student's configuration; it ignores all arguments.
_DEFAULT = b"""
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, *args, **kwargs):
        super().__init__(optimizer)

    def get_lr(self):
        return list(self.base_lrs)
"""


@dataclass(frozen=True)
class ComparedSchedule:
    """One schedule of a comparison."""

    name: str
    recipe: Recipe
    runs: tuple[SeedRun, ...]

    @property
    def accuracy(self) -> tuple[float, float | None] | None:
        """Mean over the seeds and its standard error; None if a training did not finish."""
        scores = [run.accuracy for run in self.runs if run.accuracy is not None]
        return score(scores) if len(scores) == len(self.runs) else None

    @property
    def augmented(self) -> float | None:
        """Mean accuracy on images with the random transforms; None if there are none, or a training did not finish."""
        scores = [run.augmented for run in self.runs if run.augmented is not None]
        return sum(scores) / len(scores) if len(scores) == len(self.runs) else None


def public_task(name: str, data: Path | None, seeds: int | None) -> Task:
    """The task to compare on: a shipped one or a file, perhaps with the images of a folder, perhaps fewer seeds."""
    task = tasks.load_one(name)
    if data is not None:
        folder = Data(source=DataSource.FOLDER, path=str(data.resolve()))
        task = task.on_data(folder, f"{task.name}-images", f"The model {task.model} on the images of {data.name}")
    return task if seeds is None else task.with_seeds(tuple(range(seeds)))


def compare(folder: Path, config: RunConfig, others: Sequence[str], progress: EpochListener) -> list[ComparedSchedule]:
    """Train the submission in `folder`, the default scheduler and the references named in `others`.

    All share configuration-independent seeds and data order; the default shares the configuration
    too. Raises RejectedError if the submission breaks the contract.
    """
    mine, task = only(folder), config.task
    chosen = choose_device(config.device)
    with contextlib.closing(TrainerPool(task, chosen, config.jobs or default_workers(chosen))) as trainers:
        trainers.start()
        (facts,), environment = trainers.facts()
        cache = Cache(config.folder, task, facts, environment)
        recipes = _recipes(mine, others, task, facts)
        runs = train_all(recipes, task, cache, trainers, progress, augmented=True)
        return [ComparedSchedule(name, recipes[name], seeds) for name, seeds in runs.items()]


def _recipes(mine: Submission, others: Sequence[str], task: Task, facts: TaskFacts) -> dict[str, Recipe]:
    submissions = {"yours": mine, "default": replace(mine, files={**mine.files, "scheduler.py": _DEFAULT})}
    known = {entry.submission.id: entry.submission for entry in references_for(None, facts)}
    for name in others:
        if name not in known:
            raise UsageError(f"there is no reference {name!r}: use {', '.join(sorted(known))}")
        submissions[name] = known[name]
    sandbox = PlainSandbox()
    recipes = {}
    for name, submission in submissions.items():
        compiled = compile_submission(submission, sandbox, task, facts)
        if compiled.recipe is None:
            if not compiled.violations:
                raise TaskError(f"{name} could not be compiled: {compiled.detail}")
            raise RejectedError(compiled.violations)
        recipes[name] = compiled.recipe
    return recipes
