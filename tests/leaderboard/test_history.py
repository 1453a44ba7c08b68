"""Which grading counts: latest or best, re-grades, faults of ours, and that nothing is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.core.task import Counting, Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow, RankingPolicy, SeedScore
from grader.leaderboard.ranking import header
from grader.leaderboard.storage import BoardWriter
from support.gradings import TRAINER, graded, keep, under


@pytest.fixture
def empty(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], TRAINER)


def play(path: Path, empty: Leaderboard, rule: Counting, *gradings: GradedRow) -> RankedRow:
    for grading in gradings:
        writer = BoardWriter(path, under(empty, rule))
        assert writer.add(grading) == []
        board = writer.settle()
    return board.rows[0]


def test_the_latest_counts_and_the_others_are_kept(tmp_path: Path, empty: Leaderboard) -> None:
    row = play(tmp_path / "b.json", empty, Counting.LATEST, graded("a", 0.9, 1), graded("b", 0.8, 2))
    assert (row.accuracy, row.number, row.rank) == (0.8, 2, 1)
    assert [(g.accuracy, g.number, g.regraded) for g in row.history] == [(0.9, 1, False)]


def test_the_best_counts_where_the_task_says_so(tmp_path: Path, empty: Leaderboard) -> None:
    gradings = (graded("a", 0.7, 1), graded("b", 0.9, 2), graded("c", None, 3, Verdict.CRASH), graded("d", 0.9, 4))
    row = play(tmp_path / "b.json", empty, Counting.BEST, *gradings)
    assert (row.accuracy, row.number) == (0.9, 2)  # of equals, the earlier
    assert [g.number for g in row.history] == [1, 3, 4]


def test_the_latest_counts_even_where_it_fails(tmp_path: Path, empty: Leaderboard) -> None:
    row = play(tmp_path / "b.json", empty, Counting.LATEST, graded("a", 0.9, 1), graded("b", None, 2, Verdict.CONTRACT))
    assert (row.verdict, row.rank, row.history[0].accuracy) == (Verdict.CONTRACT, None, 0.9)


def test_a_regrade_keeps_and_marks_the_old_score(tmp_path: Path, empty: Leaderboard) -> None:
    row = play(tmp_path / "b.json", empty, Counting.BEST, graded("a", 0.9, 1), graded("a", 0.6, 2))
    assert (row.accuracy, row.number) == (0.6, 2)
    assert [(g.accuracy, g.regraded) for g in row.history] == [(0.9, True)]


def test_a_void_score_gives_way_to_the_best_of_the_rest(tmp_path: Path, empty: Leaderboard) -> None:
    gradings = (graded("a", 0.7, 1), graded("b", 0.9, 2), graded("b", 0.6, 3))
    row = play(tmp_path / "b.json", empty, Counting.BEST, *gradings)
    assert (row.accuracy, row.number, row.submission) == (0.7, 1, "a")
    assert [(g.number, g.regraded) for g in row.history] == [(2, True), (3, False)]


def test_the_same_grading_again_is_no_other_one(tmp_path: Path, empty: Leaderboard) -> None:
    row = play(tmp_path / "b.json", empty, Counting.LATEST, graded("a", 0.9, 1), graded("a", 0.9, 2))
    assert (row.history, row.number, row.graded) == ((), 1, "2024-02-01T00:00:00+00:00")


def test_what_came_from_the_cache_keeps_what_graded_it(tmp_path: Path, empty: Leaderboard) -> None:
    def by(environment: str, day: int, device: str = "cpu") -> GradedRow:
        return GradedRow.model_validate({**dict(graded("a", 0.9, day)), "environment": environment, "device": device})

    row = play(tmp_path / "b.json", empty, Counting.LATEST, by("one", 1), by("two", 2))
    assert (row.environment, row.graded) == ("one", "2024-02-01T00:00:00+00:00")
    row = play(tmp_path / "b.json", empty, Counting.LATEST, by("three", 3, "another kind"))
    assert (row.environment, row.device) == ("three", "another kind")


def test_going_back_to_former_files_is_a_grading_of_its_own(tmp_path: Path, empty: Leaderboard) -> None:
    gradings = (graded("a", 0.9, 1), graded("b", 0.8, 2), graded("a", 0.9, 3))
    row = play(tmp_path / "b.json", empty, Counting.LATEST, *gradings)
    assert (row.accuracy, row.number) == (0.9, 3)
    assert [(g.accuracy, g.regraded) for g in row.history] == [(0.9, True), (0.8, False)]


def test_our_fault_keeps_the_former_row(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    row = play(path, empty, Counting.LATEST, graded("a", 0.9, 1), graded("b", None, 2, Verdict.INTERNAL))
    assert (row.accuracy, row.history) == (0.9, ())
    row = play(path, empty, Counting.LATEST, graded("b", 0.5, 3))
    assert (row.accuracy, row.number) == (0.5, 2)


def test_our_fault_leaves_no_trace_once_graded(tmp_path: Path, empty: Leaderboard) -> None:
    row = play(tmp_path / "b.json", empty, Counting.LATEST, graded("a", None, 1, Verdict.INTERNAL), graded("a", 0.9, 2))
    assert (row.accuracy, row.number, row.history) == (0.9, 1, ())


def test_a_changed_rule_counts_anew(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    play(path, empty, Counting.LATEST, graded("a", 0.9, 1), graded("b", 0.8, 2))
    board = BoardWriter(path, under(empty, Counting.BEST)).settle()
    assert (board.rows[0].accuracy, board.rows[0].number) == (0.9, 1)
    board = BoardWriter(path, under(empty, Counting.LATEST)).settle()
    assert (board.rows[0].accuracy, board.rows[0].number) == (0.8, 2)


def test_every_row_has_a_line_of_its_own(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    keep(path, empty, graded("a", 0.9, 1), graded("b", 0.8, 2, name="bo"))
    before = path.read_text().splitlines()
    keep(path, empty, graded("c", 0.8, 3, name="bo"))
    after = path.read_text().splitlines()
    head = ' "updated"'
    changed = [new for old, new in zip(before, after, strict=True) if old != new and not old.startswith(head)]
    assert len(changed) == 1
    assert '"bo"' in changed[0]


def seeded(row: GradedRow, *scores: tuple[float | None, Verdict]) -> GradedRow:
    seeds = tuple(SeedScore(seed=s, verdict=v, accuracy=a, seconds=1) for s, (a, v) in enumerate(scores))
    bad = next((v for _, v in scores if not v.ranked), Verdict.DIVERGED)
    worst = next((v for _, v in scores if v is not Verdict.OK), Verdict.OK)
    return row.model_copy(update={"seeds": seeds, "verdict": bad if not bad.ranked else worst})


def test_a_seed_more_is_no_other_grading_and_never_costs_the_score() -> None:
    from grader.leaderboard.history import merged

    ok, diverged, timeout = Verdict.OK, Verdict.DIVERGED, Verdict.TIMEOUT
    two = seeded(graded("a", 0.8, 1), (0.8, ok), (0.8, ok))
    three = seeded(graded("a", 0.7, 2), (0.8, ok), (0.8, ok), (0.5, diverged))
    failed_ = seeded(graded("a", None, 3, timeout), (0.8, ok), (0.8, ok), (None, timeout))
    for rule in Counting:
        assert merged(two, failed_, RankingPolicy(counts=rule)).seeds == two.seeds
        more = merged(two, three, RankingPolicy(counts=rule))
        assert (more.seeds, more.history, more.number) == (three.seeds, (), 1)
        assert merged(more, two, RankingPolicy(counts=rule)) == more
