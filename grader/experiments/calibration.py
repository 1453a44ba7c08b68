"""`grader calibrate`: what a task can tell apart, before a class hands in.

Trains the default scheduler and the references with several seeds, and the default also at rates around its own. What a
run of a class will show follows from their noise: how wide the intervals will be with so many seeds, how long it takes,
and whether the task tells schedules apart at all.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median

from grader.core.environment import Environment
from grader.core.errors import SetupError, TaskError, UsageError
from grader.core.kind import Kind
from grader.core.recipe import Frozen, ParameterGroup, Recipe, Series
from grader.core.runs import SeedRun
from grader.core.statistics import CONFIDENCE, Difference, student, studentized_range
from grader.core.task import Task, TaskFacts
from grader.core.verdict import RejectedError, Verdict
from grader.experiments.trials import EpochListener, train_all
from grader.grading.cache import Cache
from grader.grading.calibration import CalibrationNote, keep
from grader.grading.config import RunConfig
from grader.grading.results import Result, WorkloadResult, row_of
from grader.grading.session import demand_kind
from grader.leaderboard.models import Beats, GradedRow, RankedRow
from grader.leaderboard.ranking import header, ranked, settled
from grader.leaderboard.significance import Comparison
from grader.sandbox.compile import compile_submission
from grader.sandbox.compiled import Compiled
from grader.sandbox.plain import PlainSandbox
from grader.submissions.entry import Entry
from grader.submissions.references import references_for
from grader.training.pool import TrainerPool, choose_device, default_workers

#: Times the default scheduler's rate: where students' rates lie.
_FACTORS = (0.1, 0.3, 3.0, 10.0)
_DECAYED = 0.5  # a schedule decays if its last rate is at most this share of its highest
_SEEDS = (3, 5, 10)


class CalibratedReference(Frozen):
    """One schedule."""

    name: str
    accuracy: float  # mean over the seeds
    noise: float  # standard deviation of the accuracy of one training
    to_default: Difference | None  # None: the default itself
    beats_default: Beats | None
    decays: bool


class RateTrial(Frozen):
    """The default scheduler at another rate, with one seed."""

    factor: float  # times its own rate
    verdict: Verdict
    accuracy: float | None


class Resolution(Frozen):
    """What so many seeds can tell apart: differences, as shares of the held-out images."""

    seeds: int
    pair: float  # half of the 95 % interval of one difference
    to_default: float  # the same, to the default scheduler
    ranks: float  # what two students among the class must differ by, all pairs judged at once
    hours: float  # for the class, on this machine


class Calibration(Frozen):
    """What a task can tell apart."""

    task: str
    device: str
    seeds: tuple[int, ...]
    students: int
    n_test: int
    references: tuple[CalibratedReference, ...]  # best first
    noise: float  # of one training of a usual row: standard deviation of its accuracy
    flips: float  # the part of it that images give which flip by themselves
    images: float  # standard error of a difference from the choice of held-out images
    rates: tuple[RateTrial, ...]
    resolutions: tuple[Resolution, ...]
    seconds: float  # mean of one training
    longest: float  # seconds
    time_limit_s: float
    advice: tuple[str, ...]


def calibrate(config: RunConfig, students: int, usual: int, progress: EpochListener) -> Calibration:
    """Train, and say what the task can tell apart for a class of so many students, which has `usual` seeds.

    Raises GraderError, among them TaskError if a reference cannot be trained on the task.
    """
    task = config.task
    chosen = choose_device(config.device)
    with contextlib.closing(TrainerPool(task, chosen, config.jobs or default_workers(chosen))) as trainers:
        trainers.start()
        (facts,), environment = trainers.facts()
        demand_kind(task, environment)
        cache = Cache(config.folder, task, facts, environment)
        entries = references_for(config.references, facts)
        compiled = {entry.submission.id: _compiled(entry, task, facts) for entry in entries}
        recipes = {name: recipe for name, found in compiled.items() if (recipe := found.recipe) is not None}
        default = next((entry.submission.id for entry in entries if entry.kind is Kind.DEFAULT), None)
        if default is None or len(entries) < 2:
            raise UsageError("the references must hold constant, the default scheduler, and at least one other")
        tried = {factor: _at_rate(recipes[default], factor) for factor in _FACTORS}
        try:
            runs = train_all(recipes, task, cache, trainers, progress)
            named = {f"{default} at {factor:g} times its rate": recipe for factor, recipe in tried.items()}
            others = train_all(named, task.with_seeds(task.seeds[:1]), cache, trainers, progress)
        except RejectedError as error:
            raise TaskError(f"task {task.name}: the references cannot be trained on it: {error}") from None
        head = header(task, [facts], environment)
        rows = _rows(entries, compiled, runs, task, facts.classes, environment)
        board = settled(head.with_rows(ranked(rows, head.policy)))
        trials = tuple(
            RateTrial(factor=factor, verdict=run.verdict, accuracy=run.accuracy)
            for factor, (run,) in zip(tried, others.values(), strict=True)
        )
        found = _summary(
            task, (students, usual), board.rows, Comparison(board.rows, board.task), trials, trainers.workers, recipes
        )
    note = CalibrationNote(
        data_hash=facts.data_hash, model_hash=facts.model_hash,
        tells_apart=any(r.decays and r.beats_default is Beats.YES for r in found.references),
        outcome=found.advice[0],
    )  # fmt: skip
    try:
        keep(config.folder, note)
    except OSError as error:
        raise SetupError(f"{config.folder} cannot be written: {error.strerror}") from None
    return found


def _compiled(entry: Entry, task: Task, facts: TaskFacts) -> Compiled:
    found = compile_submission(entry.submission, PlainSandbox(), task, facts)
    if found.recipe is None:
        what = "; ".join(map(str, found.violations)) or found.detail
        raise TaskError(f"task {task.name}: the reference {entry.submission.id} cannot be compiled: {what}")
    return found


def _decays(recipe: Recipe) -> bool:
    rates = recipe.groups[0].lr.values
    return rates[-1] <= _DECAYED * max(rates)


def _at_rate(recipe: Recipe, factor: float) -> Recipe:
    """The same recipe with all rates times `factor`."""
    groups = tuple(
        ParameterGroup(
            parameters=group.parameters,
            lr=Series[float](values=tuple(factor * value for value in group.lr.values), counts=group.lr.counts),
            others=group.others,
        )
        for group in recipe.groups
    )
    return Recipe.model_validate({**dict(recipe), "groups": groups})


def _rows(
    entries: Sequence[Entry],
    compiled: Mapping[str, Compiled],
    runs: Mapping[str, tuple[SeedRun, ...]],
    task: Task,
    classes: int,
    environment: Environment,
) -> list[GradedRow]:
    rows = []
    for entry in entries:
        one = entry.submission.id
        result = Result(entry, task.seeds, [WorkloadResult("", task, classes, compiled[one], runs[one], {})])
        row = row_of(result, task, environment)
        if not row.scored:
            raise TaskError(f"task {task.name}: the reference {row.id} has no score: {row.verdict} {row.detail}")
        rows.append(row)
    return rows


def _summary(
    task: Task,
    size: tuple[int, int],
    rows: Sequence[RankedRow],
    comparison: Comparison,
    rates: tuple[RateTrial, ...],
    workers: int,
    recipes: Mapping[str, Recipe],
) -> Calibration:
    students, usual = size
    references = tuple(
        CalibratedReference(
            name=row.id,
            accuracy=row.accuracy or 0.0,
            noise=comparison.noise(row) or 0.0,
            to_default=row.to_default,
            beats_default=row.beats_default,
            decays=row.kind is Kind.REFERENCE and _decays(recipes[row.id]),
        )
        for row in rows
    )
    default = next(row for row in rows if row.kind is Kind.DEFAULT)
    others = [row for row in rows if row is not default]
    seconds = [seed.seconds for row in rows for seed in row.seeds]
    images = median(comparison.image_error(row, default) for row in others)
    noise, own = comparison.typical_noise, comparison.noise(default) or 0.0
    per_student = fmean(seconds) * (2 if task.ranking.contribution else 1)

    def resolution(seeds: int) -> Resolution:
        df = min(comparison.worth + seeds - 1, (len(rows) + students - 1) * (seeds - 1))
        error = math.hypot(noise * math.sqrt(2 / seeds), images)
        return Resolution(
            seeds=seeds,
            pair=student(CONFIDENCE, df) * error,
            to_default=student(CONFIDENCE, df) * math.hypot(math.hypot(noise, own) / math.sqrt(seeds), images),
            ranks=studentized_range(CONFIDENCE, len(rows) + students, df) / math.sqrt(2) * error,
            hours=students * seeds * per_student / max(1, workers) / 3600,
        )

    resolutions = tuple(resolution(seeds) for seeds in sorted({usual, *_SEEDS}))
    return Calibration(
        task=task.name,
        device=default.device,
        seeds=task.seeds,
        students=students,
        n_test=comparison.images_shown,
        references=references,
        noise=noise,
        flips=median(comparison.flip_noise(row) for row in rows),
        images=images,
        rates=rates,
        resolutions=resolutions,
        seconds=fmean(seconds),
        longest=max(seconds),
        time_limit_s=task.time_limit_s,
        advice=tuple(_advice(references, rates, resolutions, max(seconds), task)),
    )


def _advice(
    references: Sequence[CalibratedReference],
    rates: Sequence[RateTrial],
    resolutions: Sequence[Resolution],
    longest: float,
    task: Task,
) -> list[str]:
    """What an instructor should know, most important first."""
    decaying = [r for r in references if r.decays]
    better = [r for r in decaying if r.beats_default is Beats.YES]
    found = []
    if not any(r.to_default is not None and r.to_default.told_apart for r in references):
        found.append(
            "Nothing can be told apart on this task: no reference differs from the default by more than chance. Train "
            "for more epochs, use a harder data set, or draw a part of the training labels anew ([data] label_noise)."
        )
    elif decaying and len(better) == len(decaying):
        found.append("Every decaying reference surely beats the default: the task shows what schedules do.")
    else:
        rest = ", ".join(r.name for r in decaying if r.beats_default is not Beats.YES)
        found.append(
            f"{len(better)} of {len(decaying)} decaying references surely beat the default; not so: {rest}. More "
            "epochs, a larger initial rate of the references, or more seeds show more."
        )
    for seeds in resolutions if resolutions[0].pair > 0 else ():
        found.append(
            f"{seeds.seeds} seeds: differences of {100 * seeds.pair:.1f} points can be detected, of "
            f"{100 * seeds.ranks:.1f} points between ranks; {_duration(seeds.hours)} for the class."
        )
    if longest > task.time_limit_s / 2:
        found.append(
            f"The longest training took {longest:.0f} s of the {task.time_limit_s:.0f} s allowed: raise time_limit_s, "
            "or slower configurations will be timed out."
        )
    diverged = [t for t in rates if t.verdict is Verdict.DIVERGED]
    if diverged:
        found.append(f"The default diverges at {min(t.factor for t in diverged):g} times its rate.")
    return found


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
