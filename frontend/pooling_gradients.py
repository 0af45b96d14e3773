"""Gradients of pooling over two and three dimensions, in forms that become loops over the input's elements.

torch-mlir has no gradient of average pooling, and scatters that of maximum pooling. Here every element of the input
adds up what it gets from the windows that cover it: a window is found by dividing the element's coordinate by the
stride, so pooling whose windows do not overlap is one elementwise kernel. Parts of different sizes (adaptive maximum
pooling) are scattered.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from torch2hw.frontend.joining_functions import shares
from torch2hw.frontend.pooling_places import each_dimension

_aten = torch.ops.aten


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
            for k in range(len(sizes)):
                if spread is not None:
                    dim = tensor.dim() - len(sizes) + k
                    spread = _windows_over(spread, dim, sizes[k], step[k], pad[k], back[k], fill)
            found.append(spread)
        if all(each is not None for each in found):
            yield back, [each for each in found if each is not None]


def max_pool_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    places: Tensor,
    *,
    rank: int,
) -> Tensor:
    """The gradient of each window at its place, added up over windows that overlap."""
    size, pad, apart = (each_dimension(each, rank) for each in (kernel, padding, dilation))
    step = each_dimension(stride, rank) if stride else size
    reach = [far * (count - 1) + 1 for far, count in zip(apart, size, strict=True)]
    sizes = x.shape[-rank:]
    own = torch.arange(math.prod(sizes)).reshape(sizes)
    total: Tensor | None = None
    for _, (value, place) in _covering([gradient, places], sizes, step, pad, reach, (0.0, -1)):
        part = torch.where(place == own, value, 0.0)
        total = part if total is None else total + part
    return torch.zeros_like(x) if total is None else total


def adaptive_max_pool_backward(gradient: Tensor, x: Tensor, places: Tensor, *, rank: int) -> Tensor:
    """Of parts of one size as maximum pooling's; of others, the gradient of each part scattered to its place."""
    kernel = _equal_parts(x.shape[-rank:], gradient.shape[-rank:])
    if kernel is not None:
        return max_pool_backward(gradient, x, kernel, kernel, (0,), (1,), False, places, rank=rank)
    flat = torch.zeros_like(x).flatten(-rank)
    return flat.scatter_add(-1, places.flatten(-rank), gradient.flatten(-rank)).reshape(x.shape)


def _equal_parts(sizes: Sequence[int], parts: Sequence[int]) -> list[int] | None:
    """The size of a part, where all have one."""
    if any(size % part for size, part in zip(sizes, parts, strict=True)):
        return None
    return [size // part for size, part in zip(sizes, parts, strict=True)]


def _divisors(part: int, size: int, kernel: int, step: int, pad: int, counts_padding: bool) -> Tensor:
    """Along a dimension, how many elements count in each window, with the padding or without."""
    start = torch.arange(part) * step - pad
    end = torch.clamp(start + kernel, max=size + pad)
    return end - start if counts_padding else torch.clamp(end, max=size) - torch.clamp(start, min=0)


def avg_pool_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    counts_padding: bool,
    divisor: int | None,
    *,
    rank: int,
) -> Tensor:
    """The gradient of each window, divided by its number of elements, at all of them."""
    size, pad = each_dimension(kernel, rank), each_dimension(padding, rank)
    step = each_dimension(stride, rank) if stride else size
    sizes, parts = list(x.shape[-rank:]), gradient.shape[-rank:]
    exact = all(
        (part - 1) * stride + count - width <= (2 * border if counts_padding else 0) and (counts_padding or not border)
        for part, stride, count, width, border in zip(parts, step, size, sizes, pad, strict=True)
    )
    if divisor is not None or exact:
        share = gradient / (divisor or math.prod(size))
    else:
        along = [_divisors(*each, counts_padding) for each in zip(parts, sizes, size, step, pad, strict=True)]
        share = gradient / functools.reduce(lambda one, other: one.unsqueeze(-1) * other, along).to(gradient.dtype)
    total: Tensor | None = None
    for back, (value,) in _covering([share], sizes, step, pad, size, (0.0,)):
        reached = [
            (torch.arange(width) + border) % stride + far * stride < count
            for width, border, stride, far, count in zip(sizes, pad, step, back, size, strict=True)
        ]
        inside = functools.reduce(lambda one, other: one.unsqueeze(-1) & other, reached)
        whole = all((far + 1) * stride <= count for far, stride, count in zip(back, step, size, strict=True))
        value = value if whole else torch.where(inside, value, 0.0)
        total = value if total is None else total + value
    return torch.zeros_like(x) if total is None else total


def adaptive_avg_pool_backward(gradient: Tensor, x: Tensor, *, rank: int) -> Tensor:
    """Into parts of one size as average pooling; into others, a product with each part's share in each element."""
    sizes, parts = x.shape[-rank:], gradient.shape[-rank:]
    kernel = _equal_parts(sizes, parts)
    if kernel is not None:
        return avg_pool_backward(gradient, x, kernel, kernel, (0,), False, True, None, rank=rank)
    *depth, rows, columns = (shares(*each).to(gradient.dtype) for each in zip(sizes, parts, strict=True))
    found = rows.T @ (gradient @ columns)
    return (depth[0].T @ found.transpose(-3, -2)).transpose(-3, -2) if depth else found


def _of_rank(function: Callable[..., Tensor], rank: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def backward(*given: Any) -> Tensor:
        return function(*given, rank=rank)

    return backward


POOLING_GRADIENTS: dict[Any, Callable[..., Any]] = {
    _aten.max_pool2d_with_indices_backward.default: _of_rank(max_pool_backward, 2),
    _aten.max_pool3d_with_indices_backward.default: _of_rank(max_pool_backward, 3),
    _aten.adaptive_max_pool2d_backward.default: _of_rank(adaptive_max_pool_backward, 2),
    _aten.adaptive_max_pool3d_backward.default: _of_rank(adaptive_max_pool_backward, 3),
    _aten.avg_pool2d_backward.default: _of_rank(avg_pool_backward, 2),
    _aten.avg_pool3d_backward.default: _of_rank(avg_pool_backward, 3),
    _aten._adaptive_avg_pool2d_backward.default: _of_rank(adaptive_avg_pool_backward, 2),
    _aten._adaptive_avg_pool3d_backward.default: _of_rank(adaptive_avg_pool_backward, 3),
}
