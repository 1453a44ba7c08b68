"""Scores of different kinds of device are not ranked together, wherever they meet: on a board, in a history."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from grader.cli.progress import print_board
from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.task import Counting, Task, TaskFacts
from grader.leaderboard.explain import explain
from grader.leaderboard.models import GradedRow, Leaderboard
from grader.leaderboard.points import awards
from grader.leaderboard.ranking import header
from grader.leaderboard.seed_allocation import wanting
from grader.leaderboard.storage import BoardWriter, read
from grader.publish.names import Names
from grader.publish.public import public
from grader.publish.site import Site
from support.gradings import TRAINER, environment, graded, under

GPU = "NVIDIA H100 80GB HBM3"


def on(device: str, row: GradedRow, kind: Kind = Kind.STUDENT) -> GradedRow:
    return row.model_copy(update={"device": device, "kind": kind})


@pytest.fixture
def cpu(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], TRAINER)


@pytest.fixture
def gpu(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], environment(GPU))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "b.json"


def run(path: Path, head: Leaderboard, *rows: GradedRow) -> Leaderboard:
    ledger = BoardWriter(path, head)
    for row in rows:
        ledger.add(row)
    return ledger.settle()


def ranks(board: Leaderboard) -> list[tuple[str, int | None]]:
    return [(row.id, row.rank) for row in board.rows]


def both(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> Leaderboard:
    """Three were graded on a CPU, and one of them again on a GPU, with the default scheduler."""
    default = graded("k", 0.6, 1, name="constant")
    run(path, cpu, *(on("cpu", graded(n, 0.7 + i / 10, 1, name=n)) for i, n in enumerate("abc")))
    return run(path, gpu, on(GPU, graded("a", 0.65, 2, name="a")), on(GPU, default, Kind.DEFAULT))


def test_what_another_kind_of_device_gave_is_not_ranked(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    board = both(path, cpu, gpu)
    assert ranks(board) == [("a", 1), ("constant", None), ("c", None), ("b", None)]
    there = read(path)
    assert there is not None
    assert ranks(there) == ranks(board)
    rows = {row.id: row for row in board.rows}
    assert rows["a"].to_default is not None
    row = rows["c"]
    assert [row.to_default, row.beats_default, row.to_next, row.rank_interval] == [None] * 4
    assert rows["c"].accuracy == pytest.approx(0.9)
    assert not {row.id for row in wanting(board)} & {"b", "c"}


def test_graded_again_on_one_kind_all_are_ranked(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    both(path, cpu, gpu)
    board = run(path, gpu, *(on(GPU, graded(n, 0.5, 3, name=n)) for n in "bc"))
    assert ranks(board) == [("a", 1), ("constant", None), ("b", 2), ("c", 2)]


def test_a_task_may_mix_kinds(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    def mixing(head: Leaderboard) -> Leaderboard:
        ranking = head.task.ranking.model_copy(update={"mix_device_kinds": True})
        return head.model_copy(update={"task": head.task.model_copy(update={"ranking": ranking})})

    board = both(path, mixing(cpu), mixing(gpu))
    assert ranks(board) == [("c", 1), ("b", 2), ("a", 3), ("constant", None)]


def test_the_best_of_a_history_is_that_of_the_last_kind(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    best = Counting.BEST
    run(path, under(cpu, best), on("cpu", graded("one", 0.9, 1)))
    board = run(path, under(gpu, best), on(GPU, graded("two", 0.8, 2)), on(GPU, graded("three", 0.7, 3)))
    assert [(r.submission, r.rank) for r in board.rows] == [("two", 1)]


def test_everywhere_it_is_said_why_there_is_no_rank(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    board = both(path, cpu, gpu)
    row = next(row for row in board.rows if row.id == "c")
    assert any(line.startswith("No rank: it was trained on cpu") and GPU in line for line in explain(row, board, "b"))
    text = io.StringIO()
    print_board(Console(file=text), board)
    assert f"2 row(s) have no rank: they were trained on cpu, and ranked here is what {GPU} gave" in text.getvalue()
    site = path.parent / "site"
    Site(site).write(public(board, Names()))
    assert (site / "index.html").read_text().count("on cpu") == 2
    (page,) = (site / "s").glob("c-*.html")
    assert "Trained on cpu" in page.read_text()
    assert "default scheduler" not in page.read_text()  # its curve is of another kind


def test_points_compare_on_one_kind_only(path: Path, cpu: Leaderboard, gpu: Leaderboard) -> None:
    board = both(path, cpu, gpu)
    points = {row.id: [award.score for award in awards(row, board)] for row in board.rows if row.kind is Kind.STUDENT}
    assert points == {"a": [1.0, 1.0], "b": [1.0, 0.0], "c": [1.0, 0.0]}
    back = run(path, cpu, on("cpu", graded("a", 0.7, 4, name="a")))
    with pytest.raises(UsageError, match="no score on this leaderboard on cpu"):
        awards(back.rows[0], back)
