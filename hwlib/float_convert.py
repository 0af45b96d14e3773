"""Conversions: integer to float, float to integer, float to float; and rounding to an integral float.

Integer to float rounds to nearest even. Float to integer truncates toward zero and saturates (out of range gives the
nearest end of the range, NaN gives 0). Float to float rounds to nearest even; formats with fewer than 8 exponent
bits (f16, fp8) keep their subnormals even under flush, as the CPU's conversions do, while f32, bf16 and f64 flush
theirs.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .float_round import finish
from .formats import Format, unpack
from .shifts import leading_zeros, shift_left, shift_right, shift_right_sticky


def from_integer(value: Bits, form: Format, signed: bool) -> Bits:
    """The float nearest to an integer, ties to even; beyond the format's range an infinity."""
    g, w, f_bits = value.graph, value.width, form.fraction_bits
    sign = value.top(1) if signed else g.const(0, 1)
    magnitude = (value ^ sign.rep(w)) + sign.zext(w) if w > 1 else value
    if w == 1:
        one = mux(value, form.one(), g.const(0, form.width))
        return cat(value & sign, one.bits(0, form.width - 1))
    zeros, none = leading_zeros(magnitude)
    normal = shift_left(magnitude, zeros)
    short = form.significand_bits + 2 - w
    if short > 0:
        normal = normal.shl(short)
    kept = normal.top(form.significand_bits)
    rest = normal.bits(0, normal.width - form.significand_bits)
    round_up = rest.top(1) & (rest.bits(0, rest.width - 1).any() | kept.bit(0))
    width = max(form.exponent_bits, (w + form.bias).bit_length(), zeros.width) + 2
    exponent = g.const(form.bias + w - 1, width) - zeros.zext(width)
    never = g.const(0, 1)
    return finish(form, True, sign, exponent, kept.bits(0, f_bits), round_up, none, never, never)


def to_integer(value: Bits, form: Format, width: int, signed: bool) -> Bits:
    """The integer towards zero, saturated; a NaN gives 0."""
    g = value.graph
    a = unpack(value, form, True)
    extra = width - form.significand_bits
    significand = a.significand()
    word = significand.shl(extra) if extra >= 0 else significand.top(width)
    span = max(form.exponent_bits, (form.bias + width).bit_length()) + 1
    amount = g.const(form.bias + width - 1, span) - a.exponent.zext(span)  # negative: too large
    steps = max(1, (width - 1).bit_length())
    fraction_only = ~amount.top(1) & ~amount.ult(width)
    magnitude = shift_right(word, amount.bits(0, steps))
    magnitude = mux(fraction_only | a.nan, 0, magnitude)
    beyond = amount.top(1) | a.infinite  # of a narrow format even the infinity's exponent may be in range
    if not signed:
        return mux(a.sign | a.nan, 0, mux(beyond, (1 << width) - 1, magnitude))
    over = ~a.nan & (beyond | ~amount.any())
    negated = (magnitude ^ a.sign.rep(width)) + a.sign.zext(width)
    limit = cat(a.sign, (~a.sign).rep(width - 1)) if width > 1 else a.sign
    return mux(over, limit, negated)


def convert(value: Bits, source: Format, target: Format, flush: bool) -> Bits:
    """Any format to any other."""
    flush_source = flush and source.exponent_bits >= 8
    flush_target = flush and target.exponent_bits >= 8
    g = value.graph
    a = unpack(value, source, flush_source)
    width = max(source.exponent_bits, target.exponent_bits) + 2
    significand, exponent = a.significand(), a.exponent.zext(width)
    if not flush_source:
        zeros, _ = leading_zeros(significand)
        significand = shift_left(significand, zeros)
        exponent = exponent + a.exponent_zero.zext(width) - zeros.zext(width)
    exponent = exponent + (target.bias - source.bias)
    short = target.significand_bits + 2 - significand.width
    if short > 0:
        significand = significand.shl(short)
    sticky = g.const(0, 1)
    below_one = exponent.slt(1)
    if not flush_target:
        steps = significand.width.bit_length()
        by = g.const(1, width) - exponent
        amount = mux(by.ult(significand.width), by.bits(0, steps), significand.width) if steps <= width else by
        moved, lost = shift_right_sticky(significand, amount)
        significand, sticky = mux(below_one, moved, significand), below_one & lost
        exponent = mux(below_one, 1, exponent)
    kept = significand.top(target.significand_bits)
    rest = significand.bits(0, significand.width - target.significand_bits)
    round_up = rest.top(1) & (rest.bits(0, rest.width - 1).any() | sticky | kept.bit(0))
    field = exponent - 1 + kept.top(1).zext(width) if not flush_target else exponent
    fraction = kept.bits(0, target.fraction_bits)
    return finish(target, flush_target, a.sign, field, fraction, round_up, a.zero, a.infinite, a.nan)


ROUNDINGS = ("trunc", "floor", "ceil", "round", "roundeven")


def to_integral(value: Bits, form: Format, flush: bool, direction: str) -> Bits:
    """The float rounded to an integer; zeros keep their sign. `round` takes halves away from zero."""
    assert direction in ROUNDINGS
    g, f_bits = value.graph, form.fraction_bits
    a = unpack(value, form, flush)
    span = form.exponent_bits + 1
    amount = g.const(form.bias + f_bits, span) - a.exponent.zext(span)  # bits below the point; negative: none
    integral = amount.top(1) | ~amount.any()
    steps = (f_bits + 2).bit_length()
    limited = amount.bits(0, steps) if steps >= span else mux(amount.ult(f_bits + 2), amount.bits(0, steps), f_bits + 2)
    whole, lost = shift_right_sticky(a.significand().shl(1), limited)
    half, kept = whole.bit(0), whole.drop(1)
    some = half | lost
    up = {
        "trunc": g.const(0, 1),
        "floor": a.sign & some,
        "ceil": ~a.sign & some,
        "round": half,
        "roundeven": half & (lost | kept.bit(0)),
    }[direction]
    count = kept.zext(kept.width + 1) + up.zext(kept.width + 1)
    rounded = shift_left(count, limited)
    carry = rounded.top(1)
    from_one = ~a.exponent.ult(form.bias)
    exponent = a.exponent + carry.zext(form.exponent_bits)
    below_one = mux(count.bit(0), form.one(), g.const(0, form.width - 1))
    fraction = mux(carry, 0, rounded.bits(0, f_bits))
    body = mux(from_one, cat(exponent, fraction), mux(a.zero, 0, below_one))
    body = mux(integral, value.bits(0, form.width - 1), body)
    return mux(a.nan, form.nan, cat(a.sign, body))
