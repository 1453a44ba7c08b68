"""A pool of training processes: `train` blocks its thread until a process is done.

This module imports no torch: the grader's own process stays light.
"""

import contextlib
import os
import queue
import threading
import time
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from grader.core.environment import Environment
from grader.core.errors import InternalError, SetupError, TaskError
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.task import WALL_FACTOR, Task, TaskFacts
from grader.core.verdict import Rule, Verdict, Violation
from grader.training.memory import USE_LESS
from grader.training.process import START_SECONDS, DiedError, KilledForMemoryError, OnEpoch, TrainingProcess

_GRACE_SECONDS = 30.0


class TrainerPool:
    """`workers` processes for one task, spread over what GPUs there are. Safe to call from several threads."""

    def __init__(self, task: Task, device: str, workers: int) -> None:
        self.workers = workers
        self._idle: queue.SimpleQueue[TrainingProcess] = queue.SimpleQueue()
        names = [f"cuda:{n % count_gpus()}" if device == "cuda" else device for n in range(workers)]
        self._all = [TrainingProcess(task, name) for name in names]
        self._repeating = threading.Lock()
        for process in self._all:
            self._idle.put(process)

    def start(self) -> None:
        """Start the processes in the background; they load torch and the data. What fails is said by who asks them."""

        def start() -> None:
            for process in self._all:
                with contextlib.suppress(InternalError):
                    process.start()

        threading.Thread(target=start, daemon=True).start()

    def facts(self) -> tuple[tuple[TaskFacts, ...], Environment]:
        """What each workload's data and model are, and what trains here. Raises TaskError."""
        process = self._idle.get()
        try:
            kind, payload = process.ask(("facts",), START_SECONDS, lambda _: None)
        except KilledForMemoryError as error:
            raise SetupError(f"{error}: grade fewer at a time, with --jobs") from None
        except DiedError as error:  # nothing of a student has been trained yet
            raise TaskError(f"the task's model or data ended the process that tries them: {error}") from None
        finally:
            self._idle.put(process)
        if kind != "facts":
            raise InternalError(f"the trainer answered {kind} instead of facts")
        return read_facts(payload)

    def train(
        self,
        recipe: Recipe,
        seed: int,
        budget_s: float,
        on_epoch: OnEpoch,
        workload: int = 0,
        *,
        augmented: bool = False,
    ) -> SeedRun:
        """One training, on the workload of that number; a recipe that cannot be trained comes back with its violations.

        `augmented` measures `SeedRun.augmented` too. Raises TaskError, or InternalError (ours).
        """
        process = self._idle.get()
        try:
            request = ("train", recipe.model_dump_json(), seed, budget_s, workload, augmented)
            started = time.monotonic()
            timeout = WALL_FACTOR * budget_s + _GRACE_SECONDS
            try:
                try:
                    kind, payload = process.ask(request, timeout, on_epoch)
                except KilledForMemoryError:
                    # Others may have taken the memory: once more, and no other such repetition beside it.
                    with self._repeating:
                        kind, payload = process.ask(request, timeout, on_epoch)
            except KilledForMemoryError:
                return killed_run(seed, started)
            except TimeoutError:
                process.kill()
                return late_run(seed, started, budget_s)
        finally:
            self._idle.put(process)
        return run_of(seed, kind, payload)

    def close(self) -> None:
        """End all processes at once."""
        for process in self._all:
            process.stop()


def read_facts(payload: Any) -> tuple[tuple[TaskFacts, ...], Environment]:
    """What a worker's answer "facts" tells."""
    facts, environment = payload
    return tuple(map(TaskFacts.model_validate_json, facts)), Environment.model_validate_json(environment)


