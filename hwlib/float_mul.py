"""Multiplication, correctly rounded to nearest even; also from a narrow format into a wider one (bf16 × bf16 -> f32),
where the significand is exact: the bits of converting both operands and multiplying in the wide format.

Significands go through DSP-sized partial products. Under flush, subnormal operands count as zeros and a result below
the normals after rounding becomes a zero of its sign. With subnormals kept, one shifter before the rounding both
normalises the product of a subnormal operand and denormalises a small result.
"""

from __future__ import annotations

from .bits import Bits, add_carry, cat, mul, mux
from .float_div import denormalised, normalised
from .float_round import finish
from .formats import Format, unpack
from .shifts import leading_zeros, shift_right_sticky

DSP_BITS = 17  # the narrow unsigned operand of one DSP block


def product(left: Bits, right: Bits) -> Bits:
    """Exact unsigned product from partial products of at most 26 × 17 bits (wider left operands are left to
    synthesis).
    """
    if right.width <= DSP_BITS:
        return mul(left, right)
    low, high = mul(left, right.bits(0, DSP_BITS)), product(left, right.drop(DSP_BITS))
    return cat(high + low.drop(DSP_BITS).zext(high.width), low.bits(0, DSP_BITS))


def multiply(left: Bits, right: Bits, form: Format, flush: bool) -> Bits:
    """`left` · `right`."""
    g, e_bits, f_bits, s_bits = left.graph, form.exponent_bits, form.fraction_bits, form.significand_bits
    a, b = unpack(left, form, flush), unpack(right, form, flush)
    nan = a.nan | b.nan | (a.ones & b.zero) | (b.ones & a.zero)
    infinite, zero = a.ones | b.ones, a.zero | b.zero
    sign = a.sign ^ b.sign
    # Under flush an operand without a hidden bit is a zero, whose product is replaced at the end: the multiplier need
    # not wait for the exponents.
    hidden = g.const(1, 1)
    significands = [cat(hidden, x.fraction) if flush else x.significand() for x in (a, b)]
    exact = product(significands[0], significands[1]).named("product")

    # The product's exponent field if its top bit but one is the hidden bit; the bias is 2^(e-1) - 1.
    width = e_bits + 2
    fields = [x.exponent for x in (a, b)]
    if not flush:
        fields = [cat(x.exponent.drop(1), x.exponent.bit(0) | x.exponent_zero) for x in (a, b)]
    total = add_carry(fields[0].zext(e_bits + 1), fields[1].zext(e_bits + 1), g.const(1, 1))
    exponent = cat(total.top(2).zext(3) - 1, total.bits(0, e_bits - 1)).named("exponent")
    lost = g.const(0, 1)
    if not flush:
        exact, lost, exponent = _place(exact, a.significand(), b.significand(), exponent, form)
    carry = exact.top(1)
    kept = mux(carry, exact.top(s_bits), exact.bits(s_bits - 1, s_bits))
    early = min(DSP_BITS, s_bits - 2)  # these bits are ready before the sum of the partial products
    sticky = lost | exact.bits(0, early).any()
    if early < s_bits - 2:
        sticky = sticky | exact.bits(early, s_bits - 2 - early).any()
    sticky = sticky | (carry & exact.bit(s_bits - 2))
    guard = mux(carry, exact.bit(s_bits - 1), exact.bit(s_bits - 2))
    round_up = guard & (sticky | kept.bit(0))
    if flush:
        return finish(form, flush, sign, exponent, kept.bits(0, f_bits), round_up, zero, infinite, nan, carry)
    # exponent - 1 and then the hidden bit added in: subnormal results need no case of their own
    field = exponent - 1 + (carry.zext(width) + kept.top(1).zext(width))
    return finish(form, flush, sign, field, kept.bits(0, f_bits), round_up, zero, infinite, nan)


def multiply_wide(left: Bits, right: Bits, form: Format, target: Format, flush: bool) -> Bits:
    """The product in a format of twice the significand bits or more, and of at least the exponent bits.

    Operands are flushed as converting or multiplying would: where their own format is flushed by conversions, or where
    their subnormals are subnormal in the target too.
    """
    assert holds_products(form, target), (form, target)
    g, s_bits = left.graph, form.significand_bits
    flush_operands = flush and (form.exponent_bits >= 8 or form.exponent_bits == target.exponent_bits)
    a, b = unpack(left, form, flush_operands), unpack(right, form, flush_operands)
    nan = a.nan | b.nan | (a.ones & b.zero) | (b.ones & a.zero)
    infinite, zero = a.ones | b.ones, a.zero | b.zero
    width = max(form.exponent_bits, target.exponent_bits) + 2
    (left_part, left_field), (right_part, right_field) = (normalised(x, flush_operands, width) for x in (a, b))
    exact = product(left_part, right_part).named("product")
    carry = exact.top(1)
    field = left_field + right_field + (target.bias - 2 * form.bias)
    bits = 2 * s_bits - 1  # below the hidden bit
    short = target.fraction_bits - bits
    kept = mux(carry, exact, exact.bits(0, bits).shl(1))
    never, sign = g.const(0, 1), a.sign ^ b.sign
    lowest = 2 * (1 - form.bias - (0 if flush_operands else form.fraction_bits))
    if flush or lowest >= 1 - target.bias:
        fraction = kept.bits(0, bits).shl(short)
        return finish(target, flush, sign, field, fraction, never, zero, infinite, nan, carry)
    field, kept, sticky = denormalised(field + carry.zext(width), kept.shl(short + 1), never)
    round_up = kept.bit(0) & (sticky | kept.bit(1))
    field = field - 1 + kept.top(1).zext(width)
    fraction = kept.bits(1, target.fraction_bits)
    return finish(target, flush, sign, field, fraction, round_up, zero, infinite, nan)


def holds_products(form: Format, target: Format) -> bool:
    """Whether `target` has room for every product's significand."""
    roomy = target.significand_bits >= 2 * form.significand_bits and target.exponent_bits >= form.exponent_bits
    return roomy and not target.finite


def _place(exact: Bits, left: Bits, right: Bits, exponent: Bits, form: Format) -> tuple[Bits, Bits, Bits]:
    """Shift the product so that its exponent is at least 1 and as normal as that allows: (product, sticky,
    exponent).
    """
    g, s_bits = exact.graph, form.significand_bits
    left_zeros, _ = leading_zeros(left)
    right_zeros, _ = leading_zeros(right)
    zeros = mux(left.top(1), right_zeros, left_zeros).zext(exponent.width)  # of two subnormals the product vanishes
    width = exponent.width
    # left by min(zeros, exponent - 1); where exponent < 1, right by 1 - exponent
    limited = (exponent - 1).slt(zeros)
    move_left = mux(limited, exponent - 1, zeros)
    steps = (3 * s_bits).bit_length()
    right_by = g.const(s_bits, width + 1) - move_left.sext(width + 1)
    beyond = g.const((1 << steps) - 1, width + 1).slt(right_by)
    amount = mux(beyond, (1 << steps) - 1, right_by.bits(0, steps)) if steps <= width else right_by.bits(0, steps)
    moved, lost = shift_right_sticky(exact.shl(s_bits), amount)
    return moved.bits(0, exact.width), lost, exponent - move_left  # what moved left was leading zeros
