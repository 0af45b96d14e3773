"""Shifters and leading-zero counters, in levels of four: each is one LUT6 a bit and a stage may end between them."""

from __future__ import annotations

from .bits import Bits, cat, mux


def choose(select: Bits, options: list[Bits]) -> Bits:
    """options[select]; missing options are don't-care (the last one is used)."""
    if select.width == 1 or len(options) == 1:
        return mux(select.bit(0), options[min(1, len(options) - 1)], options[0])
    half = 1 << (select.width - 1)
    low = choose(select.bits(0, select.width - 1), options[:half])
    if len(options) <= half:
        return low
    return mux(select.top(1), choose(select.bits(0, select.width - 1), options[half:]), low)


def levels(amount: Bits) -> list[tuple[int, int]]:
    """The select fields (low bit, width) of a shift amount, most significant first, two bits each."""
    fields = []
    low = amount.width
    while low > 0:
        width = 2 if low >= 2 else 1
        low -= width
        fields.append((low, width))
    return fields


def left_by(value: Bits, count: int) -> Bits:
    """value << count (a constant) in the width of value."""
    if count >= value.width:
        return value.graph.const(0, value.width)
    return value.bits(0, value.width - count).shl(count)


def right_by(value: Bits, count: int, fill: Bits) -> Bits:
    """value >> count (a constant) in the width of value, filled with the bit `fill`."""
    if count == 0:
        return value
    return fill.rep(value.width) if count >= value.width else cat(fill.rep(count), value.drop(count))


def shift_left(value: Bits, amount: Bits) -> Bits:
    """value << amount in the width of value."""
    for low, width in levels(amount):
        value = choose(amount.bits(low, width), [left_by(value, k << low) for k in range(1 << width)])
    return value


def shift_right(value: Bits, amount: Bits, fill: Bits | None = None) -> Bits:
    """value >> amount in the width of value, filled with `fill` (a bit; default 0)."""
    fill = value.graph.const(0, 1) if fill is None else fill
    for low, width in levels(amount):
        value = choose(amount.bits(low, width), [right_by(value, k << low, fill) for k in range(1 << width)])
    return value


def shift_right_or_out(value: Bits, amount: Bits, out: Bits) -> Bits:
    """value >> amount, and 0 where the bit `out` is set, for which the amount's top two bits make room."""
    low = amount.width - 2
    assert 3 << low >= value.width, "a shift by the top two bits does not move every bit out"
    return shift_right(value, cat(amount.top(2) | out.rep(2), amount.bits(0, low)))


def shift_right_sticky(value: Bits, amount: Bits) -> tuple[Bits, Bits]:
    """(value >> amount, whether any bit that fell out was set)."""
    g = value.graph
    sticky = g.const(0, 1)
    for low, width in levels(amount):
        options, lost = [], []
        for k in range(1 << width):
            by = min(k << low, value.width)
            options.append(right_by(value, by, g.const(0, 1)))
            lost.append(value.bits(0, by).any() if by else g.const(0, 1))
        sticky = sticky | choose(amount.bits(low, width), lost)
        value = choose(amount.bits(low, width), options)
    return value, sticky


def leading_zeros(value: Bits) -> tuple[Bits, Bits]:
    """(number of leading zeros, value is zero). The count has the bits for width - 1; of zero it is unspecified."""
    g = value.graph
    bits = max(1, (value.width - 1).bit_length())
    padded = cat(value, g.const(0, (1 << bits) - value.width)) if (1 << bits) > value.width else value
    return _count(padded)


def _count(value: Bits) -> tuple[Bits, Bits]:
    if value.width == 2:
        return ~value.bit(1), ~value.any()
    if value.width == 4:
        high = value.bits(2, 2).any()
        return cat(~high, ~(value.bit(3) | (~value.bit(2) & value.bit(1)))), ~value.any()
    half = value.width // 2
    high_count, high_zero = _count(value.top(half))
    low_count, low_zero = _count(value.bits(0, half))
    return cat(high_zero, mux(high_zero, low_count, high_count)), high_zero & low_zero
