"""Says at the end of a run how long the tests of each folder took: their time in the workers, added up."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

_seconds: dict[str, float] = defaultdict(float)
_count: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called with set-up, call and tear-down of every test."""
    folder = report.nodeid.split("/")[1] if "/" in report.nodeid else "."
    _seconds[folder] += report.duration
    _count[folder] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line per folder, the longest first."""
    for folder, seconds in sorted(_seconds.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"tests/{folder}: {_count[folder]} tests, {seconds:.0f} s")
