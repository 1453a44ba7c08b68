"""What learning-management systems give out is taken as it comes: one row per hand-in, the right files, the right ids."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.core.errors import UsageError
from grader.submissions.intake import Class, Layout, Person, discover, identity_of
from grader.submissions.loader import handed_in, only
from support.runs import GRADER
from support.submissions import make

FILES = make().files
NOTEBOOK = {"lrweek.ipynb": b"{}"}


def put(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(files: Mapping[str, bytes], mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def ids(found: Class, layout: Layout | None = None) -> list[str]:
    """Of those whose files are all there and right."""
    for one in found.hand_ins:
        assert layout is None or one.layout is layout
    return [s.id for s in found.submissions if s.files == FILES and not s.problems]


def under(folder: str, files: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in files.items()}


#: One student's hand-in, as students pack it: all of them hold the same submission.
WHOLE: dict[str, dict[str, bytes]] = {
    "as it should be": dict(FILES),
    "in a folder": under("hw"),
    "deep": under("a/b/c"),
    "with a report beside it": under("code") | {"report/r.tex": b"x"},
    "with a virtual environment": dict(FILES) | under(".venv/lib/scheduler") | under("venv/x"),
    "with a repository": dict(FILES) | under(".git/hooks"),
    "with what a Mac leaves": under("hw") | under("__MACOSX/hw"),
    "with an older version below": dict(FILES) | under("old"),
    "packed once more": {"lrweek.zip": zipped(FILES)},
    "packed once more, in a folder": {"inner/lrweek.zip": zipped(under("lrweek"))},
    "packed once more, with a packed report": {"lrweek.zip": zipped(FILES), "report.zip": zipped({"r.tex": b"x"})},
    "packed once more as a tar": {"lrweek.tar.xz": tarred(FILES, "w:xz")},
    "with part of the code above it": under("code") | {"scheduler.py": b"# an older one"},
}
#: And hand-ins that lack something, with what is said.
LACKING: dict[str, tuple[dict[str, bytes], str]] = {
    "capitals": ({name.capitalize(): data for name, data in FILES.items()}, "there is Scheduler.py"),
    "a second download": ({name.replace(".", " (1)."): data for name, data in FILES.items()}, "there is scheduler (1).py"),
    "a text editor's": ({f"{name}.txt": data for name, data in FILES.items()}, "there is scheduler.py.txt"),
    "a repetition's": ({name.replace(".", "-1."): data for name, data in FILES.items()}, "there is scheduler-1.py"),
    "a notebook": (NOTEBOOK, "there is lrweek.ipynb"),
    "an archive that is not read": ({"lrweek.7z": b"7z"}, "there is lrweek.7z"),
    "nothing": ({"README.txt": b"x"}, "the file is missing"),
    "two of them": (under("a") | under("b"), "holds two submissions: a and b"),
    "two archives": ({"a.zip": zipped(FILES), "b.zip": zipped(FILES)}, "holds two submissions: a.zip and b.zip"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_packed_and_unpacked_are_the_same(tmp_path: Path, name: str) -> None:
    put(tmp_path / "class/ada", WHOLE[name])
    put(tmp_path / "class/bob", FILES)
    for kind, data in (("zip", zipped(WHOLE[name])), ("tar", tarred(WHOLE[name], "w")), ("tar.bz2", tarred(WHOLE[name], "w:bz2"))):
        (tmp_path / f"class/{kind.replace('.', '-')}.{kind}").write_bytes(data)
    assert ids(discover(tmp_path / "class")) == ["ada", "bob", "tar", "tar-bz2", "zip"]
    assert only(tmp_path / "class/ada").files == handed_in(tmp_path / "class/ada", "ada").files == FILES
    assert only(tmp_path / "class/zip.zip").files == FILES


@pytest.mark.parametrize("name", LACKING)
def test_what_is_lacking_is_said_alike(tmp_path: Path, name: str) -> None:
    files, says = LACKING[name]
    put(tmp_path / "class/ada", files)
    put(tmp_path / "class/bob", FILES)
    (tmp_path / "class/zip.zip").write_bytes(zipped(files))
    found = {s.id: s for s in discover(tmp_path / "class").submissions}
    assert set(found) == {"ada", "bob", "zip"}
    for one in ("ada", "zip"):
        assert says in found[one].problems[0].what, one
    assert [(p.file, p.what, p.fix) for p in found["ada"].problems] == [(p.file, p.what, p.fix) for p in found["zip"].problems]


def test_canvas(tmp_path: Path) -> None:
    loose = {f"morenoada_LATE_12345_{678 + n}_{name}": data for n, (name, data) in enumerate(FILES.items())}
    again = {f"chenwei_777_{900 + n}_{name.replace('.', '-2.')}": data for n, (name, data) in enumerate(FILES.items())}
    others = {
        "okafornia_888_1000_lrweek-1.zip": zipped(under("lrweek")), "okafornia_888_1001_report.pdf": b"%PDF",
        "pdfonly_999_1002_report.pdf": b"%PDF", "grades.csv": b"x",
    }  # fmt: skip
    found = discover(put(tmp_path / "submissions", loose | again | others))
    assert ids(found, Layout.CANVAS) == ["chenwei_777", "morenoada_12345", "okafornia_888"]
    assert [s.id for s in found.submissions if s.problems] == ["pdfonly_999"]
    assert [s.name for s in found.skipped] == ["grades.csv"]
    assert found.hand_ins[1].people == (Person(name="morenoada", number="12345"),)


def test_names_with_numbers_are_not_canvas_s(tmp_path: Path) -> None:
    found = discover(put(tmp_path / "class", under("ada") | {"grades_2024_12_final.csv": b"x"}))
    assert ids(found) == ["ada"]
    assert [s.name for s in found.skipped] == ["grades_2024_12_final.csv"]


@pytest.mark.parametrize(
    "names",
    [
        ("ada_2026_1130_hw", "bob", "cyd_2026_1201_hw"), ("ml_101_01_hw", "ml_101_02_hw", "ml_101_03_hw"),
        ("ml_2025_05_team-1", "ml_2025_05_team-2"), ("ml_101_11_hw", "ml_101_12_hw", "ml_101_13_hw"),
        ("hw1_2025_11_alice", "hw1_2025_12_bob"), ("ann_20250512_93015_hw", "bob_20250512_93020_hw"),
    ],
)  # fmt: skip
def test_numbers_in_names_are_not_yet_canvas_s(tmp_path: Path, names: tuple[str, ...]) -> None:
    files = {f"{name}.zip": zipped(FILES) for name in names}
    for more in ({}, under("dan")):
        found = discover(put(tmp_path / f"class{len(more)}", files | more))
        assert ids(found, Layout.FOLDERS) == sorted([*names, *(["dan"] if more else [])])


@pytest.mark.parametrize(
    "more",
    [
        {"check.py": b"x"}, {"anon_aB3dE_777_hw.zip": zipped(FILES)}, {"test_7_900_hw.zip": zipped(FILES)},
        {f"team_rocket_12397_90{n}_{name}": data for n, (name, data) in enumerate(FILES.items())},
    ],
)  # fmt: skip
def test_what_lies_beside_canvas_s_files_renames_nobody(tmp_path: Path, more: dict[str, bytes]) -> None:
    files = {"ada_100_200_hw.zip": zipped(FILES), "bob_101_201_hw.zip": zipped(under("hw")), "dan_102_210_text.html": b"x"}
    files |= {f"cy_300_40{n}_{name}": data for n, (name, data) in enumerate(FILES.items())}
    found = discover(put(tmp_path / "class", files | more))
    assert {"ada_100", "bob_101", "cy_300"} <= set(ids(found))
    assert "dan_102" in {s.id for s in found.submissions if s.problems}
    assert len(found.hand_ins) + len(found.skipped) == 5


def test_canvas_s_newest_file_is_the_one_with_the_highest_number(tmp_path: Path) -> None:
    files = {f"ada_100_9999{n}_{name}": b"old" for n, name in enumerate(FILES)}
    files |= {f"ada_100_10000{n}_{name.replace('.', '-1.')}": data for n, (name, data) in enumerate(FILES.items())}
    assert ids(discover(put(tmp_path / "class", files)), Layout.CANVAS) == ["ada_100"]


def test_a_class_beside_other_files_is_found(tmp_path: Path) -> None:
    put(tmp_path / "term", under("class/ada") | under("class/bob/src") | {"roster.csv": b"id\n1\n", "README.md": b"x"})
    assert ids(discover(tmp_path / "term")) == ["ada", "bob"]


@pytest.mark.parametrize("end", ["_", ""])
def test_moodle_in_folders(tmp_path: Path, end: str) -> None:
    folder = "{}_assignsubmission_file" + end
    files = under(folder.format("Ada Moreno_2345671")) | {f"{folder.format('Bo Li_2345672')}/lrweek.zip": zipped(FILES)}
    text = {"Bo Li_2345672_assignsubmission_onlinetext_/onlinetext.html": b"see the zip",
            "Cy Ode_2345673_assignsubmission_onlinetext_/onlinetext.html": b"<p>class CustomLRScheduler"}  # fmt: skip
    found = discover(put(tmp_path / "class", files | text))
    assert ids(found, Layout.MOODLE) == ["Ada Moreno_2345671", "Bo Li_2345672"]
    assert "there is onlinetext.html" in found.submissions[2].problems[0].what
    assert found.hand_ins[0].people == (Person(name="Ada Moreno", number="2345671"),)


def test_moodle_flat(tmp_path: Path) -> None:
    name = "{}_assignsubmission_file_{}"
    files = {name.format("Chen Wei_11", file): data for file, data in FILES.items()}
    files[name.format("Ada Moreno_12", "lrweek.zip")] = zipped(FILES)
    files["Ada Moreno_12_assignsubmission_onlinetext_onlinetext.html"] = b"hello"
    assert ids(discover(put(tmp_path / "class", files)), Layout.MOODLE) == ["Ada Moreno_12", "Chen Wei_11"]


METADATA = b"""---
:submission_111:
  :submitters:
  - :name: Ada Moreno
    :sid: '12345'
    :email: ada@example.org
  :created_at: 2024-03-01 10:00:00 Z
