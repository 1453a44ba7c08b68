"""The time limit of a training whose steps run ahead of the host's clock."""

import time

import torch

_PACE = 64  # steps a GPU may lie behind the clock


class Pace:
    """Tells when the time is up, and lets the host run ahead of the device by a number of steps only."""

    def __init__(self, deadline: float, device: torch.device) -> None:
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
        return time.monotonic() > self._deadline
