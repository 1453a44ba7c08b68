"""The pages of the site, as text: the board, all names, a submission, how ranking works; the CSV and the badges.

Style and script stand in every page, and the content security policy admits those two, by their hashes, and nothing
else.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from markupsafe import Markup

from grader import __version__
from grader.core.curves import LrSummary
from grader.core.kind import Kind
from grader.core.templating import environment
from grader.core.verdict import MARKS, MEANINGS, RULES
from grader.leaderboard.workloads import Profile
from grader.publish.badge import NONE_YET, board_badge, shields
from grader.publish.class_summary import FEWEST as SUMMARIZED
from grader.publish.drawing import chart, histogram, steps
from grader.publish.listing import BoardLine, Listing, board_pages, line_of, scale_of, verdicts, yardsticks
from grader.publish.public_board import PublicBoard, PublicRow, PublicWorkload
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
    """The page of one submission. Of `board` only the head is read, no row."""
    template = _environment().get_template("submission.html")
    charts = [chart for chart in _charts(row, board, default) if chart["picture"]]
    words = {"meaning": MEANINGS[row.counting.verdict], "marks": MARKS}
    return str(template.render(board=board, r=row, charts=charts, **words))


def feedback_page(
    row: PublicRow, board: PublicBoard, default: PublicRow | None, best: PublicRow | None, sentences: Sequence[str]
) -> str:
    """The page of one submission for its student, with the curves of the `best` reference, too: it links nowhere."""
    template = _environment().get_template("feedback.html")
    charts = [chart for chart in _charts(row, board, default, best) if chart["picture"]]
    words = {"meaning": MEANINGS[row.counting.verdict], "marks": MARKS, "sentences": sentences}
    return str(template.render(board=board, r=row, charts=charts, **words))


def board_files(board: PublicBoard, listing: Listing) -> Iterator[tuple[str, str]]:
    """Every other file by its name, the board's first page last. The rows are those of `listing`."""
    templates = _environment()
    yield "ranking.html", templates.get_template("ranking.html").render(board=board, meanings=MEANINGS.items())
    yield "leaderboard.csv", csv_of(((rank, line.csv) for rank, line in listing), board)
    ranked = [line for rank, line in listing if line.student and rank is not None]
    first = max(ranked, key=lambda line: line.interval[0] if line.interval else 0.0, default=None)
    best = first.message if first is not None else NONE_YET
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
        "references": sum(not line.student for _, line in listing),
        "class_chart": _class_chart(board, None),
        "rules": RULES,
        "summary": board.summary if board.summary and board.summary.students >= SUMMARIZED else None,
    }
    always = yardsticks(listing)
    for page in reversed(pages):
        rows = Markup("\n".join(line.shown(rank, scale, yardstick=line.slug in always) for rank, line in page.rows))
        yield page.name, template.render(here=page, rows=rows, **facts)


Figure: TypeAlias = dict[str, object]  # picture and caption


def _charts(
    row: PublicRow, board: PublicBoard, default: PublicRow | None, best: PublicRow | None = None
) -> Iterator[Figure]:
    """The figures of a submission's page, with the default scheduler dashed behind, and the best reference dotted."""
    beside = (
        default if default is not None and row.kind is not Kind.DEFAULT and default.apart == row.apart else None
    )  # on one kind of device
    best = best if best is not None and best.apart == row.apart else None
    yield from _curves("", row, beside, best, best.name if best else "")
    for n, one in enumerate(row.workloads):
        base, reference = (other.workloads[n] if other else None for other in (beside, best))
        yield from _curves(f"{one.name}: ", one, base, reference, best.name if best else "")
    own = board.profiles.get(row.slug)
    if own:
        yield _profile(own, board.profiles.get(beside.slug) if beside else None)
    if row.kind is Kind.STUDENT and row.counting.accuracy is not None and not row.apart and not row.status:
        yield _class_chart(board, row.counting.accuracy) or {"picture": "", "caption": ""}


Trained: TypeAlias = PublicRow | PublicWorkload


