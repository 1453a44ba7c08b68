"""Scores over several workloads: the three rules, their intervals, and the performance profile."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from grader.core.image_bits import ImageBits
from grader.core.kind import Kind
from grader.core.task import FailedWorkload, RankBy, Ranking
from grader.leaderboard import workloads
from grader.leaderboard.history import merged
from grader.leaderboard.models import GradedRow, SeedScore, WorkloadScore
from grader.leaderboard.ranking import identity, other_in
from grader.leaderboard.significance import Comparison
from support.several import WEIGHTS, board, board_task, guessing, references, row


def test_accuracy_is_the_weighted_mean_seed_by_seed() -> None:
    found = row("ada", {"small": [0.8, 0.9], "large": [0.4, 0.6]})
    assert [seed.accuracy for seed in found.seeds] == pytest.approx([0.5, 0.675])
    assert found.accuracy == pytest.approx(0.5875)


def test_the_share_of_the_gap_is_between_the_default_and_the_best_reference_of_each_workload() -> None:
    students = [
        row("ada", {"small": [0.90, 0.90], "large": [0.64, 0.64]}),  # the best reference's on both
        row("bob", {"small": [0.85, 0.85], "large": [0.62, 0.62]}),  # half of both gaps
        row("cyd", {"small": [0.70, 0.70], "large": [0.68, 0.68]}),  # one gap lost, the other closed twice
    ]
    found = {r.id: r for r in board([*students, *references()], RankBy.GAP_CLOSED).rows}
    assert found["constant"].score == pytest.approx(0.0)
    assert found["ada"].score == pytest.approx(1.0)
    assert found["bob"].score == pytest.approx(0.5)
    assert found["cyd"].score == pytest.approx(0.25 * -1 + 0.75 * 2)
    assert [found[name].rank for name in ("cyd", "ada", "bob")] == [1, 2, 3]
    assert found["ada"].to_next is not None
    assert found["ada"].to_next.mean == pytest.approx(0.5)


def test_a_gap_that_is_hardly_there_counts_as_a_point() -> None:
    close = [
        row("constant", {"small": [0.800, 0.800], "large": [0.60, 0.60]}, Kind.DEFAULT),
        row("cosine", {"small": [0.801, 0.801], "large": [0.64, 0.64]}, Kind.REFERENCE),
    ]
    ada = row("ada", {"small": [0.81, 0.81], "large": [0.60, 0.60]})
    found = {r.id: r for r in board([ada, *close], RankBy.GAP_CLOSED).rows}
    assert found["ada"].score == pytest.approx(0.25 * 0.01 / workloads.LEAST_GAP)


def test_without_a_default_the_rule_cannot_be_applied_and_rows_stand_by_accuracy() -> None:
    rows = [
        row("ada", {"small": [0.9, 0.9], "large": [0.6, 0.6]}),
        row("bob", {"small": [0.7, 0.7], "large": [0.8, 0.8]}),
    ]
    found = board([*rows, references()[1]], RankBy.GAP_CLOSED).rows
    assert {r.score for r in found} == {None}
    assert [(r.id, r.rank) for r in found if r.kind is Kind.STUDENT] == [("bob", 1), ("ada", 2)]


def test_the_mean_rank_is_over_workloads_and_seeds_and_equals_share_it() -> None:
    students = [
        row("ada", {"small": [0.95, 0.84], "large": [0.62, 0.70]}),
        row("bob", {"small": [0.70, 0.70], "large": [0.90, 0.90]}),
    ]
    found = {r.id: r for r in board([*students, *references()], RankBy.MEAN_RANK).rows}
    # small: ada 1 and 3 of (ada, bob, constant .80, cosine .90, step .85); large: 3.5 (with cosine) and 2
    assert found["ada"].score == pytest.approx(0.25 * (1 + 3) / 2 + 0.75 * (3.5 + 2) / 2)
    assert found["bob"].score == pytest.approx(0.25 * 5 + 0.75 * 1)
    assert found["bob"].rank == 1
    assert found["ada"].rank == 2
    assert found["bob"].to_next is not None
    assert found["ada"].score is not None
    assert found["bob"].score is not None
    assert found["bob"].to_next.mean == pytest.approx(found["ada"].score - found["bob"].score)
    order = [r.id for r in board([*students, *references()], RankBy.MEAN_RANK).rows]
    scores = [found[name].score for name in order]
    assert scores == sorted(scores, key=lambda s: s or 0.0)


@pytest.mark.parametrize("by", [RankBy.ACCURACY, RankBy.GAP_CLOSED, RankBy.MEAN_RANK])
def test_equal_rows_are_rarely_told_apart_whatever_the_rule(by: RankBy) -> None:
    """Of 200 boards with twelve equal students: at most 5 % split them; bound four standard deviations wide."""
    rng = np.random.default_rng(3)
    split = 0
    for _ in range(200):
        shift = rng.normal(0, 0.01, (2, 2))

        def noisy(accuracy: float, workload: int, common: np.ndarray = shift) -> list[float]:
            noise = rng.normal(0, (0.004, 0.012)[workload], 2)
            return [float(v) for v in accuracy + common[workload] + noise]

        rows = [row(f"s{n:02}", {"small": noisy(0.8, 0), "large": noisy(0.6, 1)}) for n in range(12)]
        rows.append(row("constant", {"small": noisy(0.75, 0), "large": noisy(0.5, 1)}, Kind.DEFAULT))
        rows.append(row("cosine", {"small": noisy(0.8, 0), "large": noisy(0.6, 1)}, Kind.REFERENCE))
        students = [r for r in board(rows, by).rows if r.kind is Kind.STUDENT]
        split += any(r.rank_interval != (1, 12) for r in students)
    assert split / 200 < 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_a_profile_says_on_how_many_workloads_a_row_is_near_the_best() -> None:
    third = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    rows = [
        row("ada", {"a": [0.9], "b": [0.8], "c": [0.5]}),
        row("bob", {"a": [0.8], "b": [0.8], "c": [0.9]}),
    ]
    task = board_task(third, RankBy.ACCURACY, [0])
    found = workloads.profiles(rows, task)
    ada, bob = found[Kind.STUDENT, "ada"], found[Kind.STUDENT, "bob"]
    assert list(ada[0]) == pytest.approx([1.0, 2 / 3])
    assert [x for x, _ in ada] == pytest.approx([1.0, 5.0])  # an error of 50 % where the best has 10 %
    assert ada[-1][1] == bob[-1][1] == 1.0
    assert [x for x, _ in bob] == pytest.approx([1.0, 2.0])


def test_boards_of_other_workloads_or_weights_are_not_mixed() -> None:
    here = board_task(WEIGHTS, RankBy.ACCURACY)
    there = board_task({"small": 0.5, "large": 0.5}, RankBy.ACCURACY)
    assert other_in(there, here) == ["workloads"]
    assert identity(there) != identity(here)
    assert other_in(here, here) == []


def test_a_further_seed_that_fails_on_a_workload_takes_no_score_away() -> None:
    before = row("ada", {"small": [0.8, 0.8], "large": [0.7, 0.7]})
    longer = row("ada", {"small": [0.8, 0.8, 0.8], "large": [0.7, 0.7, 0.7]})
    after = guessing(longer, "large", seeds=3)
    after = GradedRow.model_validate({**dict(after), "recipe": "another, since nothing was trained on it"})
    policy = board([before, *references()], RankBy.ACCURACY).policy
    assert merged(before, after, policy) == before
    assert merged(before, longer, policy).number == 1


def test_a_row_that_guesses_widens_nobody_s_intervals() -> None:
    """Flipped images are known of all others; the one that guesses has none on that workload, and no chance."""
    rng = np.random.default_rng(5)
    rows = [
        row(f"s{n}", {"small": list(rng.normal(0.8, 0.01, 2)), "large": list(rng.normal(0.6, 0.01, 2))})
        for n in range(8)
    ]
    rows = [with_bits(one, rng) for one in [*rows, references()[0]]]
    task = board_task(WEIGHTS, RankBy.ACCURACY)
    alone = Comparison(rows, task)
    together = Comparison([*rows, guessing(row("lazy", {"small": [0.8, 0.81], "large": [0.6, 0.6]}), "large")], task)
    assert alone.flip_noise(rows[0]) == together.flip_noise(rows[0]) > 0
    with_lazy = Comparison([*rows, with_bits(guessing(rows[0], "large"), rng, only="small")], task)
    assert with_lazy.flip_noise(rows[0]) > 0


def test_failing_on_purpose_cannot_gain_a_contribution() -> None:
    with pytest.raises(ValidationError, match="would gain by failing"):
        Ranking(by=RankBy.CONTRIBUTION, failed_workload=FailedWorkload.GUESSING)


def with_bits(made: GradedRow, rng: np.random.Generator, only: str = "") -> GradedRow:
    """The row with random images that are right."""
    scores = tuple(
        one
        if only not in ("", one.name)
        else WorkloadScore.model_validate(
            {**dict(one), "seeds": tuple(
                SeedScore.model_validate({**dict(s), "right": ImageBits.of(rng.random(1000) < (s.accuracy or 0))})
                for s in one.seeds
            )}
        )
        for one in made.workloads
    )  # fmt: skip
    return GradedRow.model_validate({**dict(made), "workloads": scores})
