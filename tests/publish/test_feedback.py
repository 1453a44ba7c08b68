"""Feedback: one student's, self-contained, and in the form in which Moodle and Canvas take it back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.statistics import Difference
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.decisions import Action, Decision, Decisions
from grader.leaderboard.models import Beats, Leaderboard, PastGrading
from grader.leaderboard.ranking import settled
from grader.publish.feedback import feedback_for, write
from support.boards import HOSTILE, board_of, failed, hostile_board, references, scored
from support.runs import grader
from support.submissions import make

STUDENTS = [f"{name}-{n}-of-the-class" for n, name in enumerate(["ada", "bo", "cy", "di", "eve", "fay", "gil", "hal"])]


@pytest.fixture(scope="module")
def board(task: Task, facts: TaskFacts) -> Leaderboard:
    """Eight students: five near each other, one far below, one whose code raises, one who was disqualified."""
    accuracies = [0.95, 0.945, 0.94, 0.935, 0.93, 0.4]
    rows = [
        scored(name, accuracy, n, team=(f"Team {name.upper()}",), baseline=0.9)
        for n, (name, accuracy) in enumerate(zip(STUDENTS, accuracies, strict=False))
    ]
    past = PastGrading.of(rows[0], number=1, graded="2024-01-01T10:00:00+00:00")
    rows[0] = rows[0].model_copy(update={"number": 2, "history": (past,)})
    rows.append(failed(STUDENTS[6], Verdict.CRASH, 6, text="`x = 1 / 0` raised ZeroDivisionError"))
    rows.append(scored(STUDENTS[7], 0.99, 7, team=()))
    decided = Decision(
        number=1,
        task="",
        id=STUDENTS[7],
        action=Action.DISQUALIFY,
        reason=f"copied from {STUDENTS[1]}",
        by="Roy",
        at="2026",
    )
    board = settled(board_of([*rows, *references()], task, facts).deciding(Decisions(made=(decided,))))
    by = Difference(mean=0.05, low=0.04, high=0.06, pairs=3)
    told = {"rank_interval": (1, 3), "contribution": by, "to_default": by, "beats_default": Beats.YES}
    return board.with_rows(row.model_copy(update=told) if row.id == STUDENTS[0] else row for row in board.rows)


@pytest.fixture(scope="module")
def folder(board: Leaderboard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feedback")
    write(feedback_for(board), folder)
    return folder


def text_of(folder: Path, student: str) -> str:
    return (folder / student / "feedback.md").read_text()


def test_nobody_finds_another_student(board: Leaderboard, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(STUDENTS)
    for student in STUDENTS:
        files = list((folder / student).iterdir())
        assert sorted(path.name for path in files) == ["feedback.html", "feedback.md"]
        for path in files:
            text = path.read_text()
            assert student in text
            for row in board.rows:
                if row.kind is Kind.STUDENT and row.id != student:
                    for word in (row.id, *row.team, row.submission):
                        assert word not in text, (path, word)
            assert "Roy" not in text


def test_what_it_says(folder: Path) -> None:
    first = text_of(folder, STUDENTS[0])
    assert "- Points: 2 of 2 (accepted and trained: 1 of 1; better than the default scheduler: 1 of 1)." in first
    assert "Accuracy 95.00 % is the mean of 3 trainings" in first
    assert "Rank 1 of 6. Some neighbours cannot be told apart from you: any rank from 1 to 3 fits" in first
    assert "your configuration reaches 90.00 %: the schedule contributes +5.00 points" in first
    assert (
        "better than the default scheduler's by more than chance (95% confidence) (difference +5.00 points)." in first
    )
    assert "You have been graded 2 times; the latest counts." in first
    last = text_of(folder, STUDENTS[5])
    assert "Points: 1 of 2" in last
    assert "Rank 6 of 6." in last
    assert "told apart" not in last
    assert "too near to the default scheduler's to say which is better" in last
    crashed = text_of(folder, STUDENTS[6])
    assert "Points: 0 of 2" in crashed
    assert "## What to fix\n\n    scheduler.py:5: `x = 1 / 0` raised ZeroDivisionError: return a list" in crashed
    out = text_of(folder, STUDENTS[7])
    assert "Points: 0 of 2, the submission is disqualified." in out
    assert "No rank: the course decided that the submission is disqualified; ask your instructors" in out
    for student in STUDENTS[:6]:
        assert "To the next" not in (folder / student / "feedback.html").read_text()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("student", [STUDENTS[0], STUDENTS[6], STUDENTS[7]])
def test_the_page_stands_alone_in_a_browser(
    page: Page, folder: Path, scheme: str, student: str, tmp_path: Path
) -> None:
    alone = tmp_path / "downloaded.html"
    alone.write_text((folder / student / "feedback.html").read_text())
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(alone.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(student)
    links = page.locator("a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links), links
    if student == STUDENTS[0]:
        accuracy = page.get_by_role("img", name="Accuracy on the held-out images")
        assert accuracy.locator("path.base, path.best").count() == 2
        expect(page.get_by_text("the dotted line is the reference cosine").first).to_be_visible()
        expect(page.get_by_text("This submission: 95.0%")).to_be_visible()  # in the class's histogram
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    results = Axe().run(page)
    found = [v for v in results.response["violations"] if v["impact"] in ("serious", "critical", "moderate")]
    assert not found, results.generate_report()


def test_hostile_texts_are_texts(task: Task, facts: TaskFacts) -> None:
    for one in feedback_for(settled(hostile_board(task, facts))):
        for text in HOSTILE:
            if "<" in text:
                assert text not in one.page
        for line in one.text.splitlines():
            if any(text in line for text in HOSTILE):
                assert line.startswith("    "), line


def test_who_is_gone_is_gone_and_other_files_stay(board: Leaderboard, tmp_path: Path) -> None:
    write(feedback_for(board), tmp_path / "f")
    (tmp_path / "f" / STUDENTS[1] / "notes.txt").write_text("mine")
    rows = [row for row in board.rows if row.id not in STUDENTS[:2]]
    write(feedback_for(board.with_rows(rows)), tmp_path / "f")
    assert not (tmp_path / "f" / STUDENTS[0]).exists()
    assert [path.name for path in (tmp_path / "f" / STUDENTS[1]).iterdir()] == ["notes.txt"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="holds files that are not feedback"):
        write(feedback_for(board), tmp_path / "other")


@pytest.mark.parametrize("system", ["moodle", "canvas"])
def test_systems_get_an_archive_that_they_take_back(system: str, tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    """By the rules of their code: Moodle splits a name at its underscores, Canvas takes the first two numbers."""
    ada, bo = ("Ada Moreno_11", "Bo Li_12") if system == "moodle" else ("morenoada_11", "libo_12")
    for n, student in enumerate((ada, bo)):
        for m, (name, data) in enumerate(make().files.items()):
            path = tmp_path / "class" / f"{student}_assignsubmission_file_" / name
            if system == "canvas":
                late = student.replace("_", "_LATE_") if n else student
                path = tmp_path / "class" / f"{late}_{900 + 10 * n + m}_{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    rows = [scored(ada, 0.95), scored(bo, 0.9, 1), scored("somebody else", 0.8, 2)]
    (tmp_path / "board.json").write_text(board_of([*rows, *references()], task, facts).model_dump_json())
    arguments = ["feedback", "--leaderboard", "board.json", "--submissions", "class", "--out", "out"]
    done = grader(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wrote feedback for 3 student(s) to out" in done.stdout
    assert f"not in it, since {system.capitalize()} gave out nothing of theirs: somebody else" in done.stdout
    data = (tmp_path / f"out/{system}.zip").read_bytes()
    assert grader(*arguments, cwd=tmp_path).returncode == 0
    assert (tmp_path / f"out/{system}.zip").read_bytes() == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    if system == "moodle":
        assert [name.split("_", 4)[1:] for name in contents] == [
            ["11", "assignfeedback", "file", "feedback.html"], ["12", "assignfeedback", "file", "feedback.html"],
        ]  # fmt: skip
    else:
        numbers = [[int(part) for part in name.split("_") if part.isdigit()][:2] for name in contents]
        assert numbers == [[11, 900], [12, 910]]
        assert all(text.startswith("# Feedback") for text in contents.values())
    assert grader(*arguments[:3], "--out", "out", cwd=tmp_path).returncode == 0
    assert not (tmp_path / f"out/{system}.zip").exists()  # it would be of an earlier board
    for text, own, other in zip(contents.values(), (ada, bo), (bo, ada), strict=True):
        assert own in text
        assert other not in text


def test_mistakes_are_explained(board: Leaderboard, tmp_path: Path) -> None:
    (tmp_path / "board.json").write_text(board.model_dump_json())
    (tmp_path / "class/ada").mkdir(parents=True)
    done = grader("feedback", "--leaderboard", "board.json", "--submissions", "class", cwd=tmp_path)
    assert done.returncode == 2
    assert "class is no download of Moodle or Canvas: leave out --submissions" in done.stderr
    for name, data in make().files.items():
        path = tmp_path / "moodle/Ida Noe_99_assignsubmission_file_" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    done = grader("feedback", "--leaderboard", "board.json", "--submissions", "moodle", "--out", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert "handed in, but not on the board: Ida Noe_99" in done.stdout
    assert "nobody in moodle is on the board" in done.stderr