def run_of(seed: int, kind: str, payload: Any) -> SeedRun:
    """The training that a worker's answer ("run" or "rejected") tells of."""
    if kind == "rejected":
        violations = tuple(Violation.model_validate_json(v) for v in payload)
        by_rule = {Rule.RAISED: Verdict.CRASH, Rule.RESOURCES: Verdict.MEMORY}
        verdict = by_rule.get(violations[0].rule, Verdict.CONTRACT)
        return SeedRun(seed=seed, verdict=verdict, accuracy=None, seconds=0.0, violations=violations)
    return SeedRun.model_validate_json(payload)


def late_run(seed: int, started: float, limit_s: float) -> SeedRun:
    """A training that had to be ended from outside; `started` is on the monotonic clock."""
    return SeedRun(
        seed=seed,
        verdict=Verdict.TIMEOUT,
        accuracy=None,
        seconds=round(time.monotonic() - started, 3),
        detail="ran out of time and did not answer",
        limit_s=limit_s,
        certain=False,
    )


def killed_run(seed: int, started: float) -> SeedRun:
    """A training that the kernel ended for want of memory: its process was the largest, so its recipe is to blame."""
    violation = Violation(
        rule=Rule.RESOURCES,
        file="config.py",
        what="the training took more memory than this machine has, and was ended by the kernel",
        fix=USE_LESS,
    )
    seconds = round(time.monotonic() - started, 3)
    return SeedRun(seed=seed, verdict=Verdict.MEMORY, accuracy=None, seconds=seconds, violations=(violation,))


class Trainers(Protocol):
    """Trains recipes on the workloads of one task, on this machine or others. Safe to call from several threads."""

    @property
    def workers(self) -> int:
        """Trainings at a time."""

    def facts(self) -> tuple[tuple[TaskFacts, ...], Environment]:
        """What each workload's data and model are, and what trains here. Raises TaskError."""

    def train(
        self,
        recipe: Recipe,
        seed: int,
        budget_s: float,
        on_epoch: OnEpoch,
        workload: int = 0,
        *,
        augmented: bool = False,
    ) -> SeedRun:
        """One training, on the workload of that number; a recipe that cannot be trained comes back with its violations.

        `augmented` measures `SeedRun.augmented` too. Raises TaskError, or InternalError (ours).
        """

    def close(self) -> None:
        """End all trainings at once."""


class DeviceChoice(StrEnum):
    """What `--device` may say."""

    AUTO = "auto"  # a GPU where torch sees one
    CPU = "cpu"
    CUDA = "cuda"


def choose_device(wanted: DeviceChoice) -> str:
    """The type of device to train on, "cuda" or "cpu". Asks torch in a process of its own, so that this one stays
    light. Raises SetupError."""
    if wanted is not DeviceChoice.AUTO:
        if wanted is DeviceChoice.CUDA and not count_gpus():
            raise SetupError("--device cuda: torch sees no GPU here; use --device cpu, or repair the driver")
        return wanted.value
    return "cuda" if count_gpus() else "cpu"


@cache
def count_gpus() -> int:
    """How many GPUs torch sees, of the first one's model: scores of different models are not compared."""
    import shutil
    import subprocess
    import sys

    if not shutil.which("nvidia-smi"):
        return 0  # a GPU without its driver's tool is none that torch could use, and asking torch takes seconds
    code = (
        "import itertools, torch.cuda as c\n"
        "names = [c.get_device_name(i) for i in range(c.device_count() if c.is_available() else 0)]\n"
        "print(len(list(itertools.takewhile(lambda n: n == names[0], names))))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


@cache
def device_kind() -> str:
    """The kind of device that trainings here run on (`grader.training.device`), asked in a process of its own."""
    import subprocess
    import sys

    code = (
        "import torch; from grader.training import loop; from grader.training.device import kind_of\n"
        f"device = torch.device({'cuda:0' if count_gpus() else 'cpu'!r})\n"
        "loop.prepare_process(device); print(kind_of(device))"
    )
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def default_workers(device: str) -> int:
    """Trainings at a time: one per GPU, or one per CPU core."""
    return count_gpus() if device == "cuda" else os.cpu_count() or 1
