"""What a scheduled kernel does at the ports of memories: each access, when it is made, and its indices by iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.quasi_affine import Index, Variable

DRAWN = 1 << 12  # iterations that stand for all, where those are too many
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Access:
    """A use of a port: iteration n uses it in cycle n·II + `cycle`. The use counts where `conditions` are ≥ 0 and the
    loops `last_of` are in their last iteration."""

    buffer: Buffer
    writes: bool
    indices: tuple[Index, ...]
    cycle: int
    conditions: tuple[Index, ...] = ()
    last_of: tuple[Variable, ...] = ()

    def __str__(self) -> str:
        place = f"{self.buffer.name}[{', '.join(map(str, self.indices))}]"
        return f"{'write' if self.writes else 'read'} of {place} in cycle {self.cycle}"


def accesses(kernel: Kernel) -> list[Access]:
    """Every use of a port of a memory outside the kernel. A read takes its port even if nobody uses its value."""
    found = [
        Access(load.buffer, False, load.indices, kernel.plan.start[load.result])
        for load in kernel.loads()
        if not load.buffer.storage.in_kernel
    ]
    cycles = iter(kernel.plan.store_cycles)
    for number, stage in enumerate(kernel.stages):
        ended = tuple(
            loop.variable for loop in kernel.loops if loop.reduced_by is not None and loop.reduced_by < number
        )
        found += [
            Access(store.buffer, True, store.indices, next(cycles), (*store.guard, *kernel.domain), ended)
            for store in stage.stores
        ]
    return found


def iterations(kernel: Kernel, access: Access, limit: int) -> dict[Variable, Array]:
    """The loop indices of all iterations, or of DRAWN random ones if there are more than `limit`. Indices computed at
    run time get random values."""
    extents = tuple(loop.extent for loop in kernel.loops)
    rng = np.random.default_rng(0)
    number = np.arange(kernel.trip_count) if kernel.trip_count <= limit else rng.integers(0, kernel.trip_count, DRAWN)
    at = np.unravel_index(number, extents) if extents else ()
    values: dict[Variable, Array] = dict(zip((loop.variable for loop in kernel.loops), at, strict=True))
    for variable in sorted(run_time(kernel, access), key=lambda v: v.name):
        values[variable] = rng.integers(0, variable.extent, number.shape)
    return values


def run_time(kernel: Kernel, access: Access) -> set[Variable]:
    """The variables of an access that are no loop variables."""
    return {v for index in access.indices for v in index.variables()} - {loop.variable for loop in kernel.loops}


def evaluated(index: Index, values: dict[Variable, Array]) -> Array:
    """The values of an index, in the shape of the arrays in `values`; of shape (1,) without any."""
    shape = next(iter(values.values())).shape if values else (1,)
    return np.broadcast_to(np.asarray(index.evaluate(values.__getitem__)), shape)


def counted(access: Access, values: dict[Variable, Array]) -> Array:
    """For each iteration, whether an access counts: its stage runs, the domain and the guard hold."""
    inside = evaluated(Index((), 1), values) > 0
    for index in access.conditions:
        inside = inside & (evaluated(index, values) >= 0)
    for variable in access.last_of:
        inside = inside & (values[variable] == variable.extent - 1)
    return inside
