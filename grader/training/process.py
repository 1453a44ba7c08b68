"""The grader's side of a training process: starts it, sends requests, and restarts it after a crash.

This module imports no torch: the grader's own process stays light.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from grader.core.errors import InternalError, TaskError
from grader.core.runs import EpochRecord
from grader.core.task import Task
from grader.training import worker
from grader.training.memory import oom_kills

START_SECONDS = 3600.0  # a first start may decode or download a data set
_SAFE = "PYTHONSAFEPATH"
_UNKNOWN = 255  # exit code of a process whose fork server has ended before it
OnEpoch = Callable[[EpochRecord], None]


class DiedError(InternalError):
    """A training process ended without an answer."""


class KilledForMemoryError(DiedError):
    """The kernel ended a training process because memory ran out."""


class TrainingProcess:
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
            self._receive(time.monotonic() + START_SECONDS)
        except TimeoutError:
            self._end()
            raise InternalError(f"a training process did not start within {START_SECONDS:g} s") from None
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
