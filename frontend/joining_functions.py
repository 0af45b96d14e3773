"""Forms of `cat`, `block_diag`, `roll`, `fold` and average pooling that torch-mlir gets wrong or does not lower."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of several types, in the type that holds them all; torch-mlir extends unsigned ones by their sign. Empty
    ones, such as a cache before its first entry, add nothing but their type."""
    kinds = {each.dtype for each in tensors}
    parts = [each for each in tensors if each.numel()] or list(tensors)
    if len(kinds) == 1 and len(parts) == len(tensors):
        return NotImplemented  # type: ignore[no-any-return]
    kind = functools.reduce(torch.promote_types, kinds)
    return torch.cat([each.to(kind) for each in parts], dim)


def _common_type(tensors: Sequence[Tensor]) -> torch.dtype:
    """In which numbers that are no arrays count for their kind only: float16 and a float32 number give float16."""
    arrays, numbers = ([each.dtype for each in tensors if (each.dim() > 0) == wanted] for wanted in (True, False))
    kinds = [functools.reduce(torch.promote_types, each) for each in (arrays, numbers) if each]
    return torch.result_type(torch.empty(1, dtype=kinds[0]), torch.empty((), dtype=kinds[-1]))


def block_diag(tensors: Sequence[Tensor]) -> Tensor:
    """Matrices (or rows, or numbers) one below and right of the other, among zeros."""
    kind = _common_type(tensors)
    blocks = [(each if each.dim() == 2 else each.reshape(1, each.numel())).to(kind) for each in tensors]
    width, rows, left = sum(block.shape[1] for block in blocks), [], 0
    for block in blocks:
        parts = [block.new_zeros(block.shape[0], left), block]
        parts.append(block.new_zeros(block.shape[0], width - left - block.shape[1]))
        rows.append(torch.cat([part for part in parts if part.shape[1]], 1))
        left += block.shape[1]
    return torch.cat(rows)


def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor:
    """Without dimensions: all elements in a row. torch-mlir's has empty parts where nothing moves."""
    if not dims:
        return roll(x.reshape(-1), shifts, [0]).reshape(x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        first = -shift % x.shape[dim]
        if first:
            x = torch.cat([x.narrow(dim, first, x.shape[dim] - first), x.narrow(dim, 0, first)], dim)
    return x.clone()


def windows(size: int, parts: int) -> Tensor:
    """The places of each part, a row for each; where parts have different sizes the last place of one comes twice."""
    number = torch.arange(parts)
    first, end = number * size // parts, ((number + 1) * size + parts - 1) // parts
    longest = max(-(-(k + 1) * size // parts) - k * size // parts for k in range(parts))
    return torch.minimum(first.unsqueeze(1) + torch.arange(longest), end.unsqueeze(1) - 1)


def shares(size: int, parts: int) -> Tensor:
    """[parts, size]: 1 / elements of the part where the element is in it, else 0."""
    inside = (windows(size, parts).unsqueeze(-1) == torch.arange(size)).any(1)
    return inside / inside.sum(1, keepdim=True)


def adaptive_avg_pool3d(x: Tensor, parts: Sequence[int]) -> Tensor:
    """Into parts of one size, means; into others, a product with the shares of elements in parts, in each dimension."""
    sizes = x.shape[-3:]
    if any(size % count for size, count in zip(sizes, parts, strict=True)):
        depth, rows, columns = (shares(*each).to(x.dtype) for each in zip(sizes, parts, strict=True))
        found = rows @ (x @ columns.T)
        return (depth @ found.transpose(-3, -2)).transpose(-3, -2)
    split = [number for size, count in zip(sizes, parts, strict=True) for number in (count, size // count)]
    return x.reshape(*x.shape[:-3], *split).mean((-5, -3, -1))


def col2im(
    x: Tensor,
    output_size: Sequence[int],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """What `fold` computes: patches added into an image, element after element of the kernel."""
    if x.dim() == 2:
        return col2im(x.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    padded = [size + 2 * pad for size, pad in zip(output_size, padding, strict=True)]
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel_size, strict=True)]
    counts = [(size - far) // step + 1 for size, far, step in zip(padded, reach, stride, strict=True)]
    parts = x.reshape(x.shape[0], -1, *kernel_size, *counts)
    image = x.new_zeros(x.shape[0], parts.shape[1], *padded)
    for i, j in itertools.product(*map(range, kernel_size)):
        top, left = i * dilation[0], j * dilation[1]
        bottom, right = (
            first + (count - 1) * step + 1 for first, count, step in zip((top, left), counts, stride, strict=True)
        )
        rows = image[:, :, top : bottom : stride[0]]
        sums = rows[..., left : right : stride[1]] + parts[:, :, i, j]
        rows = torch.slice_scatter(rows, sums, 3, left, right, stride[1])
        image = torch.slice_scatter(image, rows, 2, top, bottom, stride[0])
    return image[:, :, padding[0] : padded[0] - padding[0], padding[1] : padded[1] - padding[1]].clone()


def diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`x` with `src` on a diagonal: what a write to `x.diagonal()` leaves."""
    moved = x.movedim((dim1, dim2), (-2, -1))
    rows, columns = (torch.arange(size, device=x.device) for size in moved.shape[-2:])
    on_diagonal = rows.unsqueeze(1) + offset == columns
    before = max(-offset, 0)
    line = torch.constant_pad_nd(src, [before, moved.shape[-2] - before - src.shape[-1]]).unsqueeze(-1)
    return torch.where(on_diagonal, line, moved).movedim((-2, -1), (dim1, dim2))


def _strided(x: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None) -> Tensor | None:
    """The places of the elements in `x`, whose elements lie in a row; None where they do not."""
    if not x.is_contiguous():
        return None
    places = torch.full([1] * len(size), offset or 0, dtype=torch.int64, device=x.device)
    for dim, (extent, step) in enumerate(zip(size, stride, strict=True)):
        along = [-1 if each == dim else 1 for each in range(len(size))]
        places = places + (torch.arange(extent, device=x.device) * step).reshape(along)
    return places


def as_strided(x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """`torch.as_strided` of a tensor whose elements lie in a row; NotImplemented of others."""
    places = _strided(x, size, stride, storage_offset)
    return NotImplemented if places is None else x.reshape(-1)[places]


def as_strided_scatter(
    x: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """What a write to `torch.as_strided(x, …)` leaves, as `as_strided`."""
    places = _strided(x, size, stride, storage_offset)
    if places is None:
        return NotImplemented  # type: ignore[no-any-return]
    return torch.index_put(x.reshape(-1), (places.reshape(-1),), src.reshape(-1)).reshape(x.shape)


_aten = torch.ops.aten
JOINING: dict[Any, Callable[..., Any]] = {
    _aten.cat.default: concatenate,
    _aten.block_diag.default: block_diag,
    _aten.roll.default: roll,
    _aten._adaptive_avg_pool3d.default: adaptive_avg_pool3d,
    _aten.col2im.default: col2im,
    _aten.diagonal_scatter.default: diagonal_scatter,
    _aten.as_strided.default: as_strided,
    _aten.as_strided_scatter.default: as_strided_scatter,
}
