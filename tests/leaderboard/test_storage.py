"""The leaderboard's file: snapshot and journal, torn by crashes, shared by runs, damaged, rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.core.errors import SetupError
from grader.core.task import Task, TaskFacts
from grader.leaderboard import storage as module
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.ranking import header
from grader.leaderboard.storage import Ledger, board_at, read, remove
from support.gradings import TRAINER, row


@pytest.fixture
def empty(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, facts, TRAINER)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board that is costly to write, so that gradings go to the journal."""
    monkeypatch.setattr(module, "_SHARE", 1e9)
    return tmp_path / "b.json"


def names(board: Leaderboard | None) -> set[str]:
    assert board is not None
    return {r.id for r in board.rows}


def journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal")


def grade(path: Path, empty: Leaderboard, *ids: str) -> Ledger:
    """A run that ends without settling anything, as a killed one does."""
    ledger = Ledger(path, empty)
    for n, name in enumerate(ids):
        assert ledger.add(row(name, 0.5 + n / 100)) == []
    return ledger


def test_what_a_killed_run_graded_is_on_the_board(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b", "c")
    assert b'"b"' not in path.read_bytes()
    assert names(read(path)) == names(board_at(path)) == {"a", "b", "c"}
    assert names(grade(path, empty, "d").settle()) == {"a", "b", "c", "d"}
    assert not journal(path).exists()
    assert path.read_bytes().count(b'"id"') == 4


def test_a_run_that_ends_leaves_everything_in_the_file(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b").close()
    assert b'"b"' in path.read_bytes()
    assert not journal(path).exists()


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_line_that_a_crash_cut_off_is_left_out_and_written_over(path: Path, empty: Leaderboard, cut: int) -> None:
    grade(path, empty, "a", "b", "c")
    journal(path).write_bytes(journal(path).read_bytes()[:-cut])
    assert names(read(path)) == {"a", "b"}
    grade(path, empty, "d")
    assert names(read(path)) == {"a", "b", "d"}


def test_a_crash_between_snapshot_and_journal_counts_nothing_twice(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "before").settle()
    remove(path, ["before"])
    ledger = grade(path, empty, "x", "a")
    ledger.add(row("a", 0.9).model_copy(update={"submission": "other files"}))
    left = journal(path).read_bytes()
    settled = ledger.settle()
    journal(path).write_bytes(left)
    for board in (read(path), Ledger(path, empty).settle()):
        assert board is not None
        assert [(r.id, r.number, len(r.history)) for r in board.rows] == [("a", 2, 1), ("x", 1, 0)]
    assert settled.rows == board.rows


def test_two_runs_see_what_the_other_wrote(path: Path, empty: Leaderboard) -> None:
    a, b = Ledger(path, empty), Ledger(path, empty)
    for n in range(6):
        (a, b)[n % 2].add(row(f"s{n}"))
    assert names(read(path)) == {f"s{n}" for n in range(6)}
    a.settle()
    b.add(row("s6"))
    assert names(b.settle()) == names(read(path)) == {f"s{n}" for n in range(7)}


def test_a_damaged_line_of_the_journal_is_kept_aside_and_said(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b", "c", "d")
    lines = journal(path).read_bytes().splitlines(keepends=True)
    lines[2] = b'{"id": "c", "kind": \xff\n'
    journal(path).write_bytes(b"".join(lines))
    ledger = Ledger(path, empty)
    (remark,) = ledger.add(row("e"))
    (aside,) = path.parent.glob("b.json.journal.damaged-*")
    assert aside.name in remark
    assert aside.read_bytes() == b"".join(lines)
    assert names(ledger.settle()) == {"a", "b", "d", "e"}


def test_a_journal_that_cannot_be_told_is_kept_aside_and_said(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b")
    journal(path).write_bytes(b"\0\0\0" + journal(path).read_bytes())
    (remark,) = Ledger(path, empty).add(row("c"))
    (aside,) = path.parent.glob("b.json.journal.damaged-*")
    assert aside.name in remark


def test_a_damaged_board_is_rebuilt_from_the_logs_and_the_journal(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b").settle()
    path.write_text(path.read_text()[:-100])
    ledger = Ledger(path, empty, lambda: [row("a", 0.5), row("b", 0.6)])
    (remark,) = ledger.add(row("c"))
    assert "with the 2 row(s) that the logs hold" in remark
    assert names(ledger.settle()) == {"a", "b", "c"}


def test_a_damaged_board_survives_a_rebuilding_that_fails(
    path: Path, empty: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a crash, between finding the damage and writing the new board."""
    grade(path, empty, "a", "b", "c")
    path.write_text(path.read_text()[:-100])

    def full(*_: object) -> None:
        raise SetupError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomically", full)
        with pytest.raises(SetupError):
            Ledger(path, empty, lambda: [row("a")])
    ledger = Ledger(path, empty, lambda: [row("a")])
    assert len(ledger.add(row("d"))) == 1
    assert names(ledger.settle()) == {"a", "b", "c", "d"}


def test_a_board_from_elsewhere_keeps_what_a_killed_run_graded_here(path: Path, empty: Leaderboard) -> None:
    """Another checkout of the file, newer or older than the one that the journal goes on from."""
    grade(path, empty, "old").settle()
    older = path.read_bytes()
    grade(path, empty, "x", "y")
    path.write_bytes(older.replace(b'"old"', b'"new"').replace(b'"version": "', b'"version": "other'))
    assert names(read(path)) == {"new", "x", "y"} - ({"x"} if b'"x"' not in journal(path).read_bytes() else set())
    assert names(grade(path, empty, "z").settle()) >= {"new", "y", "z"}


@pytest.mark.parametrize("first", [b"[" * 200_000, b'{"after": 1e999, "task": NaN}', b"null", b'{"after": {}}'])
def test_no_first_line_of_a_journal_raises_anything(path: Path, empty: Leaderboard, first: bytes) -> None:
    grade(path, empty, "a")
    journal(path).write_bytes(first + b"\n{}\n")
    assert names(read(path)) == {"a"}
    assert names(grade_with_remark(path, empty)) == {"a", "b"}


def grade_with_remark(path: Path, empty: Leaderboard) -> Leaderboard:
    ledger = Ledger(path, empty)
    ledger.add(row("b"))
    return ledger.settle()


def test_a_board_that_was_deleted_stays_deleted(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b")
    path.unlink()
    assert read(path) is None
    assert names(grade(path, empty, "c").settle()) == {"c"}


def test_rows_are_removed_from_the_journal_too(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b", "c")
    assert remove(path, ["c"]) == ["c"]
    assert names(read(path)) == {"a", "b"}


def test_a_grading_on_a_large_board_writes_only_itself(path: Path, empty: Leaderboard) -> None:
    ledger = grade(path, empty, *(f"s{n}" for n in range(300)))
    ledger.settle()
    before = path.stat()
    for n in range(5):
        ledger.add(row(f"new{n}"))
    assert path.stat() == before
    assert journal(path).stat().st_size < before.st_size / 10
