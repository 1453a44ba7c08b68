"""Every system gets its own table back, with the points of the right students."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from grader.core.errors import UsageError
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import GradedRow, Leaderboard
from grader.publish.export import FORMATS, Request
from support.boards import board_of, failed, references, scored

HEAD = "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments"
WORKSHEET = (
    f"\ufeff{HEAD}\r\n"
    "Participant 2345671,Ada Moreno,17,ada@example.org,Submitted,,2.00,-,\r\n"
    "Participant 2345672,Bo Li,18,bo@example.org,Submitted,1.00,2.00,-,good\r\n"
    "Participant 2345673,=cmd Díaz,19,cmd@example.org,No submission,,2.00,-,\r\n"
    "Participant 2345674,Dan Roy,20,dan@example.org,No submission,,2.00,-,\r\n"
)
COLUMN = "LR week [Total Pts: 2 Score] |4711"
BLACKBOARD = (
    f'"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Availability"\t"{COLUMN}"\n'
    '"Moreno"\t"Ada"\t"amoreno"\t"17"\t"Yes"\t""\n"Li"\t"Bo"\t"boli"\t"18"\t"Yes"\t"1"\n'
)


@pytest.fixture(scope="module")
def board(task: Task, facts: TaskFacts) -> Leaderboard:
    """Ada and Dan are a team, Bo handed in twice, the newer one worse; and a stranger."""
    rows: list[GradedRow] = [
        scored("Ada Moreno_2345671", 0.95).model_copy(update={"team": ("Ada Moreno", "Dan Roy")}),
        scored("bo@example.org", 0.99).model_copy(update={"graded": "2026-01-01T00:00:00+00:00"}),
        scored("18", 0.2).model_copy(update={"graded": "2026-01-02T00:00:00+00:00"}),
        failed("stranger", Verdict.CRASH),
    ]
    return board_of([*rows, *references()], task, facts)


def table(board: Leaderboard, form: str, roster: Path, **options: str) -> tuple[list[dict[str, str]], list[str]]:
    request = Request(board=board, roster=roster, **options)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(FORMATS[form](request), newline=""))), request.remarks


def test_moodle_gets_its_worksheet_back(tmp_path: Path, board: Leaderboard) -> None:
    (tmp_path / "w.csv").write_text(WORKSHEET, encoding="utf-8")
    lines, remarks = table(board, "moodle", tmp_path / "w.csv")
    assert [(line["Identifier"], line["Grade"]) for line in lines] == [
        ("Participant 2345671", "2.0"), ("Participant 2345672", "1.0"), ("Participant 2345673", ""),
        ("Participant 2345674", "2.0"),
    ]  # fmt: skip
    assert lines[2]["Full name"] == "'=cmd Díaz"
    assert set(lines[0]) == set(HEAD.split(","))
    assert remarks == ["several submissions of 18: bo@example.org, 18; 18 counts", "not found in the roster: stranger"]
    (tmp_path / "w.csv").write_text(WORKSHEET.replace("2.00", "10.00"), encoding="utf-8")
    assert "Moodle gives 10.00 points, the task's [points] make 2" in table(board, "moodle", tmp_path / "w.csv")[1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_blackboard_gets_its_column_back(tmp_path: Path, board: Leaderboard, encoding: str) -> None:
    (tmp_path / "b.xls").write_text(BLACKBOARD, encoding=encoding)
    lines, _ = table(board, "blackboard", tmp_path / "b.xls", assignment=COLUMN)
    assert [(line["Username"], line[COLUMN]) for line in lines] == [("amoreno", "2.0"), ("boli", "1.0")]
    with pytest.raises(UsageError, match=r"use 'LR week \[Total"):
        table(board, "blackboard", tmp_path / "b.xls", assignment="LR week")


def test_columns_of_one_s_choice(tmp_path: Path, board: Leaderboard) -> None:
    (tmp_path / "r.csv").write_text("id,name,section\n17,Ada Moreno,A\n18,Bo Li,B\n19,Cy Ode,B\n20,Dan Roy,\n")
    lines, _ = table(board, "gradebook", tmp_path / "r.csv", columns="id, submission,points")
    assert [tuple(line.values()) for line in lines] == [
        ("17", "Ada Moreno_2345671", "2.0"), ("18", "18", "1.0"), ("19", "", ""), ("20", "Ada Moreno_2345671", "2.0"),
    ]  # fmt: skip
    lines, _ = table(board, "gradebook", tmp_path / "r.csv")
    assert (lines[1]["verdict"], lines[1]["section"]) == ("ok", "B")
    assert float(lines[1]["accuracy"]) == pytest.approx(0.2)
    with pytest.raises(UsageError, match="there is no column grade: use id, name"):
        table(board, "gradebook", tmp_path / "r.csv", columns="grade")


def test_canvas_gives_points_to_the_whole_team(tmp_path: Path, board: Leaderboard) -> None:
    column = "LR week (1234)"
    (tmp_path / "c.csv").write_text(
        f'Student,ID,SIS User ID,SIS Login ID,Section,{column}\nPoints Possible,,,,,2\n"Li, Bo",18,,boli,A,\n'
        '"Moreno, Ada",2345671,,amoreno,A,\n"Roy, Dan",20,,droy,A,\n'
    )
    lines, _ = table(board, "canvas", tmp_path / "c.csv", assignment=column)
    assert {line["ID"]: line[column] for line in lines[1:]} == {"18": "1.0", "2345671": "2.0", "20": "2.0"}


@pytest.mark.parametrize("form", ["moodle", "blackboard", "gradebook"])
def test_another_table_is_refused_with_what_it_lacks(tmp_path: Path, board: Leaderboard, form: str) -> None:
    with pytest.raises(UsageError, match="needs --roster"):
        FORMATS[form](Request(board=board))
    (tmp_path / "r.csv").write_text("id,name\n99,Nobody Here\n")
    with pytest.raises(UsageError, match="no submission belongs to anybody in"):
        table(board, form, tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("id,name\n17,Ada Moreno\n18,Bo Li\n")
    if form != "gradebook":
        with pytest.raises(UsageError, match="it has no column"):
            table(board, form, tmp_path / "r.csv", assignment="x")
