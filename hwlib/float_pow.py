"""x^y in binary32, as 2^(y log2 |x|) with a logarithm of 37 significant bits.

`ERROR_ULP` bounds a sample of 80 million pairs: 0.7069 ulp.

|x| = 2^e m with 3/4 <= m < 3/2, and m r = 1 + z with r from a table, |z| < 2^-7: log2 |x| = e - log2 r + z q(z), with
q(z) = log2(1 + z) / z from quadratics. r is 1 next to m = 1, where z is exact, so the logarithm keeps its relative
accuracy there, which is what a large y asks for. It is normalised, multiplied by the significand of y, and brought to
fixed point for a table of quadratics of 2^f.

The special cases are those of IEEE 754 (and PyTorch): x^0 = 1 and 1^y = 1 for every operand, NaN included; (-1) to an
infinity is 1; zeros and infinities take the sign of x for odd integers y; a negative x to a finite y that is no
integer is the NaN. Subnormal operands are zeros under flush. Results below the normals are zeros under flush and
rounded once more otherwise. Powers that are floats of few bits (3^5, 2^-7) are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import mpmath

from .bits import Bits, add_carry, cat, mul, mux, rom
from .float_div import denormalised, normalised
from .float_exp2 import PRECISION, SEGMENT_BITS, powers
from .float_mul import product
from .float_round import finish
from .formats import Fields, Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit, scaled
from .shifts import leading_zeros, shift_left, shift_right_or_out

S = 24  # significand bits as the tables see them
R_BITS = 7  # address bits of r
R_FRACTION = 9
Z_FRACTION = S + R_FRACTION
Z_TOP = 7  # |z| < 2^-Z_TOP
Z_SEGMENTS = 5  # address bits of q, the sign of z among them
Q_PRECISION = Precision(c0=38, c1=38, c2=38, short=17)
LOG_BITS = 61  # fraction bits of the logarithm
R_LOG_BITS = 45  # of log2 r, which is never next to another term's negative
INTEGER_BITS = 8
SIGNIFICANT = 38  # bits of the normalised logarithm
F = 26  # fraction bits of the exponent of the result
ERROR_ULP = 1.0


def power(base: Bits, exponent: Bits, form: Format, flush: bool) -> Bits:
    """`base` to the `exponent`, with the special cases of C's pow."""
    assert form.significand_bits <= S and form.exponent_bits == 8
    g, f_bits = base.graph, form.fraction_bits
    x, y = unpack(base, form, flush), unpack(exponent, form, flush)
    case = _special(x, y, base, form, flush)
    below_one, log, log_zeros = _logarithm(x, form, flush)

    width = form.exponent_bits + 3
    significand, field = normalised(y, flush, width)
    exact = product(significand.shl(S - form.significand_bits), log)  # its second bit weighs 2^scale
    scale = field + (INTEGER_BITS - 1 - form.bias) - log_zeros.zext(width)
    guard = 1
    size = INTEGER_BITS + F + guard
    nothing = y.zero | case.log_zero
    by = g.const(INTEGER_BITS - 1, width) - scale
    steps = size.bit_length()
    tiny = ~by.top(1) & by.drop(steps).any()
    word = shift_right_or_out(exact.top(size + 1), by.bits(0, steps), tiny | nothing)
    too_large = ~nothing & (by.top(1) | word.top(1))
    word = word.bits(0, size).zext(size + 1)
    negative = below_one ^ y.sign
    fixed = ((word ^ negative.rep(size + 1)) + negative.zext(size + 1) + 1).drop(guard).named("exponent_of_two")
    f = fixed.bits(0, F)
    root = evaluate(f.top(SEGMENT_BITS), f.bits(0, F - SEGMENT_BITS), powers(), PRECISION)

    kept = root.bits(PRECISION.c0 - form.significand_bits, form.significand_bits + 1)  # in [1, 2)
    result_width = form.exponent_bits + 2
    result = fixed.drop(F).sext(result_width) + form.bias
    vast = too_large | case.limit
    infinite, zero = vast & ~negative & ~case.one, vast & negative & ~case.one
    if not flush:
        result, kept, _ = denormalised(result, kept, g.const(0, 1))
        result = result - 1 + kept.top(1).zext(result_width)
    sign = x.sign & case.odd
    packed = finish(form, flush, sign, result, kept.bits(1, f_bits), kept.bit(0), zero, infinite, case.nan)
    return mux(case.one, form.one(), packed)


@dataclass(frozen=True)
class _Special:
    """`limit`: the result is a zero or an infinity, by whether |x| is below 1 and by the sign of y."""

    one: Bits
    nan: Bits
    limit: Bits
    odd: Bits
    log_zero: Bits


