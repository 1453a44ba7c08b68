"""How much of the order on a board is real: differences with intervals, ties, and who beats the default scheduler.

The model. Every row is trained with the same seeds, so accuracies form a table of rows by seeds: a randomized
block design (Fisher, The Design of Experiments, 1935). What a seed does to all rows cancels in differences. The
noise that is left is taken to be alike for all rows, and pooled over them: with three seeds a row's own spread says
next to nothing, that of thirty rows much. A row that scatters far beyond the others (beyond what one in ten
thousand would; half-trained ones do) is left out of the pool and compared by its own seeds alone, each pair at
95 % (Student's paired t), and in no tie: else noise would buy one.

The intervals. Of one difference: 95 % by Student's t with the pool's degrees of freedom. For ties all pairs are
judged at once: the chance that any two equal rows are told apart is at most 5 % (Tukey's studentized range; Kramer,
Biometrics 12, 1956, for unequal numbers of seeds). Where seeds were added until rows could be told apart, the 5 %
are divided by the number of times one may have looked (Bonferroni).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import fmean, median

from grader.core.kind import Kind
from grader.core.statistics import CONFIDENCE, Difference, paired_difference
from grader.core.task import RankBy
from grader.leaderboard.models import Beats, BoardTask, GradedRow, RankedRow, RankingPolicy, Standing

_OUTLIER = 1e-4
Scores = Mapping[int, float]  # accuracy by seed


@dataclass(frozen=True)
class Noise:
    """The pooled noise of a table of scores."""

    variance: float  # of one training's accuracy, seeds' common part taken out
    df: int
    pooled: frozenset[str]  # the rows it holds for, by key

    @staticmethod
    def of(table: Mapping[str, Scores], seeds: Sequence[int]) -> "Noise":
        """Fitted to the rows that have all of `seeds`. Without at least two of both it says nothing (df 0)."""
        whole = {key: scores for key, scores in table.items() if all(seed in scores for seed in seeds)}
        if len(whole) < 2 or len(seeds) < 2:
            return Noise(0.0, 0, frozenset())
        rows = _alike(whole, seeds)
        df = (len(rows) - 1) * (len(seeds) - 1)
        total = math.fsum(_squares(rows, seeds, fmean).values())
        return Noise(total / df, df, frozenset(rows)) if df else Noise(0.0, 0, frozenset())


def _alike(table: Mapping[str, Scores], seeds: Sequence[int]) -> dict[str, Scores]:
    """The rows without those whose scatter could be that of the others in one of ten thousand cases at most.

    Measured by medians, which a few wild rows, or many, do not move.
    """
    from scipy import stats

    df = len(seeds) - 1
    squares = _squares(table, seeds, median)
    usual = median(squares.values()) / float(stats.chi2.ppf(0.5, df))  # variance of a row that scatters as most do
    bound = usual * float(stats.chi2.isf(_OUTLIER, df))
    return {key: scores for key, scores in table.items() if squares[key] <= bound}


def _squares(
    rows: Mapping[str, Scores], seeds: Sequence[int], middle: Callable[[Iterable[float]], float]
) -> dict[str, float]:
    """Each row's sum of squares once row means and the seeds' effects are taken out."""
    means = {key: fmean(scores[s] for s in seeds) for key, scores in rows.items()}
    effect = {s: middle([scores[s] - means[key] for key, scores in rows.items()]) for s in seeds}
    return {key: math.fsum((scores[s] - means[key] - effect[s]) ** 2 for s in seeds) for key, scores in rows.items()}


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
    """Compares rows of one board, all of which have a score."""

    def __init__(self, rows: Iterable[GradedRow], task: BoardTask, by: RankBy = RankBy.ACCURACY) -> None:
        rows = list(rows)
        self._scores: dict[str, Scores] = {}
        for row in rows:
            scores = _scores(row, by)
            if not scores:
                continue
            if len(scores) > len(self._scores.get(_key(row), ())):
                self._scores[_key(row)] = scores
        base, cap = task.seeds, task.ranking.max_seeds
        self._distinct = len(self._scores)
        baselines = {_baseline_key(row): _baselines(row) for row in rows} if by is RankBy.ACCURACY else {}
        baselines = {key: scores for key, scores in baselines.items() if scores and scores not in self._scores.values()}
        self._noise = Noise.of({**self._scores, **baselines}, base)
        more = any(len(scores) > len(base) for scores in self._scores.values())
        self._looks = max(1, cap - len(base) + 1) if more else 1

    def knows(self, row: GradedRow) -> bool:
        """Whether the row has what is compared."""
        return _key(row) in self._scores

    def about(self, row: GradedRow) -> str:
        """How the row is compared, in a sentence."""
        if self._noise.df and _key(row) in self._noise.pooled:
            noise = 100 * self._noise.variance**0.5
            return (
                f"The noise of one training is pooled over {len(self._noise.pooled)} rows: {noise:.2f} points, "
                f"{self._noise.df} degrees of freedom"
                + (f"; seeds were added, so the 5 % are divided by {self._looks} looks." if self._looks > 1 else ".")
            )
        return "It scatters beyond what the other rows do (or there are too few of them): only its own seeds are used."

    def difference(self, a: GradedRow, b: GradedRow) -> Difference:
        """Mean of a - b over the seeds that both have, with its 95 % interval."""
        return self._compare(a, b, None)

    def contribution(self, row: GradedRow) -> Difference | None:
        """Mean of the row less the same configuration at its constant rate; None where that was not trained."""
        pairs = [(s.accuracy, s.baseline) for s in row.seeds if s.accuracy is not None and s.baseline is not None]
        if not pairs:
            return None
        if all(own == baselines for own, baselines in pairs):
            return Difference(mean=0.0, low=0.0, high=0.0, pairs=len(pairs))
        baselines = _baselines(row)
        pooled = baselines in self._scores.values() or _baseline_key(row) in self._noise.pooled
        return self._gap(pairs, pooled=pooled and _key(row) in self._noise.pooled)

    def told_apart(self, a: GradedRow, b: GradedRow) -> bool:
        """Whether two rows differ, judged together with all other pairs of the board.

        Where no noise is known (one seed) or seen, different means are different: a tie would be no more than a guess.
        """
        gap = self._compare(a, b, self._distinct)
        return gap.told_apart if gap.low is not None and gap.low != gap.high else gap.mean != 0.0

    def steady(self, row: GradedRow) -> bool:
        """Whether the row scatters as the others do, so that its noise is known."""
        return not self._noise.df or _key(row) in self._noise.pooled

    def _compare(self, a: GradedRow, b: GradedRow, among: int | None) -> Difference:
        if _key(a) == _key(b):  # the same training: no chance is in it
            return Difference(mean=0.0, low=0.0, high=0.0, pairs=len(a.seeds))
        x, y = self._scores[_key(a)], self._scores[_key(b)]
        seeds = [s for s in x if s in y]
        pooled = {_key(a), _key(b)} <= self._noise.pooled
        return self._gap([(x[s], y[s]) for s in seeds], pooled=pooled, among=among)

    def _gap(self, pairs: Sequence[tuple[float, float]], *, pooled: bool, among: int | None = None) -> Difference:
        """Mean difference of pairs: by the pooled noise where both sides are `pooled`; judged `among` so many rows."""
        noise = self._noise
        if not (noise.df and pooled):
            level = 1 - (1 - CONFIDENCE) / self._looks
            return paired_difference([x for x, _ in pairs], [y for _, y in pairs], level)
        mean = fmean(x - y for x, y in pairs)
        factor = _single(noise.df, self._looks) if among is None else _among(among, noise.df, self._looks)
        half = factor * math.sqrt(2 * noise.variance / len(pairs))
        return Difference(mean=mean, low=mean - half, high=mean + half, pairs=len(pairs))


def _key(row: GradedRow) -> str:
    """Rows of equal recipes are one training."""
    return row.recipe or f"{row.kind} {row.id}"


def _baseline_key(row: GradedRow) -> str:
    """Equal trainings at a constant rate are one, whoever's they are."""
    return f"baseline {sorted(_baselines(row).items())}"


