"""The reference schedulers: ordinary submissions, except for one line that fits them to a task.

A student's schedule cannot know the length of the held-out training. A reference may, since students are
measured against it: the line `TOTAL_STEPS = N` of its config.py is set to the number of steps that its own
`batch_size` and `num_epochs` make on the task. As a submission it stands as it is.
"""

import re
from dataclasses import replace
from pathlib import Path

from grader.core.kind import Kind
from grader.submissions.entry import Entry
from grader.core.errors import UsageError
from grader.core.recipe import steps_per_epoch
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from grader.core.task import TaskFacts

#: The scheduler that the assignment starts from.
DEFAULT = "constant"
_TOTAL = re.compile(rb"^TOTAL_STEPS = \d+", re.M)


def references_for(folder: Path | None, facts: TaskFacts) -> list[Entry]:
    """The references in `folder` (None: the shipped ones), fitted to the task; the default scheduler first."""
    found = discover(folder or _shipped()).submissions
    entries = [Entry(fitted(s, facts), Kind.DEFAULT if s.id == DEFAULT else Kind.REFERENCE) for s in found]
    return sorted(entries, key=lambda e: (e.kind is not Kind.DEFAULT, e.submission.id))


def _shipped() -> Path:
    """In a checkout `reference/` at the top; in an installed package its copy."""
    for path in (Path(__file__).parents[2] / "reference", Path(__file__).parents[1] / "reference"):
        if path.is_dir():
            return path
    raise UsageError("the reference schedulers are missing from this installation: name them with --reference")


def fitted(submission: Submission, facts: TaskFacts) -> Submission:
    """A reference as it is on the task with these facts, whatever task it was fitted to before."""
    config = submission.files.get("config.py", b"")
    batch_size, epochs = _number(config, b"batch_size"), _number(config, b"num_epochs")
    if batch_size is None or epochs is None:
        return submission
    total = steps_per_epoch(facts.n_train, batch_size) * epochs
    text = _TOTAL.sub(f"TOTAL_STEPS = {total}".encode(), config)
    return replace(submission, files={**submission.files, "config.py": text})


def _number(config: bytes, name: bytes) -> int | None:
    match = re.search(rb"^\s+" + name + rb" = (\d+)\s*$", config, re.M)
    return int(match[1]) if match else None
