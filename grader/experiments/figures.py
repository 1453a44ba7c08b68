"""The figures of a study, as SVG."""

import io
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from grader.core.recipe import steps_per_epoch
from grader.core.runs import EPOCH_PARTS, EpochRecord
from grader.experiments.findings import VariantLine, line
from grader.experiments.plots import canvas as blank
from grader.experiments.runner import StudyOutcome, Trial
from grader.experiments.spec import Figure, FigureKind, Sweep

# Okabe and Ito, Color Universal Design (2008): distinguishable for colour-blind readers too.
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c510a",
    "#332288",
    "#999933",
    "#882255",
)
_NEUTRAL = "#555555"  # the constant rate, in every figure
_EARLY_EPOCHS = 2
_POINTS = 2000  # of a curve of rates: more could not be seen
_BLUES = "Blues"
_SHOWN_BELOW = 0.1  # accuracy under the constant rate's that the summary still draws to scale


def draw(figure: Figure, outcome: StudyOutcome) -> str:
    """The figure as an SVG document."""
    return _DRAWN[figure.kind](figure, outcome)


def _svg(figure: Any) -> str:
    import matplotlib

    written = io.StringIO()
    # Letters stay letters: small, searchable, readable aloud; equal data gives equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "grader"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _colours(outcome: StudyOutcome) -> dict[str, str]:
    others = [name for name in outcome.variants if name != "constant"]
    return {"constant": _NEUTRAL, **{name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(others)}}


def _chosen(figure: Figure, outcome: StudyOutcome) -> dict[str, Trial]:
    if figure.sweep:
        return {", ".join(at): trial for at, trial in outcome.sweeps[figure.sweep].items()}
    return {name: outcome.variants[name] for name in figure.variants}


def _grid(axis: Any, x: str, y: str) -> None:
    axis.set(xlabel=x, ylabel=y)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _band(axis: Any, x: Sequence[float], curves: Sequence[Sequence[float | None]], colour: str, label: str) -> None:
    """Mean over seeds as a line, lowest to highest seed as a band; gaps where a loss is not finite."""
    nan = float("nan")
    columns = [[value for value in column if value is not None] for column in zip(*curves, strict=True)]
    full = [column if len(column) == len(curves) else [nan] for column in columns]
    axis.plot(x, [mean(c) for c in full], color=colour, label=label, marker="o", markersize=2.5, linewidth=1.6)
    axis.fill_between(x, [min(c) for c in full], [max(c) for c in full], color=colour, alpha=0.18, linewidth=0)


def _per_epoch(trial: Trial, read: Callable[[EpochRecord], float | None]) -> list[list[float | None]]:
    epochs = trial.recipe.epochs
    curves = [[read(record) for record in run.epochs] for run in trial.runs]
    return [curve + [None] * (epochs - len(curve)) for curve in curves]  # a diverged training may end early


