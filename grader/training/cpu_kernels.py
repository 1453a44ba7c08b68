"""Faster CPU kernels for layers with few channels; the values are the same.

Kernels for channels-last images work on 16 channels at a time, which the first layers of a small
network (3 channels to 6) leave mostly empty. Two columns of such an image are one column of twice
the channels, in the same memory, so a convolution over it can be one with half the columns and
twice the channels; and the maximum of a 2x2 window is two maxima over long rows. Neither changes
what is computed: the convolution adds products with zero weights, the pooling picks the same
elements.

`python benchmarks/step.py` measures what they save.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

_convolution_backward = torch.ops.aten.convolution_backward.default
_VECTOR = 16  # floats in a vector register of AVX-512; twice what AVX2 has, where the gain is smaller


def suit_cpu(model: nn.Module) -> None:
    """Make a model's plain convolutions and poolings use the fast kernels where their input allows it.

    Changes classes of torch.nn only, never a class of the task's own; names, parameters and values stay.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _foldable(module):
            module.__class__ = _FirstConv2d
        elif type(module) is nn.Conv2d and _narrow(module):
            module.__class__ = _InnerConv2d
        elif type(module) is nn.MaxPool2d and _halving(module):
            module.__class__ = _NarrowMaxPool2d


def _plain_float(x: Tensor) -> bool:
    """Whether x is ordinary channels-last float32 on the CPU, outside autocast."""
    return (
        x.dim() == 4
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
    )


def _itself(view: Tensor) -> Tensor:
    """The same memory as a tensor of its own: a function's result that is a view cannot be changed in place."""
    return view.new_empty(0).set_(view.untyped_storage(), view.storage_offset(), view.shape, view.stride())


def _narrow(layer: nn.Conv2d) -> bool:
    return (
        2 * layer.in_channels <= _VECTOR
        and layer.kernel_size[1] >= 3
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding in ((0, 0), "valid")
    )


def _foldable(layer: nn.Conv2d) -> bool:
    return _narrow(layer) and 2 * layer.out_channels <= _VECTOR


