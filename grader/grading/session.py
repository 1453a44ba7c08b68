"""Everything that a grading needs: opened once, closed at the end."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self

from grader.core.environment import Environment, environment_of, is_kind
from grader.core.errors import SetupError
from grader.core.files import check_writable
from grader.core.task import Task, TaskFacts
from grader.core.task_file import shipped_facts
from grader.grading.cache import Cache
from grader.grading.config import EngineName, RunConfig
from grader.grading.logs import logged_rows
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.ranking import header, identity
from grader.leaderboard.storage import BoardWriter
from grader.sandbox.base import Sandbox, SandboxName, Say
from grader.sandbox.factory import opened
from grader.training.pool import TrainerPool, Trainers, choose_device, default_workers


@dataclass(frozen=True)
class Part:
    """One workload: a task with one model and one data set, what they are, and what is known of it already."""

    name: str  # of the workload; empty for a task with one
    task: Task
    facts: TaskFacts
    cache: Cache


@dataclass(frozen=True)
class Session:
    """A task with what compiles and trains for it, ready to grade."""

    config: RunConfig
    parts: tuple[Part, ...]  # its workloads, in the order of the trainers' numbers
    environment: Environment
    sandbox: Sandbox
    trainers: Trainers

    @classmethod
    def of(
        cls,
        config: RunConfig,
        facts: Sequence[TaskFacts],
        environment: Environment,
        sandbox: Sandbox,
        trainers: Trainers,
    ) -> Self:
        """A session with a cache for each workload in the task's folder."""
        task = config.task
        names = [one.name for one in task.workload] or [""]
        parts = tuple(
            Part(name, part, found, Cache(config.folder, part, found, environment))
            for name, part, found in zip(names, task.parts, facts, strict=True)
        )
        return cls(config, parts, environment, sandbox, trainers)

    @property
    def task(self) -> Task:
        """What is graded on."""
        return self.config.task

    @property
    def workers(self) -> int:
        """Sandboxes and trainings at a time."""
        return self.trainers.workers

    def writer(self, path: Path) -> BoardWriter:
        """The board at `path`. Raises UsageError if it is another task's, SetupError if it cannot be written."""
        board = self.empty_board()
        return BoardWriter(path, board, lambda: logged_rows(self.config.folder, identity(board.task)))

    def empty_board(self) -> Leaderboard:
        """A board of this task and environment, without rows."""
        return header(self.task, [part.facts for part in self.parts], self.environment)


@contextlib.contextmanager
def open_session(config: RunConfig, say: Say) -> Iterator[Session]:
    """Trainers and sandbox, started, and what they say of the task; both are taken down at the end.

    `say` is told what takes time. Raises SetupError.
    """
    task = config.task
    check_writable(config.folder)
    with contextlib.ExitStack() as stack:
        start = _on_ray if config.engine.name is EngineName.RAY else _here
        trainers, sandbox = start(config, say, stack)
        if sandbox.name is SandboxName.NONE:
            say("--sandbox none: the submissions' code runs unprotected, as you")
        facts, environment = trainers.facts()
        demand_kind(task, environment)
        yield Session.of(config, facts, environment, sandbox, trainers)


def demand_kind(task: Task, environment: Environment) -> None:
    """Raise SetupError if the task names another kind of device to train on."""
    if task.device_kind and not is_kind(environment.device, task.device_kind):
        raise SetupError(f"task {task.name} demands {task.device_kind} to train on, and this is {environment.device}")


@dataclass(frozen=True)
class Compiling:
    """What compiles for the first workload of a task, without training."""

    task: Task
    facts: TaskFacts
    cache: Cache
    sandbox: Sandbox


@contextlib.contextmanager
def open_compiler(config: RunConfig, say: Say) -> Iterator[Compiling]:
    """For compiling only, with the facts that come with a public task, or else as a trainer finds them."""
    check_writable(config.folder)
    task = config.task.parts[0]
    facts = shipped_facts(task)
    if facts is not None:
        environment = environment_of("cpu", metadata.version("torch"), metadata.version("torchvision"))
    else:
        with contextlib.closing(TrainerPool(task, "cpu", 1)) as trainers:
            (facts, *_), environment = trainers.facts()
    with contextlib.closing(opened(config.sandbox, say)) as sandbox:
        yield Compiling(task, facts, Cache(config.folder, task, facts, environment), sandbox)


def _here(config: RunConfig, say: Say, stack: contextlib.ExitStack) -> tuple[Trainers, Sandbox]:
    device = choose_device(config.device)
    trainers = TrainerPool(config.task, device, config.jobs or default_workers(device))
    stack.callback(trainers.close)
    trainers.start()
    sandbox = opened(config.sandbox, say)
    stack.callback(sandbox.close)
    return trainers, sandbox


def _on_ray(config: RunConfig, say: Say, stack: contextlib.ExitStack) -> tuple[Trainers, Sandbox]:
    from grader.cluster.nodes import census, connected
    from grader.cluster.sandboxes import RaySandbox
    from grader.cluster.trainers import RayTrainers

    stack.enter_context(connected(config.engine.address))
    nodes = census(say)
    sandbox = RaySandbox(config.sandbox, nodes)
    stack.callback(sandbox.close)
    sandbox.open(say)
    trainers = RayTrainers(config.task, nodes, config.device, config.jobs, config.engine.gpus_per_training, say)
    stack.callback(trainers.close)
    return trainers, sandbox
