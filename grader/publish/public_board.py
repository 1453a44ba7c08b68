"""The public view of a leaderboard as data: pages and tables are made from this and nothing else."""

from collections.abc import Mapping
from enum import StrEnum

from grader.core.curves import LrSummary
from grader.core.environment import Environment
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.statistics import Difference
from grader.core.task import Counting, Ranking
from grader.core.verdict import Mark, Verdict
from grader.leaderboard.models import Beats, BoardWorkload, Curves
from grader.leaderboard.ranking import Place
from grader.leaderboard.workloads import Profile
from grader.publish.class_summary import ClassSummary, Histogram, Record
from grader.publish.names import NameMode


class GradingStatus(StrEnum):
    """The status of a grading."""

    COUNTS = "counts"
    KEPT = "does not count"
    VOID = "graded again since"


class Complaint(Frozen):
    """A broken rule, as it is published."""

    place: str
    what: str
    fix: str


class PublicGrading(Frozen):
    """One grading."""

    number: int
    when: str  # day and time with the zone, or under pseudonyms the day alone
    verdict: Verdict
    marks: tuple[Mark, ...] = ()
    accuracy: float | None
    standard_error: float | None
    low: float | None  # 95 % interval of the mean over the seeds
    high: float | None
    status: GradingStatus


class Nearest(Frozen):
    """The reference with the most similar learning-rate curve."""

    name: str
    distance: float  # mean distance of the curves, each divided by its highest rate: 0 to 1


class PublicWorkload(Frozen):
    """What a row reached on one of several workloads."""

    name: str
    verdict: Verdict | None  # None: not begun, since another workload had failed
    accuracy: float | None = None
    standard_error: float | None = None
    guessing: bool = False  # failed, and counts as guessing
    learning_rate: LrSummary | None = None
    curves: Curves | None = None


class PublicRow(Frozen):
    """One row."""

    slug: str
    name: str
    team: str
    kind: Kind
    rank: int | None
    status: str  # "withdrawn" or "disqualified" by a decision of the course, which leaves it without a rank
    quoted: tuple[str, ...]  # what the course says of its decisions
    apart: str  # the kind of device that it was trained on, where that is not the one that is ranked
    counting: PublicGrading
    seeds: tuple[tuple[int, float | None], ...]  # seed and accuracy
    workloads: tuple[PublicWorkload, ...]  # every one of the board's, where there are several
    has_score: bool  # whether rows of this board have a score besides their accuracy
    score: float | None  # mean rank or share of the gap, where that is what is ranked by
    seconds: float
    optimizer: str | None
    batch_size: int | None
    epochs: int | None
    learning_rate: LrSummary | None
    schedule: LrSummary | None  # the same; with several workloads, that on the first
    constant: bool  # whether it is constant, on every workload
    curves: Curves | None
    complaints: tuple[Complaint, ...]
    detail: str
    sandbox: str
    nearest: Nearest | None
    history: tuple[PublicGrading, ...]  # all gradings, oldest first
    former_rank: int | None  # of the grading before, or before the final images decided
    rank_interval: tuple[int, int] | None  # first and last rank that it may have
    beats_default: Beats | None
    to_default: Difference | None
    to_next: Difference | None
    baseline: float | None  # accuracy of the same configuration at its constant rate
    contribution: Difference | None
    waiting: bool  # other files are about to be graded
    place: Place  # among the rows where ids and times of grading must not show through


class Progress(Frozen):
    """The progress of a run."""

    done: int
    total: int


class PublicBoard(Frozen):
    """Everything that may be published."""

    task: str
    description: str
    seeds: tuple[int, ...]
    n_train: int
    n_test: int  # held-out images that the scores are of
    views: int  # of each of them; 0: as it is
    final: bool  # by the images that were withheld until now
    ranking: Ranking
    time_limit_s: float
    counts: Counting
    device: str
    environment: Environment  # that graded last
    workloads: tuple[BoardWorkload, ...]  # where there are several
    rule_applies: bool  # False: what the rule compares with has no score, so rows stand by their accuracy
    histogram: Histogram | None  # where there are enough students
    summary: ClassSummary | None  # None while results come in
    records: tuple[Record, ...]  # the best accuracy in the course of time, oldest first
    profiles: Mapping[str, Profile]  # by page; from three workloads on
    updated: str
    mode: NameMode
    top: int
    rows: tuple[PublicRow, ...]
    left_out: int  # students who are graded and not shown
    progress: Progress | None  # None: no run is going on
