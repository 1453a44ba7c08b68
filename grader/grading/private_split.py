"""The final ranking: the same gradings, scored on the held-out images that the board never showed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.grading.logs import PrivateScore, read_private_scores
from grader.leaderboard.models import (
    BoardTask,
    BoardWorkload,
    GradedRow,
    Leaderboard,
    RankedRow,
    SeedScore,
    Standing,
    WorkloadScore,
)
from grader.leaderboard.ranking import settled
from grader.leaderboard.workloads import combined, means_of, weights

Finals: TypeAlias = Mapping[tuple[str, int], PrivateScore]  # by workload and seed


def final_board(board: Leaderboard, results: Path) -> Leaderboard:
    """The settled `board` by the withheld scores, which lie in `results`. Raises UsageError if there are none."""
    shown = board.task.n_shown
    if shown == board.task.n_test:
        raise UsageError("this task withholds nothing: set public_share below 1 in [ranking] and grade again")
    whole = [one.name for one in board.task.workloads if one.n_shown(board.task.ranking.public_share) == one.n_test]
    if whole:
        raise UsageError(f"workload {whole[0]} has too few held-out images to withhold some: lower public_share")
    missing: list[str] = []
    rows = [_row(row, board.task, results / board.task.name, missing) for row in board.rows]
    if missing:
        named = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        raise UsageError(f"{results} holds no final scores of {named}: name the folder with --results, or run again")
    final = Leaderboard(
        task=_withheld(board.task),
        environment=board.environment,
        environments=board.environments,
        updated=board.updated,
        decisions=board.decisions,
    )
    final = settled(final.with_rows(RankedRow.placed(row, Standing()) for row in rows))
    public = {row.id: row.rank for row in board.rows if row.kind is Kind.STUDENT}
    return final.with_rows(row.formerly(public.get(row.id) if row.kind is Kind.STUDENT else None) for row in final.rows)


def _withheld(task: BoardTask) -> BoardTask:
    """The task with the number of images that its board did not show."""
    share = task.ranking.public_share
    workloads = tuple(
        BoardWorkload(**{**dict(one), "n_test": one.n_test - one.n_shown(share)}) for one in task.workloads
    )
    return BoardTask(**{**dict(task), "n_test": task.n_test - task.n_shown, "workloads": workloads})


def _row(row: GradedRow, task: BoardTask, results: Path, missing: list[str]) -> GradedRow:
    if not row.scored:  # what it reached on single workloads is of the images that the board showed
        return row.rescored(row.seeds, accuracy=None, standard_error=None, baseline=None) if row.workloads else row
    known = read_private_scores(results, row.kind, row.id)
    gradings = known.gradings.get(row.submission, ()) if known else ()
    finals = {(score.workload, score.seed): score for score in gradings}
    workloads = tuple(one if one.guessing else _workload(one, finals) for one in row.workloads)
    seeds = combined(workloads, weights(task)) if row.workloads else _seeds("", row.seeds, finals)
    if len(seeds) < len(row.seeds):
        missing.append(row.id)
        return row
    return row.rescored(seeds, **means_of(seeds)._asdict(), workloads=workloads)


def _workload(one: WorkloadScore, finals: Finals) -> WorkloadScore:
    seeds = _seeds(one.name, one.seeds, finals)
    if len(seeds) < len(one.seeds):
        return WorkloadScore(**{**dict(one), "seeds": ()})
    return WorkloadScore(**{**dict(one), "seeds": seeds, **means_of(seeds)._asdict()})


def _seeds(workload: str, seeds: Sequence[SeedScore], finals: Finals) -> tuple[SeedScore, ...]:
    """The withheld scores of these trainings; trainings without one are left out."""
    return tuple(
        SeedScore(
            seed=seed.seed,
            verdict=seed.verdict,
            accuracy=found.accuracy,
            seconds=seed.seconds,
            baseline=found.baseline,
        )
        for seed in seeds
        if (found := finals.get((workload, seed.seed))) is not None
    )
