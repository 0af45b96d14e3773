"""Gradients of pooling, repetition, interpolation, rectifiers, grouped and transposed convolutions, in forms that
become loops over the input's elements.

torch-mlir has no gradient of average pooling, scatters that of maximum pooling, and fails on these convolutions. Here
every element of the input adds up what it gets from the windows that cover it: a window is found by dividing the
element's coordinate by the stride, so pooling whose windows do not overlap is one elementwise kernel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from torch2hw.frontend.joining_functions import windows

_aten = torch.ops.aten


def _pair(value: Sequence[int]) -> list[int]:
    """One number for each of two dimensions, of one for both."""
    return [*value] * 2 if len(value) == 1 else [*value]


def _windows_over(x: Tensor, dim: int, size: int, step: int, pad: int, back: int, fill: float) -> Tensor | None:
    """Along a dimension, for each of `size` elements: the value of x for the window that is `back` before the last one
    that begins at or before the element, `fill` where there is none; None where there is none for any element."""
    first, last = pad // step, (size - 1 + pad) // step
    start, end = max(first - back, 0), min(last - back, x.shape[dim] - 1)
    if end < start:
        return None
    taken = x.narrow(dim, start, end - start + 1)
    sides = [start - (first - back), last - back - end]
    if any(sides):
        taken = torch.constant_pad_nd(taken, [0, 0] * (x.dim() - 1 - dim) + sides, fill)
    repeated = taken.unsqueeze(dim + 1).expand(*taken.shape[: dim + 1], step, *taken.shape[dim + 1 :])
    return repeated.flatten(dim, dim + 1).narrow(dim, pad - first * step, size)


def _covering(
    tensors: Sequence[Tensor], sizes: Sequence[int], step: Sequence[int], pad: Sequence[int], reach: Sequence[int],
    fills: Sequence[float],
) -> Iterator[tuple[tuple[int, ...], list[Tensor]]]:  # fmt: skip
    """For every window that can cover an element: how far back it is in each dimension, and the tensors' values for it
    at each element."""
    counts = [-(-far // stride) for far, stride in zip(reach, step, strict=True)]
    for back in itertools.product(*map(range, counts)):
        found = []
        for tensor, fill in zip(tensors, fills, strict=True):
            spread: Tensor | None = tensor
            for k in range(2):
                if spread is not None:
                    dim = tensor.dim() - 2 + k
                    spread = _windows_over(spread, dim, sizes[k], step[k], pad[k], back[k], fill)
            found.append(spread)
        if all(each is not None for each in found):
            yield back, [each for each in found if each is not None]


def max_pool2d_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    places: Tensor,
) -> Tensor:
    """The gradient of each window at its place, added up over windows that overlap."""
    size, pad, apart = (_pair(each) for each in (kernel, padding, dilation))
    step = _pair(stride) if stride else size
    reach = [far * (count - 1) + 1 for far, count in zip(apart, size, strict=True)]
    rows, columns = x.shape[-2:]
    own = torch.arange(rows * columns).reshape(rows, columns)
    total: Tensor | None = None
    for _, (value, place) in _covering([gradient, places], (rows, columns), step, pad, reach, (0.0, -1)):
        part = torch.where(place == own, value, 0.0)
        total = part if total is None else total + part
    return torch.zeros_like(x) if total is None else total


def _divisors(
    part: int, size: int, kernel: int, step: int, pad: int, counts_padding: bool
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Along a dimension, how many elements count in each window; and as PyTorch counts them, padding or not."""
    start = torch.arange(part) * step - pad
    end = torch.clamp(start + kernel, max=size + pad)
    inside = torch.clamp(end, max=size) - torch.clamp(start, min=0)
    return (end - start if counts_padding else inside), inside


def avg_pool2d_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    counts_padding: bool,
    divisor: int | None,
) -> Tensor:
    """The gradient of each window, divided by its number of elements, at all of them."""
    size, pad = _pair(kernel), _pair(padding)
    step = _pair(stride) if stride else size
    sizes, parts = list(x.shape[-2:]), gradient.shape[-2:]
    exact = all(
        (part - 1) * stride + count - width <= (2 * border if counts_padding else 0) and (counts_padding or not border)
        for part, stride, count, width, border in zip(parts, step, size, sizes, pad, strict=True)
    )
    if divisor is not None or exact:
        share = gradient / (divisor or size[0] * size[1])
    else:
        rows, columns = (
            _divisors(part, width, count, stride, border, counts_padding)[0]
            for part, width, count, stride, border in zip(parts, sizes, size, step, pad, strict=True)
        )
        share = gradient / (rows.unsqueeze(1) * columns).to(gradient.dtype)
    total: Tensor | None = None
    for back, (value,) in _covering([share], sizes, step, pad, size, (0.0,)):
        reached = [
            (torch.arange(width) + border) % stride + far * stride < count
            for width, border, stride, far, count in zip(sizes, pad, step, back, size, strict=True)
        ]
        inside = reached[0].unsqueeze(1) & reached[1]
        whole = all((far + 1) * stride <= count for far, stride, count in zip(back, step, size, strict=True))
        value = value if whole else torch.where(inside, value, 0.0)
        total = value if total is None else total + value
    return torch.zeros_like(x) if total is None else total


def adaptive_avg_pool2d_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """Into parts of one size as average pooling; into others, a product with each part's share in each element."""
    sizes, parts = x.shape[-2:], gradient.shape[-2:]
    if all(size % part == 0 for size, part in zip(sizes, parts, strict=True)):
        kernel = [size // part for size, part in zip(sizes, parts, strict=True)]
        return avg_pool2d_backward(gradient, x, kernel, kernel, (0, 0), False, True, None)
    rows, columns = (_shares(size, part).to(gradient.dtype) for size, part in zip(sizes, parts, strict=True))
    return rows.T @ (gradient @ columns)


def _shares(size: int, parts: int) -> Tensor:
    """[parts, size]: 1 / elements of the part where the element is in it, else 0."""
    places = windows(size, parts)
    inside = (places.unsqueeze(-1) == torch.arange(size)).any(1)
    return inside / inside.sum(1, keepdim=True)


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
    _aten.max_pool2d_with_indices_backward.default: max_pool2d_backward,
    _aten.avg_pool2d_backward.default: avg_pool2d_backward,
    _aten._adaptive_avg_pool2d_backward.default: adaptive_avg_pool2d_backward,
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
