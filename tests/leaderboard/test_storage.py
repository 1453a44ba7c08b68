"""The leaderboard's file: written seldom, killed at any moment, shared, replaced, damaged, of earlier versions."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from grader.core.errors import SetupError, UsageError
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard import storage as module
from grader.leaderboard.models import BoardTask, GradedRow, Leaderboard
from grader.leaderboard.ranking import header
from grader.leaderboard.storage import BoardWriter, board_at, read, remove
from support.gradings import environment, graded, row

VERSIONS = sorted((Path(__file__).parent / "boards").glob("version-*.json"))


@pytest.fixture
def empty(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], environment())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "b.json"


def names(board: Leaderboard | None) -> set[str]:
    assert board is not None
    return {r.id for r in board.rows}


def grade(path: Path, empty: Leaderboard, *ids: str) -> BoardWriter:
    """A run that has graded `ids` and goes on."""
    writer = BoardWriter(path, empty)
    for n, name in enumerate(ids):
        assert writer.add(row(name, 0.5 + n / 100)) == []
    return writer


def test_the_file_is_written_at_once_then_once_a_second_at_most(path: Path, empty: Leaderboard) -> None:
    writer = grade(path, empty, "a")
    first = path.stat()
    assert names(read(path)) == {"a"}
    for name in "bcd":
        writer.add(row(name))
    assert path.stat() == first
    deadline = time.monotonic() + 10
    while names(read(path)) != {"a", "b", "c", "d"}:  # without anybody's doing
        assert time.monotonic() < deadline
        time.sleep(0.05)
    writer.close()


def test_a_run_that_ends_leaves_everything_in_the_file(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b", "c").close()
    assert names(read(path)) == names(board_at(path)) == {"a", "b", "c"}
    assert path.read_bytes().count(b'"id"') == 3


def test_a_large_board_is_written_for_a_twentieth_of_the_time(
    path: Path, empty: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    written: list[float] = []

    def slow(*_: object) -> None:
        written.append(now[0])
        now[0] += 3.0

    monkeypatch.setattr(module, "write_atomically", slow)
    writer = BoardWriter(path, empty)
    for n in range(1000):
        now[0] += 0.2
        writer.add(row(f"s{n}"))
    gaps = [b - a for a, b in pairwise(written)]
    assert len(gaps) >= 2
    assert min(gaps) >= 60.0


def test_what_cannot_be_written_later_is_said_to_whoever_adds_next(
    path: Path, empty: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = grade(path, empty, "a")

    def full(*_: object) -> None:
        raise SetupError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomically", full)
        writer.add(row("b"))
        deadline = time.monotonic() + 10
        while writer._problem is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(SetupError, match="No space left"):
            writer.add(row("c"))
    assert names(read(path)) == {"a"}
    assert names(writer.settle()) == {"a", "b"}


def test_two_runs_see_what_the_other_wrote(path: Path, empty: Leaderboard) -> None:
    a, b = BoardWriter(path, empty), BoardWriter(path, empty)
    for n in range(6):
        (a, b)[n % 2].add(row(f"s{n}"))
    a.settle()
    b.add(row("s6"))
    assert names(b.settle()) == names(read(path)) == {f"s{n}" for n in range(7)}


def test_a_board_that_was_deleted_stays_deleted(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b").close()
    writer = BoardWriter(path, empty)
    path.unlink()
    writer.add(row("c"))
    assert names(writer.settle()) == {"c"}


def test_removed_rows_do_not_come_back(path: Path, empty: Leaderboard) -> None:
    writer = grade(path, empty, "a", "b", "c")
    writer.close()
    with pytest.raises(UsageError, match=r"nothing was removed: no student on .* is called nobody"):
        remove(path, ["b", "nobody"])
    assert names(read(path)) == {"a", "b", "c"}
    assert remove(path, ["b"]) == ["b"]
    writer.add(row("d"))
    assert names(writer.settle()) == {"a", "c", "d"}


def test_a_damaged_board_is_rebuilt_from_the_logs(path: Path, empty: Leaderboard) -> None:
    grade(path, empty, "a", "b").settle()
    path.write_text(path.read_text()[:-100])
    writer = BoardWriter(path, empty, lambda: [row("a", 0.5), row("b", 0.6)])
    (remark,) = writer.add(row("c"))
    assert "holds the 2 row(s) of the logs" in remark
    assert names(writer.settle()) == {"a", "b", "c"}
    (aside,) = path.parent.glob("b.json.damaged-*")
    assert aside.name in remark


def test_a_damaged_board_survives_a_rebuilding_that_fails(
    path: Path, empty: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a crash, between finding the damage and writing the new board."""
    grade(path, empty, "a").settle()
    damaged = path.read_text()[:-100]
    path.write_text(damaged)

    def full(*_: object) -> None:
        raise SetupError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomically", full)
        with pytest.raises(SetupError):
            BoardWriter(path, empty, lambda: [row("a")]).add(row("d"))
    assert path.read_text() == damaged
    assert names(BoardWriter(path, empty, lambda: [row("a")]).settle()) == {"a"}


