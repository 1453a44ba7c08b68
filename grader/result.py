"""What comes out of grading, as plain data with documented fields."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean
from typing import Annotated

from pydantic import Field, StringConstraints

from grader.errors import GraderError
from grader.recipe import Frozen, Recipe, Series


class Verdict(StrEnum):
    """How grading a submission ended (in words: `MEANINGS`). Only `ok` and `diverged` have a rank."""

    OK = "ok"
    DIVERGED = "diverged"
    CONTRACT = "contract"
    CRASH = "crash"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    INTERNAL = "internal"

    @property
    def ranked(self) -> bool:
        """Whether a submission with this verdict has a score."""
        return self in (Verdict.OK, Verdict.DIVERGED)


MEANINGS = {
    Verdict.OK: "trained",
    Verdict.DIVERGED: "trained, but the loss left the finite numbers; the accuracy counts",
    Verdict.CONTRACT: "a rule is broken; all broken rules are listed, each with file, line and how to mend it",
    Verdict.CRASH: "the submission's code raised an error or ended its process",
    Verdict.TIMEOUT: "compiling or training took longer than the task allows; the epoch is named",
    Verdict.MEMORY: "the code needed more memory than the task allows",
    Verdict.OUTPUT: "the code printed more than the task allows",
    Verdict.INTERNAL: "our fault: no score, retried on the next run",
}


class Rule(StrEnum):
    """The contract, rule by rule (in words: `RULES`)."""

    FILES = "files"
    SUBMISSION_JSON = "submission_json"
    ATTRIBUTION = "attribution"
    SCHEDULER_CLASS = "scheduler_class"
    TORCH_SCHEDULER = "torch_scheduler"
    CONFIG = "config"
    OPTIMIZER = "optimizer"
    MODEL = "model"
    GROUPS = "groups"
    LEARNING_RATE = "learning_rate"
    READS_WEIGHTS = "reads_weights"
    FEEDBACK = "feedback"
    STEPS = "steps"
    TRANSFORMS = "transforms"
    DETERMINISTIC = "deterministic"
    RAISED = "raised"
    RESOURCES = "resources"


#: Each rule without a word of the submission: for where nothing may tell whose it is.
RULES = {
    Rule.FILES: "scheduler.py, config.py and submission.json are there and can be read",
    Rule.SUBMISSION_JSON: "submission.json names the assignment, the contributors and the sources",
    Rule.ATTRIBUTION: "sources are named in submission.json or ATTRIBUTION.md",
    Rule.SCHEDULER_CLASS: "scheduler.py has a class CustomLRScheduler, an _LRScheduler with get_lr()",
    Rule.TORCH_SCHEDULER: "the schedule is written by its author, not taken from PyTorch's schedulers",
    Rule.CONFIG: "CONFIG has its five attributes, with values that can be used",
    Rule.OPTIMIZER: "the optimizer is one that PyTorch ships and needs no closure",
    Rule.MODEL: "the model is left as it is",
    Rule.GROUPS: "the parameter groups hold parameters of the model, each at most once",
    Rule.LEARNING_RATE: "get_lr() returns one finite, non-negative rate per parameter group",
    Rule.READS_WEIGHTS: "neither weights nor gradients nor files are read",
    Rule.FEEDBACK: "the schedule depends on the step alone",
    Rule.STEPS: "the training has no more steps than the task allows",
    Rule.TRANSFORMS: "the transforms are torchvision's, keep the image's shape and give float tensors",
    Rule.DETERMINISTIC: "the schedule depends neither on chance nor on the clock",
    Rule.RAISED: "the code runs through without an error",
    Rule.RESOURCES: "time, memory and output stay within the limits of the task",
}


Text = Annotated[str, StringConstraints(max_length=2000)]


class Violation(Frozen):
    """One broken rule: where, what, and how to mend it."""

    rule: Rule
    file: Text
    line: int | None = Field(default=None, ge=1, le=10_000_000)
    what: Text
    fix: Text

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{place}: {self.what}: {self.fix}"


class RejectedError(GraderError):
    """A submission breaks the contract."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(v) for v in violations))
        self.violations = tuple(violations)


class Observed(Frozen):
    """What the probe saw beyond the recipe, for advice only (`grader.advice`)."""

    longer: Series[float]  # the first group's learning rate over as many steps again
    types: tuple[Annotated[str, Field(max_length=100)], ...]  # of the learning rates
    cost: tuple[float, float]  # seconds of 200 steps early and late


