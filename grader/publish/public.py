"""The leaderboard as the public may see it. Pages and tables are made of this and of nothing else.

Under pseudonyms, everything that a submission could have written itself is left out: its id, its team,
and the words of violations and errors, which quote its code. What stays is ours or a number.
"""

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum

from grader.core.curves import LrSummary, distance, shape
from grader.core.environment import Environment
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.statistics import Difference, half_width
from grader.core.task import Counting, Ranking
from grader.core.text import clean
from grader.core.verdict import RULES, Verdict
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Beats, Curves, Grading, Leaderboard, RankedRow
from grader.leaderboard.ranking import Place, place_of
from grader.publish.names import NameMode, Names, Shown, shown
from grader.submissions.loader import FILES

_LONG = 2000


class GradingStatus(StrEnum):
    """What became of a grading."""

    COUNTS = "counts"
    KEPT = "does not count"
    VOID = "graded again since"


class Complaint(Frozen):
    """A broken rule, as the public may read it."""

    place: str
    what: str
    fix: str


class PublicGrading(Frozen):
    """One grading."""

    number: int
    when: str  # UTC: day and time, or under pseudonyms the day alone
    verdict: Verdict
    accuracy: float | None
    standard_error: float | None
    low: float | None  # 95 % interval of the mean over the seeds
    high: float | None
    status: GradingStatus


class Nearest(Frozen):
    """The reference whose learning rate goes most alike."""

    name: str
    distance: float  # mean distance of the curves, each divided by its highest rate: 0 to 1


class PublicRow(Frozen):
    """One row."""

    slug: str
    name: str
    team: str
    kind: Kind
    rank: int | None
    apart: str  # the kind of device that it was trained on, where that is not the one that is ranked
    counting: PublicGrading
    seeds: tuple[tuple[int, float | None], ...]  # seed and accuracy
    seconds: float
    optimizer: str | None
    batch_size: int | None
    epochs: int | None
    learning_rate: LrSummary | None
    curves: Curves | None
    complaints: tuple[Complaint, ...]
    detail: str
    sandbox: str
    nearest: Nearest | None
    history: tuple[PublicGrading, ...]  # all gradings, oldest first
    rank_interval: tuple[int, int] | None  # first and last rank that it may have
    beats_default: Beats | None
    to_default: Difference | None
    to_next: Difference | None
    baseline: float | None  # accuracy of the same configuration at its constant rate
    contribution: Difference | None
    waiting: bool  # other files are about to be graded
    place: Place  # among the rows where ids and times of grading must not show through


class Progress(Frozen):
    """How far a run has come."""

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
    updated: str
    mode: NameMode
    top: int
    rows: tuple[PublicRow, ...]
    left_out: int  # students who are graded and not shown
    progress: Progress | None  # None: no run is going on


def public(
    board: Leaderboard,
    names: Names,
    progress: Progress | None = None,
    waiting: Set[tuple[Kind, str]] = frozenset(),
    *,
    final: bool = False,
) -> PublicBoard:
    """What of `board` may be seen. `waiting` are the rows for which other files are about to be graded."""
    shown_as = shown(board, names)
    references = references_of(board.rows)
    rows = tuple(
        public_row(row, board, shown_as[row.kind, row.id], names, references, (row.kind, row.id) in waiting)
        for row in board.rows
        if (row.kind, row.id) in shown_as
    )
    if names.mode is NameMode.PSEUDONYMS:
        rows = tuple(sorted(rows, key=lambda row: row.place))
    return _published(board, names, rows, len(board.rows) - len(rows), progress, final=final)


def public_head(board: Leaderboard, names: Names, progress: Progress, left_out: int) -> PublicBoard:
    """The board without its rows, of which `left_out` are not shown."""
    return _published(board, names, (), left_out, progress)


def _published(
    board: Leaderboard,
    names: Names,
    rows: tuple[PublicRow, ...],
    left_out: int,
    progress: Progress | None,
    *,
    final: bool = False,
) -> PublicBoard:
    shown_images = board.task.n_shown
    return PublicBoard(
        task=board.task.name,
        description=clean(board.task.description),
        seeds=board.task.seeds,
        n_train=board.task.n_train,
        n_test=(board.task.n_test if final else shown_images) // max(1, board.task.views),
        views=board.task.views,
        final=final,
        ranking=board.task.ranking,
        time_limit_s=board.task.time_limit_s,
        counts=board.task.counts,
        device=board.environment.device,
        environment=board.environment,
        updated=board.updated,
        mode=names.mode,
        top=names.top,
        rows=rows,
        left_out=left_out,
        progress=progress,
    )


