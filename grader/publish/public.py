"""Makes the public view (`public_board`) of a leaderboard.

Under pseudonyms, everything that a submission could have written itself is left out: its id, its team,
and the words of violations and errors, which quote its code. What stays is ours or a number.
"""

from collections.abc import Iterable, Mapping, Set
from types import MappingProxyType
from typing import NamedTuple

from grader.core.curves import LrSummary, distance, shape
from grader.core.kind import Kind
from grader.core.statistics import half_width
from grader.core.text import clean
from grader.core.verdict import RULES
from grader.leaderboard.history import all_of
from grader.leaderboard.models import BoardTask, Grading, Leaderboard, RankedRow, RowKey
from grader.leaderboard.ranking import place_of
from grader.leaderboard.workloads import PROFILED, Profile, profiles
from grader.publish.class_summary import ClassSummary, Record, histogram_of, moment, records_of, summary_of
from grader.publish.names import NameMode, Names, Shown, shown
from grader.publish.public_board import (
    Complaint,
    GradingStatus,
    Nearest,
    Progress,
    PublicBoard,
    PublicGrading,
    PublicRow,
    PublicWorkload,
)
from grader.submissions.tree import FILES

_LONG = 2000


def public(
    board: Leaderboard,
    names: Names,
    progress: Progress | None = None,
    waiting: Set[RowKey] = frozenset(),
    *,
    final: bool = False,
) -> PublicBoard:
    """The public view of `board`. `waiting` are the rows for which other files are about to be graded."""
    shown_as = shown(board, names)
    references = references_of(board.rows)
    rows = tuple(
        public_row(row, board, shown_as[row.kind, row.id], names, references, (row.kind, row.id) in waiting)
        for row in board.rows
        if (row.kind, row.id) in shown_as
    )
    if names.mode is NameMode.PSEUDONYMS:
        rows = tuple(sorted(rows, key=lambda row: row.place))
    # The former gradings of a final board were of other images.
    records = records_of(board, shown_as, names) if progress is None and not final else ()
    summary = summary_of(board, shown_as, names, final=final) if progress is None else None
    every = _Rows(rows, len(board.rows) - len(rows), records, _profiles(board, shown_as), summary)
    return _published(board, names, every, progress, final=final)


def public_head(board: Leaderboard, names: Names, progress: Progress, left_out: int) -> PublicBoard:
    """The board without its rows, of which `left_out` are not shown."""
    return _published(board, names, _Rows((), left_out), progress)


class _Rows(NamedTuple):
    """The rows shown, and what is made of all of them."""

    shown: tuple[PublicRow, ...]
    left_out: int
    records: tuple[Record, ...] = ()
    profiles: Mapping[str, Profile] = MappingProxyType({})
    summary: ClassSummary | None = None


def _published(
    board: Leaderboard, names: Names, rows: _Rows, progress: Progress | None, *, final: bool = False
) -> PublicBoard:
    return PublicBoard(
        task=board.task.name,
        description=clean(board.task.description),
        seeds=board.task.seeds,
        n_train=board.task.n_train,
        n_test=_images(board.task, final=final),
        views=board.task.views,
        final=final,
        ranking=board.task.ranking,
        time_limit_s=board.task.time_limit_s,
        counts=board.task.counts,
        device=board.environment.device,
        environment=board.environment,
        workloads=board.task.workloads,
        rule_applies=progress is not None or board.rule_applies,
        histogram=histogram_of(
            (_accuracy_of(row) for row in rows.shown if row.kind is Kind.STUDENT and _is_compared(row)),
            (_accuracy_of(row) for row in rows.shown if row.kind is not Kind.STUDENT and _is_compared(row)),
        ),
        summary=rows.summary,
        records=rows.records,
        profiles=rows.profiles,
        updated=board.updated,
        mode=names.mode,
        top=names.top,
        rows=rows.shown,
        left_out=rows.left_out,
        progress=progress,
    )


def _is_compared(row: PublicRow) -> bool:
    return row.counting.accuracy is not None and not row.apart and not row.status


