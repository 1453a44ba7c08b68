"""The options of a grading run as one typed object, made once in `grader.cli`."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from grader.core.recipe import Frozen
from grader.core.task import Task
from grader.sandbox.base import SandboxChoice
from grader.training.pool import DeviceChoice


class EngineName(StrEnum):
    """Where sandboxes and trainings run."""

    LOCAL = "local"
    RAY = "ray"


class Engine(Frozen):
    """The choice of `--engine`, with what belongs to it."""

    name: EngineName = EngineName.LOCAL
    address: str | None = None  # of the Ray cluster; None: RAY_ADDRESS, or one begun here
    gpus_per_training: float = 1.0


class SeedPolicy(StrEnum):
    """With how many seeds a recipe is trained."""

    FIXED = "fixed"  # the task's
    ADAPTIVE = "adaptive"  # more where neighbours on the board cannot be told apart yet


class RunConfig(Frozen):
    """Everything that a grading run is asked for."""

    task: Task
    results: Path  # where logs and finished work are kept: a folder per task
    sandbox: SandboxChoice = SandboxChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    jobs: int = Field(default=0, ge=0)  # sandboxes and trainings at a time; 0 chooses
    engine: Engine = Engine()
    references: Path | None = None  # folder of the reference schedulers; None: the shipped ones
    seeds: SeedPolicy = SeedPolicy.FIXED
    force: bool = False  # compile and train again what is cached
    again: frozenset[str] = frozenset()  # ids of students for whom it is done, where not for all

    @property
    def folder(self) -> Path:
        """Where this task's logs and finished work are kept."""
        return self.results / self.task.name
