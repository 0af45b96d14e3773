"""Writing at indices computed at run time, the other way round: each element of the result looks for what was written.

n · m comparisons for n elements and m indices. Where several indices are equal, the last one's value stays (`scatter`),
or all are added in order, as PyTorch's CPU does (`scatter_add`, `index_add`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def _anywhere(
    function: Callable[[Tensor, int, Tensor, Any], Tensor], x: Tensor, dim: int, index: Tensor, values: Any
) -> Tensor:
    """`function`, which wants an index as large as `x` in every dimension but `dim`, of the part of `x` that has one;
    `values` are a tensor with an element for each index, or what belongs to none."""
    if x.dim() == 0:
        flat = (each.reshape(-1) if isinstance(each, Tensor) else each for each in (x, index, values))
        row, places, written = flat
        return _anywhere(function, row, 0, places, written).reshape([])
    dim %= x.dim()
    part = x
    for each, size in enumerate(index.shape):
        part = part if each == dim else part.narrow(each, 0, size)
    written = _with_index(values, index) if isinstance(values, Tensor) else values
    return _put_back(x, function(part, dim, index, written))


def _put_back(x: Tensor, part: Tensor) -> Tensor:
    """`x`, with `part` in place of the elements where it begins."""
    for dim, size in enumerate(part.shape):
        if size < x.shape[dim]:
            inner = _put_back(x.narrow(dim, 0, size), part)
            return torch.slice_scatter(x, inner, dim, 0, size)
    return part


def _hits(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """[…, i, j]: whether number j along `dim` writes element i; `dim` is moved to the end."""
    return index.movedim(dim, -1).unsqueeze(-2) == torch.arange(x.shape[dim], device=x.device).unsqueeze(-1)


def _with_index(values: Tensor, index: Tensor) -> Tensor:
    """The part of `values` that has an index, which begins where `values` does."""
    for dimension, size in enumerate(index.shape):
        values = values.narrow(dimension, 0, size)
    return values


def _scatter(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    places = torch.arange(index.shape[dim], device=x.device)
    last = torch.where(_hits(x, dim, index), places, -1).amax(-1)
    values = torch.gather(src.movedim(dim, -1), -1, last.clamp(min=0))
    return torch.where(last < 0, x.movedim(dim, -1), values).movedim(-1, dim)


def scatter(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`torch.scatter`; of equal indices the last wins."""
    return _anywhere(_scatter, x, dim, index, src)


