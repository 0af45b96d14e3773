"""Sorting and selection by rank: the index of an element in the result is the number of elements that come before it.

n elements take n² comparisons, which may run in parallel and in any order, and no data-dependent control. Equal
elements keep their order; NaN is greater than all else. Selected elements keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _before(later: Tensor, earlier: Tensor, descending: bool) -> Tensor:
    """Where `earlier` must stand before `later`, were it not for their order; NaN is greater than all else."""
    low, high = (later, earlier) if descending else (earlier, later)
    return (low < high) | ((high != high) & (low == low)) if high.is_floating_point() else low < high


def _ranks(x: Tensor, descending: bool) -> Tensor:
    """The place of each element along the last dimension."""
    count = x.shape[-1]
    here, other = x.unsqueeze(-1), x.unsqueeze(-2)
    first = torch.ones(count, count, dtype=torch.bool, device=x.device).tril(-1)  # [i, j]: j stands before i
    tied = ~_before(here, other, descending) & ~_before(other, here, descending)
    return (_before(here, other, descending) | (tied & first)).sum(-1)


def _places(x: Tensor, descending: bool, count: int) -> Tensor:
    """The index in the last dimension of `x` of each of the first `count` elements in order."""
    ranks = _ranks(x, descending).unsqueeze(-2)
    wanted = torch.arange(count, device=x.device).unsqueeze(-1)
    return torch.where(ranks == wanted, torch.arange(x.shape[-1], device=x.device), 0).sum(-1)


def _in_order(x: Tensor, dim: int, descending: bool, count: int | None = None) -> tuple[Tensor, Tensor]:
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    moved = x.movedim(dim, -1)
    places = _places(moved, descending, moved.shape[-1] if count is None else count)
    return torch.gather(moved, -1, places).movedim(-1, dim), places.movedim(-1, dim)


def sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    """`torch.sort`: values and their indices along `dim`."""
    return _in_order(x, dim, descending)


def sort_stable(
    x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """`torch.sort` with `stable`, which makes no difference: equal elements always keep their order."""
    return _in_order(x, dim, descending)


def argsort(x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """`torch.argsort`: the indices that sort `x` along `dim`."""
    return _in_order(x, dim, descending)[1]


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """`torch.topk`, always sorted."""
    return _in_order(x, dim, largest, k)


def kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """`torch.kthvalue`; `k` counts from 1."""
    values, places = _in_order(x, dim, False, k)
    if x.dim() == 0:
        return values, places
    chosen = values.narrow(dim, k - 1, 1), places.narrow(dim, k - 1, 1)
    return chosen if keepdim else (chosen[0].squeeze(dim), chosen[1].squeeze(dim))


def median_dim(x: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The lower of two medians; the first NaN where there is one, as PyTorch has it."""
    if x.dim() == 0:
        return kthvalue(x, 1)
    values, places = kthvalue(x, (x.shape[dim] + 1) // 2, dim, True)
    if x.is_floating_point():
        greatest, place = x.max(dim, True)
        unordered = greatest != greatest
        values, places = torch.where(unordered, greatest, values), torch.where(unordered, place, places)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


def median(x: Tensor) -> Tensor:
    """`torch.median` of all elements: the lower of two in the middle."""
    return median_dim(x.reshape(-1), 0)[0]


_aten = torch.ops.aten
ORDERING: dict[Any, Callable[..., Any]] = {
    _aten.sort.default: sort,
    _aten.sort.stable: sort_stable,
    _aten.argsort.default: argsort,
    _aten.topk.default: topk,
    _aten.kthvalue.default: kthvalue,
    _aten.median.dim: median_dim,
    _aten.median.default: median,
}
