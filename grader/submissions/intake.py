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
from grader.submissions.tree import CODE, FILES, Folder, Loose, Tree, homes_in, is_ignored, is_near, split

_MAX_ID = 200  # bytes
_MAX_METADATA = 64 << 20  # bytes
_CANVAS = re.compile(
    r"(?P<who>.+?)(?:_(?:LATE|late))?_(?P<user>\d{1,18}|(?<=anon_)[A-Za-z0-9]{5})_(?P<file_number>[1-9]\d{1,17})_(?P<file>.+)",
    re.S,
)
_CANVAS_TEXT = re.compile(r"(?P<who>.+?)(?:_(?:LATE|late))?_(?P<user>\d{1,18})_(?:text|link)\.html", re.S)
_CANVAS_SHARE = 0.7  # of the loose files that may be handed in: Canvas names all, but for what somebody adds
_MAX_DESCENT = 3  # folders that hold nothing but the class
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
    entry: str = ""  # the exact name of the first folder or file of it, as the system gave it out


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

    With `folders` each folder and archive in `root` is a hand-in; otherwise the only one of them may be the whole class.
    Raises UsageError if `root` is neither folder nor archive.
    """
    if root.is_file() and suffix_of(root.name):
        return _in_archive(root, layout)
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: give the folder that holds the submissions")
    name = root.resolve().name
    try:
        paths = sorted(root.iterdir(), key=lambda p: (not os.path.isdir(p), p.name))
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror}") from None
    entries = [_on_disk(path) for path in paths if not path.name.startswith((".", "__"))]
    if all((root / file).is_file() for file in CODE) and not _holds_classmates(root):
        submission = from_tree(Folder(root), identity_of(name))
        return Class((HandIn(submission, clean(root.name), Layout.FOLDERS),), ())
    places = [entry for entry in entries if entry.is_folder or _is_handed_in(entry.name)]
    if layout is not Layout.FOLDERS and len(places) == 1 and not _names_of_a_system(entries):
        inner = root / places[0].name
        if places[0].is_folder and not places[0].problem and _is_class(Folder(inner)):
            found = _below(inner, layout)
            others = _of_entries([entry for entry in entries if entry is not places[0]], name, layout).skipped
            return Class(found.hand_ins, (*found.skipped, *others))
        if suffix_of(inner.name) == ".zip" and not places[0].problem and _is_packed_class(inner):
            return _in_archive(inner, layout)
    return _of_entries(entries, name, layout)


def _below(folder: Path, layout: Layout) -> Class:
    """The class in a folder that is known to be one, or in the only folder of it."""
    for _ in range(_MAX_DESCENT):
        paths = sorted(folder.iterdir(), key=lambda p: (not os.path.isdir(p), p.name))
        shown = [path for path in paths if not path.name.startswith((".", "__"))]
        entries = [_on_disk(path) for path in shown]
        if len(shown) != 1 or not entries[0].is_folder or entries[0].problem or _names_of_a_system(entries):
            break
        folder = shown[0]
    return _of_entries(entries, folder.resolve().name, layout)


def _in_archive(path: Path, layout: Layout) -> Class:
    """The class in an archive, or the one hand-in that it is. Only a .zip may be a whole class: a tar has no directory."""
    with contextlib.suppress(Exception, MemoryError):
        if suffix_of(path.name) == ".zip":
            with open_ordinary(path) as stream:
                tree = open_archive(stream, path.name, CLASS)
                if layout is Layout.FOLDERS or _is_class(tree):
                    entries, name = _packed_entries(tree, _stem(path.name))
                    return _of_entries(entries, name, layout)
    submission = packed(path, identity_of(_stem(path.name)))
    return Class((HandIn(submission, clean(path.name), Layout.FOLDERS),), ())


# -- entries: the folders and files in which hand-ins are


@dataclass(frozen=True)
class _Entry:
    name: str
    is_folder: bool
    submission: Callable[[str], Submission]  # of a folder or an archive, by its id
    read: Callable[[int], bytes]  # of a file
    problem: str = ""  # why it is no hand-in


def _on_disk(path: Path) -> _Entry:
    problem, is_folder = "", os.path.isdir(path)
    if os.path.islink(path):
        problem = "a symbolic link"
    elif not is_folder and not os.path.isfile(path):
        problem = "a pipe, a socket or a device, not a file"

    def read(size: int) -> bytes:
        with open_ordinary(path, follow=False) as stream:
            return stream.read(size)

    def submission(identity: str) -> Submission:
        return from_tree(Folder(path), identity) if is_folder else packed(path, identity)

    return _Entry(path.name, is_folder, submission, read, problem)


def _packed_entries(tree: Tree, name: str) -> tuple[list[_Entry], str]:
    """The top of a class's archive, or of the only folder in it; and what that is called."""
    while True:
        parts = split(tree)
        files = [path for path in tree.paths if len(path.parts) == 1]
        if len(parts) != 1 or files or _are_of_a_system(list(parts), []):
            break
        name, tree = next(iter(parts.items()))
    entries = [_packed_folder(part, folder) for folder, part in sorted(parts.items())]
    entries += [_packed_file(tree, path) for path in sorted(files)]
    return [entry for entry in entries if not entry.name.startswith((".", "__"))], name


