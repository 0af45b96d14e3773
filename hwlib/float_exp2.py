"""2^x in binary32 (`ERROR_ULP` bounds a sample of the inputs, one in 4001: 0.87 ulp).

x in fixed point is k + y with 0 <= y < 1, and 2^y a table of quadratics. Integers give exact powers of two. Infinity,
overflow and NaN as in IEEE 754; results below the normals are zeros under flush and rounded once more otherwise.
"""

from __future__ import annotations

from functools import cache

import mpmath

from .bits import Bits
from .float_div import denormalised
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit
from .shifts import shift_right_or_out

FRACTION_BITS = 25  # of x in fixed point
INTEGER_BITS = 8
SEGMENT_BITS = 9
PRECISION = Precision(c0=28, c1=28, c2=27, short=10)
ERROR_ULP = 1.0


def exponential2(value: Bits, form: Format, flush: bool) -> Bits:
    """2 to the `value`."""
    assert form.significand_bits <= 24 and form.exponent_bits == 8
    g = value.graph
    a = unpack(value, form, flush)
    limit = form.bias + INTEGER_BITS
    too_large = ~a.exponent.ult(limit)
    steps = 6
    by = limit - 1 - a.exponent
    guard = 1  # rounds x to its last place
    size = INTEGER_BITS + FRACTION_BITS + guard
    word = a.significand().shl(size - form.significand_bits)
    magnitude = shift_right_or_out(word, by.bits(0, steps), by.drop(steps).any()).zext(size + 1)
    x = ((magnitude ^ a.sign.rep(size + 1)) + a.sign.zext(size + 1) + 1).drop(guard).named("x")
    y = x.bits(0, FRACTION_BITS)
    root = evaluate(y.top(SEGMENT_BITS), y.bits(0, FRACTION_BITS - SEGMENT_BITS), powers(), PRECISION)

    s_bits = form.significand_bits
    kept = root.bits(PRECISION.c0 - s_bits, s_bits + 1)  # in [1, 2)
    width = form.exponent_bits + 2
    field = x.drop(FRACTION_BITS).sext(width) + form.bias
    zero, infinite = too_large & a.sign & ~a.nan, too_large & ~a.sign & ~a.nan
    never = g.const(0, 1)
    if not flush:
        field, kept, _ = denormalised(field, kept, never)
        field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, never, field, kept.bits(1, s_bits - 1), kept.bit(0), zero, infinite, a.nan)


@cache
def powers() -> list[tuple[int, int, int]]:
    """Quadratics of 2^y for 0 <= y < 1, by the top bits of y."""
    size = 1 << SEGMENT_BITS
    with mpmath.workprec(WORK_BITS):
        return [fit(_power_on(i, size), PRECISION) for i in range(size)]


def _power_on(segment: int, size: int) -> Function:
    return lambda t: mpmath.power(2, (segment + t) / size)
