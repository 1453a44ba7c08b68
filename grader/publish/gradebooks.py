"""Gradebooks that are filled in for other systems, and one with columns of one's choice. Canvas's: `canvas`.

Moodle's grading worksheet (mod_assign, "Download grading worksheet") finds students by `Identifier` and reads `Grade`.
Blackboard's gradebook ("Work Offline", "Download") finds them by `Username` and an item by its column, whose name holds
its number. Each gets its own table back, with the points in one column; a student without a submission gets an empty
cell, which changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard, RankedRow
from grader.leaderboard.points import earned, total
from grader.publish.tables import written
from grader.submissions.roster import Claim, Student, owners, read_table, students_in

#: Columns of a gradebook of one's own.
COLUMNS = (
    *("id", "name", "email", "section", "submission", "verdict", "decision", "accuracy", "rank"),
    *("earned", "override", "points"),
)


@dataclass
class _Book:
    """The lines of a roster with the rows of the board."""

    board: Leaderboard
    path: Path
    lines: list[list[str]]
    students: list[Student | None]
    rows: dict[str, RankedRow]  # by the student's id
    remarks: list[str] = field(default_factory=list)

    def points(self, student: Student | None) -> float | None:
        """None for an empty cell."""
        row = self.rows.get(student.id) if student is not None else None
        if row is None:
            return None
        if row.verdict is Verdict.INTERNAL and self.board.ruling(row).points is None:
            self.remarks.append(f"{row.id} was not graded because of an error of the grader: its cell is left empty")
            return None
        return total(row, self.board)

    def filled(self, column: str, kept: Sequence[str]) -> str:
        """The columns `kept` and `column` with the points."""
        head = self.lines[0]
        places = [head.index(name) for name in kept]
        result: list[list[str | float | None]] = [[*kept, column]]
        for line, student in zip(self.lines[1:], self.students, strict=True):
            if student is not None:
                own: list[str | float | None] = [line[i] if i < len(line) else "" for i in places]
                result.append([*own, self.points(student)])
        return written(result)

    def need(self, columns: Sequence[str], what: str) -> None:
        """Raise UsageError if a column is missing."""
        missing = [name for name in columns if name not in self.lines[0]]
        if missing:
            raise UsageError(f"{self.path} is not {what}: it has no column {', '.join(missing)}")


def _book(board: Leaderboard, roster: Path) -> _Book:
    lines = read_table(roster)
    students = students_in(lines, roster)
    rows = [row for row in board.rows if row.kind is Kind.STUDENT]
    known = owners([Claim(row.id, contributors=row.team) for row in rows], [s for s in students if s is not None])
    book = _Book(board, roster, lines, students, {})
    several: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda r: r.graded):  # the newest counts
        own = known[row.id]
        for student in (*own.handed_in, *own.team):
            several.setdefault(student.id, []).append(row.id)
            book.rows[student.id] = row
    for name, ids in several.items():
        if len(ids) > 1:
            book.remarks.append(f"several submissions of {name}: {', '.join(ids)}; {ids[-1]} counts")
    nobody = [identity for identity, own in known.items() if not own.handed_in and not own.team]
    if rows and len(nobody) == len(rows):
        raise UsageError(
            f"no submission belongs to anybody in {roster}, such as {', '.join(_first(students))}; the submissions are "
            f"called {', '.join(row.id for row in rows[:3])}"
        )
    if nobody:
        book.remarks.append(f"not found in the roster: {', '.join(nobody)}")
    return book


def _first(students: Sequence[Student | None]) -> tuple[str, ...]:
    return next((student.keys for student in students if student is not None), ())


def moodle(board: Leaderboard, roster: Path) -> tuple[str, list[str]]:
    """Moodle's grading worksheet with the points as grades; and what there is to say about it. Raises UsageError."""
    book = _book(board, roster)
    book.need(("Identifier", "Grade"), "Moodle's grading worksheet (Download grading worksheet)")
    head = book.lines[0]
    if "Maximum Grade" in head:
        place = head.index("Maximum Grade")
        most = next((line[place] for line in book.lines[1:] if len(line) > place and line[place].strip()), "")
        _compare(most, board, "Moodle", book.remarks)
    return book.filled("Grade", [name for name in head if name != "Grade"]), book.remarks


def blackboard(board: Leaderboard, roster: Path, assignment: str) -> tuple[str, list[str]]:
    """Blackboard's gradebook with the points in `assignment`'s column; and what there is to say. Raises UsageError."""
    book = _book(board, roster)
    book.need(("Username",), "a gradebook downloaded from Blackboard (Work Offline)")
    items = [name for name in book.lines[0] if "|" in name]
    if assignment not in items:
        raise UsageError(
            f"the roster has no column {assignment!r}: use {', '.join(map(repr, items)) or 'an item of Blackboard'}"
        )
    names = [name for name in ("Last Name", "First Name", "Username", "Student ID") if name in book.lines[0]]
    return book.filled(assignment, names), book.remarks


def gradebook(board: Leaderboard, roster: Path, columns: str) -> tuple[str, list[str]]:
    """A line per student of the roster, with columns of one's choice; and what there is to say. Raises UsageError."""
    chosen = [name.strip() for name in columns.split(",") if name.strip()] or list(COLUMNS)
    unknown = [name for name in chosen if name not in COLUMNS]
    if unknown:
        raise UsageError(f"there is no column {', '.join(unknown)}: use {', '.join(COLUMNS)}")
    book = _book(board, roster)
    result: list[list[str | float | None]] = [list(chosen)]
    for student in book.students:
        if student is not None:
            row = book.rows.get(student.id)
            ruling = board.ruling(row) if row is not None else None
            cells: dict[str, str | float | None] = {
                "id": student.id,
                "name": student.name,
                "email": student.email,
                "section": student.section,
                "submission": row.id if row is not None else None,
                "verdict": row.verdict.value if row is not None else None,
                "accuracy": row.accuracy if row is not None else None,
                "decision": ", ".join(ruling.marks) if ruling is not None else None,
                "rank": row.rank if row is not None else None,
                "earned": earned(row, board) if row is not None and row.verdict is not Verdict.INTERNAL else None,
                "override": ruling.points if ruling is not None else None,
                "points": book.points(student),
            }
            result.append([cells[name] for name in chosen])
    return written(result), book.remarks


def _compare(there: str, board: Leaderboard, system: str, remarks: list[str]) -> None:
    possible = board.task.points.possible
    try:
        same = not there.strip() or float(there.replace(",", ".")) == possible
    except ValueError:
        same = True
    if not same:
        remarks.append(f"{system} gives {there.strip()} points, the task's [points] make {possible:g}")
