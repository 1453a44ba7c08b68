"""Plays a schedule beyond the length of the training, for advice.

The held-out data set has another number of images, so a training on it has another number of steps. A play of twice as
many steps shows what every length up to that would do: the steps of a shorter training are the first ones of a longer
one, since a schedule knows nothing of its length but its own arguments.
"""

from dataclasses import replace

from grader.core.task import Task, TaskFacts
from grader.sandbox.base import Sandbox, job_of, limits_of
from grader.sandbox.compiled import Observed
from grader.sandbox.document import read_observed
from grader.submissions.loader import Submission

#: CPU seconds of a play. What it has not seen by then it says nothing of.
_SECONDS = 10.0


def observe(submission: Submission, sandbox: Sandbox, task: Task, facts: TaskFacts, length: int = 1) -> Observed | None:
    """What the schedule does in a training `length` times as long; None if that cannot be told. Never a verdict."""
    changes = {"n_train": length * facts.n_train, "max_steps": length * task.max_steps}
    try:
        job = job_of(submission, task, facts, **changes, cpu_seconds=_SECONDS, observe=True)
    except (KeyError, UnicodeDecodeError):
        return None  # a file is missing, or is no text: the verdict says so
    limits = replace(limits_of(task, task.time_limit_s), seconds=_SECONDS)
    return read_observed(sandbox.run(job, limits).document, task)
