"""`grader check`: the probe and contract of `grader run` on a student's own folder, and advice.

The public task's facts (number of images, names and shapes of parameters) are shipped, so that a
check needs neither the data set nor torch in this process.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from grader.core import task_file as tasks
from grader.core.errors import TaskError
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.base import Sandbox, limits_of
from grader.sandbox.compile import compile_submission
from grader.sandbox.compiled import Compiled
from grader.student.advice import Advice, Cost, Subject, advise
from grader.student.observing import observe
from grader.student.source import SchedulerSource
from grader.submissions.loader import Submission, only
from grader.submissions.manifest import cites, own_lines

#: Seconds per image and per step of the public training on one CPU core: a run of five epochs of
#: 50,000 images in batches of 64, with evaluation, took 26 s.
_SECONDS_PER_IMAGE = 9e-5
_SECONDS_PER_STEP = 1e-3


@dataclass(frozen=True)
class Checked:
    """The outcome of a check."""

    submission: Submission
    task: Task
    compiled: Compiled
    advice: tuple[Advice, ...]
    predicted_seconds: float | None

    @property
    def accepted(self) -> bool:
        """Whether `grader run` would train it."""
        return self.compiled.verdict is Verdict.OK


def facts_of_public(task: Task) -> TaskFacts:
    """The shipped facts of a public task. Raises TaskError if the task has none."""
    facts = tasks.shipped_facts(task)
    if facts is None:
        raise TaskError(
            f"task {task.name} has no {task.name}.facts.json beside it: check with the public task, cifar10"
        )
    return facts


def _over_the_limit(predicted: float, task: Task) -> list[Advice]:
    if predicted <= task.time_limit_s:
        return []
    what = f"training takes about {predicted:.0f} s on one CPU core; it is cut off at {task.time_limit_s:.0f} s"
    fix = "train for fewer epochs: a training that is cut off has no score (a grader with a GPU is faster)"
    return [Advice(code="over-the-limit", file="config.py", line=None, what=what, fix=fix)]


def check(folder: Path, sandbox: Sandbox, task_name: str = "cifar10") -> Checked:
    """Check the submission in `folder`. Raises UsageError if there is none."""
    task = tasks.load_one(task_name)
    facts = facts_of_public(task)
    submission = only(folder)
    with ThreadPoolExecutor(1) as pool:
        try:
            observing = pool.submit(observe, submission, sandbox, task, facts, length=2)
            compiled = compile_submission(submission, sandbox, task, facts)
            observed = observing.result()
        except BaseException:
            sandbox.close()  # the play that is at work too: ^C need not wait for it
            raise
    advice: tuple[Advice, ...] = ()
    predicted = None
    recipe = compiled.recipe or compiled.draft
    if recipe is not None:
        texts = {name: data.decode("utf-8-sig", "replace") for name, data in submission.files.items()}
        manifest = compiled.manifest
        sources = (*(manifest.sources if manifest is not None else ()), *own_lines(texts.get("ATTRIBUTION.md", "")))
        cited = any(map(cites, sources))
        cost = Cost(compiled.cost, compiled.cpu_seconds, limits_of(task, task.time_limit_s).seconds)
        subject = Subject(recipe, observed, SchedulerSource(texts["scheduler.py"]), cost, cited)
        images = facts.n_train * recipe.epochs
        predicted = compiled.seconds + images * _SECONDS_PER_IMAGE + recipe.steps * _SECONDS_PER_STEP
        advice = (*_over_the_limit(predicted, task), *advise(subject))
    return Checked(submission, task, compiled, advice, predicted)
