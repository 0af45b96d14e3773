"""Pooling, extremes of two tensors and transposed convolutions, in forms that torch-mlir lacks or crashes on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten
UNBATCHED = {
    _aten.avg_pool1d.default: 2,
    _aten.avg_pool2d.default: 3,
    _aten.avg_pool3d.default: 4,
    _aten.max_pool1d.default: 2,
    _aten.max_pool2d.default: 3,
    _aten.max_pool3d.default: 4,
    _aten.max_pool2d_with_indices.default: 3,
    _aten.max_pool3d_with_indices.default: 4,
    _aten.adaptive_avg_pool1d.default: 2,
    _aten._adaptive_avg_pool2d.default: 3,
    _aten._adaptive_avg_pool3d.default: 4,
    _aten.adaptive_max_pool2d.default: 3,
    _aten.adaptive_max_pool3d.default: 4,
}
"""Pooling operations that also take one sample, and the dimensions that it has; torch-mlir wants a batch."""


def batched(operation: Any, fallback: Callable[..., Any] | None) -> Callable[..., Any]:
    """One sample as a batch of one; batches by `fallback`, or as they are."""
    dimensions = UNBATCHED[operation]

    @functools.wraps(operation)
    def pooled(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.dim() != dimensions:
            return NotImplemented if fallback is None else fallback(x, *args, **kwargs)
        result = operation(x.unsqueeze(0), *args, **kwargs)
        return tuple(each.squeeze(0) for each in result) if isinstance(result, tuple) else result.squeeze(0)

    return pooled


def _extreme(operation: Any, of_integers: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """fmax and fmin: a NaN beside a number is left out. torch-mlir wants two tensors of one shape and type."""

    def chosen(x: Tensor, y: Tensor) -> Tensor:
        kind = torch.result_type(x, y)
        if x.shape == y.shape and x.dtype == y.dtype and kind.is_floating_point:
            return NotImplemented  # type: ignore[no-any-return]
        shape = (torch.empty(x.shape, device="meta") + torch.empty(y.shape, device="meta")).shape
        left, right = (each.to(kind).expand(shape) for each in (x, y))
        result: Tensor = operation(left, right) if kind.is_floating_point else of_integers(left, right)
        return result

    return chosen


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """A transposed convolution channel by channel (groups = channels in = channels out): a convolution with the
    mirrored kernel over the input with zeros between its elements; torch-mlir has those of fewer groups."""
    if not transposed or groups == 1 or groups != x.shape[1] or weight.shape[1] != 1:
        return NotImplemented  # type: ignore[no-any-return]
    for dim, step in enumerate(stride, 2):
        if step > 1:
            size = (x.shape[dim] - 1) * step + 1
            wide = x.new_zeros([size if d == dim else s for d, s in enumerate(x.shape)])
            x = torch.slice_scatter(wide, x, dim, 0, size, step)
    sides: list[int] = []
    for pad, reach, size, more in zip(padding, dilation, weight.shape[2:], output_padding, strict=True):
        around = reach * (size - 1) - pad
        sides = [around, around + more, *sides]
    x = torch.constant_pad_nd(x, sides)
    mirrored = weight.flip(list(range(2, weight.dim())))
    ones, zeros = [1] * len(stride), [0] * len(stride)
    return torch.convolution(x, mirrored, bias, ones, zeros, list(dilation), False, zeros, groups)


POOLING: dict[Any, Callable[..., Any]] = {
    _aten.fmax.default: _extreme(torch.fmax, torch.maximum),
    _aten.fmin.default: _extreme(torch.fmin, torch.minimum),
    _aten.convolution.default: convolution,
}
