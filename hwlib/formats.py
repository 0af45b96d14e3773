"""Number formats: IEEE 754 binary interchange layouts (sign, exponent field, fraction) and integers.

Exponent field 0 is zero and the subnormals, all ones is infinity (fraction 0) and NaN. Arithmetic returns one NaN:
sign 0, only the top fraction bit set (0x7fc00000 in f32). Names are MLIR's, and any IEEE-like format has a name of that
kind: f12E5M6 has a sign, 5 exponent bits and a fraction of 6.

A `finite` format (f8E4M3FN, as in PyTorch) has no infinity: only a fraction of all ones under an exponent of all ones
is NaN (returned with sign 0), and what would be infinite is NaN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from .bits import Bits, cat


@dataclass(frozen=True)
class Format:
    """`significand_bits` counts the hidden bit: f32 is 8 and 24."""

    name: str
    exponent_bits: int
    significand_bits: int
    finite: bool = False

    @property
    def width(self) -> int:
        """All bits: sign, exponent field, fraction."""
        return self.exponent_bits + self.significand_bits

    @property
    def fraction_bits(self) -> int:
        """Bits of the fraction, without the hidden bit."""
        return self.significand_bits - 1

    @property
    def bias(self) -> int:
        """What the exponent field is above the exponent: 2^(exponent_bits - 1) - 1."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def largest_exponent(self) -> int:
        """The exponent field of NaN (and of infinity)."""
        return (1 << self.exponent_bits) - 1

    @property
    def infinity(self) -> int:
        """Infinity, or what stands for it; the largest number is one less."""
        return ((1 << (self.width - 1)) - 1) if self.finite else self.largest_exponent << self.fraction_bits

    @property
    def nan(self) -> int:
        """The bit pattern of the one NaN."""
        return self.infinity if self.finite else self.infinity | 1 << (self.fraction_bits - 1)

    def one(self) -> int:
        """The bit pattern of 1.0."""
        return self.bias << self.fraction_bits


FORMATS = {
    f.name: f
    for f in (
        Format("f32", 8, 24),
        Format("f64", 11, 53),
        Format("f16", 5, 11),
        Format("bf16", 8, 8),
        Format("f8E4M3", 4, 4),
        Format("f8E4M3FN", 4, 4, True),
        Format("f8E5M2", 5, 3),
    )
}


@cache
def float_format(type_name: str) -> Format | None:
    """The float format of a type name; None for other types."""
    parts = re.fullmatch(r"f(\d+)E(\d+)M(\d+)", type_name)
    if type_name in FORMATS or parts is None:
        return FORMATS.get(type_name)
    width, exponent_bits, fraction_bits = map(int, parts.groups())
    usual = width == 1 + exponent_bits + fraction_bits and 2 <= exponent_bits <= 11 and 1 <= fraction_bits <= 52
    return Format(type_name, exponent_bits, fraction_bits + 1) if usual else None


def mlir_type(type_name: str) -> str:
    """The type as MLIR writes it: a float format of no name there travels as an integer."""
    form = float_format(type_name)
    return type_name if form is None or type_name in FORMATS else f"i{form.width}"


def integer_width(type_name: str) -> int | None:
    """The width of `i32` …; `index` is 64 bits wide, as on the CPU; None for other types."""
    if type_name == "index":
        return 64
    return int(type_name[1:]) if type_name[:1] == "i" and type_name[1:].isdigit() else None


def type_width(type_name: str) -> int:
    """Bits of an integer or float type; KeyError for any other."""
    width, form = integer_width(type_name), float_format(type_name)
    if width is None and form is None:
        raise KeyError(type_name)
    return form.width if form is not None else width or 0


@dataclass(frozen=True)
class Fields:
    """A float taken apart. `zero` is true of subnormals too under flush; `ones` means infinity or NaN (its exponent is
    all ones, except in finite formats, where numbers have such exponents too).
    """

    sign: Bits
    exponent: Bits
    fraction: Bits
    exponent_zero: Bits
    zero: Bits
    ones: Bits
    nan: Bits
    infinite: Bits

    def significand(self) -> Bits:
        """Hidden bit and fraction (the fraction of a subnormal is not masked)."""
        return cat(~self.exponent_zero, self.fraction)


def unpack(value: Bits, form: Format, flush: bool) -> Fields:
    """The fields of a float, and what kind of value it is. `flush`: a subnormal counts as zero."""
    fraction = value.bits(0, form.fraction_bits)
    exponent = value.bits(form.fraction_bits, form.exponent_bits)
    exponent_zero, ones, some = ~exponent.any(), exponent.all(), fraction.any()
    zero = exponent_zero if flush else exponent_zero & ~some
    sign = value.bit(form.width - 1)
    if form.finite:
        nan, never = ones & fraction.all(), value.graph.const(0, 1)
        return Fields(sign, exponent, fraction, exponent_zero, zero, nan, nan, never)
    return Fields(sign, exponent, fraction, exponent_zero, zero, ones, ones & some, ones & ~some)
