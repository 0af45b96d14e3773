"""How the elements of a tensor are stored: NumPy arrays, torch tensors, hardware words.

The types are those of `dialects/number_types.py`, by name; an array is of its type's `stored` form. A *word* is the
element's bits in the low bits of a uint64; higher bits are zero. Integers are two's complement.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from torch2hw.dialects.number_types import number_type

Array = npt.NDArray[np.generic]
Words = npt.NDArray[np.uint64]


def to_words(array: Array, dtype: str) -> Words:
    """The elements of `array` in row-major order as words."""
    kind = number_type(dtype)
    return np.ascontiguousarray(array, dtype=kind.stored).reshape(-1).view(kind.patterns).astype(np.uint64)


def from_words(words: Words, dtype: str, shape: tuple[int, ...]) -> Array:
    """The inverse of `to_words`; bits above the type's width are ignored."""
    kind = number_type(dtype)
    return (words & np.uint64(kind.mask)).astype(kind.patterns).view(kind.stored).reshape(shape)


def from_bits(bits: Array, dtype: str) -> Array:
    """The stored form of raw bits, unsigned integers of the type's width."""
    kind = number_type(dtype)
    return np.ascontiguousarray(bits, kind.patterns).view(kind.stored).reshape(bits.shape)


def as_stored(array: Array, dtype: str) -> Array:
    """The same bits in the type's own form; MLIR's 8-bit integer arrays are signed, also those of u8."""
    return array.view(number_type(dtype).stored)


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
    return torch.from_numpy(np.array(array, dtype=number_type(dtype).stored))


def to_float64(array: Array, dtype: str) -> npt.NDArray[np.float64]:
    """The exact values (i64 beyond 2^53 excepted) as float64."""
    kind = number_type(dtype)
    with np.errstate(invalid="ignore"):  # signalling NaNs become quiet
        if kind.stored != kind.values:
            return kind.values_of(np.asarray(array, kind.stored)).astype(np.float64)
        return np.asarray(array).astype(np.float64)


def canonicalise_nans(words: Words, dtype: str) -> Words:
    """Every NaN replaced by the format's canonical one, the one that hardware makes (0x7fc00000 in f32)."""
    form = number_type(dtype).format
    if form is None:
        return words
    magnitude = words & np.uint64((1 << (form.width - 1)) - 1)
    return np.where(magnitude > np.uint64(form.infinity), np.uint64(form.nan), words)
