"""Feedback for each student: a page and a text about the student's own submission, and about no other student's.

What a page shows of the class has no names: how many students reached which accuracies.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.core.errors import SetupError, UsageError
from grader.core.files import write_atomically
from grader.core.kind import Kind
from grader.core.statistics import CONFIDENCE, half_width
from grader.core.task import Counting
from grader.core.text import clean
from grader.core.verdict import MEANINGS, Verdict
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Beats, Leaderboard, RankedRow
from grader.leaderboard.points import awards, total
from grader.publish.names import Names
from grader.publish.pages import feedback_page
from grader.publish.public import public
from grader.publish.public_board import PublicBoard, PublicRow

PAGE, TEXT = "feedback.html", "feedback.md"
_MARK = ".grader-feedback"  # a folder with this file is ours
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip: the same feedback gives the same archive


@dataclass(frozen=True)
class Feedback:
    """What one student gets."""

    id: str
    page: str  # HTML that needs no other file
    text: str  # Markdown


def feedback_for(board: Leaderboard, *, final: bool = False) -> Iterator[Feedback]:
    """Feedback for every student on a settled board."""
    seen = public(board, Names(), final=final)
    default = next((row for row in seen.rows if row.kind is Kind.DEFAULT), None)
    best = next((row for row in seen.rows if row.kind is Kind.REFERENCE and row.counting.accuracy is not None), None)
    for row, own in zip(board.rows, seen.rows, strict=True):  # with full names every row is shown, in the same order
        if row.kind is Kind.STUDENT:
            sentences = list(_sentences(row, board))
            page = feedback_page(own, seen, default, best, sentences)
            yield Feedback(row.id, page, _text(own, seen, sentences))


def _sentences(row: RankedRow, board: Leaderboard) -> Iterator[str]:
    """What the numbers mean."""
    yield from _points(row, board)
    if row.scored:
        yield from _accuracy(row)
        yield from _rank(row, board)
    gradings = len(all_of(row))
    rule = "the latest" if board.task.counts is Counting.LATEST else "the best"
    most = board.task.ranking.max_gradings
    limit = f" of the first {most}" if most else ""
    if gradings > 1 or most:
        yield f"You have been graded {gradings} time{'s' * (gradings != 1)}; {rule}{limit} counts."


def _points(row: RankedRow, board: Leaderboard) -> Iterator[str]:
    possible = board.task.points.possible
    if not possible:
        return
    ruling = board.ruling(row)
    if ruling.points is not None:
        why = "set by your instructors" if ruling.override else f"the submission is {ruling.status}"
        yield f"Points: {ruling.points:g} of {possible:g}, {why}."
        return
    try:
        given = awards(row, board)
    except UsageError:
        return  # the default scheduler has no score: points cannot be told yet
    each = "; ".join(f"{award.name.lower()}: {award.score:g} of {award.possible:g}" for award in given)
    yield f"Points: {total(row, board):g} of {possible:g} ({each})."


def _accuracy(row: RankedRow) -> Iterator[str]:
    accuracy = 100 * (row.accuracy or 0.0)
    count = len(row.seeds)
    if row.standard_error is None or count < 2:
        yield f"Accuracy {accuracy:.2f} % is that of one training. Another seed would give another number."
        return
    half = 100 * half_width(row.standard_error, count)
    interval = (
        f" The mean of very many such trainings lies between {max(0.0, accuracy - half):.2f} and "
        f"{min(100.0, accuracy + half):.2f} % ({CONFIDENCE:.0%} confidence)."
    )
    yield (
        f"Accuracy {accuracy:.2f} % is the mean of {count} trainings, which differ in their seeds alone."
        + (interval if half > 0 else "")
    )


def _rank(row: RankedRow, board: Leaderboard) -> Iterator[str]:
    students = sum(one.rank is not None for one in board.rows)
    if row.rank is None:
        if status := board.ruling(row).status:
            yield f"No rank: the course decided that the submission is {status}; ask your instructors why."
        return
    yield f"Rank {row.rank} of {students}." + (
        " Some neighbours cannot be told apart from you: any rank from {} to {} fits the trainings.".format(
            *row.rank_interval
        )
        if row.rank_interval
        else ""
    )
    if row.to_default is not None and row.beats_default is not None:
        words = {
            Beats.YES: f"better than the default scheduler's by more than chance ({CONFIDENCE:.0%} confidence)",
            Beats.NO: "not better than the default scheduler's",
            Beats.UNSURE: "too near to the default scheduler's to say which is better: the difference may be chance",
        }
        yield f"Your accuracy is {words[row.beats_default]} (difference {100 * row.to_default.mean:+.2f} points)."
    if row.contribution is not None and row.baseline is not None and row.verdict is Verdict.OK:
        yield (
            f"At a constant learning rate, of the size that your schedule uses, your configuration reaches "
            f"{100 * row.baseline:.2f} %: the schedule contributes {100 * row.contribution.mean:+.2f} points."
        )


def _text(row: PublicRow, board: PublicBoard, sentences: Sequence[str]) -> str:
    """Markdown. What a student wrote stands in indented lines, where it is no markup."""
    lines = [f"# Feedback: {board.task}", "", _quoted(row.name), ""]
    verdict = row.counting.verdict
    lines += [f"Verdict **{verdict}**: {MEANINGS[verdict]}.", ""]
    lines += [line for text in row.quoted for line in ("From the course:", "", _quoted(text), "")]
    lines += [f"- {sentence}" for sentence in sentences]
    if row.complaints:
        lines += ["", "## What to fix", ""]
        for one in row.complaints:
            lines += [
                _quoted(f"{f'{one.place}: ' if one.place else ''}{one.what}{f': {one.fix}' if one.fix else ''}"),
                "",
            ]
    if row.detail:
        lines += ["", "## Details", "", *map(_quoted, row.detail.splitlines())]
    return "\n".join(lines).rstrip() + "\n"


def _quoted(text: str) -> str:
    return f"    {clean(text)}"


def write(feedback: Iterable[Feedback], folder: Path) -> list[Path]:
    """A folder per student in `folder`, which is new, empty, or of an earlier call: then what is of nobody now goes.

    Raises UsageError if it holds something else, SetupError if it cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).is_file():
            raise UsageError(f"{folder} holds files that are not feedback: name a new or empty folder")
        write_atomically(folder / _MARK, "")
        written = []
        taken: set[str] = set()
        for one in feedback:
            name = one.id
            while name.casefold() in taken:  # where a file system does not tell capitals from small letters
                name += "_"
            taken.add(name.casefold())
            write_atomically(folder / name / PAGE, one.page, durable=False)
            write_atomically(folder / name / TEXT, one.text, durable=False)
            written.append(folder / name)
        for old in folder.iterdir():
            if old.is_dir() and not old.is_symlink() and old.name.casefold() not in taken:
                for name in (PAGE, TEXT):
                    (old / name).unlink(missing_ok=True)
                if not any(old.iterdir()):
                    old.rmdir()
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}") from None
    return written


def packed(feedback: Iterable[Feedback], names: Mapping[str, tuple[str, str]]) -> bytes:
    """A zip of pages (or texts), for a system's bulk upload: `names` has the file and its name there, by student."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in feedback:
            if one.id in names:
                file, name = names[one.id]
                archive.writestr(
                    zipfile.ZipInfo(name, _LONG_AGO), one.page if file == PAGE else one.text, zipfile.ZIP_DEFLATED
                )
    return stream.getvalue()
