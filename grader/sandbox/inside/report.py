"""What the probe says back: violations with their place in the student's files.

Everything here is advice in good words. The process is shared with student code, so the host
checks every rule again on the data (`grader.sandbox.document`).
"""

import os
import re
import traceback
from types import TracebackType

FILES = ("scheduler.py", "config.py")
_ALLOCATION = re.compile(r"can't allocate memory|Cannot allocate memory|out of memory", re.I)
#: The base class called with a third argument, which was `verbose` until PyTorch removed it.
_BASE_TAKES_TWO = re.compile(r"LRScheduler\.__init__\(\) takes .* positional arguments but 4 were given")
_META_TENSOR_SIGNS = ("meta tensor", "Cannot copy out of meta", "is on the meta device")


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

    def add_exception(self, error: BaseException, doing: str, default_file: str) -> None:
        """Record that student code raised `error` while the probe was `doing` something."""
        if isinstance(error, MemoryError) or _ALLOCATION.search(describe(error)):
            raise MemoryError from error
        file, line = locate(error.__traceback__) or (default_file, None)
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
    """`Type: message` of an exception whose own methods may be hostile."""
    try:
        text = str(error)
    except BaseException:
        text = "(its message cannot be shown)"
    name = type(error).__name__
    text = " ".join(text.split())
    text = text if len(text) <= 300 else f"{text[:300]} …"
    return f"{name}: {text}" if text else name


def explain(error: BaseException) -> tuple[str, str, str]:
    """(rule, what happened, how to mend it) for an exception out of student code."""
    text = describe(error)
    if type(error).__name__ == "ReadsTraining":
        return (
            "reads_weights",
            f"an error because it reads what only a training has ({text})",
            "a schedule may depend on the step and on its own arguments only: it is recorded before any training",
        )
    if any(sign in text for sign in _META_TENSOR_SIGNS):
        return (
            "reads_weights",
            f"an error because it reads the values of weights or moves the model ({text})",
            "a schedule may depend on the step and on its own arguments only; here the model has parameter names "
            "and shapes but no values, and the grader moves it to its device",
        )
    if isinstance(error, SystemExit):
        return "raised", "SystemExit", "remove the call of exit(): the grader has to go on after your code"
    if isinstance(error, ModuleNotFoundError):
        missing = error.name or "a module"
        return (
            "raised",
            text,
            f"only scheduler.py and config.py are graded, with the standard library, torch, torchvision "
            f"and numpy: move what you need of {missing!r} into one of the two files",
        )
    if isinstance(error, RecursionError):
        return "raised", "RecursionError (it calls itself without end)", "end the recursion"
    if isinstance(error, TypeError) and ("verbose" in text or _BASE_TAKES_TWO.search(text)):
        return "raised", text, "remove verbose: PyTorch removed that argument from its schedulers"
    if isinstance(error, AttributeError) and type(getattr(error, "obj", None)).__name__ == "CustomLRScheduler":
        if (error.name or "").startswith("_") or error.name in ("optimizer", "base_lrs", "last_epoch"):
            return "raised", text, "call super().__init__(optimizer, last_epoch) in your __init__()"
        return (
            "raised",
            text,
            "set every attribute that get_lr() reads before super().__init__(), which already calls get_lr()",
        )
    if isinstance(error, PermissionError):
        return (
            "raised",
            text,
            "files, network and new processes are closed to a submission: compute the schedule in Python",
        )
    if isinstance(error, SyntaxError):
        return "raised", text, "mend the syntax of this line (or of the one before)"
    if isinstance(error, FileNotFoundError):
        return "raised", text, "a submission cannot read files: write its values into config.py"
    return "raised", text, "this is an error in your own code: look at what the named line does in that step"
