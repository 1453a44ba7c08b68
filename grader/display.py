"""What a run looks like: a live display on a terminal, plain lines elsewhere, and the board as a table."""

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.leaderboard import Kind, Leaderboard, Row
from grader.pipeline import Entry
from grader.result import Compiled, EpochRecord, SeedRun, Verdict

_STYLES = {Verdict.OK: "green", Verdict.DIVERGED: "yellow", Verdict.INTERNAL: "magenta"}


class Display:
    """The observer of a run. One line per graded submission; on a terminal, bars below them."""

    def __init__(self, console: Console, submissions: int, seeds: int, *, live: bool) -> None:
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
        self._compiling = self._progress.add_task("compiled", total=submissions, now="")
        self._training = self._progress.add_task("trainings", total=submissions * seeds, now="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def compiled(self, entry: Entry, compiled: Compiled, stored: bool) -> None:
        """Move the first bar; a rejected submission needs no training."""
        self._progress.update(self._compiling, advance=1, now=escape(entry.label))
        if compiled.recipe is None:
            self._progress.update(self._training, advance=self._seeds)

    def epoch(self, entry: Entry, seed: int, record: EpochRecord, epochs: int) -> None:
        """Show the last epoch that ended."""
        now = f"{escape(entry.label)}, seed {seed}: epoch {record.epoch}/{epochs}, accuracy {record.accuracy:.3f}"
        self._progress.update(self._training, now=now)

    def trained(self, entry: Entry, run: SeedRun, stored: bool) -> None:
        """Move the second bar."""
        self._progress.update(self._training, advance=1)

    def graded(self, entry: Entry, row: Row) -> None:
        """One line per submission."""
        with self._lock:
            self._graded += 1
            style = _STYLES.get(row.verdict, "red")
            what = f"accuracy {_accuracy(row)}" if row.accuracy is not None else _reason(row)
            line = f"[{self._graded}/{self._count}] {escape(entry.label)}: [{style}]{row.verdict}[/] {escape(what)}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Something the user should know."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)


def _accuracy(row: Row) -> str:
    if row.accuracy is None:
        return ""
    error = f" ± {100 * row.standard_error:.2f}" if row.standard_error is not None else ""
    return f"{100 * row.accuracy:.2f}{error} %"


def _reason(row: Row) -> str:
    if row.violations:
        more = f" (and {len(row.violations) - 1} more)" if len(row.violations) > 1 else ""
        return f"{row.violations[0]}{more}"
    return row.detail.splitlines()[-1] if row.detail else ""


def board_table(board: Leaderboard) -> Table:
    """The leaderboard for a terminal."""
    table = Table(title=f"{board.task.name}: {board.task.description}", title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("submission", overflow="fold")
    table.add_column("team", overflow="ellipsis", max_width=24, no_wrap=True)
    table.add_column("verdict")
    table.add_column("accuracy (mean ± s.e.)", justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("why", overflow="ellipsis", max_width=60, no_wrap=True)
    for row in board.rows:
        own = row.kind is Kind.STUDENT
        name = row.id if own else f"{row.id} ({row.kind})"
        style = _STYLES.get(row.verdict, "red")
        table.add_row(
            str(row.rank) if row.rank is not None else "",
            escape(name),
            escape(", ".join(row.team)) if own else "",
            f"[{style}]{row.verdict}[/]",
            _accuracy(row),
            str(len(row.seeds)) if row.accuracy is not None else "",
            f"{row.seconds:.1f}",
            escape(_reason(row)) if row.verdict is not Verdict.OK else "",
            style=None if own else "dim",
        )
    return table
