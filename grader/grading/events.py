"""Events of a run, for its listeners: the display and the live site.

Listeners are called from several threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grader.core.runs import EpochRecord, SeedRun
from grader.leaderboard.models import GradedRow
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry


@dataclass(frozen=True)
class SubmissionCompiled:
    """A submission left the sandbox."""

    entry: Entry
    workload: str  # its name, where there are several
    compiled: Compiled
    cached: bool


@dataclass(frozen=True)
class EpochFinished:
    """A training finished an epoch."""

    entry: Entry
    workload: str
    seed: int
    record: EpochRecord
    epochs: int  # of the whole training


@dataclass(frozen=True)
class TrainingFinished:
    """A training ended."""

    entry: Entry
    workload: str
    run: SeedRun
    cached: bool


@dataclass(frozen=True)
class SubmissionGraded:
    """A submission was graded, and its row is on the board."""

    entry: Entry
    row: GradedRow


@dataclass(frozen=True)
class Remark:
    """Something the user should know."""

    text: str


Event: TypeAlias = SubmissionCompiled | EpochFinished | TrainingFinished | SubmissionGraded | Remark
Listener: TypeAlias = Callable[[Event], None]


def to_all(listeners: Sequence[Listener]) -> Listener:
    """One listener that passes every event on to each of `listeners`, in order."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen


def only_remarks(listener: Listener) -> Listener:
    """Passes on remarks and epochs only: for further trainings of submissions that were shown already."""

    def listen(event: Event) -> None:
        if isinstance(event, (Remark, EpochFinished)):
            listener(event)

    return listen
