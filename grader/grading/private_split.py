"""The final ranking: the same gradings, scored on the held-out images that the board never showed."""

from pathlib import Path
from statistics import fmean

from grader.core.errors import UsageError
from grader.core.statistics import score
from grader.core.task import public_count
from grader.grading.logs import read_finals
from grader.leaderboard.models import Leaderboard, Row
from grader.leaderboard.ranking import settled


def final_board(board: Leaderboard, results: Path) -> Leaderboard:
    """The board by the withheld scores, which lie in `results`. Raises UsageError where there are none."""
    share = board.task.ranking.public_share
    shown = public_count(board.task.n_test, share)
    if shown == board.task.n_test:
        raise UsageError("this task withholds nothing: set public_share below 1 in [ranking] and grade again")
    missing: list[str] = []
    rows = [_row(row, results / board.task.name, missing) for row in board.rows]
    if missing:
        named = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        raise UsageError(f"{results} holds no final scores of {named}: name the folder with --results, or run again")
    task = board.task.model_copy(update={"n_test": board.task.n_test - shown})
    return settled(board.model_copy(update={"rows": tuple(rows), "task": task}))


def _row(row: Row, results: Path, missing: list[str]) -> Row:
    if not row.scored:
        return row
    known = read_finals(results, row.kind, row.id)
    finals = {final.seed: final for final in known.gradings.get(row.submission, ())} if known else {}
    if any(seed.seed not in finals for seed in row.seeds):
        missing.append(row.id)
        return row
    seeds = tuple(
        seed.model_copy(update={"accuracy": finals[seed.seed].accuracy, "constant": finals[seed.seed].constant})
        for seed in row.seeds
    )
    mean, error = score(seed.accuracy for seed in seeds if seed.accuracy is not None)
    constants = [seed.constant for seed in seeds if seed.constant is not None]
    return row.model_copy(
        update={
            "accuracy": mean,
            "standard_error": error,
            "seeds": seeds,
            "constant": fmean(constants) if len(constants) == len(seeds) else None,
        }
    )
