"""Intervals, ties and adaptive seeds keep their word on boards whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from grader.core.kind import Kind
from grader.core.statistics import Difference
from grader.core.task import Ranking
from grader.leaderboard.models import Beats, Leaderboard, RankedRow, SeedScore
from grader.leaderboard.ranking import ranked
from grader.leaderboard.seed_allocation import seeds_of, wanting
from grader.leaderboard.significance import Comparison, settled
from support.simulation import (
    adaptive_trainings,
    agreement,
    board_of,
    board_of_images,
    simulated,
    simulated_images,
    with_baselines,
    with_images,
)

NOISE = 0.006


def covering(gaps: Iterable[Difference | None]) -> float:
    """The share of intervals that hold zero."""
    known = [(g.low, g.high) for g in gaps if g is not None and g.low is not None and g.high is not None]
    return float(np.mean([low <= 0 <= high for low, high in known]))


def equals(rows: int) -> list[float]:
    return [0.9] * rows


@pytest.mark.parametrize(("rows", "seeds", "factor"), [(12, 3, 1), (30, 3, 1), (12, 5, 1), (12, 3, 3), (30, 3, 3)])
def test_intervals_cover_and_equals_stay_together_as_stated(rows: int, seeds: int, factor: int) -> None:
    """Of 300 boards, with noise that differs by a factor from row to row; bounds are four standard deviations wide."""
    rng = np.random.default_rng(7)
    covered: list[float] = []  # share of a board's intervals; they share a default scheduler, so they err together
    split = 0
    for _ in range(300):
        noise = NOISE * (np.ones(rows) if factor == 1 else rng.uniform(0.5, 0.5 * factor, rows))
        board = board_of(simulated(equals(rows), seeds, noise, rng))
        students = [r for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
        gaps = [student.to_default for student in students]
        hits = [g.low <= 0 <= g.high for g in gaps if g is not None and g.low is not None and g.high is not None]
        assert len(hits) == len(students)
        covered.append(sum(hits) / len(hits))
        split += any(r.rank_interval != (1, len(students)) for r in students if r.rank_interval)
    assert abs(np.mean(covered) - 0.95) < 4 * np.std(covered) / 300**0.5
    assert split / 300 < 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6])
def test_intervals_cover_on_small_boards_too(rows: int) -> None:
    """Of 400 boards; the default and a few more."""
    rng = np.random.default_rng(11)
    hits = []
    for _ in range(400):
        board = board_of(simulated(equals(rows), 3, np.full(rows, NOISE), rng))
        gaps = [r.to_default for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
        hits.append(covering(gaps))
    assert np.mean(hits) > 0.95 - 3 * np.std(hits) / 400**0.5


def test_contributions_cover_whatever_seeds_do_to_constant_rates() -> None:
    """Rows and their baselines have common effects of the seeds that differ: 300 boards of 12 configurations."""
    rng = np.random.default_rng(12)
    hits = []
    for _ in range(300):
        table = simulated(equals(12), 3, np.full(12, NOISE), rng)
        constant = simulated(equals(12), 3, np.full(12, 2 * NOISE), rng)
        board = board_of(table)
        rows = [with_baselines(row, constant[int(row.id[1:])]) for row in board.rows]
        gaps = [r.contribution for r in settled(rows, board.task, board.policy)]
        hits.append(covering(gaps))
    assert np.mean(hits) > 0.95 - 4 * np.std(hits) / 300**0.5


def test_a_constant_rate_that_all_share_is_one_training_with_however_many_seeds() -> None:
    """Its copies are no rows that agree: a contribution's interval would lose the noise of the constant rate."""
    rng = np.random.default_rng(13)
    constant = simulated([0.9], 6, np.array([NOISE]), rng)[0]
    table = simulated(equals(12), 6, np.full(12, NOISE), rng)
    everything = [list(map(float, row)) for row in table]
    counts = [6, *([3, 4, 5] * 4)[:11]]
    board = board_of([row[:count] for row, count in zip(everything, counts, strict=True)], base=3)
    rows = [with_baselines(row, constant[: len(row.seeds)]) for row in board.rows]
    found = {r.id: r for r in settled(rows, board.task, board.policy)}
    for row in found.values():
        gap, other = row.contribution, row.to_default
        assert gap is not None and gap.low is not None and gap.high is not None
        if other is not None and other.low is not None and other.high is not None:
            assert gap.high - gap.low > 0.8 * (other.high - other.low)


