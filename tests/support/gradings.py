"""Gradings and boards for the tests of the leaderboard."""

from __future__ import annotations

from pathlib import Path

from grader.core.environment import Environment
from grader.core.kind import Kind
from grader.core.task import Counting
from grader.core.verdict import Verdict
from grader.leaderboard.models import GradedRow, Leaderboard, SeedScore
from grader.leaderboard.storage import BoardWriter


def environment(device: str = "cpu") -> Environment:
    return Environment(
        device=device, processor="x", cores=2, python="3.11", torch="2", torchvision="0", libraries=(), trainer="1",
        grader="0", commit="",
    )  # fmt: skip


TRAINER = environment()


def row(name: str, accuracy: float | None = 0.5, verdict: Verdict = Verdict.OK, kind: Kind = Kind.STUDENT) -> GradedRow:
    return GradedRow(
        id=name, kind=kind, team=("A",), verdict=verdict, accuracy=accuracy, device="cpu",
        graded="2024-02-19T00:00:00+00:00",
    )  # fmt: skip


def keep(path: Path, empty: Leaderboard, *rows: GradedRow) -> tuple[Leaderboard, list[str]]:
    """The board after one run that graded `rows`, and what was remarked."""
    writer = BoardWriter(path, empty)
    remarks = [remark for row in rows for remark in writer.add(row)]
    return writer.settle(), remarks


def graded(files: str, accuracy: float | None, day: int, verdict: Verdict = Verdict.OK, name: str = "ada") -> GradedRow:
    seeds = (SeedScore(seed=0, verdict=verdict, accuracy=accuracy, seconds=day),)
    return GradedRow(
        id=name, kind=Kind.STUDENT, team=("Ada",), verdict=verdict, accuracy=accuracy, seeds=seeds, submission=files,
        graded=f"2024-02-{day:02}T00:00:00+00:00", device="cpu",
    )  # fmt: skip


def under(board: Leaderboard, rule: Counting) -> Leaderboard:
    return board.model_copy(update={"task": board.task.model_copy(update={"counts": rule})})
