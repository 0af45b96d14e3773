"""Gradients of repetition, interpolation, rectifiers, grouped and transposed convolutions, in forms that become loops
over the input's elements; torch-mlir has none of them, or fails on them. Those of pooling: `pooling_gradients`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_aten = torch.ops.aten


def upsample_nearest2d_backward(
    gradient: Tensor,
    output_size: Sequence[int],
    input_size: Sequence[int],
    scale_height: float | None = None,
    scale_width: float | None = None,
) -> Tensor:
    """Where every element was repeated equally often, the sum over its copies."""
    rows, columns = input_size[-2:]
    if any(size % count for size, count in zip(output_size, (rows, columns), strict=True)):
        return NotImplemented  # type: ignore[no-any-return]
    height, width = output_size[0] // rows, output_size[1] // columns
    if any(scale not in (None, size) for scale, size in ((scale_height, height), (scale_width, width))):
        return NotImplemented  # type: ignore[no-any-return]
    return gradient.reshape(*gradient.shape[:-2], rows, height, columns, width).sum([-3, -1])


def upsample_bilinear2d_backward(
    gradient: Tensor,
    output_size: Sequence[int],
    input_size: Sequence[int],
    align_corners: bool,
    scale_height: float | None = None,
    scale_width: float | None = None,
) -> Tensor:
    """A product with each element's share in what was interpolated, in each dimension."""
    rows, columns = (
        _interpolation(*each, align_corners)
        for each in zip(input_size[-2:], output_size, (scale_height, scale_width), strict=True)
    )
    return rows.to(gradient.dtype) @ (gradient @ columns.to(gradient.dtype).T)


def _interpolation(size: int, wanted: int, scale: float | None, align_corners: bool) -> Tensor:
    """[size, wanted]: the share of each of `size` elements in each that is interpolated."""
    if align_corners:
        places = torch.arange(wanted) * ((size - 1) / max(wanted - 1, 1))
    else:
        places = (torch.arange(wanted) + 0.5) * (1 / scale if scale else size / wanted) - 0.5
    apart = places.clamp(0, size - 1) - torch.arange(size).unsqueeze(1)
    return torch.relu(1 - apart.abs())


def replication_pad2d_backward(gradient: Tensor, x: Tensor, padding: Sequence[int]) -> Tensor:
    """A product with what of the padded tensor each element is, in each dimension."""
    left, _, top, _ = padding
    found = gradient
    for dim, pad in ((-2, top), (-1, left)):
        places = (torch.arange(gradient.shape[dim]) - pad).clamp(0, x.shape[dim] - 1)
        share = (places == torch.arange(x.shape[dim]).unsqueeze(1)).to(gradient.dtype)
        found = share @ found if dim == -2 else found @ share.T
    return found


def shrink_backward(gradient: Tensor, x: Tensor, limit: float) -> Tensor:
    """Of Hardshrink and Softshrink."""
    return torch.where(x.abs() > limit, gradient, 0.0)


def convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> Any:
    """A grouped convolution's, group by group; of a transposed one, what the convolution that it transposes computes of
    the gradient, and that one's gradient of the weights."""
    if groups == 1:
        if not transposed:
            return NotImplemented
        plain = (stride, padding, dilation, False, [0] * len(stride), 1)
        of_input = _aten.convolution(gradient, weight, None, *plain) if wanted[0] else None
        of_weight = None
        if wanted[1]:
            of_weight = _aten.convolution_backward(x, gradient, weight, None, *plain, [False, True, False])[1]
        return of_input, of_weight, gradient.sum([0, *range(2, gradient.dim())]) if wanted[2] else None
    pieces = zip(gradient.chunk(groups, 1), x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)
    form = (stride, padding, dilation, transposed, output_padding, 1, [wanted[0], wanted[1], False])
    found = [_aten.convolution_backward(*each, None, *form) for each in pieces]
    of_input = torch.cat([each[0] for each in found], 1) if wanted[0] else None
    of_weight = torch.cat([each[1] for each in found], 0) if wanted[1] else None
    of_bias = gradient.sum([0, *range(2, gradient.dim())]) if wanted[2] else None
    return of_input, of_weight, of_bias


def silu_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """d/dx x · sigmoid(x)."""
    gate = torch.sigmoid(x)
    return gradient * (gate * (1 + x * (1 - gate)))


def mish_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """d/dx x · tanh(log(1 + exp(x)))."""
    gate = torch.tanh(functional.softplus(x))
    return gradient * (gate + x * torch.sigmoid(x) * (1 - gate * gate))


GRADIENTS: dict[Any, Callable[..., Any]] = {
    _aten.upsample_nearest2d_backward.default: upsample_nearest2d_backward,
    _aten.upsample_bilinear2d_backward.default: upsample_bilinear2d_backward,
    _aten.replication_pad2d_backward.default: replication_pad2d_backward,
    _aten.hardshrink_backward.default: shrink_backward,
    _aten.softshrink_backward.default: shrink_backward,
    _aten.convolution_backward.default: convolution_backward,
}
COMPOSITE: dict[Any, Callable[..., Any]] = {
    _aten.silu_backward.default: silu_backward,
    _aten.mish_backward.default: mish_backward,
}
"""Those that have to be written out where the step is traced: torch.export leaves PyTorch's composites as they are."""
