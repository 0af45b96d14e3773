"""1 / sqrt(x) in binary32, faithful: quadratics over the significand (and the exponent's parity).

+-0 gives an infinity of its sign, +infinity 0, negative numbers and NaN the NaN.
"""

from __future__ import annotations

from functools import cache

import mpmath

from .bits import Bits, cat, mux
from .float_div import normalised
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit

SEGMENT_BITS = 7
FRACTION_BITS = 23  # of the significand as the tables see it
PRECISION = Precision(c0=28, c1=27, c2=22, short=14)
ERROR_ULP = 1.0


def reciprocal_root(value: Bits, form: Format, flush: bool) -> Bits:
    """1 / sqrt(`value`)."""
    assert form.significand_bits <= 24
    g, f_bits = value.graph, form.fraction_bits
    a = unpack(value, form, flush)
    width = form.exponent_bits + 2
    significand, exponent = normalised(a, flush, width)
    fraction = significand.bits(0, f_bits).shl(FRACTION_BITS - f_bits)
    odd = ~exponent.bit(0)  # of the unbiased exponent: the bias is odd
    address = cat(odd, fraction.top(SEGMENT_BITS))
    root = evaluate(address, fraction.bits(0, fraction.width - SEGMENT_BITS), _rsqrt_pieces(), PRECISION)
    root = root.bits(0, PRECISION.c0 + 1)  # in (1/2, 1]
    one = root.top(1)
    drop = PRECISION.c0 - form.significand_bits - 1
    kept = mux(one, root.bits(drop + 1, f_bits + 1), root.bits(drop, f_bits + 1))
    # x = m 2^p 2^(2q) with p the parity: floor((field - 1) / 2) is q plus half of the (odd) bias
    half = (exponent - 1).drop(1).sext(width)
    field = g.const(form.bias - 1 + form.bias // 2, width) - half
    nan = a.nan | (a.sign & ~a.zero)
    return finish(form, True, a.sign, field, kept.bits(1, f_bits), kept.bit(0), a.infinite, a.zero, nan, one)


@cache
def _rsqrt_pieces() -> list[tuple[int, int, int]]:
    size = 1 << SEGMENT_BITS
    with mpmath.workprec(WORK_BITS):
        return [fit(_root_on(i, size, parity), PRECISION) for parity in (0, 1) for i in range(size)]


def _root_on(segment: int, size: int, parity: int) -> Function:
    """1 / sqrt on one segment of [1, 2) (or [2, 4) for parity 1), over its local coordinate."""
    return lambda t: 1 / mpmath.sqrt((1 + (segment + t) / size) * (1 << parity))
