"""The CPU time of a submission, limited and measured in its own process.

From outside a process can be ended, but not asked which line it was running. So a timer of the process raises OutOfTime
in the submission's code when its seconds are used up: at the same moment in every sandbox, and with a place. A
submission that catches the exception is stopped in its next step; one that never returns to Python is ended from
outside, `GRACE_SECONDS` later (`supervisor`).
"""

import signal
import time
from array import array
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from types import FrameType

from .files import FILES

#: Of CPU time, for which the supervisor waits beyond the limit.
GRACE_SECONDS = 1.0
#: Into how many parts the steps of a training are divided to see how their cost develops.
PARTS = 20
ENDLESS_FIX = "look for an endless loop, or for work that takes as long as one"
SETUP_FIX = "most of the time goes into importing and __init__(): compute less there"
GROWING_FIX = "get_lr() takes longer from step to step: compute the rate from self.last_epoch directly"
SLOW_FIX = "get_lr() is asked once per batch: compute once, in __init__(), what does not depend on the step"
_GROWN = 4.0  # times as slow at the end as at the start


def used_up(seconds: float) -> str:
    """What a violation says of a submission that uses more CPU time than it may."""
    return f"loading the submission and playing its schedule took longer than {seconds:g} s of computing"


def growth(parts: Sequence[float]) -> float:
    """How many times as much as the first quarter the last one of equal parts of a training cost; 0 if unknown."""
    quarter = len(parts) // 4
    before = median(parts[:quarter]) if quarter else 0.0
    return median(parts[-quarter:]) / before if before > 0 else 0.0


def is_growing(parts: Sequence[float]) -> bool:
    """Whether equal parts of a training cost more and more."""
    return growth(parts) > _GROWN


class OutOfTime(BaseException):
    """The submission has used its CPU time."""


class CpuLimit:
    """Raises OutOfTime in this process after `seconds` of CPU time. `place` is then the submission's line, if known."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.place: tuple[str, int] | None = None
        self._begun = time.process_time()
        self._end = self._begun + seconds
        self._steps = array("d", [self._begun])  # when each step began
        self._armed = True
        if hasattr(signal, "setitimer"):  # not on Windows, where every step looks at the clock, and nothing else
            signal.signal(signal.SIGPROF, self._expired)
            signal.setitimer(signal.ITIMER_PROF, seconds)

    def step(self) -> None:
        """Begin a step of the training. Raises OutOfTime."""
        now = time.process_time()
        self._steps.append(now)
        if now > self._end:
            raise OutOfTime

    def stop(self) -> None:
        """From now on nothing is raised any more."""
        self._armed = False
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)

    @property
    def used(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._begun

    @property
    def parts(self) -> list[float]:
        """CPU seconds of equal parts of the steps so far, `PARTS` of them; none for fewer steps."""
        begun = self._steps[1:]
        if len(begun) <= PARTS:
            return []
        bounds = [begun[i * (len(begun) - 1) // PARTS] for i in range(PARTS + 1)]
        return [b - a for a, b in pairwise(bounds)]

    @property
    def fix(self) -> str:
        """What to do about a submission that is out of time."""
        if self._end - self._steps[-1] > self.seconds / 2:
            return ENDLESS_FIX  # most of the time went into what was begun last
        if self._steps[1] - self._begun > self.seconds / 2:
            return SETUP_FIX
        return GROWING_FIX if is_growing(self.parts) else SLOW_FIX

    def _expired(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_filename not in FILES:
            frame = frame.f_back
        if self._armed:
            self.place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None
            raise OutOfTime