def test_a_training_without_images_spoils_no_other_row() -> None:
    rng = np.random.default_rng(14)
    board = board_of_images(simulated_images(12, 3, 400, np.ones(12), rng))

    def without(row: RankedRow) -> RankedRow:
        last = row.seeds[-1]
        bare = SeedScore(seed=last.seed, verdict=last.verdict, accuracy=last.accuracy, seconds=0.0)
        return RankedRow.model_construct(**{**dict(row), "seeds": (*row.seeds[:-1], bare)})

    lacking = [without(row) if row.id == "s05" else row for row in board.rows]
    default = next(row for row in board.rows if row.id == "s00")
    other = next(row for row in board.rows if row.id == "s03")
    before, after = (Comparison(rows, board.task).image_error(other, default) for rows in (board.rows, lacking))
    assert before == after > 0


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
    assert rows["s01"].rank_interval == rows["s02"].rank_interval == (1, 2)
    assert rows["s03"].rank_interval is rows["s04"].rank_interval is None
    gap = rows["s02"].to_next
    assert gap is not None and gap.mean == pytest.approx((rows["s02"].accuracy or 0) - (rows["s03"].accuracy or 0))
    assert rows["s04"].to_next is None


@pytest.mark.parametrize(("rows", "factor"), [(12, 1), (30, 3)])
def test_intervals_hold_for_new_images_too(rows: int, factor: int) -> None:
    """Rows that do equally well on new images, but not on those that happen to be in the sample; 200 boards."""
    rng = np.random.default_rng(9)
    covered: list[float] = []
    split = 0
    for _ in range(200):
        noise = np.ones(rows) if factor == 1 else rng.uniform(0.5, 0.5 * factor, rows)
        board = board_of_images(simulated_images(rows, 3, 400, noise, rng))
        students = [r for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
        gaps = [student.to_default for student in students]
        covered.append(covering(gaps))
        split += any(r.rank_interval != (1, len(students)) for r in students if r.rank_interval)
    assert abs(np.mean(covered) - 0.95) < 4 * np.std(covered) / 200**0.5
    assert split / 200 < 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_a_row_whose_images_flip_more_has_more_noise() -> None:
    """By its seeds alone it could scatter as the others do."""
    rng = np.random.default_rng(2)
    noise = np.array([1.0] * 12 + [0.3, 3.0])
    board = board_of_images(simulated_images(14, 3, 1000, noise, rng))
    students = {r.id: r for r in settled(board.rows, board.task, board.policy)}

    def width(name: str) -> float:
        gap = students[name].to_default
        assert gap is not None and gap.low is not None and gap.high is not None
        return gap.high - gap.low

    assert width("s12") < width("s05") < width("s13")


def test_held_out_images_are_a_source_of_chance_too() -> None:
    """Two rows that differ on the same images in every seed: another sample of images would decide otherwise."""
    rng = np.random.default_rng(4)
    easy = rng.random((3, 400)) < 0.98

    def board(flipped: int, images: bool = True) -> Leaderboard:
        """Each row is wrong on ten images of its own."""
        tables = []
        for n in range(6):
            right = easy.copy()
            right[:, 40 * n : 40 * n + flipped] = False
            tables.append(right)
        made = board_of([[float(seed.mean()) for seed in table] for table in tables], images=400)
        if not images:
            return made
        rows = {row.id: with_images(row, tables[int(row.id[1:])]) for row in made.rows}
        return made.with_rows(rows[row.id] for row in made.rows)

    def width(board: Leaderboard) -> float:
        gap = next(r.to_default for r in settled(board.rows, board.task, board.policy) if r.id == "s03")
        assert gap is not None and gap.low is not None and gap.high is not None
        return gap.high - gap.low

    assert width(board(10)) > 1.5 * width(board(10, images=False))
    assert width(board(0)) == pytest.approx(width(board(0, images=False)), rel=0.2)


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
    assert found["s01"].rank_interval is found["s03"].rank_interval is None  # the first rank, for both
    assert found["s02"].rank_interval is found["s04"].rank_interval is None
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
