"""A class of attackers: the fixtures in `tests/fixtures/attacks/VERDICT/NAME`, and archives and folders that git
cannot hold.

The first line of a fixture's scheduler.py says what it tries. `@MARK@`, `@SECRET@`, `@OTHER@`, `@BOARD@`, `@RESULTS@`
and `@PORT@` stand for what it must not reach; they are filled in when the class is made.
"""

from __future__ import annotations

import ast
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.submissions.intake import identity_of
from support.submissions import CONFIG, MANIFEST, ROOT, SCHEDULER

SKIPPED = "skipped"
HONEST = ("honest-ada", "honest-zoe")
TASK = """
name = "attacked"
model = "lenet"
seeds = [0]
[data]
source = "digits"
[sandbox]
seconds = 4
[ranking]
contribution = false
"""
FILES = {"scheduler.py": SCHEDULER, "config.py": CONFIG, "submission.json": json.dumps(MANIFEST)}


@dataclass(frozen=True)
class Attack:
    """One attacker, and what becomes of it: a verdict, or `SKIPPED` where it is no submission at all."""

    name: str
    expected: str
    category: str
    tries: str

    @property
    def id(self) -> str:
        """Of its row."""
        return identity_of(self.name)


def make_class(folder: Path, reach: Mapping[str, str]) -> list[Attack]:
    """Write every attacker and two honest students into `folder`; the attackers."""
    folder.mkdir()
    attacks = []
    for fixture in sorted((ROOT / "tests/fixtures/attacks").glob("*/*")):
        files = dict(FILES)
        for path in fixture.iterdir():
            text = path.read_text()
            for word, value in reach.items():
                text = text.replace(f"@{word}@", value)
            files[path.name] = text
        _folder(folder / fixture.name, files)
        doc = ast.get_docstring(ast.parse((fixture / "scheduler.py").read_text())) or ""
        category, _, tries = doc.rstrip(".").partition(": ")
        attacks.append(Attack(fixture.name, fixture.parent.name, category, tries))
    for name, expected, tries, make in CRAFTED:
        make(folder, name, reach)
        attacks.append(Attack(name, expected, "Files", tries))
    for name in HONEST:
        _folder(folder / name, FILES)
    return attacks


def _folder(path: Path, files: Mapping[str, str]) -> None:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)


Make = Callable[[Path, str, Mapping[str, str]], None]


def _tar(*members: tuple[str, int, str | bytes]) -> Make:
    """A .tar.gz of the honest files and of members (name, type, target or content)."""

    def make(folder: Path, name: str, reach: Mapping[str, str]) -> None:
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
            for member, kind, what in [*((n, 0, t.encode()) for n, t in FILES.items()), *members]:
                info = tarfile.TarInfo(member)
                info.type = bytes(str(kind), "ascii")
                data = what if isinstance(what, bytes) else b""
                if isinstance(what, str):
                    info.linkname = reach.get(what, what)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    return make