def test_every_grading_names_what_graded_it(path: Path, empty: Leaderboard) -> None:
    """And the board says what that was, as long as a row needs it."""
    theirs = Leaderboard(task=empty.task, environment=environment("gpu"), updated="")
    keys = {}
    for head, files in ((empty, "one"), (theirs, "two")):
        key = head.environment.key
        keys[files] = key
        head = Leaderboard(
            task=head.task, environment=head.environment, environments={key: head.environment}, updated=""
        )
        graded_ = graded(files, 0.5, 1)
        BoardWriter(path, head).add(GradedRow.model_validate({**dict(graded_), "environment": key}))
    board = read(path)
    assert board is not None
    (found,) = board.rows
    assert [(g.submission, g.environment) for g in (*found.history, found)] == list(keys.items())
    assert {name: made.device for name, made in board.environments.items()} == {keys["one"]: "cpu", keys["two"]: "gpu"}
    remove(path, ["ada"])
    assert (read(path) or board).environments == {}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_boards_of_earlier_versions_are_read_and_gone_on_from(path: Path, version: Path) -> None:
    before = json.loads(version.read_text())
    shutil.copy(version, path)
    board = read(path)
    assert board is not None
    there = {(r["kind"], r["id"]): r for r in before["rows"]}
    assert {(r.kind, r.id): r.accuracy for r in board.rows} == {key: r["accuracy"] for key, r in there.items()}
    assert {r.id: r.baseline for r in board.rows} == {
        r["id"]: r.get("constant", r.get("baseline")) for r in before["rows"]
    }
    assert {r.id: len(r.history) for r in board.rows} == {r["id"]: len(r["history"]) for r in before["rows"]}
    assert [r.rank for r in board_at(path).rows if r.rank] == [1, 2]
    head = Leaderboard(
        task=BoardTask.model_validate(before["task"], strict=False), environment=environment(), updated=""
    )
    writer = BoardWriter(path, head)
    writer.add(graded("files", 0.5, 1, name="new"))
    assert names(writer.settle()) == {r["id"] for r in before["rows"]} | {"new"}
    assert json.loads(path.read_text())["schema_version"] == 3


def test_there_is_a_file_of_every_earlier_version() -> None:
    versions = [json.loads(path.read_text())["schema_version"] for path in VERSIONS]
    assert versions == list(range(1, Leaderboard.model_fields["schema_version"].default))


ROWS = st.integers(0, 5)
FILES = st.sampled_from(["one", "two", "three"])
GRADERS = st.integers(0, 1)
ACCURACIES = {"one": 0.5, "two": 0.6, "three": 0.7}


class Boards(RuleBasedStateMachine):
    """Two graders, each with the class that it was called for, on one board.

    A run that is killed loses what it had not written; its cache does not, so the same command grades the same again.
    What the file must hold: whatever was graded last of every submission, once.
    """

    empty: Leaderboard

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "b.json"
        self.writers = [BoardWriter(self.path, self.empty) for _ in range(2)]
        self.given: list[dict[str, str]] = [{}, {}]  # what each run was called for, by id: the files
        self.logs: dict[str, GradedRow] = {}
        self.outside: set[str] = set()  # rows that somebody took away, or brought, since they were graded

    def teardown(self) -> None:
        for writer in self.writers:
            writer.close()
        shutil.rmtree(self.folder)

    def _add(self, grader: int, name: str, files: str) -> None:
        new = graded(files, ACCURACIES[files], 1, name=name)
        self.logs[name] = new
        self.writers[grader].add(new)

    @rule(grader=GRADERS, n=ROWS, files=FILES)
    def add(self, grader: int, n: int, files: str) -> None:
        name = f"{'ab'[grader]}{n}"
        self.given[grader][name] = files
        self.outside.discard(name)
        self._add(grader, name, files)

    @rule(grader=GRADERS)
    def kill_and_run_again(self, grader: int) -> None:
        """The process is gone with what it had not written; the same command takes everything from its cache."""
        self.writers[grader]._cancel_timer()
        self.writers[grader] = BoardWriter(self.path, self.empty, lambda: list(self.logs.values()))
        for name, files in self.given[grader].items():
            self._add(grader, name, files)
            self.outside.discard(name)

    @rule(grader=GRADERS)
    def end(self, grader: int) -> None:
        self.writers[grader].settle()
        self.given[grader] = {}

    @rule(n=ROWS, grader=GRADERS)
    def remove(self, n: int, grader: int) -> None:
        for writer in self.writers:
            writer.settle()
        name = f"{'ab'[grader]}{n}"
        if self.path.exists() and name in names(read(self.path)):
            assert remove(self.path, [name]) == [name]
            self.outside.add(name)

    @rule()
    def damage(self) -> None:
        """Half of the file is lost; the logs know what was graded last of everybody."""
        for writer in self.writers:
            writer.settle()
        self.path.write_bytes(self.path.read_bytes()[:-40])
        self.writers = [BoardWriter(self.path, self.empty, lambda: list(self.logs.values())) for _ in range(2)]
        self.outside |= self.logs.keys()
        self.writers[0].settle()

    @rule()
    def replace(self) -> None:
        """A checkout of a former version of the file, in the middle of a run."""
        for writer in self.writers:
            writer.settle()
        kept = self.path.read_bytes()
        self._add(0, "a0", "three")
        self.given[0]["a0"] = "three"
        self.writers[0].settle()
        self.path.write_bytes(kept)
        self.outside.add("a0")

    @invariant()
    def the_board_holds_what_was_graded(self) -> None:
        for writer in self.writers:
            writer.settle()
        board = read(self.path)
        assert board is not None
        rows = {r.id: r for r in board.rows}
        assert len(rows) == len(board.rows)
        wanted = {name: log.submission for name, log in self.logs.items() if name not in self.outside}
        assert {name: rows[name].submission for name in wanted} == wanted
        for found in rows.values():
            gradings = [*found.history, found]
            assert sorted(g.number for g in gradings) == list(range(1, len(gradings) + 1))
            assert found.verdict is Verdict.OK


def test_whatever_happens_to_two_runs_the_board_holds_what_was_graded(empty: Leaderboard) -> None:
    Boards.empty = empty
    module_settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Boards, settings=module_settings)