def scatter_value(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """`torch.scatter` of one number."""

    def written(part: Tensor, dim: int, index: Tensor, _: None) -> Tensor:
        return torch.where(_hits(part, dim, index).any(-1).movedim(-1, dim), torch.full_like(part, value), part)

    return _anywhere(written, x, dim, index, None)


def _added(x: Tensor, dim: int, hits: Tensor, values: Tensor) -> Tensor:
    """`x` plus, in order, the `values` that hit."""
    terms = torch.where(hits, values.movedim(dim, -1).unsqueeze(-2), torch.zeros_like(values.reshape(-1)[0]))
    return torch.cat([x.movedim(dim, -1).unsqueeze(-1), terms], -1).sum(-1, dtype=x.dtype).movedim(-1, dim)


def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`torch.scatter_add`, in the order of the indices."""

    def added(part: Tensor, dim: int, index: Tensor, values: Tensor) -> Tensor:
        return _added(part, dim, _hits(part, dim, index), values)

    return _anywhere(added, x, dim, index, src)


def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Sums, products, means and extremes of all that an element is written, in order."""

    def reduced(part: Tensor, dim: int, index: Tensor, values: Tensor) -> Tensor:
        return _reduced(part, dim, _hits(part, dim, index), values, reduce, include_self)

    return _anywhere(reduced, x, dim, index, src)


def _reduced(x: Tensor, dim: int, hits: Tensor, values: Tensor, reduce: str, include_self: bool) -> Tensor:
    here = x.movedim(dim, -1)
    limits = torch.finfo(x.dtype) if x.is_floating_point() else torch.iinfo(x.dtype)
    lowest, highest = (-torch.inf, torch.inf) if x.is_floating_point() else (limits.min, limits.max)
    neutral = torch.full_like(here, {"prod": 1, "amax": lowest, "amin": highest}.get(reduce, 0))
    start = here if include_self else neutral
    written = values.movedim(dim, -1).unsqueeze(-2)
    terms = torch.cat([start.unsqueeze(-1), torch.where(hits, written, neutral.unsqueeze(-1))], -1)
    if reduce in ("amax", "amin"):
        result = terms.amax(-1) if reduce == "amax" else terms.amin(-1)
    else:
        result = terms.prod(-1, dtype=x.dtype) if reduce == "prod" else terms.sum(-1, dtype=x.dtype)
    if reduce == "mean":
        count = (hits.sum(-1) + include_self).clamp(min=1).to(x.dtype)
        result = result / count if x.is_floating_point() else torch.div(result, count, rounding_mode="floor")
    result = result if include_self else torch.where(hits.any(-1), result, here)
    return result.movedim(-1, dim)


def _rows_hit(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """[i, j]: whether number j of a one-dimensional index writes row i along `dim`."""
    return index.reshape(-1) == torch.arange(x.shape[dim], device=x.device).unsqueeze(-1)


def _of_rows(
    function: Callable[[Tensor, int, Tensor, Tensor], Tensor], x: Tensor, dim: int, index: Tensor, source: Tensor
) -> Tensor:
    if x.dim() == 0:
        return function(x.reshape(1), 0, index, source.reshape(1)).reshape([])
    return function(x, dim % x.dim(), index, source.unsqueeze(dim) if source.dim() < x.dim() else source)


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`torch.index_add`, in the order of the indices."""

    def added(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        return _added(x, dim, _rows_hit(x, dim, index), source if alpha == 1 else source * alpha)

    return _of_rows(added, x, dim, index, source)


def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`torch.index_copy`; of equal indices the last wins."""

    def copied(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        places = torch.arange(index.numel(), device=x.device)
        last = torch.where(_rows_hit(x, dim, index), places, -1).amax(-1)
        values = source.index_select(dim, last.clamp(min=0))
        return torch.where(_along(last < 0, dim, x), x, values)

    return _of_rows(copied, x, dim, index, source)


def index_fill(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """`torch.index_fill` of one number."""

    def filled(x: Tensor, dim: int, index: Tensor, _: Tensor) -> Tensor:
        return torch.where(_along(_rows_hit(x, dim, index).any(-1), dim, x), torch.full_like(x, value), x)

    return _of_rows(filled, x, dim, index, x)


def _along(flags: Tensor, dim: int, x: Tensor) -> Tensor:
    """One flag for each row of `x` along `dim`, in a shape that broadcasts with it."""
    return flags.reshape([-1 if each == dim else 1 for each in range(x.dim())])


def index_put(x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`x[i, :, j] = values`: the indexed dimensions become one of all their places, in front, which is written."""
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if any(index.dtype == torch.bool for _, index in given):
        return _masked_put(x, given, values, accumulate) if len(given) == 1 else NotImplemented
    dims, sizes = [dim for dim, _ in given], [x.shape[dim] for dim, _ in given]
    wrapped = [torch.where(index < 0, index + size, index) for (_, index), size in zip(given, sizes, strict=True)]
    place = torch.zeros([], dtype=torch.int64, device=x.device)
    for index, size in zip(wrapped, sizes, strict=True):
        place = place * size + index
    shape = place.shape
    others = [dim for dim in range(x.dim()) if dim not in dims]
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    before = dims[0] if adjacent else 0  # dimensions of the values in front of those of the indices
    rest = [x.shape[dim] for dim in others]
    source = values.to(x.dtype).expand([*rest[:before], *shape, *rest[before:]])
    source = source.movedim(list(range(before, before + len(shape))), list(range(len(shape)))) if before else source
    rows = x.permute([*dims, *others]).reshape([-1, *rest])
    source, place = source.reshape([-1, *rest]), place.expand(shape).reshape(-1)
    written = index_add(rows, 0, place, source) if accumulate else index_copy(rows, 0, place, source)
    order = [*dims, *others]
    return written.reshape([x.shape[dim] for dim in order]).permute([order.index(dim) for dim in range(x.dim())])


def _masked_put(x: Tensor, given: Sequence[tuple[int, Tensor]], values: Tensor, accumulate: bool) -> Tensor:
    """`x[mask] = values`: one value for all, or a value for each true element of the mask, in order."""
    (dim, mask) = given[0]
    if dim:
        return NotImplemented  # type: ignore[no-any-return]
    rest = x.shape[mask.dim() :]
    if values.dim() <= len(rest) or values.shape[0] == 1:
        source = values.reshape(values.shape[1:]) if values.dim() > len(rest) else values
        written = source.expand(x.shape)
    else:
        number = (mask.reshape(-1).to(torch.int64).cumsum(0) - 1).clamp(0, values.shape[0] - 1)
        written = values.index_select(0, number).expand([number.shape[0], *rest]).reshape(x.shape)
    mask = mask.reshape([*mask.shape, *[1] * len(rest)])
    return torch.where(mask, x + written if accumulate else written.to(x.dtype), x)


def take(x: Tensor, index: Tensor) -> Tensor:
    """Of all elements in a row; negative indices count from the end."""
    places = torch.where(index < 0, index + x.numel(), index)
    return x.reshape(-1).index_select(0, places.reshape(-1)).reshape(index.shape)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Of one number, or by one index."""
    if x.dim() == 0:
        return x.clone()
    return x.index_select(dim, index.reshape(1)) if index.dim() == 0 else NotImplemented


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
    _aten._unsafe_index_put.default: index_put,
    _aten.take.default: take,
    _aten.index_select.default: index_select,
    _aten.searchsorted.Tensor: searchsorted,
    _aten.embedding_bag.padding_idx: embedding_bag,
    _aten.embedding_bag.default: embedding_bag,
    _aten._embedding_bag.default: embedding_bag,
    _aten._embedding_bag_forward_only.default: embedding_bag,
}
