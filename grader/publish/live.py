"""The site while a run is going on: rewritten as results come in, by a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from grader.board import Leaderboard, Row
from grader.entry import Entry
from grader.errors import GraderError
from grader.history import all_of
from grader.publish.names import Names
from grader.publish.public import Progress, public
from grader.publish.site import Site
from grader.result import Compiled, EpochRecord, SeedRun

_SECONDS = 2.0  # at least, between two versions


class LiveSite:
    """An observer that publishes. A site that cannot be written is said once at the end, and loses no result."""

    def __init__(self, site: Site, names: Names, board: Callable[[], Leaderboard], entries: Sequence[Entry]) -> None:
        """`board` gives the leaderboard as it is when it is called, `entries` are what will be graded."""
        self._site, self._names, self._board = site, names, board
        self._left = {(entry.kind, entry.submission.id): entry for entry in entries}
        self._total = len(self._left)
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
            board, left = self._board(), dict(self._left)
        progress = Progress(done=self._total - len(left), total=self._total) if running else None
        there = {(row.kind, row.id): all_of(row)[-1].submission for row in board.rows}
        waiting = {key for key, entry in left.items() if key in there and there[key] != entry.submission.content_key}
        try:
            self._site.write(public(board, self._names, progress, waiting))
            self.problem = None
        except GraderError as error:
            self.problem = str(error)
        except Exception as error:  # a page that cannot be drawn must not end the grading
            self.problem = f"{type(error).__name__}: {error}"

    def compiled(self, entry: Entry, compiled: Compiled, stored: bool) -> None:
        """Nothing to see yet."""

    def epoch(self, entry: Entry, seed: int, record: EpochRecord, epochs: int) -> None:
        """Nothing to see yet."""

    def trained(self, entry: Entry, run: SeedRun, stored: bool) -> None:
        """Nothing to see yet."""

    def graded(self, entry: Entry, row: Row) -> None:
        """A new row to show."""
        with self._lock:
            self._left.pop((entry.kind, entry.submission.id), None)
        self._news.set()

    def settle(self, board: Leaderboard) -> None:
        """The final board, with what only all rows together can tell."""
        with self._lock:
            self._board = lambda: board

    def remark(self, text: str) -> None:
        """Not for the public."""
