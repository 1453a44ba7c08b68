"""`grader show --summary`: the class at a glance, on the terminal."""

from rich.console import Console

from grader.cli.progress import say
from grader.core.kind import Kind
from grader.core.text import clean
from grader.core.verdict import RULES
from grader.leaderboard.models import Leaderboard
from grader.publish.class_summary import ClassSummary, Histogram
from grader.publish.names import Names
from grader.publish.public import public

_WIDTH = 40  # of the longest bar


def print_summary(console: Console, board: Leaderboard) -> None:
    """Print the summary of a settled board."""
    seen = public(board, Names())
    summary, histogram = seen.summary, seen.histogram
    assert summary is not None  # it is None only while a run goes on
    lines = [
        f"{summary.students} student(s) on {board.task.name}: " + ", ".join(f"{n} {v}" for v, n in summary.verdicts)
    ]
    taken_off = len(board.decisions.excluded & {row.id for row in board.rows if row.kind is Kind.STUDENT})
    if taken_off:
        lines.append(f"{taken_off} of them withdrawn or disqualified, and in no figure of accuracies")
    if histogram is not None:
        below = f"; {histogram.below} student(s) below the first line" if histogram.below else ""
        lines += ["", f"Accuracies, in percent{below}:", *_bars(histogram, board)]
    lines += _said(summary)
    for line in lines:
        say(console, clean(line))


def _bars(histogram: Histogram, board: Leaderboard) -> list[str]:
    most = max(1, *(one.count for one in histogram.bins))
    guests = [r for r in board.rows if r.kind is not Kind.STUDENT and r.accuracy is not None and board.compares(r)]
    lines = []
    for number, one in enumerate(histogram.bins):
        last = number == len(histogram.bins) - 1
        inside = [r.id for r in guests if one.low <= (r.accuracy or 0) < one.high or (last and r.accuracy == one.high)]
        bar = "█" * round(_WIDTH * one.count / most)
        beside = f"   ← {', '.join(inside)}" if inside else ""
        lines.append(f"  {100 * one.low:6.2f} to {100 * one.high:6.2f}  {one.count:4}  {bar}{beside}")
    return lines


def _said(summary: ClassSummary) -> list[str]:
    lines = []
    if summary.broken:
        lines += ["", "Broken rules, the commonest first:"]
        lines += [f"  {one.students:4}  {one.rule}: {RULES[one.rule]}" for one in summary.broken]
    if summary.passed:
        lines += ["", "First to pass a reference:"]
        for one in summary.passed:
            first = one.first
            who = f"{first.name}, {first.when}, {100 * first.accuracy:.2f} %" if first else "nobody yet"
            lines.append(f"  {one.reference} ({100 * one.accuracy:.2f} %): {who}")
    if summary.days:
        lines += ["", "Gradings per day (UTC):", *(f"  {one.day}  {one.gradings:4}" for one in summary.days)]
    return lines
