"""The leaderboard's file, and how a run updates it.

The file is a view. Results are in the cache (`grader.grading.cache`) before they reach the board, so a run
that was killed makes the rows that it had not written yet from there, without training anything. That allows to
write the whole file, atomically and under a lock, at most once a second (and seldom enough on a large board that
writing takes 5 % of the time), and at the end. Several runs may share a board: each reads what the others wrote before
it writes, and adds its own gradings to it.

A damaged file is kept aside, and the board made again from the logs of the submissions.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from grader.core.errors import SetupError, UsageError
from grader.core.files import write_atomically
from grader.core.kind import Kind
from grader.core.text import nearest
from grader.leaderboard import decisions, migration
from grader.leaderboard.decisions import Action, Decision
from grader.leaderboard.models import GradedRow, Leaderboard, now
from grader.leaderboard.ranking import identity, other_in, settled
from grader.leaderboard.rows import RowTable, StoredRow

_LOCK_SECONDS = 60.0
_SECONDS = 1.0  # at least, between two versions of the file
_SHARE = 20  # and at least this many times what writing one costs


class DamagedError(SetupError):
    """The file is no leaderboard."""


def read(path: Path) -> Leaderboard | None:
    """The board at `path`, under the decisions about its rows; None if there is no file.

    Raises SetupError if one of the two cannot be read or is damaged.
    """
    try:
        board = migration.read_text(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is not a leaderboard of this version: {error}") from None
    return board.deciding(decisions.read(path, board.task.name))


def board_at(path: Path) -> Leaderboard:
    """The settled board at `path`, for display. Raises UsageError if there is no file, else as `read` does."""
    board = read(path)
    if board is None:
        raise UsageError(f"there is no leaderboard at {path}: grader run makes one")
    return settled(board)


def remove(path: Path, identities: Iterable[str]) -> list[str]:
    """Take students' rows off the board; their ids. Raises SetupError, and UsageError if one is not there."""
    wanted = set(identities)
    with _locked(path):
        board = read(path)
        if board is None:
            raise UsageError(f"there is no leaderboard at {path}")
        gone = [r.id for r in board.rows if r.kind is Kind.STUDENT and r.id in wanted]
        if missing := sorted(wanted - set(gone)):
            raise UsageError(f"nothing was removed: no student on {path} is called {', '.join(missing)}")
        kept = [r for r in board.rows if r.kind is not Kind.STUDENT or r.id not in wanted]
        _write(path, settled(board.with_rows(kept)))
    return gone


def decide(path: Path, draft: Decision) -> Decision:
    """Add a decision about a student's row to the record, and rank the board by it; returns it with its number.

    Its task, its number and, for `undo`, which decision it undoes are filled in here.

    Raises SetupError, and UsageError if no student on the board is called so, or there is nothing to undo.
    """
    with _locked(path):
        board = read(path)
        if board is None:
            raise UsageError(f"there is no leaderboard at {path}")
        if draft.action is Action.UNDO:
            draft = draft.model_copy(update={"undoes": board.decisions.last(draft.id).number})
        elif not board.decisions.about(draft.id) and draft.id not in (
            names := {row.id for row in board.rows if row.kind is Kind.STUDENT}
        ):
            near = ", ".join(nearest(draft.id, names)) or "nobody"
            raise UsageError(f"no student on {path} is called {draft.id}; there is {near}")
        decision = decisions.append(path, draft.model_copy(update={"task": board.task.name}))
        try:
            _write(path, settled(board.deciding(decisions.read(path, board.task.name))))
        except (SetupError, OSError) as error:
            raise SetupError(
                f"the decision is recorded, but the ranks in the file are not brought up to date: {error}"
            ) from None
    return decision