def _curves(
    on: str, row: Trained, default: Trained | None, best: Trained | None = None, best_name: str = ""
) -> Iterator[Figure]:
    """Accuracy, loss and learning rate of one training; `on` is what its captions begin with."""
    curves, base = row.curves, default.curves if default else None
    behind = ", the dashed line is the default scheduler" if base else ""
    if curves is not None:
        known = [(kind, one) for kind, one in (("base", base), ("best", best.curves if best else None)) if one]
        dotted = f", the dotted line is the reference {best_name}" if best and best.curves else ""
        accuracy = [(kind, list(zip(one.epochs, one.accuracy, strict=True))) for kind, one in known]
        accuracy.append(("own", list(zip(curves.epochs, curves.accuracy, strict=True))))
        text = f"{on}Accuracy on the held-out images, from {curves.accuracy[0]:.1%} to {curves.accuracy[-1]:.1%}"
        picture = chart(accuracy, text, "epoch", "accuracy", percent=True)
        yield {"picture": picture, "caption": f"{text}: mean over the seeds{behind}{dotted}."}
        losses = [(kind, list(zip(one.epochs, one.train_loss, strict=True))) for kind, one in known]
        losses.append(("own", list(zip(curves.epochs, curves.train_loss, strict=True))))
        first, last = (
            f"{v:.3g}" if v is not None else "not finite" for v in (curves.train_loss[0], curves.train_loss[-1])
        )
        text = f"{on}Training loss (cross-entropy), from {first} to {last}"
        picture = chart(losses, text, "epoch", "loss")
        yield {"picture": picture, "caption": f"{text}: mean over the seeds{behind}{dotted}."}
    rate = row.learning_rate
    if rate is not None and rate.curve:
        course = f"from {rate.first:.4g} to {rate.last:.4g}" if rate.distinct > 1 else f"always {rate.first:.4g}"
        text = f"{on}Learning rate over the {rate.steps} steps, {course}"
        usual = default.learning_rate if default else None
        lines = [("base", _rates(usual))] if usual and usual.curve else []
        behind = ", the dashed line is the default scheduler" if lines else ""
        picture = chart([*lines, ("own", _rates(rate))], text, "step", "learning rate")
        yield {"picture": picture, "caption": f"{text}{behind}."}


def _rates(rate: LrSummary) -> list[tuple[float, float | None]]:
    n = len(rate.curve)
    return [(i * (rate.steps - 1) / max(1, n - 1) + 1, value) for i, value in enumerate(rate.curve)]


def _profile(own: Profile, default: Profile | None) -> Figure:
    """The performance profile, up to a ratio that all workloads are within."""
    end = 1.05 * max(own[-1][0], default[-1][0] if default else 1.0)
    lines = [("base", steps(default, end))] if default else []
    first = own[0][1]
    text = (
        f"Performance profile: the best row on {first:.0%} of the workloads, and within {own[-1][0]:.3g} times the "
        "best row's error on all of them"
    )
    behind = "; the dashed line is the default scheduler" if default else ""
    picture = chart(
        [*lines, ("own", steps(own, end))], text, "error, as a multiple of the best row's", "workloads", percent=True
    )
    return {"picture": picture, "caption": f"{text}{behind}."}


def _class_chart(board: PublicBoard, here: float | None) -> Figure | None:
    """How the accuracies of the class lie; not while results come in, since every page would change with each."""
    if board.histogram is None or board.progress is not None:
        return None
    bins = tuple((one.low, one.high, one.count) for one in board.histogram.bins)
    below, total = board.histogram.below, sum(count for _, _, count in bins)
    text = f"The accuracies of {total} students, from {bins[0][0]:.1%} to {bins[-1][1]:.1%}"
    text += f"; {below} more lie{'s' if below == 1 else ''} below" if below else ""
    where = f". This submission: {here:.1%}" if here is not None else ""
    marks = board.histogram.references
    lines = ". The dotted lines are the references" if marks else ""
    return {"picture": histogram(bins, here, text, marks), "caption": f"{text}{where}{lines}."}
