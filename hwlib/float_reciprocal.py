"""1 / x: a faithful unit, and one rounded correctly, with the bits of a division of 1.

Both read quadratics of 1 / m over the significand m. The faithful one rounds them (`ERROR_ULP` bounds all 2^32 inputs:
0.6304 ulp). The other one only asks of them that they be less than half a last place off: cut to the format, they give
a float r with r - 1/2 < 1/m < r + 3/2 in its last places, and the sign of 1 - (r + 1/2) m says whether the result is r
or the next float. That product is needed modulo 2^(s + 3) only, and 1/m is never half way between two floats.

+-0 gives an infinity of its sign, infinities a zero of theirs. Subnormal operands are zeros under flush, and results
below the normals (of operands above 2^126) too.
"""

from __future__ import annotations

from functools import cache

import mpmath

from .bits import Bits, cat, mul, mux
from .float_div import denormalised, divide, normalised
from .float_mul import DSP_BITS
from .float_round import finish
from .formats import Fields, Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit
from .shifts import shift_right

FRACTION_BITS = 23  # of the significand as the tables see it
FAITHFUL = (8, Precision(c0=28, c1=28, c2=26, short=12))  # address bits, precision
LOOSE = (7, Precision(c0=27, c1=27, c2=24, short=13))
NARROWEST = 5  # significand bits for which 2^(s + 3) divides the scale of the product, subnormal results included
ERROR_ULP = 1.0


def reciprocal(value: Bits, form: Format, flush: bool) -> Bits:
    """Faithful."""
    g, f_bits = value.graph, form.fraction_bits
    a = unpack(value, form, flush)
    significand, field = _operand(a, form, flush)
    root = _root(significand, form, *FAITHFUL)
    one = root.top(1)
    drop = root.width - 1 - form.significand_bits - 1
    kept = mux(one, root.bits(drop + 1, f_bits + 2), root.bits(drop, f_bits + 2))
    if flush:
        return finish(form, flush, a.sign, field, kept.bits(1, f_bits), kept.bit(0), a.infinite, a.zero, a.nan, one)
    field, kept, _ = denormalised(field + one.zext(field.width), kept, g.const(0, 1))
    field = field - 1 + kept.top(1).zext(field.width)
    return finish(form, flush, a.sign, field, kept.bits(1, f_bits), kept.bit(0), a.infinite, a.zero, a.nan)


def rounded_reciprocal(value: Bits, form: Format, flush: bool) -> Bits:
    """Correctly rounded to nearest even."""
    if form.significand_bits < NARROWEST:
        return divide(value.graph.const(form.one(), form.width), value, form, flush)
    g, f_bits, s_bits = value.graph, form.fraction_bits, form.significand_bits
    a = unpack(value, form, flush)
    significand, field = _operand(a, form, flush)
    one = ~significand.bits(0, f_bits).any()  # the reciprocal of a power of two is one
    field = field + one.zext(field.width)
    kept = _root(significand, form, *LOOSE)
    kept = kept.bits(kept.width - 1 - s_bits, s_bits)
    kept = mux(one, 1 << f_bits, kept).named("kept")
    if not flush:
        below_one = field.slt(1)
        kept = mux(below_one, shift_right(kept, (1 - field).bits(0, 2)), kept)
        field = mux(below_one, 0, field - 1 + kept.top(1).zext(field.width))
    middle = cat(kept, g.const(1, 1))
    part = min(DSP_BITS, s_bits)
    low = mul(middle, significand.bits(0, part)).bits(0, s_bits + 3)
    if part < s_bits:
        rest = s_bits + 3 - part
        high = mul(middle.bits(0, rest), significand.drop(part)).bits(0, rest)
        low = cat(low.drop(part) + high, low.bits(0, part))
    round_up = low.top(1) & ~one
    return finish(form, flush, a.sign, field, kept.bits(0, f_bits), round_up, a.infinite, a.zero, a.nan)


def _operand(a: Fields, form: Format, flush: bool) -> tuple[Bits, Bits]:
    """(normalised significand m, the result's exponent field if 1/m is below 1)."""
    assert form.significand_bits <= FRACTION_BITS + 1
    significand, exponent = normalised(a, flush, form.exponent_bits + 2)
    return significand, 2 * form.bias - 1 - exponent


def _root(significand: Bits, form: Format, segment_bits: int, precision: Precision) -> Bits:
    """1/m in fixed point, one integer bit."""
    f_bits = form.fraction_bits
    fraction = significand.bits(0, f_bits).shl(FRACTION_BITS - f_bits)
    rest = FRACTION_BITS - segment_bits
    root = evaluate(fraction.top(segment_bits), fraction.bits(0, rest), pieces(segment_bits, precision), precision)
    return root.bits(0, precision.c0 + 1)


@cache
def pieces(segment_bits: int, precision: Precision) -> list[tuple[int, int, int]]:
    """Quadratics of 1 / m by the top bits of m's fraction."""
    size = 1 << segment_bits
    with mpmath.workprec(WORK_BITS):
        return [fit(_inverse_on(i, size), precision) for i in range(size)]


def _inverse_on(segment: int, size: int) -> Function:
    return lambda t: 1 / (1 + (segment + t) / size)
