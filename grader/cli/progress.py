"""What a run looks like: a live display on a terminal, plain lines elsewhere, and the board as a table."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.core.kind import Kind
from grader.core.task import FailedWorkload, Task
from grader.core.verdict import Verdict
from grader.grading.events import (
    EpochFinished,
    Event,
    Remark,
    SubmissionCompiled,
    SubmissionGraded,
    TrainingFinished,
)
from grader.leaderboard.decisions import Ruling
from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow
from grader.submissions.entry import Entry

_PIPED_WIDTH = 130
_ALL = 100_000  # columns: everything fits
_MARGIN, _GAP, _TEAM = 2, 3, 8  # of the table, between two columns, at least for the team
_STYLES = {Verdict.OK: "green", Verdict.DIVERGED: "yellow", Verdict.INTERNAL: "magenta"}


class Display:
    """Listens to a run. One line per graded submission; on a terminal, bars below them."""

    def __init__(self, console: Console, submissions: int, task: Task, *, live: bool) -> None:
        self._workloads = [one.name for one in task.workload] or [""]
        self._one_fails_all = task.ranking.failed_workload is FailedWorkload.UNRANKED
        seeds, workloads = len(task.seeds), len(self._workloads)
        self._console, self._lock, self._seeds = console, threading.Lock(), seeds
        self._count = submissions
        self._graded = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not live,
            transient=True,
        )
        self._compiling = self._progress.add_task("compiled", total=submissions * workloads, now="")
        self._training = self._progress.add_task("trainings", total=submissions * workloads * seeds, now="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def listen(self, event: Event) -> None:
        """Show what happened."""
        match event:
            case SubmissionCompiled():
                refused = event.compiled.recipe is None  # a rejected submission needs no training
                last = refused and self._one_fails_all  # nor a compilation for the workloads after this one
                place = self._workloads.index(event.workload)
                rest = len(self._workloads) - place if last else 1
                self._progress.update(self._compiling, advance=rest, now=escape(event.entry.label))
                if refused:
                    count = len(self._workloads) if last else 1
                    self._progress.update(self._training, advance=self._seeds * count)
            case EpochFinished():
                on = f" on {event.workload}" if event.workload else ""
                where = f"{escape(event.entry.label)}{on}, seed {event.seed}: epoch {event.record.epoch}/{event.epochs}"
                self._progress.update(self._training, now=f"{where}, accuracy {event.record.accuracy:.3f}")
            case TrainingFinished():
                self._progress.update(self._training, advance=1)
            case SubmissionGraded():
                self._graded_line(event.entry, event.row)
            case Remark():
                say(self._console, event.text)

    def _graded_line(self, entry: Entry, row: GradedRow) -> None:
        with self._lock:
            self._graded += 1
            style = _STYLES.get(row.verdict, "red")
            what = f"accuracy {_accuracy(row)}{_guessing(row)}" if row.accuracy is not None else _reason(row)
            line = f"[{self._graded}/{self._count}] {escape(entry.label)}: [{style}]{row.verdict}[/] {escape(what)}"
            self._console.print(line, highlight=False, soft_wrap=not self._console.is_terminal)


def _accuracy(row: GradedRow) -> str:
    if row.accuracy is None:
        return ""
    error = f" ± {100 * row.standard_error:.2f}" if row.standard_error is not None else ""
    return f"{100 * row.accuracy:.2f}{error} %"


def _guessing(row: GradedRow) -> str:
    """The workloads that failed and count as guessing."""
    failed = [f"{one.name} ({one.verdict})" for one in row.workloads if one.guessing]
    return f", guessing on {', '.join(failed)}" if failed else ""


def _contribution(row: RankedRow) -> str:
    """The scheduler's part of the accuracy, with half of its 95 % interval."""
    gap = row.contribution
    if gap is None:
        return ""
    if gap.low is None or gap.high is None or gap.low == gap.high:  # one seed, or no chance in it
        return f"{100 * gap.mean:+.2f}"
    return f"{100 * gap.mean:+.2f} ± {50 * (gap.high - gap.low):.2f}"


def _rank(row: RankedRow, *, ranges: bool) -> str:
    """The rank, and the ranks that it may have."""
    if row.rank is None:
        return ""
    return "{} ({}–{})".format(row.rank, *row.rank_interval) if ranges and row.rank_interval else str(row.rank)


def _reason(row: GradedRow) -> str:
    if row.violations:
        more = f" (and {len(row.violations) - 1} more)" if len(row.violations) > 1 else ""
        where = next((f"on {one.name}: " for one in row.workloads if not one.verdict.ranked), "")
        return f"{where}{row.violations[0]}{more}"
    return row.detail.splitlines()[-1] if row.detail else ""


def print_board(console: Console, board: Leaderboard, *, wide: bool = False) -> None:
    """The leaderboard as a table that fits the console; wide where no terminal sets the width, or as asked for."""
    width = console.width if console.is_terminal else max(console.width, _PIPED_WIDTH)
    table = board_table(board, _ALL if wide else width)
    if wide:
        width = max(width, Console(width=_ALL).measure(table).maximum)
    # Wider than the terminal, lines are left to it: it may wrap or scroll them.
    Console(file=console.file, width=width).print(table, soft_wrap=wide)
    apart = [row for row in board.rows if board.is_apart(row)]
    if apart:
        kinds = ", ".join(sorted({row.device or "unknown" for row in apart}))
        say(
            console,
            f"{len(apart)} row(s) have no rank: they were trained on {kinds}, and ranked here is what "
            f"{board.policy.only_device} gave. Grade them again there to rank them.",
        )
    if board.task.n_shown < board.task.n_test:
        share = f"{100 * board.task.ranking.public_share:g} %"
        say(console, f"Accuracies are of {share} of the held-out images; the others decide in the end (--final).")
    if not board.rule_applies:
        say(
            console,
            f"The rule {board.policy.by} cannot be applied: the default scheduler or all references have no score. "
            "Rows stand by their mean accuracy.",
        )


