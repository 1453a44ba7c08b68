"""Decisions of the course change ranks and points, never a result; nothing that happens to the board loses them."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from grader.core.errors import SetupError, UsageError
from grader.core.kind import Kind
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard import storage
from grader.leaderboard.decisions import Action, Decision, record_of
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.points import total
from grader.publish.export import FORMATS, Request
from grader.publish.live import LiveSite
from grader.publish.markdown import markdown
from grader.publish.names import Names, parse
from grader.publish.public import public
from grader.publish.site import Site
from grader.publish.tables import board_csv
from support.boards import board_of, failed, references, scored
from support.runs import grader

STUDENTS = {"ada": 0.95, "bo": 0.9, "cy": 0.85, "di": 0.8}


@pytest.fixture
def path(tmp_path: Path, task: Task, facts: TaskFacts) -> Path:
    """A board with ada, bo, cy, di in this order, and eve, whose code raises."""
    rows = [scored(name, accuracy, n) for n, (name, accuracy) in enumerate(STUDENTS.items())]
    board = board_of([*rows, failed("eve", Verdict.CRASH), *references()], task, facts)
    path = tmp_path / "leaderboard.json"
    path.write_text(board.model_dump_json())
    return path


def decision(identity: str, action: Action, **more: Any) -> Decision:
    given = {"reason": "copied", "by": "Prof. Roy", "at": "2026-12-01T10:00:00+00:00", **more}
    given |= {"undoes": 1} if action is Action.UNDO else {}
    return Decision(number=1, task="", id=identity, action=action, **given)


def ranks(board: Leaderboard) -> dict[str, int | None]:
    return {row.id: row.rank for row in board.rows if row.kind is Kind.STUDENT}


def of(board: Leaderboard, identity: str) -> Any:
    return next(row for row in board.rows if row.id == identity)


@pytest.mark.parametrize("action", [Action.DISQUALIFY, Action.WITHDRAW])
def test_a_row_that_is_taken_off_has_no_rank_and_no_points_and_the_others_close_up(path: Path, action: Action) -> None:
    before = storage.board_at(path)
    assert ranks(before) == {"ada": 1, "bo": 2, "cy": 3, "di": 4, "eve": None}
    storage.decide(path, decision("bo", action))
    after = storage.board_at(path)
    assert ranks(after) == {"ada": 1, "cy": 2, "di": 3, "bo": None, "eve": None}
    assert ranks(storage.read(path)) == ranks(after)  # type: ignore[arg-type]  # the file itself says so, too
    assert [row.id for row in after.rows if row.kind is Kind.STUDENT][-2:] == ["bo", "eve"]
    assert of(after, "ada").to_next.mean == pytest.approx(0.1)  # to cy
    assert of(after, "bo").to_default is None
    assert of(after, "bo").rank_interval is None
    assert of(after, "bo").unranked == of(before, "bo").unranked  # the result
    assert (total(of(after, "ada"), after), total(of(after, "bo"), after)) == (2.0, 0.0)
    storage.decide(path, decision("bo", Action.UNDO, reason="it was a mistake"))
    assert storage.board_at(path).rows == before.rows


def test_points_are_set_and_several_decisions_are_undone_one_by_one(path: Path) -> None:
    storage.decide(path, decision("eve", Action.POINTS, points=1.5))
    storage.decide(path, decision("eve", Action.POINTS, points=0.5))
    storage.decide(path, decision("eve", Action.DISQUALIFY))

    def points() -> float:
        board = storage.board_at(path)
        return total(of(board, "eve"), board)

    assert points() == 0.0  # the newest decision holds
    storage.decide(path, decision("eve", Action.POINTS, points=0.25))
    assert points() == 0.25
    for left in (0.0, 0.5, 1.5, 0.0):
        storage.decide(path, decision("eve", Action.UNDO))
        assert points() == left
    with pytest.raises(UsageError, match="nothing to undo"):
        storage.decide(path, decision("eve", Action.UNDO))
    record = [json.loads(line) for line in record_of(path).read_text().splitlines()]
    assert [line["number"] for line in record] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [line.get("undoes") for line in record] == [None, None, None, None, 4, 3, 2, 1]


def test_gradebooks_show_what_was_earned_and_what_was_decided(path: Path, tmp_path: Path) -> None:
    storage.decide(path, decision("ada", Action.DISQUALIFY))
    storage.decide(path, decision("eve", Action.POINTS, points=1.5))
    (tmp_path / "roster.csv").write_text("id,name\nada,Ada\nbo,Bo\neve,Eve\nfay,Fay\n")
    request = Request(board=storage.board_at(path), roster=tmp_path / "roster.csv")
    lines = csv.DictReader(io.StringIO(FORMATS["gradebook"](request), newline=""))
    found = [
        (line["id"], line["decision"], line["rank"], line["earned"], line["override"], line["points"]) for line in lines
    ]
    assert found == [
        ("ada", "disqualified", "", "2.0", "0.0", "0.0"),
        ("bo", "", "1", "1.0", "", "1.0"),
        ("eve", "points set", "", "0.0", "1.5", "1.5"),
        ("fay", "", "", "", "", ""),
    ]


def test_a_run_ranks_by_the_decisions_also_those_made_while_it_runs(path: Path, task: Task, facts: TaskFacts) -> None:
    storage.decide(path, decision("bo", Action.DISQUALIFY))
    writer = storage.BoardWriter(path, board_of([], task, facts))
    writer.add(scored("bo", 0.99, 1, submission="f" * 64))  # handed in again: still disqualified
    assert ranks(writer.board())["bo"] is None
    storage.decide(path, decision("ada", Action.WITHDRAW))
    writer.add(scored("fay", 0.7, 5))
    board = writer.settle()
    writer.close()
    assert ranks(board) == {"cy": 1, "di": 2, "fay": 3, "bo": None, "ada": None, "eve": None}
    assert of(board, "bo").accuracy == 0.99
    assert ranks(storage.board_at(path)) == ranks(board)


@pytest.mark.parametrize("form", ["gradescope", "classroom"])
def test_systems_of_one_submission_get_what_was_decided(path: Path, form: str) -> None:
    def scores() -> tuple[list[float], str]:
        text = FORMATS[form](Request(board=storage.board_at(path), identity="ada"))
        text = text if form == "gradescope" else base64.b64decode(text).decode()
        return [test["score"] for test in json.loads(text)["tests"]], text

    assert scores()[0] == [1.0, 1.0]
    storage.decide(path, decision("ada", Action.DISQUALIFY))
    assert scores()[0] == [0.0]
    assert "the submission is disqualified" in scores()[1]
    with pytest.raises(UsageError, match="ada is disqualified: there is no score"):
        FORMATS["codabench"](Request(board=storage.board_at(path), identity="ada"))
    storage.decide(path, decision("ada", Action.POINTS, points=1.5))
    assert scores()[0] == [1.5]


def test_a_run_takes_up_a_decision_whose_ranks_could_not_be_written(
    path: Path, task: Task, facts: TaskFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = storage.BoardWriter(path, board_of([], task, facts))
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_write", raises)
        with pytest.raises(SetupError, match="the decision is recorded, but the ranks in the file are not"):
            storage.decide(path, decision("ada", Action.DISQUALIFY))
    assert ranks(writer.settle())["ada"] is None


def raises(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_who_was_decided_about_can_be_decided_about_after_a_removal(path: Path) -> None:
    storage.decide(path, decision("ada", Action.NOTE, note="x"))
    storage.remove(path, ["ada"])
    assert storage.decide(path, decision("ada", Action.WITHDRAW)).number == 2


def test_the_site_of_a_run_shows_what_is_decided_meanwhile(
    path: Path, tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    writer = storage.BoardWriter(path, board_of([], task, facts))
    (tmp_path / "key").write_text("0123456789abcdef")
    for names in (Names(), parse("pseudonyms", tmp_path / "key")):
        site = LiveSite(Site(tmp_path / f"site-{names.mode}"), names, writer, [])
        site._publish(running=True)
        index = site._site.folder / "index.html"
        assert "disqualified" not in index.read_text()
        storage.decide(path, decision("ada", Action.DISQUALIFY, public=True))
        writer.add(scored("di", 0.8, 3))
        writer.close()
        site._publish(running=True)
        lines = re.findall(r"<tr data-verdict.*?</tr>", index.read_text(), re.S)
        assert ["disqualified" in line for line in lines if 'class="other' not in line].index(True) == 3  # before eve
        storage.decide(path, decision("ada", Action.UNDO))
        writer.settle()
        site._publish(running=True)
        assert "disqualified" not in "".join(p.read_text() for p in site._site.folder.rglob("*.html"))


def test_the_record_survives_a_damaged_board(path: Path, task: Task, facts: TaskFacts) -> None:
    storage.decide(path, decision("ada", Action.DISQUALIFY))
    path.write_text("{")
    logged = [scored(name, accuracy, n) for n, (name, accuracy) in enumerate(STUDENTS.items())]
    writer = storage.BoardWriter(path, board_of([], task, facts), lambda: logged)
    board = writer.settle()
    assert ranks(board) == {"bo": 1, "cy": 2, "di": 3, "ada": None}


def test_another_tasks_board_at_the_same_place_is_not_decided_about(path: Path, task: Task, facts: TaskFacts) -> None:
    storage.decide(path, decision("ada", Action.DISQUALIFY))
    other = task.model_copy(update={"name": "next-week"})
    path.write_text(board_of([scored("ada", 0.9)], other, facts).model_dump_json())
    assert ranks(storage.board_at(path)) == {"ada": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("disqualify", "disqualified", 1), "jsonl:1 is no decision (action: "),
        (lambda text: text.split("\n", 1)[1], "jsonl:1 has the number 2: a line was added or removed by hand"),
        (lambda text: "\n" + text, "jsonl:1 is no decision"),
        (
            lambda text: text.replace("disqualify", "points", 1),
            "jsonl:1 is no decision (Value error, points need a number",
        ),
    ],
)
def test_nothing_is_ranked_by_a_record_that_cannot_be_read(path: Path, change: Any, said: str) -> None:
    storage.decide(path, decision("bo", Action.DISQUALIFY))
    storage.decide(path, decision("cy", Action.NOTE, note="see me"))
    board, record = path.read_bytes(), record_of(path)
    record.write_text(change(record.read_text()))
    for look in (lambda: storage.board_at(path), lambda: storage.decide(path, decision("ada", Action.WITHDRAW))):
        with pytest.raises(SetupError, match=re.escape(said)):
            look()
    assert path.read_bytes() == board


def test_who_sees_what(path: Path, tmp_path: Path) -> None:
    """The site names the decision; its reason and notes only if the course says so, and never beside a pseudonym."""
    storage.decide(path, decision("bo", Action.DISQUALIFY, reason="copied from <cy>"))
    storage.decide(path, decision("cy", Action.NOTE, note="let somebody copy", reason="talked to both"))
    storage.decide(path, decision("di", Action.POINTS, points=1.5, reason="shown in the lecture", public=True))
    board = storage.board_at(path)
    seen = public(board, Names())
    Site(tmp_path / "site").write(seen)
    pages = {
        p.name: p.read_text() for p in (tmp_path / "site").rglob("*") if p.is_file() and p.suffix in (".html", ".csv")
    }
    everything = "\n".join(pages.values())
    for secret in ("copied from", "let somebody copy", "talked to both", "Prof. Roy"):
        assert secret not in everything
    (page,) = (text for name, text in pages.items() if name.startswith("bo-"))
    assert "none: disqualified by a decision of the course" in page
    assert "The accuracies of" not in page
    assert ">disqualified</small>" in pages["index.html"]
    assert sum("shown in the lecture" in text for text in pages.values()) == 1
    bo = next(line for line in csv.DictReader(io.StringIO(board_csv(seen), newline="")) if line["name"] == "bo")
    assert (bo["rank"], bo["verdict"], bo["marks"]) == ("", "ok", "disqualified")
    assert "ok, disqualified" in markdown(seen, None)
    (tmp_path / "key").write_text("0123456789abcdef")
    hidden = public(board, parse("pseudonyms", tmp_path / "key"))
    assert [row.status for row in hidden.rows if row.kind is Kind.STUDENT].count("disqualified") == 1
    assert not any(row.quoted for row in hidden.rows)


def test_the_command_decides_shows_and_undoes(path: Path) -> None:
    done = grader(
        "mark", "bo", "--disqualify", "--reason", "copied", "--by", "Roy", "--leaderboard", path.name, cwd=path.parent
    )
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert re.fullmatch(r"bo: 1\. .* UTC, Roy: disqualified: copied", first)
    assert others[0].startswith("bo has no rank now on leaderboard.json (task ")
    assert others[1] == "points in the gradebook: 0 of 2"
    table = grader("show", "--leaderboard", path.name, "--wide", cwd=path.parent).stdout
    assert "ok, disqualified" in table
    told = grader("explain", "bo", "--leaderboard", path.name, cwd=path.parent).stdout
    assert "No rank: it is disqualified." in told
    assert "UTC, Roy: disqualified: copied" in told
    assert "Points in the gradebook: 0." in told
    done = grader(
        "mark", "bo", "--undo", "--reason", "cleared", "--by", "Roy", "--leaderboard", path.name, cwd=path.parent
    )
    assert "bo has rank 2 now" in done.stdout
    listed = grader("mark", "bo", "--leaderboard", path.name, cwd=path.parent).stdout.splitlines()
    assert [line.endswith("(undone)") for line in listed] == [True, False]
    assert "nothing was decided about ada" in grader("mark", "ada", "--leaderboard", path.name, cwd=path.parent).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["bob", "--disqualify", "--by", "R", "--reason", "x"],
            "no student on leaderboard.json is called bob; there is bo",
        ),
        (["default", "--disqualify", "--by", "R", "--reason", "x"], "no student on leaderboard.json is called default"),
        (["bo", "--disqualify", "--by", "R"], "why? add --reason"),
        (["bo", "--disqualify", "--reason", "x"], "who decides? add --by"),
        (["bo", "--disqualify", "--undo", "--by", "R", "--reason", "x"], "one decision at a time"),
        (["bo", "--points", "-1", "--by", "R", "--reason", "x"], "use a number from 0 up"),
        (["bo", "--points", "nan", "--by", "R", "--reason", "x"], "use a number from 0 up"),
        (["bo", "--reason", "x", "--by", "R"], "nothing is decided"),
        (["bob"], "no student on leaderboard.json is called bob"),
        (["bo", "--note", " ", "--by", "R"], "nothing is decided"),
        (["bo", "--undo", "--public", "--reason", "x", "--by", "R"], "--public goes with a decision"),
        (["bo", "--undo", "--reason", "x", "--by", "R"], "nothing to undo"),
    ],
)
def test_mistakes_are_explained_and_decide_nothing(path: Path, arguments: list[str], said: str) -> None:
    done = grader("mark", *arguments, "--leaderboard", path.name, cwd=path.parent)
    assert done.returncode == 2
    assert said in done.stderr
    assert not record_of(path).exists()
