"""Two sums of products that share one operand in each product, in one multiplier for each pair of products.

    Σ aₖ·xₖ and Σ bₖ·xₖ   from   Σ (aₖ·2^FIELD + bₖ)·xₖ = Σ aₖ·xₖ · 2^FIELD + Σ bₖ·xₖ

all signed, the sum modulo 2^(2·FIELD). The low field is Σ b·x itself. The high field is less by one where Σ b·x is
negative, which borrows from it; the top bit of the low field is added back. With a and b of 8 bits the first factor has
27 bits, so that with an x of at most 18 the product is one DSP48E2. What has to fit is the low field: `most_terms`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .bits import Bits, cat, muls

FIELD = 18
MAX_PACKED_BITS = 8  # of a and b: FIELD more, and a sign, are the long operand of a DSP
MAX_SHARED_BITS = 18
RESULT_BITS = 2 * FIELD


def most_terms(packed_bits: int, shared_bits: int) -> int:
    """How many products of operands of so many bits the low field holds the sum of; 0 where they are too wide."""
    if packed_bits > MAX_PACKED_BITS or shared_bits > MAX_SHARED_BITS or min(packed_bits, shared_bits) < 2:
        return 0
    largest = 1 << (packed_bits - 1 + shared_bits - 1)
    return ((1 << (FIELD - 1)) - 1) // largest


def paired_dot(high: Sequence[Bits], low: Sequence[Bits], shared: Sequence[Bits]) -> Bits:
    """Σ high·shared in the upper field of the result, Σ low·shared in the lower one."""
    return corrected(_tree([_both(a, b, x) for a, b, x in zip(high, low, shared, strict=True)]))


def corrected(total: Bits) -> Bits:
    """The two sums from the sum that has one above the other."""
    upper, lower = total.bits(FIELD, FIELD), total.bits(0, FIELD)
    return cat(upper + lower.top(1).zext(FIELD), lower)


def _both(high: Bits, low: Bits, shared: Bits) -> Bits:
    """(high·2^FIELD + low)·shared, modulo 2^RESULT_BITS."""
    above = high.sext(high.width + 1) + low.top(1).rep(high.width + 1)
    product = muls(cat(above, low.sext(FIELD)), shared)
    return product.sext(RESULT_BITS) if product.width < RESULT_BITS else product.bits(0, RESULT_BITS)


def _tree(terms: list[Bits]) -> Bits:
    """Their sum, of neighbours first."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) // 2 * 2 :]
    return terms[0]
