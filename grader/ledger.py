"""The leaderboard's file while runs write to it: a JSON snapshot, and a journal of what came after.

Every change is made under a lock, and several runs may share a board. A grading is appended to the
journal `.NAME.journal` and flushed to the disk, which takes the same time whatever the board's size;
the snapshot is written again when that is cheap against what has passed since, and at the end. Who
reads the board reads both. The journal names the snapshot that it continues, and every snapshot the one
before it, so a crash between the two counts nothing twice; a last line that a crash cut off is left out.

A damaged file is kept aside, and the board built anew from the logs of the submissions.
"""

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from grader import history
from grader.board import BoardTask, Kind, Leaderboard, Row, now
from grader.errors import SetupError, UsageError
from grader.files import write_atomically
from grader.leaderboard import identity, other_in, ranked, settled

_LOCK_SECONDS = 60.0
_SHARE = 20  # a snapshot is due when this many times its own cost has passed
Key = tuple[Kind, str]


class _DamagedError(SetupError):
    """The file is no leaderboard."""


def read(path: Path) -> Leaderboard | None:
    """The board at `path`; None where there is none. Raises SetupError where it is damaged."""
    journal = _read_journal(path)  # before the snapshot: one that is replaced meanwhile holds it already
    board = _read_snapshot(path)
    if board is None or journal is None or not journal.adds_to(board):
        return board
    rows = _merged({(r.kind, r.id): r for r in board.rows}, journal.rows, board.task)
    return board.model_copy(update={"rows": ranked(rows.values(), board.task.ranking.by), "updated": now()})


def board_at(path: Path) -> Leaderboard:
    """The settled board at `path`, for showing. Raises UsageError where there is none, else as `read` does."""
    board = read(path)
    if board is None:
        raise UsageError(f"there is no leaderboard at {path}: grader run makes one")
    return settled(board)


def remove(path: Path, identities: Iterable[str]) -> list[str]:
    """Take students' rows off the board; the ids that were there. Raises SetupError or UsageError."""
    wanted = set(identities)
    with _locked(path):
        board = read(path)
        if board is None:
            raise UsageError(f"there is no leaderboard at {path}")
        gone = [r.id for r in board.rows if r.kind is Kind.STUDENT and r.id in wanted]
        kept = [r for r in board.rows if r.kind is not Kind.STUDENT or r.id not in wanted]
        changed = {"rows": tuple(kept), "updated": now(), **_next(board.version)}
        write_atomically(path, _text(settled(board.model_copy(update=changed))))
        _journal_of(path).unlink(missing_ok=True)
    return gone


