"""Batch transforms that move pixels by other than whole ones, or pick boxes: affine maps, resized crops, erasing."""

import math

import torch
from torch import Tensor
from typing_extensions import override

from grader.training.batched.base import BatchTransform, Draws

_ATTEMPTS = 10  # torchvision's number of tries to find a box that fits


class Affine(BatchTransform):
    """RandomAffine and RandomRotation with the nearest pixel, and zeros from outside.

    The inverse map is that of torchvision.transforms.functional.affine.
    """

    def __init__(
        self,
        degrees: tuple[float, float],
        translate: tuple[float, float] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
        shear: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
        *,
        size: tuple[int, int],
    ) -> None:
        self.degrees, self.translate, self.scale, self.shear, self.size = degrees, translate, scale, shear, size

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        height, width = self.size

        def uniform(low: float, high: float) -> Tensor:
            return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)

        angle = uniform(*self.degrees)
        shift = tuple(uniform(-s * n, s * n).round() for s, n in zip(self.translate, (width, height), strict=True))
        scale = uniform(*self.scale)
        shear_x, shear_y = uniform(*self.shear[:2]), uniform(*self.shear[2:])
        return (inverse_affine(angle, (shift[0], shift[1]), scale, (shear_x, shear_y), (height, width)),)

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        n, height, width, channels = images.shape
        matrix = draws[0]
        y = torch.arange(height, device=images.device, dtype=torch.float32)[:, None] + 0.5
        x = torch.arange(width, device=images.device, dtype=torch.float32)[None, :] + 0.5
        a, b, c, d, e, f = (matrix[:, i, None, None] for i in range(6))
        column, row = (a * x + b * y + c).floor().long(), (d * x + e * y + f).floor().long()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        start = torch.arange(n, device=images.device)[:, None, None] * height
        pixel = (start + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
        moved = images.view(-1, channels).index_select(0, pixel.flatten()).view(n, height, width, channels)
        return moved * inside[..., None].to(images.dtype)


def inverse_affine(
    angle: Tensor, shift: tuple[Tensor, Tensor], scale: Tensor, shear: tuple[Tensor, Tensor], size: tuple[int, int]
) -> Tensor:
    """Matrices (B, 6) float32 from output to input pixels; angles in degrees clockwise, about the centre.

    `shift` and `shear` are (x, y), in pixels and degrees; `size` is (height, width).
    """
    (shift_x, shift_y), (shear_x, shear_y) = shift, shear
    rot, sx, sy = (torch.deg2rad(v) for v in (angle, shear_x, shear_y))
    a = torch.cos(rot - sy) / torch.cos(sy)
    b = -torch.cos(rot - sy) * torch.tan(sx) / torch.cos(sy) - torch.sin(rot)
    c = torch.sin(rot - sy) / torch.cos(sy)
    d = -torch.sin(rot - sy) * torch.tan(sx) / torch.cos(sy) + torch.cos(rot)
    m = [d / scale, -b / scale, -c / scale, a / scale]
    cy, cx = size[0] / 2, size[1] / 2
    to_x = m[0] * (-cx - shift_x) + m[1] * (-cy - shift_y) + cx
    to_y = m[2] * (-cx - shift_x) + m[3] * (-cy - shift_y) + cy
    return torch.stack([m[0], m[1], to_x, m[2], m[3], to_y], 1).to(torch.float32)


class ResizedCrop(BatchTransform):
    """RandomResizedCrop to the image's own size: a box of random area and shape, enlarged bilinearly."""

    def __init__(self, height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
        self.height, self.width, self.scale, self.ratio = height, width, scale, ratio

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        h, w, found = _boxes(count, self.height, self.width, self.scale, self.ratio, generator, strict=False)
        # Where no try fitted: the largest box in the middle whose shape is allowed.
        aspect = self.width / self.height
        full_h, full_w = self.height, self.width
        if aspect < self.ratio[0]:
            full_h = round(self.width / self.ratio[0])
        elif aspect > self.ratio[1]:
            full_w = round(self.height * self.ratio[1])
        h, w = torch.where(found, h, full_h), torch.where(found, w, full_w)
        top = _below(self.height - h + 1, generator)
        left = _below(self.width - w + 1, generator)
        top = torch.where(found, top, (self.height - full_h) // 2)
        left = torch.where(found, left, (self.width - full_w) // 2)
        return top, left, h, w

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        top, left, h, w = draws
        n, height, width, channels = images.shape
        result = images.to(torch.float32)
        start = torch.arange(n, device=images.device)[:, None] * height
        low, high, share = _between(top, h, height)
        rows = result.view(n * height, width * channels)
        below, above = ((start + i).flatten() for i in (low, high))
        result = torch.lerp(rows.index_select(0, below), rows.index_select(0, above), share.flatten()[:, None])
        low, high, share = _between(left, w, width)
        pixels = result.view(n * height * width, channels)
        line = torch.arange(n * height, device=images.device).view(n, height, 1) * width
        near, far = ((line + i[:, None]).flatten() for i in (low, high))
        weight = share[:, None].expand(n, height, width).reshape(-1, 1)
        result = torch.lerp(pixels.index_select(0, near), pixels.index_select(0, far), weight)
        result = result.view(n, height, width, channels)
        return result if images.dtype == torch.float32 else result.round_().to(images.dtype)


def _between(start: Tensor, length: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `size` outputs of a box: the two inputs it lies between, and how near it is to the second."""
    centre = torch.arange(size, device=start.device, dtype=torch.float32) + 0.5
    at = (centre * (length.to(torch.float32) / size)[:, None] - 0.5).clamp_min(0)
    at = torch.minimum(at, (length - 1).to(torch.float32)[:, None])
    low = at.floor()
    high = torch.minimum(low + 1, (length - 1).to(torch.float32)[:, None])
    return low.long() + start[:, None], high.long() + start[:, None], at - low


class Erase(BatchTransform):
    """RandomErasing of a box, filled with one value."""

    def __init__(
        self, p: float, scale: tuple[float, float], ratio: tuple[float, float], value: float, size: tuple[int, int]
    ) -> None:
        self.p, self.scale, self.ratio, self.value, self.size = p, scale, ratio, value, size

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        height, width = self.size
        chosen = torch.rand(count, generator=generator) < self.p
        h, w, found = _boxes(count, height, width, self.scale, self.ratio, generator, strict=True)
        top, left = _below(height - h + 1, generator), _below(width - w + 1, generator)
        return top, left, torch.where(found & chosen, h, 0), w

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        top, left, h, w = (d[:, None] for d in draws)
        y, x = (torch.arange(n, device=images.device) for n in images.shape[1:3])
        rows, columns = (y >= top) & (y < top + h), (x >= left) & (x < left + w)
        gone = (rows[:, :, None] & columns[:, None, :])[..., None].to(images.dtype)
        return images * (1 - gone) + gone * self.value if self.value else images * (1 - gone)


def _below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """A whole number from 0 to each limit, the limit excluded."""
    share = torch.rand(limits.shape, generator=generator, dtype=torch.float64)
    return (share * limits).long().clamp_max(limits - 1)


def _boxes(
    count: int,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
    *,
    strict: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Heights and widths of the first of ten random boxes that fits each image, and whether one did.

    Area uniform in `scale` (shares of the image), logarithm of width over height uniform in `ratio`
    (of height over width for RandomErasing, which also wants boxes smaller than the image: `strict`).
    """
    shape = (count, _ATTEMPTS)
    area = torch.empty(shape, dtype=torch.float64).uniform_(*scale, generator=generator) * (height * width)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.empty(shape, dtype=torch.float64).uniform_(low, high, generator=generator).exp()
    first, second = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    h, w = (first, second) if strict else (second, first)
    fits = (h < height) & (w < width) if strict else (h > 0) & (h <= height) & (w > 0) & (w <= width)
    found = fits.any(1)
    choice = fits.to(torch.int8).argmax(1, keepdim=True)
    h, w = h.gather(1, choice)[:, 0], w.gather(1, choice)[:, 0]
    return torch.where(found, h, 1), torch.where(found, w, 1), found
