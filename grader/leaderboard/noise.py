"""The noise of one training, for each row: its own scatter over the seeds, moderated by that of all rows.

Every row is trained with the same seeds, so accuracies form a table of rows by seeds: a randomized block design
(Fisher, The Design of Experiments, 1935). What a seed does to all rows cancels in differences. What is left scatters
more in some rows (half-trained ones, large constant rates) than in others, and three seeds say next to nothing about
the variance of one row. Two things say more. How often a held-out image is right with one seed and wrong with another
is known well, from as many images as there are, and rows in which many are flipped scatter more: it is the scale of a
row's variance. And how far rows leave that scale is seen in all of them together.

The model is the empirical Bayes one of Smyth (Linear Models and Empirical Bayes Methods, Statistical Applications in
Genetics and Molecular Biology 3, 2004): true variances, each over its scale, scatter around a common value like that
value over a chi-squared variable, so a row's variance is the weighted mean of its own, with its degrees of freedom, and
the common value, with as many as the rows' agreement is worth. No variance is taken to be below the common value: where
few seeds agree by chance, that is no precision. Rows beyond what this allows in one of ten thousand cases are outliers:
they keep their own variance alone (Phipson et al., Robust Hyperparameter Estimation Protects against Hypervariable
Genes, Annals of Applied Statistics 10, 2016).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = Mapping[int, float]  # accuracy by seed

_OUTLIER = 1e-4
_FEW = 4  # rows up to which nothing is known of how variances differ
_LEAST = 0.1  # of the median scale: a row that always answers the same flips no image, and still scatters
_TINY = 1e-12  # variances below are no scatter, but what is left of rounding
#: Degrees of freedom that the common variance may be worth; the last stands for rows that scatter alike.
_WORTH = (2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0, math.inf)


@dataclass(frozen=True)
class RowNoise:
    """The noise of one training of a row."""

    variance: float  # of its accuracy, the seeds' common part taken out
    df: float  # degrees of freedom of that estimate


@dataclass(frozen=True)
class Noise:
    """The noise of a table of scores."""

    rows: Mapping[str, RowNoise]  # by key; none where there are fewer than two rows or seeds
    typical: float  # the common variance, of a row with the median scale
    worth: float  # its degrees of freedom in each row's estimate
    outliers: frozenset[str]  # rows that scatter beyond the others
    total: float  # degrees of freedom that the table has in all

    @staticmethod
    def of_both(
        table: Mapping[str, Scores],
        others: Mapping[str, Scores],
        seeds: Sequence[int],
        flips: Mapping[str, float],
    ) -> "tuple[Noise, Noise]":
        """Fitted to rows of two kinds, each with a common variance of its own; a seed does the same to both.

        Only to those that have all of `seeds`; without at least two of both it says nothing. `flips` is the variance
        that flipped images alone would give a row's accuracy, if each flipped by itself.
        """
        every = {**table, **others}
        keys = [key for key, scores in every.items() if all(seed in scores for seed in seeds)]
        nothing = Noise({}, 0.0, 0.0, frozenset(), 0.0)
        if len(keys) < 2 or len(seeds) < 2:
            return nothing, nothing
        scores = np.array([[every[key][seed] for seed in seeds] for key in keys])
        df, total = len(seeds) - 1, float((len(keys) - 1) * (len(seeds) - 1))
        if len(keys) <= _FEW:
            found = _pooled(keys, scores, total)
            return found, found
        own = _variances(scores)
        if not own.max() > _TINY:
            return nothing, nothing
        scale = _scale(keys, flips, float(own.mean()))
        first = np.array([key in table for key in keys])
        if min(first.sum(), (~first).sum()) <= _FEW:
            found = _moderated(keys, own, scale, df, total)
            return found, found
        one, two = (
            _moderated([key for key, is_in in zip(keys, part, strict=True) if is_in], own[part], scale[part], df, total)
            for part in (first, ~first)
        )
        return one, two


def _pooled(keys: Sequence[str], scores: Floats, df: float) -> Noise:
    """One variance for all rows, which few of them must share."""
    left = scores - scores.mean(1, keepdims=True)
    variance = float(((left - left.mean(0)) ** 2).sum() / df)
    rows = dict.fromkeys(keys, RowNoise(variance, df)) if variance > _TINY else {}
    return Noise(rows, variance if rows else 0.0, df, frozenset(), df if rows else 0.0)


def _moderated(keys: Sequence[str], own: Floats, scale: Floats, df: int, total: float) -> Noise:
    """Each row's variance, drawn towards the common one."""
    typical, worth, outlier = _common(own / scale, df)
    if math.isinf(worth):
        ratio = np.full_like(own, typical)
    else:
        ratio = np.maximum((worth * typical + df * own / scale) / (worth + df), typical)
    freedom = max(df, min(df + worth, total))  # more than the table has there is not
    rows = {
        key: RowNoise(float(own[n]), df) if outlier[n] else RowNoise(float(scale[n] * ratio[n]), freedom)
        for n, key in enumerate(keys)
    }
    outliers = frozenset(key for n, key in enumerate(keys) if outlier[n])
    return Noise(rows, typical * float(np.median(scale)), worth, outliers, total)


