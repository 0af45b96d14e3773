"""The end of every correctly rounded operation: one increment, range checks that do not wait for it, and the special
cases.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .formats import Format


def finish(
    form: Format,
    flush: bool,
    sign: Bits,
    field: Bits,
    fraction: Bits,
    round_up: Bits,
    zero: Bits,
    infinite: Bits,
    nan: Bits,
    carry: Bits | None = None,
) -> Bits:
    """A float from its exponent field (two's complement, at least e + 2 bits) and fraction, to be rounded up or not.

    `carry` adds one to the exponent on the same carry chain; carry and the overflow of the rounding exclude each
    other, so the field grows by one at most. Then whether the result leaves the range follows from the field before
    the increment and the lowest bit of the field after it. Results below the normals become zeros under flush;
    without it the caller passes a field of 0 or more that is already right for subnormals. In finite formats the
    largest exponent has numbers too, and the significand above them all encodes NaN by itself.
    """
    e, f = form.exponent_bits, form.fraction_bits
    base = cat(field, fraction)
    addend = round_up.zext(base.width)
    if carry is not None:
        addend = cat(carry.zext(field.width), round_up.zext(f))
    rounded = (base + addend).named("rounded")
    moved = rounded.bit(f)
    negative, low = field.top(1), field.bits(0, e)
    beyond = field.bits(e, field.width - 1 - e).any()
    too_large = ~negative & (beyond | low.all()) & ~zero
    at_largest = ~negative & ~beyond & low.eq(form.largest_exponent - 1) & ~zero
    if form.finite:
        too_large, at_largest = ~negative & beyond & ~zero, ~negative & ~beyond & low.all() & ~zero
        moved_out = at_largest & ~moved
    else:
        moved_out = at_largest & moved
    special = (nan | infinite | too_large) | moved_out
    if flush:
        zero = (zero | negative) | (~field.any() & ~moved)
    exponent = mux(special, form.largest_exponent, mux(zero, 0, rounded.bits(f, e)))
    if form.finite:
        rest = mux(special, (1 << f) - 1, mux(zero, 0, rounded.bits(0, f)))
        return cat(sign & ~(exponent.all() & rest.all()), exponent, rest)
    low_fraction = mux(special | zero, 0, rounded.bits(0, f))
    high = low_fraction.top(1) | nan
    packed = cat(high, low_fraction.bits(0, f - 1)) if f > 1 else high
    return cat(sign & ~nan, exponent, packed)