class Ledger:
    """One run's hold on a board. Safe to use from several threads."""

    def __init__(self, path: Path, empty: Leaderboard, logged: Callable[[], Iterable[Row]] = tuple) -> None:
        """`empty` is the board without rows; `logged` gives the rows that logs know, should the file be damaged.

        Raises UsageError where the file holds the scores of another task, which must not be mixed, and
        SetupError where it cannot be written.
        """
        self.path = path
        self._empty, self._logged = empty, logged
        self._mutex = threading.RLock()
        self._rows: dict[Key, Row] = {}
        self._seen: object = ()  # the snapshot that `_rows` was read from; () is none that there is
        self._head = empty  # of the snapshot that `_rows` was read from
        self._read_to = 0  # bytes of the journal that are in `_rows`
        self._fresh = False  # whether there is a snapshot whose head is ours
        self._cost, self._written = 0.0, time.monotonic()
        self._remarks: list[str] = []
        with self._held():
            pass

    @property
    def identity(self) -> str:
        """Of the task: see `grader.leaderboard`."""
        return identity(self._empty.task)

    def add(self, row: Row) -> list[str]:
        """Merge a grading in, by kind and id; remarks for the user. Raises SetupError where it cannot be written."""
        with self._held():
            task = self._empty.task
            self._rows = _merged(self._rows, (row,), task)
            if self._fresh and time.monotonic() - self._written < _SHARE * self._cost:
                self._append(row)
            else:
                self._snapshot(self.board())
        remarks, self._remarks = self._remarks, []
        return remarks

    def board(self) -> Leaderboard:
        """The board as this run knows it: ranked, not settled."""
        with self._mutex:
            rows, head = list(self._rows.values()), self._head
        rows_ = ranked(rows, self._empty.task.ranking.by)
        return self._empty.model_copy(update={"rows": rows_, "updated": now(), "version": head.version})

    def settle(self) -> Leaderboard:
        """Write the whole board with what only all rows together can tell, and return it. Raises SetupError."""
        with self._held():
            board = settled(self.board())
            self._snapshot(board)
        return board

    def close(self) -> None:
        """Bring the snapshot up to date, however the run ended. Raises SetupError."""
        if self._read_to:
            with self._held():
                if self._read_to:
                    self._snapshot(self.board())

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The lock, and all that others have written since."""
        with self._mutex, _locked(self.path):
            try:
                self._catch_up()
                yield
            except OSError as error:
                raise SetupError(f"{self.path} cannot be written: {error.strerror}") from error

    def _catch_up(self) -> None:
        signature = _signature(self.path)
        whole = True
        if signature != self._seen:
            start = time.monotonic()
            self._fresh = False
            whole = self._load()
            self._seen, self._read_to = signature, 0
            self._cost, self._written = time.monotonic() - start, time.monotonic()
        journal = _read_journal(self.path, self._read_to)
        if journal is None:
            self._set_aside_unreadable()
        elif signature is None or not journal.adds_to(self._head):
            _journal_of(self.path).unlink(missing_ok=True)  # of a board that is gone, or in the snapshot already
            self._read_to = 0
        else:
            self._rows = _merged(self._rows, journal.rows, self._empty.task)
            self._read_to = journal.end
            if journal.damaged:
                path = _journal_of(self.path)
                aside = _aside(path)
                self._remarks.append(f"{journal.damaged} line(s) of {path} are damaged: kept as {aside}")
                whole = False
        if not whole:
            self._snapshot(self.board())

    def _set_aside_unreadable(self) -> None:
        """A journal whose very first line is damaged. One that was cut off in it holds nothing."""
        path = _journal_of(self.path)
        with contextlib.suppress(FileNotFoundError):
            if b"\n" in path.read_bytes():
                self._remarks.append(f"{path} is damaged: kept as {_aside(path)}")
                path.unlink()
            self._read_to = 0

    def _load(self) -> bool:
        """Read the snapshot; False where it was damaged and had to be made up from the logs."""
        task = self._empty.task
        try:
            there = _read_snapshot(self.path)
        except _DamagedError as error:
            aside = _aside(self.path)
            rows = tuple(self._logged())
            self._rows, self._head = _merged({}, rows, task), self._empty
            self._remarks.append(
                f"{error}; it is kept as {aside}, and a new one begun with the {len(rows)} row(s) that the logs hold"
            )
            return False
        if there is None:
            self._rows, self._head = {}, self._empty
            return True
        changed = other_in(there.task, task)
        if changed:
            raise UsageError(
                f"{self.path} holds scores of another task (its {' and '.join(changed)} differ): move it away, or name "
                f"another file with --leaderboard {self.path.with_name(task.name + '.json')}"
            )
        limit, by = task.ranking.max_gradings, task.ranking.by
        self._rows = {(r.kind, r.id): history.recounted(r, task.counts, limit, by) for r in there.rows}
        self._head = there.model_copy(update={"rows": ()})
        ours = self._empty
        self._fresh = (there.task, there.hardware, there.versions) == (task, ours.hardware, ours.versions)
        return True

    def _snapshot(self, board: Leaderboard) -> None:
        start = time.monotonic()
        board = board.model_copy(update=_next(self._head.version))
        write_atomically(self.path, _text(board))
        _journal_of(self.path).unlink(missing_ok=True)
        self._head = board.model_copy(update={"rows": ()})
        self._seen, self._read_to, self._fresh = _signature(self.path), 0, True
        self._written = time.monotonic()
        self._cost = max(self._cost, self._written - start)

    def _append(self, row: Row) -> None:
        path = _journal_of(self.path)
        with open(path, "ab") as stream:
            start = stream.tell()
            try:
                if start > self._read_to:  # the rest of a line that a crash cut off
                    stream.truncate(self._read_to)
                head = b"" if self._read_to else _first_line(self._head.version, self._empty.task)
                stream.write(head + row.model_dump_json().encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
                self._read_to = os.fstat(stream.fileno()).st_size
            except OSError:
                with contextlib.suppress(OSError):
                    os.truncate(path, self._read_to)
                raise


def _merged(rows: dict[Key, Row], new: Iterable[Row], task: BoardTask) -> dict[Key, Row]:
    """`rows`, changed in place by further gradings."""
    for row in new:
        key = (row.kind, row.id)
        rows[key] = history.merged(rows.get(key), row, task.counts, task.ranking.max_gradings, task.ranking.by)
    return rows


def _read_snapshot(path: Path) -> Leaderboard | None:
    try:
        return Leaderboard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise _DamagedError(f"{path} is not a leaderboard of this version: {str(error).splitlines()[0]}") from None


def _text(board: Leaderboard) -> str:
    """JSON with a line per row, so that versions of the file can be compared line by line."""
    head = board.model_dump_json(indent=1, exclude={"rows"}).removesuffix("\n}")
    rows = ",\n".join("  " + row.model_dump_json() for row in board.rows)
    return f'{head},\n "rows": [\n{rows}\n ]\n}}\n'


def _signature(path: Path) -> object:
    """Tells one version of a file from the next: each is a file of its own, put in place whole."""
    with contextlib.suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
    return None


def _aside(path: Path) -> str:
    """Keep a copy of a damaged file under another name, which is returned. The file stays until it is written anew."""
    aside = path.with_name(f"{path.name.lstrip('.')}.damaged-{time.time_ns()}")
    aside.write_bytes(path.read_bytes())
    return aside.name


class _Journal:
    """Whole lines of a journal, from some byte on."""

    def __init__(self, head: dict[str, Any], rows: list[Row], damaged: int, end: int) -> None:
        self.after = str(head["after"])
        self.rows, self.damaged, self.end = rows, damaged, end
        self._task = head["task"]

    def adds_to(self, board: Leaderboard) -> bool:
        """Whether its rows belong on that board and are not in it.

        They are in the snapshot that was made right after the one they follow. A board that is neither came from
        elsewhere meanwhile (another checkout): nothing that was graded is left out of it.
        """
        return bool(self._task == identity(board.task)) and self.after != board.previous


def _journal_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal")


def _first_line(version: str, task: BoardTask) -> bytes:
    return json.dumps({"after": version, "task": identity(task)}).encode() + b"\n"


def _next(version: str) -> dict[str, str]:
    """The names of the snapshot that follows `version`."""
    return {"version": secrets.token_hex(8), "previous": version or "none"}


def _read_journal(path: Path, start: int = 0) -> _Journal | None:
    """What the journal holds from byte `start` on; None where there is none, or none that can be told."""
    try:
        with open(_journal_of(path), "rb") as stream:
            first = stream.readline()
            stream.seek(max(start, len(first)))
            lines = stream.read().splitlines(keepends=True)
        head = json.loads(first)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        rows, damaged = [], 0
        for line in lines:
            try:
                rows.append(Row.model_validate_json(line))
            except ValidationError:
                damaged += 1
        return _Journal(head, rows, damaged, max(start, len(first)) + sum(map(len, lines)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


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
