"""CSV: the public table, and the gradebook that Canvas imports. Spreadsheets must find text, never a formula.

OWASP, CSV Injection: a cell that begins with = + - @, a tab or a line break may be run as a formula by
a spreadsheet. Such text gets an apostrophe in front, which spreadsheets take for "this is text".
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.board import Leaderboard, Row
from grader.errors import UsageError
from grader.points import total
from grader.publish.public import PublicBoard
from grader.text import clean

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID")
_CANVAS_FIRST = ("Student", "ID")


def cell(value: str | float | int | None) -> str | float | int:
    """What may stand in a cell: numbers as they are, text without a formula's beginning."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = clean(value)
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
    """Canvas's own gradebook export with the points of `assignment` filled in; and ids nobody there has.

    Canvas finds students by their ID columns and reads a column "Name (ID)" as that assignment's; a
    student without a submission gets an empty cell, which changes nothing (Canvas guide, "How do I
    import grades in the Gradebook?"). Raises UsageError where the roster is none.
    """
    lines = _roster(roster)
    head = lines[0]
    kept = [i for i, name in enumerate(head) if name in (*_CANVAS_FIRST, *_CANVAS_IDS, "Section")]
    keys = [i for i, name in enumerate(head) if name in _CANVAS_IDS]
    rows = {row.id.casefold(): row for row in board.rows if row.kind == "student"}
    taken: set[str] = set()
    result: list[list[str | float | None]] = [[*(head[i] for i in kept), assignment]]
    for line in lines[1:]:
        line = line + [""] * (len(head) - len(line))
        own: list[str | float | None] = [line[i] for i in kept]
        if line[head.index("Student")].strip().casefold() == "points possible":
            result.append([*own, board.task.points.possible])
            continue
        row = _of(rows, [line[i] for i in keys])
        if row is not None:
            taken.add(row.id)
        result.append([*own, total(row, board) if row is not None else None])
    return written(result), sorted(row.id for row in rows.values() if row.id not in taken)


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


def _of(rows: dict[str, Row], ids: Sequence[str]) -> Row | None:
    """The submission of the student with these ids: named like one, or as Canvas names downloads, name_ID_file."""
    wanted = [i.strip().casefold() for i in ids if i.strip()]
    for identity in wanted:
        if identity in rows:
            return rows[identity]
    found = [row for name, row in rows.items() if any(i.isdigit() and f"_{i}_" in name for i in wanted)]
    return found[0] if len(found) == 1 else None
