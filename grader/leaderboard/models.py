"""The leaderboard as data: the models of the JSON file."""

import datetime
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from grader.core.curves import LrSummary
from grader.core.environment import Environment
from grader.core.image_bits import ImageBits
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.statistics import Difference
from grader.core.task import Counting, Identifier, Points, RankBy, Ranking, public_count
from grader.core.verdict import Mark, Verdict, Violation
from grader.leaderboard.decisions import Decisions, Ruling

SCHEMA_VERSION: Literal[3] = 3
RowKey: TypeAlias = tuple[Kind, str]  # whose row it is, and its id


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
    baseline: float | None = None  # accuracy of the same configuration at its constant learning rate
    balanced: float | None = None  # mean over the classes of the accuracy on their images
    right: ImageBits | None = None  # held-out images classified correctly, of those scored, or of a sample
    baseline_right: ImageBits | None = None  # the same at the constant learning rate


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


class WorkloadScore(Frozen):
    """What a submission reached on one of several workloads."""

    name: Identifier
    verdict: Verdict
    accuracy: float | None = None  # mean over the seeds; null without a score
    standard_error: float | None = None
    baseline: float | None = None
    guessing: bool = False  # it failed here, and counts as guessing
    seeds: tuple[SeedScore, ...] = ()
    seconds: float = 0.0  # sandbox plus all trainings
    recipe: str | None = None
    learning_rate: LrSummary | None = None
    curves: Curves | None = None


class Grading(Frozen):
    """One grading of a submission.

    With several workloads, accuracy and baseline are weighted means over them, seed by seed.
    """

    team: tuple[str, ...]  # the contributors of submission.json
    verdict: Verdict
    accuracy: float | None = None  # mean over the seeds; null without a score
    standard_error: float | None = None  # of that mean; null for fewer than two seeds
    baseline: float | None = None  # mean accuracy of the same configuration at its constant learning rate
    seeds: tuple[SeedScore, ...] = ()
    workloads: tuple[WorkloadScore, ...] = ()  # where a task has several; in the task's order
    seconds: float = 0.0  # sandbox plus all trainings
    recipe: str | None = None  # SHA-256; equal for submissions that behave the same
    optimizer: str | None = None
    batch_size: int | None = None
    epochs: int | None = None
    learning_rate: LrSummary | None = None
    curves: Curves | None = None  # where there is a score
    violations: tuple[Violation, ...] = ()
    marks: tuple[Mark, ...] = ()  # what is said of it wherever it is shown
    detail: str = ""
    sandbox: str = ""
    device: str = ""  # kind of device
    environment: str = ""  # what graded: a key of the board's `environments`; empty before schema version 2
    graded: str  # ISO 8601, UTC
    submission: str = ""  # SHA-256 of the files that were graded
    number: int = 1  # counts a student's gradings, from 1

    @property
    def scored(self) -> bool:
        """Whether the grading has a score that can be ranked."""
        return self.accuracy is not None and self.verdict.ranked

    def on(self, workload: str) -> WorkloadScore | None:
        """The score on one of several workloads; None if that was not begun."""
        return next((one for one in self.workloads if one.name == workload), None)

    @property
    def schedules(self) -> tuple[LrSummary, ...]:
        """The learning rates that may be shown: one, or that of each workload."""
        found = (self.learning_rate, *(one.learning_rate for one in self.workloads))
        return tuple(rate for rate in found if rate is not None)

    @property
    def is_constant(self) -> bool:
        """Whether the learning rate is known to be constant (on every workload)."""
        return {rate.distinct for rate in self.schedules} == {1}


def _facts(grading: Grading, kind: type[Grading]) -> dict[str, Any]:
    """The fields of `kind` that a grading has, by name; their values are valid already."""
    return {name: getattr(grading, name) for name in kind.model_fields}


class PastGrading(Grading):
    """A grading that does not count, kept for the record."""

    regraded: bool = False  # the same files were graded again since: this score is void

    @classmethod
    def of(
        cls, grading: Grading, *, number: int, graded: str, regraded: bool = False, environment: str | None = None
    ) -> Self:
        """The same grading under another number and time, and perhaps by another environment."""
        facts = _facts(grading, Grading)
        if environment is not None:
            facts["environment"] = environment
        return cls.model_construct(**{**facts, "number": number, "graded": graded, "regraded": regraded})


class GradedRow(Grading):
    """One submission: the grading that counts, and those that do not, in their order. What is stored of it."""

    id: str
    kind: Kind
    history: tuple[PastGrading, ...] = ()

    @classmethod
    def of(cls, counting: Grading, identity: str, kind: Kind, history: tuple[PastGrading, ...]) -> Self:
        """The row of a submission whose grading `counting` counts."""
        return cls.model_construct(**_facts(counting, Grading), id=identity, kind=kind, history=history)

    @property
    def training(self) -> str:
        """The key of what was trained: rows of equal recipes are one training."""
        return self.recipe or f"{self.kind} {self.id}"

    def rescored(
        self,
        seeds: tuple[SeedScore, ...],
        *,
        accuracy: float | None,
        standard_error: float | None,
        baseline: float | None,
        workloads: tuple[WorkloadScore, ...] = (),
    ) -> "GradedRow":
        """The same submission with other scores of its trainings."""
        scores = {
            "seeds": seeds,
            "accuracy": accuracy,
            "standard_error": standard_error,
            "baseline": baseline,
            "workloads": workloads,
        }
        return GradedRow.model_construct(**{**_facts(self, GradedRow), **scores})


