"""Gradescope's `results.json`, and Codabench's `scores.json`.

Formats: https://gradescope-autograders.readthedocs.io/en/latest/specs/ and Codabench's wiki, "Leaderboard
Functionality" and "Scoring program".
"""

import json
from collections.abc import Sequence
from typing import Any

from grader.core.errors import UsageError
from grader.core.task import RankBy
from grader.core.text import clean, no_command_in_json
from grader.core.verdict import MARKS, MEANINGS, Verdict, Violation
from grader.leaderboard.models import RankedRow
from grader.leaderboard.points import Award

_MAX_OUTPUT = 20_000
_HIDDEN = {"right", "baseline_right"}  # which held-out images were right: no student's business


def results(
    row: RankedRow, awards: Sequence[Award], violations: Sequence[Violation], printed: str, by: RankBy = RankBy.ACCURACY
) -> str:
    """The file for one submission of a board that is ranked `by`.

    Raises UsageError for a fault of ours, which is no result.
    """
    if row.verdict is Verdict.INTERNAL:
        raise UsageError(f"{clean(row.id)} was not graded because of an error of the grader: there is no result")
    marks = [f"{mark}: {MARKS[mark]}" for mark in row.marks]
    lines = [
        f"{row.verdict}: {MEANINGS[row.verdict]}",
        *marks,
        *(_lines(row.detail)),
        *(clean(str(v)) for v in violations),
    ]
    tests: list[dict[str, Any]] = [
        {
            "name": award.name,
            "name_format": "text",
            "score": award.score,
            "max_score": award.possible,
            "status": "passed" if award.passed else "failed",
            "output": "\n".join([award.why] * award.by_decision + lines) if number == 0 else award.why,
            "output_format": "text",
            "visibility": "visible",
        }
        for number, award in enumerate(awards)
    ]
    document: dict[str, Any] = {
        "output": "\n".join(["Printed by the submission:", *_lines(printed)]) if printed.strip() else "",
        "output_format": "text",
        "execution_time": row.seconds,
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"recipe": row.recipe, "seeds": [s.model_dump(mode="json", exclude=_HIDDEN) for s in row.seeds]},
    }
    if row.scored:
        order = {"order": "asc"} if by is RankBy.MEAN_RANK else {}
        score = [{"name": by.heading, "value": row.score, **order}] if row.score is not None else []
        document["leaderboard"] = [
            *score,
            {"name": "Accuracy", "value": row.accuracy},
            {"name": "Time", "value": row.seconds, "order": "asc"},
        ]
    return no_command_in_json(json.dumps(document, indent=1, allow_nan=False)) + "\n"


def _lines(text: str) -> list[str]:
    return [clean(line) for line in text[-_MAX_OUTPUT:].splitlines()]


def codabench(row: RankedRow) -> str:
    """`scores.json` for one submission: a flat object of numbers. Raises UsageError if there is no score."""
    if not row.scored:
        raise UsageError(f"{clean(row.id)} has no score ({row.verdict}): Codabench takes numbers only")
    return json.dumps({"accuracy": row.accuracy, "duration": row.seconds}) + "\n"
