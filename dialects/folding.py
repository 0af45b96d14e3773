"""Folding: operations on constant arrays (broadcast together), computed at compile time in the type's own precision.

IEEE operations are NumPy's in the same format (round to nearest even), so folding changes no bit; elementary functions
are computed in float64 and rounded once, which is at least as close to the real value as any hardware unit.
bf16 is widened to float32, computed and rounded (`number_types`). A `Fold` gives None where it does not fold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torch2hw.dialects.number_types import Array, number_type


@dataclass(frozen=True)
class Folded:
    """An operation on constants: the values and types of its operands, its result's type, its predicate."""

    operands: tuple[Array, ...]
    types: tuple[str, ...]
    result_type: str
    predicate: str | None


Fold = Callable[[Folded], Array | None]
Function = Callable[..., Array]


def exactly(function: Function) -> Fold:
    """A function that NumPy computes in the operands' own type; flags are the numbers 0 and -1 of one bit."""

    def fold(given: Folded) -> Array | None:
        if set(given.types) == {"i1"}:
            return (function(*map(_signed, given.operands)) & 1).astype(np.bool_)
        return function(*given.operands)

    return fold


def rounded(function: Function) -> Fold:
    """A function in float64, rounded once to the result's type."""

    def fold(given: Folded) -> Array | None:
        wide = (operand.astype(np.float64) for operand in given.operands)
        return function(*wide).astype(number_type(given.result_type).values)

    return fold


def select(given: Folded) -> Array | None:
    """The second operand where the first is true, the third elsewhere."""
    return np.where(*given.operands)


def convert(given: Folded) -> Array | None:
    """A conversion to the nearest value; to an integer of fewer bits, the low bits."""
    (value,), target = given.operands, given.result_type
    if target == "i1":
        return (value & 1).astype(np.bool_)
    return value.astype(number_type(target).values)


def convert_signed(given: Folded) -> Array | None:
    """A conversion of signed integers; a flag is 0 or -1."""
    if given.types[0] == "i1":
        return _signed(given.operands[0]).astype(number_type(given.result_type).values)
    return convert(given)


def convert_unsigned(given: Folded) -> Array | None:
    """A conversion of flags. None for other values: arrays hold them as signed numbers."""
    return convert(given) if given.types[0] == "i1" else None


def truncate(given: Folded) -> Array | None:
    """A float rounded towards zero to an integer; None if some number does not fit."""
    value, info = given.operands[0], np.iinfo(number_type(given.result_type).values)
    inside = np.isfinite(value) & (value >= float(info.min)) & (value < -float(info.min))
    return np.trunc(value).astype(info.dtype) if bool(np.all(inside)) else None


def compare_float(given: Folded) -> Array | None:
    """A comparison with one of arith.cmpf's predicates, except `true` and `false`."""
    predicate, (left, right) = given.predicate or "", given.operands
    unordered = np.isnan(left) | np.isnan(right)
    if predicate in ("ord", "uno"):
        return unordered if predicate == "uno" else ~unordered
    if predicate[1:] not in ORDERED:
        return None
    plain = ORDERED[predicate[1:]](left, right)
    return plain | unordered if predicate[0] == "u" else plain & ~unordered


def compare_integer(given: Folded) -> Array | None:
    """A comparison with one of arith.cmpi's signed predicates."""
    predicate = given.predicate or ""
    if predicate not in ("eq", "ne", "slt", "sle", "sgt", "sge"):
        return None
    return ORDERED[predicate[-2:]](*(map(_signed, given.operands) if given.types[0] == "i1" else given.operands))


def divide(a: Array, b: Array) -> Array:
    """The quotient of integers, rounded towards zero. The way through absolute values would fail for the most negative
    integer, which has none."""
    floor = np.floor_divide(a, b)
    inexact = (floor * b != a) & (b != 0)
    quotient: Array = (floor + (inexact & ((a < 0) != (b < 0)))).astype(a.dtype)
    return quotient


def reciprocal_root(x: Array) -> Array:
    """1 / sqrt(x)."""
    return np.asarray(1.0 / np.sqrt(x))


def error_function(x: Array) -> Array:
    """erf(x); NumPy has none."""
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


ORDERED = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def _signed(flag: Array) -> Array:
    """An i1 as the number it is in two's complement: 0 or -1."""
    return -flag.astype(np.int8)