def _rates(axis: Any, trial: Trial, outcome: StudyOutcome, colour: str, label: str) -> None:
    """The rate over the steps, with a mark at the end of every epoch: as the trainer applied it."""
    rates = list(trial.recipe.groups[0].lr.expand())
    per_epoch = steps_per_epoch(outcome.facts.n_train, trial.recipe.batch_size)
    stride = max(1, len(rates) // _POINTS)
    x = [step / per_epoch for step in range(0, len(rates), stride)]
    axis.plot(x, rates[::stride], color=colour, label=label, linewidth=1.3, drawstyle="steps-post")
    records = trial.runs[0].epochs
    axis.plot([r.epoch for r in records], [r.lr for r in records], ".", color=colour, markersize=5)


def _curves(figure: Figure, outcome: StudyOutcome) -> str:
    canvas, axes = blank(13, 4.2, 3)
    colours = _colours(outcome)
    for name, trial in _chosen(figure, outcome).items():
        epochs = [float(e) for e in range(1, trial.recipe.epochs + 1)]
        _band(axes[0], epochs, _per_epoch(trial, lambda r: r.train_loss), colours[name], name)
        _band(axes[1], epochs, _per_epoch(trial, lambda r: 100 * r.accuracy), colours[name], name)
        _rates(axes[2], trial, outcome, colours[name], name)
    for axis, label in zip(axes, ("training loss", "held-out accuracy (%)", "learning rate"), strict=True):
        _grid(axis, "epoch", label)
    _legend_below(canvas, axes[1])
    return _svg(canvas)


def _legend_below(canvas: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)


def _early(figure: Figure, outcome: StudyOutcome) -> str:
    """The loss in tenths of the first epochs, and the rate beside it."""
    canvas, axes = blank(10, 4.2, 2)
    colours = _colours(outcome)
    for name, trial in _chosen(figure, outcome).items():
        shown = min(_EARLY_EPOCHS, trial.recipe.epochs)
        curves = [[p for record in run.epochs[:shown] for p in record.parts] for run in trial.runs]
        length = min(map(len, curves))
        parts = len(trial.runs[0].epochs[0].parts) or EPOCH_PARTS
        x = [(n + 0.5) / parts for n in range(length)]
        _band(axes[0], x, [curve[:length] for curve in curves], colours[name], name)
        per_epoch = steps_per_epoch(outcome.facts.n_train, trial.recipe.batch_size)
        rates = list(trial.recipe.groups[0].lr.expand())[: shown * per_epoch]
        axes[1].plot([n / per_epoch for n in range(len(rates))], rates, color=colours[name], label=name)
    _grid(axes[0], "epoch", "training loss (mean of a tenth)")
    _grid(axes[1], "epoch", "learning rate")
    axes[1].set_ylim(bottom=0)
    _legend_below(canvas, axes[0])
    return _svg(canvas)


def _only_rates(figure: Figure, outcome: StudyOutcome) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    canvas, (axis,) = blank(7, 4.2)
    chosen = _chosen(figure, outcome)
    for number, (name, trial) in enumerate(chosen.items()):
        share = number / max(1, len(chosen) - 1)
        colour = to_hex(colormaps["viridis"](0.92 * share)) if figure.sweep else _colours(outcome)[name]
        _rates(axis, trial, outcome, colour, name)
    _grid(axis, "epoch", "learning rate")
    axis.legend(title=_sweep(figure, outcome).axis[0].label if figure.sweep else None, frameon=False)
    return _svg(canvas)


def _sweep(figure: Figure, outcome: StudyOutcome) -> Sweep:
    return next(s for s in outcome.study.sweep if s.name == figure.sweep)


def _over(axis: Any, labels: Sequence[str], lines: Sequence[VariantLine], what: str) -> None:
    """Means with standard errors over named points."""
    errors = [100 * (found.standard_error or 0.0) for found in lines]
    means = [100 * found.accuracy for found in lines]
    axis.errorbar(range(len(lines)), means, errors, marker="o", capsize=3, color=_COLOURS[0])
    axis.set_xticks(range(len(lines)), labels)
    _grid(axis, what, "final accuracy (%)")


def _line(figure: Figure, outcome: StudyOutcome) -> str:
    canvas, (axis,) = blank(7, 4)
    sweep = _sweep(figure, outcome)
    trials = outcome.sweeps[figure.sweep]
    _over(axis, sweep.axis[0].values, [line("", t, outcome) for t in trials.values()], sweep.axis[0].label)
    _constant(axis, outcome)
    return _svg(canvas)


def _constant(axis: Any, outcome: StudyOutcome) -> None:
    axis.axhline(100 * mean(outcome.constant.accuracies), color=_NEUTRAL, linestyle="--", label="constant rate")
    axis.legend(frameon=False)


def _tuning(figure: Figure, outcome: StudyOutcome) -> str:
    canvas, (axis,) = blank(7, 4)
    _over(
        axis,
        [f"{t.lr:g}" for t in outcome.tuning],
        [line("", t, outcome) for t in outcome.tuning],
        "constant learning rate",
    )
    return _svg(canvas)


def _heatmap(figure: Figure, outcome: StudyOutcome) -> str:
    sweep = _sweep(figure, outcome)
    rows, columns = sweep.axis
    trials = outcome.sweeps[figure.sweep]
    found = [[line("", trials[r, c], outcome) for c in columns.values] for r in rows.values]
    canvas, (axis,) = blank(1.7 * len(columns.values) + 2.2, 0.8 * len(rows.values) + 1.6)
    means = [[100 * one.accuracy for one in row] for row in found]
    image = axis.imshow(means, cmap=_BLUES, aspect="auto")
    middle = (min(map(min, means)) + max(map(max, means))) / 2
    for y, row in enumerate(found):
        for x, one in enumerate(row):
            error = f"\n± {100 * one.standard_error:.1f}" if one.standard_error is not None else ""
            colour = "white" if means[y][x] > middle else "black"
            axis.text(x, y, f"{means[y][x]:.1f}{error}", ha="center", va="center", color=colour, fontsize=9)
    axis.set_xticks(range(len(columns.values)), columns.values)
    axis.set_yticks(range(len(rows.values)), rows.values)
    axis.set(xlabel=columns.label, ylabel=rows.label)
    canvas.colorbar(image, ax=axis, label="final accuracy (%)")
    return _svg(canvas)


def summary(lines: Mapping[str, VariantLine]) -> str:
    """Final accuracy with its standard error, one row per schedule, best at the top."""
    ranked = sorted(lines.items(), key=lambda item: item[1].accuracy)
    edge = lines["constant"].accuracy - _SHOWN_BELOW
    canvas, (axis,) = blank(8, 0.34 * len(ranked) + 1.2)
    for place, (name, found) in enumerate(ranked):
        colour = _NEUTRAL if name == "constant" else _COLOURS[0]
        if found.accuracy < edge:  # far off: it would press all others together
            axis.plot(100 * edge, place, marker="<", color=colour)
            at = {"xy": (100 * edge, place), "xytext": (8, 0), "textcoords": "offset points", "va": "center"}
            axis.annotate(f"{100 * found.accuracy:.1f}", **at)
            continue
        error = 100 * (found.standard_error or 0.0)
        axis.errorbar(100 * found.accuracy, place, xerr=error, fmt="o", capsize=3, color=colour)
    if ranked[0][1].accuracy < edge:
        axis.set_xlim(left=100 * edge - 0.5)
    axis.set_yticks(range(len(ranked)), [name for name, _ in ranked])
    _grid(axis, "final accuracy (%), mean and standard error over seeds", "")
    return _svg(canvas)


_DRAWN: dict[FigureKind, Callable[[Figure, StudyOutcome], str]] = {
    FigureKind.CURVES: _curves,
    FigureKind.EARLY: _early,
    FigureKind.RATES: _only_rates,
    FigureKind.LINE: _line,
    FigureKind.HEATMAP: _heatmap,
    FigureKind.TUNING: _tuning,
}
