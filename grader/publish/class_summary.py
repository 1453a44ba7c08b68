"""The class as a whole: a histogram of its accuracies, and its records."""

from collections.abc import Iterable, Mapping, Sequence

from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Leaderboard, RowKey
from grader.publish.names import NameMode, Names, Shown

_FEWEST, _BINS = 5, 10  # students for a histogram, and its bins


class Record(Frozen):
    """A grading that was better than all before it."""

    when: str
    name: str
    accuracy: float


class Bin(Frozen):
    """Students with an accuracy of at least `low` and below `high` (the last bin: at most)."""

    low: float
    high: float
    count: int


class Histogram(Frozen):
    """The accuracies of the students shown who are ranked."""

    bins: tuple[Bin, ...]
    below: int  # students below the first bin


def histogram_of(accuracies: Iterable[float]) -> Histogram | None:
    """Ten bins of equal width, above what lies far below the rest (`lowest`); None for a few, or for equal ones."""
    values = sorted(accuracies)
    if len(values) < _FEWEST or values[0] == values[-1]:
        return None
    low, high = lowest(values), values[-1]
    width = (high - low) / _BINS
    if width <= 0:
        return None
    counts = [0] * _BINS
    for value in values:
        if value >= low:
            counts[min(_BINS - 1, int((value - low) / width))] += 1
    bins = tuple(Bin(low=low + n * width, high=low + (n + 1) * width, count=count) for n, count in enumerate(counts))
    return Histogram(bins=bins, below=len(values) - sum(counts))


def lowest(values: Sequence[float]) -> float:
    """The lowest of the ascending `values` that does not lie far below the rest.

    Far: by more than one and a half interquartile ranges (Tukey, Exploratory Data Analysis, 1977).
    """
    lower, upper = values[len(values) // 4], values[3 * len(values) // 4]
    return next(value for value in values if value >= lower - 1.5 * (upper - lower))


def records_of(board: Leaderboard, shown_as: Mapping[RowKey, Shown], names: Names) -> tuple[Record, ...]:
    """Every valid grading of the students shown that was better than all before it, on the device that is ranked.

    Under pseudonyms the best of a day alone: a class is graded in the order of its names, which nobody may learn.
    """
    hidden = names.mode is NameMode.PSEUDONYMS
    gradings = sorted(
        (past.graded[:10] if hidden else past.graded, -past.accuracy, shown_as[row.kind, row.id].name)
        for row in board.rows
        if row.kind is Kind.STUDENT and (row.kind, row.id) in shown_as and not board.ruling(row).status
        for past in all_of(row)
        if not past.regraded and board.compares(past) and past.accuracy is not None
    )
    best = -1.0
    found: list[Record] = []
    for graded, negative, name in gradings:
        if -negative > best:
            best = -negative
            found.append(Record(when=moment(graded, hidden), name=name, accuracy=best))
    return tuple(found)


def moment(graded: str, hidden: bool) -> str:
    """Day and time in UTC; under pseudonyms the day alone."""
    return graded[:10] if hidden else graded[:16].replace("T", " ") + " UTC"