class Standing(Frozen):
    """What only the other rows can tell of a row: derived by `grader.leaderboard.significance`, never stored alone."""

    rank: int | None = None
    score: float | None = None  # what a rule ranks by that takes all rows: the mean rank, or the share of the gap
    contribution: Difference | None = None  # of the scheduler: accuracy less `baseline`, paired by seed
    to_default: Difference | None = None  # accuracy less the default scheduler's, paired by seed
    to_next: Difference | None = None  # what is ranked by, less that of the next student (a mean rank: the reverse)
    beats_default: Beats | None = None
    former_rank: int | None = None  # of the grading before, among the others as they are now; if final, as was shown
    rank_interval: tuple[int, int] | None = None  # first and last rank that it may have; None: one, or unknown


class RankedRow(GradedRow, Standing):
    """A row where it stands on the board."""

    @classmethod
    def placed(cls, row: GradedRow, standing: Standing) -> Self:
        """The row with this standing."""
        return cls.model_construct(**_facts(row, GradedRow), **dict(standing))

    def formerly(self, rank: int | None) -> "RankedRow":
        """The row with another former rank."""
        return RankedRow.model_construct(**{**dict(self), "former_rank": rank})

    @property
    def unranked(self) -> GradedRow:
        """The part of the row that is stored."""
        return GradedRow.model_construct(**_facts(self, GradedRow))


class BoardWorkload(Frozen):
    """One of several workloads."""

    name: Identifier
    weight: float  # share of the score: all add up to 1
    model_hash: str
    data_hash: str
    n_train: int
    n_test: int
    classes: int
    views: int = 0

    def n_shown(self, share: float) -> int:
        """Held-out images that the board's scores are of."""
        return public_count(self.n_test, share, self.views)


class BoardTask(Frozen):
    """What the rows were trained on. With several workloads, numbers of images are of all together."""

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
    views: int = 0  # of each held-out image, which stand view by view; 0: the image as it is
    workloads: tuple[BoardWorkload, ...] = ()  # where there are several

    @property
    def n_shown(self) -> int:
        """Held-out images that the board's scores are of."""
        if self.workloads:
            return sum(one.n_shown(self.ranking.public_share) for one in self.workloads)
        return public_count(self.n_test, self.ranking.public_share, self.views)


class RankingPolicy(Frozen):
    """Everything that decides which gradings count and how rows are ordered."""

    by: RankBy = RankBy.ACCURACY
    counts: Counting = Counting.LATEST
    max_gradings: int | None = None  # submissions of a student that may count
    mix_device_kinds: bool = False
    device: str = ""  # the kind of device that graded last
    excluded: frozenset[str] = frozenset()  # ids of students whom a decision took off the ranking

    @property
    def only_device(self) -> str | None:
        """The kind of device whose scores are ranked; None if kinds are mixed."""
        return None if self.mix_device_kinds else self.device

    def compares(self, grading: Grading) -> bool:
        """Whether the grading has a score, and one that may be compared with the others that are ranked."""
        return self.comparable(grading) and not self.excludes(grading)

    def comparable(self, grading: Grading) -> bool:
        """The same, whatever was decided about the row."""
        return grading.scored and self.only_device in (None, grading.device)

    def excludes(self, grading: Grading) -> bool:
        """Whether it is the row of a student whom a decision took off the ranking."""
        return isinstance(grading, GradedRow) and grading.kind is Kind.STUDENT and grading.id in self.excluded


class Leaderboard(Frozen):
    """The file."""

    schema_version: Literal[3] = SCHEMA_VERSION
    task: BoardTask
    environment: Environment  # of the run that graded last
    environments: dict[str, Environment] = Field(default_factory=dict)  # of the gradings, by their keys
    updated: str  # ISO 8601, UTC
    rows: tuple[RankedRow, ...] = Field(default=())
    decisions: Decisions = Field(default=Decisions(), exclude=True)  # in a file of their own

    @property
    def policy(self) -> RankingPolicy:
        """How the rows are ranked."""
        ranking = self.task.ranking
        return RankingPolicy(
            by=ranking.by,
            counts=self.task.counts,
            max_gradings=ranking.max_gradings,
            mix_device_kinds=ranking.mix_device_kinds,
            device=self.environment.device,
            excluded=self.decisions.excluded,
        )

    def ruling(self, row: GradedRow) -> Ruling:
        """What the course decided about a row."""
        return self.decisions.on(row.id) if row.kind is Kind.STUDENT else Ruling()

    def compares(self, row: Grading) -> bool:
        """Whether the row has a score, and one that may be compared with the others that are ranked."""
        return self.policy.compares(row)

    def is_apart(self, row: GradedRow) -> bool:
        """Whether the row has a score of a kind of device that is not ranked, and may be ranked otherwise."""
        return row.scored and not self.policy.comparable(row) and not self.policy.excludes(row)

    @property
    def rule_applies(self) -> bool:
        """Whether a rule that takes all rows could be applied (on a settled board); True for any other rule."""
        if not self.policy.by.relative or any(row.score is not None for row in self.rows):
            return True
        return not any(self.compares(row) for row in self.rows)

    def with_rows(self, rows: Iterable[RankedRow]) -> "Leaderboard":
        """The same board with other rows, and without environments that none of them needs."""
        rows = tuple(rows)
        used = {grading.environment for row in rows for grading in (row, *row.history)}
        return Leaderboard.model_construct(
            schema_version=SCHEMA_VERSION,
            task=self.task,
            environment=self.environment,
            environments={key: found for key, found in self.environments.items() if key in used},
            updated=self.updated,
            rows=rows,
            decisions=self.decisions,
        )

    def deciding(self, decisions: Decisions) -> "Leaderboard":
        """The same board under these decisions."""
        return self.model_copy(update={"decisions": decisions})


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
