"""Tensors as the reference program stores them: cyclically in banks, the bank leading, as in contract section 5.

The program's memref has the bank factors above 1 as leading dimensions, then ceil(D_d / f_d) for every dimension of the
tensor. Padding elements are 0 in inputs; in outputs they have no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import numpy as np

from torch2hw.analysis.stored_arrays import Array


def pack(array: Array, factors: Sequence[int]) -> Array:
    """A tensor in its banks."""
    offsets = [ceil(size / factor) for size, factor in zip(array.shape, factors, strict=True)]
    flat = np.zeros(prod(factors) * prod(offsets), array.dtype)
    flat[_places(array.shape, factors)] = array.reshape(-1)
    return flat.reshape([factor for factor in factors if factor > 1] + offsets)


def unpack(stored: Array, shape: tuple[int, ...], factors: Sequence[int]) -> Array:
    """The inverse of `pack`."""
    return stored.reshape(-1)[_places(shape, factors)].reshape(shape)


def _places(shape: tuple[int, ...], factors: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The position of every element, in the tensor's row-major order."""
    bank = np.zeros(shape, np.int64)
    offset = np.zeros(shape, np.int64)
    for index, size, factor in zip(np.indices(shape), shape, factors, strict=True):
        bank = bank * factor + index % factor
        offset = offset * ceil(size / factor) + index // factor
    offsets = prod(ceil(size / factor) for size, factor in zip(shape, factors, strict=True))
    return (bank * offsets + offset).reshape(-1)