class BoardWriter:
    """Updates a board during one run. Safe to use from several threads."""

    def __init__(self, path: Path, empty: Leaderboard, logged: Callable[[], Iterable[GradedRow]] = tuple) -> None:
        """`empty` is the board without rows; `logged` gives the rows that logs know, should the file be damaged.

        Raises UsageError if the file holds the scores of another task, which must not be mixed, and
        SetupError if it cannot be written.
        """
        self.path = path
        self._empty, self._logged = empty, logged
        self._environments = dict(empty.environments)
        self._mutex = threading.RLock()
        self._rows = RowTable(empty.policy)
        self._unwritten: list[GradedRow] = []  # gradings of this run that the file does not hold yet
        self._seen: object = ()  # the version of the file that `_rows` goes on from; () is none that there is
        self._due = 0.0  # on the monotonic clock: when the file may be written next
        self._timer: threading.Timer | None = None
        self._problem: SetupError | None = None  # of a writing by the timer
        self._remarks: list[str] = []
        with self._held():
            pass
        journal = path.with_name(f".{path.name}.journal")
        if journal.exists():
            self._remarks.append(
                f"{journal} is of an earlier version of grader, and is not read: what its last run graded and did not "
                "write is graded again"
            )

    @property
    def identity(self) -> str:
        """Of the task: see `grader.leaderboard.ranking`."""
        return identity(self._empty.task)

    def add(self, row: GradedRow) -> list[str]:
        """Merge a grading in, by kind and id; remarks for the user. Raises SetupError if it cannot be written."""
        with self._mutex:
            if self._problem is not None:
                raise self._problem
            self._rows.add(row)
            self._unwritten.append(row)
            if time.monotonic() >= self._due:
                self._write()
            elif self._timer is None:
                self._timer = threading.Timer(self._due - time.monotonic(), self._write_later)
                self._timer.daemon = True
                self._timer.start()
            remarks, self._remarks = self._remarks, []
        return remarks

    def head(self) -> Leaderboard:
        """The board as this run knows it, without its rows."""
        empty = self._empty
        return Leaderboard(
            task=empty.task,
            environment=empty.environment,
            environments=dict(self._environments),
            updated=now(),
            decisions=empty.decisions,
        )

    def entries(self) -> list[tuple[int | None, StoredRow]]:
        """The rows as this run knows them, in order, each after its rank."""
        with self._mutex:
            return self._rows.in_order()

    def board(self) -> Leaderboard:
        """The board as this run knows it: ranked, not settled."""
        with self._mutex:
            return self.head().with_rows(self._rows.ranked())

    def settle(self) -> Leaderboard:
        """Write the settled board, with all that depends on several rows, and return it. Raises SetupError."""
        with self._held():
            board = settled(self.board())
            _write(self.path, board)
            self._written()
        return board

    def close(self) -> None:
        """Write what is not written yet, however the run ended. Raises SetupError."""
        with self._mutex:
            self._cancel_timer()
            if self._unwritten:
                self._write()

    def _write_later(self) -> None:
        """Called by the timer, whose errors go to whoever adds next."""
        with self._mutex:
            self._timer = None
            try:
                if self._unwritten:
                    self._write()
            except SetupError as error:
                self._problem = error

    def _write(self) -> None:
        """Write the file anew, with ranks and without what takes all rows to know."""
        with self._held():
            start = time.monotonic()
            write_atomically(self.path, _text(self.head(), (row.line(rank) for rank, row in self._rows.in_order())))
            self._written(time.monotonic() - start)

    def _written(self, cost: float = 0.0) -> None:
        self._cancel_timer()
        self._unwritten.clear()
        self._seen = self._version()
        self._due = time.monotonic() + max(_SECONDS, _SHARE * cost)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The lock, and all that others have written since."""
        with self._mutex, _locked(self.path):
            try:
                self._catch_up()
                yield
            except OSError as error:
                raise SetupError(f"{self.path} cannot be written: {error.strerror}") from error

    def _version(self) -> object:
        """The identity of what the file and the record of decisions hold."""
        return _signature(self.path), _signature(decisions.record_of(self.path))

    def _catch_up(self) -> None:
        """Where the file is not the one that was read or written last, go on from it, with this run's own gradings."""
        version = self._version()
        if version == self._seen:
            return
        self._empty = self._empty.deciding(decisions.read(self.path, self._empty.task.name))
        self._rows = RowTable(self._empty.policy)
        self._load()
        for row in self._unwritten:
            self._rows.add(row)
        self._seen = version

    def _load(self) -> None:
        try:
            there = read(self.path)
        except DamagedError as error:
            aside = _keep_aside(self.path)
            rows = list(self._logged())
            for row in rows:
                self._rows.add(row)
            self._remarks.append(
                f"{error}; it is kept as {aside}, and a new one holds the {len(rows)} row(s) of the logs"
            )
            return
        if there is None:
            return
        changed = other_in(there.task, self._empty.task)
        if changed:
            raise UsageError(
                f"{self.path} holds scores of another task (the {' and '.join(changed)} changed): move it away"
                f"{f' with {record.name}' if (record := decisions.record_of(self.path)).exists() else ''}, or "
                f"name another file with --leaderboard {self.path.with_name(self._empty.task.name + '.json')}"
            )
        self._environments |= there.environments
        self._rows.take(row.unranked for row in there.rows)


def _write(path: Path, board: Leaderboard) -> None:
    write_atomically(path, _text(board, (row.model_dump_json().encode() for row in board.rows)))


def _text(board: Leaderboard, lines: Iterable[bytes]) -> bytes:
    """JSON with a line per row, so that versions of the file can be compared line by line."""
    head = board.model_dump_json(indent=1, exclude={"rows"}).removesuffix("\n}")
    return head.encode() + b',\n "rows": [\n' + b",\n".join(b"  " + line for line in lines) + b"\n ]\n}\n"


def _signature(path: Path) -> object:
    """The identity of a version of the file, which atomic writes change every time."""
    with contextlib.suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
    return None


def _keep_aside(path: Path) -> str:
    """Keep a copy of a damaged file under another name, which is returned. The file stays until it is written anew."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    aside.write_bytes(path.read_bytes())
    return aside.name


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise SetupError(f"{path} has been locked by another run for {_LOCK_SECONDS:g} s") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None
