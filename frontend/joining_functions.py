"""Forms of `cat` and `roll` that torch-mlir gets wrong or does not lower."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of several types, in the type that holds them all; torch-mlir extends unsigned ones by their sign."""
    kinds = [each.dtype for each in tensors]
    if len(set(kinds)) == 1:
        return NotImplemented  # type: ignore[no-any-return]
    kind = functools.reduce(torch.promote_types, kinds)
    return torch.cat([each.to(kind) for each in tensors], dim)


def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor:
    """Without dimensions: all elements in a row."""
    return NotImplemented if dims else torch.roll(x.reshape(-1), list(shifts), [0]).reshape(x.shape)


_aten = torch.ops.aten
JOINING: dict[Any, Callable[..., Any]] = {_aten.cat.default: concatenate, _aten.roll.default: roll}
