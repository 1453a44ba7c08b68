"""The protocol of a sandbox, and how a worker ended."""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from typing import Protocol, Self

from grader.core.task import Task, TaskFacts
from grader.sandbox.inside.supervisor import WALL_FACTOR, Envelope, Limits
from grader.submissions.loader import Submission
from grader.submissions.tree import CODE

Say = Callable[[str], None]


class SandboxName(StrEnum):
    """The sandboxes that `--sandbox` names."""

    DOCKER = "docker"
    SANDLOCK = "sandlock"
    NONE = "none"


#: The variable that names the runtime of Docker's containers, such as gVisor's runsc.
RUNTIME = "GRADER_DOCKER_RUNTIME"


class SandboxChoice(StrEnum):
    """What `--sandbox` may say."""

    AUTO = "auto"  # Docker where an engine answers, else sandlock, else an error
    DOCKER = "docker"
    SANDLOCK = "sandlock"
    NONE = "none"


class Ending(StrEnum):
    """How a worker ended."""

    EXITED = "exited"  # by itself: see exit code or signal
    TIMEOUT = "timeout"  # of CPU time
    STALLED = "stalled"  # ran out of time by the clock, and not of CPU time: it waited
    MEMORY = "memory"
    THREADS = "threads"
    OUTPUT = "output"  # printed too much
    DOCUMENT = "document"  # recorded too much
    BROKEN = "broken"  # the sandbox itself failed


@dataclass(frozen=True)
class Outcome:
    """What came back from a sandbox. `document` and `output` are the student's bytes."""

    ending: Ending
    document: bytes = b""
    output: bytes = b""
    seconds: float = 0.0
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""  # for broken: what failed

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        """The outcome that a supervisor reported."""
        known = {e.value for e in Ending}
        if envelope.ending not in known:
            return cls(Ending.BROKEN, output=envelope.output, detail=f"the worker did not run ({envelope.ending})")
        return cls(
            ending=Ending(envelope.ending),
            document=envelope.document,
            output=envelope.output,
            seconds=envelope.seconds,
            exit_code=envelope.exit_code,
            signal=envelope.signal,
        )


class Sandbox(Protocol):
    """Runs the probe on one job at a time per thread. Safe to call from several threads."""

    name: SandboxName

    @property
    def version(self) -> str:
        """What compiled the recipe: kind, and image or library version. Part of a compilation's key."""

    def open(self, say: Say) -> None:
        """Prepare (build the image, start the helper process). Raises SetupError."""

    def run(self, job: bytes, limits: Limits) -> Outcome:
        """Run one job to its end. Never raises for anything the submission does."""

    def close(self) -> None:
        """End everything that was started. May be called twice."""


def interpreter() -> str:
    """The versions of Python and of the libraries that student code sees if it runs in this installation."""
    packages = [f"{name} {metadata.version(name)}" for name in ("torch", "torchvision", "numpy", "pillow")]
    return ", ".join((f"Python {platform.python_version()}", *packages))


def job_of(submission: Submission, task: Task, facts: TaskFacts, **changes: float) -> bytes:
    """The probe's job for a submission, with `changes`: all that student code can learn of the task."""
    return json.dumps(
        {
            "files": {name: submission.files[name].decode("utf-8-sig") for name in CODE},
            **facts.model_as_json(),
            "n_train": facts.n_train,
            "image": facts.image,
            "max_steps": task.max_steps,
            "cpu_seconds": limits_of(task, task.time_limit_s).seconds,
            "observe": False,
            **changes,
        }
    ).encode()


def limits_of(task: Task, seconds: float) -> Limits:
    """The task's limits in the sandbox's units; `seconds` is what the time limit leaves."""
    box = task.sandbox
    return Limits(
        seconds=min(box.seconds, seconds / WALL_FACTOR),
        memory_mb=box.memory_mb,
        threads=box.threads,
        output=box.output_kb << 10,
        document=box.document_kb << 10,
    )
