"""The class as a whole: its accuracies, verdicts, broken rules and records, and when it was graded."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.text import clean
from grader.core.verdict import Rule, Verdict
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Leaderboard, RowKey
from grader.publish.names import NameMode, Names, Shown

FEWEST = 5  # students of whom more is said than their rows
_BINS = 10  # of a histogram


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
    references: tuple[float, ...] = ()  # accuracies of the references that lie within the bins


class Broken(Frozen):
    """A rule of the contract, and how many students' submissions break it."""

    rule: Rule
    students: int


class Passed(Frozen):
    """A reference, and the first grading that was more accurate."""

    reference: str
    accuracy: float  # of the reference
    first: Record | None  # None: nobody has passed it


class Day(Frozen):
    """How many gradings there were on a day (UTC)."""

    day: str  # ISO 8601
    gradings: int


class ClassSummary(Frozen):
    """What the class looks like, for whoever teaches it."""

    verdicts: tuple[tuple[Verdict, int], ...]  # of all students; the commonest first
    broken: tuple[Broken, ...]  # the commonest first
    passed: tuple[
        Passed, ...
    ]  # the worst reference first; empty on a final board, whose accuracies are of other images
    days: tuple[Day, ...]  # oldest first

    @property
    def students(self) -> int:
        """Everybody who has a row."""
        return sum(count for _, count in self.verdicts)


def summary_of(
    board: Leaderboard, shown_as: Mapping[RowKey, Shown], names: Names, *, final: bool = False
) -> ClassSummary:
    """The summary of a board; only who is shown is named."""
    students = [row for row in board.rows if row.kind is Kind.STUDENT]
    rules = Counter(rule for row in students for rule in {violation.rule for violation in row.violations})
    days = Counter(past.graded[:10] for row in students for past in all_of(row))
    gradings = [] if final else _gradings(board, shown_as, names)
    hidden = names.mode is NameMode.PSEUDONYMS
    passed = []
    for row in reversed([row for row in board.rows if row.kind is not Kind.STUDENT and board.compares(row)]):
        accuracy = row.accuracy or 0.0
        better = next((one for one in gradings if -one[1] > accuracy), None)
        first = Record(when=moment(better[0], hidden), name=better[2], accuracy=-better[1]) if better else None
        passed.append(Passed(reference=clean(row.id), accuracy=accuracy, first=first))
    return ClassSummary(
        verdicts=tuple(Counter(row.verdict for row in students).most_common()),
        broken=tuple(Broken(rule=rule, students=count) for rule, count in rules.most_common()),
        passed=() if final else tuple(passed),
        days=tuple(Day(day=day, gradings=count) for day, count in sorted(days.items())),
    )


def histogram_of(accuracies: Iterable[float], references: Iterable[float] = ()) -> Histogram | None:
    """Ten bins of equal width, above what lies far below the rest (`lowest`); None for a few, or for equal ones."""
    values = sorted(accuracies)
    if len(values) < FEWEST or values[0] == values[-1]:
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
    within = tuple(sorted(value for value in references if low <= value <= high))
    return Histogram(bins=bins, below=len(values) - sum(counts), references=within)


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
    best = -1.0
    found: list[Record] = []
    for graded, negative, name in _gradings(board, shown_as, names):
        if -negative > best:
            best = -negative
            found.append(Record(when=moment(graded, hidden), name=name, accuracy=best))
    return tuple(found)


def _gradings(board: Leaderboard, shown_as: Mapping[RowKey, Shown], names: Names) -> list[tuple[str, float, str]]:
    """Time, negative accuracy and name of every valid grading of the students shown, in the order of time."""
    hidden = names.mode is NameMode.PSEUDONYMS
    return sorted(
        (past.graded[:10] if hidden else past.graded, -past.accuracy, shown_as[row.kind, row.id].name)
        for row in board.rows
        if row.kind is Kind.STUDENT and (row.kind, row.id) in shown_as and not board.ruling(row).status
        for past in all_of(row)
        if not past.regraded and board.compares(past) and past.accuracy is not None
    )


def moment(graded: str, hidden: bool) -> str:
    """Day and time in UTC; under pseudonyms the day alone."""
    return graded[:10] if hidden else graded[:16].replace("T", " ") + " UTC"
