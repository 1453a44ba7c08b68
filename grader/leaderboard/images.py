"""The variance that the choice of held-out images adds to a difference between two rows.

Held-out images are a sample, as seeds are: two rows may differ by the images that happen to be in it. So a difference
has a variance from seeds and one from images (crossed random effects: Clark, The Language-as-Fixed-Effect Fallacy,
Journal of Verbal Learning and Verbal Behavior 12, 1973). The latter is, for one image, the covariance between seeds of
the difference on it; what chance does to an image in one training is in the noise of trainings already. Views of an
image are not independent, so they count as one image, by their mean.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grader.core.image_bits import ImageBits
from grader.leaderboard.models import BoardTask, GradedRow
from grader.leaderboard.workloads import RuleScores, weights

Floats = NDArray[np.float64]
Shares = NDArray[np.float32]
SharesOf: TypeAlias = dict[str, dict[str, Shares]]  # by workload, then by row
#: Rows up to which every pair's variance is computed: the products of 2,000 rows take about a second.
_PAIRWISE = 2_000


def shares(bits: Sequence[ImageBits], views: int) -> Shares:
    """The share of an image's views that are right, [seeds, images]."""
    return np.stack([b.array().reshape(max(1, views), -1).mean(0, dtype=np.float32) for b in bits])


class ImagePart:
    """Variances that images give to mean differences of rows, by the rows' shares [seeds, images]."""

    def __init__(self, rows: Mapping[str, Shares], images: int) -> None:
        """`images` is how many the scores are of; `rows` may hold a sample of them."""
        shapes = Counter(found.shape for found in rows.values() if found.shape[0] >= 2)
        usual = shapes.most_common(1)[0][0] if shapes else None
        alike = {key: found for key, found in rows.items() if found.shape == usual}
        self._rows = {key: found - found.mean(1, keepdims=True) for key, found in alike.items()}
        self._count = images  # that the scores are of

    def flips(self, key: str) -> float | None:
        """The variance of a row's accuracy from images that are right with one seed and wrong with another.

        Assumes that images flip independently; None if the row's images are not known.
        """
        if key not in self._rows:
            return None
        left = self._rows[key] - self._rows[key].mean(0)
        seeds, images = left.shape
        return float((left**2).sum() / ((seeds - 1) * max(1, images - 1) * self._count))

    def of(self, a: str, b: str) -> float:
        """The variance for one pair; 0 if the images of one are not known."""
        if a == b or a not in self._rows or b not in self._rows:
            return 0.0
        gap = self._rows[a] - self._rows[b]
        return float(self._scaled((gap.sum(0) ** 2).sum() - (gap**2).sum(), *gap.shape))

    def among(self, keys: Sequence[str]) -> Floats:
        """The variance for every pair [rows, rows], or one number for all of them if there are very many rows."""
        known = [key for key in keys if key in self._rows]
        if len(known) < 2:
            return np.zeros((1, 1))
        if len(keys) > _PAIRWISE:
            half = len(known) // 2
            pairs = [self.of(a, b) for a, b in zip(known, known[half:], strict=False)]
            return np.full((1, 1), float(np.mean(pairs)))
        seeds, images = self._rows[known[0]].shape
        blank = np.zeros((seeds, images), np.float32)
        table = np.stack([self._rows.get(key, blank) for key in keys])
        total = _distances(table.sum(1)) - sum(_distances(table[:, seed]) for seed in range(seeds))
        found = self._scaled(total, seeds, images)
        unknown = np.array([key not in self._rows for key in keys])
        found[unknown] = found[:, unknown] = 0.0
        np.fill_diagonal(found, 0.0)
        return found

    def _scaled(self, products: Floats, seeds: int, images: int) -> Floats:
        """From sums of products between different seeds to the variance of a mean over all images."""
        return np.maximum(products, 0.0) / (seeds * (seeds - 1) * max(1, images - 1) * self._count)


