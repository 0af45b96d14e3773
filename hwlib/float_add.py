"""Addition and subtraction: one path, correctly rounded to nearest even.

The larger magnitude is swapped to the front, the smaller aligned to it with a sticky bit, the sum normalised by its
leading zeros and rounded once. Results: one NaN (see formats), exact cancellation +0, and -0 only from -0 + -0.
Under flush, subnormal operands count as zeros of their sign and a result below the normals (after rounding) becomes
a zero of its sign.
"""

from __future__ import annotations

from .bits import Bits, add_carry, cat, mux
from .float_round import finish
from .formats import Format, unpack
from .shifts import leading_zeros, shift_left, shift_right_sticky


def subtract(left: Bits, right: Bits, form: Format, flush: bool) -> Bits:
    """`left` - `right`, as `left` + (-`right`)."""
    flipped = cat(~right.top(1), right.bits(0, form.width - 1))
    return add(left, flipped, form, flush)


def add(left: Bits, right: Bits, form: Format, flush: bool) -> Bits:
    """`left` + `right`."""
    g, e_bits, f_bits, s_bits = left.graph, form.exponent_bits, form.fraction_bits, form.significand_bits
    left_magnitude, right_magnitude = left.bits(0, form.width - 1), right.bits(0, form.width - 1)
    swap = left_magnitude.ult(right_magnitude).named("swap")

    # Distance of the exponents. Where the right one is larger the difference is negative and its complement is one
    # short: that one position is shifted in the swap.
    left_field, right_field = left_magnitude.drop(f_bits), right_magnitude.drop(f_bits)
    left_some, right_some = left_field.any(), right_field.any()
    left_exponent = left_field if flush else cat(left_field.drop(1), left_field.bit(0) | ~left_some)
    right_exponent = right_field if flush else cat(right_field.drop(1), right_field.bit(0) | ~right_some)
    difference = left_exponent.zext(e_bits + 1) - right_exponent.zext(e_bits + 1)
    negative = difference.top(1)
    distance = (difference.bits(0, e_bits) ^ negative.rep(e_bits)).named("distance")
    left_significand = cat(left_some, left.bits(0, f_bits))
    right_significand = cat(right_some, right.bits(0, f_bits))
    zero1 = g.const(0, 1)
    large = mux(swap, right_significand, left_significand).named("large")
    shifted_left_significand = mux(negative, cat(zero1, left_significand), cat(left_significand, zero1))
    small = mux(swap, shifted_left_significand, cat(right_significand, zero1)).named("small")
    exponent = mux(swap, right_exponent, left_exponent).named("exponent")
    large_zero = ~(left_some | right_some)
    small_some = mux(swap, left_some, right_some)
    sign = mux(swap, right.top(1), left.top(1))
    opposite = (left.top(1) ^ right.top(1)).named("opposite")

    if form.finite:
        nan = large_ones = unpack(left, form, flush).nan | unpack(right, form, flush).nan
    else:
        large_ones = exponent.all()
        nan = large_ones & (large.bits(0, f_bits).any() | (left_field.all() & right_field.all() & opposite))

    # Align: guard, round and sticky below the small significand.
    shift_bits = min(e_bits, (s_bits + 3).bit_length())
    far = distance.drop(shift_bits).any() if shift_bits < e_bits else zero1
    aligned, lost = shift_right_sticky(cat(small, g.const(0, 2)), distance.bits(0, shift_bits))
    some = small_some if flush else small.any()
    dropped = far | ~some if flush else far
    aligned = mux(dropped, 0, cat(aligned.drop(1), aligned.bit(0) | lost))
    aligned = cat(aligned.drop(1), aligned.bit(0) | (far & some)).named("aligned")

    wide = s_bits + 4
    total = add_carry(cat(zero1, large, g.const(0, 3)), cat(zero1, aligned) ^ opposite.rep(wide), opposite).named(
        "total"
    )

    zeros, total_zero = leading_zeros(total)
    cancelled = total_zero | large_zero if flush else total_zero
    zeros = zeros.zext(e_bits + 2) if zeros.width < e_bits + 2 else zeros
    width = zeros.width
    if flush:
        amount = zeros
        # hidden bit at the top after the shift, worth exponent + 1 - zeros
        field = exponent.zext(width) + 1 - zeros
    else:
        limited = exponent.zext(width).ult(zeros)
        amount = mux(limited, exponent.zext(width), zeros)
        field = exponent.zext(width) - amount  # the hidden bit is still to be added
    normal = shift_left(total, amount.bits(0, (wide - 1).bit_length())).named("normal")
    kept = normal.top(s_bits)
    guard, sticky = normal.bit(3), normal.bits(0, 3).any()
    round_up = guard & (sticky | kept.bit(0))
    sign = sign & ~(opposite & cancelled & ~large_ones)
    if not flush:
        field = field + kept.top(1).zext(width)
    return finish(form, flush, sign, field, kept.bits(0, f_bits), round_up, cancelled, large_ones, nan)
