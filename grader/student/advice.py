"""Advice on a submission that passes: what is allowed but probably unintended.

Advice is never a violation and never part of a grade. Each function checks one thing and returns
advice or None; `advise` calls them all.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median

from grader.core.recipe import Frozen, Optimizer, Recipe, Series
from grader.core.text import clean
from grader.sandbox.compiled import Observed
from grader.sandbox.inside.cpu_limit import GROWING_FIX, SETUP_FIX, SLOW_FIX, growth, is_growing
from grader.student.source import SchedulerSource
from grader.submissions import known_schedules

#: Learning rates beyond which training rarely survives, and below which it hardly moves.
_HIGHEST = {
    Optimizer.SGD: 2.0,
    Optimizer.ADAM: 0.05,
    Optimizer.ADAMW: 0.05,
    Optimizer.NADAM: 0.05,
    Optimizer.RADAM: 0.05,
    Optimizer.ADAMAX: 0.1,
    Optimizer.RMSPROP: 0.05,
    Optimizer.ADAGRAD: 0.5,
}
_LOWEST = {Optimizer.SGD: 1e-4, Optimizer.ADAM: 1e-5, Optimizer.ADAMW: 1e-5, Optimizer.RMSPROP: 1e-5}
_FLOATS = {"float", "int"}
#: As their own libraries call them, where the name alone could be a Python type's.
_OF_LIBRARIES = {f"{kind}{bits}": f"numpy.{kind}{bits}" for kind in ("float", "int") for bits in (16, 32, 64)} | {
    "ndarray": "numpy.ndarray",
    "Tensor": "torch.Tensor",
}
_NOTICEABLE = 0.1  # seconds


class Advice(Frozen):
    """One piece of advice: what was noticed, and what to do about it."""

    code: str
    file: str
    line: int | None
    what: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{place}: {self.what}: {self.fix}"


@dataclass(frozen=True)
class Cost:
    """CPU time of playing the schedule, in seconds."""

    parts: tuple[float, ...] = ()  # of equal parts of the training
    used: float = 0.0
    limit: float = math.inf


@dataclass(frozen=True)
class Subject:
    """What advice is about: the recipe, a longer play of the schedule, its code and its cost."""

    recipe: Recipe
    observed: Observed | None
    source: SchedulerSource
    cost: Cost = Cost()
    cited: bool = False  # the submission names a source

    @property
    def lr(self) -> Series[float]:
        """The first group's learning rate."""
        return self.recipe.groups[0].lr

    @cached_property
    def rates(self) -> list[float]:
        """The first group's learning rate in every step."""
        return list(self.lr.expand())

    @cached_property
    def beyond(self) -> list[float]:
        """Its learning rate after the last step of the training, as far as it was played."""
        return list(self.observed.lr.expand())[len(self.rates) :] if self.observed is not None else []

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.recipe.steps // self.recipe.epochs

    @cached_property
    def returns(self) -> int:
        """How often the rate comes back: from below a tenth of its peak to above a third, or by a third in one step."""
        top, high, low, count, before = max(self.rates), False, False, 0, self.rates[0]
        for rate in self.rates:
            if rate > 0.33 * top:
                count += low or (high and rate - before > 0.33 * top)
                high, low = True, False
            elif rate < 0.1 * top:
                low = high
            before = rate
        return count

    def advice(self, code: str, what: str, fix: str, method: str = "get_lr") -> Advice:
        """Advice at that method of the scheduler."""
        return Advice(code=code, file="scheduler.py", line=self.source.line(method), what=what, fix=fix)


def advise(subject: Subject) -> list[Advice]:
    """All advice, the most important first."""
    found = (
        breaks_beyond(subject),
        never_moves(subject),
        settles_early(subject),
        restarts_every_few_batches(subject),
        rises_again(subject),
        tied_to_a_length(subject),
        implausible_peak(subject),
        costly(subject),
        not_floats(subject),
        known_formula(subject),
    )
    return [advice for advice in found if advice is not None]


def breaks_beyond(subject: Subject) -> Advice | None:
    """A schedule that cannot be asked for more steps than this training has."""
    observed = subject.observed
    if observed is None or observed.stopped is None or observed.lr.steps < subject.recipe.steps:
        return None
    what = re.sub(r" \((after )?epoch \d+\)", "", clean(observed.stopped))
    return subject.advice(
        "breaks-beyond",
        f"this training has {subject.recipe.steps} steps; in a longer one, {what}",
        "the held-out data set may have more batches per epoch: keep the last rate from there on, for example with "
        f"min(self.last_epoch, {subject.recipe.steps - 1})",
    )


