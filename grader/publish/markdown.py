"""The board as a table in GitHub's Markdown, for a README, an issue, or a job's summary."""

import re

from grader.core.kind import Kind
from grader.core.text import clean
from grader.publish.public_board import PublicBoard, PublicRow

#: GitHub drops a step's summary that is longer than this, all of it.
SUMMARY_BYTES = 1024 << 10
_MAX_TEXT = 200
_NO_WIDTH = "\u200b"


def inert(text: str) -> str:
    """Untrusted text as plain characters: markup, mentions and links are written as entities."""
    short = clean(text)[:_MAX_TEXT]
    # GitHub looks for mentions, issues, emoji and commits after entities are decoded: they are broken by a mark
    # without width.
    broken = re.sub(r"(?<=[@#:])|(?i:(?<=\bGH)(?=-))|(?<=\b[0-9a-f]{6})(?=[0-9a-f]+\b)", _NO_WIDTH, short)
    return re.sub(r"[^\w \-]|_", lambda found: f"&#{ord(found[0])};", broken)


def markdown(board: PublicBoard, max_bytes: int | None = None) -> str:
    """The table, cut off after whole rows where it would be longer than `max_bytes` in UTF-8."""
    columns = (
        *((board.ranking.by.heading,) if board.workloads and board.ranking.by.relative else ()),
        *(w.name for w in board.workloads),
    )
    extra = "".join(f" {inert(name)} |" for name in columns)
    lines = [
        f"### {'Final leaderboard' if board.final else 'Leaderboard'}: {inert(board.task)}",
        "",
        inert(board.description),
        "",
        f"| rank | name | verdict | accuracy ± s.e. |{extra} seconds | date |",
        f"| ---: | --- | --- | ---: |{' ---: |' * extra.count('|')} ---: | --- |",
    ]
    rows = [_row(row, scored=board.ranking.by.relative) for row in board.rows]
    if max_bytes is not None:
        left = max_bytes - sum(len(line.encode()) + 1 for line in lines) - 100
        for i, row in enumerate(rows):
            left -= len(row.encode()) + 1
            if left < 0:
                rows[i:] = ["", f"{len(rows) - i} more rows are not shown here."]
                break
    if board.left_out:
        rows += ["", f"{board.left_out} more graded and not shown."]
    return "\n".join([*lines, *rows]) + "\n"


def _row(row: PublicRow, *, scored: bool) -> str:
    own = row.kind is Kind.STUDENT
    name = inert(row.name) + ("" if own else f" *({row.kind})*")
    if row.team:
        name += f" — {inert(row.team)}"
    accuracy = ""
    if row.counting.accuracy is not None:
        error = row.counting.standard_error
        accuracy = f"{100 * row.counting.accuracy:.2f}" + (f" ± {100 * error:.2f}" if error is not None else "") + " %"
    rank = "" if row.rank is None else str(row.rank)
    extra = (f" {row.score:.2f} |" if row.score is not None else "  |") if scored else ""
    for one in row.workloads:
        failed = f" ({one.verdict})" if one.guessing else ""
        extra += f" {100 * one.accuracy:.2f}{failed} |" if one.accuracy is not None else f" {one.verdict or ''} |"
    verdict = ", ".join(filter(None, (row.counting.verdict, row.status, *row.counting.marks)))
    start = f"| {rank} | {name} | {verdict} | {accuracy} |{extra}"
    return f"{start} {row.seconds:.1f} | {row.counting.when[:10]} |"
