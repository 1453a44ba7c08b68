"""What is published: who is named, and which files there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.core.errors import GraderError, UsageError
from grader.core.kind import Kind
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.history import merged
from grader.leaderboard.models import GradedRow, Leaderboard, RankingPolicy
from grader.publish.names import NameMode, Names, parse, shown
from grader.publish.public import public
from grader.publish.public_board import Progress
from grader.publish.site import Site
from support.boards import board_of, failed, hostile_board, large_board, references, scored
from support.gradings import graded

KEY = b"a secret of the course, kept by it"
FULL, HIDDEN = Names(), Names(mode=NameMode.PSEUDONYMS, key=KEY)


@pytest.fixture
def board(task: Task, facts: TaskFacts) -> Leaderboard:
    return large_board(40, task, facts)


def everything(folder: Path) -> str:
    """Names and contents of all files, as one text."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return "\n".join(f"{p.relative_to(folder)}\n{p.read_text()}" for p in files)


def test_pseudonyms_stay_and_hang_on_the_secret(board: Leaderboard) -> None:
    first, again = shown(board, HIDDEN), shown(board.model_copy(update={"rows": board.rows[::-1]}), HIDDEN)
    assert first == again
    other = shown(board, Names(mode=NameMode.PSEUDONYMS, key=KEY + b"x"))
    students = [key for key in first if key[0] is Kind.STUDENT]
    assert all(first[key].name != other[key].name for key in students)
    assert len({first[key].name for key in students}) == len(students)
    assert all(re.fullmatch(r"[a-z]+-[a-z]+-[0-9a-f]{8}", first[key].name) for key in students)
    assert first[Kind.REFERENCE, "cosine"].name == "cosine"


