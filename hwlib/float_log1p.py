"""log(1 + x) in binary32 (`ERROR_ULP` bounds a sample of the inputs, one in 4001: 0.78 ulp).

1 + x = 2^e (1 + d), with 1 + x to 29 bits or more, and then as in `float_log`: e log(2) + d q(d). For |x| < 1/4, e is 0
and d is x itself, whose significand takes its place: the rounding of 1 + x only reaches q, which hardly varies. From
1/4 on the result is at least 0.22.

Zeros keep their sign, -1 gives -infinity, anything below -1 the NaN; a subnormal operand is a zero under flush and the
result otherwise.
"""

from __future__ import annotations

from .bits import Bits, add_carry, cat, mux
from .float_log import INTEGER_BITS, NATURAL, quotients, rounded, times_log_two
from .formats import Format, unpack
from .polynomial import Precision, evaluate, scaled
from .shifts import leading_zeros, shift_left, shift_right

SEGMENT_BITS = 8
LOCAL_BITS = 17  # of the local coordinate
PRECISION = Precision(c0=28, c1=28, c2=26, short=12)
SUM_BITS = 29  # fraction bits of (1 + x) / 2, or of (1 + x) / 2^(k + 1) where x is in [2^k, 2^(k + 1))
FACTOR_BITS = 27  # fraction bits of d, and its width
RESULT_BITS = 30
ERROR_ULP = 1.0


def logarithm_plus_one(value: Bits, form: Format, flush: bool) -> Bits:
    """log(1 + `value`)."""
    assert form.significand_bits <= 24 and form.exponent_bits == 8
    g = value.graph
    a = unpack(value, form, flush)
    width = form.exponent_bits + 2
    exponent = a.exponent.zext(width)
    small = exponent.slt(form.bias - 2)
    above = exponent - form.bias
    large = ~above.top(1)

    # The larger of 1 and |x| stays, the other moves: by k where x is larger, by -k, one of it fixed, where it is not.
    word = a.significand().shl(SUM_BITS - form.significand_bits)
    one = g.const(1 << (SUM_BITS - 1), SUM_BITS)
    distance = above ^ (~large).rep(width)
    moving = mux(large, one, word.drop(1).zext(SUM_BITS))
    moved = mux(distance.drop(5).any(), 0, shift_right(moving, distance.bits(0, 5))).zext(SUM_BITS + 1)
    staying = mux(large, word, one).zext(SUM_BITS + 1)
    total = add_carry(staying, moved ^ a.sign.rep(SUM_BITS + 1), a.sign).named("one_plus")
    zeros, none = leading_zeros(total)
    fraction = shift_left(total, zeros).bits(0, SUM_BITS)

    high = fraction.top(1)
    multiple = mux(large, above, 0) + 1 - zeros.zext(width) + high.zext(width)
    count = (multiple ^ a.sign.rep(width)) + a.sign.zext(width)
    d = mux(high, cat(high, fraction), fraction.shl(1)).top(FACTOR_BITS)
    signed = (d ^ a.sign.rep(FACTOR_BITS)) + a.sign.zext(FACTOR_BITS)
    itself = cat(g.const(0, 1), a.significand().shl(FACTOR_BITS - 1 - form.significand_bits))  # in [1/4, 1/2)
    factor = mux(small, itself, signed)
    local = fraction.bits(SUM_BITS - SEGMENT_BITS - LOCAL_BITS, LOCAL_BITS)
    quotient = evaluate(fraction.top(SEGMENT_BITS), local, quotients(NATURAL, SEGMENT_BITS, PRECISION), PRECISION)
    product = scaled(factor, quotient.bits(0, PRECISION.c0 + 1)).drop(PRECISION.c0 + FACTOR_BITS - RESULT_BITS)

    size = INTEGER_BITS + RESULT_BITS
    whole = times_log_two(count.bits(0, INTEGER_BITS), NATURAL)
    whole = mux(small, 0, whole.drop(whole.width - size))
    result = whole + product.sext(size)
    pole = a.sign & none
    nan = a.nan | (a.sign & large & ~none)
    first = mux(small, exponent + 2, form.bias) + (INTEGER_BITS - 1)
    log = rounded(result, first, a.sign, form, a.zero, a.infinite | pole, nan)
    return log if flush else mux(a.exponent_zero, value, log)
