"""CSV: the public table. Spreadsheets must find text, never a formula.

OWASP, CSV Injection: a cell that begins with = + - @, a tab or a line break may be run as a formula by
a spreadsheet. Such text gets an apostrophe in front, which spreadsheets take for "this is text".
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from grader.core.text import clean, no_command
from grader.publish.public_board import PublicBoard, PublicRow

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_INNER = re.compile(r"([;,|]\s*[\"']*)(?=[=+\-@＝＋－＠])")


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


def csv_header(board: PublicBoard) -> str:
    """The names of the columns; each of several workloads has two: a failed one may count as guessing."""
    header = ["rank", "name", "team", "kind", "verdict", "accuracy", "standard_error", "low", "high", "seconds"]
    header += ["date_utc", "rank_from", "rank_to", "to_default", "beats_default", "contribution", "marks"]
    if board.workloads:
        header.append(board.ranking.by.value.replace("-", "_") if board.ranking.by.relative else "score")
        header += [f"{what}_{one.name}" for one in board.workloads for what in ("verdict", "accuracy")]
    return written([header])


def without_rank(row: PublicRow) -> str:
    """A row but for its first cell, the rank."""
    return written(
        [[
            *(row.name, row.team, row.kind.value, row.counting.verdict.value),
            *(row.counting.accuracy, row.counting.standard_error, row.counting.low, row.counting.high),
            *(row.seconds, row.counting.when.removesuffix(" UTC")),
            *(row.rank_interval or (None, None)),
            row.to_default.mean if row.to_default else None,
            row.beats_default.value if row.beats_default else None,
            row.contribution.mean if row.contribution else None,
            "; ".join(filter(None, (row.status, *row.counting.marks))),
            *((row.score,) if row.workloads else ()),
            *(cell for one in row.workloads for cell in (one.verdict.value if one.verdict else None, one.accuracy)),
        ]]
    )  # fmt: skip


def board_csv(board: PublicBoard) -> str:
    """The board as it may be seen, in its order."""
    return csv_of(((row.rank, without_rank(row)) for row in board.rows), board)


def csv_of(rows: Iterable[tuple[int | None, str]], board: PublicBoard) -> str:
    """The table of ranks and what `without_rank` gave; of `board` only the head is read, no row."""
    return csv_header(board) + "".join(f"{'' if rank is None else rank},{text}" for rank, text in rows)
