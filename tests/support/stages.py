"""Says at the end of a run how long the tests of each folder took: their time in the workers, added up."""

from __future__ import annotations

from collections import Counter

import pytest

_seconds: Counter[str] = Counter()
_count: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called with set-up, call and tear-down of every test."""
    folder = report.nodeid.split("/")[1] if "/" in report.nodeid else "."
    _seconds[folder] += report.duration
    _count[folder] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line per folder, the longest first."""
    for folder, seconds in _seconds.most_common():
        terminalreporter.write_line(f"tests/{folder}: {_count[folder]} tests, {seconds:.0f} s")