def _variances(scores: Floats) -> Floats:
    """Each row's variance, [rows]: what seeds do to all is the mean over rows, weighted by how little each scatters."""
    left = scores - scores.mean(1, keepdims=True)
    seeds, weights, effect = scores.shape[1], np.ones(len(scores)), np.median(left, 0)
    for _ in range(3):
        spread = ((left - effect) ** 2).sum(1) / (seeds - 1)
        weights = 1 / np.maximum(spread, max(float(np.median(spread)), _TINY))
        effect = (weights[:, None] * left).sum(0) / weights.sum()
    # The effects hold a part of each row's own noise, which is missing from what is left of it.
    missing = 1 / weights.sum()
    return np.asarray(((left - effect) ** 2).sum(1) / (seeds - 1) + missing)


def _scale(keys: Sequence[str], flips: Mapping[str, float], mean: float) -> Floats:
    """What each row's variance is measured by; the same for all where a row's images are not known."""
    known = np.array([flips.get(key, -1.0) for key in keys])
    if not known.min() >= 0.0 or not known.max() > 0.0:
        return np.full(len(keys), mean)
    return np.asarray(np.maximum(known, _LEAST * float(np.median(known)) + _TINY))


def _common(own: Floats, df: int) -> tuple[float, float, NDArray[np.bool_]]:
    """The common variance, its worth in degrees of freedom, and which rows are outliers."""
    outlier = np.zeros(len(own), dtype=bool)
    typical, worth = float(own.mean()), 0.0
    for _ in range(5):
        typical, worth = _fitted(own[~outlier], df)
        found = _tail(own / max(typical, _TINY), df, worth) < _OUTLIER
        if (found == outlier).all() or found.sum() > len(own) // 2:
            break
        outlier = found
    return typical, worth, outlier


def _fitted(own: Floats, df: int) -> tuple[float, float]:
    """Common variance and worth: a row's variance over the common one follows F(df, worth).

    A few rows with few seeds hardly tell worths apart, so each counts by its likelihood (all are equally likely
    beforehand). The reciprocal is averaged because it is proportional to the variance of the rows' variances.
    """
    own = np.maximum(own, max(float(np.median(own)) * 1e-3, _TINY))
    fits = []
    for worth in _WORTH:
        typical = _typical(own, df, worth)
        fits.append((float(_log_density(own / typical, df, worth).sum()) - len(own) * math.log(typical), typical))
    likely = np.exp(np.array([fit for fit, _ in fits]) - max(fit for fit, _ in fits))
    likely /= likely.sum()
    reciprocal = float(likely @ (1 / np.array(_WORTH)))
    worth = 1 / reciprocal if reciprocal > 0 else math.inf
    return _typical(own, df, worth), worth


def _typical(own: Floats, df: int, worth: float) -> float:
    """The common variance that fits best where it is worth so many degrees of freedom (a fixed point)."""
    if math.isinf(worth):
        return float(own.mean())
    typical = float(np.median(own))
    for _ in range(60):
        weights = (df + worth) / (worth * typical + df * own)
        after = 1 / float(weights.mean())
        if abs(after - typical) < 1e-6 * typical:
            break
        typical = after
    return typical


def _log_density(ratio: Floats, df: int, worth: float) -> Floats:
    from scipy import stats

    density = (
        stats.chi2.logpdf(df * ratio, df) + math.log(df) if math.isinf(worth) else stats.f.logpdf(ratio, df, worth)
    )
    return np.asarray(density)


def _tail(ratio: Floats, df: int, worth: float) -> Floats:
    from scipy import stats

    return np.asarray(stats.chi2.sf(df * ratio, df) if math.isinf(worth) else stats.f.sf(ratio, df, worth))
