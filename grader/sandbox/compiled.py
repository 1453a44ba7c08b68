"""The result of compiling a submission in a sandbox."""

from typing import Annotated

from pydantic import Field

from grader.core.recipe import Frozen, LearningRate, Recipe, Series
from grader.core.verdict import Mark, Rule, Verdict, Violation
from grader.submissions.manifest import Manifest


class Observed(Frozen):
    """A play of the schedule that is no verdict, whatever comes of it (`grader.student.observing`)."""

    lr: Series[LearningRate]  # the first group's learning rate, as far as the schedule was played
    types: tuple[Annotated[str, Field(max_length=100)], ...]  # of the learning rates
    stopped: Annotated[str, Field(max_length=1000)] | None  # why the play ended early; None: all was played, or time


class Compiled(Frozen):
    """A submission after the sandbox: a recipe, or a verdict with its reasons."""

    verdict: Verdict  # ok where there is a recipe
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()  # broken rules that the task tolerates
    recipe: Recipe | None = None
    manifest: Manifest | None = None  # None if submission.json cannot be used
    sandbox: str  # which sandbox it ran in
    seconds: float  # wall time of the submission's code
    output: str = ""  # what it printed, capped
    detail: str = ""  # for internal: what failed on our side
    base_rates: tuple[float, ...] = ()  # learning rates that the optimizer was made with, one per group
    draft: Recipe | None = None  # the recipe of a submission that only its texts keep from passing
    cpu_seconds: float = 0.0  # CPU time of the submission's code, as its own process measured it
    cost: tuple[float, ...] = ()  # CPU seconds of equal parts of the training, likewise

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What is said of the submission wherever it is shown."""
        return (Mark.NO_ATTRIBUTION,) if any(v.rule is Rule.ATTRIBUTION for v in self.warnings) else ()

    def of_manifest(self, manifest: Manifest | None, warnings: tuple[Violation, ...]) -> "Compiled":
        """The same with what `submission.json` says, and with what it lacks that the task tolerates."""
        return self._with(manifest=manifest, warnings=warnings)

    def rejected(self, verdict: Verdict, violations: tuple[Violation, ...], draft: Recipe | None = None) -> "Compiled":
        """The same without a recipe, and with the reasons."""
        return self._with(verdict=verdict, violations=violations, recipe=None, draft=draft)

    def _with(self, **changes: object) -> "Compiled":
        return Compiled.model_validate({**dict(self), **changes})