def references_of(rows: Iterable[RankedRow]) -> dict[str, LrSummary]:
    """The schedules that a student's may be nearest to."""
    return {row.id: row.learning_rate for row in rows if row.kind is not Kind.STUDENT and row.learning_rate}


def public_row(
    row: RankedRow,
    board: Leaderboard,
    shown_as: Shown,
    names: Names,
    references: Mapping[str, LrSummary],
    waiting: bool,
) -> PublicRow:
    """What of one row may be seen. Of `board`, its head is looked at and no row."""
    quoting = names.mode is not NameMode.PSEUDONYMS or row.kind is not Kind.STUDENT
    return PublicRow(
        slug=shown_as.slug,
        name=shown_as.name,
        team=shown_as.team[:_LONG],
        kind=row.kind,
        rank=row.rank,
        apart=clean(row.device or "an unknown device") if row.scored and not board.compares(row) else "",
        counting=_grading(row, GradingStatus.COUNTS, not quoting),
        seeds=tuple((s.seed, s.accuracy) for s in row.seeds),
        seconds=row.seconds,
        optimizer=row.optimizer,
        batch_size=row.batch_size,
        epochs=row.epochs,
        learning_rate=row.learning_rate,
        curves=row.curves,
        complaints=_complaints(row, quoting),
        detail="\n".join(map(clean, row.detail.splitlines())) if quoting else "",
        sandbox=row.sandbox,
        nearest=_nearest(row, references),
        history=tuple(
            _grading(past, _status(past.number, row.number, past.regraded), not quoting) for past in all_of(row)
        ),
        rank_interval=row.rank_interval if row.rank is not None else None,
        beats_default=row.beats_default,
        to_default=row.to_default,
        to_next=row.to_next,
        baseline=row.baseline,
        contribution=row.contribution,
        waiting=waiting,
        place=place_of(row, board.policy).under(shown_as.name),
    )


def _status(number: int, counting: int, regraded: bool) -> GradingStatus:
    return GradingStatus.COUNTS if number == counting else GradingStatus.VOID if regraded else GradingStatus.KEPT


def _grading(graded: Grading, status: GradingStatus, hidden: bool) -> PublicGrading:
    low, high = None, None
    if graded.accuracy is not None and graded.standard_error is not None:
        half = half_width(graded.standard_error, len(graded.seeds))
        low, high = max(0.0, graded.accuracy - half), min(1.0, graded.accuracy + half)
    return PublicGrading(
        number=graded.number,
        when=graded.graded[:10] if hidden else graded.graded[:16].replace("T", " "),
        verdict=graded.verdict,
        accuracy=graded.accuracy,
        standard_error=graded.standard_error,
        low=low,
        high=high,
        status=status,
    )


def _complaints(row: RankedRow, quoting: bool) -> tuple[Complaint, ...]:
    if quoting:
        return tuple(
            Complaint(place=_place(v.file, v.line), what=clean(v.what), fix=clean(v.fix)) for v in row.violations
        )
    broken = dict.fromkeys(
        (v.rule, _place(v.file, v.line) if v.file in FILES else "") for v in row.violations
    )  # once each: without their words several complaints may be the same
    return tuple(Complaint(place=place, what=f"a rule is not kept: {RULES[rule]}", fix="") for rule, place in broken)


def _place(file: str, line: int | None) -> str:
    return clean(file) if line is None else f"{clean(file)}:{line}"


def _nearest(row: RankedRow, references: Mapping[str, LrSummary]) -> Nearest | None:
    if row.kind is not Kind.STUDENT or row.learning_rate is None or row.accuracy is None:
        return None
    own = shape(row.learning_rate.curve)
    near = [
        Nearest(name=clean(name), distance=distance(own, shape(found.curve)))
        for name, found in references.items()
        if own and found.curve
    ]
    return min(near, key=lambda n: n.distance, default=None)
