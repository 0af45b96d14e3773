"""Which bank an access touches, and which accesses never meet in one.

With cyclic factors f the bank of an element is (i mod f) in each dimension. For an access at index c₁·v₁ + … + k the
bank is a constant if f divides every c. Two accesses never meet in a bank if, in some dimension, the difference of
their indices modulo f is a constant other than zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.once import once
from torch2hw.dialects.quasi_affine import Index


def bank_of(index: Index, factor: int) -> Index:
    """The bank of an index in one dimension: `index mod factor`, from 0 to `factor` - 1."""
    return index.remainder(factor)


@lru_cache(maxsize=1 << 16)
def possible_banks(index: Index, factor: int) -> tuple[int, ...]:
    """The banks of one dimension that an access can touch, ascending."""
    if factor == 1:
        return (0,)
    bank = bank_of(index, factor)
    if bank.is_constant:
        return (bank.constant,)
    if not index.is_affine:
        return tuple(range(factor))
    low, high = index.bounds()
    step = factor
    for _, coefficient in index.terms:
        step = gcd(step, coefficient)
    values = range(low, min(high + 1, low + factor))  # the others leave the same when divided by the factor
    return tuple(sorted({value % factor for value in values if (value - index.constant) % step == 0}))


def never_meet(left: Sequence[Index], right: Sequence[Index], factors: Sequence[int]) -> bool:
    """Two accesses are to different banks in every iteration."""
    return any(apart(a, b, factor) for a, b, factor in zip(left, right, factors, strict=True) if factor > 1)


@lru_cache(maxsize=1 << 16)
def apart(a: Index, b: Index, factor: int) -> bool:
    """Two indices of one dimension are in different banks in every iteration."""
    difference = (a - b).remainder(factor)
    if difference.is_constant and difference.constant != 0:
        return True
    return not set(possible_banks(a, factor)) & set(possible_banks(b, factor))


def kinds(indices: Sequence[Index], factor: int) -> tuple[dict[tuple[object, int], int], list[int]]:
    """A number for each kind of index, and the kind of each index. The bank depends only on the terms of the index and
    on its constant modulo the factor."""
    numbers: dict[tuple[object, int], int] = {}
    return numbers, [numbers.setdefault((index.terms, index.constant % factor), len(numbers)) for index in indices]


def all_apart(indices: Sequence[Index], factor: int) -> NDArray[np.bool_]:
    """`apart` of every two of these indices."""
    numbers, kind = kinds(indices, factor)
    terms: dict[object, int] = {}
    groups = np.array([terms.setdefault(of, len(terms)) for of, _ in numbers], int)
    rest = np.array([constant for _, constant in numbers], int)
    result = rest[:, None] != rest[None, :]  # where two have the same terms, and differ
    examples = dict(zip(kind, indices, strict=True))
    others = (groups[:, None] != groups[None, :]) | np.eye(len(numbers), dtype=bool)
    for row, column in np.argwhere(others).tolist():
        result[row, column] = apart(examples[row], examples[column], factor)
    table: NDArray[np.bool_] = result[np.ix_(kind, kind)]
    return table


@dataclass(frozen=True)
class Accesses:
    """All reads and all writes of one kernel to one buffer (constants excluded)."""

    buffer: Buffer
    reads: tuple[tuple[Index, ...], ...]
    writes: tuple[tuple[Index, ...], ...]


@once
def accesses_of(kernel: Kernel) -> list[Accesses]:
    """The distinct reads and writes of each buffer in one iteration; buffers inside the kernel are left out."""
    reads: dict[Buffer, list[tuple[Index, ...]]] = {}
    writes: dict[Buffer, list[tuple[Index, ...]]] = {}
    for load in kernel.loads():
        if not load.buffer.storage.in_kernel:
            reads.setdefault(load.buffer, []).append(load.indices)
    for store in kernel.stores():
        writes.setdefault(store.buffer, []).append(store.indices)
    return [
        Accesses(buffer, tuple(dict.fromkeys(reads.get(buffer, []))), tuple(dict.fromkeys(writes.get(buffer, []))))
        for buffer in dict.fromkeys([*reads, *writes])
    ]


def run_time_dimensions(kernels: Iterable[Kernel]) -> dict[Buffer, frozenset[int]]:
    """The dimensions of each buffer that some access indexes with a value computed at run time.

    They are not partitioned: the hardware would need a division to find the bank and the offset in it.
    """
    found: dict[Buffer, frozenset[int]] = {}
    for kernel in kernels:
        for buffer, here in _run_time_dimensions(kernel).items():
            found[buffer] = found.get(buffer, frozenset()) | here
    return found


@once
def _run_time_dimensions(kernel: Kernel) -> dict[Buffer, frozenset[int]]:
    found: dict[Buffer, frozenset[int]] = {}
    loops = {loop.variable for loop in kernel.loops}
    for load in kernel.loads():
        here = {d for d, index in enumerate(load.indices) if not index.variables() <= loops}
        if here:
            found[load.buffer] = found.get(load.buffer, frozenset()) | here
    return found


def selection(indices: Sequence[Index], factors: Sequence[int]) -> list[tuple[int, ...]]:
    """Every bank (as a tuple over dimensions) that an access can touch."""
    banks: list[tuple[int, ...]] = [()]
    for index, factor in zip(indices, factors, strict=True):
        banks = [(*bank, number) for bank in banks for number in possible_banks(index, factor)]
    return banks


def bank_number(bank: Sequence[int], factors: Sequence[int]) -> int:
    """The row-major number of a bank among prod(`factors`), its coordinates one for each dimension."""
    number = 0
    for part, factor in zip(bank, factors, strict=True):
        number = number * factor + part
    return number
