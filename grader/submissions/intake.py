"""Finds the hand-ins of a class, as learning-management systems give them out.

Each folder and each archive is one hand-in. Systems that give out loose files name them after who handed them in:
those of one person are one hand-in.

Names: Canvas, "Download Submissions" (`name_LATE_user_file_name.py`, `-1` after a repeated name); Moodle, mod_assign's
"Download all submissions" (`Name_id_assignsubmission_file_name.py`, in folders or not); Gradescope, "Export
submissions" (`submission_id/` and `submission_metadata.yml`); GitHub Classroom's command line
(`assignment-submissions/assignment-user/`).
"""

import contextlib
import hashlib
import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from grader.core.errors import UsageError
from grader.core.files import open_ordinary
from grader.core.text import clean
from grader.core.verdict import Rule, Violation
from grader.submissions.archives import CLASS, MAX_ARCHIVE, UNREAD, open_archive, suffix_of
from grader.submissions.loader import Submission, from_tree, packed, refused
from grader.submissions.tree import CODE, FILES, Folder, Loose, Part, Tree, homes_in, is_ignored

_MAX_ID = 200  # bytes
_MAX_METADATA = 64 << 20  # bytes
_CANVAS = re.compile(r"(?P<who>[^_]+)(?:_(?:LATE|late))?_(?P<user>\d{2,18})_\d{2,18}_(?P<file>.+)", re.S)
_MOODLE = re.compile(r"(?P<who>.+?)_(?P<user>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)", re.S)
_GRADESCOPE = re.compile(r"submission_\d+")
_METADATA = "submission_metadata.yml"
_REPEATED = re.compile(r"-\d+(?=\.[^.]+$|\.tar\.[a-z0-9]+$)")


class Layout(StrEnum):
    """How hand-ins are laid out; `auto` knows each by its names."""

    AUTO = "auto"
    FOLDERS = "folders"
    CANVAS = "canvas"
    MOODLE = "moodle"
    GRADESCOPE = "gradescope"
    CLASSROOM = "classroom"


@dataclass(frozen=True)
class Person:
    """Somebody who handed in, as far as the system says."""

    name: str = ""
    email: str = ""
    number: str = ""  # of the student, in the system or at the university


