"""Part of check-ports: finds rounds that repeat the round before, moved by equally many rows in every buffer."""

from __future__ import annotations

from torch2hw.dialects.loops import Buffer, Kernel, Load, Store
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import variable


def moved_rounds(first: Kernel, second: Kernel) -> bool:
    """Whether rounds r + 1 of `first` and s + 1 of `second` do to their common buffers what rounds r and s do, moved by
    the same number of rows in all of them and without leaving them. Elements and banks that were different then stay
    different."""
    steps = rows_a_round(first), rows_a_round(second)
    common = first.buffers() & second.buffers()
    keys = [key for key in (*steps[0], *steps[1]) if key[0] in common]
    return all(each[key] is not None and each[key] == steps[0][key] for key in keys for each in steps)


@once
def rows_a_round(kernel: Kernel) -> dict[tuple[Buffer, int], int | None]:
    """By buffer and dimension, the number of rows by which accesses move from one round to the next. None if it differs
    between accesses, or if whether an access counts, or is inside the buffer, depends on the round."""
    accesses: list[Load | Store] = [*kernel.loads(), *kernel.stores()]
    if kernel.rounds == 1:
        return {(access.buffer, dimension): 0 for access in accesses for dimension in range(len(access.indices))}
    outer = kernel.loops[0].variable
    found: dict[tuple[Buffer, int], int | None] = {}
    for access in accesses:
        conditions = (*access.guard, *kernel.domain) if isinstance(access, Store) else ()
        steady = not any(outer in index.variables() for index in conditions)
        for dimension, (index, size) in enumerate(zip(access.indices, access.buffer.shape, strict=True)):
            step: int | None = 0
            if outer in index.variables():
                step = index.coefficient(outer)
                low, high = index.bounds()
                alone = outer not in (index - variable(outer) * step).variables()
                step = step if alone and low >= 0 and high < size else None
            key = access.buffer, dimension
            found[key] = step if steady and found.get(key, step) == step else None
    return found
