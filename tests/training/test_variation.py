"""Tasks that are made harder: views of the images, and training labels drawn anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grader.core.errors import TaskError
from grader.core.task_file import load
from grader.training import data
from grader.training.data import ImageData


def digits(folder: Path, lines: str) -> ImageData:
    (folder / "mine.toml").write_text(f'name = "mine"\nmodel = "cnn"\n[data]\nsource = "digits"\n{lines}\n')
    return data.load(load(str(folder / "mine.toml")))


def test_a_share_of_the_training_labels_is_drawn_anew_and_no_other(tmp_path: Path) -> None:
    plain, noisy = digits(tmp_path, ""), digits(tmp_path, "label_noise = 0.3")
    wrong = (plain.train.labels != noisy.train.labels).mean()
    assert wrong == pytest.approx(0.3 * 9 / 10, abs=0.03)  # a tenth of what is redrawn is drawn right
    assert np.array_equal(plain.test.labels, noisy.test.labels)
    assert np.array_equal(plain.train.images, noisy.train.images)
    assert set(noisy.train.labels) == set(range(10))


def test_held_out_images_are_shown_in_views(tmp_path: Path) -> None:
    plain, seen = digits(tmp_path, ""), digits(tmp_path, "views = 3")
    assert len(seen.test) == 3 * len(plain.test)
    assert len(seen.train) == len(plain.train)
    assert np.array_equal(seen.test.labels, np.tile(plain.test.labels, 3))
    first, second, _ = np.split(seen.test.images.astype(float), 3)
    assert abs(first - second).mean() > 5
    assert abs(first - plain.test.images).mean() < 40  # a little turned, not another picture
    assert seen.train.images.shape == plain.train.images.shape


def test_variations_are_the_same_every_time_and_part_of_the_data_s_hash(tmp_path: Path) -> None:
    lines = "views = 2\nlabel_noise = 0.2"
    assert digits(tmp_path, lines).hash == digits(tmp_path, lines).hash
    assert len({digits(tmp_path, line).hash for line in ("", "views = 2", "label_noise = 0.2", lines)}) == 4


@pytest.mark.parametrize("line", ["label_noise = 1.0", "label_noise = -0.1", "views = -1"])
def test_impossible_variations_are_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=line.split(maxsplit=1)[0]):
        digits(tmp_path, line)
