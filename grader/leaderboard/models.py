"""The leaderboard as data: what the JSON file holds, field by field."""

import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from grader.core.curves import LrSummary
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.statistics import Difference
from grader.core.task import Counting, Points, Ranking
from grader.core.verdict import Verdict, Violation

SCHEMA_VERSION: Literal[1] = 1


class Beats(StrEnum):
    """Whether a row is better than the default scheduler."""

    YES = "yes"
    NO = "no"
    UNSURE = "can't tell"


class SeedScore(Frozen):
    """One training of a row."""

    seed: int
    verdict: Verdict
    accuracy: float | None
    seconds: float
    constant: float | None = None  # accuracy of the same configuration at its constant learning rate


class Curves(Frozen):
    """Means over the seeds after some epochs (every one where there are few)."""

    epochs: tuple[int, ...]
    train_loss: tuple[float | None, ...]  # None: not finite in some seed
    accuracy: tuple[float, ...]

    @model_validator(mode="after")
    def _even(self) -> Self:
        if not len(self.epochs) == len(self.train_loss) == len(self.accuracy) > 0:
            raise ValueError("curves of different lengths, or empty")
        return self


class Graded(Frozen):
    """One grading of a submission."""

    team: tuple[str, ...]  # the contributors of submission.json
    verdict: Verdict
    accuracy: float | None = None  # mean over the seeds; null without a score
    standard_error: float | None = None  # of that mean; null for fewer than two seeds
    constant: float | None = None  # mean accuracy of the same configuration at its constant learning rate
    seeds: tuple[SeedScore, ...] = ()
    seconds: float = 0.0  # sandbox plus all trainings
    recipe: str | None = None  # SHA-256; equal for submissions that behave the same
    optimizer: str | None = None
    batch_size: int | None = None
    epochs: int | None = None
    learning_rate: LrSummary | None = None
    curves: Curves | None = None  # where there is a score
    violations: tuple[Violation, ...] = ()
    detail: str = ""
    sandbox: str = ""
    device: str = ""
    graded: str  # ISO 8601, UTC
    submission: str = ""  # SHA-256 of the files that were graded
    number: int = 1  # counts a student's gradings, from 1

    @property
    def scored(self) -> bool:
        """Whether there is a score that counts in a ranking."""
        return self.accuracy is not None and self.verdict.ranked


class Past(Graded):
    """A grading that does not count, kept for the record."""

    regraded: bool = False  # the same files were graded again since: this score is void


class Row(Graded):
    """One submission on the board: the grading that counts, and those that do not, in their order."""

    id: str
    kind: Kind
    rank: int | None = None
    history: tuple[Past, ...] = ()
    # What follows is derived from all rows by `grader.leaderboard.significance`.
    contribution: Difference | None = None  # of the scheduler: accuracy less `constant`, paired by seed
    to_default: Difference | None = None  # accuracy less the default scheduler's, paired by seed
    to_next: Difference | None = None  # accuracy less that of the next student
    beats_default: Beats | None = None
    tie: tuple[int, int] | None = None  # first and last rank of those it cannot be told apart from


class BoardTask(Frozen):
    """What the rows were trained on."""

    name: str
    description: str
    model_hash: str
    data_hash: str
    n_train: int
    n_test: int
    seeds: tuple[int, ...]
    time_limit_s: float
    counts: Counting = Counting.LATEST
    ranking: Ranking = Ranking()
    points: Points = Points()


class Versions(Frozen):
    """Software that graded last."""

    grader: str
    trainer: str
    torch: str
    torchvision: str
    python: str


class Hardware(Frozen):
    """Machine that graded last."""

    device: str
    processor: str
    cores: int


class Leaderboard(Frozen):
    """The file."""

    schema_version: Literal[1] = SCHEMA_VERSION
    task: BoardTask
    hardware: Hardware
    versions: Versions
    updated: str  # ISO 8601, UTC
    version: str = ""  # of this file, and the one before it: see `grader.leaderboard.storage`
    previous: str = ""
    rows: tuple[Row, ...] = Field(default=())

    @property
    def only_device(self) -> str | None:
        """The kind of device whose scores are ranked here: that which graded last. None where kinds are mixed."""
        return None if self.task.ranking.mix_device_kinds else self.hardware.device

    def compares(self, row: Graded) -> bool:
        """Whether the row has a score, and one that may be compared with the others that are ranked."""
        return row.scored and self.only_device in (None, row.device)


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
