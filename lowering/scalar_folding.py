"""Constants at compile time: scalars and whole tensors of arith/math operations, in the type's own precision.

IEEE operations are NumPy's in the same format (round to nearest even), so folding changes no bit; elementary functions
are computed in float64 and rounded once, which is at least as close to the real value as any hardware unit.
bf16 is widened to float32, computed and rounded (`number_types`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from torch2hw.dialects.number_types import Array, number_type


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def _divide(a: Array, b: Array) -> Array:
    """Of integers, rounded to zero; the absolute value of the least one is no number."""
    floor = np.floor_divide(a, b)
    inexact = (floor * b != a) & (b != 0)
    quotient: Array = (floor + (inexact & ((a < 0) != (b < 0)))).astype(a.dtype)
    return quotient


BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.divsi": _divide,
    "arith.remsi": np.fmod,
    "arith.floordivsi": np.floor_divide,
}
EXACT_UNARY: dict[str, Callable[[Array], Array]] = {
    "arith.negf": np.negative,
    "math.absf": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.round,
    "math.sqrt": np.sqrt,
    "math.absi": np.abs,
}
ROUNDED_UNARY: dict[str, Callable[[Array], Array]] = {
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log1p": np.log1p,
    "math.tanh": np.tanh,
    "math.atan": np.arctan,
    "math.rsqrt": lambda x: 1.0 / np.sqrt(x),
    "math.erf": _erf,
    "math.sin": np.sin,
    "math.cos": np.cos,
}
CONVERSIONS = (
    "arith.extf",
    "arith.truncf",
    "arith.sitofp",
    "arith.fptosi",
    "arith.extsi",
    "arith.trunci",
    "arith.index_cast",
    "arith.uitofp",
    "arith.extui",
)
ORDERED = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def fold(
    name: str, operands: list[Array], types: tuple[str, ...], result_type: str, predicate: str | None
) -> Array | None:
    """The value of an operation on constant arrays (broadcast together), or None where it is not folded."""
    with np.errstate(all="ignore"):
        if name in BINARY and set(types) == {"i1"}:
            return (BINARY[name](*map(_signed, operands)) & 1).astype(np.bool_)
        if name in BINARY:
            return BINARY[name](*operands)
        if name in EXACT_UNARY:
            return EXACT_UNARY[name](operands[0])
        if name in ROUNDED_UNARY:
            return ROUNDED_UNARY[name](operands[0].astype(np.float64)).astype(number_type(result_type).values)
        if name == "arith.select":
            return np.where(operands[0], operands[1], operands[2])
        if name in CONVERSIONS:
            return _convert(name, operands[0], types[0], result_type)
        if name == "arith.cmpf" and predicate is not None:
            return _compare_float(predicate, *operands)
        if name == "arith.cmpi" and predicate in (*ORDERED, "slt", "sle", "sgt", "sge"):
            return ORDERED[predicate[-2:]](*(map(_signed, operands) if types[0] == "i1" else operands))
    return None


def _signed(flag: Array) -> Array:
    """An i1 as the number it is in two's complement: 0 or -1."""
    return -flag.astype(np.int8)


def _convert(name: str, value: Array, source: str, target: str) -> Array | None:
    if name == "arith.fptosi":
        info = np.iinfo(number_type(target).values)
        inside = np.isfinite(value) & (value >= float(info.min)) & (value < -float(info.min))
        return np.trunc(value).astype(number_type(target).values) if bool(np.all(inside)) else None
    if name in ("arith.extui", "arith.uitofp") and source != "i1":
        return None
    if source == "i1" and name in ("arith.extsi", "arith.sitofp"):
        return _signed(value).astype(number_type(target).values)
    if target == "i1":
        return (value & 1).astype(np.bool_)
    return value.astype(number_type(target).values)


def _compare_float(predicate: str, left: Array, right: Array) -> Array | None:
    unordered = np.isnan(left) | np.isnan(right)
    if predicate in ("ord", "uno"):
        return unordered if predicate == "uno" else ~unordered
    if predicate[1:] not in ORDERED:
        return None
    plain = ORDERED[predicate[1:]](left, right)
    return plain | unordered if predicate[0] == "u" else plain & ~unordered
