"""The files of a hand-in, in a folder or packed, and where in it the submission is.

One rule for both: the submission is the one place that holds scheduler.py and config.py, however deep. Where none holds
both, it is the one place that holds one of the files of the assignment.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from grader.core.files import NotOrdinaryError, open_ordinary
from grader.core.text import clean

CODE = ("scheduler.py", "config.py")
FILES = (*CODE, "submission.json", "ATTRIBUTION.md")
_MAX_ENTRIES = 2000  # of a folder that are looked at
#: Folders that hold no hand-in: environments, caches, and what systems leave behind.
_IGNORED = {"__macosx", "__pycache__", "node_modules", "site-packages", "venv", "env", "virtualenv", "wandb"}
#: A name that is nearly one of the assignment's, as browsers, editors and systems change it.
_NEAR = re.compile(
    r"(?:copy of )?(scheduler|config|submission|attribution)(?:[ _-]*(?:\(\d+\)|\d+|copy|final|new|v\d+))*"
    r"(\.py|\.json|\.md)(?:\.txt)?",
    re.I,
)


class Unsafe(Exception):
    """A hand-in that is refused; the message says why."""


class Tree(Protocol):
    """Files by their paths. Nothing is read before it is asked for."""

    @property
    def paths(self) -> Sequence[PurePosixPath]:
        """Of the ordinary files."""

    @property
    def odd(self) -> Mapping[PurePosixPath, str]:
        """Of links, pipes and devices, with what is said of them."""

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each. Raises Unsafe, and whatever else the readers of hostile bytes raise."""


class Folder:
    """The tree of a folder on the disk. Links are not followed; what lies deep is looked at last, up to a bound."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.odd: dict[PurePosixPath, str] = {}
        self.paths = list(self._walk())

    def _walk(self) -> Iterator[PurePosixPath]:
        todo, left = deque([PurePosixPath()]), _MAX_ENTRIES
        while todo and left > 0:
            here = todo.popleft()
            known = {name for name in FILES if os.path.lexists(self._root / here / name)}
            yield from (here / name for name in FILES if name in known)  # whatever else lies beside them
            try:
                with os.scandir(self._root / here) as entries:
                    for entry in entries:
                        left -= 1
                        if left <= 0:
                            self.odd[PurePosixPath()] = f"holds more than {_MAX_ENTRIES} entries, not all looked at"
                            break
                        path = here / entry.name
                        if entry.name in known or entry.is_symlink():
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            if not is_ignored(path):
                                todo.append(path)
                        elif entry.is_file(follow_symlinks=False):
                            yield path
            except OSError as error:
                self.odd[here] = f"cannot be read ({error.strerror})"

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each; what cannot be read goes into `odd`."""
        found = {}
        for path, size in wanted.items():
            try:
                with open_ordinary(self._root / path, follow=False) as stream:
                    found[path] = stream.read(size)
            except NotOrdinaryError as error:
                self.odd[path] = str(error.strerror)
            except OSError as error:
                if os.path.islink(self._root / path):
                    self.odd[path] = "is a link"
                    continue
                self.odd[path] = f"cannot be read ({error.strerror})"
        return found


@dataclass(frozen=True)
class Loose:
    """A tree of single files from anywhere."""

    readers: Mapping[PurePosixPath, Callable[[int], bytes]]
    odd: Mapping[PurePosixPath, str]

    @property
    def paths(self) -> Sequence[PurePosixPath]:
        """Of all of them."""
        return list(self.readers)

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each."""
        return {path: self.readers[path](size) for path, size in wanted.items()}


@dataclass(frozen=True)
class Part:
    """What lies below a folder of a tree."""

    whole: Tree
    folder: str
    paths: list[PurePosixPath]
    odd: dict[PurePosixPath, str]

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each."""
        found = self.whole.read({self.folder / path: size for path, size in wanted.items()})
        return {PurePosixPath(*path.parts[1:]): data for path, data in found.items()}


def split(tree: Tree) -> dict[str, Part]:
    """The folders at the top of a tree, in one pass over its paths."""
    parts: dict[str, Part] = {}
    for path in tree.paths:
        if len(path.parts) > 1:
            part = parts.setdefault(path.parts[0], Part(tree, path.parts[0], [], {}))
            part.paths.append(PurePosixPath(*path.parts[1:]))
    for path, what in tree.odd.items():
        if len(path.parts) > 1:
            part = parts.setdefault(path.parts[0], Part(tree, path.parts[0], [], {}))
            part.odd[PurePosixPath(*path.parts[1:])] = what
    return parts


def is_ignored(path: PurePosixPath) -> bool:
    """Whether a path is, or lies in, what no hand-in needs: hidden files, environments, caches."""
    return any(part.startswith(".") or part.lower() in _IGNORED for part in path.parts)


def homes_in(tree: Tree) -> list[PurePosixPath]:
    """All folders of the tree that hold both files of code, the shallowest first."""
    by_folder: dict[PurePosixPath, set[str]] = {}
    for path in (*tree.paths, *tree.odd):
        if path.name in CODE and not is_ignored(path):
            by_folder.setdefault(path.parent, set()).add(path.name)
    whole = [folder for folder, names in by_folder.items() if len(names) == len(CODE)]
    return sorted(whole, key=lambda p: (len(p.parts), str(p)))


def home_of(tree: Tree) -> PurePosixPath | None:
    """The folder that holds the submission; None if none holds a file of it. Raises Unsafe if two do, equally deep."""
    for homes in (homes_in(tree), _holding(tree, CODE), _holding(tree, FILES[2:3])):
        if len(homes) > 1 and len(homes[0].parts) == len(homes[1].parts):
            first, second = (clean(str(home))[:100] for home in homes[:2])
            raise Unsafe(f"holds two submissions: {first} and {second}")
        if homes:
            return homes[0]
    return None


def _holding(tree: Tree, names: Sequence[str]) -> list[PurePosixPath]:
    folders = {path.parent for path in (*tree.paths, *tree.odd) if path.name in names and not is_ignored(path)}
    return sorted(folders, key=lambda p: (len(p.parts), str(p)))


def is_near(name: str) -> bool:
    """Whether a name is nearly one of the assignment's."""
    return _NEAR.fullmatch(name) is not None


def near(tree: Tree) -> dict[str, PurePosixPath]:
    """By the name of a file of the assignment: one whose name is nearly that, the shallowest."""
    found: dict[str, PurePosixPath] = {}
    for path in sorted(tree.paths, key=lambda p: (len(p.parts), str(p))):
        match = _NEAR.fullmatch(path.name)
        if match and path.name not in FILES and not is_ignored(path):
            name = next((n for n in FILES if n.lower() == (match[1] + match[2]).lower()), None)
            if name is not None:
                found.setdefault(name, path)
    return found
