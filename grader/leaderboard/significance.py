"""The uncertainty of a board's order: intervals of differences and ranks, and who beats the default scheduler.

A difference of two rows has two sources of chance: the seeds of the trainings, whose noise each row has of its own
(`grader.leaderboard.noise`), and the held-out images (`grader.leaderboard.images`). The two rows' variances from seeds
and the variance from images add up; the degrees of freedom are the fewer of the two rows' (Welch's test in its
conservative form: where one row's noise is underestimated, the other's says nothing against it).

Of one difference the interval is at 95 % (Student's t). For ranks all pairs are judged at once: the chance that any two
equal rows are told apart is at most 5 % (Games and Howell, Journal of Educational Statistics 1, 1976: Tukey's
studentized range for unequal variances). A row's rank lies between one plus the number of rows that are surely better
and the number of rows that are not surely worse, for all rows at once with 95 % (Al Mohamad, Goeman and van Zwet,
Simultaneous Confidence Intervals for Ranks, Biometrics 78, 2022). Where seeds were added until rows could be told
apart, the 5 % are divided by the number of times one may have looked (Bonferroni).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from grader.core.kind import Kind
from grader.core.statistics import CONFIDENCE, Difference, paired_difference, student, studentized_range
from grader.core.task import RankBy
from grader.leaderboard import workloads
from grader.leaderboard.images import Images, SharesOf, add_guesses, contributed, image_sets, note_images
from grader.leaderboard.models import Beats, BoardTask, GradedRow, RankedRow, RankingPolicy, Standing
from grader.leaderboard.noise import Noise, RowNoise, Scores
from grader.leaderboard.workloads import RuleScores

Floats = NDArray[np.float64]
#: Degrees of freedom for which critical values are computed; between them they are interpolated over the reciprocal.
_GRID = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0, math.inf)


class Comparison:
    """Compares rows of one board, all of which have a score."""

    def __init__(
        self,
        rows: Iterable[GradedRow],
        task: BoardTask,
        by: RankBy = RankBy.ACCURACY,
        rule: RuleScores | None = None,
    ) -> None:
        """`rule` are the scores of these rows where `by` takes all of them, if they are known already."""
        rows = list(rows)
        if by.relative and rule is None:
            rule = workloads.scores(rows, task, by)
        self._scores: dict[str, Scores] = {}
        shares_of: SharesOf = {}
        baselines: dict[str, Scores] = {}
        for row in rows:
            scores = _scores(row, by, rule)
            if len(scores) > len(self._scores.get(row.training, ())):
                self._scores[row.training] = scores
                if by not in (RankBy.MEAN_RANK, RankBy.CONTRIBUTION):
                    note_images(shares_of, row.training, row, task, baseline=False)
            constant = _baselines(row)
            if by is RankBy.ACCURACY and constant:
                key = _baseline_key(row, task.seeds)
                if len(constant) > len(baselines.get(key, ())):
                    baselines[key] = constant
                note_images(shares_of, key, row, task, baseline=True)
        self._base = task.seeds
        self._aliases = self._trained_already(baselines)
        further = {key: scores for key, scores in baselines.items() if key not in self._aliases}
        if by is RankBy.CONTRIBUTION:
            shares_of = contributed(rows, task)
        sets = image_sets(task, rule)
        add_guesses(shares_of, rows)
        base, cap = task.seeds, task.ranking.max_seeds
        self._images = Images(shares_of, sets)
        flips = {key: found for key in (*self._scores, *further) if (found := self._images.flips(key)) is not None}
        # Constant rates scatter more, and have a common variance of their own.
        self._noise, self._rest = Noise.of_both(self._scores, further, base, flips)
        more = any(len(scores) > len(base) for scores in self._scores.values())
        self._looks = max(1, cap - len(base) + 1) if more else 1
        self._level = 1 - (1 - CONFIDENCE) / self._looks

    def _trained_already(self, baselines: Mapping[str, Scores]) -> dict[str, str]:
        """Baselines that are a row's own training, by their keys: equal with all seeds that both have."""
        found = {}
        rows = {tuple(scores.get(seed) for seed in self._base): key for key, scores in self._scores.items()}
        for key, scores in baselines.items():
            row = rows.get(tuple(scores.get(seed) for seed in self._base))
            if row is not None and all(self._scores[row].get(seed, value) == value for seed, value in scores.items()):
                found[key] = row
        return found

    def _noise_of(self, key: str) -> RowNoise | None:
        return self._noise.rows.get(key) or self._rest.rows.get(key)

    @property
    def typical_noise(self) -> float:
        """Standard deviation of the accuracy of one training, for a usual row; 0 where it is not known."""
        return math.sqrt(self._noise.typical)

    @property
    def worth(self) -> float:
        """Degrees of freedom that the other rows add to a row's estimate of its noise."""
        return self._noise.worth

    @property
    def images_shown(self) -> int:
        """Held-out images that the scores are of; views of one image are one."""
        return self._images.count

    def noise(self, row: GradedRow) -> float | None:
        """Standard deviation of the accuracy of one of the row's trainings; None if it is not known."""
        found = self._noise_of(row.training)
        return None if found is None else math.sqrt(found.variance)

    def flip_noise(self, row: GradedRow) -> float:
        """What that would be if each image flipped by itself; 0 where the images are not known."""
        return math.sqrt(self._images.flips(row.training) or 0.0)

    def image_error(self, a: GradedRow, b: GradedRow) -> float:
        """Standard error that the choice of held-out images gives to the difference of two rows."""
        return math.sqrt(self._images.of(a.training, b.training))

    def knows(self, row: GradedRow) -> bool:
        """Whether the row has what is compared."""
        return row.training in self._scores

    def about(self, row: GradedRow) -> str:
        """A sentence on how the row is compared."""
        if not self.knows(row):
            return "Its contribution is not known: a training at the constant rate has no score."
        noise = self._noise.rows.get(row.training)
        if noise is None:
            return "Too few rows or seeds tell how much trainings scatter: only its own seeds are used."
        looks = f"; seeds were added, so the 5 % are divided by {self._looks} looks" if self._looks > 1 else ""
        if not self.steady(row):
            return f"It scatters beyond what the other rows do, so its noise is judged by its own seeds alone{looks}."
        return (
            f"The noise of one of its trainings is {100 * noise.variance**0.5:.2f} points, estimated with "
            f"{noise.df:.0f} degrees of freedom from its own seeds and from how {len(self._noise.rows)} rows scatter "
            f"({100 * self.typical_noise:.2f} points){looks}."
        )

    def difference(self, a: GradedRow, b: GradedRow) -> Difference:
        """Mean of a - b over the seeds that both have, with its 95 % interval."""
        return self._compare(a.training, b.training, self._scores[a.training], self._scores[b.training])

    def contribution(self, row: GradedRow) -> Difference | None:
        """Mean of the row less the same configuration at its constant rate; None if that was not trained."""
        pairs = [(s.accuracy, s.baseline) for s in row.seeds if s.accuracy is not None and s.baseline is not None]
        if not pairs:
            return None
        if all(own == baselines for own, baselines in pairs):
            return Difference(mean=0.0, low=0.0, high=0.0, pairs=len(pairs))
        own = {s.seed: s.accuracy for s in row.seeds if s.accuracy is not None}
        baseline = _baseline_key(row, self._base)
        return self._compare(row.training, self._aliases.get(baseline, baseline), own, _baselines(row))

    def told_apart(self, a: GradedRow, b: GradedRow) -> bool:
        """Whether two rows differ, judged together with all other pairs of the board.

        Where no noise is known (one seed) or seen, different means are different: a tie would be no more than a guess.
        """
        first, second = a.training, b.training
        if first == second:
            return False
        x, y = self._scores[first], self._scores[second]
        gaps = [x[s] - y[s] for s in x if s in y]
        noise = [self._noise_of(key) for key in (first, second)]
        if None in noise:
            gap = self._compare(first, second, x, y)
            return gap.told_apart if gap.low is not None and gap.low != gap.high else gap.mean != 0.0
        error, df = self._error(noise, len(gaps), self._images.of(first, second))  # type: ignore[arg-type]
        return abs(fmean(gaps)) > float(self._critical(np.array([df]))[0]) * error

    def steady(self, row: GradedRow) -> bool:
        """Whether the row scatters as the others do, so that its noise is known."""
        return row.training not in self._noise.outliers

    def rank_intervals(self, rows: Sequence[GradedRow]) -> dict[str, tuple[int, int]]:
        """The first and last rank that each of these ranked rows may have, by id."""
        holders = Counter(row.training for row in rows)
        keys, holding = list(holders), np.array(list(holders.values()))
        better, worse = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        for n, below in enumerate(self._surely_below(keys)):
            worse[n] = holding[below].sum()
            better[below] += holding[n]
        found = {key: (int(1 + better[n]), int(1 + len(rows) - holding[n] - worse[n])) for n, key in enumerate(keys)}
        return {row.id: _with(found[row.training], row.rank if isinstance(row, RankedRow) else None) for row in rows}

    def _surely_below(self, keys: Sequence[str]) -> Iterator[NDArray[np.bool_]]:
        """For each row, which rows are surely worse: as `told_apart` judges them, a row against all others at once."""
        order = max((tuple(self._scores[key]) for key in keys), key=len, default=())
        counts, means = np.zeros(len(keys), int), np.zeros((len(order) + 1, len(keys)))
        for n, key in enumerate(keys):
            scores = self._scores[key]
            counts[n] = next((i for i, seed in enumerate(order) if seed not in scores), len(order))
            values = [scores[seed] for seed in order[: counts[n]]]
            means[1 : counts[n] + 1, n] = np.cumsum(values) / np.arange(1, counts[n] + 1)
        noise = [self._noise_of(key) for key in keys]
        known = np.array([found is not None for found in noise])
        variance = np.array([found.variance if found else 0.0 for found in noise])
        freedom = np.array([found.df if found else 1.0 for found in noise])
        images = self._images.among(keys)
        dfs = np.unique(freedom) if self._noise.rows else ()
        critical = {float(df): self._critical(np.minimum(df, freedom)) for df in dfs}
        positions, alike = np.arange(len(keys)), len(set(counts.tolist())) == 1
        for n in range(len(keys)):
            common = counts if alike else np.minimum(counts[n], counts)
            gaps = means[counts[n], n] - means[counts[n]] if alike else means[common, n] - means[common, positions]
            if not self._noise.rows:
                yield gaps > 0.0
                continue
            squares = (variance[n] + variance) / np.maximum(common, 1) + images[n if len(images) > 1 else 0]
            yield (gaps > critical[float(freedom[n])] * np.sqrt(squares)) & known & known[n]

    def _critical(self, df: Floats) -> Floats:
        """Critical values for differences among all rows, in units of their standard errors."""
        df = np.minimum(df, self._noise.total)
        near = [value for value in _GRID if value > df.max(initial=1.0)][:1]
        used = [value for value in _GRID if value <= df.max(initial=1.0)] + near
        used = used[max(0, sum(value <= df.min(initial=math.inf) for value in used) - 1) :]
        values = [studentized_range(self._level, max(2, len(self._scores)), value) / math.sqrt(2) for value in used]
        return np.interp(1 / df, [1 / value for value in used[::-1]], values[::-1])

    def _compare(self, first: str, second: str, x: Scores, y: Scores) -> Difference:
        """Mean of x - y over common seeds with its interval."""
        if first == second:  # the same training: no chance is in it
            return Difference(mean=0.0, low=0.0, high=0.0, pairs=len(x))
        seeds = [s for s in x if s in y]
        noise = [self._noise_of(key) for key in (first, second)]
        if None in noise:
            return paired_difference([x[s] for s in seeds], [y[s] for s in seeds], self._level)
        error, df = self._error(noise, len(seeds), self._images.of(first, second))  # type: ignore[arg-type]
        mean, half = fmean(x[s] - y[s] for s in seeds), student(self._level, df) * error
        return Difference(mean=mean, low=mean - half, high=mean + half, pairs=len(seeds))

    def _error(self, noise: Sequence[RowNoise], pairs: int, images: float) -> tuple[float, float]:
        """Standard error of a mean difference, and its degrees of freedom."""
        parts = [found.variance / pairs for found in noise]
        square = sum(parts) + images
        return math.sqrt(square), min(found.df for found in noise)


