"""Reads submissions from folders and archives, which are untrusted.

Only the four files of the assignment are ever read, straight into memory. Nothing is extracted, so
no path, link or device in an archive can reach anything.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.core.errors import UsageError
from grader.core.files import open_ordinary
from grader.core.text import clean
from grader.core.verdict import Rule, Violation
from grader.submissions.archives import MAX_ARCHIVE, UNREAD, open_archive, suffix_of
from grader.submissions.tree import CODE, FILES, Folder, Tree, Unsafe, home_of, is_ignored, near

MAX_CODE = 32 << 10  # bytes of scheduler.py and of config.py: a schedule takes a few KiB
MAX_TEXT = 64 << 10  # bytes of the other two files
_MAX_INNER = 4  # archives in a hand-in that are opened


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


def only(place: Path) -> Submission:
    """The one submission in a folder or an archive. Raises UsageError if there is none or more."""
    identity = clean(place.resolve().name)
    if place.is_file() and suffix_of(place.name):
        return packed(place, identity[: -len(suffix_of(place.name))])
    if not place.is_dir():
        what = "is neither a folder nor an archive" if place.exists() else "does not exist"
        raise UsageError(f"{place} {what}: give the folder with scheduler.py and config.py")
    tree = Folder(place)
    try:
        home = home_of(tree)
    except Unsafe as error:
        raise UsageError(f"{place} {error}: give the folder of one of them") from None
    if home is None and not near(tree) and not _archives(tree):
        raise UsageError(f"{place} is not the folder of one submission: it should hold scheduler.py and config.py")
    return from_tree(tree, identity)


def handed_in(folder: Path, identity: str) -> Submission:
    """The submission in `folder`, however incomplete: what is missing is a violation. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that the student handed in")
    return from_tree(Folder(folder), identity)


def packed(path: Path, identity: str) -> Submission:
    """The submission in an archive on the disk; what is wrong with the archive is a violation."""
    try:
        with open_ordinary(path, follow=False) as stream:
            return from_tree(open_archive(stream, path.name), identity)
    except (Exception, MemoryError) as error:
        return refused(identity, path.name, error)


def from_tree(tree: Tree, identity: str) -> Submission:
    """The submission in a tree, or in the only archive in it. Raises what the readers of hostile bytes raise."""
    try:
        home = home_of(tree)
    except Unsafe as error:
        return refused(identity, "", error)
    if home is None or not _has_code(tree, home):
        inner = [found for path in _archives(tree) if (found := _unpacked(tree, path, identity)) is not None]
        if len(inner) > 1:
            names = " and ".join(clean(path.name)[:100] for path in _archives(tree)[:2])
            return refused(identity, "", Unsafe(f"holds two submissions: {names}"))
        if inner:
            return inner[0]
    return _read(tree, home, identity)


def refused(identity: str, name: str, error: BaseException) -> Submission:
    """A submission whose archive cannot be read."""
    if isinstance(error, Unsafe):
        what, fix = str(error), "hand in the files of the assignment only, in a folder or an ordinary .zip or .tar.gz"
    else:  # a hostile archive can make the readers raise anything
        what, fix = f"is not a readable archive ({clean(str(error))[:200]})", "pack the files again"
    return Submission(identity, {}, (_problem(clean(name) or "scheduler.py", what, fix),))


def _unpacked(tree: Tree, path: PurePosixPath, identity: str) -> Submission | None:
    """The submission in an archive that lies in a hand-in; an archive in this one is not looked at.

    None if it holds no code, and is not the only archive there.
    """
    try:
        inner = open_archive(io.BytesIO(tree.read({path: MAX_ARCHIVE + 1}).get(path, b"")), path.name)
        home = home_of(inner)
        if len(_archives(tree)) > 1 and (home is None or not _has_code(inner, home)):
            return None
        return _read(inner, home, identity)
    except (Exception, MemoryError) as error:
        return refused(identity, path.name, error)


def _archives(tree: Tree) -> list[PurePosixPath]:
    """The first few; nobody needs more."""
    return sorted(path for path in tree.paths if suffix_of(path.name) and not is_ignored(path))[:_MAX_INNER]


def _has_code(tree: Tree, home: PurePosixPath) -> bool:
    return any(home / name in {*tree.paths, *tree.odd} for name in CODE)


def _read(tree: Tree, home: PurePosixPath | None, identity: str) -> Submission:
    folder = home if home is not None else PurePosixPath()
    there = set(tree.paths)
    wanted = {folder / name: _limit(name) + 1 for name in FILES if folder / name in there}
    files: dict[str, bytes] = {}
    problems: list[Violation] = []
    found = tree.read(wanted)
    for name in FILES:
        data = found.get(folder / name)
        odd = tree.odd.get(folder / name)
        if odd is not None:
            problems.append(_problem(name, odd, "hand in an ordinary file"))
        elif data is not None and len(data) > _limit(name):
            fix = "hand in the source text only" if name in CODE else "shorten it"
            problems.append(_problem(name, f"is larger than {_limit(name) >> 10} KiB", fix))
        elif data is not None:
            files[name] = data
    return Submission(identity, files, tuple(problems + _missing(tree, files, problems)))


def _limit(name: str) -> int:
    return MAX_CODE if name in CODE else MAX_TEXT


def _problem(file: str, what: str, fix: str) -> Violation:
    return Violation(rule=Rule.FILES, file=file[:200], what=what[:500], fix=fix)


def _missing(tree: Tree, files: Iterable[str], problems: list[Violation]) -> list[Violation]:
    said = {p.file for p in problems}
    missing = [name for name in FILES[:3] if name not in files and name not in said]
    if not missing:
        return []
    alike = near(tree)
    instead = _instead(tree)
    found = []
    for name in missing:
        what, fix = "the file is missing", "hand in scheduler.py, config.py, submission.json"
        if name in alike:
            what, fix = f"the file is missing; there is {clean(str(alike[name]))[:200]}", f"rename it to {name}"
        elif name in CODE and instead:
            what = f"the file is missing; there is {instead[0]}"
            fix = f"hand in scheduler.py, config.py, submission.json{instead[1]}"
        found.append(_problem(name, what, fix))
    if (unreadable := tree.odd.get(PurePosixPath())) is not None:
        fix = "hand in the files of the assignment only, in a folder that can be read"
        found.append(_problem("scheduler.py", f"the folder {unreadable}", fix))
    return found


def _instead(tree: Tree) -> tuple[str, str] | None:
    """What was handed in where code was expected, and what to do with it."""
    for path in tree.paths:
        name = clean(path.name)[:200]
        if is_ignored(path):
            continue
        if path.suffix.lower() == ".ipynb":
            return name, ": copy the code of the notebook into them"
        if path.name.lower().endswith(UNREAD) and not suffix_of(path.name):
            return name, ", in a folder, a .zip or a .tar.gz"
        if path.suffix.lower() == ".html" and "onlinetext" in path.name.lower():
            return name, " as files, not as an online text"
    return None
