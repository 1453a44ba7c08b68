"""Grading a class: every submission once, then more seeds where they can decide a rank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.task import RankBy
from grader.grading.config import SeedPolicy
from grader.grading.events import Listener, Remark, only_remarks
from grader.grading.pipeline import GradingRun
from grader.grading.session import Session
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.seed_allocation import seeds_of, wanting
from grader.leaderboard.storage import BoardWriter
from grader.submissions.entry import Entry


@dataclass(frozen=True)
class GradedClass:
    """What came of a run."""

    board: Leaderboard  # settled
    ungraded: Sequence[str]  # ids of those that stayed without a grading by our fault


def grade_class(session: Session, writer: BoardWriter, entries: Sequence[Entry], listener: Listener) -> GradedClass:
    """Grade all entries, by the seed policy of the session. Raises GraderError."""
    if session.config.seeds is SeedPolicy.ADAPTIVE and session.task.ranking.by is RankBy.MEAN_RANK:
        raise UsageError('--seeds adaptive has no use for by = "mean-rank", which ranks by the task\'s seeds alone')
    before = {row.id: len(row.seeds) for row in writer.board().rows} if session.config.again else {}
    ungraded = GradingRun(session, writer, listener).grade(entries)
    board = writer.settle()
    for keys in _further_seeds(session, before):
        again = [entry for entry in entries if (entry.kind, entry.submission.id) in keys]
        ungraded += GradingRun(session, writer, only_remarks(listener), keys).grade(again)
        board = writer.settle()
    tried: set[str] = set()  # recipes that another seed was tried for and did not stick
    while session.config.seeds is SeedPolicy.ADAPTIVE and (wanted := _wanting(board, entries, tried)):
        keys = {key: seeds_of(session.task.seeds, one + 1) for key, (_, one) in wanted.items()}
        again = [entry for entry in entries if (entry.kind, entry.submission.id) in keys]
        listener(Remark(f"another seed for {len(again)} that a neighbour on the board cannot be told from"))
        ungraded += GradingRun(session, writer, only_remarks(listener), keys).grade(again)
        board = writer.settle()
        there = {(row.kind, row.id): len(row.seeds) for row in board.rows}
        tried |= {recipe for key, (recipe, count) in wanted.items() if there.get(key, 0) <= count}
    return GradedClass(board, sorted(set(ungraded)))


def _further_seeds(session: Session, before: Mapping[str, int]) -> Iterator[dict[tuple[Kind, str], Sequence[int]]]:
    """The seeds of students who are graded again, one more each time, up to as many as they had before."""
    first, again = session.task.seeds, session.config.again
    for count in range(len(first) + 1, max(before.values(), default=0) + 1):
        if keys := {name for name in again if before.get(name, 0) >= count}:
            yield {(Kind.STUDENT, name): seeds_of(first, count) for name in keys}


def _wanting(board: Leaderboard, entries: Sequence[Entry], tried: set[str]) -> dict[tuple[Kind, str], tuple[str, int]]:
    """Recipe and number of seeds of the rows that want another; equal recipes go together.

    Of those that are graded here, in the version that is.
    """
    here = {(entry.kind, entry.submission.id): entry.submission.content_key for entry in entries}
    recipes = {row.recipe for row in wanting(board)} - tried
    return {
        (row.kind, row.id): (row.recipe, len(row.seeds))
        for row in board.rows
        if row.recipe is not None and row.recipe in recipes and here.get((row.kind, row.id)) == row.submission
    }
