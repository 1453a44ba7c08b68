"""The result of compiling a submission in a sandbox."""

from typing import Annotated

from pydantic import Field

from grader.core.recipe import Frozen, Recipe, Series
from grader.core.verdict import Verdict, Violation
from grader.submissions.manifest import Manifest


class Observed(Frozen):
    """What the probe observed beyond the recipe, for advice only (`grader.student.advice`)."""

    longer: Series[float]  # the first group's learning rate over as many steps again
    types: tuple[Annotated[str, Field(max_length=100)], ...]  # of the learning rates
    cost: tuple[float, float]  # seconds of 200 steps early and late


class Compiled(Frozen):
    """A submission after the sandbox: a recipe, or a verdict with its reasons."""

    verdict: Verdict  # ok where there is a recipe
    violations: tuple[Violation, ...] = ()
    recipe: Recipe | None = None
    manifest: Manifest | None = None  # None if submission.json cannot be used
    sandbox: str  # which sandbox it ran in
    seconds: float  # wall time of the submission's code
    output: str = ""  # what it printed, capped
    detail: str = ""  # for internal: what failed on our side
    observed: Observed | None = None  # for advice, where it was asked for
    base_rates: tuple[float, ...] = ()  # learning rates that the optimizer was made with, one per group
    draft: Recipe | None = None  # then also: the recipe of a submission that only its texts keep from passing

    def of_manifest(self, manifest: Manifest | None) -> "Compiled":
        """The same with what `submission.json` says."""
        return self._with(manifest=manifest)

    def rejected(self, verdict: Verdict, violations: tuple[Violation, ...], draft: Recipe | None = None) -> "Compiled":
        """The same without a recipe, and with the reasons."""
        return self._with(verdict=verdict, violations=violations, recipe=None, draft=draft)

    def _with(self, **changes: object) -> "Compiled":
        return Compiled.model_validate({**dict(self), **changes})
