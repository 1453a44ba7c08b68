"""Several training processes behind one call: `train` blocks its thread until a process has done it.

This module imports no torch: the grader's own process stays light.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Protocol

from grader.core.environment import Environment
from grader.core.errors import InternalError, SetupError, TaskError
from grader.core.recipe import Recipe
from grader.core.runs import EpochRecord, SeedRun
from grader.core.task import WALL_FACTOR, Task, TaskFacts
from grader.core.verdict import Rule, Verdict, Violation
from grader.training import worker
from grader.training.memory import USE_LESS, oom_kills

_GRACE_SECONDS = 30.0
_SAFE = "PYTHONSAFEPATH"
_UNKNOWN = 255  # exit code of a process whose fork server has ended before it
_START_SECONDS = 3600.0  # a first start may decode or download a data set
OnEpoch = Callable[[EpochRecord], None]


class DiedError(InternalError):
    """A training process ended without an answer."""


class KilledForMemoryError(DiedError):
    """The kernel ended a training process because memory ran out."""


class TrainerPool:
    """`workers` processes for one task, spread over what GPUs there are. Safe to call from several threads."""

    def __init__(self, task: Task, device: str, workers: int) -> None:
        self.workers = workers
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        names = [f"cuda:{n % count_gpus()}" if device == "cuda" else device for n in range(workers)]
        self._all = [_Process(task, name) for name in names]
        self._closed = threading.Event()
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
            kind, payload = process.ask(("facts",), _START_SECONDS, lambda _: None)
        except KilledForMemoryError as error:
            raise SetupError(f"{error}: grade fewer at a time, with --jobs") from None
        except DiedError as error:  # nothing of a student has been trained yet
            raise TaskError(f"the task's model or data ended the process that tries them: {error}") from None
        finally:
            self._idle.put(process)
        if kind != "facts":
            raise InternalError(f"the trainer answered {kind} instead of facts")
        return read_facts(payload)

    def train(self, recipe: Recipe, seed: int, budget_s: float, on_epoch: OnEpoch, workload: int = 0) -> SeedRun:
        """One training, on the workload of that number; a recipe that cannot be trained comes back with its violations.

        Raises TaskError, or InternalError (ours).
        """
        process = self._idle.get()
        try:
            request = ("train", recipe.model_dump_json(), seed, budget_s, workload)
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
    """What trains recipes on the workloads of one task, wherever. Safe to call from several threads."""

    @property
    def workers(self) -> int:
        """Trainings at a time."""

    def facts(self) -> tuple[tuple[TaskFacts, ...], Environment]:
        """What each workload's data and model are, and what trains here. Raises TaskError."""

    def train(self, recipe: Recipe, seed: int, budget_s: float, on_epoch: OnEpoch, workload: int = 0) -> SeedRun:
        """One training, on the workload of that number; a recipe that cannot be trained comes back with its violations.

        Raises TaskError, or InternalError (ours).
        """

    def close(self) -> None:
        """End all trainings at once."""


class _Process:
    """One worker; started when first asked, started again after a death."""

    def __init__(self, task: Task, device: str) -> None:
        self._task, self._device = task, device
        self._process: Any = None
        self._connection: Connection[Any, Any] | None = None
        self._ready = False
        self._stopped = threading.Event()
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the process, unless it runs. Raises DiedError."""
        with self._starting:
            if self._stopped.is_set():
                raise InternalError("the trainer was stopped")
            if self._process is not None:
                return
            context = _context()
            ours, theirs = context.Pipe()
            arguments = (theirs, worker.__file__, self._task.model_dump_json(), str(self._task.folder), self._device)
            # Not daemonic, for it may have helpers of its own; it ends with us nevertheless (`worker.main`).
            process = context.Process(target=worker.main, args=arguments)
            try:
                with _LAUNCH:
                    process.start()
            except (OSError, EOFError, RuntimeError) as error:
                ours.close()
                raise DiedError(f"a training process could not be started ({error})") from None
            finally:
                theirs.close()
            self._process, self._connection, self._ready = process, ours, False
        if self._stopped.is_set():  # in the meantime
            self.kill()

    def ask(self, request: tuple[Any, ...], timeout: float, on_epoch: OnEpoch) -> tuple[str, Any]:
        """Send a request and follow it to its answer. Raises InternalError, TaskError or TimeoutError."""
        self.start()
        assert self._connection is not None
        killed_before = oom_kills()
        try:
            self._await_start()
            self._connection.send(request)
            deadline = time.monotonic() + timeout
            while True:
                answer = self._receive(deadline)
                if answer[0] != "epoch":
                    return answer[0], answer[1]
                on_epoch(EpochRecord.model_validate_json(answer[1]))
        except TimeoutError:  # an OSError too, and no death
            raise
        except (EOFError, OSError) as error:
            code = self._end()
            if self._ready and code in (-9, _UNKNOWN) and oom_kills() > killed_before:
                raise KilledForMemoryError("the kernel ended a training process for want of memory") from None
            raise DiedError(f"a training process died (exit code {code}; {type(error).__name__})") from None

    def _await_start(self) -> None:
        """Wait, once, for the process to be ready. One that does not get there is no training's fault."""
        if self._ready:
            return
        try:
            self._receive(time.monotonic() + _START_SECONDS)
        except TimeoutError:
            self._end()
            raise InternalError(f"a training process did not start within {_START_SECONDS:g} s") from None
        self._ready = True

    def _receive(self, deadline: float) -> tuple[str, Any]:
        assert self._connection is not None
        if not self._connection.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        answer = self._connection.recv()
        if answer[0] == "task":
            self._end()
            raise TaskError(answer[1])
        if answer[0] == "failed":
            self._end()  # whatever broke may stay broken in that process: the next training gets a fresh one
            raise InternalError(answer[1])
        return answer  # type: ignore[no-any-return]

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if self._connection is not None:
            self._connection.close()
        if process is None:
            return None
        if process.exitcode is None:  # else its number may be another process's by now
            process.kill()
        process.join(5)
        return process.exitcode  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the process; the next request starts another one."""
        with contextlib.suppress(OSError, ValueError):
            self._end()

    def stop(self) -> None:
        """End the process for good, also where it is being started."""
        self._stopped.set()
        self.kill()


class _Launch(contextlib.AbstractContextManager[None]):
    """How Python processes are started in it: they do not import from the working directory, and ^C is not for them.

    Fork server and resource tracker of `multiprocessing` are started with `python -c`, which looks for modules in the
    working directory, where student code may lie. ^C reaches every process of a terminal, also one that is not yet
    there to ignore it: so it is blocked, and a blocked signal stays blocked in what is started.
    """

    def __init__(self) -> None:
        self._lock, self._before = threading.Lock(), ""

    def __enter__(self) -> None:
        self._lock.acquire()
        self._before = os.environ.get(_SAFE, "")
        os.environ[_SAFE] = "1"
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # which blocks ^C for itself, and would unblock it here
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.environ[_SAFE] = self._before  # empty is as good as not set
        self._lock.release()


_LAUNCH = _Launch()


def _context() -> Any:
    """How processes are started: forked from a server that has imported torch, where the system has such servers."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.training.preload"])
    return context


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
            raise SetupError("--device cuda: torch sees no GPU here; use --device cpu, or mend the driver")
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
