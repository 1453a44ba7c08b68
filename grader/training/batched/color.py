"""Batch transforms of colours."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from typing_extensions import override

from grader.training.batched.base import BatchTransform, Draws, ToFloat, choose


class Grayscale(BatchTransform):
    """RandomGrayscale: all channels become ITU-R 601 luma, as PIL's mode L."""

    def __init__(self, p: float) -> None:
        self.p = p

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        return (torch.rand(count, generator=generator) < self.p,)

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        luma = images.to(torch.float32) @ torch.tensor([0.299, 0.587, 0.114], device=images.device)
        if images.dtype == torch.uint8:
            luma = luma.round_().to(torch.uint8)
        return choose(draws[0], luma[..., None].expand_as(images), images)


class Jitter(BatchTransform):
    """ColorJitter: brightness, contrast, saturation and hue by random factors, in a random order per image.

    The operations are kornia's, with a factor per image; they differ from PIL's by the rounding of
    intermediate results to whole grey levels.
    """

    def __init__(self, ranges: Sequence[tuple[float, float] | None]) -> None:
        self.ranges = ranges  # brightness, contrast, saturation, hue

    @override
    def draw(self, count: int, generator: torch.Generator) -> Draws:
        present = [r for r in self.ranges if r is not None]
        factors = [torch.empty(count).uniform_(*r, generator=generator) for r in present]
        order = torch.rand(count, len(present), generator=generator).argsort(1)
        return torch.stack(factors, 1), order

    @override
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        from kornia import enhance

        operations: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
            enhance.adjust_brightness_accumulative,
            enhance.adjust_contrast_with_mean_subtraction,
            enhance.adjust_saturation_with_gray_subtraction,
            lambda x, f: enhance.adjust_hue(x, f * (2 * math.pi)),
        )
        present = [op for op, r in zip(operations, self.ranges, strict=True) if r is not None]
        factors, order = draws
        result = ToFloat().apply(images).permute(0, 3, 1, 2).contiguous()
        for turn in range(len(present)):
            for number, operation in enumerate(present):
                mine = (order[:, turn] == number).nonzero()[:, 0]
                if len(mine):
                    result[mine] = operation(result[mine], factors[mine, number])
        result = result.permute(0, 2, 3, 1).contiguous()
        return result if images.dtype == torch.float32 else result.mul_(255).round_().to(images.dtype)
