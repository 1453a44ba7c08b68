"""What a study found, in numbers and in sentences that are generated from them."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import mean

from grader.core.recipe import Frozen, steps_per_epoch
from grader.core.runs import SeedRun
from grader.core.statistics import Difference, paired_difference, probability_of_equal_means, score
from grader.core.verdict import Verdict
from grader.experiments.runner import StudyOutcome, Trial
from grader.experiments.spec import Answer, AnswerKind

#: Shares of the constant rate's final accuracy; how soon they are reached is the speed of convergence.
_SHARES = (0.8, 0.9, 1.0)
_EARLY = 2  # epochs
_LEVEL = 0.05  # of the analysis of variance


class Reached(Frozen):
    """When a variant reached an accuracy: mean epoch over the seeds that did, and how many did."""

    accuracy: float
    epoch: float | None
    seeds: int


class VariantLine(Frozen):
    """One variant in the table of a study."""

    name: str
    schedule: str
    optimizer: str
    lr: float  # initial
    accuracy: float  # mean over seeds, after the last epoch
    standard_error: float | None
    spread: float  # highest less lowest seed
    train_loss: float | None  # mean over seeds of the last epoch's; None: not finite
    diverged: int  # seeds
    difference: Difference  # to the constant rate
    reached: tuple[Reached, ...]
    recipe: str

    def named(self, name: str) -> "VariantLine":
        """The same under another name."""
        return VariantLine.model_construct(**{**dict(self), "name": name})


def targets(outcome: StudyOutcome) -> tuple[float, ...]:
    """The accuracies whose epochs are counted, rounded to whole percent."""
    final = mean(outcome.constant.accuracies)
    return tuple(math.floor(100 * share * final) / 100 for share in _SHARES)


def reached(runs: Sequence[SeedRun], accuracy: float) -> Reached:
    """The first epoch with at least this held-out accuracy."""
    firsts = [next((r.epoch for r in run.epochs if r.accuracy >= accuracy), None) for run in runs]
    found = [first for first in firsts if first is not None]
    return Reached(accuracy=accuracy, epoch=mean(found) if found else None, seeds=len(found))


def line(name: str, trial: Trial, outcome: StudyOutcome) -> VariantLine:
    """A variant's numbers."""
    average, error = score(trial.accuracies)
    losses = [run.epochs[-1].train_loss for run in trial.runs]
    finite = [loss for loss in losses if loss is not None]
    return VariantLine(
        name=name,
        schedule=trial.variant.schedule,
        optimizer=trial.recipe.optimizer.value,
        lr=trial.lr,
        accuracy=average,
        standard_error=error,
        spread=max(trial.accuracies) - min(trial.accuracies),
        train_loss=mean(finite) if len(finite) == len(losses) else None,
        diverged=sum(run.verdict is Verdict.DIVERGED for run in trial.runs),
        difference=paired_difference(trial.accuracies, outcome.constant.accuracies),
        reached=tuple(reached(trial.runs, t) for t in targets(outcome)),
        recipe=trial.recipe.key,
    )


def table(outcome: StudyOutcome) -> list[VariantLine]:
    """All variants, then all points of all sweeps."""
    named = list(outcome.variants.items())
    named += [(trial.variant.name, trial) for sweep in outcome.sweeps.values() for trial in sweep.values()]
    return [line(name, trial, outcome) for name, trial in named]


def points(value: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * value:+.2f}"


def interval(difference: Difference) -> str:
    """ "+1.20 points (95 % interval +0.80 to +1.60)"."""
    if difference.low is None or difference.high is None:
        return f"{points(difference.mean)} points (one seed: no interval)"
    return f"{points(difference.mean)} points (95 % interval {points(difference.low)} to {points(difference.high)})"


def percent(trial: Trial) -> str:
    """ "62.64 ± 0.39 %"."""
    average, error = score(trial.accuracies)
    return f"{100 * average:.2f}{f' ± {100 * error:.2f}' if error is not None else ''} %"


def answer(wanted: Answer, outcome: StudyOutcome) -> str:
    """The sentences for one answer of a study."""
    return _ANSWERS[wanted.kind](wanted, outcome)


def _setup(wanted: Answer, outcome: StudyOutcome) -> str:
    setup, facts, task = outcome.study.setup, outcome.facts, outcome.task
    weights = sum(math.prod(p.shape) for p in facts.trainable)
    momentum = f" with momentum {setup.momentum:g}" if setup.optimizer.value == "SGD" else ""
    seeds = ", ".join(map(str, task.seeds))
    return (
        f"Task {task.name}: {facts.n_train} training and {facts.n_test} held-out images of {facts.classes} classes, "
        f"model {task.model} with {weights} weights. Base optimizer {setup.optimizer.value}{momentum}, batches of "
        f"{setup.batch_size}, {setup.epochs} epochs ({outcome.constant.recipe.steps} steps), seeds {seeds}; per seed "
        "all variants share the initial weights and the order of the images."
    )


