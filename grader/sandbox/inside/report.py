"""The probe's report: violations with their place in the student's files.

Everything here is only a message. The process is shared with student code, so the host
checks every rule again on the data (`grader.sandbox.document`).
"""

import os
import re
import traceback
from types import TracebackType

from . import explanations
from .cpu_limit import OutOfTime
from .files import FILES

_ALLOCATION = re.compile(r"can't allocate memory|Cannot allocate memory|out of memory", re.I)


class Report:
    """Collects the violations of one submission, each as a plain dictionary."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources
        self.violations: list[dict[str, object]] = []

    def add(self, rule: str, file: str, line: int | None, what: str, fix: str) -> None:
        """Record one violation; the same one at the same place is said once."""
        violation: dict[str, object] = {
            "rule": rule,
            "file": file,
            "line": line,
            "what": what[:1000],
            "fix": fix[:1000],
        }
        if violation not in self.violations:
            self.violations.append(violation)

    def add_exception(self, error: BaseException, doing: str, file: str, line: int | None = None) -> None:
        """Record that student code raised `error` while the probe was `doing` something."""
        if isinstance(error, MemoryError) or _ALLOCATION.search(describe(error)):
            raise MemoryError from error
        file, line = locate(error.__traceback__) or (file, line)
        if isinstance(error, SyntaxError) and os.path.basename(error.filename or "") in FILES:
            file, line = os.path.basename(error.filename or ""), error.lineno
        rule, what, fix = explain(error)
        self.add(rule, file, line, f"{doing} raised {what}", fix)

    def line_of(self, file: str, *starts: str) -> int | None:
        """The first line of `file` that starts (after blanks) with one of `starts`."""
        for number, line in enumerate(self.sources.get(file, "").splitlines(), 1):
            if line.strip().startswith(starts):
                return number
        return None

    def line_with(self, file: str, word: str) -> int | None:
        """The first line of `file` that holds `word`."""
        lines = self.sources.get(file, "").splitlines()
        return next((number for number, line in enumerate(lines, 1) if word in line), None)


def locate(trace: TracebackType | None) -> tuple[str, int] | None:
    """The innermost place in the student's files that a traceback went through."""
    place = None
    for frame, line in traceback.walk_tb(trace):
        name = frame.f_code.co_filename
        if name in FILES:
            place = (name, line)
    return place


def describe(error: BaseException) -> str:
    """`Type: message` of an exception whose own methods may be hostile. Raises OutOfTime."""
    try:
        text = str(error)
    except OutOfTime:
        raise
    except BaseException:
        text = "(its message cannot be shown)"
    name = type(error).__name__
    text = " ".join(text.split())
    text = text if len(text) <= 300 else f"{text[:300]} …"
    return f"{name}: {text}" if text else name


def explain(error: BaseException) -> tuple[str, str, str]:
    """(rule, what happened, how to fix it) for an exception raised by student code."""
    return explanations.explain(error, describe(error))
