"""Advice on a submission that passes: what is allowed but probably unintended.

Advice is never a violation and never part of a grade. Each function checks one thing and returns
advice or None; `advise` calls them all.
"""

import ast
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from grader.core.recipe import Frozen, Optimizer, Recipe, Series
from grader.sandbox.compiled import Observed
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
class Subject:
    """What advice is about: the recipe, what was observed beyond it, and the two source texts."""

    recipe: Recipe
    observed: Observed | None
    scheduler: str
    config: str
    cited: bool = False  # the submission names a source

    @property
    def lr(self) -> Series[float]:
        """The first group's learning rate."""
        return self.recipe.groups[0].lr

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.recipe.steps // self.recipe.epochs

    def line(self, start: str) -> int | None:
        """The line of scheduler.py that starts with `start`, after blanks."""
        lines = enumerate(self.scheduler.splitlines(), 1)
        return next((number for number, line in lines if line.strip().startswith(start)), None)

    def advice(self, code: str, what: str, fix: str, start: str = "def get_lr") -> Advice:
        """Advice at the line of scheduler.py that starts with `start`."""
        return Advice(code=code, file="scheduler.py", line=self.line(start), what=what, fix=fix)


def advise(subject: Subject) -> list[Advice]:
    """All advice, the most important first."""
    found = (
        idle_step(subject) or never_moves(subject),
        wrong_unit(subject),
        restarts_every_few_batches(subject),
        rises_again(subject),
        tied_to_a_length(subject),
        implausible_peak(subject),
        growing_cost(subject),
        not_floats(subject),
        known_formula(subject),
    )
    return [advice for advice in found if advice is not None]


def never_moves(subject: Subject) -> Advice | None:
    """A scheduler that schedules nothing."""
    moving = any(
        not g.lr.constant or not all(series.constant for series in g.others.values()) for g in subject.recipe.groups
    )
    if moving:
        return None
    return subject.advice(
        "never-moves",
        f"the learning rate is {subject.lr.values[0]:g} in every step",
        "that is the default scheduler; let get_lr() depend on self.last_epoch",
    )


def idle_step(subject: Subject) -> Advice | None:
    """step() is overridden, neither calls the original nor writes a rate, and nothing moves."""
    if not all(group.lr.constant for group in subject.recipe.groups):
        return None
    try:
        tree = ast.parse(subject.scheduler)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for kind in ast.walk(tree):
        if isinstance(kind, ast.ClassDef) and kind.name == "CustomLRScheduler":
            for method in kind.body:
                if isinstance(method, ast.FunctionDef) and method.name == "step":
                    return subject.advice(
                        "idle-step",
                        "step() is overridden and no learning rate ever changes",
                        "remove your step(), or write the new rates into self.optimizer.param_groups "
                        "(or call super().step(), which asks get_lr())",
                        "def step",
                    )
    return None


def wrong_unit(subject: Subject) -> Advice | None:
    """All the changes lie in the first few batches of a long training."""
    steps = subject.recipe.steps
    last_change = steps - subject.lr.counts[-1]
    if subject.lr.constant or steps < 200 or last_change > min(0.02 * steps, subject.steps_per_epoch / 2):
        return None
    return subject.advice(
        "unit-is-batches",
        f"the learning rate changes in the first {last_change} of {steps} steps only",
        f"scheduler.step() is called once per batch, {subject.steps_per_epoch} times per epoch: "
        "count batches, not epochs",
    )


def restarts_every_few_batches(subject: Subject) -> Advice | None:
    """Cycles far shorter than an epoch: a period that was meant in epochs."""
    values = subject.lr.values
    starts = [0, *accumulate(subject.lr.counts)]  # the step at which each value begins
    valleys = [starts[i] for i in range(1, len(values) - 1) if values[i - 1] > values[i] < values[i + 1]]
    if len(valleys) < 20 or subject.steps_per_epoch < 20:
        return None
    period = median(b - a for a, b in pairwise(valleys))
    if period > subject.steps_per_epoch / 2:
        return None
    return subject.advice(
        "restarts-every-few-batches",
        f"the learning rate goes down and up again every {period:.0f} batches",
        f"scheduler.step() is called once per batch: multiply a period in epochs by {subject.steps_per_epoch}",
    )


