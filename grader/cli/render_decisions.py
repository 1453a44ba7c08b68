"""`grader mark`: a decision from the command line, and what was decided."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.text import clean
from grader.leaderboard.decisions import Action, Decision
from grader.leaderboard.models import now
from grader.leaderboard.points import total
from grader.leaderboard.storage import board_at, decide


@dataclass(frozen=True)
class Draft:
    """The options of the command."""

    withdraw: bool
    disqualify: bool
    points: float | None
    note: str
    undo: bool
    reason: str
    by: str
    public: bool

    def action(self) -> Action | None:
        """The one thing that is asked for; None to show what was decided. Raises UsageError."""
        given = {
            Action.WITHDRAW: self.withdraw,
            Action.DISQUALIFY: self.disqualify,
            Action.POINTS: self.points is not None,
            Action.NOTE: bool(self.note.strip()),
            Action.UNDO: self.undo,
        }
        asked = [action for action, is_given in given.items() if is_given]
        if len(asked) > 1:
            raise UsageError(f"one decision at a time: {' or '.join(f'--{action}' for action in asked)}")
        if asked == [Action.UNDO] and self.public:
            raise UsageError("--public goes with a decision; to publish no more, --undo alone is enough")
        if asked:
            return asked[0]
        if self.reason or self.by or self.public:
            raise UsageError("nothing is decided: give --withdraw, --disqualify, --points N, --note TEXT or --undo")
        return None


def run_mark(board: Path, identity: str, draft: Draft) -> None:
    """Record the decision and say what it changed, or print those about a row. Raises GraderError."""
    action = draft.action()
    if action is None:
        _print(board, identity)
        return
    if not draft.by.strip():
        raise UsageError("who decides? add --by NAME")
    if not draft.reason.strip() and action is not Action.NOTE:
        raise UsageError("why? add --reason TEXT")
    if draft.points is not None and not (math.isfinite(draft.points) and draft.points >= 0):
        raise UsageError(f"--points {draft.points}: use a number from 0 up")
    made = decide(
        board,
        Decision(
            number=1,
            task="",
            id=identity,
            action=action,
            points=draft.points,
            note=clean(draft.note),
            undoes=1 if action is Action.UNDO else None,  # as `number`: `decide` knows which
            reason=clean(draft.reason),
            by=clean(draft.by),
            at=now(),
            public=draft.public,
        ),
    )
    after = board_at(board)
    print(clean(f"{identity}: {made}"))
    row = next((row for row in after.rows if row.id == identity and row.kind is Kind.STUDENT), None)
    where = f"on {board} (task {after.task.name})"
    if row is None:
        print(clean(f"{identity} is not {where}: the decision holds when it is graded again"))
        return
    if made.action is Action.UNDO and (held := after.ruling(row).excluded) is not None:
        print(clean(f"still holds: {held}"))
    print(clean(f"{identity} has {f'rank {row.rank}' if row.rank is not None else 'no rank'} now {where}"))
    with contextlib.suppress(UsageError):  # some points hang on the default scheduler's score
        possible = after.task.points.possible
        more = ", more than the task gives" if total(row, after) > possible else ""
        print(f"points in the gradebook: {total(row, after):g} of {possible:g}{more}")


def _print(board: Path, identity: str) -> None:
    there = board_at(board)
    made = there.decisions.told(identity)
    if not made and not any(row.id == identity and row.kind is Kind.STUDENT for row in there.rows):
        raise UsageError(f"no student on {board} is called {identity}")
    print("\n".join(map(clean, made or [f"nothing was decided about {identity}"])))
