"""Odd functions that grow like x near 0 and tend to a limit below 2: tanh, erf and atan in binary32, faithful to 2 ulp.

Each binade of |x| has its own power-of-two number of quadratic segments. Below 1 the tables hold f(x) / 2^E (E the
unbiased exponent), above it f(x), so that every entry is in [1/2, 2) and the relative error is even. Below the first
binade the quotient f(x) / x is constant to the last place, so one entry serves every smaller x; above the last binade f
is its limit. Zeros keep their sign, infinities give the limit of their sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import mpmath

from .bits import Bits, cat, mux, table
from .float_div import denormalised, normalised
from .float_round import finish
from .formats import Format, unpack
from .polynomial import WORK_BITS, Function, Precision, evaluate, fit
from .shifts import shift_left


@dataclass(frozen=True)
class OddFunction:
    """`segment_bits[i]`: log2 of the segments of the binade [2^(first + i), 2^(first + i + 1))."""

    function: Function
    first: int
    segment_bits: tuple[int, ...]
    precision: Precision
    error_ulp: float


TANH = OddFunction(
    mpmath.tanh, -13, (0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 7), Precision(28, 27, 22, 15), 2.0
)
ATAN = OddFunction(
    mpmath.atan,
    -13,
    (0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 6, 7, 7, 7, 6, 6, 6, 5, 5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0),
    Precision(28, 27, 22, 15),
    2.0,
)
ERF = OddFunction(mpmath.erf, -13, (0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 6, 7, 7), Precision(28, 27, 22, 15), 2.0)


def odd_function(value: Bits, form: Format, flush: bool, spec: OddFunction) -> Bits:
    """The function that `spec` describes."""
    assert form.significand_bits <= 24
    g, f_bits, e_bits = value.graph, form.fraction_bits, form.exponent_bits
    a = unpack(value, form, flush)
    width = e_bits + 2
    significand, operand_exponent = normalised(a, flush, width)
    largest_bits = max(spec.segment_bits)
    last = spec.first + len(spec.segment_bits)  # from 2^last on, 1

    bases, pieces = _pieces(spec)
    address_bits = max(1, (len(pieces) - 1).bit_length())
    small = operand_exponent.slt(form.bias + spec.first)
    saturated = ~operand_exponent.slt(form.bias + last)
    index_bits = max(1, (len(bases) - 1).bit_length())
    index = mux(small, 0, (operand_exponent - (form.bias + spec.first)).bits(0, index_bits))
    bits_width = largest_bits.bit_length()
    base = table(index, address_bits, bases)
    count = table(index, bits_width, spec.segment_bits)
    aligned = shift_left(cat(g.const(0, largest_bits), significand.bits(0, f_bits)), count)
    segment, t = aligned.top(largest_bits), aligned.bits(0, f_bits)
    address = base + segment.zext(address_bits) if address_bits >= largest_bits else base
    quotient = evaluate(address, t, pieces, spec.precision)

    fraction_bits = spec.precision.c0
    with mpmath.workprec(WORK_BITS):
        limit = int(mpmath.nint(mpmath.ldexp(spec.function(mpmath.inf), fraction_bits)))
    quotient = mux(saturated, limit, quotient.bits(0, fraction_bits + 2))
    two, one = quotient.top(1), quotient.top(2).bit(0)
    drop = fraction_bits - f_bits - 2
    kept = mux(
        two,
        quotient.bits(drop + 2, f_bits + 1),
        mux(one, quotient.bits(drop + 1, f_bits + 1), quotient.bits(drop, f_bits + 1)),
    )
    exponent = mux(operand_exponent.slt(form.bias), operand_exponent, form.bias)
    field = exponent + mux(two, g.const(1, width), mux(one, 0, g.const(-1, width)))
    never = g.const(0, 1)
    if not flush:
        field, kept, _ = denormalised(field, cat(g.const(1, 1), kept), never)
        field = field - 1 + kept.top(1).zext(width)
    return finish(form, flush, a.sign, field, kept.bits(1, f_bits), kept.bit(0), a.zero, never, a.nan)


@cache
def _pieces(spec: OddFunction) -> tuple[list[int], list[tuple[int, int, int]]]:
    """(first segment of each binade, all segments)."""
    bases: list[int] = []
    pieces: list[tuple[int, int, int]] = []
    with mpmath.workprec(WORK_BITS):
        for binade, bits in enumerate(spec.segment_bits):
            exponent, size = spec.first + binade, 1 << bits
            bases.append(len(pieces))
            pieces += [fit(_on_segment(spec, exponent, i, size), spec.precision) for i in range(size)]
    return bases, pieces


def _on_segment(spec: OddFunction, exponent: int, segment: int, size: int) -> Function:
    """The function over the local coordinate of one segment of a binade, divided by 2^exponent below 1."""
    return lambda t: mpmath.ldexp(spec.function(mpmath.ldexp(1 + (segment + t) / size, exponent)), -min(exponent, 0))
