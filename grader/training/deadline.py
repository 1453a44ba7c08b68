"""The time limit of a training."""

import time

import torch

from grader.core.task import WALL_FACTOR

_PACE = 64  # steps a GPU may lie behind the clock


class Deadline:
    """Tells when a training's time is up.

    On a CPU the limit is CPU time of this process, and `WALL_FACTOR` times as much by the clock. On a GPU it is the
    clock alone: what the device does is no process's CPU time.
    """

    def __init__(self, budget_s: float, device: torch.device) -> None:
        self._on_cpu = device.type == "cpu"
        self._clock = time.monotonic() + budget_s * (WALL_FACTOR if self._on_cpu else 1.0)
        self._cpu = time.process_time() + budget_s

    def passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._clock or (self._on_cpu and time.process_time() > self._cpu)

    @property
    def certain(self) -> bool:
        """Whether the training itself used its time up, whatever else the machine did."""
        return self._on_cpu and time.process_time() > self._cpu


class Pace:
    """Asks the deadline before every step, and lets the host run ahead of a GPU by a number of steps only."""

    def __init__(self, deadline: Deadline, device: torch.device) -> None:
        self._deadline, self._device = deadline, device
        self._step = 0
        self._mark: torch.cuda.Event | None = None

    def late(self) -> bool:
        """Called before every step."""
        self._step += 1
        if self._device.type == "cuda" and self._step % _PACE == 0:
            if self._mark is not None:
                self._mark.synchronize()  # of _PACE steps ago: the queue stays filled
            self._mark = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._mark.record()
        return self._deadline.passed()
