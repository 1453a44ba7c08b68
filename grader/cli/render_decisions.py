"""`grader mark`: a decision from the command line, and what was decided."""

import math
from dataclasses import dataclass
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.text import clean
from grader.leaderboard.decisions import Action, Decision
from grader.leaderboard.models import now
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
            Action.NOTE: bool(self.note),
            Action.UNDO: self.undo,
        }
        asked = [action for action, is_given in given.items() if is_given]
        if len(asked) > 1:
            raise UsageError(f"one decision at a time: {' or '.join(f'--{action}' for action in asked)}")
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
            reason=clean(draft.reason),
            by=clean(draft.by),
            at=now(),
            public=draft.public,
        ),
    )
    print(clean(f"{identity}: {made}"))
    row = next((row for row in board_at(board).rows if row.id == identity), None)
    if row is not None:
        print(clean(f"{identity} has {f'rank {row.rank}' if row.rank is not None else 'no rank'} now"))


def _print(board: Path, identity: str) -> None:
    decisions = board_at(board).decisions
    about = decisions.about(identity)
    for one in about:
        print(clean(f"{one}{' (undone)' if one.number in decisions.undone else ''}"))
    if not about:
        print(clean(f"nothing was decided about {identity}"))