def _baseline_key(row: GradedRow, seeds: Sequence[int]) -> str:
    """Equal trainings at a constant rate are one, whoever's they are, and with however many further seeds."""
    found = _baselines(row)
    return f"baseline {[(seed, found.get(seed)) for seed in seeds]}"


def _baselines(row: GradedRow) -> dict[int, float]:
    return {s.seed: s.baseline for s in row.seeds if s.baseline is not None}


def _with(span: tuple[int, int], rank: int | None) -> tuple[int, int]:
    """The range, widened to the rank: a row with fewer seeds is compared by the seeds that both have."""
    return span if rank is None else (min(span[0], rank), max(span[1], rank))


def _scores(row: GradedRow, by: RankBy, rule: RuleScores | None = None) -> dict[int, float]:
    if rule is not None:
        sign = -1.0 if by is RankBy.MEAN_RANK else 1.0
        return {seed: sign * value for seed, value in rule.by_seed.get((row.kind, row.id), {}).items()}
    if by is RankBy.CONTRIBUTION:
        found = {
            s.seed: s.accuracy - s.baseline for s in row.seeds if s.accuracy is not None and s.baseline is not None
        }
        return found if len(found) == len(row.seeds) else {}
    return {s.seed: s.accuracy for s in row.seeds if s.accuracy is not None}


