"""Reads submissions from folders and archives, which are untrusted.

Only the four files of the assignment are ever read, straight into memory. Nothing is extracted, so
no path, link or device in an archive can reach anything.
"""

import hashlib
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.files import NotOrdinaryError, open_ordinary
from grader.core.text import clean
from grader.core.verdict import Rule, Violation
from grader.submissions.archives import Unsafe, files_in

CODE = ("scheduler.py", "config.py")
FILES = (*CODE, "submission.json", "ATTRIBUTION.md")
MAX_CODE = 32 << 10  # bytes of scheduler.py and of config.py: a schedule takes a few KiB
MAX_TEXT = 64 << 10  # bytes of the other two files
_ARCHIVES = (".zip", ".tar.gz", ".tgz")
_MAX_ENTRIES = 2000  # of a folder that are looked at for the one that holds the submission


@dataclass(frozen=True)
class Submission:
    """One submission: its files as bytes, and what is wrong with them as files."""

    id: str
    files: dict[str, bytes]
    problems: tuple[Violation, ...] = ()

    @property
    def content_key(self) -> str:
        """SHA-256 over the files that were read."""
        digest = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Skipped:
    """An entry of the folder that is not a submission, and why."""

    name: str
    reason: str


def discover(root: Path) -> tuple[list[Submission], list[Skipped]]:
    """Every submission in the folder `root` (or `root` itself, where it is one), ordered by id.

    Raises UsageError if `root` is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: give the folder that holds the submissions")
    if all((root / name).is_file() for name in CODE):
        return [_from_folder(root, clean(root.resolve().name))], []
    found: dict[str, Submission] = {}
    skipped: list[Skipped] = []
    try:
        entries = sorted(root.iterdir(), key=lambda p: (not os.path.isdir(p), p.name))
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror}") from None
    for entry in entries:
        name = clean(entry.name)
        if entry.name.startswith("."):
            continue
        suffix = next((s for s in _ARCHIVES if entry.name.lower().endswith(s)), "")
        identity = unicodedata.normalize("NFC", entry.name[: len(entry.name) - len(suffix)])
        if entry.is_symlink():
            skipped.append(Skipped(name, "a symbolic link"))
            continue
        home = _home_of(entry) if entry.is_dir() else entry
        if home is None:
            skipped.append(Skipped(name, f"holds none of {', '.join(FILES[:3])}, nor does a single folder in it"))
        elif not entry.is_dir() and not suffix:
            skipped.append(Skipped(name, "neither a folder nor a .zip or .tar.gz archive"))
        elif not entry.is_dir() and not entry.is_file():
            skipped.append(Skipped(name, "a pipe, a socket or a device, not a file"))
        elif identity != clean(identity) or not 0 < len(identity.encode()) <= 200:
            skipped.append(Skipped(name, "its name has unprintable characters or is longer than 200 bytes: rename it"))
        elif identity in found:
            skipped.append(Skipped(name, f"there is another submission called {identity}: keep one of the two"))
        else:
            found[identity] = _from_folder(home, identity) if entry.is_dir() else _from_archive(entry, identity)
    return sorted(found.values(), key=lambda s: s.id), skipped


def only(folder: Path) -> Submission:
    """The one submission in `folder`. Raises UsageError if there is none or more."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}: give the folder with scheduler.py and config.py; unpack an archive first")
    if any(os.path.lexists(folder / name) for name in CODE):
        return _from_folder(folder, clean(folder.resolve().name))
    found, _ = discover(folder)
    if len(found) != 1:
        raise UsageError(f"{folder} is not the folder of one submission: it should hold scheduler.py and config.py")
    return found[0]


def handed_in(folder: Path, identity: str) -> Submission:
    """The submission in `folder`, however incomplete: what is missing is a violation. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that the student handed in")
    return _from_folder(_home_of(folder) or folder, identity)


def _home_of(folder: Path) -> Path | None:
    """The folder that holds the submission: `folder`, or the only folder in it, as archives have it."""
    try:
        if any((folder / file).exists() for file in FILES[:3]):
            return folder
        with os.scandir(folder) as entries:
            inner = [
                Path(entry.path)
                for entry in islice(entries, _MAX_ENTRIES)
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "__"))
            ]
        return inner[0] if len(inner) == 1 and any((inner[0] / file).exists() for file in FILES[:3]) else None
    except OSError:
        return folder  # its files then say that they cannot be read


def _problem(file: str, what: str, fix: str) -> Violation:
    return Violation(rule=Rule.FILES, file=file[:200], what=what[:500], fix=fix)


def _missing(files: dict[str, bytes], problems: list[Violation]) -> tuple[Violation, ...]:
    said = {p.file for p in problems}
    for name in FILES[:3]:
        if name not in files and name not in said:
            problems.append(_problem(name, "the file is missing", "hand in scheduler.py, config.py, submission.json"))
    return tuple(problems)


def _from_folder(folder: Path, identity: str) -> Submission:
    files: dict[str, bytes] = {}
    problems: list[Violation] = []
    for name in FILES:
        try:
            with open_ordinary(folder / name, follow=False) as stream:
                _keep(name, stream.read, files, problems)
        except FileNotFoundError:
            continue
        except NotOrdinaryError as error:
            problems.append(_problem(name, str(error.strerror), "hand in an ordinary file"))
        except OSError as error:
            problems.append(_problem(name, f"cannot be read ({error.strerror})", "hand in an ordinary file"))
    return Submission(identity, files, _missing(files, problems))


def _keep(name: str, read: Callable[[int], bytes], files: dict[str, bytes], problems: list[Violation]) -> None:
    limit = MAX_CODE if name in CODE else MAX_TEXT
    data = read(limit + 1)
    if len(data) > limit:
        fix = "hand in the source text only" if name in CODE else "shorten it"
        problems.append(_problem(name, f"is larger than {limit >> 10} KiB", fix))
    else:
        files[name] = data


def _from_archive(path: Path, identity: str) -> Submission:
    problems: list[Violation] = []
    files: dict[str, bytes] = {}
    try:
        with open_ordinary(path, follow=False) as stream:
            is_zip = path.name.lower().endswith(".zip")
            for file in files_in(stream, is_zip=is_zip, names=FILES, marks=CODE):
                _keep(file.name, file.read, files, problems)
    except Unsafe as error:
        fix = "pack the files of the assignment only, as an ordinary .zip or .tar.gz"
        return Submission(identity, {}, (_problem(clean(path.name), str(error), fix),))
    except (Exception, MemoryError) as error:  # a hostile archive can make the readers raise anything
        what = f"is not a readable archive ({clean(str(error))[:200]})"
        return Submission(identity, {}, (_problem(clean(path.name), what, "pack the files again"),))
    return Submission(identity, files, _missing(files, problems))