def test_no_name_is_in_any_file_under_pseudonyms(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    board = hostile_board(task, facts)
    rows: list[GradedRow] = [
        r if r.kind is not Kind.STUDENT
        else r.model_copy(update={"id": f"IDENTITY{n}", "team": (f"NAME{n}",), "detail": f"DETAIL{n}"})
        for n, r in enumerate(board.rows)
    ]  # fmt: skip
    rows += [failed("IDENTITY-late", Verdict.CONTRACT, text="NAME's own words in DETAIL")]
    named = board_of(rows, task, facts)
    Site(tmp_path / "site").write(public(named, FULL))
    assert re.search("identity|name\\d|detail\\d", everything(tmp_path / "site"), re.I)
    Site(tmp_path / "site").write(public(named, HIDDEN))  # over the named one: nothing of it may stay
    text = everything(tmp_path / "site")
    assert not re.search("identity|name\\d|NAME|detail\\d|DETAIL", text)
    assert "0" * 63 not in text  # hashes of files or recipes would do for a name
    assert "a rule is broken: get_lr() returns one finite" in text
    assert len(list((tmp_path / "site/s").iterdir())) == len(rows)


def test_pseudonyms_stand_in_no_order_of_names(task: Task, facts: TaskFacts) -> None:
    rows = [failed(f"s{n:02}", Verdict.CRASH) for n in range(12)] + [scored(f"t{n:02}", 0.9, n) for n in range(12)]
    board = board_of([*rows, *references()], task, facts)
    shown_as = shown(board, HIDDEN)
    order = [row.name for row in public(board, HIDDEN).rows]
    for group in ("s", "t"):
        pseudonyms = [shown_as[Kind.STUDENT, f"{group}{n:02}"].name for n in range(12)]
        assert [name for name in order if name in pseudonyms] == sorted(pseudonyms) != pseudonyms
    ranks = [row.rank for row in public(board, HIDDEN).rows if row.rank is not None]
    assert ranks == sorted(ranks)


def test_only_the_first_are_named(tmp_path: Path, board: Leaderboard) -> None:
    Site(tmp_path / "site").write(public(board, parse("top-3", None)))
    text = everything(tmp_path / "site")
    students = [r for r in board.rows if r.kind is Kind.STUDENT]
    assert all((r.id in text) == (r.rank is not None and r.rank <= 3) for r in students)
    assert "cosine" in text
    assert f"{len(students) - 3} more are graded and not shown" in text


@pytest.mark.parametrize("text", ["", "top-0", "top", "anonymous", "top-3x"])
def test_a_wrong_choice_of_names_is_explained(text: str) -> None:
    with pytest.raises(UsageError, match="full, pseudonyms, or top-N"):
        parse(text, None)


def test_a_missing_or_short_secret_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADER_PSEUDONYM_KEY", raising=False)
    with pytest.raises(UsageError, match=r"--key-file FILE or the variable GRADER_PSEUDONYM_KEY; make one with"):
        parse("pseudonyms", None)
    (tmp_path / "key").write_text("short\n")
    with pytest.raises(UsageError, match="5 bytes can be guessed"):
        parse("pseudonyms", tmp_path / "key")
    monkeypatch.setenv("GRADER_PSEUDONYM_KEY", "x" * 32)
    assert parse("pseudonyms", None).key == b"x" * 32


# --- the site's files ---


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, board: Leaderboard) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="name a new or empty folder"):
        Site(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_page_is_not_taken_for_a_site_of_ours(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html>my home page</html>")
    with pytest.raises(UsageError, match="name a new or empty folder"):
        Site(tmp_path)


def test_files_beside_an_earlier_site_stay(tmp_path: Path, board: Leaderboard) -> None:
    Site(tmp_path).write(public(board, FULL))
    (tmp_path / "CNAME").write_text("lr.example.org")
    before = {p.name for p in (tmp_path / "s").iterdir()}
    fewer = board.model_copy(update={"rows": board.rows[:5]})
    Site(tmp_path).write(public(fewer, FULL))
    assert (tmp_path / "CNAME").read_text() == "lr.example.org"
    assert len({p.name for p in (tmp_path / "s").iterdir()}) == 5 < len(before)


def test_what_a_killed_run_left_is_taken_away(tmp_path: Path, board: Leaderboard) -> None:
    Site(tmp_path).write(public(board, FULL))
    (tmp_path / "s/.student0001.html.123.abcd.partial").write_text("student0001")
    Site(tmp_path).write(public(board, HIDDEN))
    assert not list(tmp_path.rglob("*.partial"))


def test_a_site_that_cannot_be_written_is_our_users_to_mend(tmp_path: Path, board: Leaderboard) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GraderError, match="cannot be"):
        Site(tmp_path / "file").write(public(board, FULL))


def test_a_page_tells_the_history_and_the_nearest_reference(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    policy = RankingPolicy()
    row = merged(graded("a", 0.9, 1), graded("b", 0.8, 2), policy)
    row = merged(row, graded("b", 0.7, 3), policy)
    board = board_of([row, scored("like-cosine", 0.95, 0), *references()], task, facts)
    Site(tmp_path).write(public(board, FULL))
    (page,) = (tmp_path / "s").glob("ada-*.html")
    rows = re.findall(r"<tr><th scope=\"row\" class=\"n\">(\d)</th>.*?<td>([a-z ]+)</td></tr>", page.read_text())
    assert rows == [("1", "does not count"), ("2", "graded again since"), ("3", "counts")]
    (page,) = (tmp_path / "s").glob("like-cosine-*.html")
    assert "cosine (the same shape)" in page.read_text()


def test_rows_wait_visibly_and_progress_is_said(tmp_path: Path, board: Leaderboard) -> None:
    first = board.rows[0]
    Site(tmp_path).write(public(board, FULL, Progress(done=3, total=9), {(first.kind, first.id)}))
    text = (tmp_path / "index.html").read_text()
    assert "Grading: 3 of 9 done" in text
    assert text.count("newer one waiting") == 1


@pytest.mark.parametrize("rate", [0.0, 5e-324, 1e-322, 1e-310, 1e-12, 1e15])
def test_any_learning_rate_can_be_drawn(tmp_path: Path, task: Task, facts: TaskFacts, rate: float) -> None:
    from grader.core.curves import LrSummary

    def summary(*curve: float) -> LrSummary:
        return LrSummary(
            first=rate, last=rate, lowest=rate, highest=rate, distinct=1, steps=max(1, len(curve)), curve=curve
        )

    curves = [summary(rate), summary(rate, rate), summary(*[0.0, rate] * 32), summary(0.0, rate, 1e15), summary()]
    rows = [scored(f"s{n}", 0.9, learning_rate=curve) for n, curve in enumerate(curves)]
    Site(tmp_path).write(public(board_of([*rows, *references()], task, facts), FULL))
    assert "nan" not in (tmp_path / "index.html").read_text()
    assert not re.search(r'd="[^"]*(nan|inf)', everything(tmp_path))
