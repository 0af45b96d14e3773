"""How the elements of a tensor are stored: dtype names of the manifest, NumPy arrays, torch tensors, hardware words.

A *word* is the element's bits in the low `width_bits` of a uint64; higher bits are zero. Integers are two's complement.
NumPy has no bfloat16, so an array of dtype `bf16` is uint16 and holds the bit patterns. `i1` is bool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.generic]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Format:
    """One element format. `exponent_bits` and `fraction_bits` are 0 for integers."""

    name: str
    width_bits: int
    numpy: np.dtype[np.generic]
    torch: torch.dtype
    exponent_bits: int = 0
    fraction_bits: int = 0

    @property
    def is_float(self) -> bool:
        return self.exponent_bits > 0

    @property
    def canonical_nan(self) -> int:
        """The one NaN the hardware makes: positive, quiet, no payload (0x7fc00000 in f32)."""
        return ((1 << self.exponent_bits) - 1) << self.fraction_bits | 1 << (self.fraction_bits - 1)


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("f64", 64, np.dtype(np.float64), torch.float64, 11, 52),
        Format("f32", 32, np.dtype(np.float32), torch.float32, 8, 23),
        Format("f16", 16, np.dtype(np.float16), torch.float16, 5, 10),
        Format("bf16", 16, np.dtype(np.uint16), torch.bfloat16, 8, 7),
        Format("i64", 64, np.dtype(np.int64), torch.int64),
        Format("i32", 32, np.dtype(np.int32), torch.int32),
        Format("i16", 16, np.dtype(np.int16), torch.int16),
        Format("i8", 8, np.dtype(np.int8), torch.int8),
        Format("ui8", 8, np.dtype(np.uint8), torch.uint8),
        Format("i1", 1, np.dtype(np.bool_), torch.bool),
    )
}


def to_words(array: Array, dtype: str) -> Words:
    """The elements of `array` in row-major order as words."""
    stored = np.ascontiguousarray(array, dtype=FORMATS[dtype].numpy).reshape(-1)
    return stored.view(np.dtype(f"u{stored.itemsize}")).astype(np.uint64)


def from_words(words: Words, dtype: str, shape: tuple[int, ...]) -> Array:
    """The inverse of `to_words`; bits above the format's width are ignored."""
    numpy = FORMATS[dtype].numpy
    if dtype == "i1":
        return np.asarray((words & np.uint64(1)).astype(np.bool_)).reshape(shape)
    return words.astype(np.dtype(f"u{numpy.itemsize}")).view(numpy).reshape(shape)


def from_torch(tensor: torch.Tensor) -> Array:
    """The stored form of a tensor: detached, contiguous, a copy."""
    stored = tensor.detach().contiguous()
    if stored.dtype == torch.bfloat16:
        stored = stored.view(torch.int16)
        return np.array(stored.numpy()).view(np.uint16)
    return np.array(stored.numpy())


def to_torch(array: Array, dtype: str) -> torch.Tensor:
    """A tensor with a copy of the elements."""
    if dtype == "bf16":
        return torch.from_numpy(np.array(array).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(array, dtype=FORMATS[dtype].numpy))


def to_float64(array: Array, dtype: str) -> npt.NDArray[np.float64]:
    """The exact values (i64 beyond 2^53 excepted) as float64."""
    if dtype == "bf16":
        return (np.asarray(array, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    with np.errstate(invalid="ignore"):  # signalling NaNs become quiet
        return np.asarray(array).astype(np.float64)


def canonicalise_nans(words: Words, dtype: str) -> Words:
    """Every NaN replaced by the format's canonical one."""
    format = FORMATS[dtype]
    if not format.is_float:
        return words
    infinity = np.uint64(((1 << format.exponent_bits) - 1) << format.fraction_bits)
    magnitude = words & np.uint64((1 << (format.width_bits - 1)) - 1)
    return np.where(magnitude > infinity, np.uint64(format.canonical_nan), words)
