"""1 / (1 + e^-x) in binary32 (`ERROR_ULP` bounds all 2^32 inputs: 1.017 ulp, measured by `hwlib/survey.py`).

e^-x = 2^n e^y as exp computes it, before its rounding. 1 + e^-x is 1 + 2^n e^y, or 2^n (e^y + 2^-n) where n > 0: a sum
in fixed point, whose reciprocal comes from quadratics and is rounded once. That is less than the units of the sum and
of the division need, and more accurate than those: rounded after each step, the result is up to 2.3 ulp off.

-infinity gives 0 and infinity 1. Results below the normals are zeros under flush.
"""

from __future__ import annotations

from dataclasses import replace

from .bits import Bits, mux
from .float_div import denormalised
from .float_exp import F, power
from .float_reciprocal import pieces
from .float_round import finish
from .formats import Format, unpack
from .polynomial import Precision, evaluate
from .shifts import shift_right

SEGMENT_BITS = 9
LOCAL_BITS = 17  # of the local coordinate
PRECISION = Precision(c0=28, c1=28, c2=26, short=11)
ERROR_ULP = 1.05


def sigmoid(value: Bits, form: Format, flush: bool) -> Bits:
    """1 / (1 + e^-`value`)."""
    g, s_bits, width = value.graph, form.significand_bits, form.exponent_bits + 2
    a = unpack(value, form, flush)
    too_large, k, grown = power(replace(a, sign=~a.sign), form)

    one = g.const(1 << F, F + 1)
    far = too_large | k.drop(5).any()
    less = mux(far, 0, shift_right(mux(a.sign, one, grown), k.bits(0, 5)))
    total = (mux(a.sign, grown, one).zext(F + 2) + less.zext(F + 2)).named("total")  # in [0.69, 2.45)
    two, unit = total.top(1), total.bit(F)
    size = SEGMENT_BITS + LOCAL_BITS
    fraction = mux(
        two,
        total.bits(F + 1 - size, size),
        mux(unit, total.bits(F - size, size), total.bits(F - 1 - size, size)),
    ).named("fraction")
    root = evaluate(
        fraction.top(SEGMENT_BITS), fraction.bits(0, LOCAL_BITS), pieces(SEGMENT_BITS, PRECISION), PRECISION
    ).bits(0, PRECISION.c0 + 1)

    whole = root.top(1)  # the result is a power of two
    low = PRECISION.c0 - s_bits - 1
    kept = mux(whole, root.bits(low + 1, s_bits + 1), root.bits(low, s_bits + 1))
    scale = mux(two, form.bias - 2, mux(unit, g.const(form.bias - 1, width), form.bias))
    field = scale - mux(a.sign, k.zext(width), 0)
    zero, never = too_large & a.sign & ~a.nan, g.const(0, 1)
    if not flush:
        field, kept, _ = denormalised(field + whole.zext(width), kept, never)
        field = field - 1 + kept.top(1).zext(width)
    carry = whole if flush else None
    return finish(form, flush, never, field, kept.bits(1, s_bits - 1), kept.bit(0), zero, never, a.nan, carry)
