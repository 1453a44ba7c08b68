"""Nothing on the host works on a student's text without a bound of time and memory.

The texts and places: `tests/support/pathological.py`. Each place is a process of its own, whose CPU time counts.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from grader.submissions.fingerprints import Fingerprints
from support.pathological import TEXTS, places
from support.submissions import ROOT


@pytest.mark.parametrize("place", places())
def test_no_text_costs_a_second_or_200_megabytes(place: str) -> None:
    call = [sys.executable, str(ROOT / "tests/support/pathological.py"), place]
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        call, cwd=ROOT / "tests", env=untraced, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert found
    slow = {name: (seconds, mb) for _, name, seconds, mb in found if float(seconds) > 1 or float(mb) > 200}
    assert slow == {}


def test_a_text_that_takes_too_long_is_given_up_and_the_next_one_is_not() -> None:
    """The lexer goes back and forth over this one; the process that does it is ended."""
    with Fingerprints() as fingerprints:
        assert fingerprints.of(TEXTS["names of characters"] * 4) is None
        assert len(fingerprints.of("def get_lr(self):\n    return [0.1 * self.last_epoch for _ in self.base_lrs]").hashes)
