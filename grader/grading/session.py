"""Everything that grading needs, set up once and taken down at the end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from grader.core import task as tasks
from grader.core.errors import SetupError
from grader.core.files import check_writable
from grader.core.kind import Kind
from grader.core.task import Task, TaskFacts
from grader.grading.cache import Store
from grader.grading.events import Listener
from grader.grading.logs import logged_rows
from grader.grading.pipeline import Grading
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.ranking import header, identity
from grader.leaderboard.storage import Ledger
from grader.sandbox.base import Sandbox, SandboxName
from grader.sandbox.factory import choose, prove
from grader.training.pool import TrainerPool, Trainers, choose_device, default_workers


class EngineName(StrEnum):
    """Where sandboxes and trainings run."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True)
class Engine:
    """The choice of `--engine`, with what belongs to it."""

    name: EngineName = EngineName.LOCAL
    address: str | None = None  # of the Ray cluster; None: RAY_ADDRESS, or one begun here
    gpus_per_training: float = 1.0


LOCAL = Engine()


@dataclass(frozen=True)
class Ready:
    """Everything that grading needs, set up."""

    task: Task
    facts: TaskFacts
    trainers: Trainers
    sandbox: Sandbox
    store: Store
    board: Leaderboard  # without rows
    workers: int

    def ledger(self, path: Path) -> Ledger:
        """The board at `path`. Raises UsageError where it is another task's, SetupError where it cannot be written."""
        return Ledger(path, self.board, lambda: logged_rows(self.store.folder, identity(self.board.task)))

    def grading(
        self,
        ledger: Ledger,
        listener: Listener,
        *,
        force: bool = False,
        seeds: Mapping[tuple[Kind, str], Sequence[int]] | None = None,
    ) -> Grading:
        return Grading(
            self.task, self.facts, self.sandbox, self.trainers, self.store, ledger,
            self.board.hardware.device, listener, jobs=self.workers, force=force, seeds=seeds,
        )  # fmt: skip


@contextlib.contextmanager
def ready_to_grade(
    say: Callable[[str], None],
    task_name: str,
    sandbox_name: str,
    device: str,
    jobs: int,
    results: Path,
    engine: Engine = LOCAL,
) -> Iterator[Ready]:
    """Trainers and sandbox, started, and what they say of the task; both are taken down at the end."""
    task = tasks.load(task_name)
    check_writable(results / task.name)

    with contextlib.ExitStack() as stack:
        trainers: Trainers
        sandbox: Sandbox
        if engine.name is EngineName.RAY:
            from grader.cluster.nodes import census, connected
            from grader.cluster.sandboxes import RaySandbox
            from grader.cluster.trainers import RayTrainers

            stack.enter_context(connected(engine.address))
            nodes = census(say)
            sandbox = RaySandbox(sandbox_name, nodes)
            trainers = RayTrainers(task, nodes, device, jobs, engine.gpus_per_training, say)
            stack.callback(trainers.close)
        else:
            chosen = choose_device(device)
            trainers = pool = TrainerPool(task, chosen, jobs or default_workers(chosen))
            stack.callback(pool.close)
            pool.start()
            sandbox = choose(sandbox_name)
        if sandbox.name is SandboxName.NONE:
            say("--sandbox none: the submissions' code runs unprotected, as you")
        stack.callback(sandbox.close)
        sandbox.open(say)
        if engine.name is EngineName.LOCAL:
            prove(sandbox)  # a cluster's nodes have proved theirs
        facts, trainer = trainers.facts()
        if task.device_kind and trainer.device != task.device_kind:
            raise SetupError(f"task {task.name} demands {task.device_kind} to train on, and this is {trainer.device}")
        store = Store(results / task.name, task, facts, trainer)
        yield Ready(task, facts, trainers, sandbox, store, header(task, facts, trainer), trainers.workers)
