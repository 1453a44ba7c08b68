"""Gradings and boards for the tests of the leaderboard."""

from __future__ import annotations

from pathlib import Path

from grader.core.environment import TrainerInfo
from grader.core.kind import Kind
from grader.core.task import Counting
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard, Row, SeedScore
from grader.leaderboard.storage import Ledger

TRAINER = TrainerInfo(version="1", torch="2", torchvision="0", device="cpu", processor="x")


def row(name: str, accuracy: float | None = 0.5, verdict: Verdict = Verdict.OK, kind: Kind = Kind.STUDENT) -> Row:
    return Row(
        id=name, kind=kind, team=("A",), verdict=verdict, accuracy=accuracy, device="cpu",
        graded="2024-02-19T00:00:00+00:00",
    )  # fmt: skip


def keep(path: Path, empty: Leaderboard, *rows: Row) -> tuple[Leaderboard, list[str]]:
    """The board after one run that graded `rows`, and what was remarked."""
    ledger = Ledger(path, empty)
    remarks = [remark for row in rows for remark in ledger.add(row)]
    return ledger.settle(), remarks


def graded(files: str, accuracy: float | None, day: int, verdict: Verdict = Verdict.OK, name: str = "ada") -> Row:
    seeds = (SeedScore(seed=0, verdict=verdict, accuracy=accuracy, seconds=day),)
    return Row(
        id=name, kind=Kind.STUDENT, team=("Ada",), verdict=verdict, accuracy=accuracy, seeds=seeds, submission=files,
        graded=f"2024-02-{day:02}T00:00:00+00:00", device="cpu",
    )  # fmt: skip


def under(board: Leaderboard, rule: Counting) -> Leaderboard:
    return board.model_copy(update={"task": board.task.model_copy(update={"counts": rule})})
