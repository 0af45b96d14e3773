"""Square root, correctly rounded to nearest even: one root bit an iteration, non-restoring, all iterations unrolled.

With remainder r, root q so far and the next two radicand bits d: r' = 4r + d - (4q + 1) where r >= 0, else 4r + d +
(4q + 3); the root bit is whether r' >= 0. The root of a float is never half way between two floats, so the guard bit
alone rounds. Only where a format has more fraction bits than its bias can the root of a subnormal be one too.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .float_div import denormalised, normalised
from .float_round import finish
from .formats import Format, unpack


def square_root(value: Bits, form: Format, flush: bool) -> Bits:
    """The square root: -0 for -0, the NaN for other negative numbers."""
    g, f_bits, s_bits = value.graph, form.fraction_bits, form.significand_bits
    a = unpack(value, form, flush)
    width = form.exponent_bits + 2
    significand, exponent = normalised(a, flush, width)
    twice = exponent + form.bias
    # An odd exponent doubles the significand; the radicand has two integer bits, then pairs of fraction bits.
    zero1 = g.const(0, 1)
    radicand = mux(twice.bit(0), cat(significand, zero1), cat(zero1, significand))
    count = s_bits + 1
    digits = cat(radicand, g.const(0, 2 * count - radicand.width))

    root: list[Bits] = []
    remainder = g.const(0, 2)
    positive = g.const(1, 1)
    for step in range(count):
        pair = digits.bits(2 * (count - 1 - step), 2)
        size = step + 3  # |r'| < 2 (2q + 1): the root so far, two bits and a sign
        shifted = cat(remainder, pair)
        shifted = shifted.bits(0, size) if shifted.width >= size else shifted.sext(size)
        so_far = cat(zero1, *root) if root else zero1
        remainder = shifted + cat(so_far ^ positive.rep(so_far.width), g.const(3, 2))
        positive = ~remainder.top(1)
        root.append(positive)
    result = cat(*root)
    field = cat(twice.top(1), twice.drop(1))
    nan = a.nan | (a.sign & ~a.zero)
    if not flush and f_bits >= form.bias:
        exact = mux(positive, remainder, remainder + cat(zero1, result, g.const(1, 1)))
        field, result, sticky = denormalised(field, result, exact.any())
        round_up = result.bit(0) & (sticky | result.bit(1))
        field = field - 1 + result.top(1).zext(width)
        return finish(form, flush, a.sign, field, result.bits(1, f_bits), round_up, a.zero, a.infinite, nan)
    return finish(form, flush, a.sign, field, result.bits(1, f_bits), result.bit(0), a.zero, a.infinite, nan)
