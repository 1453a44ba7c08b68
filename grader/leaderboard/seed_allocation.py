"""Adaptive seeds: more of them for neighbours on the board that cannot be told apart yet."""

from collections.abc import Iterator, Sequence
from itertools import count, islice, pairwise

from grader.core.kind import Kind
from grader.core.task import RankBy
from grader.leaderboard.models import Leaderboard, RankedRow
from grader.leaderboard.significance import Comparison


def seeds_of(base: Sequence[int], n: int) -> tuple[int, ...]:
    """The first `n` of the seed sequence that all submissions share: the task's seeds, then the lowest others."""

    def further() -> Iterator[int]:
        yield from base
        yield from (seed for seed in count() if seed not in base)

    return tuple(islice(further(), n))


def wanting(board: Leaderboard) -> list[RankedRow]:
    """Students (and the default scheduler) that another seed could tell from a neighbour, and that may have one.

    None if mean ranks decide: they are of the task's seeds, since a rank with a seed is among all who have it.
    """
    if board.policy.by is RankBy.MEAN_RANK:
        return []
    scored = [row for row in board.rows if board.compares(row) and row.recipe is not None]
    comparison = Comparison(scored, board.task, board.task.ranking.by)
    order = [row for row in scored if row.kind is not Kind.REFERENCE and comparison.knows(row)]
    found: dict[tuple[Kind, str], RankedRow] = {}
    for a, b in pairwise(order):
        if a.recipe != b.recipe and not comparison.told_apart(a, b):
            found |= {(row.kind, row.id): row for row in (a, b)}
    return [row for row in found.values() if len(row.seeds) < board.task.ranking.max_seeds]
