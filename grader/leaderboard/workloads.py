"""Scores over seeds and over several workloads, rules that compare a row with the others, and the performance profile.

The mean of accuracies, which is the usual rule, is formed when a submission is graded (`combined`). Two rules need the
whole board:

- Share of the gap closed: on each workload (accuracy - default's) / (best reference's - default's), so that a workload
  on which all differences are small counts as much as one on which they are large. Both ends are means over the seeds,
  and taken as known: their own noise is not part of the intervals. A gap below `LEAST_GAP` counts as that much.
- Mean rank: on each workload and with each of the task's seeds, rows are ranked among all rows with a score, references
  included (equal accuracies share their mean rank); the score is the mean over workloads and seeds. It says nothing of
  how far rows are apart, and depends on who else takes part (Demsar, Statistical Comparisons of Classifiers over
  Multiple Data Sets, Journal of Machine Learning Research 7, 2006).

Means over workloads are weighted with the task's weights.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple, TypeAlias

from grader.core.kind import Kind
from grader.core.statistics import score, shared_ranks
from grader.core.task import RankBy
from grader.core.verdict import Verdict
from grader.leaderboard.models import BoardTask, GradedRow, Grading, RowKey, SeedScore, WorkloadScore

#: The least gap between the default scheduler and the best reference that a share is taken of, in accuracy.
LEAST_GAP = 0.01
#: Fewest workloads for which a performance profile is more than the table of accuracies.
PROFILED = 3


class Means(NamedTuple):
    """Means over the seeds; None if there is no score."""

    accuracy: float | None = None
    standard_error: float | None = None  # None for fewer than two seeds, too
    baseline: float | None = None  # None unless every seed has one


def means_of(seeds: Sequence[SeedScore]) -> Means:
    """The means over trainings of which one at least has an accuracy."""
    accuracy, error = score(s.accuracy for s in seeds if s.accuracy is not None)
    baselines = [s.baseline for s in seeds if s.baseline is not None]
    return Means(accuracy, error, fmean(baselines) if len(baselines) == len(seeds) else None)


def combined(workloads: Sequence[WorkloadScore], weights: Mapping[str, float]) -> tuple[SeedScore, ...]:
    """Weighted means over workloads that all have a score, seed by seed; of the seeds that every one of them has.

    `weights` are those of all workloads of the task; nothing comes of fewer.
    """
    if len(workloads) < len(weights):
        return ()
    total = math.fsum(weights.values())
    by_seed = [{s.seed: s for s in one.seeds} for one in workloads]
    shares = [weights[one.name] / total for one in workloads]
    common = [s.seed for s in workloads[0].seeds if all(s.seed in found for found in by_seed)]
    return tuple(_combined([found[seed] for found in by_seed], shares) for seed in common)


def _combined(scores: Sequence[SeedScore], shares: Sequence[float]) -> SeedScore:
    def mean(values: Sequence[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        pairs = zip(known, shares, strict=False)
        return math.fsum(v * share for v, share in pairs) if len(known) == len(values) else None

    return SeedScore(
        seed=scores[0].seed,
        # A failed workload counts as guessing, and is no verdict.
        verdict=Verdict.DIVERGED if any(s.verdict is Verdict.DIVERGED for s in scores) else Verdict.OK,
        accuracy=mean([s.accuracy for s in scores]),
        seconds=round(sum(s.seconds for s in scores), 3),
        baseline=mean([s.baseline for s in scores]),
        balanced=mean([s.balanced for s in scores]),
    )


@dataclass(frozen=True)
class RuleScores:
    """What rows are ranked by. Empty where the rule cannot be applied (no default, no reference with a score)."""

    by_seed: Mapping[RowKey, Mapping[int, float]] = field(default_factory=dict)
    mean: Mapping[RowKey, float] = field(default_factory=dict)
    #: What a workload's accuracy is multiplied with in the score; None if the score is no sum of accuracies.
    factors: Mapping[str, float] | None = None


def weights(task: BoardTask) -> dict[str, float]:
    """The share of each workload in a mean over them."""
    return {one.name: one.weight for one in task.workloads}


def scores(rows: Sequence[GradedRow], task: BoardTask, by: RankBy) -> RuleScores:
    """The scores of `rows`, which all have an accuracy on every workload, by a rule that compares them.

    With `RankBy.MEAN_RANK` a smaller score is better.
    """
    return _gap_closed(rows, task) if by is RankBy.GAP_CLOSED else _mean_rank(rows, task)


def _accuracies(row: Grading) -> dict[str, dict[int, float]]:
    """Accuracy by workload and seed."""
    return {
        one.name: {seed.seed: seed.accuracy for seed in one.seeds if seed.accuracy is not None} for one in row.workloads
    }


def _gap_closed(rows: Sequence[GradedRow], task: BoardTask) -> RuleScores:
    share = weights(task)
    means = {(row.kind, row.id): {one.name: one.accuracy or 0.0 for one in row.workloads} for row in rows}
    default = next((found for (kind, _), found in means.items() if kind is Kind.DEFAULT), None)
    references = [found for (kind, _), found in means.items() if kind is Kind.REFERENCE]
    if default is None or not references:
        return RuleScores()
    gap = {name: max(LEAST_GAP, max(found[name] for found in references) - default[name]) for name in share}
    factors = {name: share[name] / gap[name] for name in share}
    by_seed = {}
    for row in rows:
        found = _accuracies(row)
        by_seed[row.kind, row.id] = {
            seed.seed: math.fsum(factors[name] * (found[name][seed.seed] - default[name]) for name in share)
            for seed in row.seeds
        }
    mean = {
        key: math.fsum(factors[name] * (found[name] - default[name]) for name in share) for key, found in means.items()
    }
    return RuleScores(by_seed, mean, factors)


def _mean_rank(rows: Sequence[GradedRow], task: BoardTask) -> RuleScores:
    by_seed: dict[RowKey, dict[int, float]] = {(row.kind, row.id): {} for row in rows}
    found = [(key, _accuracies(row)) for key, row in zip(by_seed, rows, strict=True)]
    for seed in task.seeds:
        for name, weight in weights(task).items():
            ranks = shared_ranks([accuracies[name][seed] for _, accuracies in found])
            for (key, _), rank in zip(found, ranks, strict=True):
                by_seed[key][seed] = by_seed[key].get(seed, 0.0) + weight * rank
    mean = {key: math.fsum(values.values()) / len(values) for key, values in by_seed.items()}
    return RuleScores(by_seed, mean)


Profile: TypeAlias = tuple[tuple[float, float], ...]


def profiles(rows: Sequence[GradedRow], task: BoardTask) -> dict[RowKey, Profile]:
    """Performance profiles: for each row, the share of workloads whose error is at most `ratio` times the best row's.

    Corners (ratio, share) of a step function, by ascending ratio; the first is at ratio 1. Workloads count by weight.
    The error is 1 - accuracy, and at least one of all held-out images, so that there is a ratio to a row without
    errors. Dolan and More, Benchmarking Optimization Software with Performance Profiles, Mathematical Programming 91
    (2002).
    """
    share = weights(task)
    least = {one.name: 1 / max(1, one.n_test) for one in task.workloads}
    errors = {
        (row.kind, row.id): {one.name: max(least[one.name], 1 - (one.accuracy or 0.0)) for one in row.workloads}
        for row in rows
        if row.scored and row.workloads
    }
    if not errors:
        return {}
    best = {name: min(found[name] for found in errors.values()) for name in share}
    return {
        key: _steps(sorted((found[name] / best[name], share[name]) for name in share)) for key, found in errors.items()
    }


def _steps(ratios: Sequence[tuple[float, float]]) -> Profile:
    corners, total = {1.0: 0.0}, 0.0
    for ratio, weight in ratios:
        total += weight
        corners[ratio] = min(1.0, round(total, 12))
    return tuple(corners.items())
