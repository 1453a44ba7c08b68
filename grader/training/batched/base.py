"""What every batch transform is, and those that only move or scale whole pixels.

Images are (B, H, W, C), contiguous, uint8 until something makes them float32 in 0 to 1; draws are
tensors with one row per image.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

Draws = tuple[Tensor, ...]


class BatchTransform(ABC):
    """One transform. `draw` for any number of images, then `apply` to that many with their draws."""

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Random parameters of `count` images, on the CPU."""
        return ()

    @abstractmethod
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        """Images (B, H, W, C) and their draws to images."""


class ToFloat(BatchTransform):
    """uint8 to float32 in 0 to 1, as ToTensor does."""

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        return images if images.dtype == torch.float32 else images.to(torch.float32).div_(255)


class Normalize(BatchTransform):
    """(x - mean) / std per channel."""

    def __init__(self, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> None:
        self.mean, self.std = (torch.as_tensor(v, dtype=torch.float32) for v in (mean, std))

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        mean, std = self._like(images)
        return images.sub(mean).div_(std)

    def _like(self, images: Tensor) -> tuple[Tensor, Tensor]:
        # As large as an image: the loop then runs over thousands of numbers instead of three.
        if self.mean.shape != images.shape[1:] or self.mean.device != images.device:
            shape = images.shape[1:]
            self.mean, self.std = (v.to(images.device).expand(shape).contiguous() for v in (self.mean, self.std))
        return self.mean, self.std


class ToNormalized(Normalize):
    """ToFloat, then Normalize, in the memory of one result."""

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        if images.dtype == torch.float32:
            return super().apply(images)
        mean, std = self._like(images)
        return images.to(torch.float32).div_(255).sub_(mean).div_(std)


class Flip(BatchTransform):
    """RandomHorizontalFlip (axis 2) and RandomVerticalFlip (axis 1)."""

    def __init__(self, axis: int, p: float) -> None:
        self.axis, self.p = axis, p

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        return (torch.rand(count, generator=generator) < self.p,)

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        if images.device.type != "cpu":
            return choose(draws[0], images.flip(self.axis), images)
        mine = draws[0].nonzero()[:, 0]  # half the work; on a GPU it would have to wait for the number
        return images.index_copy(0, mine, images.index_select(0, mine).flip(self.axis))


class Crop(BatchTransform):
    """RandomCrop(size, padding): zeros around, every offset equally likely."""

    def __init__(self, height: int, width: int, padding: int, from_height: int, from_width: int) -> None:
        self.height, self.width, self.padding = height, width, padding
        self.offsets = (from_height + 2 * padding - height + 1, from_width + 2 * padding - width + 1)

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        return tuple(torch.randint(n, (count,), generator=generator) for n in self.offsets)

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        n = self.padding
        return _cut(functional.pad(images, (0, 0, n, n, n, n)), draws[0], draws[1], self.height, self.width)


class CenterCrop(BatchTransform):
    """The middle of the image; torchvision's rounding of odd margins."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        top, left = (round((a - b) / 2) for a, b in zip(images.shape[1:3], (self.height, self.width), strict=True))
        return images[:, top : top + self.height, left : left + self.width].contiguous()


class Sometimes(BatchTransform):
    """RandomApply: a list of transforms for some of the images."""

    def __init__(self, steps: Sequence[BatchTransform], p: float) -> None:
        self.steps, self.p = steps, p

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        chosen = torch.rand(count, generator=generator) < self.p
        return (chosen, *(d for step in self.steps for d in step.draw(count, generator)))

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        changed, rest = images, draws[1:]
        for step in self.steps:
            used = len(step.draw(0, torch.Generator()))
            changed = step.apply(changed, *rest[:used])
            rest = rest[used:]
        return choose(draws[0], changed, images)


def choose(chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Per image `yes` where chosen, else `no`. Whole images are copied, several times quicker than torch.where."""
    n = len(chosen)
    index = torch.arange(n, device=chosen.device) + n * chosen
    return torch.cat([no, yes]).index_select(0, index)


def _cut(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """A window (height, width) of each image: whole rows of it are copied, found through overlapping views."""
    n, rows, columns, channels = images.shape
    span = width * channels
    views = images.as_strided((n * rows * columns - width + 1, span), (channels, 1))
    image = torch.arange(n, device=images.device)[:, None] * rows
    row = image + top[:, None] + torch.arange(height, device=images.device)
    return views.index_select(0, (row * columns + left[:, None]).flatten()).view(n, height, width, channels)
