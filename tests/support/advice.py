"""How often advice is right, and how often it is given, on labelled schedules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from grader.core.verdict import Verdict
from grader.sandbox.base import Sandbox
from grader.student.check import check
from support.advice_schedules import Schedule


@dataclass
class Rates:
    """One kind of advice: the names of the schedules that it was given on, rightly or not."""

    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """Schedules on which an expert gives it."""
        return len(self.right) + len(self.missed)

    @property
    def precision(self) -> float:
        """Share of it that is right; 1 if it was not given."""
        given = len(self.right) + len(self.wrong)
        return len(self.right) / given if given else 1.0

    @property
    def recall(self) -> float:
        """Share of what an expert gives that was given; 1 if none is."""
        return len(self.right) / self.expected if self.expected else 1.0


def rates_of_advice(schedules: Sequence[Schedule], folder: Path, sandbox: Sandbox) -> dict[str, Rates]:
    """By the advice's code, over the schedules, whose submissions are written into `folder`."""

    def given(schedule: Schedule) -> set[str]:
        checked = check(schedule.write(folder / schedule.name), sandbox)
        assert checked.compiled.verdict is Verdict.OK, (schedule.name, checked.compiled)
        return {advice.code for advice in checked.advice}

    rates: dict[str, Rates] = defaultdict(Rates)
    with ThreadPoolExecutor(2) as pool:
        for schedule, codes in zip(schedules, pool.map(given, schedules), strict=True):
            for code in codes | schedule.expected:
                one = rates[code]
                hit = one.right if code in codes & schedule.expected else one.wrong if code in codes else one.missed
                hit.append(schedule.name)
    return dict(rates)