:submission_112:
  :submitters:
  - :name: Bo Li
    :sid: '77'
    :email: bo@example.org
  - :name: Cy Ode
    :sid: ../../x
    :email: cy@example.org
:submission_113:
  :submitters:
  - :name: Di Ng
    :email: di@example.org
"""


def test_gradescope(tmp_path: Path) -> None:
    root = tmp_path / "download/assignment_1_export"
    put(root, under("submission_111") | under("submission_112/src") | under("submission_113") | under("submission_114"))
    assert ids(discover(tmp_path / "download"), Layout.GRADESCOPE) == [f"submission_{n}" for n in (111, 112, 113, 114)]
    (root / "submission_metadata.yml").write_bytes(METADATA)
    found = discover(tmp_path / "download")
    team = identity_of("../../x+77")
    assert "/" not in team
    assert ids(found) == sorted(["12345", team, "di@example.org", "submission_114"])
    assert {p.name for one in found.hand_ins for p in one.people} == {"Ada Moreno", "Bo Li", "Cy Ode", "Di Ng"}
    (root / "submission_metadata.yml").write_bytes(b"{: [")
    found = discover(root)
    assert len(ids(found)) == 4
    assert "cannot be read" in found.skipped[0].reason


@pytest.mark.parametrize("people", [":sid: N/A", ":name: J Li", ":email: x@example.org"])
def test_no_submission_of_gradescope_s_is_lost_to_another(tmp_path: Path, people: str) -> None:
    one = "  :submitters:\n  - {}\n"
    text = "".join(f":submission_{n}:\n{one.format(people)}" for n in (1, 2))
    text += ":submission_3:\n  :submitters: 5\n:submission_4:\n  :submitters:\n  - :sid: 0012\n"
    files = {path: data for n in range(1, 5) for path, data in under(f"submission_{n}").items()}
    found = discover(put(tmp_path / "export", files | {"submission_metadata.yml": text.encode()}))
    assert len(ids(found)) == 4
    assert {"0012", "submission_3"} < set(ids(found))
    assert {one.place for one in found.hand_ins} == {f"submission_{n}" for n in range(1, 5)}


def test_classroom(tmp_path: Path) -> None:
    root = tmp_path / "x/lr-week-submissions"
    clone = under(".github/workflows", {"classroom.yml": b"x"}) | {"model.py": b"x"}
    put(root / "lr-week-ada-m", FILES | clone)
    put(root / "lr-week-team-7/src", FILES | clone)
    assert ids(discover(tmp_path / "x"), Layout.CLASSROOM) == ["ada-m", "team-7"]
    assert ids(discover(root, Layout.FOLDERS), Layout.FOLDERS) == ["lr-week-ada-m", "lr-week-team-7"]
    put(root / "lr-week", clone)  # the repository that all of them started from
    assert ids(discover(root)) == ["ada-m", "team-7"]
    assert [s.id for s in discover(root).submissions if s.problems] == ["lr-week"]


@pytest.mark.parametrize("top", ["", "term/"])
def test_a_class_need_not_be_complete_to_be_one(tmp_path: Path, top: str) -> None:
    files = under(f"{top}ada") | {f"{top}bob/scheduler.py": b"x", f"{top}cyd/notes.txt": b"x"}
    (tmp_path / "class.zip").write_bytes(zipped(files))
    put(tmp_path / "folder", files)
    for root in (tmp_path / "class.zip", tmp_path / "folder"):
        assert [s.id for s in discover(root).submissions] == ["ada", "bob", "cyd"]


def test_only_the_whole_class_is_entered(tmp_path: Path) -> None:
    """Not one student among others, whose hand-in is unusual; and none at all with `folders`."""
    versions = under("ada/v1") | under("ada/v2")
    put(tmp_path / "class", versions | {"bob.rar": b"Rar!"})
    assert [s.id for s in discover(tmp_path / "class").submissions] == ["ada", "bob"]
    put(tmp_path / "one", versions)
    assert [s.id for s in discover(tmp_path / "one", Layout.FOLDERS).submissions] == ["ada"]
    plot = {"ada/hw/run_2024_10_plot.py": b"x", "ada/submission_metadata.yml": b"x"}
    assert ids(discover(put(tmp_path / "plot", under("ada/hw") | plot))) == ["ada"]


def test_a_class_with_the_code_that_was_given_is_one(tmp_path: Path) -> None:
    found = discover(put(tmp_path / "class", under("ada") | under("bob") | FILES))
    assert ids(found) == ["ada", "bob"]
    assert {s.name for s in found.skipped} == set(FILES)


def test_names_in_a_zip_are_those_on_the_disk(tmp_path: Path) -> None:
    """UTF-8 that is not said to be, as some systems pack it, and Windows's folders."""
    files = {f"{folder}/{name}": data for folder in ("Juergen", "Ada") for name, data in FILES.items()}
    data = zipped({"Ada\\": b"", **files}).replace(b"Juergen", "Jürgen".encode())  # as long, and without the flag
    (tmp_path / "class.zip").write_bytes(data)
    assert ids(discover(tmp_path / "class.zip")) == ["Ada", "Jürgen"]


