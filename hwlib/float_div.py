"""Division, correctly rounded to nearest even: one quotient bit an iteration, non-restoring, all iterations unrolled.

w' = 2w - b where w >= 0, else 2w + b; the quotient bit is whether w' >= 0. With |w| < b throughout, s + 2 bits give the
significand, a guard bit and, from the corrected remainder, the sticky bit.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .float_round import finish
from .formats import Fields, Format, unpack
from .shifts import leading_zeros, shift_left, shift_right_sticky


def normalised(value: Fields, flush: bool, width: int) -> tuple[Bits, Bits]:
    """(significand with its top bit set unless the value is zero, exponent field as two's complement of `width`
    bits).
    """
    if flush:
        return value.significand(), value.exponent.zext(width)
    zeros, _ = leading_zeros(value.significand())
    exponent = value.exponent.zext(width) + value.exponent_zero.zext(width) - zeros.zext(width)
    return shift_left(value.significand(), zeros), exponent


def denormalised(field: Bits, significand: Bits, sticky: Bits) -> tuple[Bits, Bits, Bits]:
    """Field of at least 1, the significand moved right for it, and what fell out added to sticky."""
    below_one = field.slt(1)
    steps = significand.width.bit_length()
    by = 1 - field
    amount = mux(by.ult(significand.width), by.bits(0, steps), significand.width)
    moved, lost = shift_right_sticky(significand, amount)
    return mux(below_one, 1, field), mux(below_one, moved, significand), sticky | (below_one & lost)


def divide(left: Bits, right: Bits, form: Format, flush: bool) -> Bits:
    """`left` / `right`; x / 0 is an infinity, 0 / 0 and infinity / infinity the NaN."""
    g, f_bits, s_bits = left.graph, form.fraction_bits, form.significand_bits
    a, b = unpack(left, form, flush), unpack(right, form, flush)
    nan = a.nan | b.nan | (a.zero & b.zero) | (a.ones & b.ones)
    infinite, zero = a.ones | b.zero, a.zero | b.ones
    sign = a.sign ^ b.sign
    width = form.exponent_bits + 2
    dividend, left_field = normalised(a, flush, width)
    divisor, right_field = normalised(b, flush, width)

    zero1 = g.const(0, 1)
    divisor_wide = cat(zero1, divisor)
    remainder = cat(zero1, dividend) - divisor_wide
    bits = [~remainder.top(1)]
    for _ in range(s_bits + 1):
        positive = bits[-1]
        doubled = cat(remainder.bits(0, s_bits), positive)  # the low bit is the carry of a subtraction
        remainder = doubled + (divisor_wide ^ positive.rep(s_bits + 1))
        bits.append(~remainder.top(1))
    rest = remainder + mux(bits[-1], 0, divisor_wide)
    quotient = cat(*bits).named("quotient")  # one integer bit
    sticky = rest.any()

    large = quotient.top(1)
    kept = mux(large, quotient.top(s_bits + 1), quotient.bits(0, s_bits + 1))
    sticky = sticky | (large & quotient.bit(0))
    field = left_field - right_field + (form.bias - 1)
    if flush:
        round_up = kept.bit(0) & (sticky | kept.bit(1))
        return finish(form, flush, sign, field, kept.bits(1, f_bits), round_up, zero, infinite & ~zero, nan, large)
    field, kept, sticky = denormalised(field + large.zext(width), kept, sticky)
    round_up = kept.bit(0) & (sticky | kept.bit(1))
    field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, sign, field, kept.bits(1, f_bits), round_up, zero, infinite, nan)