class _InnerConv2d(nn.Conv2d):
    """A convolution whose input's gradient, which has few channels, is computed channels first."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad or not _plain_float(x):
            return super().forward(x)
        return _SplitConvolution.apply(x, self.weight, self.bias)  # type: ignore[no-any-return]


class _SplitConvolution(torch.autograd.Function):
    """torch's own convolution; its two gradients each in the layout that has the quicker kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return torch.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        g = gradients[0]
        how = ([len(weight)], [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        of_x = None
        if ctx.needs_input_grad[0]:
            like = torch.empty_like(x, memory_format=torch.contiguous_format)  # its values are not read
            of_x = _convolution_backward(g.contiguous(), like, weight.contiguous(), *how, [True, False, False])[0]
            of_x = of_x.contiguous(memory_format=torch.channels_last)
        g = g.contiguous(memory_format=torch.channels_last)
        _, of_weight, of_bias = _convolution_backward(g, x, weight, *how, [False, True, ctx.has_bias])
        return of_x, of_weight, of_bias


class _FirstConv2d(nn.Conv2d):
    """A convolution over pairs of columns, where the input asks for no gradient (a network's first layer)."""

    def forward(self, x: Tensor) -> Tensor:
        columns = x.shape[-1] - self.kernel_size[1] + 1
        if x.requires_grad or not len(x) or x.shape[-1] % 2 or columns < 2 or columns % 2 or not _plain_float(x):
            return super().forward(x)
        return _FoldedConvolution.apply(x, self.weight, self.bias)  # type: ignore[no-any-return]


class _FoldedConvolution(torch.autograd.Function):
    """(N, C, H, W) as (N, 2C, H, W/2), with kernels for the left and the right one of two output columns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        outputs, inputs, rows, columns = weight.shape
        blocks = columns // 2 + 1  # pairs of input columns that two neighbouring outputs see
        # A column of zeros on the left; the kernel of the left output begins after it, that of the right one with it.
        padded = functional.pad(weight.permute(0, 2, 3, 1), (0, 0, 1, 2 * blocks - columns))
        wide = torch.stack((padded[:, :, 1:], padded[:, :, :-1]))
        wide = wide.view(2 * outputs, rows, blocks, 2 * inputs).permute(0, 3, 1, 2)
        n, _, height, width = x.shape
        pairs = x.permute(0, 2, 3, 1).view(n, height, width // 2, 2 * inputs).permute(0, 3, 1, 2)
        y = torch.conv2d(pairs, wide, None if bias is None else bias.repeat(2))
        ctx.save_for_backward(pairs, wide)
        ctx.has_bias = bias is not None
        ctx.columns = columns
        return _itself(y.permute(0, 2, 3, 1).view(n, y.shape[2], 2 * y.shape[3], outputs).permute(0, 3, 1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pairs, wide = ctx.saved_tensors
        doubled, in_pairs, rows, blocks = wide.shape
        outputs, inputs, columns = doubled // 2, in_pairs // 2, ctx.columns
        g = gradients[0].permute(0, 2, 3, 1).contiguous()
        n, height, width, _ = g.shape
        g = g.view(n, height, width // 2, doubled).permute(0, 3, 1, 2)
        _, w, b = _convolution_backward(
            g, pairs, wide, [doubled], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, ctx.has_bias]
        )
        left, right = w.permute(0, 2, 3, 1).reshape(2, outputs, rows, 2 * blocks, inputs).unbind()
        w = left[:, :, :columns] + right[:, :, 1 : columns + 1]
        return None, w.permute(0, 3, 1, 2), b.view(2, outputs).sum(0) if ctx.has_bias else None


def _halving(layer: nn.MaxPool2d) -> bool:
    def both(value: object, wanted: int) -> bool:
        return value == wanted or value == (wanted, wanted)

    return (
        both(layer.kernel_size, 2)
        and both(layer.stride, 2)
        and both(layer.padding, 0)
        and both(layer.dilation, 1)
        and not layer.return_indices
    )


class _NarrowMaxPool2d(nn.MaxPool2d):
    """2x2 maxima of images with few channels.

    The whole gradient goes to one maximum; among equals to the left column's, where torch takes the upper row's.
    """

    def forward(self, x: Tensor) -> Any:
        if x.dim() != 4 or x.shape[1] >= _VECTOR or x.shape[2] % 2 or x.shape[3] % 2 or not _plain_float(x):
            return super().forward(x)
        return _HalvingMaximum.apply(x)


class _HalvingMaximum(torch.autograd.Function):
    """The larger row of each pair, then the larger column; masks are floats, since those are vectorised."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        upper, lower = x.permute(0, 2, 3, 1).view(n, h // 2, 2, w * c).unbind(2)
        taller = torch.maximum(upper, lower)
        left, right = taller.view(n, h // 2, w // 2, 2, c).unbind(3)
        result = torch.maximum(left, right)
        if ctx.needs_input_grad[0]:
            is_lower = torch.gt(lower, upper, out=torch.empty_like(taller))
            is_right = torch.gt(right, left, out=torch.empty_like(result))
            ctx.save_for_backward(is_lower, is_right)
        return _itself(result.permute(0, 3, 1, 2))

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        is_lower, is_right = ctx.saved_tensors  # type: ignore[attr-defined]
        n, h, w, c = is_right.shape
        wide, result = torch.empty(n, h, w, 2, c), torch.empty(n, h, 2, w * 2 * c)
        g, tall = gradients[0].permute(0, 2, 3, 1), wide.view(n, h, w * 2 * c)
        left, right = wide.unbind(3)
        upper, lower = result.unbind(2)
        torch.mul(g, is_right, out=right)
        torch.sub(g, right, out=left)
        torch.mul(tall, is_lower, out=lower)
        torch.sub(tall, lower, out=upper)
        return result.view(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
