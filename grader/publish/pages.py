"""The pages of the site, as text: the board, all names, a submission, how ranking works; the CSV and the badges.

Style and script stand in every page, and the content security policy admits those two, by their hashes, and nothing
else.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from grader import __version__
from grader.core.kind import Kind
from grader.core.templating import environment
from grader.core.verdict import MEANINGS
from grader.publish.badge import NONE_YET, board_badge, shields
from grader.publish.drawing import chart
from grader.publish.listing import BoardLine, Listing, board_pages, line_of, scale_of, verdicts
from grader.publish.public import PublicBoard, PublicRow
from grader.publish.tables import csv_of

MARK = '<meta name="generator" content="grader '
_GENERATOR = f"grader {__version__}"
_TEMPLATES = Path(__file__).parent / "templates"


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


def line(row: PublicRow) -> BoardLine:
    """The row's line on the board's page."""
    template = _environment().get_template("row.html")
    return line_of(row, template)


def submission_page(row: PublicRow, board: PublicBoard, default: PublicRow | None) -> str:
    """The page of one submission. Of `board`, its head is looked at and no row."""
    template = _environment().get_template("submission.html")
    return str(
        template.render(board=board, r=row, meaning=MEANINGS[row.counting.verdict], charts=_charts(row, default))
    )


def board_files(board: PublicBoard, listing: Listing) -> Iterator[tuple[str, str]]:
    """Every other file by its name, the board's first page last. The rows are those of `listing`."""
    templates = _environment()
    yield "ranking.html", templates.get_template("ranking.html").render(board=board, meanings=MEANINGS.items())
    yield "leaderboard.csv", csv_of((rank, line.csv) for rank, line in listing)
    best = next((line.message for rank, line in listing if line.student and rank is not None), NONE_YET)
    yield "badge.svg", board_badge(best)
    yield "badge.json", shields(best)
    yield ".nojekyll", ""  # GitHub Pages serves the files as they are
    pages = board_pages(listing)
    if len(pages) > 1:
        names = sorted((line.name.casefold(), line.link) for _, line in listing)
        items = Markup("\n".join(f"<li>{link}</li>" for _, link in names))
        text = templates.get_template("names.html").render(board=board, count=len(names), items=items)
        yield "names.html", text
    template, scale = templates.get_template("board.html"), scale_of(listing)
    facts = {
        "board": board,
        "pages": pages,
        "students": sum(line.student for _, line in listing),
        "verdicts": verdicts(listing),
        "scale": scale,
    }
    for page in reversed(pages):
        rows = Markup("\n".join(line.shown(rank, scale) for rank, line in page.rows))
        yield page.name, template.render(here=page, rows=rows, **facts)


def _charts(row: PublicRow, default: PublicRow | None) -> list[dict[str, object]]:
    """The figures of a submission's page, with the default scheduler dashed behind."""
    drawn: list[dict[str, object]] = []
    curves = row.curves
    beside = (
        default is not None and row.kind is not Kind.DEFAULT and default.apart == row.apart
    )  # on one kind of device
    base = default.curves if default is not None and beside else None
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
