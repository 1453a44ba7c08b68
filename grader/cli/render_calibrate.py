"""A calibration on the terminal: what was trained, what it says, and where the figure is."""

import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from grader.cli.progress import say
from grader.core.runs import EpochRecord
from grader.experiments import plots
from grader.experiments.calibration import Calibration, calibrate
from grader.grading.config import RunConfig

_PIPED_WIDTH = 110


def run_calibration(config: RunConfig, students: int, usual: int, plot: Path | None, *, as_json: bool) -> None:
    """Train, print, draw. Raises GraderError."""
    progress = Console(stderr=True)

    def told(name: str, seed: int, record: EpochRecord, epochs: int) -> None:
        if record.epoch == epochs:
            progress.print(f"{name}, seed {seed}: {100 * record.accuracy:.2f} %", highlight=False, markup=False)

    with progress.status("training the references"):
        found = calibrate(config, students, usual, told)
    if plot is not None:
        plots.calibration(found, plot)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    for table in (_references(found), _resolutions(found)):
        console.print(table)
    for line in (*_sentences(found), "", *found.advice):
        say(console, line)
    if plot is not None:
        console.print(f"figure: {plot}", highlight=False, soft_wrap=True)


def _references(found: Calibration) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{found.task}: {len(found.seeds)} seeds", title_justify="left")
    table.add_column("reference")
    for name in ("accuracy", "noise of one training", "to the default (95 %)"):
        table.add_column(name, justify="right")
    table.add_column("beats default")
    for row in found.references:
        gap = row.to_default
        apart = ""
        if gap is not None and gap.low is not None and gap.high is not None:
            apart = f"{100 * gap.mean:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
        table.add_row(
            row.name, f"{100 * row.accuracy:.2f} %", f"{100 * row.noise:.2f}", apart, str(row.beats_default or "")
        )
    return table


def _resolutions(found: Calibration) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"A class of {found.students}: differences that can be detected",
        title_justify="left",
    )
    for name in ("seeds", "two rows (points)", "a row and the default", "ranks, all pairs at once", "hours here"):
        table.add_column(name, justify="right")
    for row in found.resolutions:
        numbers = (100 * row.pair, 100 * row.to_default, 100 * row.ranks)
        table.add_row(str(row.seeds), *(f"± {number:.2f}" for number in numbers), f"{row.hours:.2f}")
    return table


def _sentences(found: Calibration) -> list[str]:
    rates = ", ".join(
        f"{trial.factor:g} times: {trial.verdict if trial.accuracy is None else f'{100 * trial.accuracy:.1f} %'}"
        + (" (diverged)" if trial.verdict == "diverged" else "")
        for trial in found.rates
    )
    return [
        f"One training of a usual row scatters by {100 * found.noise:.2f} points. Images that are right with one seed "
        f"and wrong with another would give {100 * found.flips:.2f} if each flipped by itself. The choice of the "
        f"{found.n_test} held-out images adds {100 * found.images:.2f} points to a difference.",
        f"A training takes {found.seconds:.1f} s ({found.longest:.1f} at most) of {found.time_limit_s:.0f} s allowed.",
        f"The default at other rates: {rates}.",
    ]
