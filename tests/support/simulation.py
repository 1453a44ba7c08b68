"""Boards with known true means and noise, for intervals, ties and adaptive seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from grader.core.image_bits import ImageBits
from grader.core.kind import Kind
from grader.core.task import Ranking
from grader.core.verdict import Verdict
from grader.leaderboard.models import BoardTask, GradedRow, Leaderboard, RankedRow, SeedScore
from grader.leaderboard.ranking import ranked
from grader.leaderboard.seed_allocation import wanting
from support.gradings import TRAINER

Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Noise = np.ndarray[tuple[int], np.dtype[np.float64]]


def simulated(means: Sequence[float], seeds: int, noise: Noise, rng: np.random.Generator) -> Table:
    """Accuracies [rows, seeds]: true mean, what the seed does to all, and noise of each training."""
    common = rng.normal(0, 0.01, (1, seeds))
    return np.array(means)[:, None] + common + rng.normal(0, 1, (len(means), seeds)) * np.asarray(noise)[:, None]


def simulated_images(
    rows: int, seeds: int, images: int, noise: Noise, rng: np.random.Generator
) -> np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]:
    """Images that trainings classify rightly [rows, seeds, images], of rows that do equally well on new images.

    A logit is the sum of an image's difficulty, what the row makes of the image, what the seed does to all and to the
    row, and chance; the last two grow with the row's `noise` (1 is usual), and it is right above zero. 91 % are.
    """
    difficulty, own, common, shift, chance = 2.0, 0.3, 0.05, 0.13, 0.8
    shifts = shift * noise * np.exp(rng.normal(0, 0.3, rows) * (np.ptp(noise) > 0))
    chances = chance * noise
    mean = 1.34 * np.sqrt(difficulty**2 + own**2 + shifts**2 + chances**2)
    logits = (
        mean[:, None, None]
        + rng.normal(0, difficulty, images)
        + rng.normal(0, own, (rows, 1, images))
        + rng.normal(0, common, (seeds, 1))
        + shifts[:, None, None] * rng.normal(0, 1, (rows, seeds, 1))
        + chances[:, None, None] * rng.normal(0, 1, (rows, seeds, images))
    )
    return np.asarray(logits > 0)


def board_of_images(right: np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]) -> Leaderboard:
    """A board of such rows."""
    board = board_of(right.mean(2), images=right.shape[2])
    rows = {row.id: with_images(row, right[int(row.id[1:])]) for row in board.rows}
    return board.with_rows(rows[row.id] for row in board.rows)


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
    table: Table | Sequence[Sequence[float]],
    base: int | None = None,
    ranking: Ranking | None = None,
    images: int = 1,
) -> Leaderboard:
    """A board whose task has `base` seeds (all of the first row's where it is not given)."""
    rows = [row(number, list(accuracies)) for number, accuracies in enumerate(table)]
    seeds = tuple(range(base if base is not None else len(table[0])))
    task = BoardTask(
        name="t", description="", model_hash="", data_hash="", n_train=1, n_test=images, seeds=seeds, time_limit_s=1.0,
        ranking=ranking or Ranking(),
    )  # fmt: skip
    head = Leaderboard(task=task, environment=TRAINER, updated="")
    return head.with_rows(ranked(rows, head.policy))


def with_images(row: RankedRow, right: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> RankedRow:
    """The row with the images [seeds, images] that its trainings classified rightly."""
    seeds = tuple(
        SeedScore(seed=s.seed, verdict=s.verdict, accuracy=s.accuracy, seconds=0.0, right=ImageBits.of(bits))
        for s, bits in zip(row.seeds, right, strict=True)
    )
    return RankedRow.model_construct(**{**dict(row), "seeds": seeds})


def with_baselines(row: RankedRow, constant: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]) -> RankedRow:
    """The row with what its configuration reaches at a constant rate, by seed."""
    seeds = tuple(
        SeedScore(seed=s.seed, verdict=s.verdict, accuracy=s.accuracy, seconds=0.0, baseline=float(value))
        for s, value in zip(row.seeds, constant, strict=True)
    )
    return RankedRow.model_construct(**{**dict(row), "seeds": seeds})


def agreement(means: Sequence[float], table: Table | Sequence[Sequence[float]]) -> float:
    """Share of truly neighbouring rows that the means of the table put in the right order."""
    found = [float(np.mean(accuracies)) for accuracies in table]
    order = np.argsort(means)[::-1]
    return float(np.mean([found[a] > found[b] for a, b in pairwise(order)]))


def adaptive_trainings(means: Sequence[float], noise: Noise, rng: np.random.Generator) -> tuple[int, float]:
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