@dataclass(frozen=True)
class HandIn:
    """One row of the class: the submission, where it was found and who handed it in."""

    submission: Submission
    place: str
    layout: Layout
    people: tuple[Person, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """An entry of the folder that is no hand-in, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Class:
    """What was found."""

    hand_ins: tuple[HandIn, ...]  # ordered by id
    skipped: tuple[Skipped, ...]

    @property
    def submissions(self) -> list[Submission]:
        """Of all hand-ins."""
        return [one.submission for one in self.hand_ins]


def discover(root: Path, layout: Layout = Layout.AUTO) -> Class:
    """Every hand-in in the folder or archive `root` (or `root` itself, where it is one).

    Raises UsageError if `root` is neither.
    """
    if root.is_file() and suffix_of(root.name):
        with _opened(root) as tree:
            if not _is_class(tree):
                return Class((HandIn(packed(root, identity_of(_stem(root.name))), root.name, Layout.FOLDERS),), ())
            return _of_entries(_packed_entries(tree), _stem(root.name), layout)
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: give the folder that holds the submissions")
    name = root.resolve().name
    if all((root / file).is_file() for file in CODE):
        submission = from_tree(Folder(root), identity_of(name))
        return Class((HandIn(submission, clean(root.name), Layout.FOLDERS),), ())
    try:
        paths = sorted(root.iterdir(), key=lambda p: (not os.path.isdir(p), p.name))
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror}") from None
    shown = [p for p in paths if not p.name.startswith((".", "__"))]
    places = [path for path in shown if path.is_dir() or suffix_of(path.name)]
    if len(places) == 1 and not any(map(_is_of_a_system, (p.name for p in shown))) and _holds_a_class(places[0]):
        return discover(places[0], layout)
    return _of_entries([_on_disk(path) for path in shown], name, layout)


# -- entries: the folders and files in which hand-ins are


@dataclass(frozen=True)
class _Entry:
    name: str
    is_folder: bool
    submission: Callable[[str], Submission]  # of a folder or an archive, by its id
    read: Callable[[int], bytes]  # of a file
    problem: str = ""  # why it is no hand-in


def _on_disk(path: Path) -> _Entry:
    problem = ""
    if path.is_symlink():
        problem = "a symbolic link"
    elif not path.is_dir() and not path.is_file():
        problem = "a pipe, a socket or a device, not a file"

    def read(size: int) -> bytes:
        with open_ordinary(path, follow=False) as stream:
            return stream.read(size)

    def submission(identity: str) -> Submission:
        return from_tree(Folder(path), identity) if path.is_dir() else packed(path, identity)

    return _Entry(path.name, path.is_dir(), submission, read, problem)


def _packed_entries(tree: Tree) -> list[_Entry]:
    """The top of a class's archive, or of the only folder in it."""
    while len({path.parts[0] for path in tree.paths}) == 1 and all(len(path.parts) > 1 for path in tree.paths):
        tree = Part(tree, PurePosixPath(tree.paths[0].parts[0]))
    folders = sorted({path.parts[0] for path in tree.paths if len(path.parts) > 1})
    files = sorted(path for path in tree.paths if len(path.parts) == 1)
    entries = [_packed_folder(tree, name) for name in folders] + [_packed_file(tree, path) for path in files]
    return [entry for entry in entries if not is_ignored(PurePosixPath(entry.name))]


def _packed_folder(tree: Tree, name: str) -> _Entry:
    part = Part(tree, PurePosixPath(name))

    def submission(identity: str) -> Submission:
        return _guarded(lambda: from_tree(part, identity), identity, name)

    return _Entry(name, True, submission, lambda _: b"")


def _packed_file(tree: Tree, path: PurePosixPath) -> _Entry:
    def read(size: int) -> bytes:
        return tree.read({path: size})[path]

    def submission(identity: str) -> Submission:
        def unpacked() -> Submission:
            return from_tree(open_archive(io.BytesIO(read(MAX_ARCHIVE + 1)), path.name), identity)

        return _guarded(unpacked, identity, path.name)

    return _Entry(path.name, False, submission, read)


def _guarded(read: Callable[[], Submission], identity: str, name: str) -> Submission:
    try:
        return read()
    except (Exception, MemoryError) as error:  # hostile bytes can make the readers raise anything
        return refused(identity, name, error)


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[Tree]:
    """A whole class's archive. Raises UsageError."""
    try:
        with open_ordinary(root) as stream:
            yield open_archive(stream, root.name, CLASS)
    except UsageError:
        raise
    except (Exception, MemoryError) as error:
        raise UsageError(f"{root} cannot be read: {clean(str(error))[:200]}") from None


# -- whether something is a class


def _is_class(tree: Tree) -> bool:
    """Whether it holds several hand-ins: submissions that do not lie in one another, archives, or names of a system."""
    paths = [path for path in tree.paths if not is_ignored(path)]
    if any(map(_is_of_a_system, {part for path in paths for part in path.parts[:2]})):
        return True
    apart: list[PurePosixPath] = []
    for home in homes_in(tree):  # the shallowest first
        if not any(home.is_relative_to(other) for other in apart):
            apart.append(home)
    archives = [path for path in paths if suffix_of(path.name) and len(path.parts) <= 2]
    outside = [path for path in archives if not any(path.is_relative_to(home) for home in apart)]
    return len(apart) > 1 or len(outside) > 1


def _is_of_a_system(name: str) -> bool:
    canvas = _CANVAS.fullmatch(name)
    is_loose = canvas is not None and (suffix_of(canvas["file"]) or canvas["file"].endswith((".py", ".ipynb")))
    return bool(is_loose or name == _METADATA or _MOODLE.fullmatch(name))


def _holds_a_class(path: Path) -> bool:
    """The same of a folder or an archive on the disk; what cannot be read is one hand-in, which says so."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return _is_class(Folder(path))
    if not path.is_file() or not suffix_of(path.name):
        return False
    try:
        with open_ordinary(path, follow=False) as stream:
            return _is_class(open_archive(stream, path.name, CLASS))
    except (Exception, MemoryError):
        return False


# -- from entries to hand-ins


@dataclass
class _Group:
    """What one person, or one team, handed in."""

    layout: Layout
    identity: str
    people: tuple[Person, ...] = ()
    whole: list[_Entry] = field(default_factory=list)  # folders and archives, the one to be read first
    loose: dict[str, _Entry] = field(default_factory=dict)  # files, by the names that they had

    @property
    def place(self) -> str:
        """Where it was found."""
        entries = [*self.whole, *self.loose.values()]
        return clean(entries[0].name) + (f" and {len(entries) - 1} more" if len(entries) > 1 else "")

    def submission(self, identity: str) -> Submission:
        """What is in it."""
        if self.whole:
            return self.whole[0].submission(identity)
        readers = {PurePosixPath(name): entry.read for name, entry in self.loose.items()}
        return _guarded(lambda: from_tree(Loose(readers, {}), identity), identity, "")


def _of_entries(entries: Sequence[_Entry], root: str, layout: Layout) -> Class:
    names = _Names(entries, root, layout)
    groups: dict[tuple[Layout, str], _Group] = {}
    skipped: list[Skipped] = []
    for entry in entries:
        if entry.problem:
            skipped.append(Skipped(clean(entry.name), entry.problem))
        elif (key := names.place(entry)) is not None:
            names.add(entry, groups.setdefault(key, _Group(*key)))
        elif entry.name != _METADATA:
            skipped.append(Skipped(clean(entry.name), "neither a folder nor an archive"))
    hand_ins: dict[str, HandIn] = {}
    for group in groups.values():
        identity = identity_of(_stem(group.identity) if group.layout is Layout.FOLDERS else group.identity)
        if identity in hand_ins:  # a folder and an archive of the same name
            other, identity = identity, identity_of(group.identity, hand_ins)
            problem = f"there is another submission called {other}"
            submission = Submission(identity, {}, (_problem(group.identity, problem, "keep one of the two"),))
        else:
            submission = group.submission(identity)
        hand_ins[identity] = HandIn(submission, group.place, group.layout, group.people)
    return Class(tuple(hand_ins[identity] for identity in sorted(hand_ins)), tuple(skipped))


class _Names:
    """Tells from the names of a class's entries whose they are."""

    def __init__(self, entries: Sequence[_Entry], root: str, layout: Layout) -> None:
        self._allowed = set(Layout) if layout is Layout.AUTO else {layout, Layout.FOLDERS}
        files = [e.name for e in entries if not e.is_folder]
        handed_in = [name for name in files if suffix_of(name) or name.endswith((".py", ".ipynb"))]
        if layout is Layout.AUTO and not (handed_in and all(map(_CANVAS.fullmatch, handed_in))):
            self._allowed.discard(Layout.CANVAS)  # Canvas names all of them; these have numbers in their names
        prefix = root.removesuffix("-submissions") + "-"
        in_common = [f"{entry.name}-".startswith(prefix) for entry in entries if entry.is_folder]
        self._prefix = prefix if root.endswith("-submissions") and in_common and all(in_common) else ""
        metadata = next((entry for entry in entries if entry.name == _METADATA and not entry.is_folder), None)
        self._people = _people(metadata.read(_MAX_METADATA)) if metadata is not None else {}

    def place(self, entry: _Entry) -> tuple[Layout, str] | None:
        """Layout and name of the group that an entry belongs to; None if it is no part of a hand-in."""
        name = entry.name
        if Layout.MOODLE in self._allowed and (match := _MOODLE.fullmatch(name)):
            return Layout.MOODLE, f"{match['who']}_{match['user']}"
        if Layout.CANVAS in self._allowed and not entry.is_folder and (match := _CANVAS.fullmatch(name)):
            return Layout.CANVAS, f"{match['who']}_{match['user']}"
        if Layout.GRADESCOPE in self._allowed and entry.is_folder and _GRADESCOPE.fullmatch(name):
            people = self._people.get(name, ())
            numbers = [person.number or person.email or person.name for person in people]
            return Layout.GRADESCOPE, "+".join(sorted(filter(None, numbers))) or name
        if Layout.CLASSROOM in self._allowed and entry.is_folder and self._prefix and name.startswith(self._prefix):
            return Layout.CLASSROOM, name.removeprefix(self._prefix)
        if entry.is_folder or suffix_of(name) or name.lower().endswith(UNREAD):
            return Layout.FOLDERS, name
        return None

    def add(self, entry: _Entry, group: _Group) -> None:
        """Add an entry to its group."""
        name = entry.name
        match group.layout:
            case Layout.CANVAS:
                found = _CANVAS.fullmatch(name)
                group.people = (Person(name=found["who"], number=found["user"]),) if found else ()
                plain = _REPEATED.sub("", found["file"]) if found else name
                keep = plain if plain in FILES or suffix_of(plain) else (found["file"] if found else name)
                group.loose[keep] = entry  # entries come in the order of their names: the last repetition stays
            case Layout.MOODLE:
                found = _MOODLE.fullmatch(name)
                group.people = (Person(name=found["who"], number=found["user"]),) if found else ()
                if entry.is_folder:
                    group.whole.insert(0 if found and found["kind"] == "file" else len(group.whole), entry)
                else:
                    group.loose[found["file"] if found and found["file"] else name] = entry
            case Layout.GRADESCOPE:
                group.people = self._people.get(name, ())
                group.whole.append(entry)
            case _ if entry.is_folder or suffix_of(name):
                group.whole.append(entry)
            case _:
                group.loose[name] = entry


def _people(metadata: bytes) -> dict[str, tuple[Person, ...]]:
    """By folder: who handed it in, from Gradescope's `submission_metadata.yml`; nothing if it cannot be read."""
    import yaml

    try:
        # A subset of YAML by a Ruby program, whose keys begin with colons.
        read = yaml.load(metadata, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return {
        folder.lstrip(":"): tuple(
            Person(*(clean(str(_field(one, key) or "")).strip() for key in ("name", "email", "sid")))
            for one in _field(about, "submitters") or ()
            if isinstance(one, Mapping)
        )
        for folder, about in (read.items() if isinstance(read, Mapping) else ())
        if isinstance(folder, str) and isinstance(about, Mapping)
    }


def _field(record: Mapping[str, Any], name: str) -> Any:
    return record.get(f":{name}", record.get(name))


# -- ids


def _stem(name: str) -> str:
    """A name without what tells the kind of an archive."""
    suffix = suffix_of(name) or next((s for s in UNREAD if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


def identity_of(name: str, taken: Iterable[str] = ()) -> str:
    """The id of the row: the name in one form, printable, not too long, and not one of `taken`."""
    normal = unicodedata.normalize("NFC", name)
    identity = re.sub(r"[/\\]|^\.", "_", clean(normal))  # it names files of results, and may come from a list
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:6]
    if identity != normal or len(identity.encode()) > _MAX_ID or identity in taken or not identity.strip():
        kept = identity.encode()[: _MAX_ID - 7].decode(errors="ignore")
        return f"{kept}~{mark}"
    return identity


def _problem(file: str, what: str, fix: str) -> Violation:
    return Violation(rule=Rule.FILES, file=clean(file)[:200], what=what[:500], fix=fix)
