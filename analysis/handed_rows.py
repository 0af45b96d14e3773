"""Kernels of a sequence that hand rows to each other: what `fuse-outer-loops` can run in rounds.

A buffer is handed on if one kernel stores it and another one of the group accesses it, no kernel outside the group
does, and iteration t of every outermost loop accesses only the rows of t.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable


def ends(program: Program, first: int) -> Iterator[int]:
    """The ends of groups of two kernels or more that start at `first` in the program's sequence and can be fused, the
    shortest group first."""
    common = 0
    for end, kernel in enumerate(program.sequence[first:], first):
        if not isinstance(kernel, Kernel) or not kernel.loops or kernel.loops[0].reduced_by is not None:
            return
        common = gcd(common, kernel.loops[0].extent)
        if common == 1 or (end > first and not handed_on(program, first, end + 1)):
            return
        if end > first:
            yield end + 1


def run_of(program: Program, first: int, end: int) -> list[Kernel]:
    """Kernels `first` … `end` - 1 of the program's sequence."""
    return [node for node in program.sequence[first:end] if isinstance(node, Kernel)]


def handed_on(program: Program, first: int, end: int) -> dict[Buffer, tuple[int, int]]:
    """The buffers that kernels `first` … `end` - 1 hand on, each with the dimension of its rows and their number. Empty
    if one of these kernels accesses rows of another round that another kernel stores."""
    kernels = run_of(program, first, end)
    others = (*program.sequence[:first], *program.sequence[end:])
    known = {buffer for node in others for kernel in node.kernels for buffer in kernel.buffers()}
    found: dict[Buffer, tuple[int, int]] = {}
    for buffer in dict.fromkeys(store.buffer for kernel in kernels for store in kernel.stores()):
        users = [kernel for kernel in kernels if buffer in kernel.buffers()]
        if len(users) == 1:
            continue
        rows = rows_of(buffer, users)
        if rows is None:
            return {}
        if buffer.storage.is_scratch and buffer not in known:
            found[buffer] = rows
    return found


def rows_of(buffer: Buffer, kernels: Sequence[Kernel]) -> tuple[int, int] | None:
    """A dimension such that the outermost loop of each kernel divides its rows evenly among the iterations, and the
    number of these rows; None if there is none."""
    accesses: list[tuple[Variable, tuple[Index, ...]]] = []
    for kernel in kernels:
        outer = kernel.loops[0].variable
        accesses += [(outer, load.indices) for load in kernel.loads() if load.buffer is buffer]
        accesses += [(outer, store.indices) for store in kernel.stores() if store.buffer is buffer]
    for dimension in range(len(buffer.shape)):
        rows = {indices[dimension].coefficient(outer) * outer.extent for outer, indices in accesses}
        if len(rows) == 1 and min(rows) > 0 and all(stays(outer, indices, dimension) for outer, indices in accesses):
            return dimension, rows.pop()
    return None


def stays(outer: Variable, indices: Sequence[Index], dimension: int) -> bool:
    """Whether an access stays in the rows of its iteration of the outermost loop; two iterations are as many rows apart
    as the coefficient of `outer`."""
    step = indices[dimension].coefficient(outer)
    rest = indices[dimension] - variable(outer) * step
    low, high = rest.bounds()
    others = (index for k, index in enumerate(indices) if k != dimension)
    return low >= 0 and high < step and all(outer not in index.variables() for index in (rest, *others))