def say(console: Console, text: str) -> None:
    """Print plain text: wrapped between words on a terminal, a line elsewhere."""
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _score(row: RankedRow) -> str:
    """What the row is ranked by, where that is neither accuracy nor contribution."""
    return "" if row.score is None else f"{row.score:.2f}"


def _on(row: GradedRow, workload: str) -> str:
    """What the row reached on one of several workloads."""
    found = row.on(workload)
    if found is None:
        return ""
    failed = f" ({found.verdict})" if found.guessing else ""
    return f"{100 * found.accuracy:.2f}{failed}" if found.accuracy is not None else found.verdict


@dataclass(frozen=True)
class _Column:
    """One column, and what its cells hold."""

    title: str
    cell: Callable[[RankedRow], str]
    width: int
    right: bool = True
    cut: bool = False  # where the title is longer


def _columns(board: Leaderboard, room: int) -> tuple[list[_Column], bool]:
    """The columns between verdict and team that there is room for, by their importance; whether all fitted."""
    by = board.policy.by
    accuracy = _Column("accuracy ± s.e.", _accuracy, 15)
    score = [_Column(by.heading, _score, 10)] if by.relative else []
    names = [one.name for one in board.task.workloads]
    workloads = [_Column(name, partial(_on, workload=name), max(8, min(16, len(name))), cut=True) for name in names]
    derived = [
        _Column("contribution", _contribution, 14),
        _Column("beats default", lambda row: row.beats_default or "", 13, right=False),
    ]
    seconds = [_Column("seconds", lambda row: f"{row.seconds:.1f}", 7)]
    chosen = [*score, accuracy] if not score or room >= score[0].width + accuracy.width + 2 * _GAP else score
    room -= sum(column.width + _GAP for column in chosen)
    left_out = 0
    for group in (workloads, derived, seconds) if workloads else (seconds, derived):
        needed = sum(column.width + _GAP for column in group)
        left_out += len(group) if needed > room or left_out else 0
        if not left_out:
            chosen += group
            room -= needed
    order = {id(column): n for n, column in enumerate([*score, accuracy, *workloads, *derived, *seconds])}
    return sorted(chosen, key=lambda column: order[id(column)]), left_out == 0


def board_table(board: Leaderboard, console_width: int) -> Table:
    """The leaderboard for a terminal of that many columns; the team gives way first, then what is derived.

    Rows without a score show the first rule that they break, as far as there is room.
    """
    table = Table(box=box.SIMPLE_HEAD, title=f"{board.task.name}: {board.task.description}", title_justify="left")
    names = [row.kind.named(row.id) for row in board.rows]
    width = max(map(len, names), default=10)
    width = width if console_width >= _ALL else min(32, width)
    ranks = [_rank(row, ranges=True) for row in board.rows]
    for short, ranges in ((False, True), (True, True), (True, False)):  # broken rules give way to columns, then ranges
        if not ranges:
            ranks = [_rank(row, ranges=False) for row in board.rows]
        verdicts = [_verdict(row, board.ruling(row), short=short) for row in board.rows]
        rank_width = max(4, max(map(len, ranks), default=4))
        fixed = _MARGIN + rank_width + _GAP + width + _GAP + max(map(len, verdicts), default=8) + _GAP
        columns, whole = _columns(board, console_width - fixed - _TEAM)
        team = console_width - fixed - sum(column.width + _GAP for column in columns)
        if whole or (short and team >= _TEAM):
            break
    if not whole:
        table.caption = "There is no room for all columns: grader show --wide has them."
    table.add_column("rank", justify="right", no_wrap=True, min_width=rank_width)
    table.add_column("submission", no_wrap=True, overflow="ellipsis", min_width=width, max_width=width)
    table.add_column("verdict", no_wrap=True, min_width=max(map(len, verdicts), default=8))
    for column in columns:
        justify: JustifyMethod = "right" if column.right else "left"
        most = column.width if column.cut and console_width < _ALL else None
        table.add_column(
            escape(column.title),
            justify=justify,
            no_wrap=True,
            overflow="ellipsis",
            min_width=column.width,
            max_width=most,
        )
    if team >= _TEAM:
        table.add_column("team", no_wrap=True, overflow="ellipsis", max_width=team)
    for row, rank, name, verdict in zip(board.rows, ranks, names, verdicts, strict=True):
        own = row.kind is Kind.STUDENT
        style = _STYLES.get(row.verdict, "red")
        table.add_row(
            rank,
            escape(name),
            f"[{style}]{verdict}[/]",
            *(escape(column.cell(row)) for column in columns),
            *((escape(", ".join(row.team)) if own else "",) if team >= _TEAM else ()),
            style=None if own else "dim",
        )
    return table


def _verdict(row: GradedRow, ruling: Ruling, *, short: bool) -> str:
    """The verdict with what was decided and its marks, or with the first broken rule of the contract."""
    if short or row.verdict is not Verdict.CONTRACT or not row.violations:
        return ", ".join((row.verdict, *ruling.marks, *row.marks))
    return ", ".join((f"{row.verdict}: {row.violations[0].rule.replace('_', ' ')}", *ruling.marks))
