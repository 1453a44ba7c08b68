"""The leaderboard: a JSON file with a schema version, changed only under a lock and as a whole.

Ranking rules
1. Ranked are students whose verdict is `ok` or `diverged`, by mean accuracy over their seeds (or by the
   scheduler's contribution, where the task says so), highest first. Equal means share a rank, and the next
   rank counts all above it (1, 2, 2, 4); among them, who was graded earlier stands first.
2. References and the default scheduler stand in the same order, without a rank.
3. Rows without a score come last, by id. A score is never missing because of us: a verdict
   `internal` does not replace an earlier row of the same submission.
4. Which of a submission's gradings counts is the task's choice: see `grader.history`.
"""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from grader import history, standing, strict_json
from grader.board import BoardTask, Hardware, Kind, Leaderboard, Row, Versions, now
from grader.errors import SetupError, UsageError
from grader.files import write_atomically
from grader.task import RankBy, Task, TaskFacts
from grader.training import TrainerInfo

_MAX_BYTES = 1 << 30
_LOCK_SECONDS = 60.0


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


def settle(path: Path) -> Leaderboard | None:
    """Write the settled board, where there is one. Raises SetupError."""
    with _locked(path):
        board = read(path)
        if board is not None:
            board = settled(board)
            write_atomically(path, _text(board))
        return board


def read(path: Path) -> Leaderboard | None:
    """The board at `path`; None where there is none. Raises SetupError where it is damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    try:
        strict_json.parse(data, _MAX_BYTES)
        return Leaderboard.model_validate_json(data)
    except (strict_json.JsonError, ValidationError) as error:
        raise SetupError(f"{path} is not a leaderboard of this version: {str(error).splitlines()[0]}") from None


def board_at(path: Path) -> Leaderboard:
    """The settled board at `path`, for showing. Raises UsageError where there is none, else as `read` does."""
    board = read(path)
    if board is None:
        raise UsageError(f"there is no leaderboard at {path}: grader run makes one")
    return settled(board)


def check_fits(path: Path, empty: Leaderboard) -> None:
    """Raise UsageError where the file holds the scores of another task, which must not be mixed."""
    try:
        there = read(path)
    except SetupError:
        return  # kept aside when it is next written
    if there is not None and _other(there, empty):
        names = ("name", "model_hash", "data_hash", "seeds")
        changed = [n.removesuffix("_hash") for n in names if getattr(there.task, n) != getattr(empty.task, n)]
        if there.task.ranking.public_share != empty.task.ranking.public_share:
            changed.append("public_share")
        raise UsageError(
            f"{path} holds scores of another task (its {' and '.join(changed)} differ): move it away, or name another "
            f"file with --leaderboard {path.with_name(empty.task.name + '.json')}"
        )


def _other(a: Leaderboard, b: Leaderboard) -> bool:
    def identity(board: Leaderboard) -> tuple[object, ...]:
        task = board.task
        return task.name, task.model_hash, task.data_hash, task.seeds, task.ranking.public_share

    return identity(a) != identity(b)


def remove(path: Path, identities: Iterable[str]) -> list[str]:
    """Take students' rows off the board; the ids that were there. Raises SetupError or UsageError."""
    wanted = set(identities)
    with _locked(path):
        board = read(path)
        if board is None:
            raise UsageError(f"there is no leaderboard at {path}")
        gone = [r.id for r in board.rows if r.kind is Kind.STUDENT and r.id in wanted]
        kept = [r for r in board.rows if r.kind is not Kind.STUDENT or r.id not in wanted]
        write_atomically(path, _text(settled(board.model_copy(update={"rows": tuple(kept), "updated": now()}))))
    return gone


def _text(board: Leaderboard) -> str:
    """JSON with a line per row, so that versions of the file can be compared line by line."""
    head = board.model_dump_json(indent=1, exclude={"rows"}).removesuffix("\n}")
    rows = ",\n".join("  " + row.model_dump_json() for row in board.rows)
    return f'{head},\n "rows": [\n{rows}\n ]\n}}\n'


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise SetupError(f"{path} has been locked by another run for {_LOCK_SECONDS:g} s") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None


def update(path: Path, empty: Leaderboard, rows: Iterable[Row]) -> tuple[Leaderboard, str | None]:
    """Merge `rows` into the file at `path`, by kind and id. Two runs at once lose nothing.

    Returns the new board and a remark for the user, if a damaged file had to be kept aside.
    Raises SetupError where the file cannot be written.
    """
    with _locked(path):
        remark = None
        try:
            there = read(path)
        except SetupError as error:
            aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            path.rename(aside)
            there, remark = None, f"{error}; it is kept as {aside.name} and a new one begun"
        rule, limit, by = empty.task.counts, empty.task.ranking.max_gradings, empty.task.ranking.by
        former = there.rows if there and not _other(there, empty) else ()
        merged = {(r.kind, r.id): history.recounted(r, rule, limit, by) for r in former}
        for row in rows:
            key = (row.kind, row.id)
            merged[key] = history.merged(merged.get(key), row, rule, limit, by)
        board = empty.model_copy(update={"rows": ranked(merged.values(), by), "updated": now()})
        write_atomically(path, _text(board))
        return board, remark
