"""Integers of products: the product of two narrow integers, and the way from a sum of products back to narrow codes.

    requantise(total, multiplier, zero, low, high) = clamp(round(total · multiplier / 2^shift) + zero, low, high)

rounds to nearest even and is exact before that. `shift` is fixed for a unit, all else are operands, of which a kernel
mostly has constants; synthesis then makes little of the comparisons. With a total of at most 27 bits and a multiplier
of 18 (both signed) the product is one DSP block.
"""

from __future__ import annotations

from .bits import Bits, muls, mux

MULTIPLIER = "i18"
LEVEL = "i10"  # of the zero point and the bounds: codes of int8 and of uint8
SHIFTS = tuple(range(1, 48))
"""The binary places that units may drop."""


def product(left: Bits, right: Bits, width: int) -> Bits:
    """The exact signed product, sign-extended to a result of `width` bits."""
    return muls(left, right).sext(width)


def requantise(total: Bits, multiplier: Bits, zero: Bits, low: Bits, high: Bits, shift: int, width: int) -> Bits:
    """The low `width` bits of the result; `low` ≤ `high`."""
    exact = muls(total, multiplier)
    if exact.width <= shift:
        exact = exact.sext(shift + 1)
    floor = exact.drop(shift)
    up = exact.bit(shift - 1) & (floor.bit(0) | _any_below(exact, shift - 1))
    wide = max(floor.width, zero.width) + 2
    steps = floor.sext(wide) + zero.sext(wide) + up.zext(wide)
    above, below = high.sext(wide).slt(steps), steps.slt(low.sext(wide))
    kept = mux(above, high.bits(0, width), steps.bits(0, width))
    return mux(below, low.bits(0, width), kept)


def _any_below(value: Bits, count: int) -> Bits:
    """Whether one of the `count` lowest bits is set."""
    return value.bits(0, count).any() if count else value.graph.const(0, 1)
