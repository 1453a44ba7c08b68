"""A study's report: one self-contained HTML page, the figures as SVG, and the numbers as CSV and JSON."""

import base64
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grader.core.files import write_atomically
from grader.core.recipe import Frozen
from grader.core.runs import EpochRecord
from grader.core.statistics import Difference
from grader.core.templating import environment
from grader.experiments import figures
from grader.experiments.findings import VariantLine, answer, interval, line, quoted, table, targets
from grader.experiments.runner import StudyOutcome, Trial
from grader.experiments.spec import FigureKind
from grader.leaderboard.models import now

_NOTES = {
    FigureKind.CURVES: "Lines are means over the seeds, bands run from the lowest to the highest seed; the rate is "
    "drawn for every step, with a mark at the end of each epoch.",
    FigureKind.EARLY: "Means over a tenth of an epoch each; bands run from the lowest to the highest seed.",
    FigureKind.RATES: "As the trainer applied them; marks at the end of each epoch.",
    FigureKind.LINE: "Means with standard errors over the seeds.",
    FigureKind.HEATMAP: "Means with standard errors over the seeds, in percent.",
    FigureKind.TUNING: "Means with standard errors over the seeds.",
}


class Curve(Frozen):
    """One training's epochs."""

    name: str
    seed: int
    verdict: str
    epochs: tuple[EpochRecord, ...]


class StudyResults(Frozen):
    """`results.json`: all numbers of one study."""

    study: str
    task: str
    seeds: tuple[int, ...]
    device: str
    torch: str
    tuned_lr: float
    tuning: tuple[VariantLine, ...]
    lines: tuple[VariantLine, ...]
    curves: tuple[Curve, ...]


def write(outcomes: Sequence[StudyOutcome], folder: Path, command: str) -> Path:
    """Everything about one study, or about several with a summary; the path of `report.html`.

    Raises SetupError if a file cannot be written.
    """
    several = len(outcomes) > 1
    sections = [_section(outcome, folder / outcome.study.name if several else folder) for outcome in outcomes]
    first, made = outcomes[0], outcomes[0].environment
    summary = _summary(outcomes, folder) if several else None
    title = "Learning-rate schedules" if several else first.study.title
    template = environment(Path(__file__).parent / "templates").get_template("study.html")
    page = template.render(
        title=f"{title} on {first.task.name}",
        setting=f"{first.task.description}. {len(first.task.seeds)} seeds per schedule, "
        f"{first.study.setup.epochs} epochs, trained on {made.device}.",
        seeds=len(first.task.seeds),
        studies=sections,
        summary=summary,
        made=f"{command} — {now()}, torch {made.torch}, torchvision {made.torchvision}, trainer {made.trainer[:12]}, "
        f"device {made.device}. Accuracies are of the held-out images after the last epoch. Intervals are Student's t "
        "over the seeds' paired differences: they cover the choice of seeds, not that of the held-out images, on which "
        "the constant rate was also tuned, which favours it. The numbers lie in this page's folder as CSV and JSON.",
    )
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def _picture(svg: str, path: Path) -> str:
    """The figure as a file, and as an address that needs none."""
    write_atomically(path, svg)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _section(outcome: StudyOutcome, folder: Path) -> dict[str, Any]:
    study = outcome.study
    numbers = {figure.name: number for number, figure in enumerate(study.figure, 1)}
    drawn = [
        {
            "name": figure.name,
            "number": numbers[figure.name],
            "title": figure.title,
            "note": _NOTES[figure.kind],
            "picture": _picture(figures.draw(figure, outcome), folder / "figures" / f"{figure.name}.svg"),
        }
        for figure in study.figure
    ]
    lines = table(outcome)
    write_atomically(folder / "table.csv", _table_csv(lines))
    write_atomically(folder / "curves.csv", _curves_csv(outcome))
    write_atomically(folder / "rates.csv", _rates_csv(outcome))
    write_atomically(folder / "results.json", _results(outcome, lines).model_dump_json(indent=1) + "\n")
    return {
        "name": study.name,
        "title": study.title,
        "about": study.about.strip(),
        "figures": drawn,
        "lines": lines,
        "targets": targets(outcome),
        "steps": [
            {
                "number": step.number,
                "task": step.task,
                "text": step.text.strip(),
                "answers": [answer(wanted, outcome) for wanted in step.answers],
                "see": [{"name": name, "number": numbers[name]} for name in step.see],
            }
            for step in study.step
        ],
    }


def _all(outcome: StudyOutcome) -> dict[str, Trial]:
    """Every trial by a name of its own: the grid, the variants, the sweeps."""
    trials = {trial.variant.name: trial for trial in outcome.tuning} | outcome.variants
    return trials | {t.variant.name: t for sweep in outcome.sweeps.values() for t in sweep.values()}


