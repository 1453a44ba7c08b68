"""The leaderboard's rules: what it holds and how rows are ranked. Its file: `grader.leaderboard.storage`.

Ranking rules
1. Ranked are students whose verdict is `ok` or `diverged`, by what the task names: mean accuracy over their seeds, the
   scheduler's contribution, or with several workloads a rule of `grader.leaderboard.workloads`; the best first.
   Equal scores share a rank, and the next rank counts all above it (1, 2, 2, 4); among them, who was graded earlier
   stands first.
2. References and the default scheduler stand in the same order, without a rank.
3. Scores of different kinds of device are not compared: those of the kind that graded last are ranked, others
   follow without a rank until they are graded again (unless the task mixes kinds).
4. Students whom a decision of the course (`grader.leaderboard.decisions`) took off the ranking follow, without a
   rank; the others close up.
5. Rows without a score come last, by id. A score is never missing because of us: a verdict
   `internal` does not replace an earlier row of the same submission.
6. Which of a submission's gradings counts is the task's choice: see `grader.leaderboard.history`.
"""

import bisect
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from grader.core.environment import Environment
from grader.core.kind import Kind
from grader.core.recipe import canonical
from grader.core.task import RankBy, Task, TaskFacts
from grader.leaderboard import history, significance, workloads
from grader.leaderboard.models import (
    BoardTask,
    BoardWorkload,
    GradedRow,
    Leaderboard,
    RankedRow,
    RankingPolicy,
    Standing,
    now,
)

#: Fields of a board's task that decide whether two scores may be compared.
_IDENTITY = ("name", "model_hash", "data_hash", "seeds")


def header(task: Task, facts: Sequence[TaskFacts], environment: Environment) -> Leaderboard:
    """An empty board for a task that is trained in this environment; `facts` are those of each workload."""
    total = math.fsum(one.weight for one in task.workload)
    found_on = tuple(
        BoardWorkload(
            name=one.name,
            weight=one.weight / total,
            model_hash=found.model_hash,
            data_hash=found.data_hash,
            n_train=found.n_train,
            n_test=found.n_test,
            classes=found.classes,
            views=one.data.views,
        )
        for one, found in zip(task.workload, facts, strict=False)
    )
    return Leaderboard(
        task=BoardTask(
            name=task.name,
            description=task.description,
            model_hash=_together([one.model_hash for one in facts]),
            data_hash=_together([one.data_hash for one in facts]),
            n_train=sum(one.n_train for one in facts),
            n_test=sum(one.n_test for one in facts),
            seeds=task.seeds,
            time_limit_s=task.time_limit_s,
            counts=task.leaderboard.counts,
            ranking=task.ranking,
            points=task.points,
            views=0 if found_on else task.data.views,
            workloads=found_on,
        ),
        environment=environment,
        environments={environment.key: environment},
        updated=now(),
    )


def _together(hashes: Sequence[str]) -> str:
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


class Place(NamedTuple):
    """The sort key of a row, as far as the row alone decides it; smaller ones come first."""

    group: int  # 0: with a score that is ranked; 1: of another kind of device; 2: taken off; 3: without a score
    points: float  # negative, without the last bits of its summation, so that equal scores are equal
    guest: bool  # a reference, or the default scheduler
    graded: str
    id: str

    def under(self, name: str) -> "Place":
        """The place where ids and times of grading must not show through: equals stand in the order of `name`."""
        return self._replace(graded="", id=name)


def place_of(row: GradedRow, policy: RankingPolicy) -> Place:
    """The place of a row among others.

    Where the score takes all rows, a row that has not got it stands by its accuracy: that is the order during a run.
    """
    guest = row.kind is not Kind.STUDENT
    if not row.scored:
        return Place(3, 0.0, guest, "", row.id)
    points = history.points_of(row, policy.by)
    if isinstance(row, RankedRow) and row.score is not None:
        points = -row.score if policy.by is RankBy.MEAN_RANK else row.score
    group = 2 if policy.excludes(row) else int(not policy.compares(row))
    return Place(group, -round(points, 12), guest, row.graded, row.id)


def ranks(places: Iterable[Place]) -> Iterator[int | None]:
    """The rank at each of the places, which are in order."""
    students, rank, last = 0, 0, 0.0
    for place in places:
        if place.group or place.guest:
            yield None
            continue
        students += 1
        if students == 1 or place.points != last:
            rank, last = students, place.points
        yield rank


def ranked(rows: Iterable[GradedRow], policy: RankingPolicy) -> tuple[RankedRow, ...]:
    """Rows in order, with their ranks, by the module's rules; what all rows together decide is for `settled`."""
    order = sorted(((place_of(row, policy), row) for row in rows), key=lambda pair: pair[0])
    return tuple(
        RankedRow.placed(row, Standing(rank=rank, score=row.score if isinstance(row, RankedRow) else None))
        for (_, row), rank in zip(order, ranks(place for place, _ in order), strict=True)
    )


def former_ranks(rows: Sequence[RankedRow], policy: RankingPolicy) -> dict[str, int]:
    """By id, the rank that a student's grading before the one that counts would have among the others of today.

    Not where the score takes all rows, and not of gradings that are void or cannot be compared.
    """
    if policy.by.relative:
        return {}
    students = [row for row in rows if row.rank is not None]
    points = sorted(round(history.points_of(row, policy.by), 12) for row in students)
    found = {}
    for row in students:
        before = [past for past in row.history if past.number < row.number and not past.regraded]
        if before and policy.compares(before[-1]):
            former = round(history.points_of(before[-1], policy.by), 12)
            better = len(points) - bisect.bisect_right(points, former)
            found[row.id] = 1 + better - (round(history.points_of(row, policy.by), 12) > former)
    return found


def settled(board: Leaderboard) -> Leaderboard:
    """The board with what only all rows together can tell: scores, ranks, differences, ranges of ranks."""
    scored: Iterable[GradedRow] = board.rows
    rule = None
    if board.policy.by.relative:
        rule = workloads.scores([row for row in board.rows if board.compares(row)], board.task, board.policy.by)
        scored = [RankedRow.placed(row, Standing(score=rule.mean.get((row.kind, row.id)))) for row in board.rows]
    rows = ranked(scored, board.policy)
    former = former_ranks(rows, board.policy)
    return board.with_rows(significance.settled(rows, board.task, board.policy, former, rule))


def other_in(there: BoardTask, here: BoardTask) -> list[str]:
    """What makes the scores of two boards incomparable; nothing where they may stand on one."""
    changed = [n.removesuffix("_hash") for n in _IDENTITY if getattr(there, n) != getattr(here, n)]
    if there.workloads != here.workloads and not changed:
        changed.append("workloads")
    if here.workloads and there.ranking.failed_workload != here.ranking.failed_workload:
        changed.append("failed_workload")
    if there.ranking.public_share != here.ranking.public_share:
        changed.append("public_share")
    return changed


def identity(task: BoardTask) -> str:
    """SHA-256 of what makes scores comparable."""
    parts = {name: getattr(task, name) for name in _IDENTITY} | {"public_share": task.ranking.public_share}
    if task.workloads:
        parts["workloads"] = [one.model_dump(mode="json") for one in task.workloads]
        parts["failed_workload"] = task.ranking.failed_workload
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
