"""`grader study` on the terminal: progress, a table per study, and where the report is."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.core.runs import EpochRecord
from grader.experiments import report
from grader.experiments.findings import VariantLine, table
from grader.experiments.runner import StudyOutcome, run_studies
from grader.experiments.spec import Study, load, shipped
from grader.grading.config import RunConfig

_PIPED_WIDTH = 120


def run_and_report(config: RunConfig, name: str, epochs: int | None, out: Path, command: str) -> None:
    """Run one study, or all; print tables, write the report, which says that `command` made it. Raises GraderError."""
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    task = config.task
    studies = [load(one) for one in (shipped() if name == "all" else [name])]
    if epochs is not None:
        studies = [study.with_epochs(epochs) for study in studies]
    console.print(
        f"{', '.join(s.name for s in studies)} on {task.name}, seeds {', '.join(map(str, task.seeds))}, "
        f"{studies[0].setup.epochs} epochs",
        highlight=False,
    )
    outcomes: list[StudyOutcome] = []
    with _Bars(console) as bars:
        for outcome in run_studies(studies, config, bars):
            outcomes.append(outcome)
            bars.console.print(_board(outcome.study.title, table(outcome)[: len(outcome.variants)]))
    if len(outcomes) > 1:
        lines = [found.named(n) for n, found in report.summarized(outcomes).items()]
        console.print(_board("All schedules", lines))
    folder = out / task.name / (name if name == "all" else studies[0].name)
    path = report.write(outcomes, folder, command)
    console.print(f"report: {path}", highlight=False, soft_wrap=True)


def _board(title: str, lines: Sequence[VariantLine]) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("schedule", "initial rate", "accuracy ± s.e.", "to constant", "95 % interval"):
        shown.add_column(name, justify="left" if name == "schedule" else "right")
    for found in lines:
        error = f" ± {100 * found.standard_error:.2f}" if found.standard_error is not None else ""
        gap = found.difference
        same = found.name == "constant"
        known = gap.low is not None and gap.high is not None and not same
        shown.add_row(
            found.name,
            f"{found.lr:g}",
            f"{100 * found.accuracy:.2f}{error} %",
            "" if same else f"{100 * gap.mean:+.2f}",
            f"{100 * (gap.low or 0):+.2f} to {100 * (gap.high or 0):+.2f}" if known else "",
        )
    return shown


class _Bars:
    """A bar per part of a study on a terminal, a line per part elsewhere. Called from several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} trainings"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._lock = threading.Lock()
        self._bar: TaskID | None = None
        self._total = 0

    def __enter__(self) -> "_Bars":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def planned(self, study: Study, what: str, trainings: int) -> None:
        """A new part: so many trainings at most; what is known is skipped."""
        with self._lock:
            if self.console.is_terminal:
                if self._bar is not None:
                    self._bars.update(self._bar, visible=False)
                self._bar = self._bars.add_task(f"{study.name}: {what}", total=trainings)
            else:
                self.console.print(f"{study.name}: {what}, {trainings} trainings", highlight=False)

    def __call__(self, name: str, seed: int, record: EpochRecord, epochs: int) -> None:
        """An epoch of a training ended."""
        if self._bar is not None:
            with self._lock:
                self._bars.advance(self._bar, 1 / epochs)
