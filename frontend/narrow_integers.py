"""Operations on 8-bit integers that torch-mlir crashes on, or whose unsigned operands it takes for signed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from torch2hw.dialects.number_types import ELEMENT_TYPES

NARROW = tuple(getattr(torch, str(kind.torch)) for kind in ELEMENT_TYPES if kind.bits == 8)


def in_i32(operation: Any, otherwise: Callable[..., Any] | None) -> Callable[..., Any]:
    """`operation` with 8-bit operands widened and results of their kind narrowed; `otherwise`, where there are none."""

    def widened(*arguments: Any, **options: Any) -> Any:
        tensors = [each for each in arguments if isinstance(each, Tensor)]
        if not any(each.dtype in NARROW for each in tensors):
            return otherwise(*arguments, **options) if otherwise else NotImplemented
        wanted = options.get("dtype")
        kind = wanted or functools.reduce(torch.promote_types, (each.dtype for each in tensors))
        if wanted in NARROW:
            options["dtype"] = torch.int32
        results = operation(*tree_map(_wide, arguments), **tree_map(_wide, options))
        return tree_map(lambda x: x.to(kind) if x.dtype == torch.int32 else x, results)

    return widened


def _wide(value: Any) -> Any:
    return value.to(torch.int32) if isinstance(value, Tensor) and value.dtype in NARROW else value


def _truth(operation: Any) -> Callable[..., Any]:
    """`any` or `all`, which of a uint8 tensor is one."""

    def truth(x: Tensor, *arguments: Any, **options: Any) -> Any:
        if x.dtype not in NARROW:
            return NotImplemented
        found = operation(x != 0, *arguments, **options)
        return found.to(torch.uint8) if x.dtype == torch.uint8 else found

    return truth


def to_narrow(x: Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    """A float as an 8-bit integer, by way of 32 bits as on x86; torch-mlir takes uint8 to end at 127."""
    if dtype not in NARROW or not x.is_floating_point():
        return NotImplemented  # type: ignore[no-any-return]
    return x.to(torch.int32).to(dtype)


_aten = torch.ops.aten
CONVERSIONS = {_aten._to_copy.default: to_narrow}
TRUTHS = {
    operation: _truth(operation)
    for overloads in (_aten.any, _aten.all)
    for operation in (overloads.default, overloads.dim, overloads.dims)
}
WIDENED = (
    _aten.add.Tensor,
    _aten.sub.Tensor,
    _aten.mul.Tensor,
    _aten.rsub.Scalar,
    _aten.neg.default,
    _aten.abs.default,
    _aten.sum.default,
    _aten.sum.dim_IntList,
    _aten.prod.default,
    _aten.prod.dim_int,
    _aten.mean.default,
    _aten.mean.dim,
    _aten.div.Tensor,
    _aten.lt.Scalar,
    _aten.le.Scalar,
    _aten.gt.Scalar,
    _aten.ge.Scalar,
    _aten.eq.Scalar,
    _aten.ne.Scalar,
    _aten.lt.Tensor,
    _aten.le.Tensor,
    _aten.gt.Tensor,
    _aten.ge.Tensor,
    _aten.max.default,
    _aten.min.default,
    _aten.max.dim,
    _aten.min.dim,
    _aten.amax.default,
    _aten.amin.default,
    _aten.argmax.default,
    _aten.argmin.default,
    _aten.maximum.default,
    _aten.minimum.default,
    _aten.clamp.default,
    _aten.clamp.Tensor,
    _aten.mm.default,
    _aten.bmm.default,
    _aten.addmm.default,
    _aten.mv.default,
    _aten.dot.default,
    _aten.floor_divide.default,
    _aten.floor_divide.Scalar,
    _aten.remainder.Tensor,
    _aten.remainder.Scalar,
    _aten.fmod.Tensor,
    _aten.fmod.Scalar,
    _aten.div.Tensor_mode,
    _aten.__rshift__.Scalar,
)
