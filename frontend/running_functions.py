"""Running maxima, minima and log-sums of exponentials: n²/2 terms for n results, each result on its own.

Running sums and products take n terms: `scans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _seen(x: Tensor, dim: int) -> Tensor:
    """[i, j]: whether element j along `dim` is not after element i."""
    return torch.ones(x.shape[dim], x.shape[dim], dtype=torch.bool, device=x.device).tril()


def running_extreme(x: Tensor, dim: int, largest: bool) -> tuple[Tensor, Tensor]:
    """cummax and cummin: of each element and all before it, with the last place of it."""
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    moved, seen = x.movedim(dim, -1), _seen(x, dim)
    lowest = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    other = lowest if largest else math.inf if x.is_floating_point() else torch.iinfo(x.dtype).max
    rows = torch.where(seen, moved.unsqueeze(-2), torch.full_like(moved[..., :1], other).unsqueeze(-2))
    values = rows.amax(-1) if largest else rows.amin(-1)
    each = moved.unsqueeze(-2)
    equal = (each == values.unsqueeze(-1)) | (each != each)
    places = torch.where(seen & equal, torch.arange(moved.shape[-1], device=x.device), -1).amax(-1)
    return values.movedim(-1, dim), places.movedim(-1, dim)


def cummax(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """`torch.cummax`: running maxima and their indices."""
    return running_extreme(x, dim, True)


def cummin(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """`torch.cummin`: running minima and their indices."""
    return running_extreme(x, dim, False)


def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    """Of exponentials that do not overflow: each sum has its own largest element; torch-mlir's has none."""
    if x.dim() == 0:
        return x.clone()
    rows = torch.where(_seen(x, dim), x.movedim(dim, -1).unsqueeze(-2), -math.inf)
    return torch.logsumexp(rows, -1).movedim(-1, dim)


_aten = torch.ops.aten
RUNNING: dict[Any, Callable[..., Any]] = {
    _aten.cummax.default: cummax,
    _aten.cummin.default: cummin,
    _aten.logcumsumexp.default: logcumsumexp,
}
