"""Every format of the leaderboard: inert, whatever students write, and as its reader wants it."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.points import awards
from grader.publish.export import FORMATS, Request
from grader.publish.github import annotation, only_text
from grader.publish.markdown import SUMMARY_BYTES, markdown
from grader.publish.names import Names
from grader.publish.public import public
from support.boards import HOSTILE, board_of, failed, hostile_board, large_board, references, scored
from support.runs import commands


@pytest.fixture
def board(task: Task, facts: TaskFacts) -> Leaderboard:
    return large_board(40, task, facts)


def request(board: Leaderboard, **more: object) -> Request:
    return Request(board=board, **more)  # type: ignore[arg-type]


@pytest.fixture
def hostile(task: Task, facts: TaskFacts) -> Leaderboard:
    return hostile_board(task, facts)


def test_no_cell_of_a_csv_is_a_formula(hostile: Leaderboard) -> None:
    lines = list(csv.reader(io.StringIO(FORMATS["csv"](request(hostile)), newline="")))
    assert len(lines) == len(hostile.rows) + 1
    for line in lines[1:]:
        for value in line:
            assert not value.lstrip(" '\"").startswith(("=", "+", "-", "@", "\t", "\r")) or value.startswith("'"), value
    assert any(value.startswith("'=HYPERLINK") for line in lines for value in line)


def test_no_part_of_a_cell_is_a_formula_elsewhere(task: Task, facts: TaskFacts) -> None:
    """Where a semicolon parts cells, as in much of Europe."""
    board = board_of([scored("a;=HYPERLINK(1)", 0.9), scored('b; "=1+1', 0.8), *references()], task, facts)
    for value in re.split("[;,]", FORMATS["csv"](request(board))):
        assert not value.strip(' "').startswith("=")


def test_the_rows_of_a_csv_are_whole(hostile: Leaderboard) -> None:
    lines = list(csv.reader(io.StringIO(FORMATS["csv"](request(hostile)), newline="")))
    assert all(len(line) == len(lines[0]) for line in lines)


def test_markdown_shows_hostile_text_as_text(hostile: Leaderboard) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(FORMATS["markdown"](request(hostile)))
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    kinds = {child.type for child in inline}
    assert kinds <= {"text", "text_special", "em_open", "em_close"}, kinds  # no link, image, code or HTML
    rows = [t for t in tokens if t.type == "tr_open"]
    cells = [t for t in tokens if t.type == "td_open"]
    assert len(rows) == len(hostile.rows) + 1
    assert len(cells) == 6 * len(hostile.rows)
    shown_text = "".join(child.content for child in inline)
    assert not re.search(r"@\w|#\d|:\w|GH-\d", shown_text.replace(":-", ""))  # no mention, issue or emoji
    shown_text = shown_text.replace("\u200b", "")
    for text in HOSTILE:
        assert text.replace("\u202e", "?").replace("\u2066", "?") in shown_text


def test_a_long_summary_is_cut_after_whole_rows(task: Task, facts: TaskFacts) -> None:
    board = public(large_board(300, task, facts), Names())
    whole, cut = markdown(board), markdown(board, 8000)
    assert len(cut.encode()) <= 8000 < len(whole.encode())
    kept = [line for line in cut.splitlines() if line.startswith("|")]
    assert whole.startswith("\n".join(cut.splitlines()[: kept.index(kept[-1]) + 5]))
    count = int(re.search(r"(\d+) more rows", cut)[1])  # type: ignore[index]
    assert count + len(kept) - 2 == 303


def test_the_summary_goes_where_github_says(
    tmp_path: Path, board: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    assert FORMATS["summary"](request(board)) == ""
    text = path.read_text()
    assert text.startswith("before\n### Leaderboard")
    assert len(text.encode()) < SUMMARY_BYTES
    path.write_text("x" * (SUMMARY_BYTES - 50))
    wanted = request(board)
    assert FORMATS["summary"](wanted) == ""
    assert path.stat().st_size <= SUMMARY_BYTES  # a longer one would be dropped as a whole
    assert "is full" in wanted.remarks[0]


def test_annotations_are_our_commands_only(hostile: Leaderboard) -> None:
    text = FORMATS["annotations"](request(hostile, submissions="subs"))
    found = commands(text)
    assert len(found) == 10  # as many as GitHub shows for a step
    assert {name for name, _, _ in found} == {"warning"}
    assert all(set(properties) <= {"file", "line", "title"} for _, properties, _ in found)
    assert "2 more submissions have no score" in found[-1][2]


def test_one_annotation_s_text_begins_no_other() -> None:
    from grader.publish.github import Level

    text = annotation(Level.ERROR, "a\n::warning::b\r::error::c %0A", title="x,y:z\n::error::", file="a\nb", line=3)
    ((name, properties, message),) = commands(text)
    assert (name, message) == ("error", "a%0A::warning::b%0D::error::c %250A")
    assert properties == {"file": "a%0Ab", "line": "3", "title": "x%2Cy%3Az%0A%3A%3Aerror%3A%3A"}


def test_what_is_printed_within_a_job_is_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with only_text():
        print("::error::owned\n##[error]owned\n::stop-commands::x\n::x::\n::error::again")
    print("::notice::ours")
    assert commands(capsys.readouterr().out) == [("notice", {}, "ours")]


def gradebook(*students: tuple[str, ...]) -> str:
    head = "Student,ID,SIS User ID,SIS Login ID,Section,LR week (1234),Final Score"
    return "\r\n".join(
        ["\ufeff" + head, "    Points Possible,,,,,2.0,(read only)", *(",".join(s) for s in students), ""]
    )


def test_canvas_gets_its_own_gradebook_back(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    rows = [
        scored("amoreno", 0.95), scored("haddadbilal_4711_999_lr", 0.5), scored("S123", 0.99), scored("guest", 0.9),
    ]  # fmt: skip
    board = board_of([*rows, *references()], task, facts)
    (tmp_path / "roster.csv").write_bytes(
        gradebook(
            ('"Moreno, Ada"', "4700", "S1", "AMoreno", "A", "9", "90"),
            ('"=cmd, Bilal"', "4711", "S2", "bhaddad", "A", "8", "80"),
            ('"Chen, Li"', "4712", "S123", "lchen", "B", "", ""),
            ('"Nobody, Yet"', "4713", "S4", "nobody", "B", "", ""),
        ).encode()
    )
    wanted = request(board, roster=tmp_path / "roster.csv", assignment="LR week (1234)")
    lines = list(csv.reader(io.StringIO(FORMATS["canvas"](wanted), newline="")))
    assert lines[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "LR week (1234)"]
    assert lines[1][0].strip() == "Points Possible"
    assert float(lines[1][-1]) == 2.0
    assert [(line[1], line[-1]) for line in lines[2:]] == [
        ("4700", "2.0"), ("4711", "1.0"), ("4712", "2.0"), ("4713", ""),
    ]  # fmt: skip
    assert lines[3][0] == "'=cmd, Bilal"
    assert wanted.remarks == ["not found in the roster: guest"]


def marks(tmp_path: Path, board: Leaderboard, *students: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Points by student number, and the remarks."""
    (tmp_path / "roster.csv").write_bytes(gradebook(*students).encode())
    wanted = request(board, roster=tmp_path / "roster.csv", assignment="LR week (1234)")
    lines = list(csv.reader(io.StringIO(FORMATS["canvas"](wanted), newline="")))[2:]
    return {line[1]: line[-1] for line in lines}, wanted.remarks