def _packed_folder(part: Tree, name: str) -> _Entry:
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


# -- whether something is a class


def _is_handed_in(name: str) -> bool:
    """Whether a file may be a hand-in, or a part of one."""
    return bool(suffix_of(name)) or name.lower().endswith((*UNREAD, ".py", ".ipynb"))


def _is_of_itself(name: str) -> bool:
    """Whether a file at the top is a hand-in, whatever lies beside it: an archive, or what some system named, since
    whoever handed it in must not go without a row."""
    return bool(suffix_of(name)) or name.lower().endswith(UNREAD) or bool(_CANVAS.fullmatch(name) and _is_handed_in(name))


def _is_of_the_assignment(path: PurePosixPath) -> bool:
    return path.name in FILES or is_near(path.name) or _is_handed_in(path.name)


def _is_class(tree: Tree) -> bool:
    """Whether it holds several hand-ins beside each other, complete or not, or what a system gives out."""
    for _ in range(_MAX_DESCENT):
        parts = split(tree)
        files = [path.name for path in tree.paths if len(path.parts) == 1]
        names = [*parts, *files]
        if _are_of_a_system(names, files):
            return True
        if len(parts) != 1 or any(map(_is_handed_in, files)):
            break
        (tree,) = parts.values()
    if any(name in FILES for name in files):
        return False
    shown = {name: part for name, part in parts.items() if not is_ignored(PurePosixPath(name))}
    own = sum(any(not is_ignored(path) and _is_of_the_assignment(path) for path in part.paths) for part in shown.values())
    return own + sum(map(_is_of_itself, files)) > 1


def _is_packed_class(path: Path) -> bool:
    with contextlib.suppress(Exception, MemoryError), open_ordinary(path, follow=False) as stream:
        return _is_class(open_archive(stream, path.name, CLASS))
    return False  # it is one hand-in, which says what is wrong with it


def _holds_classmates(root: Path) -> bool:
    """Whether a folder with code in it holds several whole submissions in folders of their own."""
    return len({home.parts[0] for home in homes_in(Folder(root)) if home.parts}) > 1


def _names_of_a_system(entries: Sequence["_Entry"]) -> bool:
    names = [entry.name for entry in entries]
    files = [entry.name for entry in entries if not entry.is_folder]
    return _are_of_a_system(names, files)


def _are_of_a_system(names: Sequence[str], files: Sequence[str]) -> bool:
    """Whether a system gave these names to folders and files, of which `files` are the files."""
    exported = sum(map(bool, map(_GRADESCOPE.fullmatch, names))) + (_METADATA in names)
    return exported > 1 or any(map(_MOODLE.fullmatch, names)) or _is_canvas(files)


def _is_canvas(files: Sequence[str]) -> bool:
    """Whether loose files are named by Canvas, and not just with numbers in them.

    Canvas names nearly all of them; each has a number of its own, a student has one number and a number one student;
    and few students hand in several archives.
    """
    handed_in = [name for name in files if _is_handed_in(name)]
    found = [match for name in handed_in if (match := _CANVAS.fullmatch(name))]
    numbers = {match["file_number"] for match in found}
    by_user: dict[str, set[str]] = {}
    archives: dict[str, int] = {}
    for match in found:
        by_user.setdefault(match["user"], set()).add(match["who"])
        archives[match["user"]] = archives.get(match["user"], 0) + bool(suffix_of(match["file"]))
    several = sum(count > 1 for count in archives.values())
    return (
        len(found) > _CANVAS_SHARE * len(handed_in)
        and len(numbers) == len(found)
        and all(len(who) == 1 for who in by_user.values())
        and 3 * several <= len(by_user)
    )


