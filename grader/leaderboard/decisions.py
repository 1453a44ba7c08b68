"""What the course decided about students' rows: beside the automatic result, which no decision changes.

The record lies beside the leaderboard, `board.decisions.jsonl` for `board.json`, a JSON object per line. Lines are only
ever added, so it says who decided what, when and why, also of decisions that were undone. It is a file of its own: a
damaged or replaced leaderboard does not touch it.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from grader.core.errors import SetupError, UsageError
from grader.core.files import write_atomically
from grader.core.recipe import Frozen
from grader.core.text import clean


class Action(StrEnum):
    """What is decided."""

    WITHDRAW = "withdraw"  # the student takes the submission back
    DISQUALIFY = "disqualify"  # the course takes it off the ranking
    POINTS = "points"  # points instead of those of the task's `[points]`
    NOTE = "note"  # a remark
    UNDO = "undo"  # an earlier decision no longer holds


class Decision(Frozen):
    """One line of the record."""

    number: int = Field(ge=1)  # counts all decisions of the record, from 1
    task: str  # whose leaderboard it was
    id: str  # of the student's row
    action: Action
    points: float | None = None  # for `points`
    note: str = ""  # for `note`
    undoes: int | None = None  # for `undo`: the number of the decision
    reason: str
    by: str
    at: str  # ISO 8601, UTC
    public: bool = False  # whether the published site may quote reason and note

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action is Action.POINTS and (self.points is None or not 0 <= self.points < math.inf):
            raise ValueError("points need a number from 0 up")
        if self.action is Action.UNDO and self.undoes is None:
            raise ValueError("undo needs the number of a decision")
        return self

    def __str__(self) -> str:
        """One line, for the terminal."""
        what = {
            Action.WITHDRAW: "withdrawn",
            Action.DISQUALIFY: "disqualified",
            Action.POINTS: f"{self.points or 0:g} point(s)",
            Action.NOTE: f"note {self.note!r}",
            Action.UNDO: f"decision {self.undoes} undone",
        }[self.action]
        public = " (public)" if self.public else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.number}. {self.at[:16].replace('T', ' ')} UTC, {self.by}: {what}{reason}{public}"


class Ruling(Frozen):
    """All decisions about a row that hold."""

    excluded: Decision | None = None  # withdrawn or disqualified: no rank, no points
    override: Decision | None = None  # points, where they were set after that
    notes: tuple[Decision, ...] = ()

    @property
    def status(self) -> str:
        """ "withdrawn" or "disqualified"; empty for a row that may be ranked."""
        if self.excluded is None:
            return ""
        return "withdrawn" if self.excluded.action is Action.WITHDRAW else "disqualified"

    @property
    def points(self) -> float | None:
        """Points that replace those that the row earned; None where it keeps them."""
        if self.override is not None:
            return self.override.points
        return 0.0 if self.excluded is not None else None

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands beside the verdict."""
        return tuple(filter(None, (self.status, "points set" if self.override else "", "note" if self.notes else "")))

    @property
    def quotable(self) -> tuple[str, ...]:
        """Notes and reasons that may be published."""
        made = [one for one in (self.excluded, self.override, *self.notes) if one is not None and one.public]
        return tuple(one.note or one.reason for one in made)


_NONE = Ruling()


class Decisions(Frozen):
    """The decisions about one leaderboard's rows, in their order."""

    made: tuple[Decision, ...] = ()

    def about(self, identity: str) -> list[Decision]:
        """All about one row, also those that were undone."""
        return [one for one in self.made if one.id == identity]

    def told(self, identity: str) -> list[str]:
        """A line for each decision about a row, also for those that were undone."""
        return [f"{one}{' (undone)' if one.number in self.undone else ''}" for one in self.about(identity)]

    @cached_property
    def undone(self) -> frozenset[int]:
        """The numbers of those that no longer hold."""
        return frozenset(one.undoes for one in self.made if one.undoes is not None)

    @cached_property
    def _rulings(self) -> dict[str, Ruling]:
        found: dict[str, Ruling] = {}
        for one in self.made:
            if one.number in self.undone or one.action is Action.UNDO:
                continue
            ruling = found.get(one.id, _NONE)
            match one.action:
                case Action.WITHDRAW | Action.DISQUALIFY:
                    changes: dict[str, object] = {"excluded": one, "override": None}
                case Action.POINTS:
                    changes = {"override": one}
                case _:
                    changes = {"notes": (*ruling.notes, one)}
            found[one.id] = ruling.model_copy(update=changes)
        return found

    @cached_property
    def excluded(self) -> frozenset[str]:
        """The ids of students who have no rank."""
        return frozenset(identity for identity, ruling in self._rulings.items() if ruling.excluded is not None)

    def on(self, identity: str) -> Ruling:
        """What holds for a student's row."""
        return self._rulings.get(identity, _NONE)

    def last(self, identity: str) -> Decision:
        """The newest decision about a row that holds. Raises UsageError if there is none."""
        for one in reversed(self.about(identity)):
            if one.action is not Action.UNDO and one.number not in self.undone:
                return one
        raise UsageError(f"nothing to undo: no decision about {identity} holds")


def record_of(board: Path) -> Path:
    """The file of the decisions about the rows of the leaderboard at `board`."""
    return board.with_name(f"{board.name.removesuffix('.json')}.decisions.jsonl")


def read(board: Path, task: str) -> Decisions:
    """The decisions about a task's rows on the leaderboard at `board`.

    Raises SetupError if the record cannot be read: rows must not be ranked as if nothing had been decided.
    """
    return Decisions(made=tuple(one for one in _all(record_of(board)) if one.task == task))


def append(board: Path, decision: Decision) -> Decision:
    """Add a decision to the record, under the number that follows; the caller holds the leaderboard's lock.

    Raises SetupError.
    """
    path = record_of(board)
    made = [*_all(path), decision]
    made[-1] = decision.model_copy(update={"number": len(made)})
    write_atomically(path, "".join(f"{one.model_dump_json(exclude_defaults=True)}\n" for one in made))
    return made[-1]


def _all(path: Path) -> Sequence[Decision]:
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SetupError(f"{path} is not UTF-8: restore it from a copy; nothing is ranked without it") from None
    found = []
    for number, line in enumerate(lines if lines != [""] else (), 1):
        try:
            one = Decision.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            raise SetupError(
                f"{path}:{number} is no decision ({clean(f'{where}: ' if where else '')}{problem['msg']}): restore the "
                "line from a copy; nothing is ranked without it"
            ) from None
        if one.number != number:
            raise SetupError(f"{path}:{number} has the number {one.number}: a line was added or removed by hand")
        found.append(one)
    return found
