"""Tables of quadratics and their evaluation in fixed point, for the elementary functions.

On each segment, with t in [0, 1) its local coordinate, f(t) = c0 + (c1 + c2 t) t. The coefficients interpolate f at the
Chebyshev nodes and are rounded one after the other, each correcting the next (on [0, 1] the best line for t^2 is t -
1/8, the best constant for t is 1/2). Everything is computed in mpmath, so that the tables are the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath

from .bits import Bits, cat, muls, rom

Function = Callable[[mpmath.mpf], mpmath.mpf]
WORK_BITS = 80


@dataclass(frozen=True)
class Precision:
    """Fraction bits of c0 (and of the result), c1 and c2, and how many of t's top bits the c2 product uses."""

    c0: int
    c1: int
    c2: int
    short: int


def fit(function: Function, precision: Precision) -> tuple[int, int, int]:
    """Rounded (c0, c1, c2) of f on [0, 1), scaled by their fraction bits."""
    root = mpmath.sqrt(3) / 4
    low, middle, high = mpmath.mpf(1) / 2 - root, mpmath.mpf(1) / 2, mpmath.mpf(1) / 2 + root
    y_low, y_middle, y_high = function(low), function(middle), function(high)
    slope_low, slope_high = (y_middle - y_low) / root, (y_high - y_middle) / root
    a2 = (slope_high - slope_low) / (2 * root)
    a1 = slope_low - a2 * (low + middle)
    a0 = y_low - (a1 + a2 * low) * low
    c2 = _nearest(a2, precision.c2)
    rest2 = a2 - mpmath.ldexp(c2, -precision.c2)
    a1, a0 = a1 + rest2, a0 - rest2 / 8
    # on average the shortened t of the inner product loses half of its last place, and so does each truncated product
    a1 += mpmath.ldexp(c2, -precision.c2 - precision.short - 1) + mpmath.ldexp(1, -precision.c1 - 1)
    a0 += mpmath.ldexp(1, -precision.c0 - 1)
    c1 = _nearest(a1, precision.c1)
    a0 += (a1 - mpmath.ldexp(c1, -precision.c1)) / 2
    return _nearest(a0, precision.c0), c1, c2


def _nearest(value: mpmath.mpf, fraction_bits: int) -> int:
    return int(mpmath.nint(mpmath.ldexp(value, fraction_bits)))


def evaluate(address: Bits, t: Bits, pieces: Sequence[tuple[int, int, int]], precision: Precision) -> Bits:
    """The quadratic of segment `address` at t, as two's complement with precision.c0 fraction bits."""
    g = address.graph
    c0, c1, c2 = (_column(address, [piece[i] for piece in pieces]) for i in range(3))
    zero1 = g.const(0, 1)
    short = t.top(min(precision.short, t.width))
    inner = muls(c2, cat(zero1, short))
    inner = inner.drop(precision.c2 + short.width - precision.c1)
    width = max(c1.width, inner.width) + 1
    slope = c1.sext(width) + inner.sext(width)
    outer = scaled(slope, t).drop(precision.c1 + t.width - precision.c0)
    width = max(c0.width, outer.width)
    return c0.sext(width) + outer.sext(width)


def scaled(factor: Bits, quotient: Bits) -> Bits:
    """Exact product of a two's complement factor (at most 27 bits) and an unsigned quotient, in DSP-sized parts."""
    g, part = factor.graph, 16
    if quotient.width <= part + 1:
        return muls(factor, cat(g.const(0, 1), quotient)).bits(0, factor.width + quotient.width)
    low = muls(factor, cat(g.const(0, 1), quotient.bits(0, part))).bits(0, factor.width + part)
    high = scaled(factor, quotient.drop(part))
    return cat(high + low.drop(part).sext(high.width), low.bits(0, part))


def _column(address: Bits, values: Sequence[int]) -> Bits:
    """A rom of two's complement numbers, as narrow as they allow; the sign bit is a constant where all are of one
    sign.
    """
    g = address.graph
    width = max(max(v.bit_length(), (-v - 1).bit_length() if v < 0 else 0) for v in values)
    width = max(1, width)
    mask = (1 << width) - 1
    if all(v >= 0 for v in values):
        return cat(g.const(0, 1), rom(address, width, [v & mask for v in values]))
    if all(v < 0 for v in values):
        return cat(g.const(1, 1), rom(address, width, [v & mask for v in values]))
    mask = mask << 1 | 1
    return rom(address, width + 1, [v & mask for v in values])
