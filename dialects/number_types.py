"""The number types of tensors and scalars: everything that the compiler knows about each, in one registry.

A value of the loop level carries the name of its type, a key of `NUMBER_TYPES`; `number_type(name)` is the record.

| type          | kind     | elements of tensors | values of operations             |
|---------------|----------|---------------------|----------------------------------|
| f64 … bf16    | float    | yes                 | yes                              |
| i64 … i8      | signed   | yes                 | yes: signless, as MLIR's are     |
| u8            | unsigned | yes                 | as i8, its `mlir` name           |
| i1            | boolean  | yes                 | yes                              |
| i2 … i63      | signed   | of memories inside  | yes: of just as many bits as a sum needs |
| index         | index    | no                  | yes: 64 bits, signed, as on a CPU |

An operation says itself whether it takes its operands as signed (arith.extsi, arith.extui), so that an element of a u8
tensor is a value of type i8. Adding a type is one entry here, and its format in hwlib/formats.py if it is a float.

The other whole numbers (i22) are made as they are asked for: `find_number_type` has them, `NUMBER_TYPES` does not. They
are held in the next larger size that NumPy has, sign-extended as values, with zeros above as bit patterns.

Three NumPy forms hold numbers of a type. *Values* compute: bf16 is widened to float32. *Stored* elements are what
tensors travel in: bf16 is its bits. *Bit patterns* are unsigned integers of the element's size. Only i1 is one byte in
NumPy and one bit everywhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torch2hw.hwlib.formats import FORMATS, Format

Kind = Literal["float", "signed", "unsigned", "boolean", "index"]
Array = NDArray[Any]


@dataclass(frozen=True)
class NumberType:
    """One type. `format` is the hardware library's record of a float; None for other kinds.

    `mlir` is the type of a value. `torch` (without `torch.`), `c` and `manifest` are None where the type is no type of
    tensor elements. `values` and `stored` are the NumPy forms of the module's docstring.
    """

    name: str
    kind: Kind
    bits: int
    mlir: str
    values: np.dtype[Any]
    stored: np.dtype[Any]
    torch: str | None
    c: str | None
    manifest: str | None
    format: Format | None = None

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point type."""
        return self.format is not None

    @property
    def is_signed(self) -> bool:
        """Whether the top bit is a sign, of two's complement or of a float."""
        return self.kind in ("float", "signed", "index")

    @property
    def is_odd_width(self) -> bool:
        """Whether it is an integer of a width that NumPy has not."""
        return self.kind == "signed" and self.bits != 8 * self.patterns.itemsize

    @property
    def sign_bit(self) -> int:
        """The top bit alone."""
        return 1 << (self.bits - 1)

    @property
    def mask(self) -> int:
        """All bits set."""
        return (1 << self.bits) - 1

    @cached_property
    def patterns(self) -> np.dtype[Any]:
        """The NumPy type of bit patterns: unsigned, of a stored element's size."""
        return np.dtype(f"u{self.stored.itemsize}")

    def values_of(self, bits: Array | int) -> Array:
        """Values from bit patterns held in unsigned integers of any size; an array of one from a single number."""
        patterns = np.ascontiguousarray(bits, dtype=self.patterns)
        if self.kind == "boolean":
            return patterns.astype(self.values)
        if self.values.itemsize > self.patterns.itemsize:  # a shortened float32
            return (patterns.astype(np.uint32) << (32 - self.bits)).view(np.float32)
        if self.is_odd_width:
            above = 8 * self.patterns.itemsize - self.bits
            return (patterns << above).view(self.values) >> above
        return patterns.view(self.values)

    def bits_of(self, values: Array) -> Array:
        """Bit patterns of values, rounded to nearest even where the type is narrower."""
        if self.values.itemsize > self.patterns.itemsize:
            assert self.format is not None
            dropped = 32 - self.bits
            wide = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
            rounded = (wide + (1 << (dropped - 1)) - 1 + ((wide >> dropped) & 1)) >> dropped
            return np.where(np.isnan(values), self.format.nan, rounded).astype(self.patterns)
        patterns = np.ascontiguousarray(values, dtype=self.values).view(self.patterns)
        return patterns & self.patterns.type(self.mask) if self.is_odd_width else patterns

    def pattern(self, value: float) -> int:
        """The bit pattern of one number, as an unsigned integer."""
        return int(self.bits_of(np.array([value], dtype=self.values))[0])

    def signed_integer(self, bits: int) -> int:
        """The bit pattern as a number in two's complement, as MLIR prints integers."""
        return bits - (1 << self.bits) if bits & self.sign_bit else bits


def _float(name: str, values: str, torch: str, c: str | None, stored: str | None = None) -> NumberType:
    form = FORMATS[name]
    return NumberType(
        name, "float", form.width, name, np.dtype(values), np.dtype(stored or values), torch, c, name, form
    )


def _integer(name: str, kind: Kind, bits: int) -> NumberType:
    numpy = f"{'u' if kind == 'unsigned' else ''}int{bits}"
    dtype = np.dtype(numpy)
    return NumberType(name, kind, bits, f"i{bits}", dtype, dtype, numpy, f"{numpy}_t", name)


_BOOL, _INT64 = np.dtype(np.bool_), np.dtype(np.int64)
NUMBER_TYPES: dict[str, NumberType] = {
    each.name: each
    for each in (
        _float("f32", "float32", "float32", "float"),
        _float("f16", "float16", "float16", None),
        _float("bf16", "float32", "bfloat16", None, stored="uint16"),
        _float("f64", "float64", "float64", None),
        _integer("i64", "signed", 64),
        _integer("i32", "signed", 32),
        _integer("i16", "signed", 16),
        _integer("i8", "signed", 8),
        _integer("u8", "unsigned", 8),
        NumberType("i1", "boolean", 1, "i1", _BOOL, _BOOL, "bool", "bool", "i1"),
        NumberType("index", "index", 64, "index", _INT64, _INT64, None, "int64_t", None),
    )
}
"""By name, in the order in which messages list them."""

ELEMENT_TYPES = tuple(each for each in NUMBER_TYPES.values() if each.torch is not None)
"""The types that elements of tensors may have."""

_BY_TORCH = {each.torch: each for each in ELEMENT_TYPES}


@cache
def find_number_type(name: str) -> NumberType | None:
    """The type of that name, whole numbers of 2 to 64 bits among them; None where there is none."""
    if name in NUMBER_TYPES:
        return NUMBER_TYPES[name]
    width = int(name[1:]) if re.fullmatch(r"i[1-9]\d?", name) else 0
    if not 2 <= width <= 64:
        return None
    size = next(size for size in (8, 16, 32, 64) if size >= width)
    dtype = np.dtype(f"int{size}")
    return NumberType(name, "signed", width, name, dtype, dtype, None, None, None)


def integer_for(low: int, high: int) -> NumberType:
    """The narrowest whole numbers, of 2 bits or more, that hold `low` … `high`. AssertionError beyond 64 bits."""
    bits = max(2, (high if high >= 0 else ~high).bit_length() + 1, (low if low >= 0 else ~low).bit_length() + 1)
    return number_type(f"i{bits}")


def number_type(name: str) -> NumberType:
    """The type of that name. AssertionError where there is none: the frontend refuses other types."""
    found = find_number_type(name)
    assert found is not None, f"{name} is no number type of the compiler"
    return found


def torch_number_type(torch_name: str) -> NumberType | None:
    """The type of elements that PyTorch calls `torch_name` (`float32`, `uint8`), or None."""
    return _BY_TORCH.get(torch_name)
