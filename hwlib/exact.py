"""The correctly rounded result of an IEEE operation in any format, by exact rational arithmetic: an oracle that shares
nothing with the generators (slow: some thousand results a second).

Under flush, subnormal operands are zeros of their sign, and so is a result that, rounded as if exponents had no end,
lies below the normals. Conversions between floats flush only formats of 8 exponent bits or more (see float_convert).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor, isqrt

from .formats import Format, float_format, integer_width

ROOT_BITS = 160  # of a square root, before it is rounded: more than twice those of any format


@dataclass(frozen=True)
class Real:
    """A signed zero, a number, or (magnitude None) an infinity."""

    negative: bool
    magnitude: Fraction | None

    @property
    def signed(self) -> Fraction:
        """The value as a fraction; not for an infinity."""
        assert self.magnitude is not None
        return -self.magnitude if self.negative else self.magnitude

    @property
    def zero(self) -> bool:
        """Whether it is a zero, of either sign."""
        return self.magnitude == 0


Value = Real | None  # None: NaN


def decode(word: int, form: Format, flush: bool) -> Value:
    """The value of a bit pattern, None for a NaN. `flush`: subnormals are zeros of their sign."""
    fraction, field = word & (1 << form.fraction_bits) - 1, word >> form.fraction_bits & form.largest_exponent
    negative = bool(word >> (form.width - 1))
    if word & (1 << (form.width - 1)) - 1 >= form.infinity:
        return None if form.finite or fraction else Real(negative, None)
    if field == 0:
        fraction = 0 if flush else fraction
        return Real(negative, fraction * _power(1 - form.bias - form.fraction_bits))
    return Real(negative, (fraction | 1 << form.fraction_bits) * _power(field - form.bias - form.fraction_bits))


def encode(value: Value, form: Format, flush: bool) -> int:
    """Rounded to nearest even."""
    if value is None:
        return form.nan
    sign = int(value.negative) << (form.width - 1)
    if value.magnitude is None:
        return form.nan if form.finite else sign | form.infinity
    if value.magnitude == 0:
        return sign
    exponent = _exponent(value.magnitude)
    lowest = 1 - form.bias
    if flush or exponent >= lowest:
        significand = round(value.magnitude / _power(exponent - form.fraction_bits))  # Fraction rounds halves to even
        if significand >> form.significand_bits:
            significand, exponent = significand >> 1, exponent + 1
        if exponent < lowest:
            return sign
        magnitude = exponent + form.bias << form.fraction_bits | significand & (1 << form.fraction_bits) - 1
        if magnitude >= form.infinity:
            return form.nan if form.finite else sign | form.infinity
        return sign | magnitude
    return sign | round(value.magnitude / _power(lowest - form.fraction_bits))


def result(
    operation: str, types: tuple[str, ...], predicate: str | None, flush: bool, words: tuple[int, ...]
) -> int | None:
    """What `operation` on `words` gives; `types` are the operands' and the result's. None: no such operation."""
    source, target = float_format(types[0]), float_format(types[-1])
    if operation in ("arith.sitofp", "arith.uitofp"):
        width = integer_width(types[0])
        assert width is not None and target is not None
        value = words[0] - (words[0] >> (width - 1) << width) if operation == "arith.sitofp" else words[0]
        return encode(Real(value < 0, Fraction(abs(value))), target, False)
    formats = [form for form in map(float_format, types[:-1]) if form is not None]
    if source is None or len(formats) < len(words):
        return None
    if operation in ("arith.truncf", "arith.extf"):
        assert target is not None
        value_ = decode(words[0], source, flush and source.exponent_bits >= 8)
        return encode(value_, target, flush and target.exponent_bits >= 8)
    values = tuple(decode(word, form, flush) for word, form in zip(words, formats, strict=True))
    if operation == "arith.cmpf":
        return int(_compare(values[0], values[1], predicate or ""))
    if operation in ("arith.fptosi", "arith.fptoui"):
        width = integer_width(types[-1])
        assert width is not None
        return _saturated(decode(words[0], source, True), width, operation == "arith.fptosi")
    if target is None:
        return None
    if operation in ("arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf"):
        return encode(_extreme(values[0], values[1], "max" in operation, "num" not in operation), target, flush)
    apply = ARITHMETIC.get(operation)
    if apply is None:
        return None
    return encode(None if None in values else apply(*values), target, flush)


def _power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def _exponent(magnitude: Fraction) -> int:
    """e with 2^e <= magnitude < 2^(e + 1)."""
    guess = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return guess if _power(guess) <= magnitude else guess - 1


def _sum(a: Real, b: Real) -> Value:
    if a.magnitude is None or b.magnitude is None:
        if a.magnitude is None and b.magnitude is None:
            return a if a.negative == b.negative else None
        return a if a.magnitude is None else b
    total = a.signed + b.signed
    return Real(total < 0 if total else a.negative and b.negative, abs(total))


def _product(a: Real, b: Real) -> Value:
    negative = a.negative != b.negative
    if a.magnitude is None or b.magnitude is None:
        return None if a.zero or b.zero else Real(negative, None)
    return Real(negative, a.magnitude * b.magnitude)


def _quotient(a: Real, b: Real) -> Value:
    negative = a.negative != b.negative
    if a.magnitude is None:
        return None if b.magnitude is None else Real(negative, None)
    if b.magnitude is None:
        return Real(negative, Fraction(0))
    if b.magnitude == 0:
        return None if a.zero else Real(negative, None)
    return Real(negative, a.magnitude / b.magnitude)


def _remainder(a: Real, b: Real) -> Value:
    if a.magnitude is None or b.zero:
        return None
    return Real(a.negative, a.magnitude if b.magnitude is None else a.magnitude % b.magnitude)


def _fused(a: Real, b: Real, c: Real) -> Value:
    product = _product(a, b)
    return None if product is None else _sum(product, c)


def _root(a: Real) -> Value:
    if a.zero or (a.magnitude is None and not a.negative):
        return a
    if a.negative:
        return None
    assert a.magnitude is not None
    scale = ROOT_BITS - _exponent(a.magnitude) // 2
    scaled = a.magnitude * _power(2 * scale)
    whole = isqrt(floor(scaled))
    inexact = whole * whole != scaled  # a bit below all that rounding looks at
    return Real(False, (2 * whole + inexact) * _power(-scale - 1))


def _integral(direction: str) -> Callable[[Real], Value]:
    def apply(a: Real) -> Value:
        if a.magnitude is None:
            return a
        if direction == "roundeven":
            return Real(a.negative, Fraction(round(a.magnitude)))
        if direction == "round":
            return Real(a.negative, Fraction(floor(a.magnitude + Fraction(1, 2))))
        outward = direction == ("floor" if a.negative else "ceil")
        return Real(a.negative, Fraction(-floor(-a.magnitude) if outward else floor(a.magnitude)))

    return apply


ARITHMETIC: dict[str, Callable[..., Value]] = {
    "arith.addf": _sum,
    "arith.subf": lambda a, b: _sum(a, Real(not b.negative, b.magnitude)),
    "arith.mulf": _product,
    "arith.divf": _quotient,
    "arith.remf": _remainder,
    "hwlib.rounded_reciprocal": lambda a: _quotient(Real(False, Fraction(1)), a),
    "math.fma": _fused,
    "math.sqrt": _root,
    **{f"math.{direction}": _integral(direction) for direction in ("floor", "ceil", "trunc", "round", "roundeven")},
}


def _key(a: Real) -> tuple[int, Fraction]:
    """Orders values, infinities included; -0 and +0 are equal."""
    if a.magnitude is None:
        return (-1 if a.negative else 1), Fraction(0)
    return 0, a.signed


def _compare(a: Value, b: Value, predicate: str) -> bool:
    if a is None or b is None:
        return predicate[0] == "u"
    left, right = _key(a), _key(b)
    relations = {
        "eq": left == right, "ne": left != right, "lt": left < right, "le": left <= right, "gt": left > right,
        "ge": left >= right, "rd": True,
    }  # fmt: skip
    return relations.get(predicate[1:], False)


def _extreme(a: Value, b: Value, largest: bool, propagate_nan: bool) -> Value:
    if a is None or b is None:
        return None if propagate_nan else b if a is None else a
    left, right = (_key(a), not a.negative), (_key(b), not b.negative)
    return (a if left >= right else b) if largest else (a if left <= right else b)


def _saturated(value: Value, width: int, signed: bool) -> int:
    if value is None:
        return 0
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    if value.magnitude is None:
        return (low if value.negative else high) & (1 << width) - 1
    whole = floor(value.magnitude)
    return min(high, max(low, -whole if value.negative else whole)) & (1 << width) - 1