def rises_again(subject: Subject) -> Advice | None:
    """A decay that turns and climbs back step by step: the formula runs on past its own end."""
    rates = list(subject.lr.expand())
    top = max(rates)
    if subject.lr.constant or restarts_every_few_batches(subject) is not None:
        return None
    high = next((i for i, rate in enumerate(rates) if rate == top), 0)
    low = next((i for i in range(high, len(rates)) if rates[i] < 0.1 * top), None)
    back = next((i for i in range(low, len(rates)) if rates[i] > 0.5 * top), None) if low is not None else None
    if low is None or back is None or rates[back] - rates[back - 1] > 0.1 * top:  # a jump is a restart, and meant
        return None
    bottom = min(range(high, back), key=rates.__getitem__)
    return subject.advice(
        "rises-again",
        f"the learning rate falls to {rates[bottom]:.3g} at step {bottom} and climbs back, to {rates[back]:.3g} "
        f"at step {back} of {len(rates)}",
        "if that is not meant, hold the end: use min(self.last_epoch, T_max) in the formula",
    )


def tied_to_a_length(subject: Subject) -> Advice | None:
    """A decay that fits exactly this number of batches, which the held-out data set will not have."""
    if subject.observed is None or subject.lr.constant:
        return None
    rates = list(subject.lr.expand())
    top, end, half = max(rates), rates[-1], rates[len(rates) // 2]
    if end > 0.1 * top or half < 0.3 * top or rises_again(subject) is not None:
        return None
    longer = list(subject.observed.longer.expand())
    rise = max(longer, default=0.0)
    twice = f"rises again to {rise:.3g}" if rise > 0.3 * top else f"stays near {max(longer, default=end):.3g}"
    return subject.advice(
        "tied-to-a-length",
        f"the decay fits {len(rates)} batches: in a training half as long it ends at {half:.3g}, {half / top:.0%} of "
        f"its peak, and in one twice as long it {twice}",
        "the held-out data set has another number of batches per epoch: hold the end with min(self.last_epoch, T_max), "
        "and prefer a decay that is useful wherever it is cut off",
    )


def implausible_peak(subject: Subject) -> Advice | None:
    """A rate at which this optimizer is known to fail, or to sleep."""
    peak = max(subject.lr.values)
    name = subject.recipe.optimizer
    highest, lowest = _HIGHEST.get(name), _LOWEST.get(name)
    if highest is not None and peak > highest:
        return subject.advice(
            "implausible-peak",
            f"the peak rate {peak:g} is very high for {name}",
            f"above {highest:g} its trainings usually diverge; check exponents (1e6 for 1e-6?)",
        )
    if lowest is not None and peak < lowest:
        return subject.advice(
            "implausible-peak",
            f"the peak rate {peak:g} is very low for {name}",
            f"below {lowest:g} it hardly learns within a few epochs",
        )
    return None


def growing_cost(subject: Subject) -> Advice | None:
    """get_lr() goes through all past steps each time."""
    if subject.observed is None:
        return None
    early, late = subject.observed.cost
    if late < 0.02 or late < 4 * early:
        return None
    total = late / 200 * subject.recipe.steps / 4
    return subject.advice(
        "growing-cost",
        f"get_lr() takes {late / early:.0f} times as long at the end as at the start",
        f"compute the rate from self.last_epoch directly; now it costs about {total:.1f} s",
    )


def not_floats(subject: Subject) -> Advice | None:
    """numpy or tensor values where floats are expected: they work, more slowly, and round differently."""
    foreign = sorted(set(subject.observed.types) - _FLOATS) if subject.observed else []
    if not foreign:
        return None
    return subject.advice(
        "not-floats",
        f"learning rates come as {', '.join(foreign)}",
        "return Python floats: use math instead of numpy or torch, or float(...)",
    )


def known_formula(subject: Subject) -> Advice | None:
    """A reminder to cite: the schedule is one that everybody was taught."""
    name = known_schedules.name_of(list(subject.lr.expand()))
    if name is None or subject.cited:
        return None
    return subject.advice("known-formula", f"this is {name}", "that is allowed; cite where the formula is from")