@pytest.mark.parametrize("top", ["", "week5/"])
def test_a_class_in_one_archive(tmp_path: Path, top: str) -> None:
    whole = under(f"{top}ada") | under(f"{top}bob/src") | {f"{top}cyd.zip": zipped(FILES), f"{top}dan.zip": b"no zip"}
    whole |= {f"__MACOSX/{top}._cyd.zip": b"", f"{top}eve/notes.txt": b""}
    (tmp_path / "class.zip").write_bytes(zipped(whole))
    for root in (tmp_path, tmp_path / "class.zip"):
        found = discover(root)
        assert ids(found) == ["ada", "bob", "cyd"]
        assert [s.id for s in found.submissions if s.problems] == ["dan", "eve"]


def test_a_class_of_loose_files_in_one_archive(tmp_path: Path) -> None:
    whole = {f"ada_12_{345 + n}_{name}": data for n, (name, data) in enumerate(FILES.items())}
    (tmp_path / "submissions.zip").write_bytes(zipped(whole | {"bo_13_400_hw.zip": zipped(FILES)}))
    assert ids(discover(tmp_path / "submissions.zip"), Layout.CANVAS) == ["ada_12", "bo_13"]


def test_one_student_of_moodle_in_one_archive(tmp_path: Path) -> None:
    for top in ("", "top/"):
        name = f"{top}Ada Moreno_2345671_assignsubmission_file_"
        for files in (under(name), {f"{name}/hw.zip": zipped(FILES)}):
            (tmp_path / "m.zip").write_bytes(zipped(files))
            assert ids(discover(tmp_path / "m.zip"), Layout.MOODLE) == ["Ada Moreno_2345671"]


