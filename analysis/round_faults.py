"""Part of check-ports: finds rounds that repeat the round before, moved by equally many rows in every buffer."""

from __future__ import annotations

from torch2hw.dialects.loops import Buffer, Kernel, Load, Store
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import variable


def moved_rounds(first: Kernel, second: Kernel) -> bool:
    """Whether what round r of `first` and round s of `second` do to buffers that they have in common is what rounds
    r + 1 and s + 1 do, moved by the same number of rows for all and still inside.

    Elements that move alike stay equal or different, and so do their banks.
    """
    steps = rows_a_round(first), rows_a_round(second)
    common = first.buffers() & second.buffers()
    keys = [key for key in (*steps[0], *steps[1]) if key[0] in common]
    return all(each[key] is not None and each[key] == steps[0][key] for key in keys for each in steps)


@once
def rows_a_round(kernel: Kernel) -> dict[tuple[Buffer, int], int | None]:
    """By buffer and dimension the rows from what any access does in one round to what it does in the next; None where
    that differs, or where it depends on the round whether an access counts or is inside the buffer."""
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