def _baselines(row: GradedRow) -> dict[int, float]:
    return {s.seed: s.baseline for s in row.seeds if s.baseline is not None}


def _scores(row: GradedRow, by: RankBy) -> dict[int, float]:
    if by is RankBy.CONTRIBUTION:
        found = {
            s.seed: s.accuracy - s.baseline for s in row.seeds if s.accuracy is not None and s.baseline is not None
        }
        return found if len(found) == len(row.seeds) else {}
    return {s.seed: s.accuracy for s in row.seeds if s.accuracy is not None}


def settled(rows: Sequence[RankedRow], task: BoardTask, policy: RankingPolicy) -> tuple[RankedRow, ...]:
    """Rows in their order, with differences, ties and whether they beat the default. Ranks are not touched.

    Rows of another kind of device than the policy's are compared with nothing but themselves.
    """
    scored = [row for row in rows if policy.compares(row)]
    compared = {(row.kind, row.id) for row in scored}
    comparison = Comparison(scored, task)
    order = comparison if policy.by is RankBy.ACCURACY else Comparison(scored, task, policy.by)
    default = next((row for row in scored if row.kind is Kind.DEFAULT), None)
    students = [row for row in scored if row.kind is Kind.STUDENT and order.knows(row)]
    following = {row.id: after for row, after in pairwise(students)}
    ties = _ties(students, order)
    result = []
    for row in rows:
        own = row.kind is Kind.STUDENT
        against = default if (row.kind, row.id) in compared and row is not default else None
        to_default = comparison.difference(row, against) if against is not None else None
        standing = Standing(
            rank=row.rank,
            contribution=comparison.contribution(row) if row.scored else None,
            to_default=to_default,
            to_next=order.difference(row, following[row.id]) if own and row.id in following else None,
            beats_default=_beats(to_default) if to_default is not None else None,
            tie=ties.get(row.id) if own else None,
        )
        result.append(RankedRow.placed(row, standing))
    return tuple(result)


def _beats(difference: Difference) -> Beats:
    if difference.told_apart:
        return Beats.YES if difference.mean > 0 else Beats.NO
    same = difference.low == difference.high == 0.0
    return Beats.NO if same else Beats.UNSURE


def _ties(students: Sequence[RankedRow], comparison: Comparison) -> dict[str, tuple[int, int]]:
    """First and last rank of each student's tie group: who cannot be told apart from the group's first row."""
    groups: list[list[RankedRow]] = []
    for row in filter(comparison.steady, students):
        if groups and not comparison.told_apart(groups[-1][0], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    result: dict[str, tuple[int, int]] = {}
    for group in groups:
        ranks = [row.rank or 0 for row in group]
        if len(group) > 1:
            result |= dict.fromkeys((row.id for row in group), (min(ranks), max(ranks)))
    return result
