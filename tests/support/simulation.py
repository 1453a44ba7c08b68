"""Boards with known true means and noise, for intervals, ties and adaptive seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from grader.core.kind import Kind
from grader.core.task import Ranking
from grader.core.verdict import Verdict
from grader.leaderboard.models import BoardTask, GradedRow, Leaderboard, SeedScore
from grader.leaderboard.ranking import ranked
from grader.leaderboard.seed_allocation import wanting
from support.gradings import TRAINER

Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def simulated(means: Sequence[float], seeds: int, noise: Table, rng: np.random.Generator) -> Table:
    """Accuracies [rows, seeds]: true mean, what the seed does to all, and noise of each training."""
    common = rng.normal(0, 0.01, (1, seeds))
    return np.array(means)[:, None] + common + rng.normal(0, 1, (len(means), seeds)) * np.asarray(noise)[:, None]


def row(number: int, accuracies: Sequence[float]) -> GradedRow:
    """The first is the default scheduler, the others are students."""
    return GradedRow.model_construct(
        id=f"s{number:02}", kind=Kind.STUDENT if number else Kind.DEFAULT, team=(), verdict=Verdict.OK,
        accuracy=float(np.mean(accuracies)), recipe=f"{number:064}", device="cpu", graded="", history=(), number=1,
        violations=(),
        seeds=tuple(
            SeedScore.model_construct(seed=s, verdict=Verdict.OK, accuracy=float(a), seconds=0.0, baseline=None)
            for s, a in enumerate(accuracies)
        ),
    )  # fmt: skip


def board_of(
    table: Table | Sequence[Sequence[float]], base: int | None = None, ranking: Ranking | None = None
) -> Leaderboard:
    """A board whose task has `base` seeds (all of the first row's where it is not given)."""
    rows = [row(number, accuracies) for number, accuracies in enumerate(table)]
    seeds = tuple(range(base if base is not None else len(table[0])))
    task = BoardTask(
        name="t", description="", model_hash="", data_hash="", n_train=1, n_test=1, seeds=seeds, time_limit_s=1.0,
        ranking=ranking or Ranking(),
    )  # fmt: skip
    head = Leaderboard(task=task, environment=TRAINER, updated="")
    return head.with_rows(ranked(rows, head.policy))


def agreement(means: Sequence[float], table: Table | Sequence[Sequence[float]]) -> float:
    """Share of truly neighbouring rows that the means of the table put in the right order."""
    found = [float(np.mean(accuracies)) for accuracies in table]
    order = np.argsort(means)[::-1]
    return float(np.mean([found[a] > found[b] for a, b in pairwise(order)]))


def adaptive_trainings(means: Sequence[float], noise: Table, rng: np.random.Generator) -> tuple[int, float]:
    """Trainings that adaptive seeds take, from 3 to 10, and the agreement that they reach."""
    everything = simulated(means, 10, noise, rng)
    taken = [3] * len(means)
    while True:
        table = [list(everything[n][:count]) for n, count in enumerate(taken)]
        wanted = wanting(board_of(table, base=3))
        if not wanted:
            return sum(taken), agreement(means, table)
        for found in wanted:
            taken[int(found.id[1:])] += 1
