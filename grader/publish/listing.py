"""A row of the board's page and of the CSV, as text: made once, and put together as often as the board changes.

What other rows decide (the rank, the scale of the intervals) is put in then, so a board of thousands of rows is
brought up to date in less than a second.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grader.core.kind import Kind
from grader.core.verdict import Verdict
from grader.leaderboard.ranking import Place
from grader.publish.badge import message
from grader.publish.class_summary import lowest
from grader.publish.drawing import Scale, small_curve, small_interval
from grader.publish.public_board import PublicRow
from grader.publish.tables import without_rank

PAGE = 1000  # rows on one page of the board


class BoardLine(NamedTuple):
    """A row, ready to be shown at some rank."""

    name: str
    slug: str
    kind: Kind
    verdict: Verdict
    message: str  # of a badge
    place: Place  # on the board where names, ids and times of grading must not show through
    rank_interval: tuple[int, int] | None
    apart: str
    interval: tuple[float, float | None, float | None] | None  # mean and bounds
    link: str  # to its page, in HTML
    html: tuple[str, str, str]  # parts: between them stand the rank and the interval
    csv: str  # what follows the rank

    @property
    def student(self) -> bool:
        """Whether it is no reference."""
        return self.kind is Kind.STUDENT

    def shown(self, rank: int | None, scale: Scale, *, yardstick: bool) -> str:
        """The row of the table; a `yardstick` is shown even where other references are not."""
        number = "" if rank is None else str(rank)
        note = "{}–{}".format(*self.rank_interval) if self.rank_interval else f"on {self.apart}" if self.apart else ""
        below = f'<small class="quiet range">{note}</small>' if note else ""
        picture = small_interval(*self.interval, scale) if self.interval else ""
        start, middle, end = self.html
        start = start.replace('class="other"', 'class="other yardstick"') if yardstick else start
        return f'{start}<td class="n" data-v="{number}">{number}{below}</td>{middle}{picture}{end}'


Listing = Sequence[tuple[int | None, BoardLine]]  # rows after their ranks, in order


def line_of(row: PublicRow, template: Any) -> BoardLine:
    """The line of a row; `template` is that of the row, whose macros are its parts."""
    parts, counting = template.module, row.counting
    return BoardLine(
        name=row.name,
        slug=row.slug,
        kind=row.kind,
        verdict=counting.verdict,
        message=message(row),
        place=row.place,
        rank_interval=row.rank_interval,
        apart=row.apart,
        interval=None if counting.accuracy is None else (counting.accuracy, counting.low, counting.high),
        link=str(parts.link(row)),
        html=(str(parts.start(row)), str(parts.middle(row)), str(parts.end(row, small_curve))),
        csv=without_rank(row),
    )


def scale_of(listing: Listing) -> Scale:
    """Bounds of accuracy for the small pictures: without what lies far below the rest, which would squeeze the rest."""
    means = sorted(line.interval[0] for _, line in listing if line.interval)
    default = next((line.interval[0] for _, line in listing if line.kind is Kind.DEFAULT and line.interval), None)
    if not means:
        return Scale(0.0, 1.0, default)
    low, high = lowest(means), means[-1]
    low = low if default is None else min(low, default)
    margin = max(0.01, 0.25 * (high - low))
    return Scale(max(0.0, low - margin), min(1.0, high + margin), default)


def yardsticks(listing: Listing) -> set[str]:
    """The pages of the default scheduler and of the best reference."""
    default = [line.slug for _, line in listing if line.kind is Kind.DEFAULT]
    references = [line for _, line in listing if line.kind is Kind.REFERENCE and line.interval]
    best = min(references, key=lambda line: line.place.points, default=None)  # by what is ranked by
    return {*default, *((best.slug,) if best else ())}


class BoardPage(NamedTuple):
    """One page of the board."""

    name: str  # of its file
    title: str
    rows: Listing


def board_pages(listing: Listing) -> list[BoardPage]:
    """The board in pages of a bearable size; the first is there without rows, too."""
    pages = []
    for start in range(0, max(1, len(listing)), PAGE):
        rows = listing[start : start + PAGE]
        known = [rank for rank, _ in rows if rank is not None]
        title = f"ranks {known[0]} to {known[-1]}" if known else "without a rank"
        pages.append(BoardPage(f"board-{start // PAGE + 1}.html" if start else "index.html", title, rows))
    return pages


def is_board_page(path: Path) -> bool:
    """Whether it bears the name of a further page of the board."""
    return path.match("board-*.html")


def verdicts(listing: Iterable[tuple[int | None, BoardLine]]) -> list[Verdict]:
    """Those that occur."""
    there = {line.verdict for _, line in listing}
    return [verdict for verdict in Verdict if verdict in there]
