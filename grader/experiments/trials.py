"""Trainings of named recipes with all seeds, from the cache if they are there."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from grader.core.recipe import Recipe
from grader.core.runs import EpochRecord, SeedRun
from grader.core.task import Task
from grader.core.verdict import RejectedError, Verdict
from grader.grading.cache import Cache
from grader.training.pool import Trainers


class EpochListener(Protocol):
    """Told of every epoch, from several threads."""

    def __call__(self, name: str, seed: int, record: EpochRecord, epochs: int) -> None:
        """An epoch of the training `name` with that seed has finished; `epochs` is how many it has."""


def train_all(
    recipes: Mapping[str, Recipe],
    task: Task,
    cache: Cache,
    trainers: Trainers,
    progress: EpochListener,
    *,
    augmented: bool = False,
) -> dict[str, tuple[SeedRun, ...]]:
    """Each recipe's trainings, in the order of the task's seeds; equal recipes are trained once.

    `augmented` asks for `SeedRun.augmented`; a stored training without it is made again.

    Finished trainings are stored at once, so an interrupted call continues where it stopped. Raises
    RejectedError if a recipe cannot be trained, and what the trainers raise.
    """

    def train(name: str, recipe: Recipe, seed: int) -> SeedRun:
        run = cache.run(recipe, seed, task.time_limit_s)
        wanted = augmented and any(call.is_random for call in recipe.transforms)
        if run is None or (wanted and run.verdict is Verdict.OK and run.augmented is None):
            run = trainers.train(
                recipe,
                seed,
                task.time_limit_s,
                lambda record: progress(name, seed, record, recipe.epochs),
                augmented=augmented,
            )
            if run.violations:
                raise RejectedError(run.violations)
            cache.keep_run(recipe, run)
        return run

    under_way: dict[tuple[str, int], Future[SeedRun]] = {}
    with ThreadPoolExecutor(trainers.workers) as pool:
        try:
            for name, recipe in recipes.items():
                for seed in task.seeds:
                    if (recipe.key, seed) not in under_way:
                        under_way[recipe.key, seed] = pool.submit(train, name, recipe, seed)
            return {
                name: tuple(under_way[recipe.key, seed].result() for seed in task.seeds)
                for name, recipe in recipes.items()
            }
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
