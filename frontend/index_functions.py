"""Writing at indices computed at run time, the other way round: each element of the result looks for what was written.

n · m comparisons for n elements and m indices. Where several indices are equal, the last one's value stays (`scatter`),
or all are added in order, as PyTorch's CPU does (`scatter_add`, `index_add`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def _covers(x: Tensor, dim: int, index: Tensor) -> bool:
    """Whether `index` is as large as `x` in every dimension but `dim`."""
    sizes = zip(x.shape, index.shape, strict=True)
    return x.dim() > 0 and all(a == b for d, (a, b) in enumerate(sizes) if d != dim % x.dim())


def _hits(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """[…, i, j]: whether number j along `dim` writes element i; `dim` is moved to the end."""
    return index.movedim(dim, -1).unsqueeze(-2) == torch.arange(x.shape[dim], device=x.device).unsqueeze(-1)


def _with_index(values: Tensor, index: Tensor) -> Tensor:
    """The part of `values` that has an index, which begins where `values` does."""
    for dimension, size in enumerate(index.shape):
        values = values.narrow(dimension, 0, size)
    return values


def scatter(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`torch.scatter`; of equal indices the last wins. NotImplemented if `index` does not cover `x` outside `dim`."""
    if not _covers(x, dim, index):
        return NotImplemented  # type: ignore[no-any-return]
    places = torch.arange(index.shape[dim], device=x.device)
    last = torch.where(_hits(x, dim, index), places, -1).amax(-1)
    values = torch.gather(_with_index(src, index).movedim(dim, -1), -1, last.clamp(min=0))
    return torch.where(last < 0, x.movedim(dim, -1), values).movedim(-1, dim)


