"""e^x - 1 in binary32 (`ERROR_ULP` bounds a sample of the inputs, one in 4001: 0.69 ulp).

x = k ln 2 + y as in exp, and e^y = 1 + y q(y) with q(y) = (e^y - 1) / y from quadratics. Where k = 0 the result is
x q(x), as accurate as q for every small x. Elsewhere it is 2^k (e^y - 2^-k), for x < 0 -(1 - 2^-|k| e^y), of 1/8 or
more in the brackets.

Zeros keep their sign, -infinity gives -1, overflow and NaN as in IEEE 754; a subnormal operand is a zero under flush
and the result otherwise.
"""

from __future__ import annotations

from functools import cache

import mpmath

from .bits import Bits, cat, mux
from .float_exp import F, reduced_argument
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit, scaled
from .shifts import leading_zeros, shift_left, shift_right

SEGMENT_BITS = 9
LOCAL_BITS = 17  # of the local coordinate
PRECISION = Precision(c0=28, c1=28, c2=27, short=10)
FACTOR_BITS = 27  # fraction bits of y, and its width
RESULT_BITS = 30
ERROR_ULP = 1.0


def exponential_minus_one(value: Bits, form: Format, flush: bool) -> Bits:
    """e to the `value`, minus 1."""
    assert form.significand_bits <= 24 and form.exponent_bits == 8
    g = value.graph
    a = unpack(value, form, flush)
    too_large, k, y = reduced_argument(a, form)
    near = ~(k.any() | too_large)
    rest = F - SEGMENT_BITS
    quotient = evaluate(y.top(SEGMENT_BITS), y.bits(rest - LOCAL_BITS, LOCAL_BITS), _pieces(), PRECISION)
    # a significand in [1/4, 1/2) where k = 0
    itself = cat(g.const(0, 1), a.significand().shl(FACTOR_BITS - 1 - form.significand_bits))
    factor = mux(near, itself, y.drop(F - FACTOR_BITS))
    product = scaled(factor, quotient.bits(0, PRECISION.c0 + 1)).drop(PRECISION.c0 + FACTOR_BITS - RESULT_BITS)

    size = RESULT_BITS + 1
    one = g.const(1 << RESULT_BITS, size)
    grown = (product.bits(0, size) + one).named("grown")
    far = too_large | k.drop(5).any()
    less = mux(far, 0, shift_right(mux(a.sign, grown, one), k.bits(0, 5)))
    result = mux(near, product.bits(0, size), mux(a.sign, one, grown) - less).named("result")
    zeros, _ = leading_zeros(result.top(4))
    kept = shift_left(result, zeros).top(form.significand_bits + 1)
    width = form.exponent_bits + 2
    scale = mux(near, a.exponent.zext(width) + 2, mux(a.sign, 0, k.zext(width)) + form.bias)
    field = scale - zeros.zext(width)
    infinite = too_large & ~a.sign & ~a.nan
    rounded = finish(form, True, a.sign, field, kept.bits(1, form.fraction_bits), kept.bit(0), a.zero, infinite, a.nan)
    return rounded if flush else mux(a.exponent_zero, value, rounded)


@cache
def _pieces() -> list[tuple[int, int, int]]:
    """By the top bits of y in two's complement."""
    size = 1 << SEGMENT_BITS
    with mpmath.workprec(WORK_BITS):
        return [fit(_quotient_on(i if i < size // 2 else i - size, size), PRECISION) for i in range(size)]


def _quotient_on(segment: int, size: int) -> Function:
    def quotient(t: mpmath.mpf) -> mpmath.mpf:
        y = (segment + t) / size
        return mpmath.expm1(y) / y

    return quotient
