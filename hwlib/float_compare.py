"""Comparison (all sixteen predicates of arith.cmpf) and the four minima and maxima of MLIR's arith dialect.

Comparison: under flush, subnormals compare as zeros; -0 equals +0; ordered predicates are false of NaN, unordered
ones true. maximumf, minimumf: NaN if either operand is. maxnumf, minnumf: the other operand if one is NaN. All four
order -0 before +0 and, under flush, return a zero of its sign in place of a subnormal. And ReLU.
"""

from __future__ import annotations

from .bits import Bits, cat, mux
from .formats import Format, unpack

PREDICATES = (
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true",
)  # fmt: skip


def compare(left: Bits, right: Bits, form: Format, flush: bool, predicate: str) -> Bits:
    """One bit. KeyError for an unknown predicate."""
    if predicate not in PREDICATES:
        raise KeyError(predicate)
    if predicate in ("true", "false"):
        return left.graph.const(int(predicate == "true"), 1)
    a, b = unpack(left, form, flush), unpack(right, form, flush)
    unordered = a.nan | b.nan
    if predicate in ("ord", "uno"):
        return unordered if predicate == "uno" else ~unordered
    equal = left.eq(right) | (a.zero & b.zero)
    relation = predicate[1:]
    if relation in ("eq", "ne"):
        result = equal if relation == "eq" else ~equal
    else:
        if relation in ("gt", "ge"):
            left, right, a, b = right, left, b, a
        less = _before(left, right, form)
        result = less & ~equal if relation in ("lt", "gt") else less | equal
    return result | unordered if predicate[0] == "u" else result & ~unordered


def _before(left: Bits, right: Bits, form: Format) -> Bits:
    """left < right as sign and magnitude; unspecified where they are equal, -0 before +0."""
    magnitude = left.bits(0, form.width - 1).ult(right.bits(0, form.width - 1))
    negative = left.top(1)
    return mux(negative ^ right.top(1), negative, magnitude ^ negative)


def extreme(left: Bits, right: Bits, form: Format, flush: bool, largest: bool, propagate_nan: bool) -> Bits:
    """The larger or smaller operand."""
    g = left.graph
    a, b = unpack(left, form, flush), unpack(right, form, flush)
    take_right = _before(left, right, form) ^ g.const(int(not largest), 1)
    if propagate_nan:
        nan = a.nan | b.nan
    else:
        nan = a.nan & b.nan
        take_right = a.nan | (take_right & ~b.nan)
    chosen = mux(take_right, right, left)
    clear = nan
    if flush:
        clear = clear | mux(take_right, b.exponent_zero, a.exponent_zero)
    fraction = mux(clear, 0, chosen.bits(0, form.fraction_bits))
    if form.finite:
        fraction = fraction | nan.rep(form.fraction_bits)
    else:
        high = fraction.top(1) | nan
        fraction = cat(high, fraction.bits(0, form.fraction_bits - 1)) if form.fraction_bits > 1 else high
    exponent = mux(nan, form.largest_exponent, chosen.bits(form.fraction_bits, form.exponent_bits))
    return cat(chosen.top(1) & ~nan, exponent, fraction)


def rectify(value: Bits, form: Format, flush: bool) -> Bits:
    """ReLU: +0 in the place of everything negative (-0 too), NaN as it came; under flush +0 for a subnormal."""
    x = unpack(value, form, flush)
    cleared = x.sign & ~x.nan
    return mux(cleared | x.exponent_zero if flush else cleared, 0, value)
