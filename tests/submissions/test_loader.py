"""Folders and archives are read without trusting a name or a byte."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.submissions import Compile, make

from grader.core.errors import UsageError
from grader.core.verdict import Verdict
from grader.submissions.intake import discover
from grader.submissions.loader import MAX_CODE, MAX_TEXT, Submission

FILES = make().files


def write(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def pack_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def pack_tar(path: Path, members: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


def test_folders_and_archives_are_found_in_order(tmp_path: Path) -> None:
    write(tmp_path / "zoe")
    pack_zip(tmp_path / "adam.zip", {f"week5/{n}": d for n, d in FILES.items()})
    pack_tar(tmp_path / "bea.tar.gz", dict(FILES))
    (tmp_path / ".git").mkdir()
    found = discover(tmp_path)
    assert [s.id for s in found.submissions] == ["adam", "bea", "zoe"]
    assert all(s.files == FILES and not s.problems for s in found.submissions)
    assert not found.skipped


def test_every_folder_and_archive_is_a_submission_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "ok")
    (tmp_path / "notes").mkdir()
    (tmp_path / "list.csv").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "ok")
    (tmp_path / "link-to-nowhere").symlink_to("x" * 300)
    write(tmp_path / "new\nline")
    pack_zip(tmp_path / "ok.zip", dict(FILES))
    (tmp_path / "packed.rar").write_bytes(b"Rar!")
    found = discover(tmp_path)
    reasons = {p.name: p.reason for p in found.skipped}
    assert set(reasons) == {"list.csv", "link", "link-to-nowhere"}
    assert "neither a folder" in reasons["list.csv"]
    assert "symbolic link" in reasons["link"]
    rows = {s.id: s for s in found.submissions}
    line = next(name for name in rows if name.startswith("new?line~"))
    assert set(rows) == {"ok", "ok.zip", "notes", "packed", line}
    assert rows[line].files == FILES
    assert [p.what for p in rows["notes"].problems] == ["the file is missing"] * 3
    assert "another submission called ok" in rows["ok.zip"].problems[0].what
    assert "there is packed.rar" in rows["packed"].problems[0].what


def test_one_submission_may_be_named_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    assert [s.id for s in discover(folder).submissions] == ["mine"]


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        discover(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/cron.d/evil", "a/../../b", "..\\evil", "C:\\evil"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_paths_that_lead_outside_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    members = {**FILES, name: b"x"}
    (pack_zip if kind == "zip" else pack_tar)(tmp_path / f"a.{kind}", members)
    (submission,) = discover(tmp_path).submissions
    assert not submission.files
    assert "leads outside" in submission.problems[0].what


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_not_read(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("submission.json")
    info.type, info.linkname = kind, "/etc/passwd"
    files = {n: d for n, d in FILES.items() if n != "submission.json"}
    pack_tar(tmp_path / "a.tar.gz", files, info)
    (submission,) = discover(tmp_path).submissions
    assert submission.files == files
    assert "link or device" in submission.problems[0].what
    info.name = "notes"
    pack_tar(tmp_path / "a.tar.gz", dict(FILES), info)
    assert discover(tmp_path).submissions[0].files == FILES  # beside the submission it does not matter


def test_a_link_in_a_zip_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("scheduler.py")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    (submission,) = discover(tmp_path).submissions
    assert "link or device" in submission.problems[0].what


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_are_refused_without_unpacking(tmp_path: Path, kind: str) -> None:
    many = {f"f{n}": b"" for n in range(3000)} | FILES
    (pack_zip if kind == "zip" else pack_tar)(tmp_path / f"many.{kind}", many)
    (pack_zip if kind == "zip" else pack_tar)(tmp_path / f"wide.{kind}", {**FILES, "scheduler.py": bytes(MAX_CODE + 1)})
    many_, wide = discover(tmp_path).submissions
    assert "more than 2000 files" in many_.problems[0].what
    assert "larger than 32 KiB" in wide.problems[0].what


def test_half_a_character_in_a_manifest_is_no_error_of_ours(compiled: Compile) -> None:
    manifest = FILES["submission.json"].replace(b'"Schedulers"', b'"\\ud800\\u001b[2Jx"')
    assert manifest != FILES["submission.json"]
    result = compiled(Submission("half", FILES | {"submission.json": manifest}))
    assert result.verdict is Verdict.OK
    assert "x" in result.model_dump_json()
    assert result.manifest is not None
    assert "\x1b" not in result.manifest.assignment_name


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_names_of_any_length_are_a_message_of_some_length(tmp_path: Path, kind: str) -> None:
    two = {f"{letter * 1500}/scheduler.py": b"" for letter in "ab"}
    (pack_zip if kind == "zip" else pack_tar)(tmp_path / f"two.{kind}", two)
    write(tmp_path / "another")
    problem = discover(tmp_path).submissions[1].problems[0]
    assert "holds two submissions" in problem.what
    assert len(problem.what) < 500


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (gzip.compress(b"") * 50_000, "several compressed files"),
        (gzip.compress(b"half a header") * 2, "several compressed files"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (2 << 20), "unpacks to nothing"),
        (gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * (1 << 19), "unpacks to nothing"),
    ],
    ids=["empty ones", "two", "an endless name", "empty blocks"],
)
def test_a_gz_is_one_stream_that_unpacks_to_something(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "odd.tar.gz").write_bytes(data)
    assert says in discover(tmp_path).submissions[0].problems[0].what


def test_zeros_after_a_gz_are_passed_over(tmp_path: Path) -> None:
    """As tapes and block devices leave them."""
    path = pack_tar(tmp_path / "padded.tar.gz", dict(FILES))
    with path.open("ab") as archive:
        archive.write(bytes(8 << 20))
    assert discover(tmp_path).submissions[0].files == FILES


def test_a_tar_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    pack_tar(tmp_path / "deep.tar.gz", {**FILES, "model.pt": bytes(80 << 20)})
    assert "unpacks to more than 64 MiB" in discover(tmp_path).submissions[0].problems[0].what


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", os.urandom(4096)], ids=["empty", "false start", "noise"])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_broken_archives_are_the_submissions_problem(tmp_path: Path, data: bytes, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(data)
    (submission,) = discover(tmp_path).submissions
    assert submission.problems
    assert not submission.files


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["pipe.zip", "pipe.tar.gz", "pipe"])
def test_a_pipe_among_the_submissions_is_named_and_passed_over(name: str, tmp_path: Path) -> None:
    """Whoever opened it would wait for ever."""
    os.mkfifo(tmp_path / name)
    found = discover(tmp_path)
    assert not found.hand_ins
    assert [entry.name for entry in found.skipped] == [name]


def test_links_pipes_and_giants_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    secret = tmp_path / "secret"
    secret.write_text("x")
    (folder / "scheduler.py").unlink()
    (folder / "scheduler.py").symlink_to(secret)
    (folder / "config.py").unlink()
    os.mkfifo(folder / "config.py")
    (folder / "ATTRIBUTION.md").write_bytes(bytes(MAX_TEXT + 1))
    submission = next(s for s in discover(tmp_path).submissions if s.id == "s")
    assert set(submission.files) == {"submission.json"}
    assert len(submission.problems) == 3


def test_missing_files_are_each_reported(tmp_path: Path) -> None:
    write(tmp_path / "s", {"scheduler.py": b"x"})
    problems = discover(tmp_path).submissions[0].problems
    assert [p.file for p in problems] == ["config.py", "submission.json"]


def test_the_shallowest_folder_of_an_archive_is_the_submission(tmp_path: Path) -> None:
    deep = {f"repo/old/{n}": b"old" for n in FILES}
    pack_zip(tmp_path / "a.zip", {**deep, **{f"repo/{n}": d for n, d in FILES.items()}, "__MACOSX/._config.py": b""})
    assert discover(tmp_path).submissions[0].files == FILES


def test_a_single_folder_inside_a_folder_is_the_submission(tmp_path: Path) -> None:
    write(tmp_path / "nested" / "hw")
    assert discover(tmp_path).submissions[0].files == FILES


def test_a_stray_file_does_not_make_one_submission_of_a_class(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "scheduler.py").write_text("")
    found = discover(tmp_path)
    assert [s.id for s in found.submissions] == ["a"]
    assert [p.name for p in found.skipped] == ["scheduler.py"]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path, compiled: Compile) -> None:
    write(tmp_path / "a", {n: b"\xef\xbb\xbf" + d for n, d in FILES.items()})
    assert compiled(discover(tmp_path).submissions[0]).verdict is Verdict.OK


def test_mutated_archives_never_end_a_run(tmp_path: Path) -> None:
    whole = pack_zip(tmp_path / "a.zip", dict(FILES)).read_bytes()
    packed = pack_tar(tmp_path / "b.tar.gz", dict(FILES)).read_bytes()
    draw = random.Random(0)
    for data, suffix in ((whole, "zip"), (packed, "tar.gz")):
        for n in range(300):
            bent = bytearray(data)
            for _ in range(draw.randint(1, 4)):
                bent[draw.randrange(len(bent))] = draw.randrange(256)
            folder = tmp_path / f"{suffix}{n}"
            folder.mkdir()
            (folder / f"x.{suffix}").write_bytes(bent)
            assert [s.id for s in discover(folder).submissions] == ["x"]


def test_a_header_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x" * (80 << 20))
    pack_tar(tmp_path / "a.tar.gz", dict(FILES), info)
    assert "has headers longer than" in discover(tmp_path).submissions[0].problems[0].what


def test_a_negative_size_switches_no_limit_off(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-(10**12)).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    assert "negative" in discover(tmp_path).submissions[0].problems[0].what


def test_long_names_of_every_format_lead_to_the_files(tmp_path: Path) -> None:
    """Records of POSIX, long names of GNU, and a header for all files as git writes it."""
    for number, kind in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)):
        with tarfile.open(
            tmp_path / f"{number}.tar.gz", "w:gz", format=kind, pax_headers={"comment": "a commit"}
        ) as archive:
            for name, data in FILES.items():
                info = tarfile.TarInfo("é" * 60 + "/" + "d" * 120 + "/" + name)
                info.size, info.mtime = len(data), 1.5
                archive.addfile(info, io.BytesIO(data))
    assert [s.files for s in discover(tmp_path).submissions] == [FILES, FILES]