def summarized(outcomes: Sequence[StudyOutcome]) -> dict[str, VariantLine]:
    """All named variants of several studies; what is the same training stands once, under its first name."""
    lines: dict[str, VariantLine] = {}
    known: set[str] = set()
    for outcome in outcomes:
        for name, trial in outcome.variants.items():
            if trial.recipe.key in known:
                continue
            known.add(trial.recipe.key)
            lines[name if name not in lines else f"{name} ({outcome.study.name})"] = line(name, trial, outcome)
    return dict(sorted(lines.items(), key=lambda item: -item[1].accuracy))


def _summary(outcomes: Sequence[StudyOutcome], folder: Path) -> dict[str, Any]:
    lines = summarized(outcomes)
    named = [found.named(name) for name, found in lines.items()]
    write_atomically(folder / "summary.csv", _table_csv(named))
    better = [f"{quoted(found.name)} {interval(found.difference)}" for found in named if _apart(found.difference, 1)]
    worse = [f"{quoted(found.name)} {interval(found.difference)}" for found in named if _apart(found.difference, -1)]
    open_ = [quoted(found.name) for found in named if found.name != "constant" and not found.difference.told_apart]
    if len(outcomes[0].task.seeds) < 2:
        sentences = ["One seed per schedule: chance cannot be told from a difference here."]
    else:
        sentences = _judged(better, worse, open_, sum(found.name != "constant" for found in named))
    return {
        "sentences": sentences,
        "picture": _picture(figures.summary(lines), folder / "figures" / "summary.svg"),
        "lines": named,
        "targets": targets(outcomes[0]),
    }


def _judged(better: Sequence[str], worse: Sequence[str], open_: Sequence[str], count: int) -> list[str]:
    sentences = [f"Better than the tuned constant rate: {'; '.join(better) or 'none'}."]
    sentences.append(f"Worse: {'; '.join(worse) or 'none'}.")
    if open_:
        sentences.append(f"No difference to the constant rate found: {', '.join(open_)}.")
    sentences.append(
        f"{count} intervals stand here, each right in 95 of 100 draws of the seeds by itself: about {count / 20:.1f} "
        "of them may miss by chance alone."
    )
    return sentences


def _apart(difference: Difference, sign: int) -> bool:
    return difference.told_apart and difference.mean * sign > 0


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return written.getvalue()


def _table_csv(lines: Sequence[VariantLine]) -> str:
    goals = [f"epochs_to_{r.accuracy:.2f}" for r in lines[0].reached]
    header = ["name", "schedule", "optimizer", "lr", "accuracy", "standard_error", "spread", "train_loss", "diverged"]
    header += ["difference", "difference_low", "difference_high", *goals, "recipe"]
    rows = [
        [
            *(found.name, found.schedule, found.optimizer, found.lr, found.accuracy, found.standard_error),
            *(found.spread, found.train_loss, found.diverged),
            *(found.difference.mean, found.difference.low, found.difference.high),
            *(r.epoch for r in found.reached),
            found.recipe,
        ]
        for found in lines
    ]
    return _csv(header, rows)


def _curves_csv(outcome: StudyOutcome) -> str:
    rows = [
        (name, run.seed, record.epoch, record.train_loss, record.accuracy, record.lr)
        for name, trial in _all(outcome).items()
        for run in trial.runs
        for record in run.epochs
    ]
    return _csv(["name", "seed", "epoch", "train_loss", "accuracy", "lr"], rows)


def _rates_csv(outcome: StudyOutcome) -> str:
    """One row per variant: the rate in the last step of every epoch."""
    trials = _all(outcome)
    epochs = range(1, max(t.recipe.epochs for t in trials.values()) + 1)
    rows = [(name, *(record.lr for record in trial.runs[0].epochs)) for name, trial in trials.items()]
    return _csv(["name", *(f"epoch_{epoch}" for epoch in epochs)], rows)


def _results(outcome: StudyOutcome, lines: Sequence[VariantLine]) -> StudyResults:
    curves = tuple(
        Curve(name=name, seed=run.seed, verdict=run.verdict.value, epochs=run.epochs)
        for name, trial in _all(outcome).items()
        for run in trial.runs
    )
    return StudyResults(
        study=outcome.study.name,
        task=outcome.task.name,
        seeds=outcome.task.seeds,
        device=outcome.environment.device,
        torch=outcome.environment.torch,
        tuned_lr=outcome.tuned,
        tuning=tuple(line(t.variant.name, t, outcome) for t in outcome.tuning),
        lines=tuple(lines),
        curves=curves,
    )
