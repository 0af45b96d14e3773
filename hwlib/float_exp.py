"""exp in binary32, faithful over all inputs (the bound is `ERROR_ULP`, measured exhaustively by `hwlib/survey.py`).

|x| = k ln 2 + y with k from a short product and |y| < 0.37, in fixed point with F fraction bits; for x < 0 both
change sign (y by its complement). y = a + z with a its top bits: e^y = e^a (1 + z + t(z)) from two tables and one
product. Infinity, overflow and NaN as in IEEE 754; results below the normals are zeros under flush and rounded once
more otherwise.
"""

from __future__ import annotations

import mpmath

from .bits import Bits, mul, mux, rom
from .float_div import denormalised
from .float_round import finish
from .formats import Fields, Format, unpack
from .shifts import shift_right_or_out

F = 29  # fraction bits of the reduced argument and of the result before rounding
A_BITS = 10  # address bits of e^a
T_BITS = 8  # address bits of e^z - 1 - z
LOG_BITS = 13  # fraction bits of log2(e) for the choice of k
COARSE = 5  # fraction bits of |x| for the choice of k
ERROR_ULP = 1.0


def exponential(value: Bits, form: Format, flush: bool) -> Bits:
    """e to the `value`."""
    assert form.significand_bits <= 24 and form.exponent_bits == 8, (
        "exp is for binary32 and narrower formats of its range"
    )
    g = value.graph
    a = unpack(value, form, flush)
    too_large, k, result = power(a, form)

    above_one = result.top(1)
    width = form.exponent_bits + 2
    s_bits = form.significand_bits
    kept = mux(above_one, result.top(s_bits + 1), result.bits(F - s_bits - 1, s_bits + 1))
    exponent = (k.zext(width) ^ a.sign.rep(width)) + (form.bias - 1)
    field = exponent + a.sign.zext(width)
    zero, infinite = too_large & a.sign & ~a.nan, too_large & ~a.sign & ~a.nan
    never = g.const(0, 1)
    if flush:
        return finish(
            form, flush, never, field, kept.bits(1, s_bits - 1), kept.bit(0), zero, infinite, a.nan, above_one
        )
    field, kept, _ = denormalised(field + above_one.zext(width), kept, never)
    field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, never, field, kept.bits(1, s_bits - 1), kept.bit(0), zero, infinite, a.nan)


def power(a: Fields, form: Format) -> tuple[Bits, Bits, Bits]:
    """(|x| is 128 or more, k, e^y in Q1.F): e^x = 2^k e^y (x < 0: 2^-k e^y), with e^y in (0.69, 1.45)."""
    too_large, k, y = reduced_argument(a, form)
    z_bits = F - A_BITS
    exp_a = rom(y.top(A_BITS), F + 1, _exp_table()).named("exp_a")
    z = y.bits(0, z_bits)
    exp_z = z.zext(z_bits + 1) + rom(z.top(T_BITS), *_rest_table(z_bits)).zext(z_bits + 1)
    factor = exp_a.top(17)
    grown = mul(exp_z, factor)  # Q(F + 16)
    return too_large, k, (exp_a + grown.drop(16).zext(F + 1)).named("result")


def reduced_argument(a: Fields, form: Format) -> tuple[Bits, Bits, Bits]:
    """(|x| is 128 or more, k, y): x = y + k ln 2 (x < 0: y - k ln 2); y in two's complement, F fraction bits. Where |x|
    is 128 or more, k and y are anything.
    """
    g = a.sign.graph
    # |x| in Q7.F, zero where x is far too small to matter
    limit = form.bias + 7
    too_large = ~a.exponent.ult(limit)
    steps = 6
    by = limit - 1 - a.exponent
    fixed = a.significand().shl(7 + F - form.significand_bits)
    magnitude = shift_right_or_out(fixed, by.bits(0, steps), by.drop(steps).any()).named("magnitude")

    log2e = round(mpmath.ldexp(1 / mpmath.log(2), LOG_BITS))
    coarse = magnitude.top(7 + COARSE)
    multiple = mul(coarse, g.const(log2e, LOG_BITS + 1)) + (1 << (LOG_BITS + COARSE - 1))
    k = multiple.drop(LOG_BITS + COARSE).named("k")
    extra = 6
    with mpmath.workprec(100):
        ln2 = int(mpmath.nint(mpmath.ldexp(mpmath.log(2), F + extra)))
    part = 17
    low, high = mul(g.const(ln2 & ((1 << part) - 1), part), k), mul(g.const(ln2 >> part, F + extra - part), k)
    product = high.shl(part) + low.zext(high.width + part)
    reduced = magnitude.bits(0, F) - product.bits(extra, F)
    y = (reduced ^ a.sign.rep(F)).named("y")  # two's complement, below 1/2 in size
    return too_large, k, y


def _exp_table() -> list[int]:
    """e^a in Q.F for the two's complement a = index / 2^A_BITS."""
    size = 1 << A_BITS
    values = [i if i < size // 2 else i - size for i in range(size)]
    return [int(mpmath.nint(mpmath.ldexp(mpmath.exp(mpmath.mpf(v) / size), F))) for v in values]


def _rest_table(z_bits: int) -> tuple[int, list[int]]:
    """(width, e^z - 1 - z in Q.F at the middle of each of 2^T_BITS intervals of z)."""
    step = mpmath.ldexp(1, z_bits - F - T_BITS)
    values = [(i + mpmath.mpf(0.5)) * step for i in range(1 << T_BITS)]
    table = [int(mpmath.nint(mpmath.ldexp(mpmath.expm1(z) - z, F))) for z in values]
    return max(table).bit_length(), table
