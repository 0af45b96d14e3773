"""The integer operations of MLIR's arith dialect, as it defines them (two's complement, wrapping)."""

from __future__ import annotations

from .bits import SIGNED, Bits, cat, mul, mux
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


def add(left: Bits, right: Bits) -> Bits:
    """The sum. Signed in Verilog: Yosys makes the shorter operand, without copies of its sign, the one that enters the
    carry chain by itself, and a multiplexer in front of the other one goes into the adder's LUTs (21 LUTs a lane of a
    convolution of int8)."""
    return left.graph.node("add", left.width, left, right, attribute=SIGNED)


def multiply(left: Bits, right: Bits) -> Bits:
    """The low half of the product."""
    return mul(left, right).bits(0, left.width)


def divide(left: Bits, right: Bits, operation: str) -> Bits:
    """divsi, remsi (rounded to zero), divui, remui: one bit of the quotient in each row, restoring. What MLIR leaves
    undefined: a division by zero gives all ones (1 where the dividend is negative) and the dividend as its remainder;
    the least number divided by -1 is itself.
    """
    signed = operation.endswith("si")
    dividend, divisor = (magnitude(left), magnitude(right)) if signed else (left, right)
    zero = left.graph.const(0, 1)
    rest = left.graph.const(0, left.width)
    quotient = []
    for row in reversed(range(left.width)):
        shifted = cat(rest, dividend.bit(row))
        less = shifted - cat(zero, divisor)
        quotient.append(~less.top(1))
        rest = mux(less.top(1), shifted.bits(0, left.width), less.bits(0, left.width))
    if operation.startswith("div"):
        result, negative = cat(*quotient), left.top(1) ^ right.top(1)
    else:
        result, negative = rest, left.top(1)
    return mux(negative, 0 - result, result) if signed else result


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
