"""Errors whose message is meant for the person at the keyboard.

GraderError
├── UsageError          the command or its arguments are wrong
├── SetupError          this machine lacks something, or a task or data set is wrong
│   └── TaskError
├── RejectedError       a submission broke rules; carries the violations (in `grader.core.verdict`)
└── InternalError       our own fault: never a score, never the student's
"""


class GraderError(Exception):
    """Base of everything that is shown without a traceback."""


class UsageError(GraderError):
    """The command or its arguments cannot be carried out as given."""


class SetupError(GraderError):
    """Something outside the submissions is missing or broken; the message says how to fix it."""


class TaskError(SetupError):
    """A task file, its model or its data set cannot be used."""


class InternalError(GraderError):
    """The grader itself failed. The submission is graded again on the next run."""