class Compiled(Frozen):
    """A submission after the sandbox: a recipe, or a verdict with its reasons."""

    verdict: Verdict  # ok where there is a recipe
    violations: tuple[Violation, ...] = ()
    recipe: Recipe | None = None
    sandbox: str  # which sandbox it ran in
    seconds: float  # wall time of the submission's code
    output: str = ""  # what it printed, capped
    detail: str = ""  # for internal: what failed on our side
    observed: Observed | None = None  # for advice, where it was asked for
    base_rates: tuple[float, ...] = ()  # learning rates that the optimizer was made with, one per group
    draft: Recipe | None = None  # then also: the recipe of a submission that only its texts keep from passing


#: Into how many parts an epoch's steps are divided for `EpochRecord.parts`.
EPOCH_PARTS = 10


class EpochRecord(Frozen):
    """One epoch of one training."""

    epoch: int  # from 1
    train_loss: float | None  # mean cross-entropy over the epoch's batches; None: not finite
    accuracy: float  # share of the held-out images classified rightly after the epoch
    lr: float  # learning rate of the first group in the epoch's last step
    parts: tuple[float | None, ...] = ()  # mean loss over equal parts of the epoch's steps, at most EPOCH_PARTS


class TransformMode(StrEnum):
    """How a recipe's transforms were applied."""

    BATCHED = "batched"  # on whole batches, on the device, with a draw per image
    ONCE = "once"  # nothing is random: torchvision's own classes, once per image
    PER_IMAGE = "per image"  # torchvision's own classes, image by image, in every epoch: slow


class SeedRun(Frozen):
    """One training: a recipe on a task with one seed."""

    seed: int
    verdict: Verdict
    accuracy: float | None  # after the last epoch; None where training did not finish
    seconds: float  # wall time of the training
    epochs: tuple[EpochRecord, ...] = ()
    detail: str = ""
    device: str = ""
    transforms: TransformMode | None = None
    violations: tuple[Violation, ...] = ()  # why this recipe cannot be trained
    final: float | None = None  # accuracy on the part of the held-out images that the board does not show


#: How many points a learning rate's or an accuracy's curve keeps on the board.
CURVE_POINTS = 64


def spread(length: int) -> list[int]:
    """At most `CURVE_POINTS` evenly spread positions of a series, the first and last among them."""
    points = min(length, CURVE_POINTS)
    return [round(i * (length - 1) / max(1, points - 1)) for i in range(points)]


def resampled(values: Sequence[float]) -> tuple[float, ...]:
    """At most `CURVE_POINTS` values evenly spread over the series, in between where they fall between two."""
    n = min(len(values), CURVE_POINTS)
    places = (i * (len(values) - 1) / max(1, n - 1) for i in range(n))
    return tuple(short(value_at(values, place)) for place in places)


def value_at(values: Sequence[float], place: float) -> float:
    """A series read at a place between its positions, on the straight line between the two beside it."""
    i = min(int(place), max(0, len(values) - 2))
    after = values[min(i + 1, len(values) - 1)]
    return values[i] + (after - values[i]) * (place - i)


def shape(curve: Sequence[float]) -> tuple[float, ...]:
    """A curve divided by its highest value."""
    top = max(curve, default=0.0)
    return tuple(v / top for v in curve) if top > 0 else tuple(curve)


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Mean distance at as many places as the longer curve has points; the shorter one is read in between."""
    n = max(len(a), len(b))
    shares = [i / max(1, n - 1) for i in range(n)]
    return fmean(abs(value_at(a, s * (len(a) - 1)) - value_at(b, s * (len(b) - 1))) for s in shares)


def short(value: float) -> float:
    """The number to six digits: enough for a curve, and short in a file."""
    return float(f"{value:.6g}")


class LrSummary(Frozen):
    """The learning rate of the first group over the steps, for the board."""

    first: float
    last: float
    lowest: float
    highest: float
    distinct: int  # number of runs of equal learning rates
    steps: int
    curve: tuple[float, ...] = ()  # at `CURVE_POINTS` places from the first step to the last


def summarize(recipe: Recipe) -> LrSummary:
    """The shape of a recipe's first group."""
    lr = recipe.groups[0].lr
    every = list(lr.expand())
    return LrSummary(
        first=lr.values[0],
        last=lr.values[-1],
        lowest=min(lr.values),
        highest=max(lr.values),
        distinct=len(lr.values),
        steps=recipe.steps,
        curve=resampled(every),
    )