def test_one_hand_in_in_one_archive_is_one(tmp_path: Path) -> None:
    (tmp_path / "ada.zip").write_bytes(zipped(under("hw") | under("hw/old")))
    assert ids(discover(tmp_path / "ada.zip")) == ids(discover(tmp_path)) == ["ada"]


@pytest.mark.parametrize("names", [("my_schedule.py", "my_config.py"), ("lr.py", "a.ipynb"), ("x.py", "src/y.py")])
def test_one_archive_with_files_of_other_names_is_a_hand_in_that_lacks_them(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    (tmp_path / "ada.zip").write_bytes(zipped(dict.fromkeys(names, b"x = 1")))
    (found,) = discover(tmp_path).submissions
    assert found.id == "ada"
    assert found.problems[0].what.startswith("the file is missing")


def test_what_is_no_class_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert "is no zip archive" in discover(tmp_path / "broken.zip").submissions[0].problems[0].what
    for name in ("nothing", "notes.txt"):
        with pytest.raises(UsageError, match=name):
            discover(tmp_path / name)


@pytest.mark.parametrize("name", ["a" * 300, "x\ny", "..", "a/b", "\u202eevil", " "])
def test_an_id_is_printable_short_and_no_path(name: str) -> None:
    identity = identity_of(name)
    assert identity.isprintable() and len(identity.encode()) <= 200
    assert "/" not in identity and not identity.startswith(".") and identity.strip()
    assert identity_of("Ada Moreno_12") == "Ada Moreno_12"


def test_grader_intake_shows_who_was_found_and_where(tmp_path: Path) -> None:
    files = {f"Chen Wei_11_assignsubmission_file_{file}": data for file, data in FILES.items()}
    put(tmp_path / "class", files | {"Ada Moreno_12_assignsubmission_file_lrweek.ipynb": b"{}", "list.csv": b"x"})
    done = subprocess.run(
        [*GRADER, "intake", "class"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "250"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 hand-ins, 1 of them with a problem" in done.stdout
    assert "there is lrweek.ipynb" in done.stdout
    assert "skipped 'list.csv'" in done.stdout
    call = [*GRADER, "intake", "class", "--intake", "moodle", "--json"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert [(one["id"], one["people"][0]["name"], len(one["files"])) for one in found["hand_ins"]] == [
        ("Ada Moreno_12", "Ada Moreno", 0), ("Chen Wei_11", "Chen Wei", len(FILES)),
    ]  # fmt: skip
