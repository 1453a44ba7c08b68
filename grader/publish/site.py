"""The static site as a folder of files: the board, a page per submission, how ranking works, a CSV and a badge.

It needs no server, no network and no other file.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.core.errors import SetupError, UsageError
from grader.core.files import write_atomically
from grader.core.kind import Kind
from grader.publish.listing import Listing, is_board_page
from grader.publish.pages import MARK, board_files, line, submission_page
from grader.publish.public_board import PublicBoard, PublicRow

_PAGES = "s"
_OURS = {"index.html", "names.html", "ranking.html", "leaderboard.csv", "badge.svg", "badge.json", ".nojekyll", _PAGES}


class Site:
    """A folder that holds the site of a leaderboard, and is rewritten as the leaderboard changes."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError if the folder holds something else, SetupError if it cannot be read."""
        self.folder = folder
        self._written: dict[str, bytes] = {}  # of each file, the hash of what it holds
        _check(folder)

    def write(self, board: PublicBoard) -> Path:
        """Bring the folder up to date; the path of the board's page. Raises SetupError."""
        default = next((row for row in board.rows if row.kind is Kind.DEFAULT), None)
        return self.update(board, [(row.rank, line(row)) for row in board.rows], board.rows, default)

    def update(
        self, board: PublicBoard, listing: Listing, changed: Sequence[PublicRow], default: PublicRow | None
    ) -> Path:
        """The same, where only the pages of the rows that `changed` are made again; the rows are those of `listing`.

        What an earlier version left and this one does not show goes first: it may bear names. Raises SetupError.
        """
        if not (self.folder / "index.html").exists():
            write_atomically(self.folder / "index.html", f'<!doctype html>\n{MARK}">\n', durable=False)
        files = list(board_files(board, listing))
        self._sweep({name for name, _ in files} | {_page_of(line.slug) for _, line in listing})
        self._bring((_page_of(row.slug), submission_page(row, board, default)) for row in changed)
        self._bring(files)
        return self.folder / "index.html"

    def _bring(self, files: Iterable[tuple[str, str]]) -> None:
        for name, text in files:
            digest = hashlib.sha256(text.encode()).digest()
            if self._written.get(name) != digest:
                write_atomically(self.folder / name, text, durable=False)
                self._written[name] = digest

    def _sweep(self, names: set[str]) -> None:
        """Remove what is not among `names`; what others left is looked for once."""
        try:
            if not self._written:
                for path in (*self.folder.glob("*"), *(self.folder / _PAGES).glob("*")):
                    name = path.relative_to(self.folder).as_posix()
                    if path.is_file() and name not in names and _is_ours(path, self.folder):
                        path.unlink()
            for name in self._written.keys() - names:
                (self.folder / name).unlink(missing_ok=True)
                del self._written[name]
        except OSError as error:
            raise SetupError(f"{self.folder} cannot be written: {error.strerror}") from None


def _page_of(slug: str) -> str:
    return f"{_PAGES}/{slug}.html"


def _check(folder: Path) -> None:
    """A folder is ours when its index.html says so, which is written before anything else."""
    try:
        there = [path for path in folder.iterdir() if not _is_partial(path)] if folder.exists() else []
        index = folder / "index.html"
        ours = index.is_file() and MARK in index.read_text(encoding="utf-8", errors="replace")[:2000]
    except OSError as error:
        raise SetupError(f"{folder} cannot be read: {error.strerror}") from None
    if there and not ours:
        raise UsageError(f"{folder} holds files that are not of a leaderboard's site: name a new or empty folder")


def _is_ours(path: Path, folder: Path) -> bool:
    if _is_partial(path):
        return True
    if path.parent == folder:
        return path.name in _OURS or is_board_page(path)
    return path.parent == folder / _PAGES


def _is_partial(path: Path) -> bool:
    """Whether a run was killed while it wrote this."""
    return path.name.startswith(".") and path.name.endswith(".partial")
