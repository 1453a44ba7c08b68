"""Shared parts: the embedded task, both real sandboxes, and submissions made of the fixtures on disk.

A missing Docker engine fails the tests marked `docker`; it does not skip them. To leave them out on
purpose: `pytest -m "not docker"`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import task as tasks
from grader.recipe import Recipe
from grader.result import Compiled
from grader.sandbox.base import Sandbox
from grader.sandbox.compiling import compile_submission
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.sandlock import SandlockSandbox
from grader.submission import Submission
from grader.task import Task, TaskFacts
from grader.training import data, models

ROOT = Path(__file__).parents[1]
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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write the table of attacks into SECURITY.md")


@pytest.fixture(scope="session")
def task() -> Task:
    return tasks.load("digits")


@pytest.fixture(scope="session")
def digits(task: Task) -> data.ImageData:
    return data.load(task)


@pytest.fixture(scope="session")
def facts(task: Task, digits: data.ImageData) -> TaskFacts:
    return models.facts_of(task, digits)


@pytest.fixture(scope="session")
def sandlock() -> Iterator[SandlockSandbox]:
    sandbox = SandlockSandbox()
    sandbox.open(print)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def docker_box() -> Iterator[DockerSandbox]:
    sandbox = DockerSandbox()
    sandbox.open(print)
    yield sandbox
    sandbox.close()


@pytest.fixture(params=["sandlock", pytest.param("docker", marks=pytest.mark.docker)])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return request.getfixturevalue({"sandlock": "sandlock", "docker": "docker_box"}[request.param])


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


@pytest.fixture
def compiled(sandlock: SandlockSandbox, task: Task, facts: TaskFacts) -> Compile:
    return Compile(sandlock, task, facts)


@pytest.fixture
def recipe(compiled: Compile) -> Recipe:
    result = compiled(make())
    assert result.recipe is not None
    return result.recipe
