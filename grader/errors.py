"""Errors whose message is meant for the person at the keyboard.

GraderError
├── UsageError          the call makes no sense as it stands
├── SetupError   this machine lacks something, or a task or data set is wrong
│   └── TaskError
├── RejectedError       a submission broke rules; carries the violations
└── InternalError       our own fault: never a score, never the student's
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.result import Violation


class GraderError(Exception):
    """Base of everything that is shown without a traceback."""


class UsageError(GraderError):
    """The command or its arguments cannot be carried out as given."""


class SetupError(GraderError):
    """Something outside the submissions is missing or broken; the message says how to mend it."""


class TaskError(SetupError):
    """A task file, its model or its data set cannot be used."""


class RejectedError(GraderError):
    """A submission breaks the contract."""

    def __init__(self, violations: "Sequence[Violation]") -> None:
        super().__init__("; ".join(str(v) for v in violations))
        self.violations = tuple(violations)


class InternalError(GraderError):
    """The grader itself failed. The submission is graded again on the next run."""
