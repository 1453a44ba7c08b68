"""`grader intake`: who is found in a folder of submissions, and where."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grader.cli.progress import say
from grader.core.errors import UsageError
from grader.submissions.intake import HandIn, Layout, discover
from grader.submissions.roster import Matched, Student, match, read_roster


def run_intake(submissions: Path, layout: Layout, roster: Path | None, *, as_json: bool) -> None:
    """Print a line per hand-in, then what was passed over and who is missing. Raises UsageError if there is none."""
    matched = match(discover(submissions, layout), read_roster(roster) if roster is not None else ())
    found = matched.found
    if not found.hand_ins:
        raise UsageError(f"{submissions} holds no submission: each is a folder with scheduler.py, or an archive")
    if as_json:
        print(json.dumps(_as_json(matched), indent=1))
        return
    console = Console()
    table = Table(box=None, pad_edge=False)
    for name in ("id", "found in", "of", "files", "problem"):
        table.add_column(name, overflow="fold")
    for one in found.hand_ins:
        table.add_row(*map(escape, _row(one, matched.members[one.submission.id])))
    console.print(table, highlight=False)
    if roster is not None:
        for identity in matched.unknown:
            say(console, f"{identity} is of nobody in {roster}: name the hand-in as the roster names its student")
        for student in matched.missing:
            say(console, f"{student.id} ({student.name}) has handed in nothing")
    for skipped in found.skipped:
        say(console, f"skipped {skipped.name!r}: {skipped.reason}")
    incomplete = sum(bool(one.submission.problems) for one in found.hand_ins)
    say(console, f"{len(found.hand_ins)} hand-ins, {incomplete} of them with a problem")


def _row(one: HandIn, members: Sequence[Student]) -> tuple[str, ...]:
    place = one.place if one.layout is Layout.FOLDERS else f"{one.place} ({one.layout.value})"
    known = [student.name or student.id for student in members]
    people = ", ".join(known or [person.name or person.email or person.number for person in one.people])
    problem = one.submission.problems[0] if one.submission.problems else None
    more = f" (and {len(one.submission.problems) - 1} more)" if len(one.submission.problems) > 1 else ""
    return (
        one.submission.id,
        place,
        people,
        str(len(one.submission.files)),
        f"{problem.file}: {problem.what}: {problem.fix}{more}" if problem is not None else "",
    )


def _as_json(matched: Matched) -> dict[str, object]:
    found = matched.found
    return {
        "hand_ins": [
            {
                "id": one.submission.id,
                "place": one.place,
                "layout": one.layout.value,
                "people": [{"name": p.name, "email": p.email, "number": p.number} for p in one.people],
                "files": sorted(one.submission.files),
                "students": [student.id for student in matched.members[one.submission.id]],
                "problems": [p.model_dump(mode="json") for p in one.submission.problems],
            }
            for one in found.hand_ins
        ],
        "missing": [{"id": student.id, "name": student.name} for student in matched.missing],
        "skipped": [{"name": one.name, "reason": one.reason} for one in found.skipped],
    }
