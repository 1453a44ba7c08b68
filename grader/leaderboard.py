"""The leaderboard's rules: what it holds, who stands where. How its file is kept: `grader.ledger`.

Ranking rules
1. Ranked are students whose verdict is `ok` or `diverged`, by mean accuracy over their seeds (or by the
   scheduler's contribution, where the task says so), highest first. Equal means share a rank, and the next
   rank counts all above it (1, 2, 2, 4); among them, who was graded earlier stands first.
2. References and the default scheduler stand in the same order, without a rank.
3. Rows without a score come last, by id. A score is never missing because of us: a verdict
   `internal` does not replace an earlier row of the same submission.
4. Which of a submission's gradings counts is the task's choice: see `grader.history`.
"""

import hashlib
import math
from collections.abc import Iterable

from grader import history, standing
from grader.board import BoardTask, Hardware, Kind, Leaderboard, Row, Versions, now
from grader.recipe import canonical
from grader.task import RankBy, Task, TaskFacts
from grader.training import TrainerInfo

#: Fields of a board's task that decide whether two scores may be compared.
_IDENTITY = ("name", "model_hash", "data_hash", "seeds")


def header(task: Task, facts: TaskFacts, trainer: TrainerInfo) -> Leaderboard:
    """An empty board for a task on this machine."""
    import os
    import platform

    from grader import __version__

    return Leaderboard(
        task=BoardTask(
            name=task.name,
            description=task.description,
            model_hash=facts.model_hash,
            data_hash=facts.data_hash,
            n_train=facts.n_train,
            n_test=facts.n_test,
            seeds=task.seeds,
            time_limit_s=task.time_limit_s,
            counts=task.leaderboard.counts,
            ranking=task.ranking,
            points=task.points,
        ),
        hardware=Hardware(device=trainer.device, processor=trainer.processor, cores=os.cpu_count() or 1),
        versions=Versions(
            grader=__version__,
            trainer=trainer.version,
            torch=trainer.torch,
            torchvision=trainer.torchvision,
            python=platform.python_version(),
        ),
        updated=now(),
    )


def ranked(rows: Iterable[Row], by: RankBy = RankBy.ACCURACY) -> tuple[Row, ...]:
    """Rows in order, with their ranks, by the module's rules."""

    def comparable(row: Row) -> float:
        """The score without the last bits of its summation, so that equal scores are equal."""
        return round(history.points_of(row, by), 12)

    def placed(row: Row, rank: int | None) -> Row:
        """With its rank; what other rows decide as well is for `settled`."""
        return row.model_copy(update={**standing.BLANK, "rank": rank})

    scored: list[Row] = []
    unscored: list[Row] = []
    for row in rows:
        (scored if row.scored else unscored).append(row)
    scored.sort(key=lambda r: (-comparable(r), r.kind is not Kind.STUDENT, r.graded, r.id))
    result: list[Row] = []
    students, rank, last = 0, 0, math.inf
    for row in scored:
        if row.kind is not Kind.STUDENT:
            result.append(placed(row, None))
            continue
        students += 1
        if comparable(row) != last:
            rank, last = students, comparable(row)
        result.append(placed(row, rank))
    unscored.sort(key=lambda r: (r.kind is not Kind.STUDENT, r.id))
    return (*result, *(placed(row, None) for row in unscored))


def settled(board: Leaderboard) -> Leaderboard:
    """The board with what only all rows together can tell: ranks, differences, ties (`grader.standing`)."""
    rows = ranked(board.rows, board.task.ranking.by)
    return board.model_copy(update={"rows": standing.settled(rows, board.task)})


def other_in(there: BoardTask, here: BoardTask) -> list[str]:
    """What makes the scores of two boards incomparable; nothing where they may stand on one."""
    changed = [n.removesuffix("_hash") for n in _IDENTITY if getattr(there, n) != getattr(here, n)]
    if there.ranking.public_share != here.ranking.public_share:
        changed.append("public_share")
    return changed


def identity(task: BoardTask) -> str:
    """SHA-256 of what makes scores comparable."""
    parts = {name: getattr(task, name) for name in _IDENTITY} | {"public_share": task.ranking.public_share}
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
