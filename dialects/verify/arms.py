"""Arms that run at once: none touches an element that another one writes.

Stores and loads are compared element by element; a load at an index computed at run time may be of any element of that
dimension.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import Buffer, Load, Nest, Store
from torch2hw.dialects.program import Node, Par
from torch2hw.dialects.quasi_affine import Index

MAX_ELEMENTS = 1 << 22  # of the loops in an access; beyond, all elements count as touched


def arm_faults(par: Par) -> Iterator[str]:
    """Data of one arm that another one writes, a sentence each."""
    writers: dict[Buffer, NDArray[np.int64]] = {}  # by element, the number of the arm that writes it, from 1
    for number, arm in enumerate(par.body, 1):
        for nest, access in _accesses(arm):
            if isinstance(access, Store):
                owner = writers.setdefault(access.buffer, np.zeros(access.buffer.elements, np.int64))
                at = elements(nest, access)
                if ((owner[at] != 0) & (owner[at] != number)).any():
                    yield f"{nest.name} stores to {access.buffer.name} where another arm of {par.name} does"
                owner[at] = number
    for number, arm in enumerate(par.body, 1):
        for nest, access in _accesses(arm):
            if isinstance(access, Load) and access.buffer in writers:
                found = writers[access.buffer][elements(nest, access)]
                if ((found != 0) & (found != number)).any():
                    yield f"{nest.name} loads from {access.buffer.name} what another arm of {par.name} stores"


def _accesses(arm: Node) -> Iterator[tuple[Nest, Load | Store]]:
    for nest in arm.kernels():
        yield from ((nest, load) for load in nest.loads())
        yield from ((nest, store) for store in nest.stores())


def elements(nest: Nest, access: Load | Store) -> NDArray[np.int64]:
    """The row-major numbers of the elements that an access may touch."""
    shape = access.buffer.shape
    loops = {loop.variable for loop in nest.loops}
    conditions = (*access.guard, *nest.domain)
    used = sorted({v for each in (*access.indices, *conditions) for v in each.variables()}, key=lambda v: v.name)
    extents = tuple(v.extent for v in used)
    if np.prod(extents, dtype=np.int64) > MAX_ELEMENTS or not set(used) <= loops:
        return np.arange(access.buffer.elements)
    values = dict(zip(used, np.indices(extents, dtype=np.int64), strict=True))

    def evaluated(index: Index) -> NDArray[np.int64]:
        return np.broadcast_to(np.asarray(index.evaluate(values.__getitem__)), extents)

    inside, number = np.ones(extents, bool), np.zeros(extents, np.int64)
    for index, size in zip(access.indices, shape, strict=True):
        at = evaluated(index)
        inside &= (at >= 0) & (at < size)
        number = number * size + at
    for condition in conditions:
        inside &= evaluated(condition) >= 0
    return np.unique(number[inside])
