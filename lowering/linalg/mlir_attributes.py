"""Types, constants, source locations and affine maps of upstream MLIR (torch_mlir's bindings) as Python values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from torch_mlir import ir

from torch2hw.dialects.loops import Source
from torch2hw.dialects.number_types import Array, number_type
from torch2hw.dialects.quasi_affine import Index, constant
from torch2hw.frontend.locations import source_of
from torch2hw.frontend.weights import Weights


def type_name(kind: Any) -> str:
    """f32, i64, index, …: signless names (si64 and ui8 are i64 and i8)."""
    return str(kind).removeprefix("s").removeprefix("u") if str(kind).startswith(("si", "ui")) else str(kind)


def shape_of(kind: Any) -> tuple[tuple[int, ...], str]:
    """Shape and element type of a ranked tensor with static shape."""
    tensor = ir.RankedTensorType(kind)
    return tuple(int(size) for size in tensor.shape), type_name(tensor.element_type)


def scalar_bits(attribute: Any, dtype: str) -> int:
    """The bit pattern of a float, integer or boolean attribute."""
    kind = number_type(dtype)
    if kind.is_float:
        text = str(attribute).split(" : ")[0]
        return int(text, 16) if text.startswith("0x") else kind.pattern(float(text))
    value = {"true": 1, "false": 0}.get(str(attribute))
    if value is None:
        value = int(str(attribute).split(" : ")[0])
    return value & kind.mask


def dense_bits(attribute: Any, shape: tuple[int, ...], dtype: str, weights: Weights) -> Array:
    """The bit patterns of a constant tensor, in `shape`. Resources are found in `weights`, by name."""
    number = number_type(dtype)
    resource = re.match(r"dense_resource<(\w+)>", str(attribute))
    if resource is not None:
        return weights[resource[1]].view(number.patterns).reshape(shape)
    dense = ir.DenseElementsAttr(attribute)
    if dense.is_splat:
        return np.full(shape, scalar_bits(dense.get_splat_value(), dtype), dtype=number.patterns)
    if number.kind == "boolean":
        return np.array([bool(item) for item in ir.DenseIntElementsAttr(attribute)], dtype=number.patterns).reshape(
            shape
        )
    values = np.array(dense)
    if values.dtype.itemsize < number.values.itemsize:  # bf16 as its bits
        return np.ascontiguousarray(values).view(number.patterns).reshape(shape)
    return np.ascontiguousarray(number.bits_of(values)).reshape(shape)


def affine_result(expression: Any, dimensions: list[Index], symbols: list[Index] | None = None) -> Index:
    """One result of an affine map, with `dimensions` for d0, d1, … and `symbols` for s0, s1, …"""
    if isinstance(expression, ir.AffineDimExpr):
        return dimensions[int(expression.position)]
    if isinstance(expression, ir.AffineSymbolExpr) and symbols is not None:
        return symbols[int(expression.position)]
    if isinstance(expression, ir.AffineConstantExpr):
        return constant(expression.value)
    if isinstance(expression, ir.AffineBinaryExpr):
        left, right = (affine_result(each, dimensions, symbols) for each in (expression.lhs, expression.rhs))
        if isinstance(expression, ir.AffineAddExpr):
            return left + right
        if isinstance(expression, ir.AffineMulExpr):
            return left * right.constant if right.is_constant else right * left.constant
        if isinstance(expression, ir.AffineFloorDivExpr):
            return left.floordiv(right.constant)
        if isinstance(expression, ir.AffineCeilDivExpr):
            return (left * -1).floordiv(right.constant) * -1
        if isinstance(expression, ir.AffineModExpr):
            return left.remainder(right.constant)
    raise AssertionError(f"an affine expression of a kind that linalg maps do not use: {expression}")


CMPF = ("false", *("oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno".split()), "true")
CMPI = tuple("eq ne slt sle sgt sge ult ule ugt uge".split())


def predicate_of(op: Any) -> str | None:
    """The predicate of a comparison by its name; None of any other operation."""
    if op.name == "arith.cmpf":
        return CMPF[int(op.attributes["predicate"].value)]
    if op.name == "arith.cmpi":
        return CMPI[int(op.attributes["predicate"].value)]
    return None


DYNAMIC = -(1 << 63)
"""What MLIR has in `static_offsets` for an offset that is an operand."""


def static_slice(op: Any) -> tuple[list[int], list[int], list[int]]:
    """Offsets, sizes and strides of an extract_slice or insert_slice."""
    offsets, sizes, strides = (
        [int(item) for item in op.attributes[f"static_{what}"]] for what in ("offsets", "sizes", "strides")
    )
    return offsets, sizes, strides


def source_at(op: Any) -> Source | None:
    """The user's line of an operation."""
    return source_of(op.location)


def defined_by(value: Any, name: str) -> bool:
    """Whether `value` is the result of an operation of that name."""
    owner = getattr(value, "owner", None)
    operation = getattr(owner, "operation", owner)
    return getattr(operation, "name", None) == name
