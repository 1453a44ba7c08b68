"""Shared parts: the embedded task, both real sandboxes, and submissions made of the fixtures on disk.

A missing Docker engine fails the tests marked `docker`; it does not skip them. To leave them out on
purpose: `pytest -m "not docker"`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader.core import task_file as tasks
from grader.core.recipe import Recipe
from grader.core.task import Task, TaskFacts
from grader.sandbox.base import Sandbox
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.sandlock import SandlockSandbox
from grader.training import data, models
from support.stages import pytest_runtest_logreport, pytest_terminal_summary
from support.submissions import LENET, Compile, make

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write the table of attacks into SECURITY.md")
    parser.addoption("--write-golden", action="store_true", help="record the golden trainings of this kind of device")


#: Fixtures of modules that grade or train: made once, if the tests that use them run in one process.
COSTLY = {"candidates", "small", "where"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of a module that share a costly fixture into one group."""
    for item in items:
        if COSTLY & set(getattr(item, "fixturenames", ())) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def task() -> Task:
    return tasks.load(str(LENET))


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


@pytest.fixture
def compiled(sandlock: SandlockSandbox, task: Task, facts: TaskFacts) -> Compile:
    return Compile(sandlock, task, facts)


@pytest.fixture
def recipe(compiled: Compile) -> Recipe:
    result = compiled(make())
    assert result.recipe is not None
    return result.recipe
