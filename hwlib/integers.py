"""The integer operations of MLIR's arith dialect, as it defines them (two's complement, wrapping)."""

from __future__ import annotations

from .bits import Bits, mul, mux
from .shifts import shift_left, shift_right

COMPARISONS = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


def compare(left: Bits, right: Bits, predicate: str) -> Bits:
    """arith.cmpi. KeyError for an unknown predicate."""
    if predicate not in COMPARISONS:
        raise KeyError(predicate)
    if predicate in ("eq", "ne"):
        return left.eq(right) if predicate == "eq" else ~left.eq(right)
    if predicate[1:] in ("gt", "le"):
        left, right = right, left
    less = left.slt(right) if predicate[0] == "s" else left.ult(right)
    return less if predicate[1:] in ("lt", "gt") else ~less


def multiply(left: Bits, right: Bits) -> Bits:
    """The low half of the product."""
    return mul(left, right).bits(0, left.width)


def shift(left: Bits, amount: Bits, operation: str) -> Bits:
    """shli, shrui, shrsi; an amount of the width or more is poison in MLIR and unspecified here."""
    amount = amount.bits(0, max(1, (left.width - 1).bit_length()))
    if operation == "shli":
        return shift_left(left, amount)
    return shift_right(left, amount, left.top(1) if operation == "shrsi" else None)


def extreme(left: Bits, right: Bits, operation: str) -> Bits:
    """maxsi, maxui, minsi, minui."""
    less = left.slt(right) if operation[3] == "s" else left.ult(right)
    return mux(less, right, left) if operation.startswith("max") else mux(less, left, right)


def magnitude(value: Bits) -> Bits:
    """absi: the least number stays what it is."""
    return mux(value.top(1), (value ^ value) - value, value)


def resize(value: Bits, width: int, signed: bool) -> Bits:
    """trunci, extsi, extui, index_cast."""
    if width <= value.width:
        return value.bits(0, width)
    return value.sext(width) if signed else value.zext(width)
