"""The remainder of truncating division (arith.remf, C's fmod): exact, with the sign of the dividend.

The significands divided bit by bit, restoring, in as many rows as exponents can differ (253 in binary32 under flush):
w' = 2w mod b while exponents differ. Of the quotient nothing is kept. Every row is one subtraction of a significand and
a choice, so the unit is long rather than complicated: in binary32 155 stages at a period of 3.33 ns.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .float_div import denormalised, normalised
from .float_round import finish
from .formats import Format, unpack
from .shifts import leading_zeros, shift_left


def remainder(left: Bits, right: Bits, form: Format, flush: bool) -> Bits:
    """`left` - trunc(`left` / `right`) · `right`; for a divisor 0 or an infinite dividend the NaN."""
    g, f_bits = left.graph, form.fraction_bits
    a, b = unpack(left, form, flush), unpack(right, form, flush)
    width = form.exponent_bits + 2
    dividend, left_field = normalised(a, flush, width)
    divisor, right_field = normalised(b, flush, width)
    difference = left_field - right_field
    smaller = difference.slt(0) | b.infinite

    zero1 = g.const(0, 1)
    rest = _reduced(cat(zero1, dividend), divisor)
    largest = form.largest_exponent - 1 + form.finite
    for row in reversed(range(1, largest if flush else largest + f_bits)):
        active = ~difference.slt(row)
        rest = mux(active, _reduced(cat(rest, zero1), divisor), rest)
    zeros, _ = leading_zeros(rest)
    field = mux(smaller, left_field, right_field - zeros.zext(width))
    kept = mux(smaller, dividend, shift_left(rest, zeros))
    zero = a.zero | (~smaller & ~rest.any())
    nan = a.nan | b.nan | a.infinite | b.zero
    never = g.const(0, 1)
    if not flush:
        field, kept, _ = denormalised(field, kept, never)
        field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, a.sign, field, kept.bits(0, f_bits), never, zero, never, nan)


def _reduced(value: Bits, divisor: Bits) -> Bits:
    """`value`, which is below 2 · divisor, modulo the divisor."""
    less = value - divisor.zext(value.width)
    width = divisor.width
    return mux(less.top(1), value.bits(0, width), less.bits(0, width))
