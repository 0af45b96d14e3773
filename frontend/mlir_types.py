"""Functions, lines and types of MLIR files."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch_mlir import ir

from torch2hw.dialects.number_types import ELEMENT_TYPES
from torch2hw.frontend.mlir_cpu import Kind
from torch2hw.frontend.refusals import UnsupportedDtype

TYPES = {"i1": torch.bool, **{k.name: getattr(torch, k.torch) for k in ELEMENT_TYPES if k.torch and k.name != "u8"}}
del TYPES["f64"]  # there are no double-precision units


def functions(module: Any) -> dict[str, Any]:
    """The functions that have a body, by name."""
    return {
        each.name.value: each
        for each in module.body.operations
        if each.operation.name == "func.func" and each.operation.regions[0].blocks
    }


def line_of(operation: Any) -> int:
    """The line of an operation's location; 0 where it has none."""
    found = re.search(r'"[^"]*":(\d+):\d+', str(operation.location))
    return int(found[1]) if found else 0


def kind_of(kind: Any, shown: str, line: int, what: str = "a result") -> Kind:
    """Type and shape of a tensor; a dynamic size is -1."""
    if not isinstance(kind, ir.RankedTensorType | ir.MemRefType):
        raise UnsupportedDtype(
            f"{what} of the top function is a {kind}",
            location=(shown, line),
            fix="give the function tensors of numbers, such as tensor<4x8xf32>, or memref<4x8xf32>",
        )
    dtype = TYPES.get(str(kind.element_type))
    if dtype is None:
        raise UnsupportedDtype(
            f"{what} of the top function has elements of type {kind.element_type}",
            location=(shown, line),
            fix=f"use {', '.join(TYPES)}",
        )
    return dtype, tuple(-1 if kind.is_dynamic_dim(k) else int(kind.get_dim_size(k)) for k in range(kind.rank))


def type_name(dtype: torch.dtype) -> str:
    """The name of the type for --input and ports."""
    return next(name for name, each in TYPES.items() if each == dtype)
