"""Leaderboards to publish: a large class, and one whose texts are all hostile."""

from __future__ import annotations

import hashlib
import math

from grader.core.curves import LrSummary
from grader.core.kind import Kind
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Rule, Verdict, Violation
from grader.leaderboard.models import Curves, GradedRow, Leaderboard, SeedScore
from grader.leaderboard.ranking import header, ranked
from support.gradings import TRAINER

POINTS = 64
HOSTILE = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "=HYPERLINK(1)",
    "@SUM(1+1)*cmd",
    "::error file=a.py,line=1::owned",
    "##[error]owned",
    "{{ 7*7 }}{% raw %}",
    "</style><b>",
    "| a | [l](javascript:alert(1)) ![i](x)",
    "\u202eevil\u2066",
    "`x` *y* @team #1 www.example.org",
)


def curve(n: int) -> tuple[float, ...]:
    if n % 3 == 0:
        return tuple(0.05 + 0.05 * math.cos(math.pi * i / POINTS) for i in range(POINTS))
    if n % 3 == 1:
        return tuple(0.1 * 0.5 ** (i // 16) for i in range(POINTS))
    return tuple(0.1 * min(1.0, i / 10) * (1 - i / POINTS) for i in range(POINTS))


def scored(name: str, accuracy: float, n: int = 0, kind: Kind = Kind.STUDENT, **more: object) -> GradedRow:
    rates = curve(n)
    seeds = [max(0.0, min(1.0, accuracy + d)) for d in (-0.01, 0.0, 0.01)]
    row = GradedRow(
        id=name,
        kind=kind,
        team=(f"Student {name} ({name[:6]})",),
        verdict=Verdict.OK,
        accuracy=accuracy,
        standard_error=0.0057,
        seeds=tuple(SeedScore(seed=s, verdict=Verdict.OK, accuracy=a, seconds=1.0) for s, a in enumerate(seeds)),
        seconds=3.0 + n % 7,
        recipe=hashlib.sha256(f"{kind} {name}".encode()).hexdigest(),
        optimizer="SGD",
        batch_size=64,
        epochs=5,
        learning_rate=LrSummary(
            first=rates[0], last=rates[-1], lowest=min(rates), highest=max(rates), distinct=9, steps=115, curve=rates
        ),
        curves=Curves(
            epochs=(1, 2, 3, 4, 5),
            train_loss=(2.3, 1.5, 1.0, 0.5, 0.4),
            accuracy=(0.2, 0.5, 0.6, 0.7, accuracy),
        ),
        sandbox="docker",
        device="cpu",
        graded=f"2024-02-{1 + n % 28:02}T10:00:00+00:00",
        submission=f"{n:064x}",
    )
    return row.model_copy(update=more)


def failed(
    name: str, verdict: Verdict, n: int = 0, text: str = "get_lr() returned 0.01", detail: str = ""
) -> GradedRow:
    violation = Violation(rule=Rule.LEARNING_RATE, file="scheduler.py", line=5, what=text, fix="return a list")
    return GradedRow(
        id=name, kind=Kind.STUDENT, team=(f"Student {name}",), verdict=verdict, violations=(violation,),
        detail=detail, seconds=0.4, graded="2024-02-10T10:00:00+00:00", submission=f"{n:064x}",
    )  # fmt: skip


def references() -> list[GradedRow]:
    return [
        scored("constant", 0.90, 2, Kind.DEFAULT),
        scored("cosine", 0.93, 0, Kind.REFERENCE),
        scored("step", 0.91, 1, Kind.REFERENCE),
    ]


def board_of(rows: list[GradedRow], task: Task, facts: TaskFacts) -> Leaderboard:
    head = header(task, [facts], TRAINER)
    return head.with_rows(ranked(rows, head.policy))


def large_board(count: int, task: Task, facts: TaskFacts) -> Leaderboard:
    """A class of `count` with accuracies between 60 and 97 %, one in ten without a score."""
    verdicts = [Verdict.CONTRACT, Verdict.CRASH, Verdict.TIMEOUT]
    students = [
        failed(f"student{n:04}", verdicts[n // 10 % 3], n)
        if n % 10 == 9
        else scored(f"student{n:04}", round(0.6 + 0.37 * (n * 7919 % count) / count, 5), n)
        for n in range(count)
    ]
    return board_of([*students, *references()], task, facts)


def hostile_board(task: Task, facts: TaskFacts) -> Leaderboard:
    """Every text that a student may choose is an attack on whatever shows it."""
    rows = []
    for n, text in enumerate(HOSTILE):
        rows.append(scored(f"{text}{n}", 0.7 + n / 100, n, team=(text, f"=1+{n}")))
        rows.append(
            failed(f"{text}fail{n}", Verdict.CRASH, 100 + n, text=f"raised {text}", detail=f"line 1\n{text}\n{text}")
        )
    return board_of([*rows, *references()], task, facts)
