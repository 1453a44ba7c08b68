"""Critical values and bits of images."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from grader.core.image_bits import ImageBits
from grader.core.statistics import student, studentized_range


@pytest.mark.parametrize(("rows", "df"), [(2, 4.0), (12, 22.0), (30, 6.5), (300, 58.0)])
def test_the_studentized_range_is_scipy_s(rows: int, df: float) -> None:
    assert studentized_range(0.95, rows, df) == pytest.approx(stats.studentized_range.ppf(0.95, rows, df), rel=0.01)


@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 19])
@pytest.mark.parametrize("df", [1.0, 2.0])
def test_few_degrees_of_freedom_give_large_values(level: float, df: float) -> None:
    found = studentized_range(level, 30, df)
    assert found == pytest.approx(stats.studentized_range.ppf(level, 30, df), rel=0.35)


def test_without_an_end_of_degrees_of_freedom_the_normal_distribution_is_meant() -> None:
    assert student(0.95, float("inf")) == pytest.approx(1.96, abs=0.001)
    assert studentized_range(0.95, 2, float("inf")) == pytest.approx(1.96 * 2**0.5, abs=0.002)


@pytest.mark.parametrize("count", [1, 7, 8, 359, 1077])
def test_bits_come_back(count: int) -> None:
    right = np.random.default_rng(count).random(count) < 0.7
    assert (ImageBits.model_validate_json(ImageBits.of(right).model_dump_json()).array() == right).all()


def test_a_sample_holds_all_views_of_an_image() -> None:
    """Every image is right in all views, or in none."""
    right = np.tile(np.random.default_rng(1).random(1000) < 0.5, 3)
    found = ImageBits.of(right).sample(100, views=3)
    views = found.array().reshape(3, -1)
    assert found.count == 99
    assert (views == views[0]).all()
    assert 0.3 < views.mean() < 0.7
    assert ImageBits.of(right).sample(3000, views=3).count == 3000


def test_bits_of_another_number_are_refused() -> None:
    with pytest.raises(ValidationError, match="are not the bits of 100 images"):
        ImageBits(count=100, packed="AAAA")
    with pytest.raises(ValidationError):
        ImageBits(count=20, packed="!!!!")
