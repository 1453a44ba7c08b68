"""Intervals, ties and adaptive seeds keep their word on boards whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from grader.core.kind import Kind
from grader.core.task import Ranking
from grader.leaderboard.models import Beats, Leaderboard
from grader.leaderboard.ranking import ranked
from grader.leaderboard.seed_allocation import seeds_of, wanting
from grader.leaderboard.significance import settled
from support.simulation import adaptive_trainings, agreement, board_of, simulated

NOISE = 0.006


def equals(rows: int) -> list[float]:
    return [0.9] * rows


@pytest.mark.parametrize(("rows", "seeds"), [(12, 3), (30, 3), (12, 5)])
def test_intervals_cover_and_equals_stay_together_as_stated(rows: int, seeds: int) -> None:
    """Of 300 boards; the bounds are four standard deviations from the stated rates."""
    rng = np.random.default_rng(7)
    covered: list[float] = []  # share of a board's intervals; they share a default scheduler, so they err together
    split = 0
    for _ in range(300):
        board = board_of(simulated(equals(rows), seeds, np.full(rows, NOISE), rng))
        students = [r for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
        gaps = [student.to_default for student in students]
        hits = [g.low <= 0 <= g.high for g in gaps if g is not None and g.low is not None and g.high is not None]
        assert len(hits) == len(students)
        covered.append(sum(hits) / len(hits))
        split += len({r.tie for r in students}) > 1
    assert abs(np.mean(covered) - 0.95) < 4 * np.std(covered) / 300**0.5
    assert split / 300 < 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5


def test_rows_that_scatter_wildly_spoil_nobody_s_interval() -> None:
    rng = np.random.default_rng(3)
    means = [*equals(16), 0.6, 0.5, 0.4, 0.3]
    noise = np.array([NOISE] * 16 + [0.15] * 4)
    calm = board_of(simulated(means[:16], 3, noise[:16], np.random.default_rng(3)))
    board = board_of(simulated(means, 3, noise, rng))

    def width(board: Leaderboard) -> float:
        gap = next(r.to_default for r in settled(board.rows, board.task, board.policy) if r.id == "s05")
        assert gap is not None and gap.low is not None and gap.high is not None
        return gap.high - gap.low

    assert width(board) < 2 * width(calm)


def test_what_differs_clearly_is_told_apart() -> None:
    rng = np.random.default_rng(5)
    board = board_of(simulated([0.90, 0.96, 0.955, 0.93, 0.85], 3, np.full(5, 0.002), rng))
    rows = {r.id: r for r in settled(board.rows, board.task, board.policy)}
    assert [rows[f"s0{n}"].beats_default for n in (1, 2, 3, 4)] == [Beats.YES, Beats.YES, Beats.YES, Beats.NO]
    assert rows["s01"].tie == rows["s02"].tie == (1, 2)
    assert rows["s03"].tie is rows["s04"].tie is None
    gap = rows["s02"].to_next
    assert gap is not None and gap.mean == pytest.approx((rows["s02"].accuracy or 0) - (rows["s03"].accuracy or 0))
    assert rows["s04"].to_next is None


def test_one_seed_claims_nothing() -> None:
    board = board_of([[0.5], [0.9], [0.4]])
    rows = [r for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
    assert [r.beats_default for r in rows] == [Beats.UNSURE, Beats.UNSURE]
    assert all(r.to_default is not None and r.to_default.low is None for r in rows)


def test_boards_with_hardly_a_row_are_settled() -> None:
    for table in ([], [[0.5, 0.6]], [[0.5, 0.6, 0.7], [0.5, 0.6, 0.7]], [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]):
        board = board_of(table) if table else board_of([[0.5]]).with_rows(())
        assert len(settled(board.rows, board.task, board.policy)) == len(table)


def test_equal_recipes_are_tied_and_no_better() -> None:
    """The second student's recipe is the default scheduler's, the third's the first's."""
    default, first, third = [0.5, 0.52, 0.51], [0.9, 0.91, 0.92], [0.7, 0.7, 0.75]
    board = board_of([default, first, default, first, third])
    recipe = {row.id: row.recipe for row in board.rows}
    twins = {"s02": recipe["s00"], "s03": recipe["s01"]}
    rows = ranked(
        [row.model_copy(update={"recipe": twins.get(row.id, row.recipe)}) for row in board.rows], board.policy
    )
    found = {row.id: row for row in settled(rows, board.task, board.policy)}
    assert [row_id for row_id, row in found.items() if row.rank == 1] == ["s01", "s03"]
    assert found["s01"].tie == found["s03"].tie == (1, 1)
    assert found["s04"].tie is None
    same = found["s02"].to_default
    assert same is not None
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)
    assert found["s02"].beats_default is Beats.NO
    assert found["s01"].beats_default is found["s03"].beats_default is Beats.YES


def test_adaptive_seeds_reach_the_same_ranking_with_fewer_trainings() -> None:
    means = [0.90, 0.89, 0.885, 0.87, 0.86, 0.84, 0.80, 0.76, 0.72, 0.65, 0.6, 0.5]
    noise = np.full(len(means), NOISE)
    rng = np.random.default_rng(1)
    adaptive = [adaptive_trainings(means, noise, rng) for _ in range(15)]
    trainings, right = (float(np.mean(values)) for values in zip(*adaptive, strict=True))
    rng = np.random.default_rng(1)
    fixed = float(np.mean([agreement(means, simulated(means, 10, noise, rng)) for _ in range(15)]))
    assert right >= fixed - 0.02
    assert trainings < 0.75 * 10 * len(means)


def test_seeds_go_where_they_decide() -> None:
    rng = np.random.default_rng(2)
    board = board_of(simulated([0.5, 0.95, 0.951, 0.8, 0.7], 3, np.full(5, 0.004), rng))
    assert {row.id for row in wanting(board)} == {"s01", "s02"}
    full = board_of([[s.accuracy for s in row.seeds] for row in board.rows], ranking=Ranking(max_seeds=3))  # type: ignore[misc]
    assert wanting(full) == []


def test_further_seeds_are_the_lowest_unused() -> None:
    assert seeds_of((5, 0, 2), 3) == (5, 0, 2)
    assert seeds_of((5, 0, 2), 6) == (5, 0, 2, 1, 3, 4)
    assert seeds_of((5, 0, 2), 7)[-1] == 6
