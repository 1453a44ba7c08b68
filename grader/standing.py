"""How much of the order on a board is real: differences with intervals, ties, and who beats the default scheduler.

The model. Every row is trained with the same seeds, so accuracies form a table of rows by seeds: a randomized
block design (Fisher, The Design of Experiments, 1935). What a seed does to all rows cancels in differences. The
noise that is left is taken to be alike for all rows, and pooled over them: with three seeds a row's own spread says
next to nothing, that of thirty rows much. A row that scatters far beyond the others (an F test at one in a
thousand) is left out of the pool and compared by its own seeds alone (Student's paired t).

The intervals. Of one difference: 95 % by Student's t with the pool's degrees of freedom. For ties all pairs are
judged at once: the chance that any two equal rows are told apart is at most 5 % (Tukey's studentized range; Kramer,
Biometrics 12, 1956, for unequal numbers of seeds). Where seeds were added until rows could be told apart, the 5 %
are divided by the number of times one may have looked (Bonferroni).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from grader.board import Beats, Kind, Row
from grader.intervals import CONFIDENCE, Difference, paired_difference

_OUTLIER = 1e-3
Scores = Mapping[int, float]  # accuracy by seed


@dataclass(frozen=True)
class Noise:
    """The pooled noise of a table of scores."""

    variance: float  # of one training's accuracy, seeds' common part taken out
    df: int
    pooled: frozenset[str]  # the rows it holds for, by key

    @staticmethod
    def of(table: Mapping[str, Scores]) -> "Noise":
        """Fitted to the seeds that all rows share. Without at least two rows and two seeds it says nothing (df 0)."""
        rows = dict(table)
        shared = set.intersection(*(set(s) for s in rows.values())) if rows else set()
        seeds = sorted(shared)
        while len(rows) >= 2 and len(seeds) >= 2:
            parts = _residuals(rows, seeds)
            df = (len(rows) - 1) * (len(seeds) - 1)
            total = math.fsum(parts.values())
            worst = max(parts, key=lambda key: parts[key])
            if len(rows) >= 4 and _stands_out(parts[worst], total - parts[worst], len(rows), len(seeds)):
                del rows[worst]
                continue
            return Noise(total / df, df, frozenset(rows))
        return Noise(0.0, 0, frozenset())


def _residuals(rows: Mapping[str, Scores], seeds: Sequence[int]) -> dict[str, float]:
    """Each row's sum of squares once row means and seed means are taken out."""
    means = {key: fmean(scores[s] for s in seeds) for key, scores in rows.items()}
    grand = fmean(means.values())
    effect = {s: fmean(scores[s] for scores in rows.values()) - grand for s in seeds}
    return {key: math.fsum((scores[s] - means[key] - effect[s]) ** 2 for s in seeds) for key, scores in rows.items()}


def _stands_out(own: float, rest: float, rows: int, seeds: int) -> bool:
    from scipy import stats

    if rest <= 0.0:
        return False  # the others show no noise at all: nothing to compare with
    ratio = (own / (seeds - 1)) / (rest / ((rows - 2) * (seeds - 1)))
    return bool(stats.f.sf(ratio, seeds - 1, (rows - 2) * (seeds - 1)) < _OUTLIER / rows)


@lru_cache(maxsize=64)
def _single(df: int, looks: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / looks / 2, df))


@lru_cache(maxsize=64)
def _among(rows: int, df: int, looks: int) -> float:
    """The critical value for all pairs of `rows` at once, for a difference in units of its standard error."""
    from scipy import stats

    return float(stats.studentized_range.ppf(1 - (1 - CONFIDENCE) / looks, rows, df)) / math.sqrt(2)


