"""The elements of a buffer that an access of a kernel may touch, in all its iterations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import Buffer, Kernel, Load, Store
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index

MAX_ITERATIONS = 1 << 22  # of the loops in an access; beyond, all elements count as touched

Numbers = NDArray[np.int64]


def elements(kernel: Kernel, access: Load | Store) -> Numbers:
    """The row-major numbers of the elements, some more than once. All elements where the iterations are too many or an
    index is computed at run time."""
    loops = {loop.variable for loop in kernel.loops}
    conditions = (*access.guard, *kernel.domain)
    used = sorted({v for each in (*access.indices, *conditions) for v in each.variables()}, key=lambda v: v.name)
    extents = tuple(v.extent for v in used)
    if np.prod(extents, dtype=np.float64) > MAX_ITERATIONS or not loops.issuperset(used):
        return np.arange(access.buffer.elements)
    values = dict(zip(used, np.indices(extents, dtype=np.int64, sparse=True), strict=True))

    def evaluated(index: Index) -> Numbers:
        return np.asarray(index.evaluate(values.__getitem__))

    inside, number = np.ones(extents, bool), np.zeros(extents, np.int64)
    for index, size in zip(access.indices, access.buffer.shape, strict=True):
        at = evaluated(index)
        inside &= (at >= 0) & (at < size)
        number = number * size + at
    for condition in conditions:
        inside &= evaluated(condition) >= 0
    return number[inside]


@once
def stored(kernel: Kernel, buffer: Buffer) -> NDArray[np.bool_]:
    """By row-major number, which elements of a buffer a kernel stores."""
    found = np.zeros(buffer.elements, bool)
    for store in kernel.stores():
        if store.buffer is buffer:
            found[elements(kernel, store)] = True
    return found


def banks(buffer: Buffer, numbers: Numbers) -> Numbers:
    """The banks of elements, by their row-major numbers."""
    bank = np.zeros(numbers.shape, np.int64)
    for index, factor in zip(np.unravel_index(numbers, buffer.shape), buffer.bank_factors, strict=True):
        bank = bank * factor + index % factor
    return bank
