"""The roster: the exports of the systems are read, and every hand-in finds its student."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.core.errors import UsageError
from grader.submissions.intake import discover
from grader.submissions.roster import Matched, Student, match, read_roster
from support.runs import GRADER, QUICK, rows, run
from support.submissions import MANIFEST, SCHEDULER, make

FILES = make().files
OWN = "id,name,email,section\n17,Ada Moreno,ada@example.org,A\n18,Bo Li,bo@example.org,B\n19,Chloé Díaz,chloe@example.org,A\n"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,LR week (1234)\nPoints Possible,,,,,2\n"
    "\"Moreno, Ada\",17,s0017,amoreno,A,\n\"Li, Bo\",18,s0018,boli,B,\n\"Díaz, Chloé\",19,s0019,cdiaz,A,\n"
    "\"Student, Test\",99,,,A,\n"
)
MOODLE = (
    "\ufeffIdentifier,Full name,ID number,Email address,Status\n"
    "Participant 2345671,Ada Moreno,17,ada@example.org,\nParticipant 2345672,Bo Li,18,bo@example.org,\n"
    "Participant 2345673,Chloé Díaz,19,chloe@example.org,\n"
)
GRADESCOPE = (
    "First Name,Last Name,SID,Email,Sections\nAda,Moreno,17,ada@example.org,A\nBo,Li,18,bo@example.org,B\n"
    "Chloé,Díaz,19,chloe@example.org,A\n"
)
SEMICOLONS = OWN.replace(",", ";")
ROSTERS = {"own": OWN, "canvas": CANVAS, "moodle": MOODLE, "gradescope": GRADESCOPE, "semicolons": SEMICOLONS}


def read(tmp_path: Path, text: str) -> tuple[Student, ...]:
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    return read_roster(tmp_path / "roster.csv")


def matched(tmp_path: Path, text: str, files: Mapping[str, bytes]) -> Matched:
    for name, data in files.items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return match(discover(tmp_path / "class"), read(tmp_path, text))


def under(folder: str, *contributors: str) -> dict[str, bytes]:
    manifest = {"assignment_name": "Schedulers", "contributors": contributors or ["X"], "sources": ["none"]}
    files = FILES | {"submission.json": json.dumps(manifest).encode()}
    return {f"{folder}/{name}": data for name, data in files.items()}


@pytest.mark.parametrize("kind", ROSTERS)
def test_the_exports_of_the_systems_are_read(tmp_path: Path, kind: str) -> None:
    students = read(tmp_path, ROSTERS[kind])
    assert [(s.id, s.name) for s in students] == [("17", "Ada Moreno"), ("18", "Bo Li"), ("19", "Chloé Díaz")]


@pytest.mark.parametrize(
    ("kind", "hand_in"),
    [
        ("own", "17"), ("own", "ada@example.org"), ("own", "Ada Moreno"), ("canvas", "amoreno"), ("canvas", "S0017"),
        ("canvas", "morenoada_17_600_scheduler.py"), ("canvas", "Moreno, Ada"), ("gradescope", "ada@example.org"),
        ("moodle", "Ada Moreno_2345671_assignsubmission_file_"), ("moodle", "Ada Moreno_999_assignsubmission_file_"),
    ],
)  # fmt: skip
def test_a_hand_in_finds_its_student(tmp_path: Path, kind: str, hand_in: str) -> None:
    files = {hand_in: FILES["scheduler.py"]} if hand_in.endswith(".py") else under(hand_in)
    found = matched(tmp_path, ROSTERS[kind], files | under("stranger"))
    assert [s.id for s in found.found.submissions] == ["17", "stranger"]
    assert [s.id for s in found.members["17"]] == ["17"]
    assert [s.id for s in found.missing] == ["18", "19"]
    assert found.unknown == ("stranger",)


def test_a_team_is_who_contributes(tmp_path: Path) -> None:
    """Whoever hands in alone is of no other team, whatever that one says; a name that two have names nobody."""
    two = OWN + "20,Bo Li,other@example.org,A\n21,Dan Roy,dan@example.org,A\n"
    found = matched(tmp_path, two, under("17", "Ada Moreno", "diaz, chloe", "Bo Li", "Dan Roy") | under("21", "Dan Roy"))
    assert {i: [s.id for s in team] for i, team in found.members.items()} == {"17": ["17", "19"], "21": ["21"]}
    assert [s.id for s in found.missing] == ["18", "20"]


def test_two_hand_ins_of_one_student_are_two_rows(tmp_path: Path) -> None:
    found = matched(tmp_path, OWN, under("17") | under("ada@example.org"))
    assert sorted(s.id for s in found.found.submissions) == ["17", "ada@example.org"]
    assert {s.id for team in found.members.values() for s in team} == {"17"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "names no column that is known"),
        ("", "names no column that is known"),
        ("id,name\n", "names no student"),
        ("id,name\n1,A\n1,B\n", r"roster\.csv:3: a second student with the id 1"),
    ],
)
def test_what_is_no_roster_says_why(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read(tmp_path, text)
    with pytest.raises(UsageError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("name\nChloé".encode("latin-1"))
    with pytest.raises(UsageError, match="not CSV in UTF-8"):
        read_roster(tmp_path / "latin.csv")


def test_in_a_run_everybody_of_the_roster_has_a_row(tmp_path: Path) -> None:
    mine = tmp_path / "class/Ada Moreno_2345671_assignsubmission_file_"
    mine.mkdir(parents=True)
    for name, text in (("scheduler.py", SCHEDULER), ("config.py", QUICK), ("submission.json", json.dumps(MANIFEST))):
        (mine / name).write_text(text)
    (tmp_path / "roster.csv").write_text(MOODLE, encoding="utf-8")
    call = [*GRADER, "intake", "class", "--roster", "roster.csv"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "18 (Bo Li) has handed in nothing" in done.stdout
    done = run(tmp_path / "class", "--sandbox", "sandlock", "--roster", "roster.csv", where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: row for (kind, name), row in rows(tmp_path).items() if kind == "student"}
    assert {name: row["verdict"] for name, row in found.items()} == {"17": "ok", "18": "contract", "19": "contract"}
    assert found["18"]["violations"][0]["what"] == "nothing was handed in"


@pytest.mark.parametrize("entry", ["Bo Li (bo)", "Bo Li (18)", "Bo Li (somebody)", "bo", "bo@example.org", " Bo  Li "])
def test_contributors_are_found_as_the_kit_asks_for_them(tmp_path: Path, entry: str) -> None:
    roster = "id,name,email\n17,Ada Moreno,ada@example.org\n18,Bo Li,bo@example.org\n"
    found = matched(tmp_path, roster, under("17", "Ada Moreno (ada)", entry))
    assert [s.id for s in found.members["17"]] == ["17", "18"]
    assert found.missing == ()