def settled(
    rows: Sequence[RankedRow],
    task: BoardTask,
    policy: RankingPolicy,
    former: Mapping[str, int] | None = None,
    rule: RuleScores | None = None,
) -> tuple[RankedRow, ...]:
    """Rows in their order, with differences, ranges of ranks and whether they beat the default. Ranks are not touched.

    `former` are the ranks of students' gradings before, by id; `rule` the scores where the policy's
    rule takes all rows.

    Rows of another kind of device than the policy's are compared with nothing but themselves.
    """
    scored = [row for row in rows if policy.compares(row)]
    compared = {(row.kind, row.id) for row in scored}
    comparison = Comparison(scored, task)
    order = comparison if policy.by is RankBy.ACCURACY else Comparison(scored, task, policy.by, rule)
    default = next((row for row in scored if row.kind is Kind.DEFAULT), None)
    students = [row for row in scored if row.kind is Kind.STUDENT and order.knows(row)]
    following = {row.id: after for row, after in pairwise(students)}
    steady = [row for row in students if order.steady(row)]
    intervals = order.rank_intervals(students) if len(students) > 1 else {}
    ties = {row.id: intervals[row.id] for row in steady if len(set(intervals.get(row.id, ()))) > 1}
    result = []
    for row in rows:
        own = row.kind is Kind.STUDENT
        against = default if (row.kind, row.id) in compared and row is not default else None
        to_default = comparison.difference(row, against) if against is not None else None
        standing = Standing(
            rank=row.rank,
            score=row.score,
            former_rank=former.get(row.id) if own and former else None,
            contribution=comparison.contribution(row) if row.scored else None,
            to_default=to_default,
            to_next=order.difference(row, following[row.id]) if own and row.id in following else None,
            beats_default=_beats(to_default) if to_default is not None else None,
            rank_interval=ties.get(row.id) if own else None,
        )
        result.append(RankedRow.placed(row, standing))
    return tuple(result)


def _beats(difference: Difference) -> Beats:
    if difference.told_apart:
        return Beats.YES if difference.mean > 0 else Beats.NO
    same = difference.low == difference.high == 0.0
    return Beats.NO if same else Beats.UNSURE