def never_moves(subject: Subject) -> Advice | None:
    """A scheduler that schedules nothing."""
    moving = any(
        not g.lr.constant or not all(series.constant for series in g.others.values()) for g in subject.recipe.groups
    )
    if moving:
        return None
    what, source = f"the learning rate is {subject.lr.values[0]:g} in every step", subject.source
    if source.step_is_idle:
        return subject.advice(
            "idle-step",
            f"{what}: step() neither calls super().step() nor writes to self.optimizer.param_groups",
            "remove your step(), or call super().step() in it, which asks get_lr()",
            "step",
        )
    counts = f"self.last_epoch, which counts batches (0 to {subject.recipe.steps - 1} here)"
    if source.reads_last_epoch:
        fix = f"get_lr() gives the same for every {counts}: see whether min(), max(), // or a condition does it"
    elif source.frozen_counters:
        names = ", ".join(f"self.{name}" for name in source.frozen_counters)
        fix = f"get_lr() reads {names}, which only __init__() sets: read {counts}"
    elif source.reads_the_step:
        fix = f"let get_lr() change with {counts}"
    else:
        fix = "that is the default scheduler; let get_lr() depend on self.last_epoch"
    return subject.advice("never-moves", what, fix)


def settles_early(subject: Subject) -> Advice | None:
    """All changes lie in the first few batches of a long training."""
    rates, steps = subject.rates, subject.recipe.steps
    top, end = max(rates), rates[-1]
    if subject.lr.constant or steps < 200 or subject.recipe.epochs < 2:
        return None
    settled = next((i for i in range(steps, 0, -1) if abs(rates[i - 1] - end) > 0.01 * top), None)
    if settled is None:
        return None
    warmup = end > 0.9 * top
    within = min(0.02 * steps, subject.steps_per_epoch / 2) if warmup else min(0.1 * steps, subject.steps_per_epoch)
    epochs = subject.source.counts_epochs
    if settled > within or (warmup and not epochs):
        return None
    per_epoch = f"scheduler.step() is called once per batch, {subject.steps_per_epoch} times per epoch"
    fix = f"if that is not meant: {per_epoch}, and self.last_epoch counts batches"
    if epochs:
        fix = f"{per_epoch}, and self.last_epoch counts batches: convert what counts epochs ({', '.join(epochs)})"
    what = f"the learning rate is {end:.3g} from step {settled} of {steps} on"
    if rates[settled] != end:
        what = f"the learning rate moves by no more than 1 % of its peak from step {settled} of {steps} on"
    return subject.advice("settles-early", what, fix)


def restarts_every_few_batches(subject: Subject) -> Advice | None:
    """Cycles far shorter than an epoch: a period that was meant in epochs."""
    values, top = subject.lr.values, max(subject.lr.values)
    starts = [0, *accumulate(subject.lr.counts)]  # the step at which each value begins
    turns = [i for i in range(1, len(values) - 1) if (values[i] - values[i - 1]) * (values[i] - values[i + 1]) > 0]
    swings = [(a, b) for a, b in pairwise(turns) if abs(values[a] - values[b]) > 0.1 * top]
    valleys = [starts[min(a, b, key=values.__getitem__)] for a, b in swings][::2]
    if len(valleys) < 20 or subject.steps_per_epoch < 20:
        return None
    period = median(b - a for a, b in pairwise(valleys))
    if period > subject.steps_per_epoch / 2:
        return None
    return subject.advice(
        "restarts-every-few-batches",
        f"the learning rate goes down and up again every {period:.0f} batches",
        f"if that is not meant: scheduler.step() is called once per batch; multiply a period in epochs by "
        f"{subject.steps_per_epoch}",
    )


def rises_again(subject: Subject) -> Advice | None:
    """A decay that turns and climbs back step by step: the formula runs on past its own end."""
    rates, source = subject.rates, subject.source
    top = max(rates)
    if subject.lr.constant or subject.returns > 1 or source.is_cyclic:
        return None
    bottom = high = rates.index(top)
    back = None
    for i in range(high, len(rates)):
        if rates[i] < rates[bottom]:
            bottom = i
        elif rates[bottom] < 0.1 * top and rates[i] > rates[bottom] + 0.1 * top:
            back = i
            break
    if back is None or rates[back] - rates[back - 1] > 0.1 * top:  # a jump is a restart, and meant
        return None
    hold = f"with min(self.last_epoch, {bottom})"
    fix = f"the cosine runs on past its end: hold it {hold}" if source.uses_a_cosine else f"hold the end {hold}"
    return subject.advice(
        "rises-again",
        f"the learning rate falls to {rates[bottom]:.3g} at step {bottom} and climbs back, to {rates[back]:.3g} "
        f"at step {back} of {len(rates)}",
        f"if that is not meant: {fix}",
    )