def feedback_name(hand_in: HandIn, file: str) -> str | None:
    """What the hand-in's system takes `file` back as, in an archive of feedback; None for other systems.

    Moodle reads the participant's number and that it is feedback (mod_assign, "Upload multiple feedback files in a
    zip"); Canvas the numbers of user and handed-in file, under whose name the student then sees it (Gradebook, "Upload
    submissions").
    """
    if hand_in.layout is Layout.MOODLE and (match := _MOODLE.fullmatch(hand_in.entry)):
        return f"{match['who']}_{match['user']}_assignfeedback_file_{file}"
    if hand_in.layout is Layout.CANVAS and (match := _CANVAS.fullmatch(hand_in.entry)):
        return f"{match['who']}_{match['user']}_{match['file_number']}_{file}"
    return None


# -- from entries to hand-ins


@dataclass
class _Group:
    """What one person, or one team, handed in."""

    layout: Layout
    identity: str
    people: tuple[Person, ...] = ()
    whole: list[_Entry] = field(default_factory=list)  # folders and archives, the one to be read first
    loose: dict[str, tuple[int, _Entry]] = field(default_factory=dict)  # files by the names that they had; their numbers

    @property
    def entries(self) -> list[_Entry]:
        """All of it."""
        return [*self.whole, *(entry for _, entry in self.loose.values())]

    @property
    def place(self) -> str:
        """Where it was found."""
        entries = self.entries
        return clean(entries[0].name) + (f" and {len(entries) - 1} more" if len(entries) > 1 else "")

    def keep(self, name: str, number: int, entry: _Entry) -> None:
        """Add a loose file; of several that had one name the one with the highest number."""
        if name not in self.loose or self.loose[name][0] < number:
            self.loose[name] = (number, entry)

    def submission(self, identity: str) -> Submission:
        """What is in it."""
        if self.whole:
            return self.whole[0].submission(identity)
        readers = {PurePosixPath(name): entry.read for name, (_, entry) in self.loose.items()}
        return _guarded(lambda: from_tree(Loose(readers, {}), identity), identity, "")


def _of_entries(entries: Sequence[_Entry], root: str, layout: Layout) -> Class:
    names = _Names(entries, root, layout)
    groups: dict[tuple[Layout, str], _Group] = {}
    skipped: list[Skipped] = []
    for entry in entries:
        if entry.problem:
            skipped.append(Skipped(clean(entry.name), entry.problem))
        elif (found := names.group_of(entry)) is not None:
            key, identity = found
            names.add(entry, groups.setdefault((key[0], key[1]), _Group(key[0], identity)))
        elif entry.name == _METADATA:
            if names.problem:
                skipped.append(Skipped(entry.name, names.problem))
        else:
            skipped.append(Skipped(clean(entry.name), "neither a folder nor an archive"))
    hand_ins: dict[str, HandIn] = {}
    for (kind, name), group in groups.items():
        identity = identity_of(group.identity)
        if identity not in hand_ins:
            submission = group.submission(identity)
        elif kind is Layout.FOLDERS:  # a folder and an archive of the same name
            what = f"there is another submission called {identity}"
            identity = identity_of(name, hand_ins)
            submission = Submission(identity, {}, (_problem(name, what, "keep one of the two"),))
        else:  # two students of one name, or without a number
            identity = identity_of(name, hand_ins)
            submission = group.submission(identity)
        hand_ins[identity] = HandIn(submission, group.place, group.layout, group.people, group.entries[0].name)
    return Class(tuple(hand_ins[identity] for identity in sorted(hand_ins)), tuple(skipped))


