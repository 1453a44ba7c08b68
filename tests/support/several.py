"""Boards of several workloads, by the accuracies of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grader.core.kind import Kind
from grader.core.task import RankBy, Ranking
from grader.core.verdict import Verdict
from grader.leaderboard.models import (
    BoardTask,
    BoardWorkload,
    GradedRow,
    Leaderboard,
    RankedRow,
    SeedScore,
    Standing,
    WorkloadScore,
)
from grader.leaderboard.ranking import settled
from grader.leaderboard.workloads import combined
from support.gradings import TRAINER

WEIGHTS = {"small": 0.25, "large": 0.75}


def board_task(weights: Mapping[str, float], by: RankBy, seeds: Sequence[int] = (0, 1)) -> BoardTask:
    parts = tuple(
        BoardWorkload(name=name, weight=weight, model_hash=name, data_hash=name, n_train=10, n_test=1000, classes=10)
        for name, weight in weights.items()
    )
    return BoardTask(
        name="several", description="Other words", model_hash="m", data_hash="d", n_train=20, n_test=2000,
        seeds=tuple(seeds), time_limit_s=1, ranking=Ranking(by=by), workloads=parts,
    )  # fmt: skip


def row(name: str, accuracies: Mapping[str, Sequence[float]], kind: Kind = Kind.STUDENT) -> GradedRow:
    """A row by its accuracies with each seed, by workload."""
    scores = tuple(
        WorkloadScore(
            name=workload,
            verdict=Verdict.OK,
            accuracy=float(np.mean(values)),
            seeds=tuple(
                SeedScore(seed=n, verdict=Verdict.OK, accuracy=float(value), seconds=1.0)
                for n, value in enumerate(values)
            ),
        )
        for workload, values in accuracies.items()
    )
    share = WEIGHTS if len(accuracies) == len(WEIGHTS) else dict.fromkeys(accuracies, 1.0)
    seeds = combined(scores, share)
    mean = float(np.mean([s.accuracy for s in seeds if s.accuracy is not None]))
    return GradedRow(
        id=name, kind=kind, team=(), verdict=Verdict.OK, accuracy=mean, seeds=seeds, workloads=scores, recipe=name,
        graded="2024-01-01", device=TRAINER.device,
    )  # fmt: skip


def board(rows: Sequence[GradedRow], by: RankBy, weights: Mapping[str, float] = WEIGHTS) -> Leaderboard:
    head = Leaderboard(task=board_task(weights, by), environment=TRAINER, updated="")
    return settled(head.with_rows(RankedRow.placed(one, Standing()) for one in rows))


def references() -> list[GradedRow]:
    return [
        row("constant", {"small": [0.80, 0.80], "large": [0.60, 0.60]}, Kind.DEFAULT),
        row("cosine", {"small": [0.90, 0.90], "large": [0.62, 0.62]}, Kind.REFERENCE),
        row("step", {"small": [0.85, 0.85], "large": [0.64, 0.64]}, Kind.REFERENCE),
    ]


def guessing(made: GradedRow, workload: str, seeds: int = 2) -> GradedRow:
    """The same row where a workload failed and counts as guessing."""
    scores = tuple(
        WorkloadScore(
            name=one.name, verdict=Verdict.TIMEOUT, accuracy=0.1, guessing=True,
            seeds=tuple(SeedScore(seed=n, verdict=Verdict.TIMEOUT, accuracy=0.1, seconds=1.0) for n in range(seeds)),
        )
        if one.name == workload
        else one
        for one in made.workloads
    )  # fmt: skip
    found = combined(scores, WEIGHTS)
    mean = float(np.mean([s.accuracy for s in found if s.accuracy is not None]))
    return GradedRow.model_validate({**dict(made), "workloads": scores, "seeds": found, "accuracy": mean})
