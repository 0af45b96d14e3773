"""The places of maxima that pooling returns beside them, as PyTorch's kernels find them.

A window's place is that of its last NaN; without one, of the first element that equals the maximum. torch-mlir's is -1
for a window with NaN. Places count the elements of one plane or volume, without its padding.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from torch2hw.frontend.joining_functions import windows

_aten = torch.ops.aten
_KEPT: ContextVar[bool] = ContextVar("pooling that is left to torch-mlir", default=False)


@contextlib.contextmanager
def _left_alone() -> Iterator[None]:
    """Pooling inside this is not decomposed."""
    token = _KEPT.set(True)
    try:
        yield
    finally:
        _KEPT.reset(token)


def each_dimension(value: Sequence[int], dimensions: int) -> list[int]:
    """One number for each dimension, of one for all."""
    return [*value] * dimensions if len(value) == 1 else [*value]


def _lowest(x: Tensor) -> float:
    return -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min


def _place(values: Tensor, greatest: Tensor, places: Tensor, outside: int) -> Tensor:
    """Of windows along the last dimension of `values`, whose elements have these places, below `outside`; -1: none."""
    first = torch.where(values == greatest.unsqueeze(-1), torch.where(places < 0, outside, places), outside).amin(-1)
    if not values.is_floating_point():
        return first
    last = torch.where(values != values, places, -1).amax(-1)
    return torch.where(last < 0, first, last)


def _grid(sizes: Sequence[int], along: Sequence[Tensor]) -> Tensor:
    """[parts…, elements of a window]: the place of each, from the coordinates [parts, elements] along each dimension;
    -1 where a coordinate is outside."""
    rank = len(sizes)
    total, outside = torch.zeros([1] * 2 * rank, dtype=torch.int64), torch.zeros([1] * 2 * rank, dtype=torch.bool)
    for dim, (size, coordinates) in enumerate(zip(sizes, along, strict=True)):
        shape = [1] * 2 * rank
        shape[dim], shape[rank + dim] = coordinates.shape
        here = coordinates.reshape(shape)
        total, outside = total * size + here, outside | (here < 0) | (here >= size)
    return torch.where(outside, -1, total).flatten(rank)


def _coordinates(part: int, size: int, step: int, pad: int, apart: int) -> Tensor:
    """[parts, elements]: along one dimension, the coordinates of the windows' elements."""
    return (torch.arange(part) * step - pad).unsqueeze(1) + torch.arange(size) * apart


def _windows_of(
    x: Tensor, parts: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """[…, parts…, elements of a window], the padding the lowest value."""
    rank, sides = len(kernel), list[int]()
    first = x.dim() - rank
    for dim in range(rank):
        end = (parts[dim] - 1) * stride[dim] + dilation[dim] * (kernel[dim] - 1) + 1
        sides = [padding[dim], max(end - x.shape[first + dim] - padding[dim], 0), *sides]
    taken = torch.constant_pad_nd(x, sides, _lowest(x)) if any(sides) else x
    for dim in range(rank):
        reach = dilation[dim] * (kernel[dim] - 1) + 1
        taken = taken.unfold(first + dim, reach, stride[dim]).narrow(first + dim, 0, parts[dim])
        taken = taken[..., :: dilation[dim]] if dilation[dim] > 1 else taken
    return taken.flatten(-rank)


def _pooling(operation: Any, rank: int) -> Callable[..., Any]:
    def pooled(
        x: Tensor,
        kernel: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        ceil_mode: bool = False,
    ) -> Any:
        if _KEPT.get():
            return NotImplemented
        size, pad, apart = (each_dimension(each, rank) for each in (kernel, padding, dilation))
        step = each_dimension(stride, rank) if stride else size
        with _left_alone():
            values, _ = operation(x, size, step, pad, apart, ceil_mode)
        parts = values.shape[-rank:]
        along = [_coordinates(*each) for each in zip(parts, size, step, pad, apart, strict=True)]
        found = _windows_of(x, parts, size, step, pad, apart)
        values = values if x.is_floating_point() else found.amax(-1)  # torch-mlir crashes on volumes of integers
        return values, _place(found, values, _grid(x.shape[-rank:], along), math.prod(x.shape[-rank:]))

    return pooled


def _adaptive(fixed: Any, rank: int) -> Callable[..., Any]:
    """Into parts of one size by pooling; parts that overlap take their elements by place."""

    def pooled(x: Tensor, parts: Sequence[int]) -> Any:
        sizes = x.shape[-rank:]
        if all(size % part == 0 for size, part in zip(sizes, parts, strict=True)):
            return fixed(x, [size // part for size, part in zip(sizes, parts, strict=True)])
        places = _grid(sizes, [windows(size, part) for size, part in zip(sizes, parts, strict=True)])
        values = x.flatten(-rank)[..., places]
        greatest = values.amax(-1)
        return greatest, _place(values, greatest, places, math.prod(sizes))

    return pooled


PLACES: dict[Any, Callable[..., Any]] = {
    _aten.max_pool2d_with_indices.default: _pooling(_aten.max_pool2d_with_indices.default, 2),
    _aten.max_pool3d_with_indices.default: _pooling(_aten.max_pool3d_with_indices.default, 3),
    _aten.adaptive_max_pool2d.default: _adaptive(_aten.max_pool2d_with_indices.default, 2),
    _aten.adaptive_max_pool3d.default: _adaptive(_aten.max_pool3d_with_indices.default, 3),
}
