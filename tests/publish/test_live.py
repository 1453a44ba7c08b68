"""The site while a run is going on shows what a site written at that moment from the whole board would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import GradedRow, Leaderboard
from grader.leaderboard.ranking import header
from grader.leaderboard.storage import BoardWriter, remove
from grader.publish.live import LiveSite
from grader.publish.names import NameMode, Names
from grader.publish.public import public
from grader.publish.public_board import Progress
from grader.publish.site import Site
from grader.submissions.entry import Entry
from grader.submissions.loader import Submission
from support.boards import TRAINER, failed, references, scored

KEY = b"0123456789abcdef0123456789abcdef"
MODES = [Names(), Names(mode=NameMode.PSEUDONYMS, key=KEY), Names(mode=NameMode.TOP, top=2)]


@pytest.fixture
def empty(task: Task, facts: TaskFacts) -> Leaderboard:
    return header(task, [facts], TRAINER)


def entry_of(row: GradedRow) -> Entry:
    return Entry(Submission(id=row.id, files={"config.py": row.submission.encode()}), row.kind)


def files(folder: Path) -> dict[str, str]:
    """Every file, without the minute in which it was written."""
    found = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return {name: re.sub(r"updated \S+ \S+ UTC", "", text) for name, text in found.items()}


@pytest.mark.parametrize("names", MODES, ids=lambda names: names.mode.value)
def test_every_version_is_that_of_the_whole_board(tmp_path: Path, empty: Leaderboard, names: Names) -> None:
    rows = [
        *references(),
        *(scored(name, accuracy, n) for n, (name, accuracy) in enumerate([("a", 0.8), ("b", 0.9), ("c", 0.7)])),
        failed("d", Verdict.CRASH),
        scored("e", 0.95, 9),
        scored("a", 0.97, 20),  # other files: it climbs
        failed("b", Verdict.CONTRACT, 21),  # falls off the ranks
        scored("b", 0.9, 1),
    ]
    entries = [entry_of(row) for row in rows]
    total = len({(entry.kind, entry.submission.id) for entry in entries})
    writer = BoardWriter(tmp_path / "board.json", empty)
    live = LiveSite(Site(tmp_path / "live"), names, writer, entries)
    done = set()
    for n, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        writer.add(row)
        live.graded(entry)
        live._publish(running=True)
        assert live.problem is None
        done.add((entry.kind, row.id))
        whole = tmp_path / f"whole{n}"
        board = writer.board()
        waiting = {
            (e.kind, e.submission.id)
            for e in entries
            if (e.kind, e.submission.id) not in done and any(r.id == e.submission.id for r in board.rows)
        }
        Site(whole).write(public(board, names, Progress(done=len(done), total=total), waiting))
        assert files(tmp_path / "live") == files(whole)
    live.settle(writer.settle())
    live._publish(running=False)
    Site(tmp_path / "end").write(public(writer.settle(), names))
    assert files(tmp_path / "live") == files(tmp_path / "end")


def test_only_what_is_new_is_written(tmp_path: Path, empty: Leaderboard) -> None:
    writer = BoardWriter(tmp_path / "board.json", empty)
    for n in range(30):
        writer.add(scored(f"s{n:02}", 0.5 + n / 100, n))
    live = LiveSite(Site(tmp_path / "site"), Names(), writer, [])
    live._publish(running=True)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site/s").iterdir()}
    writer.add(scored("new", 0.7, 31))
    live._publish(running=True)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "site/s").iterdir()}
    assert {path.name[:3] for path, _ in after.items() - before.items()} == {"new"}


def test_a_page_that_could_not_be_written_is_written_the_next_time(
    tmp_path: Path, empty: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BoardWriter(tmp_path / "board.json", empty)
    live = LiveSite(Site(tmp_path / "site"), Names(), writer, [])
    writer.add(scored("a", 0.5))
    with monkeypatch.context() as patch:
        patch.setattr("grader.publish.site.submission_page", lambda *_: 1 / 0)
        live._publish(running=True)
    assert live.problem is not None
    live._publish(running=True)
    now: str | None = live.problem
    assert now is None
    assert [path.name[:2] for path in (tmp_path / "site/s").iterdir()] == ["a-"]


def test_who_is_taken_off_the_board_is_off_the_site(tmp_path: Path, empty: Leaderboard) -> None:
    writer = BoardWriter(tmp_path / "board.json", empty)
    live = LiveSite(Site(tmp_path / "site"), Names(), writer, [])
    for name in ("stays", "leaves"):
        writer.add(scored(name, 0.5))
    writer.close()
    live._publish(running=True)
    remove(writer.path, ["leaves"])
    writer.add(scored("comes", 0.6))
    writer.close()  # the file is written, and read before: at the latest a second after the grading
    live._publish(running=True)
    assert not any("leaves" in name + text for name, text in files(tmp_path / "site").items())