def test_nobody_gets_or_loses_another_s_points(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    names = ("eve_111_222_x_333_y", "victim_333_444_lr", "bob_55_777_lr", "late_late_56_1_lr", "Ada", "twin_57_1_a")
    rows = [scored(name, 0.95) for name in names] + [failed("ada", Verdict.CRASH), scored("twin_57_2_b", 0.8)]
    board = board_of([*rows, *references()], task, facts)
    students = [(f'"S{i}"', i, "", login, "A", "", "") for i, login in (
        ("111", "eve"), ("333", "victim"), ("777", "x"), ("55", "bob"), ("56", "l"), ("2", "Ada"), ("3", "ada"),
        ("57", "t"),
    )]  # fmt: skip
    points, remarks = marks(tmp_path, board, *students)
    assert points == {
        "111": "2.0", "333": "2.0", "777": "", "55": "2.0", "56": "2.0", "2": "2.0", "3": "0.0", "57": "1.0",
    }  # fmt: skip
    assert remarks == ["several submissions of 57: twin_57_1_a, twin_57_2_b; twin_57_2_b counts"]


def test_a_roster_of_another_class_or_assignment_is_refused(tmp_path: Path, board: Leaderboard) -> None:
    with pytest.raises(UsageError, match="looked up by ID, SIS User ID, SIS Login ID, such as 1, ada; the sub"):
        marks(tmp_path, board, ('"Ada"', "1", "", "ada", "A", "", ""))
    (tmp_path / "roster.csv").write_bytes(gradebook(('"A"', "1", "", "student0001", "A", "", "")).encode())
    wanted = request(board, roster=tmp_path / "roster.csv", assignment="LR week (9)")
    with pytest.raises(UsageError, match=r"no assignment 'LR week \(9\)': use 'LR week \(1234\)'"):
        FORMATS["canvas"](wanted)


def test_other_points_than_canvas_has_are_said(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    more = task.model_copy(update={"points": task.points.model_copy(update={"accepted": 9.0})})
    board = board_of([scored("ada", 0.95), *references()], more, facts)
    _, remarks = marks(tmp_path, board, ('"Ada"', "1", "", "ada", "A", "", ""))
    assert remarks == ["Canvas gives 2.0 points for LR week (1234), the task's [points] make 10"]


def test_our_fault_is_no_points_lost(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    board = board_of([failed("amoreno", Verdict.INTERNAL), *references()], task, facts)
    points, remarks = marks(tmp_path, board, ('"A"', "1", "", "amoreno", "A", "", ""))
    assert points == {"1": ""}
    assert "because of an error of the grader" in remarks[0]
    with pytest.raises(UsageError, match="because of an error of the grader"):
        FORMATS["classroom"](request(board, identity="amoreno"))
    alone = board_of([scored("amoreno", 0.9)], task, facts)
    with pytest.raises(UsageError, match="the default scheduler has no score"):
        FORMATS["classroom"](request(alone, identity="amoreno"))


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_a_roster_that_is_none_is_explained(tmp_path: Path, board: Leaderboard, text: bytes) -> None:
    (tmp_path / "roster.csv").write_bytes(text)
    with pytest.raises(UsageError, match=r"roster\.csv is not"):
        FORMATS["canvas"](request(board, roster=tmp_path / "roster.csv", assignment="x"))


def test_gradescope_reads_the_result(tmp_path: Path, hostile: Leaderboard) -> None:
    for row in hostile.rows:
        if row.kind is not Kind.STUDENT:
            continue
        result = json.loads(FORMATS["gradescope"](request(hostile, identity=row.id)))
        allowed = {"score", "execution_time", "output", "output_format", "test_output_format", "test_name_format",
                   "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"}  # fmt: skip
        assert set(result) <= allowed
        assert result["tests"]
        for test in result["tests"]:
            assert 0 <= test["score"] <= test["max_score"]
            assert test["status"] == ("passed" if test["score"] == test["max_score"] else "failed")
            assert test["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
            assert test["output_format"] == test["name_format"] == "text"
        ranked = row.verdict.ranked
        assert ("leaderboard" in result) == ranked
        if ranked:
            assert [(e["name"], type(e["value"]), e.get("order", "desc")) for e in result["leaderboard"]] == [
                ("Accuracy", float, "desc"), ("Time", float, "asc"),
            ]  # fmt: skip


def test_a_fault_of_ours_is_no_result_for_gradescope(task: Task, facts: TaskFacts) -> None:
    board = board_of([failed("a", Verdict.INTERNAL), *references()], task, facts)
    with pytest.raises(UsageError, match="not graded because of an error of the grader"):
        FORMATS["gradescope"](request(board, identity="a"))


def test_classroom_s_reporter_reads_the_result_and_prints_no_command(hostile: Leaderboard) -> None:
    for row in hostile.rows:
        if row.kind is not Kind.STUDENT:
            continue
        text = FORMATS["classroom"](request(hostile, identity=row.id))
        result = json.loads(base64.b64decode(text, validate=False))
        assert result["status"] in ("pass", "fail", "error")
        assert result["max_score"] == 2.0
        assert sum(t["score"] for t in result["tests"]) <= result["max_score"]
        log = "".join(f"❌ {t['name']}\nError: {t['message']}\n" for t in result["tests"] if t["status"] != "pass")
        assert commands(log) == []


def test_codabench_gets_numbers_or_an_error(board: Leaderboard) -> None:
    best = board.rows[0]
    result = json.loads(FORMATS["codabench"](request(board, identity=best.id)))
    assert result == {"accuracy": best.accuracy, "duration": best.seconds}
    with pytest.raises(UsageError, match=r"has no score \(contract\)"):
        FORMATS["codabench"](request(board, identity="student0009"))


def test_points_are_the_tasks(task: Task, facts: TaskFacts) -> None:
    points = task.points.model_copy(update={"accepted": 3.0, "beats_default": 2.0})
    board = board_of(
        [scored("above", 0.95), scored("below", 0.85), scored("equal", 0.90), failed("none", Verdict.CRASH),
         *references()],
        task.model_copy(update={"points": points}), facts,
    )  # fmt: skip
    given = {row.id: [a.score for a in awards(row, board)] for row in board.rows if row.kind is Kind.STUDENT}
    assert given == {"above": [3.0, 2.0], "below": [3.0, 0.0], "equal": [3.0, 0.0], "none": [0.0, 0.0]}


def test_the_badge_is_svg_and_shields_json(board: Leaderboard) -> None:
    from xml.etree import ElementTree

    badge = ElementTree.fromstring(FORMATS["badge"](request(board)))
    assert badge.attrib["aria-label"] == f"best accuracy: {100 * (board.rows[0].accuracy or 0):.1f} %"
    assert "contract" in FORMATS["badge"](request(board, identity="student0009"))
    shields = json.loads(FORMATS["shields"](request(board)))
    assert (shields["schemaVersion"], shields["label"]) == (1, "best accuracy")
    empty = board.model_copy(update={"rows": ()})
    assert "none yet" in FORMATS["badge"](request(empty))


@pytest.mark.parametrize("form", ["gradescope", "codabench", "classroom"])
def test_a_missing_or_wrong_id_is_explained(board: Leaderboard, form: str) -> None:
    with pytest.raises(UsageError, match="name it with --id"):
        FORMATS[form](request(board))
    with pytest.raises(UsageError, match="no submission 'nobody'"):
        FORMATS[form](request(board, identity="nobody"))