class _Names:
    """Tells from the names of a class's entries whose they are."""

    def __init__(self, entries: Sequence[_Entry], root: str, layout: Layout) -> None:
        self._allowed = set(Layout) if layout is Layout.AUTO else {layout, Layout.FOLDERS}
        if layout is Layout.AUTO and not _is_canvas([entry.name for entry in entries if not entry.is_folder]):
            self._allowed.discard(Layout.CANVAS)
        self._prefix = root.removesuffix("-submissions") + "-" if root.endswith("-submissions") else ""
        self.problem = ""  # of Gradescope's list of who handed in
        self._people: dict[str, tuple[Person, ...]] = {}
        metadata = next((entry for entry in entries if entry.name == _METADATA and not entry.is_folder), None)
        if metadata is not None and Layout.GRADESCOPE in self._allowed:
            try:
                self._people = _people(metadata.read(_MAX_METADATA))
            except (Exception, MemoryError) as error:  # its readers raise anything
                self.problem = f"cannot be read, so submissions are called by their folders ({type(error).__name__})"

    def group_of(self, entry: _Entry) -> tuple[tuple[Layout, str], str] | None:
        """The group that an entry belongs to, and its id; None if it is no part of a hand-in."""
        name = entry.name
        if Layout.MOODLE in self._allowed and (match := _MOODLE.fullmatch(name)):
            identity = f"{match['who']}_{match['user']}"
            return (Layout.MOODLE, identity), identity
        if Layout.CANVAS in self._allowed and not entry.is_folder and (match := _in_canvas(name)):
            identity = f"{match['who']}_{match['user']}"
            return (Layout.CANVAS, identity), identity
        if Layout.GRADESCOPE in self._allowed and entry.is_folder and _GRADESCOPE.fullmatch(name):
            people = self._people.get(name, ())
            numbers = [person.number or person.email or person.name for person in people]
            return (Layout.GRADESCOPE, name), "+".join(sorted(filter(None, numbers))) or name
        if Layout.CLASSROOM in self._allowed and entry.is_folder and self._prefix and name.startswith(self._prefix):
            return (Layout.CLASSROOM, name), name.removeprefix(self._prefix) or name
        if entry.is_folder:
            return (Layout.FOLDERS, name), name
        if suffix_of(name) or name.lower().endswith(UNREAD):
            return (Layout.FOLDERS, name), _stem(name)
        return ((Layout.FOLDERS, name), name) if _is_of_itself(name) else None

    def add(self, entry: _Entry, group: _Group) -> None:
        """Add an entry to its group."""
        name = entry.name
        if group.layout is Layout.CANVAS and (found := _in_canvas(name)):
            group.people = (Person(name=found["who"], number=found["user"]),)
            if "file" not in found.groupdict():
                group.keep("onlinetext.html", 0, entry)
                return
            plain, number = _REPEATED.sub("", found["file"]), int(found["file_number"])
            group.keep(plain if plain in FILES else found["file"], number, entry)
        elif group.layout is Layout.MOODLE and (found := _MOODLE.fullmatch(name)):
            group.people = (Person(name=found["who"], number=found["user"]),)
            if entry.is_folder:
                group.whole.insert(0 if found["kind"] == "file" else len(group.whole), entry)
            else:
                group.keep(found["file"] or name, 0, entry)
        elif entry.is_folder or suffix_of(name):
            group.people = self._people.get(name, ())
            group.whole.append(entry)
        else:
            group.keep(name, 0, entry)


def _in_canvas(name: str) -> re.Match[str] | None:
    return _CANVAS.fullmatch(name) or _CANVAS_TEXT.fullmatch(name)


def _people(metadata: bytes) -> dict[str, tuple[Person, ...]]:
    """By folder: who handed it in, from Gradescope's `submission_metadata.yml`. Raises what its readers do."""
    import yaml

    # A Ruby program's YAML, whose keys begin with colons; every value is read as a text, for a number may begin with 0.
    read = yaml.load(metadata, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    found: dict[str, tuple[Person, ...]] = {}
    for folder, about in read.items():
        submitters = _field(about, "submitters") if isinstance(about, Mapping) else None
        people = [one for one in submitters if isinstance(one, Mapping)] if isinstance(submitters, list) else []
        fields = ("name", "email", "sid")
        found[str(folder).lstrip(":")] = tuple(
            Person(*(clean(str(_field(one, key) or "")).strip() for key in fields)) for one in people
        )
    return found


def _field(record: Mapping[str, Any], name: str) -> Any:
    return record.get(f":{name}", record.get(name))


# -- ids


def _stem(name: str) -> str:
    """A name without what tells the kind of an archive."""
    suffix = suffix_of(name) or next((ending for ending in UNREAD if name.lower().endswith(ending)), "")
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