def _special(x: Fields, y: Fields, base: Bits, form: Format, flush: bool) -> _Special:
    f_bits = form.fraction_bits
    unit = base.bits(0, form.width - 1).eq(form.one())
    one = y.zero | (unit & (~x.sign | y.infinite))
    # y moved left by its exponent: the top bit is the unit, the rest the fraction
    small = y.exponent.ult(form.bias)
    large = ~y.exponent.ult(form.bias + f_bits + 1)
    steps = f_bits.bit_length()
    moved = shift_left(cat(base.graph.const(1, 1), y.fraction), (y.exponent - form.bias).bits(0, steps))
    whole = ~small & (large | ~moved.bits(0, f_bits).any())
    odd = whole & ~large & moved.top(1)
    invalid = x.sign & ~x.zero & ~x.ones & ~y.ones & ~whole
    nan = (x.nan | y.nan | invalid) & ~one
    return _Special(one, nan, x.zero | x.infinite | y.infinite, odd, unit)


def _logarithm(x: Fields, form: Format, flush: bool) -> tuple[Bits, Bits, Bits]:
    """(|x| < 1, the top SIGNIFICANT bits of |log2 |x||, its zeros before them, counted from 2^(INTEGER_BITS - 1))."""
    g = x.sign.graph
    width = form.exponent_bits + 3
    significand, field = normalised(x, flush, width)
    fraction = significand.bits(0, form.fraction_bits).shl(S - form.significand_bits)
    high = fraction.top(1)  # from 1.5 on: e one more, and r half
    e = add_carry(field, g.const(-form.bias, width), high)
    address = fraction.top(R_BITS)
    m_by_r = mul(cat(g.const(1, 1), fraction), rom(address, R_FRACTION + 2, _halved_factors()))
    z = m_by_r.bits(0, Z_FRACTION - Z_TOP + 1).named("z")  # two's complement: what 1 + z has above is known
    rest = z.width - Z_SEGMENTS
    quotient = evaluate(z.top(Z_SEGMENTS), z.bits(0, rest), _log_pieces(), Q_PRECISION)
    small = scaled(z, quotient.bits(0, Q_PRECISION.c0 + 1)).drop(Z_FRACTION + Q_PRECISION.c0 - LOG_BITS)
    size = INTEGER_BITS + 1 + LOG_BITS
    table_log = rom(address, R_LOG_BITS + 1, _factor_logs())
    large = e.bits(0, INTEGER_BITS + 1).shl(R_LOG_BITS)
    large = large + table_log.sext(large.width)
    total = (large.shl(LOG_BITS - R_LOG_BITS) + small.sext(size)).named("log")
    negative = total.top(1)
    magnitude = (total ^ negative.rep(size)) + negative.zext(size)
    magnitude = magnitude.bits(0, size - 1)
    zeros, _ = leading_zeros(magnitude)
    return field.slt(form.bias), shift_left(magnitude, zeros).top(SIGNIFICANT), zeros


def _factor(index: int) -> int:
    """r, with R_FRACTION fraction bits, for a significand whose top fraction bits are `index`; 1 next to m = 1."""
    size = 1 << R_BITS
    if index in (0, size - 1):
        return 1 << R_FRACTION
    middle = 1 + (index + mpmath.mpf(0.5)) / size
    return int(mpmath.nint(mpmath.ldexp((2 if index >= size // 2 else 1) / middle, R_FRACTION)))


@cache
def _factors() -> list[int]:
    return [_factor(i) for i in range(1 << R_BITS)]


def _halved_factors() -> list[int]:
    """With one fraction bit more; from 1.5 on half of r, as m is then."""
    return [r << (1 - 2 * i // (1 << R_BITS)) for i, r in enumerate(_factors())]


@cache
def _factor_logs() -> list[int]:
    """-log2 r in two's complement."""
    with mpmath.workprec(WORK_BITS):
        logs = [-mpmath.log(mpmath.ldexp(r, -R_FRACTION)) / mpmath.log(2) for r in _factors()]
        return [int(mpmath.nint(mpmath.ldexp(v, R_LOG_BITS))) & ((1 << (R_LOG_BITS + 1)) - 1) for v in logs]


@cache
def _log_pieces() -> list[tuple[int, int, int]]:
    """By the top bits of z in two's complement."""
    size = 1 << Z_SEGMENTS
    with mpmath.workprec(2 * WORK_BITS):
        return [fit(_quotient_on(i if i < size // 2 else i - size, size), Q_PRECISION) for i in range(size)]


def _quotient_on(segment: int, size: int) -> Function:
    def quotient(t: mpmath.mpf) -> mpmath.mpf:
        z = mpmath.ldexp((segment + t) / size, 1 - Z_TOP)
        return mpmath.log1p(z) / z / mpmath.log(2)

    return quotient
