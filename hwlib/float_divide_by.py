"""x / c for a constant c, correctly rounded to nearest even: the bits of a division, from one product.

The second operand is not c but its packed reciprocal (`pack`), made when the design is compiled:

| bits from 0 | what |
|---|---|
| 2p + 1 | R = ceil(2^(3p + 1) / C) without its top bit, which is 1; p significand bits, C the significand of \\|c\\| |
| e + 2 | bias - 1 - (exponent field of c), two's complement; e exponent bits |
| 1 | sign of c |

Why it is exact: X is the significand of x, so C, X are in [2^(p-1), 2^p). R = (2^(3p + 1) + d) / C with 0 <= d < C, and
X R = X 2^(3p + 1) / C + X d / C. The second term is below X < 2^p. Where X 2^(p + 1) / C is no whole number its
fraction is 1/C or more away from the whole numbers on both sides, which is above 2^p in units of X R: so the bits of
X R from 2^2p on are those of the quotient, floor(X 2^(p + 1) / C), and bits p to 2p - 1 are 0 exactly where nothing is
left below them. That is the significand, a guard bit and a sticky bit. (A quotient of normal range is never half way
between two floats; a subnormal one may be, which the sticky bit tells.) `pack` refuses powers of two, whose R has
another top bit; a product with 1/c is exact for them. A quotient never rounds up to the next power of two.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .float_div import denormalised, normalised
from .float_mul import product
from .float_round import finish
from .formats import Format, unpack


def packed_bits(form: Format) -> int:
    """Bits of a packed reciprocal."""
    return 2 * form.significand_bits + form.exponent_bits + 4


def packed_type(form: Format) -> str | None:
    """The integer type that holds it; bits above are 0. None where it has more than 64 bits."""
    return next((f"i{width}" for width in (16, 32, 64) if width >= packed_bits(form)), None)


def pack(divisor: int, form: Format) -> int | None:
    """The packed reciprocal of the float with these bits; None for zeros, subnormals, powers of two and specials."""
    p, e = form.significand_bits, form.exponent_bits
    fraction, field = divisor & (1 << form.fraction_bits) - 1, divisor >> form.fraction_bits & form.largest_exponent
    if not fraction or not 0 < field < form.largest_exponent:
        return None
    reciprocal = -(-(1 << 3 * p + 1) // (1 << form.fraction_bits | fraction))
    exponent = form.bias - 1 - field & (1 << e + 2) - 1
    sign = divisor >> form.width - 1
    return (sign << e + 2 | exponent) << 2 * p + 1 | reciprocal & (1 << 2 * p + 1) - 1


def unpack_divisor(packed: int, form: Format) -> int:
    """The bits of the float that `pack` was given."""
    p, e = form.significand_bits, form.exponent_bits
    reciprocal = packed & (1 << 2 * p + 1) - 1 | 1 << 2 * p + 1
    significand = (1 << 3 * p + 1) // reciprocal + 1  # R is rounded up, by less than 1
    field = form.bias - 1 - (packed >> 2 * p + 1) & (1 << e) - 1
    return (
        (packed >> 2 * p + e + 3 & 1) << form.width - 1
        | field << form.fraction_bits
        | significand & ((1 << form.fraction_bits) - 1)
    )


def divide_by(value: Bits, packed: Bits, form: Format, flush: bool) -> Bits:
    """`value` / c, with `packed` the reciprocal of c as `pack` makes it."""
    g, p, f_bits = value.graph, form.significand_bits, form.fraction_bits
    width = form.exponent_bits + 2
    a = unpack(value, form, flush)
    significand, exponent = normalised(a, flush, width)
    reciprocal = cat(g.const(1, 1), packed.bits(0, 2 * p + 1))
    field = exponent + packed.bits(2 * p + 1, width)
    sign = a.sign ^ packed.bit(2 * p + 1 + width)
    exact = product(significand, reciprocal).named("product")  # 3p + 2 bits
    large = exact.top(1)  # whether the quotient of the significands is 1 or more
    kept = mux(large, exact.bits(2 * p + 1, p + 1), exact.bits(2 * p, p + 1))  # and a guard bit
    if flush:
        return finish(form, flush, sign, field, kept.bits(1, f_bits), kept.bit(0), a.zero, a.infinite, a.nan, large)
    sticky = exact.bits(p, p).any() | (large & exact.bit(2 * p))
    field, kept, sticky = denormalised(field + large.zext(width), kept, sticky)
    round_up = kept.bit(0) & (sticky | kept.bit(1))
    field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, sign, field, kept.bits(1, f_bits), round_up, a.zero, a.infinite, a.nan)