def tied_to_a_length(subject: Subject) -> Advice | None:
    """A decay that ends with this number of batches, which the held-out data set will not have."""
    rates = subject.rates
    half_steps = math.ceil(subject.steps_per_epoch / 2) * subject.recipe.epochs
    top, end, half = max(rates), rates[-1], rates[half_steps - 1]
    if subject.lr.constant or end > 0.1 * half or half < 0.25 * top:
        return None
    last_change = next(i for i in range(len(rates) - 1, 0, -1) if rates[i] != rates[i - 1])
    if last_change < min(0.95 * len(rates), len(rates) - subject.steps_per_epoch):
        return None  # it ends before
    if subject.returns or subject.source.is_cyclic or restarts_every_few_batches(subject) is not None:
        return None
    epoch = subject.steps_per_epoch
    if len(rates) > epoch and len(subject.beyond) >= epoch and rates[-1 - epoch] > 0 < end:
        last, further = end / rates[-1 - epoch], subject.beyond[epoch - 1] / end
        if 0.5 <= last < 0.99 and abs(further - last) < 0.05 * last:
            return None  # an exponential tail, which has no end
    fix = "the held-out data set has another number of batches: prefer a decay that is useful wherever it is cut off"
    what = (
        f"the decay fits the {len(rates)} steps of this training: one half as long ends at {half:.3g}, "
        f"{half / top:.0%} of its peak"
    )
    if subject.beyond and max(subject.beyond) > 0.3 * top:
        what += f", and one twice as long rises again to {max(subject.beyond):.3g}"
        fix = f"{fix}, and hold its end with min(self.last_epoch, {len(rates) - 1})"
    elif len(subject.beyond) > 0.9 * len(rates):
        highest = max(subject.beyond)
        what += f", and one twice as long spends its second half at {f'{highest:.3g} or less' if highest else 'zero'}"
    return subject.advice("tied-to-a-length", what, fix)


def implausible_peak(subject: Subject) -> Advice | None:
    """A rate at which this optimizer is known to fail, or to sleep."""
    peak = max(subject.lr.values)
    name = subject.recipe.optimizer
    highest, lowest = _HIGHEST.get(name), _LOWEST.get(name)
    if highest is not None and peak > highest:
        return subject.advice(
            "implausible-peak",
            f"the peak rate {peak:g} is very high for {name}",
            f"above {highest:g} its trainings usually diverge"
            + ("; check the exponent (1e6 for 1e-6?)" if peak > 1000 * highest else ""),
        )
    if lowest is not None and peak < lowest:
        return subject.advice(
            "implausible-peak",
            f"the peak rate {peak:g} is very low for {name}",
            f"below {lowest:g} it hardly learns within a few epochs",
        )
    return None


def costly(subject: Subject) -> Advice | None:
    """get_lr() goes through all past steps each time, or comes near to the time that it may take."""
    parts, used, limit = subject.cost.parts, subject.cost.used, subject.cost.limit
    spent = f"loading and playing {subject.recipe.steps} steps took {used:.1f} s of the {limit:g} s allowed"
    if is_growing(parts) and sum(parts) > _NOTICEABLE:
        what = f"{spent}, and a step at the end took {growth(parts):.0f} times as long as one at the start"
        return subject.advice("growing-cost", what, f"{GROWING_FIX}; the held-out training may have more steps")
    if used > 0.5 * limit:
        in_setup = parts and sum(parts) < 0.5 * used
        return subject.advice("near-the-limit", f"{spent}, on this machine", SETUP_FIX if in_setup else SLOW_FIX)
    return None


def not_floats(subject: Subject) -> Advice | None:
    """numpy or tensor values where floats are expected: they work, more slowly, and round differently."""
    types = set(subject.observed.types) - _FLOATS if subject.observed else set()
    foreign = sorted(_OF_LIBRARIES.get(name, name) for name in types)
    if not foreign:
        return None
    return subject.advice(
        "not-floats",
        f"learning rates come as {', '.join(foreign)}",
        "return Python floats: use math instead of numpy or torch, or float(...)",
    )


def known_formula(subject: Subject) -> Advice | None:
    """A reminder to cite: the schedule is one that everybody was taught."""
    name = known_schedules.name_of(subject.rates)
    if name is None or subject.cited:
        return None
    return subject.advice("known-formula", f"this is {name}", "that is allowed; cite where the formula is from")
