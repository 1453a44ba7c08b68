"""Makes a data set harder: random views of the images, and training labels that are drawn again.

A few clean images are soon memorised, and then all schedules do equally well. Wrong labels keep the gradients noisy to
the end of the training, which a decaying rate averages out and a constant one does not.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grader.core.task import Data
from grader.training.splits import Bytes, Split

_SEED = 20240219
_DEGREES, _SCALE, _SHIFT = 10.0, 0.1, 1.5 / 32  # the shift as a share of the side


def varied(train: Split, test: Split, classes: int, data: Data) -> tuple[Split, Split]:
    """The same with `label_noise` of the training labels redrawn among all classes, and images in random views.

    `views` of each held-out image and one of each training image: turned by up to 10 degrees, scaled by up to 10 %,
    shifted by up to a 21st of the side. All draws are the same in every process.
    """
    rng = np.random.default_rng(_SEED)
    if data.views:
        images = np.concatenate([_views(test.images, rng) for _ in range(data.views)])
        train, test = Split(_views(train.images, rng), train.labels), Split(images, np.tile(test.labels, data.views))
    if data.label_noise:
        redrawn = rng.random(len(train)) < data.label_noise
        labels = np.where(redrawn, rng.integers(0, classes, len(train)), train.labels)
        train = Split(train.images, labels.astype(np.int64))
    return train, test


def _views(images: Bytes, rng: np.random.Generator) -> Bytes:
    return np.stack([_view(image, rng) for image in images])


def _view(image: Bytes, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turned, scaled and shifted about its centre, by one bilinear interpolation; black where nothing is."""
    from PIL import Image

    height, width, channels = image.shape
    angle, scale = math.radians(rng.uniform(-_DEGREES, _DEGREES)), rng.uniform(1 - _SCALE, 1 + _SCALE)
    dx, dy = rng.uniform(-_SHIFT, _SHIFT, 2) * (width, height)
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    x, y = (width - 1) / 2, (height - 1) / 2  # PIL asks for the place in the picture of each pixel of the view
    place = (cos, sin, x - cos * (x + dx) - sin * (y + dy), -sin, cos, y + sin * (x + dx) - cos * (y + dy))
    picture = Image.fromarray(image if channels == 3 else image[..., 0])
    view = picture.transform((width, height), Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)
    return np.asarray(view).reshape(image.shape)