class Comparison:
    """Compares rows of one board. `base` are the seeds that every row has, `cap` is the most that a row may have."""

    def __init__(self, rows: Iterable[Row], base: Sequence[int], cap: int) -> None:
        self._scores = {_key(row): _scores(row) for row in rows if row.accuracy is not None and row.verdict.ranked}
        self._distinct = len(self._scores)
        self._noise = Noise.of(self._scores)
        more = any(len(scores) > len(base) for scores in self._scores.values())
        self._looks = max(1, cap - len(base) + 1) if more else 1

    def difference(self, a: Row, b: Row) -> Difference:
        """Mean of a - b over the seeds that both have, with its 95 % interval."""
        return self._compare(a, b, None)

    def told_apart(self, a: Row, b: Row) -> bool:
        """Whether two rows differ, judged together with all other pairs of the board."""
        return self._compare(a, b, self._distinct).told_apart

    def _compare(self, a: Row, b: Row, among: int | None) -> Difference:
        if _key(a) == _key(b):  # the same training: no chance is in it
            return Difference(mean=0.0, low=0.0, high=0.0, pairs=len(a.seeds))
        x, y = self._scores[_key(a)], self._scores[_key(b)]
        seeds = [s for s in x if s in y]
        noise = self._noise
        if not (noise.df and {_key(a), _key(b)} <= noise.pooled):
            level = 1 - (1 - CONFIDENCE) / self._looks / (1 if among is None else max(1, among * (among - 1) // 2))
            return paired_difference([x[s] for s in seeds], [y[s] for s in seeds], level)
        mean = fmean(x[s] - y[s] for s in seeds)
        factor = _single(noise.df, self._looks) if among is None else _among(among, noise.df, self._looks)
        half = factor * math.sqrt(2 * noise.variance / len(seeds))
        return Difference(mean=mean, low=mean - half, high=mean + half, pairs=len(seeds))


def _key(row: Row) -> str:
    """Rows of equal recipes are one training."""
    return row.recipe or f"{row.kind} {row.id}"


def _scores(row: Row) -> dict[int, float]:
    return {s.seed: s.accuracy for s in row.seeds if s.accuracy is not None}


def settled(rows: Sequence[Row], base: Sequence[int], cap: int) -> tuple[Row, ...]:
    """Rows in their order, with differences, ties and whether they beat the default. Ranks are not touched."""
    comparison = Comparison(rows, base, cap)
    scored = [row for row in rows if row.accuracy is not None and row.verdict.ranked]
    default = next((row for row in scored if row.kind is Kind.DEFAULT), None)
    students = [row for row in scored if row.kind is Kind.STUDENT]
    following = dict(zip((id(row) for row in students), students[1:], strict=False))
    ties = _ties(students, comparison)
    result = []
    for row in rows:
        facts: dict[str, object] = {"to_default": None, "to_next": None, "beats_default": None, "tie": ties.get(row.id)}
        if row.kind is not Kind.STUDENT:
            facts["tie"] = None
        if any(row is s for s in scored) and row.kind is not Kind.DEFAULT and default is not None:
            difference = comparison.difference(row, default)
            facts["to_default"], facts["beats_default"] = difference, _beats(difference)
        if id(row) in following:
            facts["to_next"] = comparison.difference(row, following[id(row)])
        result.append(row.model_copy(update=facts))
    return tuple(result)


def _beats(difference: Difference) -> Beats:
    if difference.told_apart:
        return Beats.YES if difference.mean > 0 else Beats.NO
    same = difference.low == difference.high == 0.0
    return Beats.NO if same else Beats.UNSURE


def _ties(students: Sequence[Row], comparison: Comparison) -> dict[str, tuple[int, int]]:
    """First and last rank of each student's tie group: who cannot be told apart from the group's first row."""
    groups: list[list[Row]] = []
    for row in students:
        if groups and not comparison.told_apart(groups[-1][0], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    result: dict[str, tuple[int, int]] = {}
    for group in groups:
        ranks = [row.rank or 0 for row in group]
        if len(group) > 1:
            result |= {row.id: (min(ranks), max(ranks)) for row in group}
    return result
