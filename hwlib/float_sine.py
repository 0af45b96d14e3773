"""sin and cos in binary32, over all finite operands (`ERROR_ULP` bounds a sample of the inputs,
one in 4001: 0.92 and 0.93 ulp).

u = |x| 2/pi modulo 4 is exact enough for every exponent: the bits of 2/pi that matter come from a table by exponent
(those above weigh multiples of 4 once multiplied by the integer significand; Payne and Hanek, 1983). The float nearest
to a multiple of pi/2 is 2^-30 away, and u has 2^-59. u = n + f with |f| <= 1/2; then |f| s(|f|) with s(f) =
sin(f pi/2) / f, or cos(f pi/2), from quadratics.

sin of |x| < 2^-13 is x itself, which keeps the sign of zeros; a subnormal operand is a zero under flush. Infinities and
NaN give the NaN.
"""

from __future__ import annotations

from functools import cache

import mpmath

from .bits import Bits, cat, mux, rom
from .float_mul import product
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit, scaled
from .shifts import leading_zeros, shift_left

FIRST = -13  # unbiased exponent below which sin x = x
INTEGER_BITS = 2  # of u
TURN_BITS = 83  # fraction bits of u
NEAR_BITS = 64  # of |f|, from 1/2 down
SEGMENT_BITS = 8
LOCAL_BITS = 17  # of the local coordinate
PRECISION = Precision(c0=28, c1=28, c2=26, short=12)
FACTOR_BITS = 27
RESULT_BITS = 30
ERROR_ULP = 1.5


def sine(value: Bits, form: Format, flush: bool, quarter: int) -> Bits:
    """sin(x + quarter pi/2): sin for quarter 0, cos for 1."""
    assert form.significand_bits <= 24 and form.exponent_bits == 8
    g = value.graph
    a = unpack(value, form, flush)
    width = form.exponent_bits + 2
    small = a.exponent.ult(form.bias + FIRST)
    row = mux(small, 0, a.exponent - (form.bias + FIRST))
    window = rom(row, INTEGER_BITS + TURN_BITS, _windows())
    significand = cat(g.const(1, 1), a.fraction).shl(24 - form.significand_bits)
    u = product(significand, window).bits(0, INTEGER_BITS + TURN_BITS).named("u")

    negative = u.bit(TURN_BITS - 1)
    n = u.top(INTEGER_BITS) + negative.zext(INTEGER_BITS) + quarter
    f = (u.bits(0, TURN_BITS) ^ negative.rep(TURN_BITS)).bits(TURN_BITS - 1 - NEAR_BITS, NEAR_BITS).named("f")
    cosine = n.bit(0)
    zeros, _ = leading_zeros(f)
    normal = shift_left(f, zeros).top(FACTOR_BITS - 1)
    factor = cat(g.const(0, 1), mux(cosine, 1 << (FACTOR_BITS - 2), normal))
    address = cat(cosine, f.top(SEGMENT_BITS))
    local = f.bits(NEAR_BITS - SEGMENT_BITS - LOCAL_BITS, LOCAL_BITS)
    quotient = evaluate(address, local, _pieces(), PRECISION)
    exact = scaled(factor, quotient.bits(0, PRECISION.c0 + 1))
    result = exact.bits(PRECISION.c0 + FACTOR_BITS - RESULT_BITS, RESULT_BITS)

    more, _ = leading_zeros(result.top(4))
    kept = shift_left(result, more).top(form.significand_bits + 1)
    field = mux(cosine, g.const(form.bias + 1, width), form.bias - 1 - zeros.zext(width)) - more.zext(width)
    sign = n.bit(1) ^ (negative & ~cosine)
    if quarter == 0:
        sign = sign ^ a.sign
    never = g.const(0, 1)
    rounded = finish(form, True, sign, field, kept.bits(1, form.fraction_bits), kept.bit(0), never, never, a.ones)
    if quarter == 1:
        return mux(small, form.one(), rounded)
    magnitude = value.bits(0, form.width - 1)
    return mux(small, cat(a.sign, mux(a.zero, 0, magnitude) if flush else magnitude), rounded)


@cache
def _windows() -> list[int]:
    """2/pi 2^(exponent - 23) modulo 4, with TURN_BITS fraction bits, for exponents from FIRST to 127."""
    with mpmath.workprec(400):
        digits = [mpmath.ldexp(2 / mpmath.pi, exponent - 23 + TURN_BITS) for exponent in range(FIRST, 128)]
        return [int(mpmath.nint(v)) & ((1 << (INTEGER_BITS + TURN_BITS)) - 1) for v in digits]


@cache
def _pieces() -> list[tuple[int, int, int]]:
    """Of s(f), then of cos(f pi/2), both for 0 <= f < 1/2."""
    size = 1 << SEGMENT_BITS
    with mpmath.workprec(WORK_BITS):
        return [fit(_on_segment(i, size, cosine), PRECISION) for cosine in (False, True) for i in range(size)]


def _on_segment(segment: int, size: int, cosine: bool) -> Function:
    def function(t: mpmath.mpf) -> mpmath.mpf:
        f = (segment + t) / (2 * size)
        return mpmath.cospi(f / 2) if cosine else mpmath.sinpi(f / 2) / f

    return function
