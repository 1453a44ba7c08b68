"""`grader export`: each format by its name, made of a leaderboard."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.verdict import Verdict, Violation
from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow
from grader.leaderboard.points import decided
from grader.publish import gradescope
from grader.publish.badge import best_of, board_badge, row_badge, shields
from grader.publish.canvas import canvas
from grader.publish.github import board_annotations, classroom
from grader.publish.gradebooks import blackboard, gradebook, moodle
from grader.publish.markdown import SUMMARY_BYTES, markdown
from grader.publish.names import NameMode, Names, shown
from grader.publish.public import public
from grader.publish.public_board import PublicBoard
from grader.publish.tables import board_csv


@dataclass(frozen=True)
class Printed:
    """What the log of a grading has beyond its row."""

    violations: tuple[Violation, ...]
    output: str


@dataclass
class Request:
    """An export: the board, the options, and remarks for the user."""

    board: Leaderboard
    names: Names = field(default_factory=Names)
    identity: str = ""
    roster: Path | None = None
    assignment: str = ""
    columns: str = ""
    submissions: str = "submissions"
    printed: Callable[[GradedRow], Printed | None] = lambda _: None
    remarks: list[str] = field(default_factory=list)
    final: bool = False  # the board is that of the withheld images

    @property
    def public(self) -> PublicBoard:
        """The board as it may be seen."""
        return public(self.board, self.names, final=self.final)

    def row(self) -> RankedRow:
        """The one submission. Raises UsageError."""
        if not self.identity:
            raise UsageError("this format is about one submission: name it with --id")
        row = find_row(self.board, self.identity)
        if row.kind is not Kind.STUDENT:
            raise UsageError(f"{self.identity} is a reference, no submission")
        return row


def find_row(board: Leaderboard, identity: str) -> RankedRow:
    """The student's row with that id, or else the reference's. Raises UsageError with a hint."""
    for row in sorted(board.rows, key=lambda r: r.kind is not Kind.STUDENT):
        if row.id == identity:
            return row
    ids = [r.id for r in board.rows]
    near = get_close_matches(identity, ids, n=3)
    near += [i for i in ids if identity in i and i not in near]
    hint = f": did you mean {', '.join(near[:3])}?" if near else ""
    raise UsageError(f"there is no submission {identity!r} on this leaderboard{hint}")


def _summary(request: Request) -> str:
    """Appended to the file that GitHub names, where it does; else it is the text itself."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return markdown(request.public, SUMMARY_BYTES)
    try:
        with open(path, "a", encoding="utf-8") as stream:
            left = SUMMARY_BYTES - os.path.getsize(path)
            text = markdown(request.public, left)
            if len(text.encode()) <= left:
                stream.write(text)
            else:
                request.remarks.append("the summary of this step is full: the leaderboard was left out of it")
    except OSError as error:
        raise UsageError(f"GITHUB_STEP_SUMMARY={path} cannot be written: {error.strerror}") from None
    return ""


def _annotations(request: Request) -> str:
    if request.names.mode is not NameMode.FULL:
        raise UsageError("annotations point at the submissions' files: they go with --names full only")
    return board_annotations(request.public, request.submissions)


def _canvas(request: Request) -> str:
    if request.roster is None or not request.assignment:
        raise UsageError("canvas needs --roster FILE (Canvas: Grades, Export) and --assignment 'NAME (ID)'")
    text, remarks = canvas(request.board, request.roster, request.assignment)
    request.remarks.extend(remarks)
    return text


def _roster(request: Request, form: str) -> Path:
    if request.roster is None:
        raise UsageError(f"{form} needs --roster FILE, the system's own table of its students")
    return request.roster


def _moodle(request: Request) -> str:
    text, remarks = moodle(request.board, _roster(request, "moodle"))
    request.remarks.extend(remarks)
    return text


def _blackboard(request: Request) -> str:
    text, remarks = blackboard(request.board, _roster(request, "blackboard"), request.assignment)
    request.remarks.extend(remarks)
    return text


def _gradebook(request: Request) -> str:
    text, remarks = gradebook(request.board, _roster(request, "gradebook"), request.columns)
    request.remarks.extend(remarks)
    return text


def _badge(request: Request) -> str:
    if not request.identity:
        return board_badge(best_of(request.public))
    row = request.row()
    found = shown(request.board, request.names).get((row.kind, row.id))
    if found is None:
        raise UsageError(f"{row.id} is not shown under --names top-{request.names.top}")
    return row_badge(next(r for r in request.public.rows if r.slug == found.slug))


def _gradescope(request: Request) -> str:
    row = request.row()
    printed = request.printed(row)
    if printed is None:
        request.remarks.append(f"there is no log of {row.id}: what it printed is left out")
        printed = Printed(row.violations, "")
    return gradescope.results(row, decided(row, request.board), printed.violations, printed.output)


def _codabench(request: Request) -> str:
    row = request.row()
    if status := request.board.ruling(row).status:
        raise UsageError(f"{row.id} is {status}: there is no score")
    return gradescope.codabench(row)


def _classroom(request: Request) -> str:
    row = request.row()
    if row.verdict is Verdict.INTERNAL:
        raise UsageError(f"{row.id} was not graded because of an error of the grader: there is no result")
    return classroom(decided(row, request.board)) + "\n"


#: The formats about one submission, which `--id` names; a badge may be about the whole board as well.
ABOUT_ONE = ("badge", "classroom", "codabench", "gradescope")
FORMATS: dict[str, Callable[[Request], str]] = {
    "markdown": lambda request: markdown(request.public),
    "summary": _summary,
    "csv": lambda request: board_csv(request.public),
    "canvas": _canvas,
    "moodle": _moodle,
    "blackboard": _blackboard,
    "gradebook": _gradebook,
    "annotations": _annotations,
    "badge": _badge,
    "shields": lambda request: shields(best_of(request.public)),
    "gradescope": _gradescope,
    "codabench": _codabench,
    "classroom": _classroom,
}
