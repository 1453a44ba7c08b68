"""The static site: the board, a page per submission, how ranking works, a CSV and a badge.

It needs no server, no network and no other file: style and script stand in every page, and the content
security policy admits those two, by their hashes, and nothing else.
"""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from grader import __version__
from grader.board import Kind
from grader.errors import SetupError, UsageError
from grader.files import write_atomically
from grader.publish.badge import board_badge, shields
from grader.publish.drawing import chart, small_curve, small_interval
from grader.publish.public import Grading, PublicBoard, PublicRow
from grader.publish.tables import board_csv
from grader.result import MEANINGS, Verdict
from grader.templating import environment

_GENERATOR = f"grader {__version__}"
_MARK = '<meta name="generator" content="grader '
_PAGES = "s"
_TEMPLATES = Path(__file__).parent / "templates"
_OURS = {"index.html", "ranking.html", "leaderboard.csv", "badge.svg", "badge.json", ".nojekyll", _PAGES}


class Site:
    """A folder that holds the site of a leaderboard, and is rewritten as the leaderboard changes."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError where the folder holds something else, SetupError where it cannot be read."""
        self.folder = folder
        self._written: dict[Path, str] = {}
        _check(folder)

    def write(self, board: PublicBoard) -> Path:
        """Bring the folder up to date; the path of the board's page. Raises SetupError.

        What an earlier version left and this one does not show goes first: it may bear names.
        """
        pages = _render(board)
        if not (self.folder / "index.html").exists():
            write_atomically(self.folder / "index.html", f'<!doctype html>\n{_MARK}">\n', durable=False)
        try:
            self._sweep(set(pages))
        except OSError as error:
            raise SetupError(f"{self.folder} cannot be written: {error.strerror}") from None
        for name, text in pages.items():
            path = self.folder / name
            if self._written.get(path) != text:
                write_atomically(path, text, durable=False)
                self._written[path] = text
        return self.folder / "index.html"

    def _sweep(self, names: set[str]) -> None:
        for path in (*self.folder.glob("*"), *(self.folder / _PAGES).glob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name not in names and _is_ours(path, self.folder):
                path.unlink()
                self._written.pop(path, None)


def _check(folder: Path) -> None:
    """A folder is ours when its index.html says so, which is written before anything else."""
    try:
        there = [path for path in folder.iterdir() if not _is_partial(path)] if folder.exists() else []
        index = folder / "index.html"
        ours = index.is_file() and _MARK in index.read_text(encoding="utf-8", errors="replace")[:2000]
    except OSError as error:
        raise SetupError(f"{folder} cannot be read: {error.strerror}") from None
    if there and not ours:
        raise UsageError(f"{folder} holds files that are not of a leaderboard's site: name a new or empty folder")


def _is_ours(path: Path, folder: Path) -> bool:
    if _is_partial(path):
        return True
    return path.parent == folder / _PAGES or (path.parent == folder and path.name in _OURS)


def _is_partial(path: Path) -> bool:
    """Whether a run was killed while it wrote this."""
    return path.name.startswith(".") and path.name.endswith(".partial")


@lru_cache
def _part(name: str) -> tuple[Markup, str]:
    """Style or script, and what the content security policy says of it."""
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    if name.endswith(".css"):
        text = re.sub(r"\s*\n\s*", "\n", text)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"


@lru_cache
def _environment() -> Any:
    made = environment(_TEMPLATES, trim_blocks=True)
    style, style_hash = _part("site.css")
    script, script_hash = _part("site.js")
    made.globals.update(
        generator=_GENERATOR, style=style, style_hash=style_hash, script=script, script_hash=script_hash
    )
    return made


def _render(board: PublicBoard) -> dict[str, str]:
    """Every file of the site by its name; the board's page last, when all that it leads to is there."""
    templates = _environment()
    submission = templates.get_template("submission.html")
    default = next((row for row in board.rows if row.kind is Kind.DEFAULT), None)
    pages = {
        f"{_PAGES}/{row.slug}.html": submission.render(
            board=board, r=row, meaning=MEANINGS[row.counting.verdict], charts=_charts(row, default)
        )
        for row in board.rows
    }
    pages["ranking.html"] = templates.get_template("ranking.html").render(board=board, meanings=MEANINGS.items())
    pages["leaderboard.csv"] = board_csv(board)
    pages["badge.svg"] = board_badge(board)
    pages["badge.json"] = shields(board)
    pages[".nojekyll"] = ""  # GitHub Pages serves the files as they are
    scale = _scale(board)

    def interval(grading: Grading) -> Markup:
        assert grading.accuracy is not None
        return small_interval(grading.accuracy, grading.low, grading.high, scale)

    pages["index.html"] = templates.get_template("board.html").render(
        board=board,
        students=sum(row.kind is Kind.STUDENT for row in board.rows),
        verdicts=[v for v in Verdict if any(row.counting.verdict is v for row in board.rows)],
        interval=interval,
        scale=scale,
        small_curve=small_curve,
    )
    return pages


def _scale(board: PublicBoard) -> tuple[float, float]:
    """Bounds of accuracy for the small pictures: without what lies far below the rest, which would squeeze the rest.

    Far below: by more than one and a half interquartile ranges (Tukey, Exploratory Data Analysis, 1977).
    """
    means = sorted(row.counting.accuracy for row in board.rows if row.counting.accuracy is not None)
    if not means:
        return 0.0, 1.0
    lower, upper = means[len(means) // 4], means[3 * len(means) // 4]
    low, high = max(means[0], lower - 1.5 * (upper - lower)), means[-1]
    margin = max(0.01, 0.25 * (high - low))
    return max(0.0, low - margin), min(1.0, high + margin)


def _charts(row: PublicRow, default: PublicRow | None) -> list[dict[str, object]]:
    """The figures of a submission's page, with the default scheduler dashed behind."""
    drawn: list[dict[str, object]] = []
    curves = row.curves
    base = default.curves if default is not None and default is not row else None
    behind = ", the dashed line is the default scheduler" if base else ""
    if curves is not None:
        accuracy = [("base", list(zip(base.epochs, base.accuracy, strict=True)))] if base else []
        accuracy.append(("own", list(zip(curves.epochs, curves.accuracy, strict=True))))
        text = f"Accuracy on the held-out images, from {curves.accuracy[0]:.1%} to {curves.accuracy[-1]:.1%}"
        picture = chart(accuracy, text, "epoch", "accuracy", percent=True)
        drawn.append({"picture": picture, "caption": f"{text}: mean over the seeds{behind}."})
        losses = [("base", list(zip(base.epochs, base.train_loss, strict=True)))] if base else []
        losses.append(("own", list(zip(curves.epochs, curves.train_loss, strict=True))))
        first, last = (
            f"{v:.3g}" if v is not None else "not finite" for v in (curves.train_loss[0], curves.train_loss[-1])
        )
        text = f"Training loss (cross-entropy), from {first} to {last}"
        picture = chart(losses, text, "epoch", "loss")
        drawn.append({"picture": picture, "caption": f"{text}: mean over the seeds{behind}."})
    rate = row.learning_rate
    if rate is not None and rate.curve:
        n = len(rate.curve)
        points = [(i * (rate.steps - 1) / max(1, n - 1) + 1, value) for i, value in enumerate(rate.curve)]
        course = f"from {rate.first:.4g} to {rate.last:.4g}" if rate.distinct > 1 else f"always {rate.first:.4g}"
        text = f"Learning rate over the {rate.steps} steps, {course}"
        drawn.append({"picture": chart([("own", points)], text, "step", "learning rate"), "caption": f"{text}."})
    return [one for one in drawn if one["picture"]]
