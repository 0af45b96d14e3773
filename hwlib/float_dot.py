"""Several operands at once: a tree of adders, and the block-aligned dot product.

The tree adds neighbours, then neighbours' sums, and so on; an odd one out waits for the next level. Every addition
rounds.

The dot product rounds once. Products are exact; each is aligned to the largest exponent among them, cut to `kept_bits`
significant bits (toward zero), and the rest is integer arithmetic: a tree of two's complement adders, one
normalisation, rounding to nearest even. What is cut is below 2^(2 - kept_bits) of the largest product, a lane. The
integer arithmetic is the definition of the result; it does not depend on the order of the lanes.

Results: the NaN if an operand is NaN, for 0 times infinity and for infinities of both signs; a sum of 0 is +0. Under
flush, subnormal operands count as zeros and results below the normals (after rounding) become zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .bits import Bits, add_carry, cat, mux
from .float_add import add
from .float_div import denormalised
from .float_mul import product
from .float_round import finish
from .formats import Fields, Format, unpack
from .shifts import leading_zeros, shift_left, shift_right

GUARD_BITS = 8  # bits kept below the significand of the result, or of a product where that is shorter
ROUNDING_BITS = 2  # kept below the significand of the result in any case


def kept_bits(form: Format, target: Format) -> int:
    """Bits of an aligned product of numbers of `form`, whose sum is of format `target`."""
    exact, result = 2 * form.significand_bits, target.significand_bits
    return max(min(result, exact) + GUARD_BITS, result + ROUNDING_BITS)


def tree(values: Sequence[Bits], combine: Callable[[Bits, Bits], Bits]) -> Bits:
    """Neighbours combined, level by level."""
    while len(values) > 1:
        pairs = [combine(values[i], values[i + 1]) for i in range(0, len(values) - 1, 2)]
        values = [*pairs, *values[len(values) - len(values) % 2 :]]
    return values[0]


def total(operands: Sequence[Bits], form: Format, flush: bool) -> Bits:
    """The tree of adders."""
    return tree(operands, lambda x, y: add(x, y, form, flush))


def dot(left: Sequence[Bits], right: Sequence[Bits], form: Format, target: Format, flush: bool) -> Bits:
    """left · right, in `target`, which has the exponent bits of `form` or more."""
    kept, pairs = kept_bits(form, target), zip(left, right, strict=True)
    lanes = [_Lane(unpack(a, form, flush), unpack(b, form, flush), form, flush, kept) for a, b in pairs]
    largest = tree([lane.exponent for lane in lanes], lambda x, y: mux(x.ult(y), y, x)).named("largest")
    carry_bits = (len(lanes) - 1).bit_length()
    size = kept + carry_bits + 1
    terms = [(lane.aligned(largest, kept).zext(size) ^ lane.sign.rep(size), lane.sign) for lane in lanes]
    sum_ = _signed_sum(terms).named("sum")
    negative = sum_.top(1)
    magnitude = ((sum_ ^ negative.rep(size)) + negative.zext(size)).bits(0, size - 1).named("magnitude")

    zeros, none = leading_zeros(magnitude)
    normal = shift_left(magnitude, zeros)
    width = max(target.exponent_bits + 2, zeros.width + 1)
    first = largest.zext(width) + (target.bias - 2 * form.bias + 1 + carry_bits)
    field = first - zeros.zext(width)
    positive_infinity = _any([lane.infinite & ~lane.sign for lane in lanes])
    negative_infinity = _any([lane.infinite & lane.sign for lane in lanes])
    infinite = positive_infinity | negative_infinity
    nan = _any([lane.nan for lane in lanes]) | (positive_infinity & negative_infinity)
    sign = mux(infinite, negative_infinity, negative)
    zero = none & ~infinite
    significand, rest = (
        normal.top(target.significand_bits + 1),
        normal.bits(0, normal.width - target.significand_bits - 1),
    )
    sticky = rest.any()
    if not flush:
        field, significand, sticky = denormalised(field, significand, sticky)
        field = field - 1 + significand.top(1).zext(width)
    round_up = significand.bit(0) & (sticky | significand.bit(1))
    fraction = significand.bits(1, target.fraction_bits)
    return finish(target, flush, sign, field, fraction, round_up, zero, infinite, nan)


class _Lane:
    """One product. `exponent` is the sum of the exponent fields, 0 where the product is 0."""

    def __init__(self, a: Fields, b: Fields, form: Format, flush: bool, kept: int):
        zero = a.zero | b.zero
        self.nan = a.nan | b.nan | (a.infinite & b.zero) | (b.infinite & a.zero)
        self.infinite = a.infinite | b.infinite
        self.sign = a.sign ^ b.sign
        size = form.exponent_bits + 1
        fields = [
            (x.exponent if flush else x.exponent | x.exponent_zero.zext(form.exponent_bits)).zext(size) for x in (a, b)
        ]
        self.exponent = mux(zero, 0, fields[0] + fields[1])
        exact = product(a.significand(), b.significand())
        self.word = exact.top(kept) if exact.width >= kept else exact.shl(kept - exact.width)
        self.word = mux(zero, 0, self.word)

    def aligned(self, largest: Bits, kept: int) -> Bits:
        distance = largest - self.exponent
        steps = min(distance.width, (kept - 1).bit_length())
        moved = shift_right(self.word, distance.bits(0, steps))
        return moved if steps == distance.width else mux(distance.drop(steps).any(), 0, moved)


def _signed_sum(terms: Sequence[tuple[Bits, Bits]]) -> Bits:
    """The sum of complements and what each lacks to be a negative: every adder takes one such bit as its carry."""
    level = list(terms)
    while len(level) > 1:
        pairs = [
            (add_carry(level[i][0], level[i + 1][0], level[i][1]), level[i + 1][1]) for i in range(0, len(level) - 1, 2)
        ]
        level = [*pairs, *level[len(level) - len(level) % 2 :]]
    value, carry = level[0]
    return value + carry.zext(value.width)


def _any(bits: Sequence[Bits]) -> Bits:
    return cat(*bits).any() if len(bits) > 1 else bits[0]
