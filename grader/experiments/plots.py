"""Figures: the schedule of a submission, and the curves of a comparison. PNG or SVG by the file's ending."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.core.errors import SetupError, UsageError
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun

if TYPE_CHECKING:
    from grader.experiments.calibration import Calibration

_FORMATS = (".png", ".svg", ".pdf")


def canvas(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """An empty figure (inches) with that many axes in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def check_name(path: Path) -> None:
    """Raise UsageError if `path` has an ending that no figure has."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: a figure's name ends with {', '.join(_FORMATS)}")


def _save(figure: Any, path: Path) -> None:
    check_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None


def schedule(recipe: Recipe, path: Path) -> None:
    """Every group's learning rate over the steps."""
    figure, (axis,) = canvas(7, 3.5, 1)
    for number, group in enumerate(recipe.groups):
        axis.plot(list(group.lr.expand()), drawstyle="steps-post", label=f"group {number}")
    axis.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    if len(recipe.groups) > 1:
        axis.legend()
    _save(figure, path)


def calibration(found: "Calibration", path: Path) -> None:
    """Differences of the references to the default with their intervals, and what more seeds can tell."""
    figure, (left, right) = canvas(11, 4.5, 2)
    rows = [row for row in reversed(found.references) if row.to_default is not None]
    gaps = [row.to_default for row in rows if row.to_default is not None]
    halves = [100 * (gap.high - gap.mean) if gap.high is not None else 0.0 for gap in gaps]
    left.errorbar([100 * gap.mean for gap in gaps], range(len(rows)), xerr=halves, fmt="o", capsize=3)
    left.axvline(0, color="0.5", linewidth=1)
    left.set_yticks(range(len(rows)), [row.name for row in rows])
    left.set(xlabel="accuracy less the default's (points, 95 %)")
    seeds = [row.seeds for row in found.resolutions]
    for name, label in (("pair", "two rows"), ("to_default", "a row and the default"), ("ranks", "ranks of the class")):
        right.plot(seeds, [100 * getattr(row, name) for row in found.resolutions], marker="o", label=label)
    right.set(xlabel="seeds", ylabel="smallest detectable difference (points)", ylim=(0, None))
    right.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
    figure.suptitle(f"{found.task}: the references, and what more seeds detect")
    _save(figure, path)


def comparison(runs: Mapping[str, Sequence[SeedRun]], title: str, path: Path) -> None:
    """Training loss, held-out accuracy and learning rate over epochs: mean over seeds, with the range as a band."""
    figure, axes = canvas(13, 4, 3)
    for name, seeds in runs.items():
        epochs = [record.epoch for record in min((run.epochs for run in seeds), key=len)]
        if not epochs:
            continue
        curves: dict[str, list[list[float | None]]] = {
            "loss": [[r.epochs[i].train_loss for r in seeds] for i in range(len(epochs))],
            "accuracy": [[100 * r.epochs[i].accuracy for r in seeds] for i in range(len(epochs))],
            "lr": [[r.epochs[i].lr for r in seeds] for i in range(len(epochs))],
        }
        for axis, points in zip(axes, curves.values(), strict=True):
            finite = [[v for v in values if v is not None] for values in points]
            means = [sum(v) / len(v) if v else float("nan") for v in finite]
            line = axis.plot(epochs, means, marker="o", markersize=3, label=name)[0]
            low = [min(v) if v else float("nan") for v in finite]
            high = [max(v) if v else float("nan") for v in finite]
            axis.fill_between(epochs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    for axis, label in zip(axes, ("training loss", "held-out accuracy (%)", "learning rate"), strict=True):
        axis.set(xlabel="epoch", ylabel=label)
        axis.grid(alpha=0.3)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend()
    figure.suptitle(title)
    _save(figure, path)
