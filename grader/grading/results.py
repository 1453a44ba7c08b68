"""From a submission's compilation and trainings to its row on the board."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from grader.core.curves import short, spread, summarize
from grader.core.environment import Environment
from grader.core.image_bits import ImageBits
from grader.core.runs import SeedRun
from grader.core.task import FailedWorkload, Task
from grader.core.verdict import Verdict, Violation
from grader.leaderboard.models import Curves, GradedRow, SeedScore, WorkloadScore, now
from grader.leaderboard.workloads import Means, combined, means_of
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry

_IMAGES = 1024  # whose bits a board keeps of each training: enough for a variance, and 200 bytes


@dataclass(frozen=True)
class WorkloadResult:
    """What is known of a graded submission on one workload."""

    name: str  # of the workload; empty for a task with one
    task: Task
    classes: int
    compiled: Compiled
    runs: Sequence[SeedRun]  # in the order of the seeds
    baselines: Mapping[int, SeedRun]  # at the constant rate, by seed

    @property
    def outcome(self) -> "Outcome":
        """Verdict, detail and violations: of the compilation, or of the training that decides."""
        if self.compiled.recipe is None:
            return Outcome(self.compiled.verdict, self.compiled.detail, self.compiled.violations)
        worst = next((r for r in self.runs if not r.verdict.ranked), None)
        worst = worst or next((r for r in self.runs if r.verdict is Verdict.DIVERGED), None)
        if worst is None:
            return Outcome(Verdict.OK, self.runs[0].detail, self.runs[0].violations)
        if worst.verdict is not Verdict.DIVERGED:
            return Outcome(worst.verdict, worst.detail, worst.violations)
        count = sum(r.verdict is Verdict.DIVERGED for r in self.runs)
        detail = f"{worst.detail} ({count} of {len(self.runs)} seeds)"
        return Outcome(Verdict.DIVERGED, detail, worst.violations)

    @property
    def begun(self) -> bool:
        """Whether anything is known of it: trainings are not begun, or cut off, where another workload has failed."""
        return self.compiled.recipe is None or bool(self.runs)

    @property
    def seconds(self) -> float:
        """Sandbox plus all trainings."""
        return round(self.compiled.seconds + sum(r.seconds for r in self.runs), 3)


class Outcome(NamedTuple):
    """How a grading came out."""

    verdict: Verdict
    detail: str
    violations: tuple[Violation, ...]

    def on(self, workload: str) -> "Outcome":
        """The same, said of one of several workloads."""
        what = f"workload {workload}: {self.detail[-1800:] or self.verdict}"
        return Outcome(self.verdict, what, self.violations)


@dataclass(frozen=True)
class Result:
    """Everything that is known of a graded submission."""

    entry: Entry
    seeds: Sequence[int]
    workloads: Sequence[WorkloadResult]  # those that were compiled: none after one that was refused


def row_of(result: Result, task: Task, environment: Environment) -> GradedRow:
    """The board's row for a graded submission. A failed seed decides the verdict; so does a diverged one.

    With several workloads the first that failed decides, unless the task counts it as guessing.
    """
    entry, first = result.entry, result.workloads[0]
    outcome, failed = _outcome(result, task)
    scores: tuple[SeedScore, ...]
    workloads: tuple[WorkloadScore, ...] = ()
    if task.workload:
        begun = [one for one in result.workloads if one.begun]
        workloads = tuple(_workload_score(one, result.seeds, task, guess=one in failed) for one in begun)
        weights = {one.name: one.weight for one in task.workload}
        # Which trainings were cut off when one failed is chance, and no part of the grading.
        scores = combined(workloads, weights) if outcome.verdict.ranked else ()
    else:
        scores = _seed_scores(first, result.seeds, guess=False)
    means = means_of(scores) if outcome.verdict.ranked else Means()
    recipe, reveal = next((r for one in result.workloads if (r := one.compiled.recipe)), None), task.leaderboard
    alone = not task.workload
    return GradedRow(
        id=entry.submission.id,
        kind=entry.kind,
        team=first.compiled.manifest.contributors if first.compiled.manifest else (),
        verdict=outcome.verdict,
        accuracy=means.accuracy,
        standard_error=means.standard_error,
        baseline=means.baseline,
        seeds=scores,
        workloads=workloads,
        seconds=round(sum(one.seconds for one in result.workloads), 3),
        recipe=_recipe_key(result, failed),
        optimizer=recipe.optimizer.value if recipe else None,
        batch_size=recipe.batch_size if recipe else None,
        epochs=recipe.epochs if recipe else None,
        curves=curves_of(first.runs) if alone and outcome.verdict.ranked else None,
        learning_rate=summarize(recipe) if alone and recipe and reveal.learning_rates else None,
        violations=outcome.violations if reveal.violations else (),
        marks=first.compiled.marks,
        detail=outcome.detail[-2000:],
        sandbox=first.compiled.sandbox,
        device=environment.device,
        environment=environment.key,
        graded=now(),
        submission=entry.submission.content_key,
    )


def _outcome(result: Result, task: Task) -> tuple[Outcome, list[WorkloadResult]]:
    """How the whole came out, and the workloads that count as guessing."""
    if not task.workload:
        return result.workloads[0].outcome, []
    begun = [one for one in result.workloads if one.begun]
    failed = [one for one in begun if not one.outcome.verdict.ranked]
    rest = [one for one in begun if one.outcome.verdict.ranked]
    ours = next((one for one in failed if one.outcome.verdict is Verdict.INTERNAL), None)
    if failed and (ours or not rest or task.ranking.failed_workload is FailedWorkload.UNRANKED):
        worst = ours or failed[0]
        return worst.outcome.on(worst.name), []
    diverged = [one for one in rest if one.outcome.verdict is Verdict.DIVERGED]
    said = [one.outcome.on(one.name).detail for one in (*failed, *diverged)]
    if failed:
        names = ", ".join(f"{one.name} ({one.outcome.verdict})" for one in failed)
        said.insert(0, f"counts as guessing on {names}")
    violations = tuple(dict.fromkeys(v for one in failed for v in one.outcome.violations))
    return Outcome(Verdict.DIVERGED if diverged else Verdict.OK, "; ".join(said), violations), failed


def _seed_scores(one: WorkloadResult, seeds: Sequence[int], *, guess: bool) -> tuple[SeedScore, ...]:
    """What each training gave; where the workload counts as guessing, the accuracy of that with each seed."""
    runs = {r.seed: r for r in one.runs}
    baselines = {seed: run.accuracy for seed, run in one.baselines.items() if run.verdict.ranked}
    if guess:
        verdict, accuracy = one.outcome.verdict, 1 / one.classes
        return tuple(
            SeedScore(
                seed=seed,
                verdict=verdict,
                accuracy=accuracy,
                seconds=runs[seed].seconds if seed in runs else 0.0,
                baseline=accuracy if one.task.ranking.contribution else None,
                balanced=accuracy,
            )
            for seed in seeds
        )
    return tuple(
        SeedScore(
            seed=r.seed,
            verdict=r.verdict,
            accuracy=r.accuracy,
            seconds=r.seconds,
            baseline=baselines.get(r.seed),
            balanced=r.balanced,
            right=_sample(r, one.task),
            baseline_right=_sample(one.baselines.get(r.seed), one.task),
        )
        for r in one.runs
    )


def _workload_score(one: WorkloadResult, wanted: Sequence[int], task: Task, *, guess: bool) -> WorkloadScore:
    verdict, recipe = one.outcome.verdict, one.compiled.recipe
    seeds = _seed_scores(one, wanted, guess=guess)
    whole = (verdict.ranked or guess) and len(seeds) == len(wanted)
    means = means_of(seeds) if whole else Means()
    return WorkloadScore(
        name=one.name,
        verdict=verdict,
        accuracy=means.accuracy,
        standard_error=means.standard_error,
        baseline=means.baseline,
        guessing=guess,
        seeds=seeds,
        seconds=one.seconds,
        recipe=recipe.key if recipe else None,
        learning_rate=summarize(recipe) if recipe and task.leaderboard.learning_rates else None,
        curves=curves_of(one.runs) if whole and not guess else None,
    )


def _recipe_key(result: Result, failed: Sequence[WorkloadResult]) -> str | None:
    """The recipe's; with several workloads one hash of all, in which one that counts as guessing has no recipe."""
    recipes = [one.compiled.recipe if one not in failed else None for one in result.workloads]
    keys = [recipe.key if recipe else "" for recipe in recipes]
    if len(keys) == 1 or not any(keys):
        return keys[0] or None
    return hashlib.sha256(" ".join(keys).encode()).hexdigest()


def _sample(run: SeedRun | None, task: Task) -> ImageBits | None:
    return run.right.sample(_IMAGES, task.data.views) if run is not None and run.right is not None else None


def curves_of(runs: Sequence[SeedRun]) -> Curves | None:
    """The mean curves of the trainings that have a score."""
    runs = [run for run in runs if run.verdict.ranked and run.epochs]
    if not runs:
        return None
    picked = [[run.epochs[i] for run in runs] for i in spread(min(len(run.epochs) for run in runs))]
    losses = [[record.train_loss for record in records] for records in picked]
    return Curves(
        epochs=tuple(records[0].epoch for records in picked),
        train_loss=tuple(
            None if None in values else short(fmean(v for v in values if v is not None)) for values in losses
        ),
        accuracy=tuple(short(fmean(record.accuracy for record in records)) for records in picked),
    )