def _tuning(wanted: Answer, outcome: StudyOutcome) -> str:
    tried = "; ".join(f"{t.lr:g}: {percent(t)}" for t in outcome.tuning)
    rates = [t.lr for t in outcome.tuning]
    edge = " It lies at the edge of the grid: a wider one might find better." if _at_edge(outcome.tuned, rates) else ""
    return f"Rates tried, with final accuracies: {tried}. Best, and used from here on: {outcome.tuned:g}.{edge}"


def _at_edge(best: float, rates: Sequence[float]) -> bool:
    return len(rates) > 1 and best in (min(rates), max(rates))


def _final(wanted: Answer, outcome: StudyOutcome) -> str:
    trial = outcome.variants[wanted.a]
    found = line(wanted.a, trial, outcome)
    loss = "not finite" if found.train_loss is None else f"{found.train_loss:.3f}"
    lost = f" {found.diverged} of {len(trial.runs)} seeds diverged." if found.diverged else ""
    return (
        f"{quoted(wanted.a)} (initial rate {trial.lr:g}) ends at {percent(trial)}, {100 * found.spread:.2f} points "
        f"between its best and worst seed, and a training loss of {loss}.{lost}"
    )


def _rates(wanted: Answer, outcome: StudyOutcome) -> str:
    recipe, run = outcome.variants[wanted.a].recipe, outcome.variants[wanted.a].runs[0]
    rates = list(recipe.groups[0].lr.expand())
    top = rates.index(max(rates))
    per_epoch = ", ".join(f"{record.lr:.3g}" for record in run.epochs)
    return (
        f"{quoted(wanted.a)}: {rates[0]:.3g} in the first step, highest with {max(rates):.3g} in step {top + 1} of "
        f"{len(rates)}, {rates[-1]:.3g} in the last; at the end of each epoch: {per_epoch}."
    )


def _difference(wanted: Answer, outcome: StudyOutcome) -> str:
    a, b = outcome.variants[wanted.a], outcome.variants[wanted.b]
    found = paired_difference(a.accuracies, b.accuracies)
    said = f"{quoted(wanted.a)} {percent(a)}, {quoted(wanted.b)} {percent(b)}: {interval(found)}. "
    if found.low is None:
        return said + "One seed cannot tell chance from a difference."
    if found.low == found.high:
        return said + "All seeds differ alike, which leaves nothing to judge chance by: no difference claimed."
    if not found.told_apart:
        return said + "No difference found: the interval holds zero."
    return said + f"{quoted(wanted.a if found.mean > 0 else wanted.b)} is better here."


def _speed(wanted: Answer, outcome: StudyOutcome) -> str:
    parts = []
    for target in targets(outcome):
        times = []
        for name in (wanted.a, wanted.b):
            found = reached(outcome.variants[name].runs, target)
            of = len(outcome.variants[name].runs)
            some = f" ({found.seeds} of {of} seeds)" if found.seeds < of else ""
            times.append(f"{quoted(name)} {f'{found.epoch:.1f}' if found.epoch is not None else 'never'}{some}")
        parts.append(f"to {100 * target:.0f} %: {', '.join(times)}")
    return f"Epochs needed, mean over the seeds that got there: {'; '.join(parts)}."


def _start(run: SeedRun) -> list[float]:
    """The losses of the first two epochs in tenths; infinite where they left the numbers."""
    return [math.inf if loss is None else loss for record in run.epochs[:_EARLY] for loss in record.parts]


def _early(wanted: Answer, outcome: StudyOutcome) -> str:
    chance = math.log(outcome.facts.classes)
    said, means = [], {}
    for name in (wanted.a, wanted.b):
        starts = [_start(run) for run in outcome.variants[name].runs]
        means[name] = [mean(start) for start in starts]
        peak = mean(max(start[1:] or start) for start in starts)
        ending = mean(start[-1] for start in starts)
        said.append(f"{quoted(name)}: mean {mean(means[name]):.3f}, highest tenth {peak:.3f}, last {ending:.3f}")
    text = f"Loss in the first {_EARLY} epochs, in tenths after the first one (guessing: {chance:.2f}): "
    text += f"{'; '.join(said)}. "
    a, b = means[wanted.a], means[wanted.b]
    if math.isinf(sum(a) + sum(b)):
        lost = [n for n in (wanted.a, wanted.b) if math.isinf(sum(means[n]))]
        return text + f"{' and '.join(map(quoted, lost))} diverged at once."
    found = paired_difference(a, b)
    if found.low is None or found.high is None:
        return text + "One seed cannot tell chance from a difference."
    gap = f"{found.mean:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})"
    if not found.told_apart:
        return text + f"Difference of the means {gap}: none found."
    lower = wanted.a if found.mean < 0 else wanted.b
    return text + f"Difference of the means {gap}: {quoted(lower)} starts with the lower loss."