class ImageSet(NamedTuple):
    """The held-out images of one workload."""

    images: int  # that scores are of; views of one image are one
    factor: float  # what an accuracy on them is multiplied with in the score


class Images:
    """The variances that the images of all workloads give to differences of scores, which are sums over workloads."""

    def __init__(self, rows: SharesOf, sets: Mapping[str, ImageSet]) -> None:
        """`rows` are the rows' shares by workload; those of workloads that are not in `sets` say nothing."""
        self.count = sum(one.images for one in sets.values())
        self._parts = [(one.factor**2, ImagePart(rows.get(name, {}), one.images)) for name, one in sets.items()]

    def flips(self, key: str) -> float | None:
        """As `ImagePart.flips`; None if a workload's images are not known."""
        found = [(square, part.flips(key)) for square, part in self._parts]
        known = [square * value for square, value in found if value is not None]
        return sum(known) if known and len(known) == len(found) else None

    def of(self, a: str, b: str) -> float:
        """As `ImagePart.of`."""
        return sum(square * part.of(a, b) for square, part in self._parts)

    def among(self, keys: Sequence[str]) -> Floats:
        """As `ImagePart.among`."""
        total = np.zeros((1, 1))
        for square, part in self._parts:
            total = total + square * part.among(keys)
        return total


def image_sets(task: BoardTask, rule: RuleScores | None) -> dict[str, ImageSet]:
    """The held-out images by workload, with what an accuracy on them counts for in the score.

    None if the score is no sum of accuracies.
    """
    if not task.workloads:
        return {"": ImageSet(task.n_shown // max(1, task.views), 1.0)}
    factors = weights(task) if rule is None else rule.factors or {}
    return {
        one.name: ImageSet(one.n_shown(task.ranking.public_share) // max(1, one.views), factors[one.name])
        for one in task.workloads
        if one.name in factors
    }


def note_images(table: SharesOf, key: str, row: GradedRow, task: BoardTask, *, baseline: bool) -> None:
    """Keep the images of a row's trainings, or of those at its constant rate, by workload.

    Only where they are known for all of the task's seeds.
    """
    parts = [("", row.seeds, task.views)]
    if task.workloads:
        views = {one.name: one.views for one in task.workloads}
        parts = [(one.name, one.seeds, views[one.name]) for one in row.workloads]
    for name, seeds, shown in parts:
        if key in table.get(name, {}):
            continue
        by_seed = {s.seed: s.baseline_right if baseline else s.right for s in seeds}
        bits = [found for seed in task.seeds if (found := by_seed.get(seed)) is not None]
        if len(bits) == len(task.seeds) and len({b.count for b in bits}) == 1:
            table.setdefault(name, {})[key] = shares(bits, shown)


def add_guesses(table: SharesOf, rows: Iterable[GradedRow]) -> None:
    """Add workloads that count as guessing: they have no images and no variance."""
    for row in rows:
        for one in row.workloads:
            known = table.get(one.name, {})
            if one.guessing and known:
                known[row.training] = np.zeros_like(next(iter(known.values())))


def contributed(rows: Iterable[GradedRow], task: BoardTask) -> SharesOf:
    """What the scheduler adds on each image, by workload and row."""
    own: SharesOf = {}
    base: SharesOf = {}
    for row in rows:
        note_images(own, row.training, row, task, baseline=False)
        note_images(base, row.training, row, task, baseline=True)
    return {
        name: {
            key: found - base[name][key]
            for key, found in table.items()
            if key in base.get(name, {}) and found.shape == base[name][key].shape
        }
        for name, table in own.items()
    }


def _distances(rows: NDArray[np.float32]) -> Floats:
    """Squared distances of rows [N, D] from each other, [N, N]."""
    products = (rows @ rows.T).astype(np.float64)
    squares = np.diag(products)
    return np.asarray(squares[:, None] + squares - 2 * products)
