"""The final ranking: the same gradings, scored on the held-out images that the board never showed."""

from pathlib import Path
from statistics import fmean

from grader.core.errors import UsageError
from grader.core.statistics import score
from grader.grading.logs import read_private_scores
from grader.leaderboard.models import BoardTask, GradedRow, Leaderboard, RankedRow, SeedScore, Standing
from grader.leaderboard.ranking import settled


def final_board(board: Leaderboard, results: Path) -> Leaderboard:
    """The board by the withheld scores, which lie in `results`. Raises UsageError where there are none."""
    shown = board.task.n_shown
    if shown == board.task.n_test:
        raise UsageError("this task withholds nothing: set public_share below 1 in [ranking] and grade again")
    missing: list[str] = []
    rows = [_row(row, results / board.task.name, missing) for row in board.rows]
    if missing:
        named = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        raise UsageError(f"{results} holds no final scores of {named}: name the folder with --results, or run again")
    final = Leaderboard(
        task=BoardTask(**{**dict(board.task), "n_test": board.task.n_test - shown}),
        environment=board.environment,
        environments=board.environments,
        updated=board.updated,
    )
    return settled(final.with_rows(RankedRow.placed(row, Standing()) for row in rows))


def _row(row: GradedRow, results: Path, missing: list[str]) -> GradedRow:
    if not row.scored:
        return row
    known = read_private_scores(results, row.kind, row.id)
    finals = {score.seed: score for score in known.gradings.get(row.submission, ())} if known else {}
    if any(seed.seed not in finals for seed in row.seeds):
        missing.append(row.id)
        return row
    seeds = tuple(
        SeedScore(
            seed=seed.seed,
            verdict=seed.verdict,
            accuracy=finals[seed.seed].accuracy,
            seconds=seed.seconds,
            baseline=finals[seed.seed].baseline,
        )
        for seed in row.seeds
    )
    mean, error = score(seed.accuracy for seed in seeds if seed.accuracy is not None)
    baselines = [seed.baseline for seed in seeds if seed.baseline is not None]
    return row.rescored(
        seeds, accuracy=mean, standard_error=error, baseline=fmean(baselines) if len(baselines) == len(seeds) else None
    )