def _restarts(wanted: Answer, outcome: StudyOutcome) -> str:
    trial = outcome.variants[wanted.a]
    rates = list(trial.recipe.groups[0].lr.expand())
    jumps = [n for n, (x, y) in enumerate(pairwise(rates), 1) if y > 1.5 * x]
    per_epoch = steps_per_epoch(outcome.facts.n_train, trial.recipe.batch_size)
    epochs = sorted({step // per_epoch + 1 for step in jumps} - {1})
    whole = [run for run in trial.runs if len(run.epochs) == trial.recipe.epochs]  # a diverged one may end early
    if not epochs or len(whole) < len(trial.runs):
        why = "no restart after the first epoch" if not epochs else "seeds that diverged, so nothing is said of it"
        return f"{quoted(wanted.a)} has {why}."
    said = []
    for epoch in epochs:
        accuracy = mean(run.epochs[epoch - 1].accuracy - run.epochs[epoch - 2].accuracy for run in whole)
        losses = [(run.epochs[epoch - 1].train_loss, run.epochs[epoch - 2].train_loss) for run in whole]
        gaps = [x - y for x, y in losses if x is not None and y is not None]
        loss = f" and the training loss by {mean(gaps):+.3f}" if gaps else ""
        said.append(f"in epoch {epoch} the held-out accuracy changed by {points(accuracy)} points{loss}")
    tops = [run.accuracy is not None and run.accuracy >= max(r.accuracy for r in run.epochs) for run in whole]
    return (
        f"{quoted(wanted.a)} jumps back to its initial rate {len(epochs)} time(s) after the first epoch: "
        f"{'; '.join(said)} (means over the seeds). {sum(tops)} of {len(tops)} seeds end at their best accuracy."
    )


def _sensitivity(wanted: Answer, outcome: StudyOutcome) -> str:
    trials = outcome.sweeps[wanted.sweep]
    ranked = sorted(trials.items(), key=lambda item: mean(item[1].accuracies))
    (worst_at, worst), (best_at, best) = ranked[0], ranked[-1]
    distance = mean(best.accuracies) - mean(worst.accuracies)
    p = probability_of_equal_means([t.accuracies for t in trials.values()])
    said = (
        f"Over {len(trials)} points the final accuracy runs from {percent(worst)} ({_at(worst_at, wanted, outcome)}) "
        f"to {percent(best)} ({_at(best_at, wanted, outcome)}), {100 * distance:.2f} points apart. "
    )
    if p is None:
        return said + "Too few seeds to tell whether that is more than chance."
    shown = f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
    if p >= _LEVEL:
        return said + f"No difference found among them (one-way analysis of variance, {shown})."
    return said + f"That is more than chance (one-way analysis of variance, {shown})."


def _at(values: Sequence[str], wanted: Answer, outcome: StudyOutcome) -> str:
    sweep = next(s for s in outcome.study.sweep if s.name == wanted.sweep)
    return ", ".join(f"{axis.label} {value}" for axis, value in zip(sweep.axis, values, strict=True))


def _axes(wanted: Answer, outcome: StudyOutcome) -> str:
    sweep = next(s for s in outcome.study.sweep if s.name == wanted.sweep)
    trials = outcome.sweeps[wanted.sweep]
    parts = []
    for place, axis in enumerate(sweep.axis):
        means = [
            f"{value}: {100 * mean(a for at, t in trials.items() if at[place] == value for a in t.accuracies):.2f} %"
            for value in axis.values
        ]
        parts.append(f"{axis.label}: {'; '.join(means)}")
    return f"Mean final accuracy by {' — by '.join(parts)}."


def quoted(name: str) -> str:
    """A schedule's name in a sentence."""
    return f"“{name}”"


_ANSWERS: dict[AnswerKind, Callable[[Answer, StudyOutcome], str]] = {
    AnswerKind.SETUP: _setup,
    AnswerKind.TUNING: _tuning,
    AnswerKind.FINAL: _final,
    AnswerKind.RATES: _rates,
    AnswerKind.DIFFERENCE: _difference,
    AnswerKind.SPEED: _speed,
    AnswerKind.EARLY: _early,
    AnswerKind.RESTARTS: _restarts,
    AnswerKind.SENSITIVITY: _sensitivity,
    AnswerKind.AXES: _axes,
}
