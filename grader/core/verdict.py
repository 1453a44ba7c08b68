"""Verdicts, the rules of the contract, and violations of them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from grader.core.errors import GraderError
from grader.core.recipe import Frozen


class Verdict(StrEnum):
    """How grading a submission ended (explained in `MEANINGS`). Only `ok` and `diverged` have a rank."""

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
    Verdict.DIVERGED: "trained, but the loss became infinite or NaN; the accuracy counts",
    Verdict.CONTRACT: "rules are broken; each is listed with file, line and how to fix it",
    Verdict.CRASH: "the submission's code raised an error or ended its process",
    Verdict.TIMEOUT: "compiling or training took longer than the task allows; the epoch is named",
    Verdict.MEMORY: "the code needed more memory than the task allows",
    Verdict.OUTPUT: "the code printed more than the task allows",
    Verdict.INTERNAL: "grader failed: no score, retried on the next run",
}


class Mark(StrEnum):
    """What is said of a submission wherever it is shown, without changing its score (explained in `MARKS`)."""

    NO_ATTRIBUTION = "no attribution"


MARKS = {Mark.NO_ATTRIBUTION: "its contributors or sources are not named"}


class Rule(StrEnum):
    """The rules of the contract (explained in `RULES`)."""

    FILES = "files"
    SUBMISSION_JSON = "submission_json"
    ATTRIBUTION = "attribution"
    SCHEDULER_CLASS = "scheduler_class"
    TORCH_SCHEDULER = "torch_scheduler"
    CONFIG = "config"
    OPTIMIZER = "optimizer"
    MODEL = "model"
    GROUPS = "groups"
    ACTS_ON_TRAINING = "acts_on_training"
    LEARNING_RATE = "learning_rate"
    READS_WEIGHTS = "reads_weights"
    FEEDBACK = "feedback"
    STEPS = "steps"
    TRANSFORMS = "transforms"
    DETERMINISTIC = "deterministic"
    RAISED = "raised"
    RESOURCES = "resources"


#: Each rule in words that quote nothing of a submission: for anonymous boards.
RULES = {
    Rule.FILES: "scheduler.py, config.py and submission.json are there and can be read",
    Rule.SUBMISSION_JSON: "submission.json has an assignment_name, contributors and sources",
    Rule.ATTRIBUTION: "contributors are named in submission.json, and sources there or in ATTRIBUTION.md",
    Rule.SCHEDULER_CLASS: "scheduler.py has a class CustomLRScheduler, an _LRScheduler with get_lr()",
    Rule.TORCH_SCHEDULER: "the schedule is written by its author, not taken from PyTorch's schedulers",
    Rule.CONFIG: "CONFIG has its five attributes, with values that can be used",
    Rule.OPTIMIZER: "the optimizer is one that PyTorch ships and needs no closure",
    Rule.MODEL: "the model is left as it is",
    Rule.ACTS_ON_TRAINING: "nothing acts on the training but the settings of the optimizer's groups",
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
    """One broken rule: where, what, and how to fix it."""

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