def scatter_value(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """`torch.scatter` of one number. NotImplemented if `index` does not cover `x` outside `dim`."""
    if not _covers(x, dim, index):
        return NotImplemented  # type: ignore[no-any-return]
    return torch.where(_hits(x, dim, index).any(-1).movedim(-1, dim), torch.full_like(x, value), x)


def _added(x: Tensor, dim: int, hits: Tensor, values: Tensor) -> Tensor:
    """`x` plus, in order, the `values` that hit."""
    terms = torch.where(hits, values.movedim(dim, -1).unsqueeze(-2), torch.zeros_like(values.reshape(-1)[0]))
    return torch.cat([x.movedim(dim, -1).unsqueeze(-1), terms], -1).sum(-1, dtype=x.dtype).movedim(-1, dim)


def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`torch.scatter_add`, in the order of the indices. NotImplemented if `index` does not cover `x` outside `dim`."""
    if not _covers(x, dim, index):
        return NotImplemented  # type: ignore[no-any-return]
    return _added(x, dim, _hits(x, dim, index), _with_index(src, index))


def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Sums, products, means and extremes of all that an element is written, in order."""
    if not _covers(x, dim, index):
        return NotImplemented  # type: ignore[no-any-return]
    hits, here = _hits(x, dim, index), x.movedim(dim, -1)
    limits = torch.finfo(x.dtype) if x.is_floating_point() else torch.iinfo(x.dtype)
    lowest, highest = (-torch.inf, torch.inf) if x.is_floating_point() else (limits.min, limits.max)
    neutral = torch.full_like(here, {"prod": 1, "amax": lowest, "amin": highest}.get(reduce, 0))
    values = _with_index(src, index).movedim(dim, -1).unsqueeze(-2)
    start = here if include_self else neutral
    terms = torch.cat([start.unsqueeze(-1), torch.where(hits, values, neutral.unsqueeze(-1))], -1)
    if reduce in ("amax", "amin"):
        result = terms.amax(-1) if reduce == "amax" else terms.amin(-1)
    else:
        result = terms.prod(-1, dtype=x.dtype) if reduce == "prod" else terms.sum(-1, dtype=x.dtype)
    if reduce == "mean":
        count = (hits.sum(-1) + include_self).clamp(min=1).to(x.dtype)
        result = result / count if x.is_floating_point() else torch.div(result, count, rounding_mode="floor")
    result = result if include_self else torch.where(hits.any(-1), result, here)
    return result.movedim(-1, dim)


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`torch.index_add`, in the order of the indices."""
    hits = index == torch.arange(x.shape[dim], device=x.device).unsqueeze(-1)
    return _added(x, dim, hits, source if alpha == 1 else source * alpha)


def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`torch.index_copy`; of equal indices the last wins."""
    sizes = [-1 if d == dim % x.dim() else 1 for d in range(x.dim())]
    return scatter(x, dim, index.reshape(sizes).expand(source.shape), source)


def index_fill(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """`torch.index_fill` of one number."""
    hits = index == torch.arange(x.shape[dim], device=x.device).unsqueeze(-1)
    return torch.where(hits.any(-1), torch.full_like(x, value).movedim(dim, -1), x.movedim(dim, -1)).movedim(-1, dim)


def index_put(x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`x[mask] = number` and `x[:, indices] = values`; what is more is left to torch-mlir."""
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    (dim, index), more = given[0], len(given) > 1
    if index.dtype == torch.bool and not more and dim == 0 and values.numel() == 1 and not accumulate:
        mask = index.reshape([*index.shape, *[1] * (x.dim() - index.dim())])
        return torch.where(mask, values.reshape([]), x)
    if index.dtype == torch.bool or more or index.dim() != 1:
        return NotImplemented  # type: ignore[no-any-return]
    source = values.expand([index.shape[0] if d == dim else size for d, size in enumerate(x.shape)])
    index = torch.where(index < 0, index + x.shape[dim], index)
    return index_add(x, dim, index, source) if accumulate else index_copy(x, dim, index, source)


def searchsorted(
    boundaries: Tensor, x: Tensor, *, out_int32: bool = False, right: bool = False, side: str | None = None, **_: Any
) -> Tensor:
    """How many boundaries come before each element."""
    last, each = boundaries.unsqueeze(-2), x.unsqueeze(-1)
    if boundaries.dim() == 1:
        last = boundaries
    before = ~(last > each if right or side == "right" else last >= each)  # NaN comes after all
    return before.sum(-1).to(torch.int32 if out_int32 else torch.int64)


MODES = ("sum", "mean", "max")


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sum, mean or maximum of the rows of each bag, in order. A bag selects its rows among those of all indices, so
    that offsets may be computed at run time. An empty bag is 0. Also the bag of each index, the sizes of bags, zeros
    for the places of the maxima, which only gradients use.
    """
    count, rows = indices.shape[0], torch.nn.functional.embedding(indices, weight)
    places = torch.arange(count, device=indices.device)
    begins, ends = offsets, torch.cat([offsets[1:], torch.full_like(offsets[:1], count)])
    if include_last_offset:
        begins, ends = offsets[:-1], offsets[1:]
    inside = (places >= begins.unsqueeze(-1)) & (places < ends.unsqueeze(-1))
    kept = inside if padding_idx is None or padding_idx < 0 else inside & (indices != padding_idx)
    sizes = kept.sum(-1)
    chosen = kept.unsqueeze(-1)
    if MODES[mode] == "max":
        largest = torch.where(chosen, rows, -torch.inf).amax(1)
        result = torch.where(sizes.unsqueeze(-1) > 0, largest, torch.zeros_like(largest))
    else:
        terms = rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(-1)
        result = torch.where(chosen, terms, torch.zeros_like(terms)).sum(1, dtype=weight.dtype)
        if MODES[mode] == "mean":
            result = result / sizes.clamp(min=1).to(weight.dtype).unsqueeze(-1)
    bags = (begins.unsqueeze(-1) <= places).sum(0) - 1
    return result, bags, sizes, torch.zeros_like(begins)


_aten = torch.ops.aten
INDEXED: dict[Any, Callable[..., Any]] = {
    _aten.scatter.src: scatter,
    _aten.scatter.value: scatter_value,
    _aten.scatter_add.default: scatter_add,
    _aten.scatter_reduce.two: scatter_reduce,
    _aten.index_add.default: index_add,
    _aten.index_copy.default: index_copy,
    _aten.index_fill.int_Scalar: index_fill,
    _aten.index_put.default: index_put,
    _aten.searchsorted.Tensor: searchsorted,
    _aten.embedding_bag.padding_idx: embedding_bag,
    _aten.embedding_bag.default: embedding_bag,
    _aten._embedding_bag.default: embedding_bag,
    _aten._embedding_bag_forward_only.default: embedding_bag,
}
