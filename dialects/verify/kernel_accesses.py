"""Accesses of one kernel: as many indices as dimensions, and every index inside the buffer wherever the access counts.

An access counts where the kernel's domain and its own guard hold, and the loops that end before its stage are in their
last iteration. A load counts only where a store that needs its value does: lanes beyond the end of a loop load too, and
store nothing. Indices computed at run time have the range that their variable states.

Whether an index can leave the buffer is decided by the bounds of sums first (exact without divisions and conditions),
then by all values of the loops in question, or of MAX_ITERATIONS random ones where those are too many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel, Load
from torch2hw.dialects.quasi_affine import Index, Variable, constant

MAX_ITERATIONS = 1 << 18

Conditions = tuple[Index, ...]  # all ≥ 0


def access_faults(kernel: Kernel) -> Iterator[str]:
    """What is wrong with the loads and stores of a kernel, a sentence each."""
    beyond: list[tuple[Load, int]] = []
    for number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            if isinstance(statement, Load):
                if len(statement.indices) != len(statement.buffer.shape):
                    yield f"the load {statement.result} has {_ranks(statement.buffer, statement.indices)}"
                elif _leaves(statement.buffer, statement.indices):
                    beyond.append((statement, number))
        for store in stage.stores:
            name = store.buffer.name
            if len(store.indices) != len(store.buffer.shape):
                yield f"the store to {name} has {_ranks(store.buffer, store.indices)}"
                continue
            conditions = _conditions(kernel, number, (*kernel.domain, *store.guard))
            for where, outside in _leaves(store.buffer, store.indices):
                if possible(_conditions(kernel, number, (outside,)) + conditions):
                    yield f"the store to {name} at {where} leaves its shape {list(store.buffer.shape)}"
    if beyond:
        yield from _load_faults(kernel, beyond)


def _load_faults(kernel: Kernel, beyond: Sequence[tuple[Load, int]]) -> Iterator[str]:
    """Of these loads, with their stages, those that leave their buffer where a store needs them."""
    values: dict[tuple[tuple[Index, ...], bool], set[str]] = {}
    for store in kernel.stores():
        padded = kernel.lanes > 1 and store.buffer.storage.is_scratch and not store.guard
        values.setdefault((store.guard, padded), set()).add(store.value)
    needed = {key: kernel.needed_for(stored) for key, stored in values.items()}
    for load, number in beyond:
        own = _conditions(kernel, number, (*kernel.domain, *load.guard))
        for where, outside in _leaves(load.buffer, load.indices):
            for (guard, padded), names in needed.items():
                further = _conditions(kernel, number, (outside - _lane_step(outside) if padded else outside,))
                if load.result not in names or not possible(further + own + guard):
                    continue
                shape = list(load.buffer.shape)
                yield f"the load {load.result} from {load.buffer.name} at {where} leaves its shape {shape}"
                break


def can_leave(kernel: Kernel, load: Load, stage: int) -> bool:
    """Whether a load of this stage can leave its buffer in an iteration of the kernel, whoever needs its value."""
    own = _conditions(kernel, stage, (*kernel.domain, *load.guard))
    outsides = [outside for _, outside in _leaves(load.buffer, load.indices)]
    return any(possible(_conditions(kernel, stage, (outside,)) + own) for outside in outsides)


def _lane_step(outside: Index) -> int:
    """How far a lane can be past the end: less than one step of the loop that was divided among the lanes. Partial sums
    of such lanes are stored without a condition, and nobody reads them (`interleave-reductions`)."""
    return max((abs(coefficient) for _, coefficient in outside.terms), default=1) - 1


def _ranks(buffer: Buffer, indices: Sequence[Index]) -> str:
    return f"{len(indices)} indices, and {buffer.name} has {len(buffer.shape)} dimensions"


def _leaves(buffer: Buffer, indices: Sequence[Index]) -> list[tuple[str, Index]]:
    """The indices that bounds alone do not keep inside, in words, each with a condition that holds outside."""
    found = []
    for dimension, (index, size) in enumerate(zip(indices, buffer.shape, strict=True)):
        low, high = index.bounds()
        where = f"{index} in dimension {dimension}"
        if low < 0:
            found.append((where, index * -1 - 1))
        if high >= size:
            found.append((where, index - size))
    return found


def _conditions(kernel: Kernel, stage: int, conditions: Conditions) -> Conditions:
    """The conditions where `stage` runs: loops that end before it are in their last iteration."""
    last = {
        loop.variable: constant(loop.extent - 1)
        for loop in kernel.loops
        if loop.reduced_by is not None and loop.reduced_by < stage
    }
    return tuple(condition.substitute(last) for condition in conditions)


@lru_cache(maxsize=1 << 14)
def possible(conditions: Conditions) -> bool:
    """Whether the first condition can hold together with all others (of those, only what concerns its variables)."""
    first, *others = conditions
    if first.bounds()[1] < 0 or any(other.bounds()[1] < 0 for other in others):
        return False
    if any((first + other).bounds()[1] < 0 for other in others):
        return False
    used = set(first.variables())
    joined: list[Index] = []
    while more := [each for each in others if each not in joined and used & each.variables()]:
        joined += more
        used = used.union(*(each.variables() for each in more))
    values = _values(sorted(used, key=lambda v: v.name))
    holds = np.ones((), bool)
    for condition in (first, *joined):
        holds = holds & np.asarray(condition.evaluate(values.__getitem__) >= 0)
    return bool(holds.any())


def _values(variables: Sequence[Variable]) -> dict[Variable, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """All combinations of the variables' values, or random ones."""
    extents = tuple(v.extent for v in variables)
    if prod(extents) <= MAX_ITERATIONS:
        grid = np.indices(extents, sparse=True, dtype=np.int64)
        return dict(zip(variables, grid, strict=True))
    rng = np.random.default_rng(0)
    return {v: rng.integers(0, v.extent, MAX_ITERATIONS) for v in variables}