def _accuracy_of(row: PublicRow) -> float:
    return row.counting.accuracy or 0.0


def _images(task: BoardTask, *, final: bool) -> int:
    """Held-out images that the scores are of; views of one image are one."""
    if not task.workloads:
        return (task.n_test if final else task.n_shown) // max(1, task.views)
    share = 1.0 if final else task.ranking.public_share
    return sum(one.n_shown(share) // max(1, one.views) for one in task.workloads)


def _profiles(board: Leaderboard, shown_as: Mapping[RowKey, Shown]) -> dict[str, Profile]:
    if len(board.task.workloads) < PROFILED:
        return {}
    found = profiles([row for row in board.rows if board.compares(row)], board.task)
    return {shown_as[key].slug: profile for key, profile in found.items() if key in shown_as}


def references_of(rows: Iterable[RankedRow]) -> dict[str, LrSummary]:
    """The schedules that a student's may be nearest to."""
    return {row.id: row.schedules[0] for row in rows if row.kind is not Kind.STUDENT and row.schedules}


def _workloads(row: RankedRow, board: Leaderboard) -> tuple[PublicWorkload, ...]:
    return tuple(
        PublicWorkload(
            name=one.name,
            verdict=found.verdict,
            accuracy=found.accuracy,
            standard_error=found.standard_error,
            guessing=found.guessing,
            learning_rate=found.learning_rate,
            curves=found.curves,
        )
        if (found := row.on(one.name))
        else PublicWorkload(name=one.name, verdict=None)
        for one in board.task.workloads
    )


def public_row(
    row: RankedRow,
    board: Leaderboard,
    shown_as: Shown,
    names: Names,
    references: Mapping[str, LrSummary],
    waiting: bool,
) -> PublicRow:
    """The public view of one row. Of `board` only the head is read, no row."""
    quoting = names.mode is not NameMode.PSEUDONYMS or row.kind is not Kind.STUDENT
    ruling = board.ruling(row)
    return PublicRow(
        slug=shown_as.slug,
        name=shown_as.name,
        team=shown_as.team[:_LONG],
        kind=row.kind,
        rank=row.rank,
        status=ruling.status,
        quoted=tuple(map(clean, ruling.quotable)) if quoting else (),
        apart=clean(row.device or "an unknown device") if board.is_apart(row) else "",
        counting=_grading(row, GradingStatus.COUNTS, not quoting),
        seeds=tuple((s.seed, s.accuracy) for s in row.seeds),
        workloads=_workloads(row, board),
        has_score=board.policy.by.relative,
        score=row.score,
        seconds=row.seconds,
        optimizer=row.optimizer,
        batch_size=row.batch_size,
        epochs=row.epochs,
        learning_rate=row.learning_rate,
        schedule=next(iter(row.schedules), None),
        constant=row.is_constant,
        curves=row.curves,
        complaints=_complaints(row, quoting),
        detail="\n".join(map(clean, row.detail.splitlines())) if quoting else "",
        sandbox=row.sandbox,
        nearest=_nearest(row, references),
        history=tuple(
            _grading(past, _status(past.number, row.number, past.regraded), not quoting) for past in all_of(row)
        ),
        former_rank=row.former_rank if row.rank is not None else None,
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
        when=moment(graded.graded, hidden),
        verdict=graded.verdict,
        marks=graded.marks,
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
    return tuple(Complaint(place=place, what=f"a rule is broken: {RULES[rule]}", fix="") for rule, place in broken)


def _place(file: str, line: int | None) -> str:
    return clean(file) if line is None else f"{clean(file)}:{line}"


def _nearest(row: RankedRow, references: Mapping[str, LrSummary]) -> Nearest | None:
    if row.kind is not Kind.STUDENT or not row.schedules or row.accuracy is None:
        return None
    own = shape(row.schedules[0].curve)
    near = [
        Nearest(name=clean(name), distance=distance(own, shape(found.curve)))
        for name, found in references.items()
        if own and found.curve
    ]
    return min(near, key=lambda n: n.distance, default=None)
