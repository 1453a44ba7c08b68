"""The lines at which a submission did something: noted when it happens, or searched for in its text."""

import re
import sys
from types import FrameType

from .files import FILES
from .report import Report


def student_line() -> tuple[str, int] | None:
    """The innermost line of the submission on the stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename in FILES:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


class Notes:
    """The line of each act of a submission, the latest one of each kind."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, int]] = {}  # by what was done, in order

    def note(self, name: str) -> tuple[str, int] | None:
        """Remember the line of the submission that is doing `name` now; None if none of its lines is."""
        place = student_line()
        if place is not None:
            self.keep(name, place)
        return place

    def keep(self, name: str, place: tuple[str, int]) -> None:
        """Remember that `name` was done at `place`."""
        self._places.pop(name, None)
        self._places[name] = place

    def place_of(self, pattern: str, report: Report, file: str) -> tuple[str, int | None]:
        """The last line at which something was done whose name `pattern` finds.

        Where nothing was noted, the first line of the sources that looks like it, those of `file` first.
        """
        for name, place in reversed(self._places.items()):
            if re.search(pattern, name):
                return place
        # What the factory does stands in config.py, or in what it calls: a guess at the other file would mislead.
        for source in FILES if file == "scheduler.py" else (file,):
            for number, line in enumerate(report.sources.get(source, "").splitlines(), 1):
                if re.search(pattern, line.partition("#")[0]):
                    return source, number
        return file, report.line_of(file, "def step") or report.line_of(file, "def get_lr", "class CONFIG")
