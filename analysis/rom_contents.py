"""The words of a constant's memory, in the order in which a kernel reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import (
    Load,
    Loop,
)
from torch2hw.dialects.quasi_affine import Index


def rom_contents(load: Load, loops: list[Loop]) -> NDArray[np.generic]:
    """The bits that `load` reads for every combination of the loops' indices, outermost slowest: one dimension."""
    assert load.buffer.data is not None
    shape = tuple(loop.extent for loop in loops)
    # sparse: what depends on one loop only is computed once for each of its indices
    grid = dict(zip((loop.variable for loop in loops), np.indices(shape, sparse=True), strict=True))

    def at(index: Index) -> Any:
        return np.asarray(index.evaluate(lambda v: grid.get(v, 0)))

    inside: Any = np.True_
    indices = []
    for index, size in zip(load.indices, load.buffer.shape, strict=True):
        values = at(index)
        inside = inside & (values >= 0) & (values < size)  # beyond the kernel's domain: never used, any value will do
        indices.append(np.clip(values, 0, size - 1))
    for index in load.guard:
        inside = inside & (at(index) >= 0)
    data = load.buffer.data[tuple(indices)]
    if not np.all(inside):
        data = np.where(inside, data, np.array(load.otherwise_bits, dtype=data.dtype))
    return np.broadcast_to(data, shape).reshape(-1)
