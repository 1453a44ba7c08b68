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
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from pydantic import ValidationError

from grader.core.errors import SetupError, UsageError
from grader.core.files import write_atomically
from grader.core.kind import Kind
from grader.leaderboard import history
from grader.leaderboard.models import BoardTask, Leaderboard, Row, now
from grader.leaderboard.ranking import Place, identity, other_in, place_of, ranks, settled
from grader.leaderboard.significance import BLANK

_LOCK_SECONDS = 60.0
_SHARE = 20  # a snapshot is due when this many times its own cost has passed
Key = tuple[Kind, str]


class _DamagedError(SetupError):
    """The file is no leaderboard."""


class Entry(NamedTuple):
    """A row as a run keeps it: its text, a sixth of the size of the row itself, and its place on the board."""

    place: Place
    key: Key
    text: bytes  # JSON, without the rank and what else other rows decide

    @property
    def row(self) -> Row:
        """The row, without a rank."""
        return Row.model_validate_json(self.text)

    def ranked(self, rank: int | None) -> Row:
        """The row with its rank."""
        return Row.model_validate_json(_line(rank, self.text))


def read(path: Path) -> Leaderboard | None:
    """The board at `path`; None where there is none. Raises SetupError where it is damaged."""
    journal = _read_journal(path)  # before the snapshot: one that is replaced meanwhile holds it already
    board = _read_snapshot(path)
    if board is None or journal is None or not journal.adds_to(board):
        return board
    rows = _Rows(board)
    rows.add(board.rows)
    rows.merge(journal.rows)
    return board.model_copy(update={"rows": rows.ranked(), "updated": now()})


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
        changed = settled(board.model_copy(update={"rows": tuple(kept), "updated": now(), **_next(board.version)}))
        write_atomically(path, _text(changed, [_line(row.rank, _unranked(row)) for row in changed.rows]))
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
        self._rows = _Rows(empty)
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
        """Of the task: see `grader.leaderboard.ranking`."""
        return identity(self._empty.task)

    def add(self, row: Row) -> list[str]:
        """Merge a grading in, by kind and id; remarks for the user. Raises SetupError where it cannot be written."""
        with self._held():
            self._rows.merge((row,))
            if self._fresh and time.monotonic() - self._written < _SHARE * self._cost:
                self._append(row)
            else:
                self._snapshot()
        remarks, self._remarks = self._remarks, []
        return remarks

    def head(self) -> Leaderboard:
        """The board as this run knows it, without its rows."""
        return self._empty.model_copy(update={"updated": now(), "version": self._head.version})

    def entries(self) -> list[tuple[int | None, Entry]]:
        """The rows as this run knows them, in order, each after its rank."""
        with self._mutex:
            return self._rows.in_order()

    def board(self) -> Leaderboard:
        """The board as this run knows it: ranked, not settled."""
        with self._mutex:
            return self.head().model_copy(update={"rows": self._rows.ranked()})

    def settle(self) -> Leaderboard:
        """Write the whole board with what only all rows together can tell, and return it. Raises SetupError."""
        with self._held():
            board = settled(self.board())
            self._snapshot([_line(row.rank, _unranked(row)) for row in board.rows])
        return board

    def close(self) -> None:
        """Bring the snapshot up to date, however the run ended. Raises SetupError."""
        if self._read_to:
            with self._held():
                if self._read_to:
                    self._snapshot()

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
            self._rows.merge(journal.rows)
            self._read_to = journal.end
            if journal.damaged:
                path = _journal_of(self.path)
                aside = _aside(path)
                self._remarks.append(f"{journal.damaged} line(s) of {path} are damaged: kept as {aside}")
                whole = False
        if not whole:
            self._snapshot()

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
        task, self._rows = self._empty.task, _Rows(self._empty)
        try:
            there = _read_snapshot(self.path)
        except _DamagedError as error:
            aside = _aside(self.path)
            count = self._rows.merge(self._logged())
            self._head = self._empty
            self._remarks.append(
                f"{error}; it is kept as {aside}, and a new one begun with the {count} row(s) that the logs hold"
            )
            return False
        if there is None:
            self._head = self._empty
            return True
        changed = other_in(there.task, task)
        if changed:
            raise UsageError(
                f"{self.path} holds scores of another task (its {' and '.join(changed)} differ): move it away, or name "
                f"another file with --leaderboard {self.path.with_name(task.name + '.json')}"
            )
        self._rows.add(there.rows)
        self._head = there.model_copy(update={"rows": ()})
        ours = self._empty
        self._fresh = (there.task, there.hardware, there.versions) == (task, ours.hardware, ours.versions)
        return True

    def _snapshot(self, lines: list[bytes] | None = None) -> None:
        """Write the file anew; `lines` are its rows, where they are more than what is known during a run."""
        start = time.monotonic()
        head = self.head().model_copy(update=_next(self._head.version))
        if lines is None:
            lines = [_line(rank, entry.text) for rank, entry in self._rows.in_order()]
        write_atomically(self.path, _text(head, lines))
        _journal_of(self.path).unlink(missing_ok=True)
        self._head = head
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


class _Rows:
    """The rows of a board, by kind and id."""

    def __init__(self, head: Leaderboard) -> None:
        self._task, self._only = head.task, head.only_device
        self._there: dict[Key, Entry] = {}

    def _keep(self, row: Row) -> None:
        key, place = (row.kind, row.id), place_of(row, self._task.ranking.by, self._only)
        self._there[key] = Entry(place, key, _unranked(row.model_copy(update=BLANK)))

    def add(self, rows: Iterable[Row]) -> None:
        """Rows of a board, by rules that may have changed since."""
        task, ranking = self._task, self._task.ranking
        for row in rows:
            mixed = ranking.mix_device_kinds
            self._keep(history.recounted(row, task.counts, ranking.max_gradings, ranking.by, mixed=mixed))

    def merge(self, new: Iterable[Row]) -> int:
        """Further gradings; how many they were."""
        task, ranking, count = self._task, self._task.ranking, 0
        for row in new:
            there = self._there.get((row.kind, row.id))
            former, mixed = there.row if there else None, ranking.mix_device_kinds
            self._keep(history.merged(former, row, task.counts, ranking.max_gradings, ranking.by, mixed=mixed))
            count += 1
        return count

    def in_order(self) -> list[tuple[int | None, Entry]]:
        """Ranks and rows in the order of the board."""
        order = sorted(self._there.values())
        return list(zip(ranks(entry.place for entry in order), order, strict=True))

    def ranked(self) -> tuple[Row, ...]:
        """The rows themselves, likewise."""
        return tuple(entry.ranked(rank) for rank, entry in self.in_order())


def _unranked(row: Row) -> bytes:
    return row.model_dump_json(exclude={"rank"}).encode()


def _line(rank: int | None, text: bytes) -> bytes:
    """A row's JSON, its rank first."""
    return b'{"rank":%s,' % json.dumps(rank).encode() + text[1:]


def _read_snapshot(path: Path) -> Leaderboard | None:
    try:
        return Leaderboard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise _DamagedError(f"{path} is not a leaderboard of this version: {str(error).splitlines()[0]}") from None


def _text(board: Leaderboard, lines: Iterable[bytes]) -> bytes:
    """JSON with a line per row, so that versions of the file can be compared line by line."""
    head = board.model_dump_json(indent=1, exclude={"rows"}).removesuffix("\n}")
    return head.encode() + b',\n "rows": [\n' + b",\n".join(b"  " + line for line in lines) + b"\n ]\n}\n"


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
