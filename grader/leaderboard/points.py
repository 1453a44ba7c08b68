"""Points for a row, by the task's `[points]` table: for gradebooks, Gradescope and GitHub Classroom."""

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.leaderboard.models import Beats, Leaderboard, RankedRow


class Award(Frozen):
    """Points for one thing, given or not."""

    name: str
    score: float
    possible: float
    why: str
    by_decision: bool = False

    @property
    def passed(self) -> bool:
        """Whether all of it was reached."""
        return self.score >= self.possible


def awards(row: RankedRow, board: Leaderboard) -> tuple[Award, ...]:
    """What the row earns, point by point. A row without a score earns nothing.

    Raises UsageError if the default scheduler, which some points hang on, has no score itself.
    """
    points = board.task.points
    scored = row.scored
    result = [
        Award(
            name="Accepted and trained",
            score=points.accepted if scored else 0.0,
            possible=points.accepted,
            why=f"verdict {row.verdict}" + (f", accuracy {row.accuracy:.2%}" if row.accuracy is not None else ""),
        )
    ]
    if points.beats_default > 0:
        default = next((r for r in board.rows if r.kind is Kind.DEFAULT), None)
        if default is None or default.accuracy is None or not board.compares(default):
            where = f" on {board.policy.only_device}" if default is not None and default.scored else ""
            raise UsageError(
                f"the default scheduler has no score on this leaderboard{where}, so nobody can beat it: run again"
            )
        beaten = board.policy.comparable(row) and row.accuracy is not None and row.accuracy > default.accuracy
        if points.sure:
            beaten = beaten and row.beats_default is Beats.YES
        result.append(
            Award(
                name="Better than the default scheduler",
                score=points.beats_default if beaten else 0.0,
                possible=points.beats_default,
                why=f"the default scheduler reaches {default.accuracy:.2%}"
                + (f"; surely better: {row.beats_default}" if points.sure and row.beats_default else ""),
            )
        )
    if points.top_three > 0:
        first = row.rank_interval[0] if row.rank_interval else row.rank
        among = scored and first is not None and first <= 3
        result.append(
            Award(
                name="Among the first three",
                score=points.top_three if among else 0.0,
                possible=points.top_three,
                why=f"rank {row.rank}" + (" (range {} to {})".format(*row.rank_interval) if row.rank_interval else ""),
            )
        )
    return tuple(result)


def decided(row: RankedRow, board: Leaderboard) -> tuple[Award, ...]:
    """What the row gets, point by point, or one award alone by a decision in place of them. Raises as `awards`."""
    ruling = board.ruling(row)
    if ruling.points is None:
        return awards(row, board)
    why = "set by the course" if ruling.override is not None else f"the submission is {ruling.status}"
    possible = max(ruling.points, board.task.points.possible)
    return (Award(name="Decision of the course", score=ruling.points, possible=possible, why=why, by_decision=True),)


def earned(row: RankedRow, board: Leaderboard) -> float:
    """All points of the row by the task's table, whatever was decided about it. Raises UsageError as `awards` does.

    What a rank or a difference to the default decides is not earned without them."""
    return sum(award.score for award in awards(row, board))


def total(row: RankedRow, board: Leaderboard) -> float:
    """The points that a gradebook gets: those that were earned, or what a decision put in their place."""
    replaced = board.ruling(row).points
    return earned(row, board) if replaced is None else replaced
