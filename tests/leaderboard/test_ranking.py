"""Ranking, merging, locking, damage."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from jsonschema import validate

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.statistics import score
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard, RankingPolicy
from grader.leaderboard.ranking import header, ranked
from grader.leaderboard.storage import BoardWriter, read
from support.gradings import TRAINER, keep, row

POLICY = RankingPolicy(device="cpu")


@pytest.fixture
def empty(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], TRAINER)


def test_ranks_are_shared_and_count_everybody_above() -> None:
    rows = [row("d", 0.6), row("b", 0.8), row("a", 0.9), row("c", 0.8), row("e", 0.6)]
    assert [(r.id, r.rank) for r in ranked(rows, POLICY)] == [("a", 1), ("b", 2), ("c", 2), ("d", 4), ("e", 4)]


def test_references_stand_among_students_without_a_rank() -> None:
    rows = [
        row("a", 0.9),
        row("cosine", 0.95, kind=Kind.REFERENCE),
        row("constant", 0.7, kind=Kind.DEFAULT),
        row("b", 0.6),
    ]
    assert [(r.id, r.rank) for r in ranked(rows, POLICY)] == [("cosine", None), ("a", 1), ("constant", None), ("b", 2)]


def test_rows_without_a_score_come_last_and_diverged_ones_do_not() -> None:
    rows = [
        row("a", None, Verdict.CONTRACT), row("b", 0.1, Verdict.DIVERGED), row("c", None, Verdict.INTERNAL),
        row("d", None, Verdict.TIMEOUT), row("e", 0.5),
    ]  # fmt: skip
    assert [(r.id, r.rank) for r in ranked(rows, POLICY)] == [("e", 1), ("b", 2), ("a", None), ("c", None), ("d", None)]


def test_the_mean_of_equal_scores_in_another_order_is_a_tie() -> None:
    a, b = score([0.1, 0.2, 0.7]), score([0.7, 0.1, 0.2])
    assert [r.rank for r in ranked([row("a", a[0]), row("b", b[0] + 1e-17)], POLICY)] == [1, 1]


def test_mean_and_standard_error() -> None:
    assert score([0.5]) == (0.5, None)
    mean, error = score([0.4, 0.5, 0.6])
    assert mean == pytest.approx(0.5)
    assert error == pytest.approx(0.1 / 3**0.5)


def test_a_student_may_bear_a_reference_s_name(tmp_path: Path, empty: Leaderboard) -> None:
    keep(tmp_path / "b.json", empty, row("cosine", 0.5, kind=Kind.REFERENCE))
    board, _ = keep(tmp_path / "b.json", empty, row("cosine", 0.6))
    assert len(board.rows) == 2


def test_our_own_failure_replaces_nobodys_row(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    keep(path, empty, row("a", 0.8))
    board, _ = keep(path, empty, row("a", None, Verdict.INTERNAL), row("b", None, Verdict.INTERNAL))
    assert [(r.id, r.verdict) for r in board.rows] == [("a", Verdict.OK), ("b", Verdict.INTERNAL)]


def test_the_file_fits_its_printed_schema(tmp_path: Path, empty: Leaderboard) -> None:
    keep(tmp_path / "b.json", empty, row("a"), row("b", None, Verdict.CRASH))
    data = json.loads((tmp_path / "b.json").read_text())
    validate(data, Leaderboard.model_json_schema(mode="serialization"))
    assert data["schema_version"] == 3
    assert read(tmp_path / "b.json") is not None


def _add(path: str, board_json: str, start: int) -> None:
    board = Leaderboard.model_validate_json(board_json)
    for n in range(start, start + 15):
        writer = BoardWriter(Path(path), board)
        writer.add(row(f"s{n}", n / 1000))
        writer.close()


def test_runs_at_the_same_time_lose_nothing(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(str(path), empty.model_dump_json(), 15 * n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    board = read(path)
    assert board is not None
    assert len(board.rows) == 60


@pytest.mark.parametrize("damage", ["", "{", '{"schema_version": 3}', "[]", '{"rows": []}'])
def test_a_damaged_board_is_kept_aside_and_said(tmp_path: Path, empty: Leaderboard, damage: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(damage)
    board, remarks = keep(path, empty, row("a"))
    assert [r.id for r in board.rows] == ["a"]
    (aside,) = tmp_path.glob("b.json.damaged-*")
    assert aside.name in remarks[0]
    assert aside.read_text() == damage


def test_scores_of_another_task_are_not_mixed(tmp_path: Path, empty: Leaderboard) -> None:
    path = tmp_path / "b.json"
    keep(path, empty, row("a"))
    other = empty.model_copy(update={"task": empty.task.model_copy(update={"name": "other"})})
    with pytest.raises(UsageError, match=r"--leaderboard .*other\.json"):
        BoardWriter(path, other)
