"""From what a submission's compilation and trainings gave to its row on the board."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from grader.core.curves import short, spread, summarize
from grader.core.environment import Environment
from grader.core.image_bits import ImageBits
from grader.core.runs import SeedRun
from grader.core.statistics import score
from grader.core.task import Task
from grader.core.verdict import Verdict, Violation
from grader.leaderboard.models import Curves, GradedRow, SeedScore, now
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry

_IMAGES = 1024  # whose bits a board keeps of each training: enough for a variance, and 200 bytes


@dataclass(frozen=True)
class Result:
    """Everything that is known of a graded submission."""

    entry: Entry
    compiled: Compiled
    runs: Sequence[SeedRun]  # in the order of the seeds
    baselines: Mapping[int, SeedRun]  # at the constant rate, by seed


def row_of(result: Result, task: Task, environment: Environment) -> GradedRow:
    """The board's row for a graded submission. A failed seed decides the verdict; so does a diverged one."""
    entry, compiled, recipe = result.entry, result.compiled, result.compiled.recipe
    baselines = {seed: run.accuracy for seed, run in result.baselines.items() if run.verdict.ranked}
    verdict, detail, violations = _outcome(result)
    mean, error = None, None
    if verdict.ranked:
        mean, error = score(r.accuracy for r in result.runs if r.accuracy is not None)
    reveal = task.leaderboard
    return GradedRow(
        id=entry.submission.id,
        kind=entry.kind,
        team=compiled.manifest.contributors if compiled.manifest else (),
        verdict=verdict,
        accuracy=mean,
        standard_error=error,
        baseline=_mean(baselines.get(r.seed) for r in result.runs) if mean is not None else None,
        seeds=tuple(
            SeedScore(
                seed=r.seed,
                verdict=r.verdict,
                accuracy=r.accuracy,
                seconds=r.seconds,
                baseline=baselines.get(r.seed),
                right=_sample(r, task),
                baseline_right=_sample(result.baselines.get(r.seed), task),
            )
            for r in result.runs
        ),
        seconds=round(compiled.seconds + sum(r.seconds for r in result.runs), 3),
        recipe=recipe.key if recipe else None,
        optimizer=recipe.optimizer.value if recipe else None,
        batch_size=recipe.batch_size if recipe else None,
        epochs=recipe.epochs if recipe else None,
        curves=curves_of(result.runs) if verdict.ranked else None,
        learning_rate=summarize(recipe) if recipe and reveal.learning_rates else None,
        violations=violations if reveal.violations else (),
        detail=detail[-2000:],
        sandbox=compiled.sandbox,
        device=environment.device,
        environment=environment.key,
        graded=now(),
        submission=entry.submission.content_key,
    )


def _sample(run: SeedRun | None, task: Task) -> ImageBits | None:
    return run.right.sample(_IMAGES, task.data.views) if run is not None and run.right is not None else None


def _outcome(result: Result) -> tuple[Verdict, str, tuple[Violation, ...]]:
    """Verdict, detail and violations: of the compilation, or of the training that decides."""
    compiled, runs = result.compiled, result.runs
    if compiled.recipe is None:
        return compiled.verdict, compiled.detail, compiled.violations
    worst = next((r for r in runs if not r.verdict.ranked), None)
    worst = worst or next((r for r in runs if r.verdict is Verdict.DIVERGED), runs[0])
    if worst.verdict is not Verdict.DIVERGED:
        return worst.verdict, worst.detail, worst.violations
    count = sum(r.verdict is Verdict.DIVERGED for r in runs)
    return worst.verdict, f"{worst.detail} ({count} of {len(runs)} seeds)", worst.violations


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


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean where every value is there."""
    known = list(values)
    return fmean(v for v in known if v is not None) if known and None not in known else None
