"""What a run looks like: a live display on a terminal, plain lines elsewhere, and the board as a table."""

import threading
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.core.kind import Kind
from grader.core.task import Task
from grader.core.verdict import Verdict
from grader.grading.events import (
    EpochFinished,
    Event,
    Remark,
    SubmissionCompiled,
    SubmissionGraded,
    TrainingFinished,
)
from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow
from grader.submissions.entry import Entry

_PIPED_WIDTH = 130
_NARROW, _WIDE = 54, 94  # columns of a terminal beside the submission's, without and with what is derived
_STYLES = {Verdict.OK: "green", Verdict.DIVERGED: "yellow", Verdict.INTERNAL: "magenta"}


class Display:
    """Listens to a run. One line per graded submission; on a terminal, bars below them."""

    def __init__(self, console: Console, submissions: int, task: Task, *, live: bool) -> None:
        seeds, workloads = len(task.seeds), len(task.parts)
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
                self._progress.update(self._compiling, advance=1, now=escape(event.entry.label))
                if event.compiled.recipe is None:  # a rejected submission needs no training
                    self._progress.update(self._training, advance=self._seeds)
            case EpochFinished():
                on = f" on {event.workload}" if event.workload else ""
                where = f"{escape(event.entry.label)}{on}, seed {event.seed}: epoch {event.record.epoch}/{event.epochs}"
                self._progress.update(self._training, now=f"{where}, accuracy {event.record.accuracy:.3f}")
            case TrainingFinished():
                self._progress.update(self._training, advance=1)
            case SubmissionGraded():
                self._graded_line(event.entry, event.row)
            case Remark():
                self._console.print(escape(event.text), highlight=False, soft_wrap=True)

    def _graded_line(self, entry: Entry, row: GradedRow) -> None:
        with self._lock:
            self._graded += 1
            style = _STYLES.get(row.verdict, "red")
            what = f"accuracy {_accuracy(row)}" if row.accuracy is not None else _reason(row)
            line = f"[{self._graded}/{self._count}] {escape(entry.label)}: [{style}]{row.verdict}[/] {escape(what)}"
            self._console.print(line, highlight=False, soft_wrap=True)


def _accuracy(row: GradedRow) -> str:
    if row.accuracy is None:
        return ""
    error = f" ± {100 * row.standard_error:.2f}" if row.standard_error is not None else ""
    return f"{100 * row.accuracy:.2f}{error} %"


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
        return f"{row.violations[0]}{more}"
    return row.detail.splitlines()[-1] if row.detail else ""


def print_board(console: Console, board: Leaderboard) -> None:
    """The leaderboard as a table; wide where no terminal sets the width."""
    width = console.width if console.is_terminal else max(console.width, _PIPED_WIDTH)
    Console(file=console.file, width=width).print(board_table(board, width))
    apart = [row for row in board.rows if row.scored and not board.compares(row)]
    if apart:
        kinds = ", ".join(sorted({row.device or "unknown" for row in apart}))
        console.print(
            f"{len(apart)} row(s) have no rank: they were trained on {kinds}, and ranked here is what "
            f"{board.policy.only_device} gave. Grade them again there to rank them.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def board_table(board: Leaderboard, console_width: int) -> Table:
    """The leaderboard for a terminal of that many columns; the team gives way first, then what is derived."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{board.task.name}: {board.task.description}", title_justify="left")
    names = [row.id if row.kind is Kind.STUDENT else f"{row.id} ({row.kind})" for row in board.rows]
    width = min(32, max(map(len, names), default=10))
    wide = console_width >= width + _WIDE
    taken = width + (_WIDE if wide else _NARROW)
    table.add_column("rank", justify="right", no_wrap=True, min_width=8 if wide else 4)
    table.add_column("submission", no_wrap=True, overflow="ellipsis", min_width=width, max_width=width)
    table.add_column("verdict", no_wrap=True, min_width=8)
    table.add_column("accuracy ± s.e.", justify="right", no_wrap=True, min_width=15)
    if wide:
        table.add_column("contribution", justify="right", no_wrap=True, min_width=14)
        table.add_column("beats default", no_wrap=True, min_width=13)
    table.add_column("seconds", justify="right", no_wrap=True, min_width=7)
    table.add_column("team", no_wrap=True, overflow="ellipsis", max_width=max(8, console_width - taken))
    for row, name in zip(board.rows, names, strict=True):
        own = row.kind is Kind.STUDENT
        style = _STYLES.get(row.verdict, "red")
        table.add_row(
            _rank(row, ranges=wide),
            escape(name),
            f"[{style}]{row.verdict}[/]",
            _accuracy(row),
            *((_contribution(row), row.beats_default or "") if wide else ()),
            f"{row.seconds:.1f}",
            escape(", ".join(row.team)) if own else "",
            style=None if own else "dim",
        )
    return table
