"""The site during a run: updated by a thread of its own as results come in.

What a row looks like is kept, so a new result costs what is new: its own page, and the board put together again.
"""

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from grader.core.errors import GraderError
from grader.core.kind import Kind
from grader.leaderboard.decisions import Ruling
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Leaderboard, RankedRow, RowKey
from grader.leaderboard.ranking import settled
from grader.leaderboard.rows import StoredRow
from grader.leaderboard.storage import BoardWriter
from grader.publish.listing import BoardLine
from grader.publish.names import NameMode, Names, appears, pseudonyms, shown_as
from grader.publish.pages import line
from grader.publish.public import public, public_head, public_row, references_of
from grader.publish.public_board import Progress, PublicRow
from grader.publish.site import Site
from grader.submissions.entry import Entry

_SECONDS = 2.0  # at least, between two versions


class _Shown(NamedTuple):
    """A row as it was shown last."""

    text: bytes  # of the row: `grader.leaderboard.rows.StoredRow`
    pseudonym: str | None
    line: BoardLine
    submission: str  # the files that were graded last
    waiting: bool  # for other files to be graded
    ruling: Ruling


class LiveSite:
    """Publishes during a run. A site that cannot be written is reported once, at the end; no result is lost."""

    def __init__(self, site: Site, names: Names, writer: BoardWriter, entries: Sequence[Entry]) -> None:
        """`entries` are what will be graded, and go to `writer`."""
        self._site, self._names, self._writer = site, names, writer
        self._left = {(entry.kind, entry.submission.id): entry.submission.content_key for entry in entries}
        self._total = len(self._left)
        self._shown: dict[RowKey, _Shown] = {}
        self._settled: Leaderboard | None = None
        self._lock = threading.Lock()
        self._news, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="site", daemon=True)
        self.problem: str | None = None

    def __enter__(self) -> Self:
        self._publish(running=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end.set()
        self._news.set()
        self._thread.join()
        self._publish(running=False)

    def _keep_up(self) -> None:
        while not self._end.is_set():
            self._news.wait()
            self._news.clear()
            if not self._end.is_set():
                self._publish(running=True)
                self._end.wait(_SECONDS)

    def _publish(self, *, running: bool) -> None:
        with self._lock:
            left = dict(self._left)
        try:
            if running:
                self._bring(left)
            else:
                board = self._settled or settled(self._writer.board())
                last = {(row.kind, row.id): all_of(row)[-1].submission for row in board.rows}
                waiting = {key for key, files in left.items() if last.get(key, files) != files}
                self._site.write(public(board, self._names, None, waiting))
            self.problem = None
        except GraderError as error:
            self.problem = str(error)
        except Exception as error:  # a page that cannot be drawn must not end the grading
            self.problem = f"{type(error).__name__}: {error}"

    def _bring(self, left: Mapping[RowKey, str]) -> None:
        """The version of this moment."""
        kept, head = self._writer.entries(), self._writer.head()
        guests = [entry.ranked(None) for _, entry in kept if entry.place.guest]
        references = references_of(guests)
        hidden = pseudonyms((entry.key[1] for _, entry in kept if entry.key[0] is Kind.STUDENT), self._names)

        def shown(row: RankedRow, waiting: bool) -> PublicRow:
            return public_row(row, head, shown_as(row, hidden), self._names, references, waiting)

        changed: list[PublicRow] = []
        listing: list[tuple[int | None, BoardLine]] = []
        now: dict[RowKey, _Shown] = {}
        for rank, entry in kept:
            if not appears(entry.key[0], rank, self._names):
                continue
            known = self._shown.get(entry.key)
            ruling = head.decisions.on(entry.key[1]) if entry.key[0] is Kind.STUDENT else Ruling()
            if known is None or known.ruling != ruling or not _is_shown(known, entry, hidden, left):
                row = entry.ranked(None)
                submission = all_of(row)[-1].submission
                waiting = left.get(entry.key, submission) != submission
                changed.append(shown(row, waiting))
                made = line(changed[-1])
                known = _Shown(entry.text, hidden.get(entry.key[1]), made, submission, waiting, ruling)
            now[entry.key] = known
            listing.append((rank, known.line))
        if self._names.mode is NameMode.PSEUDONYMS:
            listing.sort(key=lambda pair: pair[1].place)
        progress = Progress(done=self._total - len(left), total=self._total)
        board = public_head(head, self._names, progress, len(kept) - len(listing))
        default = next((shown(row, False) for row in guests if row.kind is Kind.DEFAULT), None)
        self._site.update(board, listing, changed, default)
        self._shown = now  # not before: what could not be written is tried again

    def graded(self, entry: Entry) -> None:
        """There is a new row to show."""
        with self._lock:
            self._left.pop((entry.kind, entry.submission.id), None)
        self._news.set()

    def settle(self, board: Leaderboard) -> None:
        """The final board, with what only all rows together can tell."""
        self._settled = board


def _is_shown(known: _Shown, entry: StoredRow, hidden: Mapping[str, str], left: Mapping[RowKey, str]) -> bool:
    return (
        known.text == entry.text
        and known.pseudonym == hidden.get(entry.key[1])
        and known.waiting == (left.get(entry.key, known.submission) != known.submission)
    )
