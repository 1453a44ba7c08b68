"""Submissions made of texts and of the fixtures on disk, and compiling them."""

from __future__ import annotations

import json
from pathlib import Path

from grader.core.task import Task, TaskFacts
from grader.sandbox.base import Sandbox
from grader.sandbox.compile import compile_submission
from grader.sandbox.compiled import Compiled
from grader.submissions.loader import Submission

ROOT = Path(__file__).parents[2]
#: LeNet on the embedded images: submissions of the tests name its layers.
LENET = ROOT / "tests/fixtures/tasks/lenet.toml"
MANIFEST = {"assignment_name": "Schedulers", "contributors": ["Ada"], "sources": ["none: my own work"]}
SCHEDULER = """
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]
"""
CONFIG = """
import torch
from torchvision.transforms import Normalize, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    transforms = [ToTensor(), Normalize(0.5, 0.5)]
"""


def make(scheduler: str = SCHEDULER, config: str = CONFIG, manifest: object = MANIFEST, **more: str) -> Submission:
    """A submission from texts; `more` adds files by name, with `_` for the dot's place in `ATTRIBUTION_md`."""
    files = {"scheduler.py": scheduler, "config.py": config, "submission.json": json.dumps(manifest, indent=1)}
    files |= {name.replace("_", "."): text for name, text in more.items()}
    return Submission("made", {name: text.encode() for name, text in files.items()})


def load(folder: Path) -> Submission:
    """A fixture folder as a submission; what it does not hold is as in `make`."""
    made = make()
    return Submission(folder.name, {**made.files, **{p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}})


class Compile:
    """Compiles submissions in one sandbox for the embedded task."""

    def __init__(self, sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
        self.sandbox, self.task, self.facts = sandbox, task, facts

    def __call__(self, submission: Submission | None = None, **texts: str) -> Compiled:
        return compile_submission(submission or make(**texts), self.sandbox, self.task, self.facts)
