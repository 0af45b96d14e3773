"""Number formats: IEEE 754 binary interchange layouts (sign, exponent field, fraction) and integers.

Exponent field 0 is zero and the subnormals, all ones is infinity (fraction 0) and NaN. Arithmetic returns one NaN:
sign 0, only the top fraction bit set (0x7fc00000 in f32). Names are MLIR's.
"""

from __future__ import annotations

from dataclasses import dataclass

from .bits import Bits, cat


@dataclass(frozen=True)
class Format:
    """`significand_bits` counts the hidden bit: f32 is 8 and 24."""

    name: str
    exponent_bits: int
    significand_bits: int

    @property
    def width(self) -> int:
        return self.exponent_bits + self.significand_bits

    @property
    def fraction_bits(self) -> int:
        return self.significand_bits - 1

    @property
    def bias(self) -> int:
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def largest_exponent(self) -> int:
        """The exponent field of infinity and NaN."""
        return (1 << self.exponent_bits) - 1

    @property
    def infinity(self) -> int:
        return self.largest_exponent << self.fraction_bits

    @property
    def nan(self) -> int:
        return self.infinity | 1 << (self.fraction_bits - 1)

    def one(self) -> int:
        return self.bias << self.fraction_bits


FORMATS = {
    f.name: f
    for f in (
        Format("f32", 8, 24),
        Format("f64", 11, 53),
        Format("f16", 5, 11),
        Format("bf16", 8, 8),
        Format("f8E4M3", 4, 4),
        Format("f8E5M2", 5, 3),
    )
}


def integer_width(type_name: str) -> int | None:
    """The width of `i32` …; `index` is 64 bits wide, as on the CPU; None for other types."""
    if type_name == "index":
        return 64
    return int(type_name[1:]) if type_name[:1] == "i" and type_name[1:].isdigit() else None


def type_width(type_name: str) -> int:
    """Bits of an integer or float type; KeyError for any other."""
    width = integer_width(type_name)
    return FORMATS[type_name].width if width is None else width


@dataclass(frozen=True)
class Fields:
    """A float taken apart. `zero` is true of subnormals too under flush; `ones` means infinity or NaN."""

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
    fraction = value.bits(0, form.fraction_bits)
    exponent = value.bits(form.fraction_bits, form.exponent_bits)
    exponent_zero, ones, some = ~exponent.any(), exponent.all(), fraction.any()
    zero = exponent_zero if flush else exponent_zero & ~some
    sign = value.bit(form.width - 1)
    return Fields(sign, exponent, fraction, exponent_zero, zero, ones, ones & some, ones & ~some)