def _zip(*members: tuple[str, bytes], honest: bool = True, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Make:
    """A .zip of the honest files and of members (name, content)."""

    def make(folder: Path, name: str, reach: Mapping[str, str]) -> None:
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in FILES.items() if honest else ():
                archive.writestr(member, text)
            for member, data in members:
                info = zipfile.ZipInfo(member)
                info.compress_type = method
                info.external_attr = mode << 16
                archive.writestr(info, data)

    return make


def _bytes(suffix: str, data: bytes) -> Make:
    def make(folder: Path, name: str, reach: Mapping[str, str]) -> None:
        (folder / f"{name}{suffix}").write_bytes(data)

    return make


def _linked(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    _folder(folder / name, FILES)
    (folder / name / "scheduler.py").unlink()
    (folder / name / "scheduler.py").symlink_to(reach["SECRET"])


def _pipe(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    _folder(folder / name, FILES)
    (folder / name / "config.py").unlink()
    os.mkfifo(folder / name / "config.py")


def _large(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    _folder(folder / name, {**FILES, "scheduler.py": SCHEDULER + "#" * (1 << 20)})


def _link_to_folder(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    (folder / name).symlink_to(Path(reach["OTHER"]).parent, target_is_directory=True)


def _link_to_nowhere(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    (folder / name).symlink_to("x" * 300)


def _entries(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    """The ordinary archive's end record, saying more."""
    _zip()(folder, name, reach)
    path = folder / f"{name}.zip"
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    data[end + 8 : end + 12] = (60_000).to_bytes(2, "little") * 2
    path.write_bytes(data)


def _named(folder: Path, name: str, reach: Mapping[str, str]) -> None:
    _folder(folder / name, FILES)


_LINK = 0o120777
CRAFTED: tuple[tuple[str, str, str, Make], ...] = (
    ("folder-link", "contract", "scheduler.py is a link to a file of the grader's", _linked),
    ("folder-pipe", "contract", "config.py is a pipe that nobody writes to", _pipe),
    ("folder-large", "contract", "scheduler.py of a megabyte", _large),
    ("link-to-nowhere", SKIPPED, "a link whose target is longer than any path", _link_to_nowhere),
    ("link-to-another", SKIPPED, "a link to another student's folder", _link_to_folder),
    ("new\nline", "ok", "a name with a line break", _named),
    ("evil\u202egnp", "ok", "a name with a mark that turns the writing direction", _named),
    ("tar-link", "contract", "an archive in which ATTRIBUTION.md is a link", _tar(("ATTRIBUTION.md", 2, "SECRET"))),
    ("tar-hard-link", "contract", "an archive in which it is a hard link", _tar(("ATTRIBUTION.md", 1, "SECRET"))),
    ("tar-device", "contract", "an archive in which it is a device", _tar(("ATTRIBUTION.md", 3, b""))),
    ("tar-up", "contract", "an archive that leads up by ../", _tar(("../../evil.py", 0, b"x"))),
    ("tar-absolute", "contract", "an archive with an absolute path", _tar(("/tmp/grader-attack-evil", 0, b"x"))),
    ("tar-bomb", "contract", "an archive that unpacks to 200 MB", _tar(("zeros", 0, bytes(200 << 20)))),
    ("tar-broken", "contract", "an archive that is none", _bytes(".tar.gz", b"\x1f\x8b\x08\0broken")),
    ("zip-up", "contract", "an archive that leads up by ..\\", _zip(("..\\..\\evil.py", b"x"))),
    ("zip-bomb", "contract", "a scheduler.py that unpacks to 500 MB", _zip(
        ("scheduler.py", bytes(500 << 20)), ("config.py", CONFIG.encode()), honest=False)),
    ("zip-bzip2", "contract", "a bzip2 member of 1 KB that unpacks to 1 GiB", _zip(
        ("scheduler.py", bytes(1 << 30)), ("config.py", CONFIG.encode()), honest=False, method=zipfile.ZIP_BZIP2)),
    ("zip-entries", "contract", "an archive whose directory says 60,000 files", _entries),
    ("zip-link", "contract", "an archive in which its mode makes it a link",
     _zip(("ATTRIBUTION.md", b"/etc/passwd"), mode=_LINK)),
    ("zip-many", "contract", "an archive of 3,000 files", _zip(*((f"file{n}", b"") for n in range(3000)))),
    ("zip-two", "contract", "an archive with two submissions", _zip(
        ("a/scheduler.py", b"x"), ("b/scheduler.py", b"x"), honest=False)),
    ("zip-lookalike", "contract", "paths with dots that only look like dots", _zip(
        ("\u2024\u2024/scheduler\uff0epy", b"x"), honest=False)),
    ("zip-broken", "contract", "an archive cut in half", _bytes(".zip", b"PK\x03\x04" + bytes(40))),
)  # fmt: skip
