"""The gradebook that Canvas imports."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.files import read_ordinary
from grader.core.kind import Kind
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard, RankedRow
from grader.leaderboard.points import total
from grader.publish.tables import written
from grader.submissions.roster import Claim, Student, owners, students_in

_DOWNLOAD = re.compile(r"[^_]+_(?:late_|LATE_)?(\d{1,18})(?:_(\d{1,18})_.*|$)", re.S)
_CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID")
_CANVAS_FIRST = ("Student", "ID")


def canvas(board: Leaderboard, roster: Path, assignment: str) -> tuple[str, list[str]]:
    """Canvas's own gradebook export with the points of `assignment` filled in; and what there is to say about it.

    Canvas finds students by their ID columns and reads a column "Name (ID)" as that assignment's; a
    student without a submission gets an empty cell, which changes nothing (Canvas guide, "How do I
    import grades in the Gradebook?"). Raises UsageError if the roster is none.
    """
    lines = _roster(roster)
    head = lines[0]
    kept = [i for i, name in enumerate(head) if name in (*_CANVAS_FIRST, *_CANVAS_IDS, "Section")]
    keys = [head.index(name) for name in _CANVAS_IDS if name in head]
    lines = [line + [""] * (len(head) - len(line)) for line in lines[1:]]
    rows = [row for row in board.rows if row.kind is Kind.STUDENT]
    found, taken, remarks = _found(rows, [[line[i].strip() for i in keys] for line in lines])
    _give_to_teams(rows, found, taken, students_in([head, *lines], roster))
    if rows and not found:
        columns = ", ".join(head[i] for i in keys)
        example = ", ".join(next(([line[i] for i in keys if line[i]] for line in lines[1:]), []))
        raise UsageError(
            f"no submission belongs to anybody in {roster}: it is looked up by {columns}, such as {example}; the "
            f"submissions are called {', '.join(row.id for row in rows[:3])}"
        )
    _check_assignment(head, lines, assignment, board.task.points.possible, remarks)
    result: list[list[str | float | None]] = [[*(head[i] for i in kept), assignment]]
    for number, line in enumerate(lines):
        own: list[str | float | None] = [line[i] for i in kept]
        row = found.get(number)
        if line[head.index("Student")].strip().casefold() == "points possible":
            result.append([*own, board.task.points.possible])
        elif row is not None and row.verdict is Verdict.INTERNAL and board.ruling(row).points is None:
            remarks.append(f"{row.id} was not graded because of an error of the grader: its cell is left empty")
            result.append([*own, None])
        else:
            result.append([*own, total(row, board) if row is not None else None])
    missing = [row.id for row in rows if row.id not in taken]
    if missing:
        remarks.append(f"not found in the roster: {', '.join(missing)}")
    return written(result), remarks


def _roster(path: Path) -> list[list[str]]:
    try:
        lines = list(csv.reader(io.StringIO(read_ordinary(path).decode("utf-8-sig"), newline="")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not CSV in UTF-8: {error}") from None
    if not lines or any(name not in lines[0] for name in _CANVAS_FIRST):
        raise UsageError(
            f"{path} is not a gradebook exported from Canvas: its first line must name {', '.join(_CANVAS_FIRST)}"
        )
    return lines


def _check_assignment(
    head: Sequence[str], lines: Sequence[Sequence[str]], assignment: str, possible: float, remarks: list[str]
) -> None:
    """Canvas would make a new assignment of a name that it does not know. Raises UsageError."""
    known = [name for name in head if re.fullmatch(r".+ \(\d+\)", name)]
    if assignment not in known:
        choice = ", ".join(map(repr, known)) or "a name with its number"
        raise UsageError(
            f"the roster has no assignment {assignment!r}: use {choice}, or create the assignment in Canvas and "
            "export the gradebook again"
        )
    points = next((line for line in lines if line[0].strip().casefold() == "points possible"), None)
    there = points[head.index(assignment)].strip() if points is not None else ""
    if there and there not in (f"{possible:g}", f"{possible:.1f}", f"{possible:.2f}"):
        remarks.append(f"Canvas gives {there} points for {assignment}, the task's [points] make {possible:g}")


def _found(
    rows: Sequence[RankedRow], students: Sequence[Sequence[str]]
) -> tuple[dict[int, RankedRow], set[str], list[str]]:
    """Whose submission is whose: rows by the number of the student; the ids that were found; remarks.

    A submission belongs to who has its name as an ID; or it is named NAME_ID, as the intake names what Canvas gives
    out, or as Canvas names it, NAME_ID_NUMBER_FILE or NAME_late_ID_NUMBER_FILE, where NAME has no underscore and FILE
    is the student's choice.
    Of several with one ID the highest NUMBER counts: Canvas numbers them as they are handed in.
    """
    found: dict[int, RankedRow] = {}
    taken: set[str] = set()
    place = {row.id: number for number, row in enumerate(rows)}
    remarks = []

    def give(by_name: Mapping[str, Sequence[RankedRow]], name_of: Callable[[str], str], names: int | None) -> None:
        """To each student the rows under one of the student's first `names` names (None: all)."""
        for number, student in enumerate(students):
            known = dict.fromkeys(map(name_of, student[:names]))
            matches = [row for name in known for row in by_name.get(name, ()) if row.id not in taken]
            matches.sort(key=lambda row: place[row.id])
            if number in found or not matches:
                continue
            found[number] = max(matches, key=_number)
            taken.update(row.id for row in matches)
            if len(matches) > 1:
                others = ", ".join(row.id for row in matches)
                remarks.append(f"several submissions of {student[0]}: {others}; {found[number].id} counts")

    folded = _grouped(rows, lambda row: row.id.casefold())
    downloads = [row for row in rows if _student_in(row)]
    give(_grouped(rows, lambda row: row.id), str, None)
    give({name: found for name, found in folded.items() if len(found) == 1}, str.casefold, None)
    give(_grouped(downloads, _student_in), str, 1)
    return found, taken, remarks


def _give_to_teams(
    rows: Sequence[RankedRow], found: dict[int, RankedRow], taken: set[str], students: Sequence[Student | None]
) -> None:
    """The points of a submission to its further contributors, who have none of their own."""
    known = owners([Claim(row.id, contributors=row.team) for row in rows], [s for s in students if s is not None])
    by_id = {row.id: row for row in rows}
    for identity, own in known.items():
        for student in own.team:
            number = students.index(student)
            if number not in found:
                found[number] = by_id[identity]
                taken.add(identity)


def _grouped(rows: Iterable[RankedRow], key: Callable[[RankedRow], str]) -> dict[str, list[RankedRow]]:
    groups: dict[str, list[RankedRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _student_in(row: RankedRow) -> str:
    """The ID in the name of a download; "" where the submission is not called so."""
    match = _DOWNLOAD.fullmatch(row.id)
    return match[1] if match else ""


def _number(row: RankedRow) -> int:
    match = _DOWNLOAD.fullmatch(row.id)
    return int(match[2]) if match and match[2] else -1
