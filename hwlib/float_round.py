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
    other, so the field grows by one at most. Nothing but the increment itself is on its path: results that have left
    the range before it (and zeros, infinities, NaN) are known early, a field that it makes the largest is infinity's
    already, and what remains is to clear the fraction, which a register's reset does. Results below the normals become
    zeros under flush; without it the caller passes a field of 0 or more that is already right for subnormals.
    """
    if form.finite:
        return _finish_finite(form, flush, sign, field, fraction, round_up, zero, infinite, nan, carry)
    e, f = form.exponent_bits, form.fraction_bits
    negative, low = field.top(1), field.bits(0, e)
    beyond = field.bits(e, field.width - 1 - e).any()
    nothing = zero | negative if flush else zero
    special = ((nan | infinite) | (~negative & (beyond | low.all()) & ~zero)).named("special")
    cleared = special | nothing
    if flush:
        tiny = ~field.any()
        cleared = cleared | (tiny if carry is None else tiny & ~carry)
    if carry is not None:
        cleared = cleared | (carry & low.eq(form.largest_exponent - 1))
    increment = (round_up & ~nothing).zext(f)
    grown = (field.graph.const(0, 1) if carry is None else carry & ~nothing).zext(e)
    rounded = (cat(mux(nothing, 0, low), fraction) + cat(grown, increment)).named("rounded")
    exponent = mux(special, form.largest_exponent, rounded.drop(f))
    high = mux(nan, 1, mux(cleared, 0, rounded.bit(f - 1)))
    if f == 1:
        return cat(sign & ~nan, exponent, high)
    return cat(sign & ~nan, exponent, high, mux(cleared, 0, rounded.bits(0, f - 1)))


def _finish_finite(
    form: Format,
    flush: bool,
    sign: Bits,
    field: Bits,
    fraction: Bits,
    round_up: Bits,
    zero: Bits,
    infinite: Bits,
    nan: Bits,
    carry: Bits | None,
) -> Bits:
    """The same where the largest exponent has numbers too, and the significand above them all encodes NaN by itself."""
    e, f = form.exponent_bits, form.fraction_bits
    base = cat(field, fraction)
    addend = round_up.zext(base.width)
    if carry is not None:
        addend = cat(carry.zext(field.width), round_up.zext(f))
    rounded = (base + addend).named("rounded")
    moved = rounded.bit(f)
    negative, low = field.top(1), field.bits(0, e)
    beyond = field.bits(e, field.width - 1 - e).any()
    too_large, at_largest = ~negative & beyond & ~zero, ~negative & ~beyond & low.all() & ~zero
    special = (nan | infinite | too_large) | (at_largest & ~moved)
    if flush:
        zero = (zero | negative) | (~field.any() & ~moved)
    exponent = mux(special, form.largest_exponent, mux(zero, 0, rounded.bits(f, e)))
    rest = mux(special, (1 << f) - 1, mux(zero, 0, rounded.bits(0, f)))
    return cat(sign & ~(exponent.all() & rest.all()), exponent, rest)
