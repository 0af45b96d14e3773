"""Logarithms in binary32: log, log2 and log10.

`ERROR_ULP` bounds a sample of the inputs (one in 4001: 0.68, 0.68 and 0.77 ulp); `hwlib/survey.py` can look at all.

x = 2^e (1 + d) with -1/4 <= d < 1/2; the result is e log(2) + d q(d), with q(d) = log(1 + d) / d from quadratics. Only
e = 0 comes near zero, and there d is exact, so that the relative error of the product is that of q. Everything is
computed for the magnitude (both terms change sign for x < 1), so nothing cancels but the two terms themselves, and
those leave at least 1/4.

+-0 gives -infinity, +infinity itself, negative numbers and NaN the NaN; under flush a subnormal operand is a zero. The
logarithm of 1 is +0, and log2 of a power of two is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import mpmath

from .bits import Bits, add_carry, cat, mux
from .float_div import normalised
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit, scaled
from .shifts import leading_zeros, shift_left

SEGMENT_BITS = 7
PRECISION = Precision(c0=28, c1=27, c2=22, short=14)
FRACTION_BITS = 23  # of the significand as the tables see it
INTEGER_BITS = 8  # of the result
RESULT_BITS = 50  # fraction bits of the result before rounding
CONSTANT_BITS = 32  # fraction bits of the logarithm of 2
ERROR_ULP = 1.0


@dataclass(frozen=True)
class Logarithm:
    """To which base; the tables hold 2^scale times the logarithm, so that q is in [0.6, 1.7]."""

    base: int | None
    scale: int = 0

    def of(self, value: mpmath.mpf) -> mpmath.mpf:
        """2^scale times the logarithm of `value`, at mpmath's precision."""
        natural = mpmath.log(value)
        return mpmath.ldexp(natural if self.base is None else natural / mpmath.log(self.base), self.scale)


NATURAL, BINARY, DECIMAL = Logarithm(None), Logarithm(2), Logarithm(10, 1)


def logarithm(value: Bits, form: Format, flush: bool, spec: Logarithm) -> Bits:
    """The logarithm to the base of `spec`: -infinity for zeros, the NaN for negative numbers."""
    assert form.significand_bits <= FRACTION_BITS + 1 and form.exponent_bits == 8
    g = value.graph
    a = unpack(value, form, flush)
    width = form.exponent_bits + 2
    significand, exponent = normalised(a, flush, width)
    fraction = significand.bits(0, form.fraction_bits).shl(FRACTION_BITS - form.fraction_bits)
    high = fraction.top(1)  # from 1.5 on: halved, and e one more
    below_one = exponent.slt(form.bias)
    multiple = add_carry(exponent, g.const(-form.bias, width), high)
    count = (multiple ^ below_one.rep(width)) + below_one.zext(width)
    d = mux(high, cat(high, fraction), fraction.shl(1))  # FRACTION_BITS + 1 fraction bits
    signed = (d ^ below_one.rep(d.width)) + below_one.zext(d.width)
    rest, pieces = FRACTION_BITS - SEGMENT_BITS, quotients(spec, SEGMENT_BITS, PRECISION)
    quotient = evaluate(fraction.top(SEGMENT_BITS), fraction.bits(0, rest), pieces, PRECISION)
    product = scaled(signed, quotient.bits(0, PRECISION.c0 + 1)).drop(PRECISION.c0 + FRACTION_BITS + 1 - RESULT_BITS)
    whole = times_log_two(count.bits(0, INTEGER_BITS), spec)
    size = INTEGER_BITS + RESULT_BITS
    total = (whole.shl(size - whole.width) + product.sext(size)).named("total")
    nan = a.nan | (a.sign & ~a.zero)
    first = form.bias + INTEGER_BITS - 1 - spec.scale
    never = g.const(0, 1)
    return rounded(total, g.const(first, width), below_one, form, never, a.zero | a.infinite, nan)


def times_log_two(count: Bits, spec: Logarithm) -> Bits:
    """count log(2), INTEGER_BITS before the point."""
    if spec == BINARY:
        return count
    with mpmath.workprec(WORK_BITS):
        constant = int(mpmath.nint(mpmath.ldexp(spec.of(mpmath.mpf(2)), CONSTANT_BITS)))
    return scaled(count.zext(count.width + 1), count.graph.const(constant, CONSTANT_BITS)).bits(
        0, INTEGER_BITS + CONSTANT_BITS
    )


def rounded(total: Bits, first: Bits, sign: Bits, form: Format, zero: Bits, infinite: Bits, nan: Bits) -> Bits:
    """The float of a fixed-point magnitude whose top bit is worth the exponent field `first`; of 0 a zero."""
    zeros, none = leading_zeros(total)
    normal = shift_left(total, zeros)
    kept = normal.top(form.significand_bits + 1)
    field = first - zeros.zext(first.width)
    zero = (zero | none) & ~infinite
    return finish(form, True, sign, field, kept.bits(1, form.fraction_bits), kept.bit(0), zero, infinite, nan)


@cache
def quotients(spec: Logarithm, segment_bits: int, precision: Precision) -> list[tuple[int, int, int]]:
    """Quadratics of log(1 + d) / d, by the top bits of the significand's fraction."""
    size = 1 << segment_bits
    with mpmath.workprec(WORK_BITS):
        return [fit(_quotient_on(spec, i, size), precision) for i in range(size)]


def _quotient_on(spec: Logarithm, segment: int, size: int) -> Function:
    """log(1 + d) / d on one segment of the significand's fraction, over its local coordinate."""

    def quotient(t: mpmath.mpf) -> mpmath.mpf:
        significand = 1 + (segment + t) / size
        reduced = significand / 2 if segment >= size // 2 else significand
        return spec.of(reduced) / (reduced - 1)

    return quotient
