"""What GitHub reads: workflow commands (annotations), outputs, and the JSON of GitHub Classroom.

A line of a job's log that begins with `::`, or holds `##[`, is a command to the runner; student text
must never become one (actions/toolkit, "commands"; actions/runner, ActionCommand).
"""

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from enum import StrEnum

from grader.core.kind import Kind
from grader.core.text import clean
from grader.leaderboard.points import Award
from grader.publish.public_board import PublicBoard

#: How many annotations of a kind GitHub shows for one step.
PER_STEP = 10


class Level(StrEnum):
    """The severity of an annotation."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


def annotation(level: Level, message: str, *, title: str, file: str | None = None, line: int | None = None) -> str:
    """One workflow command; everything that could end it, or begin another, is escaped."""
    place = [] if file is None else [f"file={_property(file)}"] + ([f"line={line}"] if line is not None else [])
    return f"::{level} {','.join([*place, f'title={_property(title)}'])}::{_message(message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def board_annotations(board: PublicBoard, folder: str) -> str:
    """An annotation per student without a score, at the first line to fix; those beyond ten as a number."""
    rows = [r for r in board.rows if r.kind is Kind.STUDENT and not r.counting.verdict.ranked]
    shown = rows if len(rows) <= PER_STEP else rows[: PER_STEP - 1]
    lines = []
    for row in shown:
        first = row.complaints[0] if row.complaints else None
        text = f"{first.what}: {first.fix}".removesuffix(": ") if first else row.detail or row.counting.verdict.value
        file, _, line = first.place.partition(":") if first else ("", "", "")
        lines.append(
            annotation(
                Level.WARNING,
                text,
                title=f"{row.name}: {row.counting.verdict}",
                file=f"{folder}/{row.name}/{file}" if file else None,
                line=int(line) if line.isdigit() else None,
            )
        )
    if len(rows) > len(shown):
        more = f"{len(rows) - len(shown)} more submissions have no score: see the leaderboard"
        lines.append(annotation(Level.WARNING, more, title="leaderboard"))
    return "\n".join(lines) + ("\n" if lines else "")


@contextlib.contextmanager
def only_text() -> Iterator[None]:
    """Within a job of GitHub Actions, nothing that is printed meanwhile is a command to the runner."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", flush=True)


def classroom(awards: Sequence[Award]) -> str:
    """What GitHub Classroom's grading reporter takes from the variable <RUNNER>_RESULTS: JSON in base64."""
    tests = [
        {
            "name": _line(award.name),
            "status": "pass" if award.passed else "fail",
            "message": None if award.passed else _line(award.why),
            "score": award.score,
            "test_code": "",
            "filename": "",
            "line_no": 0,
            "duration": 0,
        }
        for award in awards
    ]
    result = {
        "version": 1,
        "status": "pass" if all(award.passed for award in awards) else "fail",
        "max_score": sum(award.possible for award in awards),
        "tests": tests,
    }
    return base64.b64encode(json.dumps(result).encode()).decode()


def _line(text: str) -> str:
    """One line that is not a workflow command: the reporter prints it into the job's log unchanged."""
    return clean(text).replace("##[", "## [").replace("::", ": :")
