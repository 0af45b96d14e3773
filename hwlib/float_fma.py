"""Fused multiply-add, a b + c rounded once, to nearest even.

The exact product stands in a window; the addend enters two places above it and moves right, with a sticky bit below.
Where the addend would have to start further to the left, it stays, and the product under it only decides the rounding.
The window is then as wide as 3 significands and a few bits, from the addend's first place down:

  addend | 2 | product, twice a significand | what keeps the sticky bit below the rounding (`below`)

A zero product moves the window to the addend. Results: one NaN (see formats), also of 0 times infinity and of
infinities that cancel; exact cancellation gives +0, and -0 comes only from a zero product and a zero addend that are
both negative. Under flush, subnormal operands count as zeros of their sign and a result below the normals (after
rounding) becomes a zero of its sign.
"""

from __future__ import annotations

from .bits import Bits, add_carry, cat, mux
from .float_mul import product
from .float_round import finish
from .formats import Fields, Format, unpack
from .shifts import leading_zeros, shift_left, shift_right_sticky

GAP = 2  # one place lost to cancellation, one for the guard bit


def fused_multiply_add(left: Bits, right: Bits, addend: Bits, form: Format, flush: bool) -> Bits:
    """`left` · `right` + `addend`."""
    s_bits, f_bits = form.significand_bits, form.fraction_bits
    a, b, c = (unpack(x, form, flush) for x in (left, right, addend))
    product_zero = (a.zero | b.zero).named("product_zero")
    product_infinite = a.infinite | b.infinite
    product_sign = a.sign ^ b.sign
    opposite = (product_sign ^ c.sign).named("opposite")
    nan = a.nan | b.nan | c.nan | (product_infinite & (product_zero | (c.infinite & opposite)))
    infinite = product_infinite | c.infinite

    some = ~product_zero
    masked = cat(some & ~a.exponent_zero, a.fraction & some.rep(f_bits))
    exact = product(masked, b.significand()).named("product")
    last = c.significand() if not flush else cat(~c.zero, c.fraction & (~c.zero).rep(f_bits))

    # A subnormal operand leaves the product as few as s_bits significant bits (two of them leave the addend above it).
    below = 3 if not flush else max(1, 4 - s_bits)
    size = 3 * s_bits + GAP + below
    above = size - below - 2 * s_bits + 1  # places from a product's hidden bit up to the first one
    top, amount = _place(a, b, c, form, flush, product_zero, size, above)
    moved, lost = shift_right_sticky(last.shl(size - s_bits), amount)
    aligned = cat(moved.drop(1), moved.bit(0) | lost).named("aligned")
    wide = size + 1
    total = add_carry(exact.shl(below).zext(wide), aligned.zext(wide) ^ opposite.rep(wide), opposite)
    negative = (opposite & total.top(1)).named("negative")
    magnitude = ((total ^ negative.rep(wide)) + negative.zext(wide)).named("magnitude")

    zeros, none = leading_zeros(magnitude)
    width = top.width
    wide_zeros = zeros.zext(max(width, zeros.width))
    top = top.sext(wide_zeros.width)
    if flush:
        shift, field = zeros, top + 1 - wide_zeros
    else:
        limited = top.slt(wide_zeros)
        shift = mux(limited, top, wide_zeros).bits(0, zeros.width)
        field = top - shift.zext(top.width)
    normal = shift_left(magnitude, shift).named("normal")
    kept, rest = normal.top(s_bits), normal.bits(0, wide - s_bits)
    round_up = rest.top(1) & (rest.bits(0, rest.width - 1).any() | kept.bit(0))
    if not flush:
        field = field + kept.top(1).zext(field.width)
    sign = mux((negative | c.infinite) & ~product_infinite, c.sign, product_sign) & ~(none & opposite & ~infinite)
    return finish(form, flush, sign, field, kept.bits(0, f_bits), round_up, none & ~infinite, infinite, nan)


def _place(
    a: Fields, b: Fields, c: Fields, form: Format, flush: bool, product_zero: Bits, size: int, above: int
) -> tuple[Bits, Bits]:
    """(the exponent field that the window's first place is worth, how far the addend moves right)."""
    g, e_bits = a.sign.graph, form.exponent_bits
    width = max(e_bits + 2, (size + (1 << e_bits)).bit_length() + 1)
    fields = [(x.exponent if flush else x.exponent | x.exponent_zero.zext(e_bits)).zext(width) for x in (a, b, c)]
    product_top = fields[0] + fields[1] + (above - form.bias)
    amount = product_top - fields[2]
    stays = (amount.top(1) | product_zero).named("stays")
    steps = size.bit_length()
    far = amount.bits(steps, width - 1 - steps).any() if width - 1 > steps else g.const(0, 1)
    limited = amount.bits(0, steps) | far.rep(steps)
    return mux(stays, fields[2], product_top), mux(stays, 0, limited)
