"""CSV: the public table, and the gradebook that Canvas imports. Spreadsheets must find text, never a formula.

OWASP, CSV Injection: a cell that begins with = + - @, a tab or a line break may be run as a formula by
a spreadsheet. Such text gets an apostrophe in front, which spreadsheets take for "this is text".
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from grader.board import Kind, Leaderboard, Row
from grader.errors import UsageError
from grader.points import total
from grader.publish.public import PublicBoard
from grader.result import Verdict
from grader.text import clean, no_command

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_INNER = re.compile(r"([;,|]\s*[\"']*)(?=[=+\-@＝＋－＠])")
_CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID")
_CANVAS_FIRST = ("Student", "ID")


def cell(value: str | float | int | None) -> str | float | int:
    """What may stand in a cell: numbers as they are, text without a formula's beginning."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    # Where a comma does not part cells, other signs do: a formula may begin after each of them.
    text = _INNER.sub(r"\1'", no_command(clean(value)))
    return f"'{text}" if text.lstrip(" '\"").startswith(_STARTS) else text


def written(rows: Iterable[Sequence[str | float | int | None]]) -> str:
    """CSV by RFC 4180, with every text made inert."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def board_csv(board: PublicBoard) -> str:
    """The board as it may be seen, in its order."""
    header = ["rank", "name", "team", "kind", "verdict", "accuracy", "standard_error", "low", "high", "seconds", "date"]
    rows = [
        [
            *(row.rank, row.name, row.team, row.kind.value, row.counting.verdict.value),
            *(row.counting.accuracy, row.counting.standard_error, row.counting.low, row.counting.high),
            *(row.seconds, row.counting.day),
        ]
        for row in board.rows
    ]
    return written([header, *rows])


def canvas(board: Leaderboard, roster: Path, assignment: str) -> tuple[str, list[str]]:
    """Canvas's own gradebook export with the points of `assignment` filled in; and what there is to say about it.

    Canvas finds students by their ID columns and reads a column "Name (ID)" as that assignment's; a
    student without a submission gets an empty cell, which changes nothing (Canvas guide, "How do I
    import grades in the Gradebook?"). Raises UsageError where the roster is none.
    """
    lines = _roster(roster)
    head = lines[0]
    kept = [i for i, name in enumerate(head) if name in (*_CANVAS_FIRST, *_CANVAS_IDS, "Section")]
    keys = [head.index(name) for name in _CANVAS_IDS if name in head]
    lines = [line + [""] * (len(head) - len(line)) for line in lines[1:]]
    rows = [row for row in board.rows if row.kind is Kind.STUDENT]
    found = _found(rows, [[line[i].strip() for i in keys] for line in lines])
    result: list[list[str | float | None]] = [[*(head[i] for i in kept), assignment]]
    remarks = []
    for number, line in enumerate(lines):
        own: list[str | float | None] = [line[i] for i in kept]
        row = found.get(number)
        if line[head.index("Student")].strip().casefold() == "points possible":
            result.append([*own, board.task.points.possible])
        elif row is not None and row.verdict is Verdict.INTERNAL:
            remarks.append(f"{row.id} was not graded, by a fault of ours: its cell is left empty")
            result.append([*own, None])
        else:
            result.append([*own, total(row, board) if row is not None else None])
    missing = [row.id for row in rows if row not in found.values()]
    if missing:
        remarks.append(f"not found in the roster: {', '.join(missing)}")
    return written(result), remarks


def _roster(path: Path) -> list[list[str]]:
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not CSV in UTF-8: {error}") from None
    if not lines or any(name not in lines[0] for name in _CANVAS_FIRST):
        raise UsageError(
            f"{path} is not a gradebook exported from Canvas: its first line must name {', '.join(_CANVAS_FIRST)}"
        )
    return lines


def _found(rows: Sequence[Row], students: Sequence[Sequence[str]]) -> dict[int, Row]:
    """Whose submission is whose: rows by the number of the student, each row and student at most once.

    A submission belongs to who has its name as an ID; or it is named as Canvas names what one downloads,
    NAME_ID_NUMBER_FILE or NAME_late_ID_NUMBER_FILE, where NAME has no underscore and FILE is the student's choice.
    """
    found: dict[int, Row] = {}

    def give(key: Callable[[Row], str | None], ids: Callable[[Sequence[str]], Sequence[str]]) -> None:
        left = [row for row in rows if row not in found.values()]
        keys = Counter(key(row) for row in left)
        by_key = {key(row): row for row in left if keys[key(row)] == 1}
        for number, student in enumerate(students):
            matches = {by_key[i].id: by_key[i] for i in ids(student) if i and i in by_key}
            if number not in found and len(matches) == 1:
                row = next(iter(matches.values()))
                if row not in found.values():
                    found[number] = row

    give(lambda row: row.id, lambda ids: ids)
    give(lambda row: row.id.casefold(), lambda ids: [i.casefold() for i in ids])
    give(_downloaded, lambda ids: ids[:1])
    return found


def _downloaded(row: Row) -> str | None:
    match = re.match(r"[^_]+_(?:late_|LATE_)?(\d+)_\d+_", row.id)
    return match[1] if match else None
