"""A comparison on the terminal: progress, a table, and where the figure is."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.cli.progress import say
from grader.core.runs import EpochRecord
from grader.experiments import plots
from grader.experiments.compare import ComparedSchedule, compare
from grader.grading.config import RunConfig

_PIPED_WIDTH = 110


def run_comparison(config: RunConfig, folder: Path, others: Sequence[str], plot: Path) -> None:
    """Train, print, draw. Raises GraderError."""
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    task = config.task
    console.print(f"comparing on {task.name} with seeds {', '.join(map(str, task.seeds))}", highlight=False)
    lock = threading.Lock()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        known: dict[tuple[str, int], int] = {}

        def progress(name: str, seed: int, record: EpochRecord, epochs: int) -> None:
            what = f"{name}, seed {seed}: epoch {record.epoch}/{epochs}, accuracy {record.accuracy:.3f}"
            with lock:
                if not console.is_terminal:
                    console.print(what, highlight=False)
                    return
                bar = known.get((name, seed))
                if bar is None:
                    bar = known[name, seed] = int(bars.add_task(what, total=epochs))
                bars.update(bars.task_ids[bar], completed=record.epoch, description=what)

        lines = compare(folder, config, others, progress)
    console.print(_table(lines))
    for remark in _remarks(lines, task.name):
        say(console, remark)
    plots.comparison(
        {line.name: line.runs for line in lines}, f"{task.name}: mean and range of {len(task.seeds)} seed(s)", plot
    )
    console.print(f"figure: {plot}", highlight=False, soft_wrap=True)


def _remarks(lines: Sequence[ComparedSchedule], task: str) -> list[str]:
    """What the numbers do not say by themselves."""
    mine = next(line.recipe for line in lines if line.name == "yours")
    own = (mine.optimizer, mine.batch_size, mine.epochs)
    others = [line.name for line in lines if (line.recipe.optimizer, line.recipe.batch_size, line.recipe.epochs) != own]
    remarks = [f"{task} has {mine.steps} steps with your configuration: a schedule made for more is seen only so far"]
    if others:
        remarks.append(
            f"{', '.join(others)}: trained with a configuration of its own (last column): not only the schedule differs"
        )
    left_out = [call.name for call in mine.transforms if call.is_random]
    if left_out:
        with_them = [
            f"{line.name} {100 * line.augmented:.2f} % ({100 * (line.augmented - line.accuracy[0]):+.2f})"
            for line in lines
            if line.augmented is not None and line.accuracy is not None
        ]
        measured = f"; with them: {', '.join(with_them)}" if with_them else ""
        remarks.append(f"accuracy is measured without the random transforms ({', '.join(left_out)}){measured}")
    if len(lines[0].runs) == 1:
        remarks.append("one seed says little: differences of a point or two are chance")
    return remarks


def _table(lines: Sequence[ComparedSchedule]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("schedule", "accuracy ± s.e.", "vs default", "final loss", "configuration"):
        table.add_column(name, justify="left" if name in ("schedule", "configuration") else "right")
    default = next(line.accuracy for line in lines if line.name == "default")
    for line in lines:
        if line.accuracy is None:
            table.add_row(line.name, str(next(r.verdict for r in line.runs if r.accuracy is None)), "", "", "")
            continue
        mean, error = line.accuracy
        losses = [run.epochs[-1].train_loss for run in line.runs]
        finite = [loss for loss in losses if loss is not None]
        table.add_row(
            line.name,
            f"{100 * mean:.2f}{f' ± {100 * error:.2f}' if error is not None else ''} %",
            f"{100 * (mean - default[0]):+.2f}" if default and line.name != "default" else "",
            f"{sum(finite) / len(finite):.4f}" if finite else "not finite",
            f"{line.recipe.optimizer}, batch {line.recipe.batch_size}, {line.recipe.epochs} epochs",
        )
    return table
